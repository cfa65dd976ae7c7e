# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections."""

import ctypes
import datetime
import fcntl
import itertools
import os
import warnings
import weakref
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from . import _facts, _library
from ._constants import CloseReason, known
from ._library import call, decode
from ._socket import Socket

CloseFunction = Callable[["Connection", int], object]


class GrantInfo(NamedTuple):
    """What was granted, and how: of the moment of the grant."""

    access: str
    """"full" or "read-only\""""
    mode: str
    """of the lease: "revocable", "tracked" or "none\""""
    kept: bool
    """the lease outlives a restart of the broker"""
    expires: Optional[datetime.datetime]
    """when it ends at the latest; None: no time is set"""
    lease_id: Optional[str]
    """by which the journal has it, DOORWARD_LEASE=; None: there is no lease"""
    request_id: Optional[str]
    """by which the journal has the record of the grant, DOORWARD_REQUEST="""
    action_id: Optional[str]
    """the polkit action that was asked; None: an older broker did not say, as in the next two"""
    how: Optional[str]
    """how policy came to its yes: "implicit" or "challenged"; or "observed": whatever it said"""
    connect_as: Optional[str]
    """whom the service sees: "client", "service" or the name of a user"""
    ends_at_logout: bool
    """the lease ends with the user's session"""


# Close callbacks, by what the library hands back. It frees each when it is not needed any more.
_callbacks: Dict[int, Tuple["weakref.ref[Connection]", CloseFunction]] = {}
_numbers = itertools.count(1)


def _closed(_: Any, reason: int, number: int) -> None:
    try:
        reference, function = _callbacks[number]
        connection = reference()
        if connection is not None:  # whoever called process() has it
            function(connection, known(CloseReason, reason))
    except BaseException as raised:  # pylint: disable=broad-except
        _library.keep(raised)


def _freed(number: int) -> None:
    _callbacks.pop(number, None)


_close_callback = _library.CloseCallback(_closed)
_free_func = _library.FreeFunc(_freed)


class Connection:
    """A connection: a descriptor with its endpoint, its access and its lease. Made by open() and its
    like; closed by close(), at the end of a with statement, or when nobody has it any more.

    It may be used by several threads at once: one that is closed meanwhile is gone when the last
    call on it has returned. It belongs to the process that opened it: after a fork, everything but
    close() raises InvalidConnection in the child.
    """

    def __init__(self, handle: _library.Handle) -> None:
        self._handle = handle
        self._pid = os.getpid()

    def _call(self, name: str, *args: Any) -> Any:
        with self._handle.used() as handle:
            return call(name, handle, *args)

    @property
    def closed(self) -> bool:
        """Whether close() was called. Whether the lease has ended is is_alive()'s to say."""
        return self._handle.closed

    def close(self) -> None:
        """Ends the lease and closes the descriptor, unless that was taken with steal_fd(). On a
        revocable lease (full access to a service's socket is one, as a rule) the broker then hangs
        up on everything that was opened under it, whoever has a copy. Again does no harm."""
        self._handle.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None and not handle.closed:
            if self._pid == os.getpid():
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
            handle.close()  # also if whoever shows warnings keeps us

    def __repr__(self) -> str:
        return f"<doorward.Connection{' (closed)' if self.closed else ''} at {id(self):#x}>"

    # The descriptor.

    def get_fd(self) -> int:
        """The connected descriptor. It stays the connection's: do not close it, and do not use it
        after close(). It is in blocking mode, unless its user changes that."""
        return self._call("get_fd")

    fileno = get_fd

    def socket(self) -> Socket:
        """A socket with a copy of the descriptor, for a connection to a service: the caller's, to be
        closed by itself. It keeps the connection from being collected, but is of no use after its
        close() on a revocable lease; and closing the socket alone does not hang up there, while
        close() and socket.shutdown() do. Of what is no socket it raises OSError (ENOTSOCK)."""
        with self._handle.used() as handle:
            fd = fcntl.fcntl(call("get_fd", handle), fcntl.F_DUPFD_CLOEXEC, 3)
        return self._socket(_library.Descriptor(fd), False)

    def steal_fd(self) -> int:
        """Takes the descriptor out of the connection: it is the caller's, to be closed by os.close()
        or given to socket.socket(fileno=). The lease goes on until close(), which the descriptor
        outlives.

        On a revocable lease the broker would hang up on it at that moment, so there it raises
        InvalidConnection with errno EBUSY: keep the connection, and use socket() or get_fd()."""
        return self._call("steal_fd").take()

    def open_another(self) -> int:
        """Opens one more descriptor under the connection's lease: to the same endpoint, with the same
        access. Policy is not asked again. It is the caller's to close, and covered by the lease: on
        a revocable one, os.close() hangs up only with a shutdown before it."""
        return self._call("open_another").take()

    def open_another_socket(self) -> Socket:
        """The same as a socket, which hangs up when it is closed, as sockets do."""
        return self._socket(self._call("open_another"), True)

    def _socket(self, descriptor: _library.Descriptor, hangs_up: bool) -> Socket:
        made = Socket(fileno=descriptor.value)
        descriptor.take()
        made.connection = self
        made._hangs_up = hangs_up
        return made

    # What it is.

    def get_uri(self) -> str:
        """The canonical URI of the connection, with the access that was granted. It can be given to
        open() again."""
        return str(self._call("get_uri"))

    def get_type(self) -> str:
        """What kind of thing the descriptor is: "stream" or "seqpacket" (unix sockets), "device",
        "fifo", "file" or "tap". Expect others in later versions."""
        return decode(self._call("get_type")) or ""

    def get_version(self) -> int:
        """The version of the broker, which is asked each time: major * 1000000 + minor * 1000 +
        micro, or 0 if it is no such number."""
        version = ctypes.c_ulong()
        self._call("get_version", ctypes.byref(version))
        return version.value

    def get_lib_version(self) -> int:
        """The version of the library at the other end, in the same format: version(), but for a
        connection to another machine."""
        version = ctypes.c_ulong()
        self._call("get_lib_version", ctypes.byref(version))
        return version.value

    def get_host_info(self) -> _facts.HostInfo:
        """What is known of the machine that has the endpoint, at this moment."""
        return _facts.host_info(self._call)

    def get_hostname(self) -> str:
        """The name of the machine that has the endpoint, as that machine has it."""
        return str(self._call("get_hostname"))

    def get_capabilities(self) -> Dict[str, Any]:
        """What the broker of the connection is and has, and what it would answer this process:
        doorward_get_capabilities(3) describes it. Nobody is asked for a password."""
        return _facts.capabilities(self._call)

    def get_limits(self) -> Dict[str, _facts.Limit]:
        """What that broker lets the user of this process have, by the names of doorward.conf(5), and
        how much of it that is now."""
        return _facts.limits(self._call)

    def get_security_model(self) -> _facts.SecurityModel:
        """What stands between the connection and more than was granted."""
        return _facts.security_model(self._call)

    def is_secure(self) -> bool:
        """Whether it is certain who is at the other end, and that nobody listens on the way."""
        return bool(self._call("is_secure"))

    def is_encrypted(self) -> bool:
        """Whether what goes through the descriptor is encrypted on its way to the machine that has
        the endpoint; on this machine it is not."""
        return bool(self._call("is_encrypted"))

    def get_grant_info(self) -> GrantInfo:
        """What was granted, and how."""
        pointer = self._call("get_grant_info")
        try:
            return _grant_info(pointer.contents)
        finally:
            call("grant_info_free", pointer)

    # The lease.

    def is_alive(self) -> bool:
        """Whether the connection can still be used, as far as is known without asking anybody. Never
        waits."""
        return bool(self._call("is_alive"))

    def set_close_callback(self, callback: Optional[CloseFunction]) -> None:
        """Has callback(connection, reason) called when the lease ends, by process() and by nothing
        else; None: nothing. reason is a CloseReason, or the number of one that this version does not
        know. What it raises, process() raises."""
        if callback is None:
            self._call("set_close_callback", _library.CloseCallback(), None, _library.FreeFunc())
            return
        number = next(_numbers)
        _callbacks[number] = weakref.ref(self), callback
        try:
            self._call("set_close_callback", _close_callback, number, _free_func)
        except BaseException:
            _callbacks.pop(number, None)
            raise

    def get_event_fd(self) -> int:
        """A descriptor to wait on until it can be read, in whatever loop the program has; then call
        process(). It can be read for ever once the lease has ended: wait on it no longer then. It
        stays the connection's, and is not the connected descriptor."""
        return self._call("get_event_fd")

    def get_events(self) -> int:
        """What to wait for on that descriptor: select.POLLIN, or 0 once the lease has ended and nothing
        is left to be told."""
        return self._call("get_events")

    def get_timeout(self) -> Optional[float]:
        """When process() is to be called although nothing was heard, as time.monotonic() has it; None:
        at no such time, as always in this version."""
        usec = ctypes.c_longlong()
        return usec.value / 1e6 if self._call("get_timeout", ctypes.byref(usec)) else None

    def process(self) -> bool:
        """Looks whether the lease has ended, and calls the close callback if it has, once. Never
        waits, but for the callback. Whether it has ended, now or before."""
        return bool(self._call("process"))

    def get_close_reason(self) -> int:
        """Why the lease ended, as far as process(), is_alive() or a call that failed for it has
        noticed: a CloseReason."""
        return known(CloseReason, self._call("get_close_reason"))


def _grant_info(record: _library.GrantInfoRecord) -> GrantInfo:
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    expires = epoch + datetime.timedelta(microseconds=record.expires) if record.expires else None
    texts = (record.lease_id, record.request_id, record.action_id, record.how, record.connect_as)
    return GrantInfo(
        decode(record.access) or "",
        decode(record.mode) or "",
        bool(record.kept),
        expires,
        *map(decode, texts),
        bool(record.ends_at_logout),
    )
