# SPDX-License-Identifier: LGPL-2.1-or-later
"""Opening: at once, and step by step."""

import contextlib
import ctypes
import errno
import select
import threading
import time
from typing import Any, Iterator, Optional, Union

from . import _library
from ._auth import Answer, Auth, _Terminal, put, wipe
from ._connection import Connection
from ._constants import ErrorCode, ErrorDomain, Flags
from ._errors import make
from ._library import call, encode

_AnyAuth = Union[Auth, _Terminal, None]


class Opening:
    """A connection that is being opened, by open_start(), for a program that has a loop of its own and
    may not wait:

        with doorward.open_start(uri, auth) as opening:
            while opening.process():
                ...  # until get_event_fd() can be read, or it is as late as get_timeout() says
            connection = opening.finish()

    Threads that use one at once wait for each other."""

    def __init__(self, handle: _library.OpeningHandle, auth: _AnyAuth) -> None:
        self._handle: Optional[_library.OpeningHandle] = handle
        self._auth = auth  # the library reads it until the end
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def _use(self) -> Iterator[_library.OpeningHandle]:
        with self._lock:
            if self._handle is None:
                raise make(
                    ErrorCode.INVALID_CONN, ErrorDomain.LIBRARY, errno.EBADF, "This was given up."
                )
            yield self._handle

    def _call(self, name: str, *args: Any) -> Any:
        with self._use() as handle:
            return call(name, handle, *args)

    def get_event_fd(self) -> int:
        """A descriptor to wait on; then call process(). It stays the library's, and the same, until
        close(): take it out of a loop before that."""
        return self._call("open_get_event_fd")

    fileno = get_event_fd

    def get_events(self) -> int:
        """What to wait for on it: select.POLLIN, or 0 if it is only to become late. To be asked again
        after each process() and answer()."""
        return self._call("open_get_events")

    def get_timeout(self) -> Optional[float]:
        """When process() is to be called although nothing was heard, as time.monotonic() has it, and
        asyncio's loop.time(); None: at no such time. To be asked again likewise."""
        usec = ctypes.c_longlong()
        return usec.value / 1e6 if self._call("open_get_timeout", ctypes.byref(usec)) else None

    def process(self) -> bool:
        """Does what can be done now, and waits for nothing but callbacks. Whether there is more to be
        waited for; if not, finish() says what came of it. What a callback raises, this raises."""
        return bool(self._call("open_process"))

    def is_asking(self) -> bool:
        """Whether a question is open, of which the callback said AUTH_LATER."""
        return bool(self._call("open_is_asking"))

    def answer(self, answer: Answer) -> bool:
        """Answers that question, as a callback does; None cancels it, and the open with it. False if
        nobody wants the answer any more. Then go on as after process()."""
        if answer is None:
            return self._call("open_answer", None, 0) == 0
        record = _library.CredentialRecord()
        try:
            put(answer, record)
        finally:
            wipe(answer)
        try:
            return self._call("open_answer", ctypes.byref(record), 1) == 0
        finally:
            _library.erase(record)  # the library has, if it was called

    def finish(self) -> Connection:
        """The connection, once process() has returned False, or the Error that there was. It can be
        asked once."""
        return Connection(self._call("open_finish"))

    def close(self) -> None:
        """Gives up what is not over, without waiting: a question is withdrawn, and a connection that
        was not taken is closed. Again does no harm. In a callback of process() it is done when the
        callback returns: what that says counts as a no, nothing else is asked, and process() returns
        False."""
        with self._lock:
            handle, self._handle = self._handle, None
            if handle is not None:
                handle.close()

    def __enter__(self) -> "Opening":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _start(data: Optional[bytes], auth: _AnyAuth, flags: int) -> Opening:
    pointer = None if auth is None else auth._pointer()
    return Opening(call("open_start", data, pointer, flags), auth)


def open_start(uri: Optional[str], auth: _AnyAuth = None, flags: int = 0) -> Opening:
    """Begins to open a connection, and waits for nothing. All is as with open_auth(); a callback may
    also return AUTH_LATER, and Opening.answer() answers then."""
    return _start(encode(uri), auth, flags)


def _wait(opening: Opening) -> None:
    """As poll(2) waits, but that handlers of signals run meanwhile, and may raise."""
    poll = select.poll()
    poll.register(opening.get_event_fd(), opening.get_events())
    timeout = opening.get_timeout()
    poll.poll(None if timeout is None else max(0, (timeout - time.monotonic()) * 1000 + 1))


def _open(uri: Optional[str], auth: _AnyAuth, flags: int) -> Connection:
    data = encode(uri)
    if not _library.has("open_start"):
        pointer = None if auth is None else auth._pointer()
        return Connection(call("open_auth", data, pointer, flags))
    with _start(data, auth, flags) as opening:
        while opening.process():
            if auth is not None and opening.is_asking():
                raise make(
                    ErrorCode.INVALID_ARG,
                    ErrorDomain.LIBRARY,
                    errno.EINVAL,
                    "The program's credentials callback wants to answer later, and nothing waits "
                    "for that.",
                )
            _wait(opening)
        return opening.finish()


def open(uri: Optional[str]) -> Connection:  # pylint: disable=redefined-builtin
    """Opens a connection with full access, or with what the URI says. Nobody is asked for a password:
    where policy wants one it raises AuthenticationNeeded. An empty URI or None means the default, and
    is an error whose hint lists the endpoints where there is none.

    Handlers of signals run while this waits, as everywhere in Python: what one raises
    (KeyboardInterrupt, say) gives it up."""
    return _open(uri, None, 0)


def open_read_only(uri: Optional[str]) -> Connection:
    """Opens a connection with read-only access; what has none raises AccessUnsupported, and never
    becomes full. In all else like open()."""
    return _open(uri, None, Flags.RO)


def open_auth(uri: Optional[str], auth: _AnyAuth = None, flags: int = 0) -> Connection:
    """Opens a connection, and has people asked for a password where policy wants one: on the terminal
    with auth_default, through the program with an Auth, nobody with None. flags are Flags. In all
    else like open()."""
    return _open(uri, auth, flags)
