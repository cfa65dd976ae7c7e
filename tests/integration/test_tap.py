# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network taps: the shipped tun, and qemu as its client."""

import contextlib
import errno
import fcntl
import glob
import os
import select
import socket
import struct

import lib
import opener
import test_opener
import varlink

TUN = "/dev/net/tun"
TUNSETIFF, TUNGETIFF = 0x400454CA, 0x800454D2
TUNSETPERSIST, TUNSETOWNER, TUNSETOFFLOAD = 0x400454CB, 0x400454CC, 0x400454D0
TUNSETQUEUE, TUNSETVNETHDRSZ, TUNGETDEVNETNS = 0x400454D9, 0x400454D8, 0x54E3
SIOCGSKNS, SIOCSIFFLAGS, SIOCSIFHWADDR = 0x894C, 0x8914, 0x8924
IFF_UP, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_DETACH_QUEUE = 0x1, 0x2, 0x1000, 0x4000, 0x400

QEMU = ("qemu-system-x86_64", "-machine", "none", "-nodefaults", "-no-user-config", "-display", "none")

OUTPUT = {
    "stdin": lib.subprocess.DEVNULL,
    "stdout": lib.subprocess.PIPE,
    "stderr": lib.subprocess.STDOUT,
}


@contextlib.contextmanager
def tun(*rules):
    """Alice may have one. The node is open to everybody, as udev makes it."""
    os.chmod(TUN, 0o666)
    with lib.rule(*(rules or (lib.allow("tun", "full"),))):
        yield


@contextlib.contextmanager
def bridge(name="doorward-br"):
    """The shipped definition puts what it makes into this bridge."""
    lib.ok("ip", "link", "add", name, "type", "bridge")
    lib.ok("ip", "link", "set", name, "up")
    drop_in = f"{lib.DEFINITIONS}/tun.conf.d/bridge.conf"
    try:
        with lib.file(drop_in, f"[Full]\nBridge={name}\n"):
            lib.apply_definitions()
            yield name
    finally:
        lib.apply_definitions()
        lib.ok("ip", "link", "delete", name)


def exists(interface):
    return os.path.exists(f"/sys/class/net/{interface}")


def interface_of(pid):
    """The interface whose other end this process has."""
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        with contextlib.suppress(FileNotFoundError):
            for line in lib.read(path).splitlines():
                if line.startswith("iff:") and line.split()[1:]:
                    return line.split()[1]
    return None


def frame(text):
    """A broadcast frame of a kind that nothing of a kernel answers."""
    return b"\xff" * 6 + bytes.fromhex("0200000000aa88b5") + text.ljust(60, b"\0")


@contextlib.contextmanager
def listening(interface):
    """What goes through the interface, at the machine's end of it."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5)) as wire:
        wire.bind((interface, 0x88B5))
        wire.settimeout(10)
        yield wire


def expect_frame(wire, text):
    """It comes; others, of the machine's own, may come before."""
    while (data := wire.recv(2000)) != frame(text):
        lib.expect_not_in(text, data)


class Qemu:
    """qemu of alice, whose network device is joined to a pair of datagram sockets, at the other end
    of which is the test: what comes from there goes into the tap, and the other way round."""

    def __init__(self, folder, name, netdev, before=()):
        self.far = f"{folder}/{name}.far"
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wire.bind(f"{folder}/{name}.near")
        os.chmod(f"{folder}/{name}.near", 0o666)
        self.wire.settimeout(10)
        hub = "hubport,id={0},hubid=0,netdev={1}"
        dgram = (
            f"dgram,id=d,local.type=unix,local.path={self.far},"
            f"remote.type=unix,remote.path={folder}/{name}.near"
        )
        arguments = ("-netdev", netdev, "-netdev", dgram)
        arguments += ("-netdev", hub.format("p", "t"), "-netdev", hub.format("q", "d"))
        self.program = lib.start(*before, *QEMU, *arguments, user="alice", **OUTPUT)

    def find(self):
        """The process that is qemu, once its network is there."""
        pid = self.program.pid
        if self.program.poll() is not None:
            raise lib.Failure(f"qemu ended: {self.program.stdout.read()!r}")
        children = lib.read(f"/proc/{pid}/task/{pid}/children").split()
        for candidate in [str(pid), *children]:
            if interface_of(candidate) and os.path.exists(self.far):
                return int(candidate)
        return None

    def interface(self):
        return interface_of(lib.wait_for(self.find, "qemu has its network", timeout=20))

    def send(self, text):
        self.wire.sendto(frame(text), self.far)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # By 'doorward exec', too, which sends it on.
        self.program.terminate()
        self.program.wait(10)
        self.program.stdout.close()
        self.wire.close()


@contextlib.contextmanager
def place_for_alice():
    with lib.scratch() as folder:
        lib.shutil.chown(folder, "alice")
        yield folder


def leases():
    found = lib.run("doorward", "leases", "--json=short", user="alice").expect_status(0).json()
    return [lease for lease in found if lease["endpoint"].startswith("tun")]


def test_qemu_fd():
    """qemu -netdev tap,fd= with a descriptor of doorward exec: frames go through it both ways. The
    interface is new, has the definition's name, stands in the opener's record, and goes with qemu."""
    journal = lib.Journal()
    with tun(), place_for_alice() as folder:
        exec_tun = ("doorward", "exec", "tun=5", "--")
        with Qemu(folder, "a", "tap,id=t,fd=5", exec_tun) as qemu:
            interface = qemu.interface()
            lib.expect_true(interface.startswith("doorward"), interface)
            entry = journal.wait(
                "the opener's record", DOORWARD_ENDPOINT="tun", SYSLOG_IDENTIFIER="doorward-opener"
            )[0]
            lib.expect_in(f": {interface}.", entry["MESSAGE"])
            lib.expect([lease["mode"] for lease in leases()], ["tracked"])
            # It is down until somebody sets it up.
            flags = int(lib.read(f"/sys/class/net/{interface}/flags"), 16)
            lib.expect(flags & IFF_UP, 0)
            lib.ok("ip", "link", "set", interface, "up")
            with listening(interface) as wire:
                qemu.send(b"from the machine's guest")
                expect_frame(wire, b"from the machine's guest")
                wire.send(frame(b"to the guest"))
                expect_frame(qemu.wire, b"to the guest")
            lib.expect_true(exists(interface), interface)
        lib.wait_for(lambda: not exists(interface), f"{interface} is gone")
        lib.wait_for(lambda: not leases(), "the lease has ended")


def test_qemu_helper():
    """-netdev tap,helper= and -netdev bridge,helper=, by the link of that name and by the command:
    two machines of alice in one bridge reach each other. The lease ends with qemu."""
    with tun(), bridge() as name, place_for_alice() as folder:
        link = f"tap,id=t,br={name},helper=/usr/bin/doorward-fdpass-tun"
        command = f"bridge,id=t,br={name},helper=/usr/bin/doorward fdpass tun"
        with Qemu(folder, "a", link) as first, Qemu(folder, "b", command) as second:
            interfaces = [first.interface(), second.interface()]
            lib.expect(len(set(interfaces)), 2)
            for interface in interfaces:
                master = os.readlink(f"/sys/class/net/{interface}/master")
                lib.expect(os.path.basename(master), name)
            first.send(b"one to two")
            expect_frame(second.wire, b"one to two")
            second.send(b"two to one")
            expect_frame(first.wire, b"two to one")
            lib.expect(len(leases()), 2)
        lib.wait_for(lambda: not leases(), "the leases have ended")
        lib.wait_for(lambda: not any(map(exists, interfaces)), "the interfaces are gone")


def test_helper_refused():
    """What qemu asks of a helper and the definition does not give is refused in a sentence, before
    polkit is asked: another bridge; a tap of what is none. qemu's own default is no question."""
    journal = lib.Journal()

    def fdpass(endpoint, *more):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            argv = ("doorward", "fdpass", endpoint, f"--fd={theirs.fileno()}", "--use-vnet", *more)
            return lib.run(*argv, user="alice", pass_fds=[theirs.fileno()])

    with tun():
        lib.expect_in("into no bridge, and br7 is wanted", fdpass("tun", "--br=br7").err)
        lib.expect_in("echo is none", fdpass("echo", "--br=br0").err)
        fdpass("tun", "--br=br0").expect_status(0)
        with bridge() as name:
            result = fdpass("tun", "--br=br0").expect_status(85)
            lib.expect_in(f"into the bridge {name}, and br0 is wanted", result.err)
            lib.expect_in("br=", result.err)
            with place_for_alice() as folder, Qemu(
                folder, "a", "tap,id=t,br=br7,helper=/usr/bin/doorward-fdpass-tun"
            ) as qemu:
                out = qemu.program.communicate(timeout=20)[0].decode()
                lib.expect_in("and br7 is wanted", out)
                lib.expect(qemu.program.returncode, 1)
    granted = journal.entries(MESSAGE_ID=lib.GRANTED, DOORWARD_ENDPOINT="tun")
    lib.expect(len(granted), 1, "only the one was asked about")


def test_bridge_that_is_none():
    """A bridge that does not exist, and an interface that is none: the reason is told, and no
    interface is left."""
    with tun(), bridge() as name:
        before = set(os.listdir("/sys/class/net"))
        lib.ok("ip", "link", "set", name, "down")
        lib.ok("ip", "link", "set", name, "name", "doorward-other")
        try:
            result = lib.run("doorward", "exec", "tun", "--", "true", user="alice")
        finally:
            lib.ok("ip", "link", "set", "doorward-other", "name", name)
        lib.expect_in(f"there is no bridge {name}", result.expect_status(96).err)
        lib.expect(set(os.listdir("/sys/class/net")), before)


def test_only_who_may():
    """A tap is an administrator's to give: without a rule nobody gets one."""
    os.chmod(TUN, 0o666)
    result = lib.run("doorward", "exec", "tun", "--", "true", user="bob")
    lib.expect_true(result.status in (90, 91), f"{result!r}")
    result = lib.run("doorward", "exec", "tun:ro", "--", "true", user="bob")
    lib.expect(result.status, 89, f"{result!r}")


def attempt(fd, request, argument):
    try:
        fcntl.ioctl(fd, request, argument)
    except OSError as error:
        return error.errno
    return 0


def interface_request(name, flags=0):
    return struct.pack("16sH22x", name.encode(), flags)


def keep_it():
    """What somebody without privileges can do with a tap that was handed over."""
    with varlink.opened("tun", "full") as (_, reply, fd):
        name = fcntl.ioctl(fd, TUNGETIFF, bytes(40))[:16].rstrip(b"\0").decode()
        done = {
            "mode": reply["mode"],
            "flags": struct.unpack("16xH22x", fcntl.ioctl(fd, TUNGETIFF, bytes(40)))[0],
            "blocking": not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK,
            # Another interface, more of this one, or the network it is in: no.
            "setiff": attempt(fd, TUNSETIFF, interface_request("lo", IFF_TAP)),
            "queue": attempt(fd, TUNSETQUEUE, interface_request(name, IFF_DETACH_QUEUE)),
            "netns": attempt(fd, SIOCGSKNS, 0),
            "devnetns": attempt(fd, TUNGETDEVNETNS, 0),
            "offload": attempt(fd, TUNSETOFFLOAD, 0),
            "header": attempt(fd, TUNSETVNETHDRSZ, struct.pack("i", 12)),
            # Its address, whose it is, and whether it goes with the descriptor: yes.
            "address": attempt(
                fd, SIOCSIFHWADDR, struct.pack("16sH6s16x", name.encode(), 1, b"\2\0\0\0\0\xaa")
            ),
            "owner": attempt(fd, TUNSETOWNER, os.getuid()),
            "persist": attempt(fd, TUNSETPERSIST, 1),
        }
        with socket.socket() as any_socket:
            done["down"] = attempt(any_socket, SIOCSIFFLAGS, interface_request(name))
    return name, done


def take_again(name):
    """The lease is over; and the node is everybody's."""
    fd = os.open(TUN, os.O_RDWR)
    result = attempt(fd, TUNSETIFF, interface_request(name, IFF_TAP | IFF_NO_PI))
    os.close(fd)
    return result


def test_what_a_client_can_do():
    """A tap that was handed over cannot be made another one, and can be kept: as docs/THREATS says.
    An administrator takes it back with ip link delete."""
    with tun():
        name, done = lib.as_user("alice", keep_it)
        try:
            wanted = {
                "mode": "tracked",
                "flags": IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
                "blocking": True,
                "setiff": errno.EEXIST,
                "queue": errno.EINVAL,
                "netns": errno.EPERM,
                "devnetns": errno.EPERM,
                "offload": 0,
                "header": 0,
                "address": 0,
                "owner": 0,
                "persist": 0,
                "down": errno.EPERM,
            }
            lib.expect({**done, "flags": done["flags"] & 0xF003}, wanted)
            lib.expect_true(exists(name), "it was kept")
            lib.expect(lib.as_user("alice", take_again, name), 0)
            lib.expect(lib.as_user("bob", take_again, name), errno.EPERM)
        finally:
            lib.ok("ip", "link", "delete", name)


def address_of(interface):
    return lib.read(f"/sys/class/net/{interface}/address").strip()


def take_address(child, address):
    """Another address for a tap that was handed over, from without privileges."""
    with varlink.opened("tun", "full") as (_, _, fd):
        name = fcntl.ioctl(fd, TUNGETIFF, bytes(40))[:16].rstrip(b"\0")
        wanted = bytes.fromhex(address.replace(":", ""))
        child.tell(attempt(fd, SIOCSIFHWADDR, struct.pack("16sH6s16x", name, 1, wanted)))
        child.hear()


def test_address_of_a_port():
    """A client can give a port of a bridge another address: the bridge takes it for its own where it
    is the lowest and nobody has set the bridge's, and then takes what is sent to it, whoever else has
    that address. As docs/THREATS says; a bridge whose address was set keeps it."""
    low = "02:00:00:00:00:01"
    with tun(), bridge() as name:
        with lib.Child("alice", lambda child: take_address(child, low)) as child:
            lib.expect(child.hear(), 0)
            lib.expect(address_of(name), low)
            local = [line.split() for line in lib.ok("bridge", "fdb", "show", "br", name).splitlines()]
            lib.expect_true([words for words in local if words[0] == low], f"{local}")
        lib.ok("ip", "link", "set", name, "address", "02:00:00:00:00:99")
        with lib.Child("alice", lambda child: take_address(child, low)) as child:
            lib.expect(child.hear(), 0)
            lib.expect(address_of(name), "02:00:00:00:00:99")


def test_taken_back():
    """The end of a lease does not end the tap, and the record does not say that it does; deleting the
    interface does, in the middle of a read."""

    def hold(child):
        with varlink.opened("tun", "full") as (_, _, fd):
            child.tell(fcntl.ioctl(fd, TUNGETIFF, bytes(40))[:16].rstrip(b"\0").decode())
            child.hear()
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(10000)
            try:
                return os.read(fd, 2000)
            except OSError as error:
                return error.errno

    with tun(), lib.Child("alice", hold) as child:
        name = child.hear()
        lease = lib.wait_for(leases, "the lease is there")[0]["id"]
        out = lib.run("doorward", "revoke", lease, user="alice").expect_status(0)
        lib.expect_in("cannot", out.out + out.err)
        lib.expect_true(exists(name), "the tap goes on")
        child.tell()
        lib.ok("ip", "link", "delete", name)
        lib.expect(child.result(), errno.EBADFD)


def test_one_that_is_there():
    """Tap= without a capability: an interface that an administrator made for the opener's user. The
    opener has no power by which it could make one; one that is not there is refused."""
    text = "[Endpoint]\nDescription=One\n[Full]\nTap=doorward-vm\nVNetHeader=no\n"
    argv = ("doorward", "exec", "vm", "--", "true")
    with tun(lib.allow_generic("vm", "full")), lib.definition("vm", text):
        result = lib.run(*argv, user="alice").expect_status(96)
        lib.expect_in("there is no interface doorward-vm", result.err)
        opener = ["user", "doorward-opener"]
        lib.ok("ip", "tuntap", "add", "doorward-vm", "mode", "tap", *opener)
        try:
            lib.run(*argv, user="alice").expect_status(0)
            lib.expect_true(exists("doorward-vm"), "it stays")
            capabilities = lib.unit_property("doorward-opener@vm.service", "CapabilityBoundingSet")
            lib.expect(capabilities, "")
        finally:
            lib.ok("ip", "link", "delete", "doorward-vm")


def give_it_up():
    with varlink.opened("vm", "full") as (_, _, fd):
        return attempt(fd, TUNSETPERSIST, 0)


def test_one_that_is_there_and_goes():
    """An interface that was made beforehand is a client's to remove, too: as docs/THREATS says. The
    next is told that there is none."""
    text = "[Endpoint]\nDescription=One\n[Full]\nTap=doorward-vm\nVNetHeader=no\n"
    with tun(lib.allow_generic("vm", "full")), lib.definition("vm", text):
        lib.ok("ip", "tuntap", "add", "doorward-vm", "mode", "tap", "user", "doorward-opener")
        lib.expect(lib.as_user("alice", give_it_up), 0)
        lib.wait_for(lambda: not exists("doorward-vm"), "it is gone")
        result = lib.run("doorward", "exec", "vm", "--", "true", user="alice").expect_status(96)
        lib.expect_in("there is no interface doorward-vm", result.err)


def test_template():
    """An instance is part of the name; one that is too long for it is refused."""
    text = """[Endpoint]
Description=Taps by name
Instance=*
[Full]
Tap=vm-%i
[Connect]
Capabilities=CAP_NET_ADMIN
"""
    with tun(lib.allow_generic("taps", "full")), lib.definition("taps@", text):
        show = ("sh", "-c", "grep iff: /proc/self/fdinfo/3")
        argv = ("doorward", "exec", "taps@work", "--", *show)
        lib.expect(lib.ok(*argv, user="alice").split(), ["iff:", "vm-work"])
        result = lib.run("doorward", "exec", "taps@1234567890123", "--", "true", user="alice")
        lib.expect_in("1234567890123", result.err)
        lib.expect_true(result.status != 0, f"{result!r}")


def test_instance_that_is_an_option():
    """An instance that would have the name of an interface begin as an option does is none, to broker
    and opener."""
    text = "[Endpoint]\nDescription=Taps\nInstance=*\n[Full]\nTap=%i\n"
    with tun(lib.allow_generic("taps", "full")), lib.definition("taps@", text):
        error = lib.as_user("alice", varlink.refusal, "taps@-all")
        lib.expect(error.short, "EndpointNotFound")
        lib.expect_in("taps@ is a template", error.parameters["hint"])

        def ask(accepted):
            definition = opener.definition_of("taps")
            connection = opener.Opener("taps")
            return connection.ask(accepted.fileno(), definition=definition, instance=b"-all")

        with test_opener.connection_of("alice") as accepted:
            status, detail = lib.as_user("doorward", ask, accepted)
        lib.expect(status, opener.INSTANCE)
        lib.expect_in("taps@ has no instance -all", detail)


def test_no_stream():
    """Frames are no stream of bytes: stdio refuses, and says what serves."""
    with tun():
        result = lib.run("doorward", "stdio", "tun", user="alice").expect_status(85)
        lib.expect_in("Write 'exec'", result.err)


def test_qemu_descriptors_of_others():
    """-chardev socket,fd= talks to a service through a descriptor; -add-fd and /dev/fdset/ read a file
    that alice cannot open."""
    argv = ("doorward", "exec", "echo=5", "disk:ro=6", "--", *QEMU)
    chardev = ("-chardev", "socket,id=c,fd=5", "-mon", "chardev=c,mode=readline")
    blockdev = ("-blockdev", "file,node-name=d,filename=/dev/fdset/1,read-only=on")
    with lib.scratch() as folder, lib.Backend("/run/doorward-echo/full") as backend:
        lib.write(f"{folder}/disk", "A" * 512, mode=0o640)
        lib.shutil.chown(f"{folder}/disk", "root", "doorward-echo")
        text = f"""[Endpoint]
Description=A disk
[ReadOnly]
OpenFile={folder}/disk
[Connect]
Groups=doorward-echo
"""
        rules = (lib.allow("echo", "full"), lib.allow_generic("disk", "read-only"))
        with lib.definition("disk", text), lib.rule(*rules):
            program = lib.start(
                *argv, *chardev, "-add-fd", "fd=6,set=1", *blockdev, user="alice", **OUTPUT
            )
            try:
                backend.socket.settimeout(20)
                monitor, _ = backend.socket.accept()
                with monitor:
                    monitor.settimeout(20)
                    expect_words(monitor, b"(qemu)")
                    monitor.send(b'qemu-io d "read -P 0x41 0 512"\n')
                    monitor.send(b"quit\n")
                    out = program.communicate(timeout=20)[0].decode()
                lib.expect_in("read 512/512 bytes", out)
                lib.expect_not_in("verification failed", out)
                lib.expect(program.returncode, 0)
            finally:
                program.kill()
                program.wait()


def expect_words(stream, words):
    """They come, after whatever else."""
    said = b""
    while words not in said:
        data = stream.recv(4096)
        lib.expect_true(data, f"{words!r} after {said!r}")
        said += data
