# SPDX-License-Identifier: LGPL-2.1-or-later
"""The doorward command, as people and scripts use it."""

import json
import os

import lib


def doorward(*argv, user="alice", **options):
    return lib.run("doorward", *argv, user=user, **options)


def test_list():
    """list shows both levels and what policy says for whoever asks; --no-check asks nobody."""
    with lib.rule(lib.allow("echo", "read-only"), lib.allow("docker", "full", result="NO")):
        out = doorward("list").expect_status(0).out
        rows = {line.split()[0]: line.split() for line in out.splitlines()[1:] if line.strip()}
        lib.expect(rows["echo"][1:3], ["yes", "password:admin"])
        lib.expect(rows["docker"][1:3], ["password:admin", "no"])
        lib.expect(rows["kvm"][1], "n/a")
        lib.expect_in("serial@", rows)
        endpoints = json.loads(doorward("list", "--json=short").expect_status(0).out)
        found = {entry["name"]: entry for entry in (endpoints["endpoints"] if isinstance(endpoints, dict) else endpoints)}
        lib.expect_in("libvirt", found)
        with lib.frozen("polkit.service"):
            out = doorward("list", "--no-check").expect_status(0).out
            lib.expect_in("echo", out)


def test_explain():
    """explain says who you are, which action, its defaults, the answer, and which rule would change
    it; that very rule, written down, does."""
    result = doorward("explain", "echo")
    text = result.out
    for word in ("alice", "org.doorward.endpoint.echo.full", "auth_admin", "polkit.addRule"):
        lib.expect_in(word, text)
    begin = text.index("polkit.addRule")
    rule = text[begin : text.index("});", begin) + 3]
    with lib.echo(rule):
        doorward("exec", "echo", "--", "true").expect_status(0)
        lib.expect(doorward("exec", "echo", "--", "true", user="bob").status, 91)


def test_exit_statuses():
    """One status for each class of error."""
    with lib.rule(lib.allow("echo", "full", result="NO"), lib.allow("echo", "read-only")):
        for argv, status in (
            (["exec", "echo", "--", "true"], 90),
            (["exec", "echo:ro", "--", "true"], 96),
            (["exec", "libvirt", "--", "true"], 91),
            (["exec", "nothing", "--", "true"], 88),
            (["exec", "kvm:ro", "--", "true"], 89),
            (["exec", "echo"], 2),
            (["exec", "Echo!", "--", "true"], 2),
            (["nonsense"], 2),
            (["list", "--nonsense"], 2),
            (["--version"], 0),
            (["--help"], 0),
        ):
            result = doorward(*argv)
            lib.expect(result.status, status, f"{argv}: {result!r}")
            if status not in (0,):
                lib.expect_true(result.err.strip(), f"{argv}: it says why")


def test_errors_as_json():
    """With --json an error is an object on standard output, with the request id of the record."""
    journal = lib.Journal()
    result = doorward("explain", "nothing", "--json=short")
    error = result.json()["error"]
    lib.expect(result.status, 88)
    lib.expect_true(error["message"], str(error))
    result = doorward("stdio", "libvirt")
    lib.expect(result.status, 91)
    request = result.err.split("Request: ", 1)[1].split()[0]
    journal.wait("the record of it", DOORWARD_REQUEST=request)


def test_no_broker():
    """Without a broker the command says so, by its own status."""
    lib.systemctl("stop", "doorward.socket", "doorward.service")
    try:
        result = doorward("list")
        lib.expect(result.status, 86, f"{result!r}")
    finally:
        lib.systemctl("start", "doorward.socket")


def test_info():
    """info shows the broker's version, features and limits."""
    out = doorward("info").expect_status(0).out
    lib.expect_in("polkit", out)
    info = doorward("info", "--json=short").expect_status(0).json()
    lib.expect_true(info, "an object")


def test_policy():
    """policy prints a .policy file that pkaction takes; to remove one wants root."""
    text = doorward("policy", "echo").expect_status(0).out
    lib.expect_in("org.doorward.endpoint.echo.full", text)
    lib.expect_in("unix-user:doorward", text)
    lib.expect_true(doorward("policy", "--remove", "echo").status != 0, "alice removes an action")
    out = lib.ok("pkaction", "--verbose", "--action-id", "org.doorward.endpoint.echo.full")
    lib.expect_in("auth_admin", out)
    shipped = ("docker", "podman", "libvirt", "mariadb", "postgresql", "kvm", "kmsg", "serial", "tun")
    for name in shipped:
        lib.ok("pkaction", "--action-id", f"org.doorward.endpoint.{name}.full")
    lib.ok("pkaction", "--action-id", "org.doorward.endpoint.docker.read-only")
    lib.expect(
        lib.run("pkaction", "--action-id", "org.doorward.endpoint.kvm.read-only").status, 1
    )


def test_shipped_defaults():
    """The shipped actions have the defaults that were decided on."""

    def defaults(action):
        out = lib.ok("pkaction", "--verbose", "--action-id", action)
        lines = [line.strip() for line in out.splitlines()]
        values = dict(line.split(":", 1) for line in lines if line.startswith("implicit "))
        return tuple(values[f"implicit {name}"].strip() for name in ("any", "inactive", "active"))

    admin = "auth_admin"
    for name, level, wanted in (
        ("libvirt", "read-only", (admin, admin, "yes")),
        ("serial", "read-only", (admin, admin, "yes")),  # less is not harder to get than more
        ("serial", "full", (admin, admin, "yes")),
        ("kvm", "full", (admin, admin, "yes")),
        ("kmsg", "read-only", (admin, admin, "auth_self")),
        ("docker", "full", (admin,) * 3),
        ("podman", "full", (admin,) * 3),
        ("libvirt", "full", (admin,) * 3),
        ("kmsg", "full", (admin,) * 3),
        ("mariadb", "full", (admin,) * 3),
        ("postgresql", "full", (admin,) * 3),
        ("tun", "full", (admin,) * 3),
    ):
        lib.expect(defaults(f"org.doorward.endpoint.{name}.{level}"), wanted, f"{name} {level}")
    lib.expect(defaults("org.doorward.full"), (admin,) * 3)
    lib.expect(defaults("org.doorward.read-only"), (admin,) * 3)


def test_verify():
    """verify is content with what is shipped, and finds what is wrong."""
    result = lib.run("doorward", "verify")
    lib.expect(result.status, 0, f"{result!r}")
    with lib.definition("other", lib.ECHO.replace("[Full]", "[Fool]"), apply=False):
        result = lib.run("doorward", "verify", "other")
        lib.expect_in("Fool", result.out + result.err)


def test_stdio():
    """stdio joins standard input and output to the endpoint, half-closes, and ends with it."""
    with lib.echo(lib.allow("echo", "full")):
        data = os.urandom(1 << 20)
        process = lib.start(
            "doorward", "stdio", "echo", user="alice",
            stdin=lib.subprocess.PIPE, stdout=lib.subprocess.PIPE,
        )
        out, _ = process.communicate(data, timeout=30)
        lib.expect(process.returncode, 0)
        lib.expect(out.split(b"\n", 1)[1] == data, True, "what came back")


def test_stdio_by_name():
    """doorward-stdio-NAME and doorward-stdio-ro-NAME stand for it."""
    with lib.echo(lib.allow("libvirt", "read-only")):
        for name in ("doorward-stdio-libvirt", "doorward-stdio-ro-libvirt"):
            lib.expect_true(os.path.lexists(f"/usr/bin/{name}"), name)
    with lib.scratch() as folder, lib.echo(lib.allow("echo", "read-only")):
        os.symlink("/usr/bin/doorward", f"{folder}/doorward-stdio-ro-echo")
        lib.expect_in("uid=", lib.ok(f"{folder}/doorward-stdio-ro-echo", user="alice"))


def test_completion():
    """bash completes endpoints, without asking policy."""
    script = """
. /usr/share/bash-completion/bash_completion
_completion_loader doorward
COMP_WORDS=(doorward exec ec) COMP_CWORD=2 COMP_LINE="doorward exec ec" COMP_POINT=16
$(complete -p doorward | sed 's/.*-F \\([^ ]*\\).*/\\1/') doorward ec exec
printf '%s\\n' "${COMPREPLY[@]}"
"""
    with lib.frozen("polkit.service"):
        out = lib.ok("bash", "-c", script, user="alice")
    lib.expect_in("echo", out.split())


def test_completions_parse():
    """Each shell can read its completion."""
    for shell, path in (
        ("bash", "/usr/share/bash-completion/completions/doorward"),
        ("zsh", "/usr/share/zsh/vendor-completions/_doorward"),
        ("fish", "/usr/share/fish/vendor_completions.d/doorward.fish"),
    ):
        result = lib.run(shell, "-n", path).expect_status(0)
        lib.expect(result.out + result.err, "", path)


def test_completion_fish():
    """fish completes commands, and endpoints without asking policy."""
    with lib.frozen("polkit.service"):
        for line, wanted in (("doorward ex", "exec"), ("doorward exec ec", "echo:ro")):
            out = lib.ok("fish", "--command", f"complete --do-complete {line!r}", user="alice")
            lib.expect_in(wanted, [text.split("\t")[0] for text in out.splitlines()], line)


def test_manual_pages():
    """There are manual pages of everything that an administrator meets."""
    brought = lib.ok("dpkg-query", "--listfiles", "doorward").split()
    for section, name in (
        (1, "doorward"), (7, "doorward"), (8, "doorwardd"), (5, "doorward.endpoint"),
        (8, "doorward-opener"), (8, "doorward-generator"),
    ):
        lib.expect_in(f"/usr/share/man/man{section}/{name}.{section}.gz", brought)


def test_terminal_control():
    """What a definition says is shown without what a terminal would obey."""
    text = lib.ECHO.replace("Description=A", "Description=\x1b]0;owned\x07A")
    with lib.definition("other", text):
        out = doorward("list").expect_status(0).out
        lib.expect_not_in("\x1b]", out)
        lib.expect_not_in("\x07", out)
