# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's packages: upgraded while connections are in use, removed, purged, installed again; what
other packages bring. All else in this folder tests what they installed."""

import contextlib
import glob
import os
import re
import socket
import threading
import time

import engine
import lib
import test_filter
import test_kept
import test_postgres
import test_recipes
import varlink

PACKAGES = f"{lib.SOURCE}/build-check/deb"
NAMES = ["doorward", "libdoorward-dev", "libdoorward1", "python3-doorward"]
DPKG = ("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-unsafe-io")
LEASES = 50
RATES = {"RequestRate": "1000", "RequestBurst": "1000"}

# What a program in Python prints that asks for the endpoint.
ASK = """
import doorward
try:
    doorward.open("echo")
    print("open")
except doorward.Error as error:
    print(error.message)
    print(error.hint)
"""


def dpkg(*argv):
    return lib.ok(*DPKG, *argv, timeout=60)


def newest():
    return sorted(glob.glob(f"{PACKAGES}/*.deb"))


def version():
    return lib.ok("dpkg-query", "-W", "-f", "${Version}", "doorward")


def older(folder):
    """The package doorward, of the version before."""
    now = version()
    (path,) = glob.glob(f"{PACKAGES}/doorward_*.deb")
    lib.ok("dpkg-deb", "--raw-extract", path, f"{folder}/tree")
    control = lib.read(f"{folder}/tree/DEBIAN/control")
    lib.expect_in(f"Version: {now}\n", control)
    control = control.replace(f"Version: {now}\n", f"Version: {now}~before\n")
    lib.write(f"{folder}/tree/DEBIAN/control", control)
    before = f"{folder}/before.deb"
    lib.ok("dpkg-deb", "--root-owner-group", "-Znone", "--build", f"{folder}/tree", before)
    return before


def in_use(count):
    """A body that has so many leases and sends over each of them in turn, without a pause, until it is
    told "count": then it tells how often all of them answered, and the reasons with which they ended."""

    def body(child):
        clients, sockets = [], []
        for _ in range(count):
            client = varlink.Client()
            reply = client.open("echo", "full")
            lib.expect(reply["kept"], True)
            data = socket.socket(fileno=client.fd(reply))
            varlink.line(data.fileno())
            data.settimeout(5)
            clients.append(client)
            sockets.append(data)
        child.tell()
        rounds = 0
        while not child.is_told():
            lib.expect(sum(map(test_kept.carries, sockets)), count, f"those that answer, in round {rounds}")
            rounds += 1
        child.hear()
        child.tell(rounds)
        child.hear()
        child.tell((sum(map(test_kept.carries, sockets)), test_kept.reasons(clients)))
        child.hear()

    return body


@contextlib.contextmanager
def knocking():
    """Meanwhile, somebody connects to the broker again and again, and must never find it shut."""
    stop, refused, times = threading.Event(), [], [0]

    def knock():
        while not stop.is_set():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                try:
                    client.connect(lib.BROKER_SOCKET)
                    times[0] += 1
                except OSError as error:
                    refused.append(error)
            time.sleep(0.01)

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    lib.expect(refused, [], "who knocked meanwhile")
    lib.expect_true(times[0] > 20, f"knocked {times[0]} times only")


def running_since_the_upgrade(pid):
    return " (deleted)" not in os.readlink(f"/proc/{pid}/exe")


@lib.time_limit(120)
def test_upgrade():
    """An upgrade replaces broker and openers, under 50 leases with traffic: not one is interrupted, all
    are listed then, and can be taken back; the socket is there at every moment."""
    with lib.scratch() as folder, lib.echo(lib.allow("echo", "full")), lib.settings(**RATES):
        dpkg("--install", older(folder))
        lib.expect_in("~before", version())
        journal = lib.Journal()
        with lib.Child("alice", in_use(LEASES)) as alice:
            alice.hear()
            before = lib.broker_pid()
            opener = lib.unit_pid("doorward-opener@echo.service")
            lib.expect_true(opener, "an opener runs")
            inode = os.stat(lib.BROKER_SOCKET).st_ino
            # A tenth of a second later, systemd has them.
            time.sleep(0.2)
            with knocking():
                dpkg("--install", *newest())
            after = lib.broker_pid()
            lib.expect_true(after not in (0, before), "another broker")
            lib.expect_true(running_since_the_upgrade(after), "of the new package")
            lib.expect(lib.unit_pid("doorward-opener@echo.service"), 0, "the opener of before has ended")
            lib.expect(os.stat(lib.BROKER_SOCKET).st_ino, inode, "the broker's socket")
            lib.expect_not_in("~before", version())

            alice.tell("count")
            lib.expect_true(alice.hear() > 10, "traffic went on")
            held = [lease for lease in test_kept.leases() if lease["endpoint"] == "echo"]
            lib.expect((len(held), sum(lease["kept"] for lease in held)), (LEASES, LEASES), "listed")
            lib.expect(journal.entries(MESSAGE_ID=lib.ENDED), [], "what has ended")

            lib.ok("doorward", "revoke", "--user=alice")
            alice.tell()
            lib.expect(alice.hear(), (0, {"revoked": LEASES}))
        lib.expect(lib.ok("systemctl", "list-units", "--failed", "--no-legend", "doorward*").strip(), "")


def traces():
    """What is called after doorward wherever packages, services and the system keep anything, but for
    what is the tests' own, as drop-ins in /run are, and what man-db keeps of pages that were read.
    (Elsewhere, the machine may have copies of this tree.)"""
    others = ("/usr/src", "/var/cache/man", "/run/systemd/system")
    skip = [word for path in others for word in ("-path", path, "-prune", "-o")]
    out = lib.ok("find", "/etc", "/usr", "/var", "/run", "/tmp", "/dev", *skip,
                 "-name", "*doorward*", "-print", timeout=60)
    return [path for path in out.splitlines() if not re.search("doorward[-.](tests|echo)", path)]


def users():
    return sorted(entry.pw_name for entry in lib.pwd.getpwall() if entry.pw_name.startswith("doorward"))


@lib.time_limit(120)
def test_upgrade_of_filters():
    """A filter goes on through an upgrade; the next one is of the new package, and it is the listener of
    before that starts it."""
    with lib.scratch() as folder, contextlib.ExitStack() as stack:
        dpkg("--install", older(folder))
        lib.systemctl("stop", test_filter.UNIT)
        before = stack.enter_context(test_filter.granted(path=test_filter.INSTALLED_PATH))
        (old,) = engine.filters()
        listener = lib.unit_pid(test_filter.UNIT)
        dpkg("--install", *newest())

        lib.expect_in("HTTP/1.1 200 OK", test_filter.ask(before), "the one of before")
        after = stack.enter_context(test_filter.granted(path=test_filter.INSTALLED_PATH))
        lib.expect_in("HTTP/1.1 200 OK", test_filter.ask(after), "the next one")
        (new,) = set(engine.filters()) - {old}
        found = [running_since_the_upgrade(pid) for pid in (listener, old, new)]
        lib.expect(found, [False, False, True], "listener, filter, filter")
        lib.expect(lib.unit_pid(test_filter.UNIT), listener, "the listener")

        # Where there is only the listener, that is of the new package, too.
        before.close()
        after.close()
        lib.wait_for(lambda: not engine.filters(), "none is left")
        dpkg("--install", *newest())
        lib.expect(lib.unit_pid(test_filter.UNIT), 0, "the listener has ended")


@lib.time_limit(120)
def test_removed_purged_and_installed_again():
    """Removal ends leases with their reason, and what asks then is told clearly. A purge leaves the
    system's users, as Debian's policy has it, and no file. Installed again, it works."""
    accounts = users()
    lib.expect_true("doorward" in accounts and "doorward-opener" in accounts, f"users: {accounts}")
    try:
        with lib.echo(lib.allow("echo", "full")):
            with lib.Child("alice", in_use(3)) as alice:
                alice.hear()
                alice.tell("count")
                alice.hear()
                dpkg("--remove", "doorward")
                alice.tell()
                lib.expect(alice.hear(), (0, {"shutdown": 3}))
        left = lib.ok("systemctl", "list-units", "--no-legend", "--plain", "doorward*").splitlines()
        lib.expect([unit for unit in left if not unit.startswith("doorward-tests")], [], "units")
        lib.expect(os.path.exists("/run/doorward") and os.listdir("/run/doorward"), False)
        said = lib.ok("python3", "-c", ASK, user="alice")
        lib.expect_in("The broker cannot be reached", said)
        lib.expect_in("doorward.socket", said)

        dpkg("--purge", *NAMES)
        lib.expect(traces(), [], "what a purge leaves")
        lib.expect(users(), accounts, "users")
    finally:
        dpkg("--install", *newest())
        lib.prepare()
    with lib.echo(lib.allow("echo", "full")):
        lib.expect_in("open", lib.ok("python3", "-c", ASK, user="alice"))


SITE = """[Endpoint]
Description=Of another package
[Full]
ConnectStream=/run/doorward-echo/full
[Connect]
Groups=doorward-echo
"""


@contextlib.contextmanager
def package(folder, name, path, text):
    """A package that is installed, and has this file."""
    os.makedirs(f"{folder}/DEBIAN")
    os.makedirs(folder + os.path.dirname(path))
    lib.write(folder + path, text)
    lib.write(f"{folder}/DEBIAN/control", f"Package: {name}\nVersion: 1\nArchitecture: all\n"
              "Maintainer: doorward developers <doorward@example.org>\nDescription: of a test\n")
    lib.ok("dpkg-deb", "-Znone", "--build", folder, f"{folder}.deb")
    try:
        dpkg("--install", f"{folder}.deb")
        yield
    finally:
        dpkg("--purge", name)
        os.unlink(f"{folder}.deb")
        lib.shutil.rmtree(folder)


def test_definition_of_another_package():
    """A package that has a definition needs no scripts: once dpkg is done, the endpoint is there, and
    once it is purged, it is not. What is open of others stays open."""
    with lib.scratch() as folder, lib.echo(lib.allow("echo", "full"), lib.allow_generic("site", "full")):
        with lib.Child("alice", in_use(1)) as alice:
            alice.hear()
            for place in ("/usr/lib/doorward/endpoints.d", "/etc/doorward/endpoints.d"):
                with package(f"{folder}/site", "doorward-tests-site", f"{place}/site.conf", SITE):
                    lib.expect_in("site", lib.ok("doorward", "list", "--no-check").split(), place)
                    lib.ok("doorward", "exec", "site", "--", "true", user="alice")
                lib.expect_not_in("site", lib.ok("doorward", "list", "--no-check").split(), place)
            alice.tell("count")
            lib.expect_true(alice.hear() > 0, "traffic went on")


def autopkgtest(name):
    lib.run(f"{lib.SOURCE}/debian/tests/{name}", timeout=50).expect_status(0)


def test_autopkgtest_library():
    """What Debian's machines run of the installed packages: a program of libdoorward-dev's, and Python."""
    autopkgtest("library")


def test_autopkgtest_virsh():
    """The same: virsh."""
    autopkgtest("virsh")


def test_autopkgtest_psql():
    """The same: psql."""
    with test_postgres.server():
        autopkgtest("psql")


def test_autopkgtest_docker():
    """The same: the docker command. Here it is podman that serves Docker's socket."""
    with test_recipes.podman():
        autopkgtest("docker")
