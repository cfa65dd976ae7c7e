# SPDX-License-Identifier: LGPL-2.1-or-later
"""Templates, devices and paths: what an instance may be, and what a path may lead through."""

import contextlib
import errno
import os
import pty
import stat
import termios

import fuse
import lib
import varlink

EVERYTHING = """polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.doorward.") == 0 && subject.user == "alice")
        return polkit.Result.YES;
});
"""

LOG = """[Endpoint]
Description=A file of the tests
[ReadOnly]
OpenFile={path}
[Full]
OpenFile={path}
[Connect]
{connect}
"""

SOCKET = """[Endpoint]
Description=A socket of the tests
[Full]
ConnectStream={path}
[Connect]
Groups=doorward-echo
PeerUser=root
"""


def outcome(endpoint, access="read_only"):
    with varlink.Client() as client:
        try:
            return client.open(endpoint, access)["state"], {}
        except varlink.VarlinkError as error:
            return error.short, error.parameters


def expect_refused(endpoint, names, *words, access="read_only"):
    name, parameters = lib.as_user("alice", outcome, endpoint, access)
    lib.expect_in(name, names, f"{endpoint}: {parameters}")
    text = f"{parameters.get('reason')} {parameters.get('hint')}"
    for word in words:
        lib.expect_in(word, text, endpoint)
    return parameters


def test_instances_that_a_template_does_not_name():
    """serial@kvm, serial@kmsg, serial@tty0, serial@net: refused, with the definition's own reason,
    whatever policy says; serial@.. is no name at all. Which it was is on the record."""

    def refused(endpoint, cause, *words, access="read_only"):
        journal = lib.Journal()
        parameters = expect_refused(endpoint, ("EndpointNotFound",), *words, access=access)
        (entry,) = journal.wait("the refusal", DOORWARD_REQUEST=parameters["requestId"])
        lib.expect(entry["DOORWARD_ERROR"], "EndpointNotFound", endpoint)
        lib.expect(entry["DOORWARD_CAUSE"], cause, endpoint)

    with lib.rule(EVERYTHING):
        for instance in ("kvm", "kmsg", "tty0", "net", "null", "sda", "tty", "ptmx", "xttyS0"):
            for access in ("read_only", "full"):
                refused(
                    f"serial@{instance}", "not an instance that serial@ allows", "Instance=",
                    access=access,
                )
        for endpoint in ("serial@..", "serial@.", "serial@../net/tun", "serial@/dev/kvm"):
            refused(endpoint, "not a name that an endpoint can have", "not by a path")
        refused("serial", "a template, and no instance was named", "serial@ is a template")
        refused("kvm@0", "no such definition")


def test_instance_that_is_not_there():
    """A serial line that the machine does not have is EndpointUnavailable with ENOENT."""
    with lib.rule(EVERYTHING):
        name, parameters = lib.as_user("alice", outcome, "serial@ttyUSB77")
        lib.expect((name, parameters["errno"]), ("EndpointUnavailable", 2))


def test_instance_of_another_driver():
    """A node by an allowed name that is another driver's is refused: the name proves nothing."""
    with lib.rule(EVERYTHING):
        for major, minor, kind in ((1, 3, stat.S_IFCHR), (10, 200, stat.S_IFCHR), (7, 0, stat.S_IFBLK)):
            os.mknod("/dev/ttyUSB8", kind | 0o666, os.makedev(major, minor))
            try:
                expect_refused("serial@ttyUSB8", ("EndpointUnavailable",))
            finally:
                os.unlink("/dev/ttyUSB8")
        for text in ("x", None):
            if text:
                lib.write("/dev/ttyUSB8", text, 0o666)
            else:
                os.mkfifo("/dev/ttyUSB8", 0o666)
            try:
                expect_refused("serial@ttyUSB8", ("EndpointUnavailable",))
            finally:
                os.unlink("/dev/ttyUSB8")


def test_links_that_root_made():
    """A symbolic link that stands where only root can write is followed."""
    with lib.scratch() as folder, lib.rule(EVERYTHING):
        with lib.file(f"{folder}/log", "the log\n", mode=0o640, group="adm"):
            os.symlink(f"{folder}/log", f"{folder}/link")
            os.symlink("link", f"{folder}/relative")
            os.symlink(folder, f"{folder}/round")
            for path in ("link", "relative", "round/round/link"):
                text = LOG.format(path=f"{folder}/{path}", connect="Groups=adm")
                with lib.definition("log", text):
                    with_open = lib.as_user("alice", outcome, "log")
                    lib.expect(with_open[0], "granted", f"{path}: {with_open[1]}")


@contextlib.contextmanager
def folders_of_users():
    """A folder of alice's and one that everybody can write, in one of root's, which has a log that
    only the group adm may read; in both of them alice planted links to it, and to its folder."""
    with lib.scratch() as folder:
        home, sticky = f"{folder}/alice", f"{folder}/sticky"
        os.mkdir(home, 0o755)
        lib.shutil.chown(home, "alice", "alice")
        os.mkdir(sticky)
        os.chmod(sticky, 0o1777)
        with lib.file(f"{folder}/log", "the log\n", mode=0o640, group="adm"):
            for place in (home, sticky):
                lib.as_user("alice", os.symlink, f"{folder}/log", f"{place}/link")
                lib.as_user("alice", os.symlink, folder, f"{place}/folder")
            yield home, sticky


PLANTED = ("link", "folder/log")


def test_links_that_a_user_planted():
    """A link where a user can write leads nowhere, since nothing does: a folder of a user's, or one
    that others can write, is not even gone into."""
    with lib.rule(EVERYTHING), folders_of_users() as (home, sticky):
        for place, reason in (
            (home, "is a folder that belongs neither to root nor to PeerUser="),
            (sticky, "is a folder that others can write"),
        ):
            for path in PLANTED:
                text = LOG.format(path=f"{place}/{path}", connect="Groups=adm")
                with lib.definition("log", text):
                    expect_refused("log", ("EndpointUnavailable",), f"path: {place} {reason}")


def test_links_in_a_folder_that_may_be_passed():
    """Where a folder of a user's is gone into, by PeerUser=, a link in it, or below it, still leads
    nowhere, whoever made it. Nor does one in a folder that everybody can write, where a socket is
    looked for and PeerUser= says who may have made that."""
    reason = "is a link in or below a folder that others can write"
    with lib.rule(EVERYTHING), folders_of_users() as (home, sticky):
        os.symlink(f"{home}/../log", f"{home}/roots")
        os.mkdir(f"{home}/below")
        os.symlink("../../log", f"{home}/below/roots")
        for path in (*PLANTED, "roots", "below/roots"):
            text = LOG.format(path=f"{home}/{path}", connect="Groups=adm\nPeerUser=alice")
            first = f"{home}/{path.removesuffix('/log')}"
            with lib.definition("log", text):
                parameters = expect_refused("log", ("EndpointUnavailable",), f"{first} {reason}")
                lib.expect(parameters["errno"], errno.ELOOP, path)

        with lib.Backend("/run/doorward-echo/full") as backend:
            backend.serve()
            lib.as_user("alice", os.symlink, backend.path, f"{sticky}/socket")
            with lib.definition("log", SOCKET.format(path=f"{sticky}/socket")):
                expect_refused("log", ("EndpointUnavailable",), reason, access="full")
            lib.expect(backend.connections, [])


def test_folder_of_another_user():
    """A folder of another user is passed only where PeerUser= names that user."""
    with lib.scratch() as folder, lib.rule(EVERYTHING):
        home = f"{folder}/alice"
        os.mkdir(home, 0o755)
        lib.shutil.chown(home, "alice", "alice")
        with lib.file(f"{home}/log", "hers\n", mode=0o640, owner="alice", group="adm"):
            text = LOG.format(path=f"{home}/log", connect="Groups=adm")
            with lib.definition("log", text):
                expect_refused("log", ("EndpointUnavailable",))
            with lib.definition("log", text + "PeerUser=alice\n"):
                lib.expect(lib.as_user("alice", outcome, "log")[0], "granted")


FUSE = "is on a FUSE file system, which says of itself whose it is"


@contextlib.contextmanager
def fuse_of_alice(links=None):
    """A folder of hers in one of root's, which she has mounted a file system of her own at."""
    with lib.scratch() as folder:
        home = f"{folder}/alice"
        os.mkdir(home)
        lib.shutil.chown(home, "alice", "alice")
        with lib.file(f"{folder}/log", "the log\n", mode=0o640, group="adm"):
            with fuse.mounted(home, "alice", links and {k: folder + v for k, v in links.items()}):
                yield home


def test_file_system_that_lies():
    """A file system that a user serves says that it is root's, and has a link to what the user cannot
    read: it leads nowhere, whether or not PeerUser= names that user."""
    with lib.rule(EVERYTHING), fuse_of_alice({"link": "/log", "folder": ""}) as home:
        # As the opener would take it, if it took it for what it says.
        lib.expect((os.stat(home).st_uid, os.stat(home).st_mode & 0o777), (0, 0o755))
        lib.expect(lib.read(f"{home}/link"), "the log\n")
        for path in PLANTED:
            for connect in ("Groups=adm", "Groups=adm\nPeerUser=alice"):
                with lib.definition("log", LOG.format(path=f"{home}/{path}", connect=connect)):
                    expect_refused("log", ("EndpointUnavailable",), f"path: {home} {FUSE}")


def test_file_system_that_never_answers():
    """One that answers nothing holds up nobody: it is refused unasked, by the opener that others wait
    for, and by a process that acts as the client."""
    with lib.rule(EVERYTHING), fuse_of_alice() as home:
        for connect in ("Groups=adm\nPeerUser=alice", "Groups=adm\nConnectAs=client"):
            for path in (home, f"{home}/file"):
                text = LOG.format(path=path, connect=connect)
                # Nor does systemd ask, which makes exceptions of what is to be written.
                with lib.definition("log", text.replace(f"[Full]\nOpenFile={path}\n", "")):
                    expect_refused("log", ("EndpointUnavailable",), f"path: {home} {FUSE}")


def test_too_many_links():
    """More than eight links in a row lead nowhere."""
    with lib.scratch() as folder, lib.rule(EVERYTHING):
        with lib.file(f"{folder}/link0", "x", mode=0o640, group="adm"):
            for index in range(9):
                os.symlink(f"{folder}/link{index}", f"{folder}/link{index + 1}")
            for index, wanted in ((8, "granted"), (9, "EndpointUnavailable")):
                text = LOG.format(path=f"{folder}/link{index}", connect="Groups=adm")
                with lib.definition("log", text):
                    lib.expect(lib.as_user("alice", outcome, "log")[0], wanted, f"{index} links")
            os.symlink("loop", f"{folder}/loop")
            with lib.definition("log", LOG.format(path=f"{folder}/loop", connect="Groups=adm")):
                expect_refused("log", ("EndpointUnavailable",))


def test_kind_that_does_not_fit():
    """OpenFile= opens no socket or folder, ConnectStream= no file."""
    with lib.scratch() as folder, lib.rule(EVERYTHING), lib.echo():
        for path in (folder, "/run/doorward-echo/full"):
            text = LOG.format(path=path, connect="Groups=adm doorward-echo")
            with lib.definition("log", text):
                expect_refused("log", ("EndpointUnavailable",))
        with lib.file(f"{folder}/log", "x", mode=0o640, group="adm"):
            text = LOG.format(path=f"{folder}/log", connect="Groups=adm").replace(
                "OpenFile", "ConnectStream"
            )
            with lib.definition("log", text):
                expect_refused("log", ("EndpointUnavailable",))


def test_descriptor_of_a_device():
    """A device comes in blocking mode, is nobody's controlling terminal, and read-only is O_RDONLY."""
    import fcntl

    def body(access):
        with varlink.opened("line", access) as (_, reply, fd):
            flags = fcntl.fcntl(fd, fcntl.F_GETFL)
            attributes = termios.tcgetattr(fd)
            attributes[4] = attributes[5] = termios.B1200
            termios.tcsetattr(fd, termios.TCSANOW, attributes)
            speed = termios.tcgetattr(fd)[4]
            try:
                written = os.write(fd, b"x")
            except OSError as error:
                written = error.errno
            return reply["mode"], flags & os.O_ACCMODE, flags & os.O_NONBLOCK, speed, written

    master, slave = pty.openpty()
    path = os.ttyname(slave)
    os.chown(path, 0, lib.grp.getgrnam("dialout").gr_gid)
    os.chmod(path, 0o660)
    text = LOG.format(path=path, connect="Groups=dialout\nDevice=char:pts").replace(
        "[Full]", "ReadOnlyMeans=open-flags\n[Full]"
    )
    try:
        with lib.definition("line", text), lib.rule(EVERYTHING):
            mode, access, nonblock, speed, written = lib.as_user("alice", body, "read_only")
            lib.expect((mode, access, nonblock), ("tracked", os.O_RDONLY, 0))
            lib.expect(speed, termios.B1200, "the speed can change on a read-only descriptor")
            lib.expect(written, 9, "EBADF")
            mode, access, nonblock, _, written = lib.as_user("alice", body, "full")
            lib.expect((mode, access, nonblock, written), ("tracked", os.O_RDWR, 0, 1))
            lib.expect(os.read(master, 1), b"x")
    finally:
        os.close(master)
        os.close(slave)


def test_capability_of_a_definition():
    """A root-owned file that no group may read, by an opener with one capability."""
    with lib.scratch() as folder, lib.rule(EVERYTHING):
        with lib.file(f"{folder}/log", "the log\n", mode=0o600):

            def body(access):
                with varlink.opened("log", access) as (_, _, fd):
                    return varlink.line(fd)

            text = LOG.format(path=f"{folder}/log", connect="Capabilities=CAP_DAC_READ_SEARCH")
            with lib.definition("log", text):
                lib.expect(lib.as_user("alice", body, "read_only"), "the log\n")
                expect_refused("log", ("EndpointUnavailable",), access="full")
                pid = lib.unit_pid("doorward-opener@log.service")
                status = lib.read(f"/proc/{pid}/status")
                for name in ("CapEff", "CapBnd", "CapAmb"):
                    lib.expect_in(f"{name}:\t0000000000000004", status)
            with lib.definition("log", LOG.format(path=f"{folder}/log", connect="")):
                name, parameters = lib.as_user("alice", outcome, "log")
                lib.expect((name, parameters["errno"]), ("EndpointUnavailable", 13))


def test_abstract_socket():
    """@abstract needs an explicit PeerUser=, and reaches the host's own abstract names."""
    import socket

    with lib.rule(EVERYTHING):
        name = f"doorward-tests-{lib.number()}"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"\0{name}")
        listener.listen()
        text = f"""[Endpoint]
Description=An abstract socket
[Full]
ConnectStream=@{name}
[Connect]
"""
        with lib.definition("abstract", text):
            expect_refused("abstract", ("EndpointUnavailable",), access="full")
        with lib.definition("abstract", text + "PeerUser=root\n"):
            lib.expect(lib.as_user("alice", outcome, "abstract", "full")[0], "granted")
        with lib.definition("abstract", text + "PeerUser=alice\n"):
            expect_refused("abstract", ("EndpointUnavailable",), access="full")
        listener.close()


def test_seqpacket():
    """ConnectSequentialPacket= gives a seqpacket socket."""
    import socket

    def body():
        with varlink.opened("packets", "full") as (_, reply, fd):
            with socket.socket(fileno=os.dup(fd)) as data:
                data.settimeout(5)
                data.recv(100)
                data.send(b"one")
                data.send(b"two")
                return data.type, data.recv(100), data.recv(100), reply["mode"]

    text = """[Endpoint]
Description=Packets
[Full]
ConnectSequentialPacket=/run/doorward-echo/packets
[Connect]
Groups=doorward-echo
"""
    with lib.Backend("/run/doorward-echo/packets", kind=socket.SOCK_SEQPACKET) as backend:
        backend.serve()
        with lib.definition("packets", text), lib.rule(EVERYTHING):
            lib.expect(
                lib.as_user("alice", body),
                (socket.SOCK_SEQPACKET, b"one", b"two", "revocable"),
            )


def test_first_path_that_exists():
    """Of several paths the first that exists is taken."""
    text = lib.ECHO.replace("Description=", "Description=1st ").replace(
        "ConnectStream=/run/doorward-echo/full",
        "ConnectStream=/run/nowhere/x\nConnectStream=/run/doorward-echo/gone\n"
        "ConnectStream=/run/doorward-echo/full",
    )
    with lib.definition("several", text), lib.echo(EVERYTHING) as full:
        lib.expect(lib.as_user("alice", outcome, "several", "full")[0], "granted")
        lib.wait_for(lambda: full.connections, "the third path was reached")
