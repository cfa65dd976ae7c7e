# SPDX-License-Identifier: LGPL-2.1-or-later
"""That the machine is what the other tests take for granted."""

import os

import lib


def test_users_are_in_no_group():
    """The ordinary users of the tests have nothing but their own group."""
    for user in ("alice", "bob"):
        lib.expect(lib.ok("id", "-nG", user=user).split(), [user])
        lib.expect(lib.login(user, "id", "-nG").expect_status(0).out.split(), [user])
    lib.expect_in("sudo", lib.ok("id", "-nG", "carol").split())


def test_login_is_a_session():
    """login() gives a session of logind's; run() and as_user() none."""
    out = lib.login("alice", "cat", "/proc/self/cgroup").expect_status(0).out
    lib.expect_in("/session-", out)
    lib.expect_not_in("/session-", lib.ok("cat", "/proc/self/cgroup", user="alice"))
    lib.expect(lib.as_user("alice", os.getuid), int(lib.ok("id", "-u", "alice")))


def test_polkit_takes_rules():
    """A rule of a test is in force inside its block, and only there."""

    def asked():
        return lib.run(
            "pkcheck", "--action-id", "org.doorward.tests", "--process", str(os.getpid())
        ).status

    rule = """polkit.addRule(function(action, subject) {
        if (action.id == "org.doorward.tests" && subject.user == "alice")
            return polkit.Result.YES;
    });"""
    before = lib.as_user("alice", asked)
    lib.expect_true(before != 0, "polkit says yes without a rule")
    with lib.rule(rule):
        lib.expect(lib.as_user("alice", asked), 0, "with the rule")
    lib.expect(lib.as_user("alice", asked), before, "without the rule")


def test_dbus_is_debians():
    """Nobody put another bus in the place of Debian's."""
    lib.expect_in("dbus-daemon", os.readlink(f"/proc/{lib.unit_pid('dbus.service')}/exe"))
