# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pages of docs/cookbook: what they say to do is done, as it stands there, with Debian's programs
and real services. See recipes.py for how a page is read.

What a page takes for granted (a service with something in it, a group of developers with alice among
them) is made here.
"""

import contextlib
import io
import os
import pwd
import re
import tarfile
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
def folder(path, owner="root"):
    """A folder of a service's, for a while."""
    os.makedirs(path)
    lib.shutil.chown(path, owner)
    try:
        yield path
    finally:
        lib.shutil.rmtree(path)


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


def read(*pages, **options):
    with developers():
        recipes.follow(*pages, **options)


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
    with lib.system_user("git"), folder("/srv/git", "git") as path:
        lib.ok("sh", "-c", REPOSITORY, user="git", cwd=path)
        read("git")


# rsync.


def test_rsync():
    """Backups are listed and fetched, and not written."""
    with folder("/srv/backups") as path:
        os.makedirs(f"{path}/home/alice")
        lib.write(f"{path}/home/alice/letter", "Dear Bob\n")
        read("rsync")


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
        with lib.system_user("meter"), lib.unit("meter.service", METER):
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


def psql(*statements):
    words = [word for statement in statements for word in ("-c", statement)]
    lib.ok("psql", "--quiet", "-d", "postgres", *words, user="postgres")


@contextlib.contextmanager
def postgres():
    """PostgreSQL as Debian's package sets it up, with one table."""
    if not os.path.exists("/etc/postgresql/15/main"):
        lib.ok("pg_createcluster", "15", "main", "--", "--no-sync", timeout=60)
    with lib.unit("tests-postgres.service", POSTGRES):
        lib.systemctl("start", "tests-postgres.service")
        psql("CREATE TABLE things (n int)", "INSERT INTO things VALUES (42)")
        try:
            yield
        finally:
            psql("DROP TABLE things", "DROP ROLE IF EXISTS app", "DROP ROLE IF EXISTS report")


@lib.time_limit(120)
def test_postgresql():
    """psql, its ^C, two roles; pg_dump with several connections; a program in Python."""
    with postgres():
        read("psql", "pg_dump", "psycopg")


# MariaDB.


def mariadb(*statements):
    lib.ok("mariadb", input=";".join(statements))


@lib.time_limit(120)
def test_mariadb():
    """mysql and mysqldump, as two accounts."""
    with debians("mariadb.service"):
        lib.systemctl("start", "mariadb.service")
        mariadb("CREATE DATABASE shop", "CREATE TABLE shop.things (n INT)")
        mariadb("INSERT INTO shop.things VALUES (42)")
        try:
            read("mysql")
        finally:
            users = [f"DROP USER IF EXISTS 'doorward-{name}'@localhost" for name in ("mariadb", "report")]
            mariadb("DROP DATABASE shop", *users)


# Redis.


def test_redis():
    """redis-cli, several connections under one lease."""
    with debians("redis-server.service"):
        try:
            read("redis-cli")
        finally:
            lib.run("redis-cli", "-s", "/run/redis/redis-server.sock", "flushall")


# A service of one's own.

SHOP = """[Service]
Type=exec
User=shop
UMask=0117
RuntimeDirectory=shop
RuntimeDirectoryMode=0750
ExecStart=/usr/bin/python3 -B {program}
ExecStartPost=sh -c 'while ! [ -S /run/shop/api.sock ]; do sleep 0.05; done'
"""
SHOP_PROGRAM = """
import http.server, socketserver

class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "somebody"

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Welcome to the shop.\\n")

socketserver.ThreadingUnixStreamServer("/run/shop/api.sock", Handler).serve_forever()
"""


@contextlib.contextmanager
def shop():
    """A small service on a socket that only its group can connect to."""
    lib.ok("useradd", "--system", "--user-group", "shop")
    try:
        with lib.scratch() as place:
            lib.write(f"{place}/shop", SHOP_PROGRAM)
            with lib.unit("tests-shop.service", SHOP.format(program=f"{place}/shop")):
                lib.systemctl("start", "tests-shop.service")
                yield
    finally:
        lib.ok("userdel", "shop")


def test_first_endpoint():
    """docs/first-endpoint.md: three commands of root's, and it works."""
    steps = recipes.Page("../first-endpoint").steps
    users = [step.user for step in steps]
    lib.expect(users[:4], ["root", "root", "root", "alice"], "three commands")
    with shop():
        argv = "curl -s --unix-socket /run/shop/api.sock http://shop/".split()
        lib.expect_true(lib.run(*argv, user="alice").status, "without doorward it is not for alice")
        read("../first-endpoint")


# Docker's API, and podman's.


def archive():
    """An image as `docker import` takes it."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        member = tarfile.TarInfo("hello")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    return data.getvalue()


DOCKERFILE = """FROM scratch
COPY hello /
"""


@lib.time_limit(120)
def test_docker():
    """Programs that talk to Docker, with podman as the service."""
    with test_recipes.podman():
        read("docker", "docker-py", "curl", contents={"archive.tar": archive()})


@lib.time_limit(120)
def test_from_the_docker_group():
    """docs/from-the-docker-group.md: nothing breaks on the way from the group to rules."""
    with test_recipes.podman():
        lib.ok("sh", "-c", "gpasswd --add alice docker")
        # Her service manager may be there from a test before, without the group.
        lib.run("systemctl", "stop", f"user@{pwd.getpwnam('alice').pw_uid}.service", timeout=60)
        read("../from-the-docker-group")


@lib.time_limit(120)
def test_ci():
    """A service that builds an image, as a user in no group."""
    with test_recipes.podman(), folder("/srv/shop") as path:
        lib.write(f"{path}/Dockerfile", DOCKERFILE)
        lib.write(f"{path}/hello", "hello")
        try:
            read("ci-runner")
        finally:
            lib.shutil.rmtree("/var/lib/ci", ignore_errors=True)


# It does not lay one overlay upon another, as the container is one.
STORAGE = """[Service]
ExecStart=
ExecStart=/usr/bin/podman --root={folder}/root --runroot={folder}/run --storage-driver=vfs system service
"""


@lib.time_limit(120)
def test_podman():
    """podman, with its service of root's."""
    with lib.scratch(0o700) as folder, lib.drop_in("podman.service", STORAGE.format(folder=folder)):
        try:
            read("podman", contents={"archive.tar": archive()})
        finally:
            lib.run("systemctl", "stop", "podman.socket", "podman.service")


# libvirt.

MACHINE = b"""<domain type='qemu'>
  <name>web</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
</domain>
"""


@lib.time_limit(120)
def test_libvirt():
    """virsh at both accesses, virt-install, a program in Python; and a sandbox."""
    try:
        read("virsh", "virt-manager", "libvirt-python", "bubblewrap", contents={"web.xml": MACHINE})
    finally:
        for name in "web", "shop":
            lib.run("virsh", "-c", "qemu:///system", "undefine", name)


# containerd.


def test_containerd():
    """ctr, for what it asks the service to do."""
    with debians("containerd.service"):
        read("ctr")


# gdbus.

BUS = """<busconfig>
<listen>unix:path=/run/shop/bus</listen>
<auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/>
<allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/>
<allow own="*"/>
</policy>
</busconfig>
"""
BUS_UNIT = """[Service]
Type=exec
ExecStart=dbus-daemon --nofork --nopidfile --config-file={file}
ExecStartPost=sh -c 'while ! [ -S /run/shop/bus ]; do sleep 0.05; done'
"""


@contextlib.contextmanager
def bus():
    """A bus of an application's, in a folder that only its group can enter."""
    lib.ok("groupadd", "--system", "shop")
    try:
        with folder("/run/shop") as path, lib.scratch() as place:
            lib.shutil.chown(path, group="shop")
            os.chmod(path, 0o750)
            lib.write(f"{place}/bus.conf", BUS)
            with lib.unit("tests-bus.service", BUS_UNIT.format(file=f"{place}/bus.conf")):
                lib.systemctl("start", "tests-bus.service")
                yield
    finally:
        lib.ok("groupdel", "shop")


def test_gdbus():
    """Programs of each D-Bus library, as the user who asks."""
    with bus():
        read("gdbus")


# qemu.


def test_qemu():
    """A tap as a descriptor and by a helper, and a disk."""
    os.chmod("/dev/net/tun", 0o666)  # as udev makes it
    with folder("/srv/machines") as path:
        lib.write(f"{path}/shop.img", "")
        os.truncate(f"{path}/shop.img", 1 << 20)
        try:
            read("qemu")
        finally:
            lib.run("ip", "link", "delete", "shop")


# picocom.

BOARD = "while read -r line; do [ $line != status ] || echo The board is well.; done"


@contextlib.contextmanager
def board():
    """What looks like /dev/ttyUSB0 is a pty, at the other end of which a board answers."""
    process = lib.start(
        "socat", "PTY,raw,echo=0,link=/dev/ttyUSB0,group=dialout,mode=660",
        f"SYSTEM:{BOARD}",
    )
    drop_in = f"{lib.DEFINITIONS}/serial@.conf.d/tests.conf"
    try:
        lib.wait_for(lambda: os.path.exists("/dev/ttyUSB0"), "socat makes the line")
        with lib.file(drop_in, "[Connect]\nDevice=char:pts\n"):
            lib.apply_definitions()
            yield
    finally:
        process.kill()
        process.communicate()


def test_picocom():
    """A line, by a pty in its place and as standard input."""
    with board():
        read("picocom")
