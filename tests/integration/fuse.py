# SPDX-License-Identifier: LGPL-2.1-or-later
"""A FUSE file system of a user's: the protocol of /dev/fuse, as far as it takes to lie.

It is mounted as fusermount3(1) does for anybody, where /etc/fuse.conf has user_allow_other: for all
to use, and served by a process of that user, who says what is in it and whose.
"""

import contextlib
import ctypes
import errno
import os
import stat
import struct

import lib

NODE = "/dev/fuse"
LOOKUP, FORGET, GETATTR, READLINK, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 5, 26, 36, 42
MS_NOSUID, MS_NODEV = 2, 4


def _attributes(number, mode, size=0):
    """As the user says: root's."""
    return struct.pack("<6Q10I", number, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def _answer(links, opcode, node, data):
    """What it says: in the folder, which is node 1, there are these links and nothing else."""
    names = sorted(links)
    mode = stat.S_IFLNK | 0o777
    if opcode == GETATTR:
        attributes = _attributes(1, stat.S_IFDIR | 0o755) if node == 1 else _attributes(node, mode)
        return 0, struct.pack("<QII", 60, 0, 0) + attributes
    if opcode == LOOKUP and (name := data.rstrip(b"\0").decode()) in names:
        number = names.index(name) + 2
        entry = struct.pack("<4Q2I", number, 0, 60, 60, 0, 0)
        return 0, entry + _attributes(number, mode, len(links[name]))
    if opcode == READLINK:
        return 0, links[names[node - 2]].encode()
    return (errno.ENOENT if opcode == LOOKUP else errno.ENOSYS), b""


def _serve(child, fd, links):
    """Answers until it is unmounted; without links it answers nothing but the first."""
    while True:
        try:
            message = os.read(fd, 1 << 17)
        except OSError as error:
            return error.errno
        _, opcode, unique, node = struct.unpack_from("<IIQQ", message)
        if opcode == INIT:
            status, data = 0, struct.pack("<4I2H2I2H8I", 7, 31, 4096, 0, 8, 8, 4096, 1, 0, 0, *[0] * 8)
        elif opcode in (FORGET, BATCH_FORGET, INTERRUPT) or links is None:
            continue
        else:
            status, data = _answer(links, opcode, node, message[40:])
        os.write(fd, struct.pack("<IiQ", 16 + len(data), -status, unique) + data)
        if opcode == INIT:
            child.tell("ready")


@contextlib.contextmanager
def mounted(folder, user, links=None):
    """At the folder, for a while. With links, it says that it is root's and has those; without, it
    says nothing, and whoever asks waits."""
    if not os.path.exists(NODE):
        os.mknod(NODE, stat.S_IFCHR | 0o666, os.makedev(10, 229))
    entry = lib.pwd.getpwnam(user)
    fd = os.open(NODE, os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fd},rootmode=40000,user_id={entry.pw_uid},group_id={entry.pw_gid},allow_other"
    flags = MS_NOSUID | MS_NODEV
    if libc.mount(user.encode(), folder.encode(), b"fuse.lies", flags, options.encode()) < 0:
        raise OSError(ctypes.get_errno(), "mount")
    try:
        with lib.Child(user, lambda child: _serve(child, fd, links)) as child:
            os.close(fd)
            lib.expect(child.hear(), "ready")
            yield
    finally:
        lib.ok("umount", "--lazy", folder)
