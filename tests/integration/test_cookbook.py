# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pages of docs/cookbook: what they say to do is done, as it stands there, with Debian's programs
and real services. See recipes.py for how a page is read.

What a page takes for granted (a service with something in it, a group of developers with alice among
them) is made here.
"""

import contextlib
import os
import re
import unittest.mock

import lib
import recipes
import test_recipes


@contextlib.contextmanager
def developers():
    """The group that the pages' rules are about."""
    lib.ok("groupadd", "--force", "developers")
    lib.ok("gpasswd", "--add", recipes.USER, "developers")
    try:
        yield
    finally:
        lib.ok("groupdel", "developers")


@contextlib.contextmanager
def system_user(name, home):
    """A system user with a home that is nobody else's."""
    lib.ok("useradd", "--system", "--create-home", "--home-dir", home, name)
    try:
        yield
    finally:
        lib.ok("userdel", "--remove", "--force", name)


@contextlib.contextmanager
def debians(unit):
    """A service as Debian's package has it; it is off in the container. It is not started here."""
    mask = f"/etc/systemd/system/{unit}"
    os.unlink(mask)
    lib.systemctl("daemon-reload")
    try:
        yield
    finally:
        lib.run("systemctl", "stop", unit, timeout=60)
        os.symlink("/dev/null", mask)
        lib.systemctl("daemon-reload")


def read(*pages):
    """Each is right, and starts where the test is now."""
    with developers():
        recipes.expect_pages(*pages)


# The pages themselves.


def installed(package):
    """Its version, without the epoch."""
    return lib.ok("dpkg-query", "-W", "-f", "${Version}", package).split(":")[-1]


def test_versions():
    """Each page that is run says which versions it was tested with, and those are here: of what it says,
    as 7.88, no more counts, so that security updates are welcome."""
    for page in recipes.pages():
        if page.is_run:
            lib.expect_true(page.tested, f"{page.name} says what it was tested with")
        for package, version in page.tested:
            here = installed(package)
            is_it = re.match(rf"{re.escape(version)}(?![0-9])", here)
            lib.expect_true(is_it, f"{page.name}: {package} {version}, here is {here}")


def test_wrong_pages():
    """What comes back otherwise than a page has it, fails, hangs, or is no recipe at all, is noticed."""

    def read(text):
        with lib.scratch() as folder:
            try:
                recipes.Reader(recipes.Page("wrong", text), folder).read()
            except lib.Failure as failure:
                return str(failure)
        return ""

    def prints(shown):
        return read(f"```console\n# echo one; echo two >&2\n{shown}\n# true\n```\n")

    for shown in ("one\ntwo", "one\nt...", "...\ntwo", "...\none\n...\ntwo\n...", "..."):
        lib.expect(prints(shown), "")
    for shown in ("one", "two", "one\nthree", "one\ntwo\nthree", "...\none", "# echo one\ntwo"):
        lib.expect_in("wrong.md:2: not what the page shows", prints(shown))
    lib.expect_in("wrong.md:3: this fails", read("\n```console\n# false\n```\n"))
    lib.expect_in("wrong.md:3: this fails", read("\n```console\n# echo one; false\n...\n```\n"))
    lib.expect_in("wrong.md:4: a block", read("Some words:\n\n```sh\ntrue\n```\n"))
    with unittest.mock.patch.object(recipes, "TIMEOUT", 1):
        for prompt in "$", "#":
            lib.expect_in("wrong.md:2: this does not end", read(f"```console\n{prompt} sleep 50\n```\n"))
    lib.expect(lib.run("pgrep", "-fx", "sleep 50").out, "")


# ssh.


@contextlib.contextmanager
def ssh_keys():
    """alice has a key, which her account takes, and has connected to the machine before. These are of
    the system: her home is the page's."""
    lib.ok("ssh-keygen", "-A")
    with lib.scratch() as folder:
        lib.ok("chown", recipes.USER, folder)
        lib.ok(
            "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/key", user=recipes.USER
        )
        host = lib.read("/etc/ssh/ssh_host_ed25519_key.pub")
        lib.write(f"{folder}/known", f"shell {host}")
        server = f"AuthorizedKeysFile {folder}/key.pub\nStrictModes no\n"
        client = f"IdentityFile {folder}/key\nGlobalKnownHostsFile {folder}/known\n"
        with lib.file("/etc/ssh/sshd_config.d/tests.conf", server):
            with lib.file("/etc/ssh/ssh_config.d/tests.conf", client):
                yield


def test_ssh():
    """A shell, and files, by sshd behind an endpoint."""
    with ssh_keys():
        read("ssh")


# git.

REPOSITORY = r"""set -e
git init -q --bare -b main project.git
git clone -q project.git work
cd work
echo 'The project.' >README
git add README
git -c user.name=Owner -c user.email=git@localhost commit -qm 'README: begun'
git push -q origin HEAD:main
cd ..
rm -rf work
"""


def test_git():
    """Clone, pull and push, by a descriptor and by a command; a fetching one takes no push."""
    with system_user("git", "/srv/git"):
        lib.ok("sh", "-c", REPOSITORY, user="git", cwd="/srv/git")
        read("git")


# rsync.


def test_rsync():
    """Backups are listed and fetched, and not written."""
    folder = "/srv/backups/home/alice"
    os.makedirs(folder)
    try:
        lib.write(f"{folder}/letter", "Dear Bob\n")
        read("rsync")
    finally:
        lib.shutil.rmtree("/srv/backups")


# gdb.

METER = """[Service]
User=meter
ExecStart=/usr/local/bin/meter infinity
"""


def test_gdb():
    """gdb at a service of another user."""
    program = "/usr/local/bin/meter"
    lib.shutil.copy("/usr/bin/sleep", program)
    try:
        with system_user("meter", "/var/lib/meter"), lib.unit("meter.service", METER):
            lib.systemctl("start", "meter.service")
            pid = lib.unit_pid("meter.service")
            read("gdb")
            lib.expect(lib.unit_pid("meter.service"), pid, "the service goes on")
    finally:
        os.unlink(program)


# socat.


def test_socat():
    """HAProxy's control sockets: what may be looked at, and what may be changed."""
    with debians("haproxy.service"):
        read("socat")


# busctl.


def test_busctl():
    """Programs of sd-bus, on the system bus."""
    read("busctl")


# PostgreSQL.

POSTGRES = """[Service]
Type=notify
User=postgres
ExecStart=/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main \\
    -c config_file=/etc/postgresql/15/main/postgresql.conf -c listen_addresses= -c fsync=off
RuntimeDirectory=postgresql
RuntimeDirectoryPreserve=yes
"""


@contextlib.contextmanager
def postgres():
    """PostgreSQL as Debian's package sets it up, with nothing in it."""
    if os.path.exists("/etc/postgresql/15/main"):
        lib.ok("pg_dropcluster", "15", "main", timeout=60)
    lib.ok("pg_createcluster", "15", "main", "--", "--no-sync", timeout=60)
    with lib.unit("tests-postgres.service", POSTGRES):
        lib.systemctl("start", "tests-postgres.service")
        yield


def test_postgresql():
    """Programs of libpq."""
    with postgres():
        read("psycopg")


# Docker's API.


def test_docker():
    """Programs that talk to Docker, with podman as the service."""
    with test_recipes.podman():
        read("docker", "docker-py")
