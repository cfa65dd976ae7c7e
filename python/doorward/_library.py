# SPDX-License-Identifier: LGPL-2.1-or-later
"""libdoorward as ctypes sees it: its structures, its functions, and how they are called.

What the library hands over is owned by an object from the moment at which the call returns, so that
an exception in between (KeyboardInterrupt comes anywhere) leaves nothing open.
"""

import contextlib
import ctypes
import errno
import os
import threading
from ctypes import POINTER, c_char_p, c_int, c_longlong, c_uint, c_ulong, c_ulonglong, c_void_p
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from ._constants import ErrorCode, ErrorDomain
from ._errors import Error, make

SONAME = "libdoorward.so.1"

try:
    _library = ctypes.CDLL(SONAME)
except OSError as _failure:
    raise ImportError(
        f"The library {SONAME} is not found: is doorward installed? ({_failure})", name="doorward"
    ) from None

libc = ctypes.CDLL(None)
libc.malloc.restype = c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.restype = None
libc.free.argtypes = [c_void_p]
libc.explicit_bzero.restype = None
libc.explicit_bzero.argtypes = [c_void_p, ctypes.c_size_t]


class ErrorRecord(ctypes.Structure):
    """doorward_error"""

    _fields_ = [
        ("domain", c_int),
        ("code", c_int),
        ("errnum", c_int),
        ("message", c_char_p),
        ("hint", c_char_p),
        ("endpoint", c_char_p),
        ("action_id", c_char_p),
        ("request_id", c_char_p),
        ("reserved", c_void_p * 4),
    ]


class CredentialRecord(ctypes.Structure):
    """doorward_credential"""

    _fields_ = [
        ("type", c_int),
        ("prompt", c_char_p),
        ("challenge", c_char_p),
        ("defresult", c_char_p),
        ("result", c_void_p),
        ("resultlen", c_uint),
    ]


AuthCallback = ctypes.CFUNCTYPE(c_int, POINTER(CredentialRecord), c_uint, c_void_p)


class AuthRecord(ctypes.Structure):
    """doorward_auth"""

    _fields_ = [
        ("credtype", POINTER(c_int)),
        ("ncredtype", c_uint),
        ("cb", AuthCallback),
        ("cbdata", c_void_p),
    ]


class GrantInfoRecord(ctypes.Structure):
    """doorward_grant_info. Members that a later library appends are to be read only where
    doorward_version() says that they are there."""

    _fields_ = [
        ("access", c_char_p),
        ("mode", c_char_p),
        ("kept", c_int),
        ("expires", c_longlong),
        ("lease_id", c_char_p),
        ("request_id", c_char_p),
        ("action_id", c_char_p),
        ("how", c_char_p),
        ("connect_as", c_char_p),
        ("ends_at_logout", c_int),
    ]


class HostNodeRecord(ctypes.Structure):
    """doorward_host_node"""

    _fields_ = [
        ("id", c_uint),
        ("cpus", c_uint),
        ("memory_total", c_ulonglong),
        ("memory_free", c_ulonglong),
        ("reserved", c_void_p * 4),
    ]


class HostInfoRecord(ctypes.Structure):
    """doorward_host_info; of members that are appended as above."""

    _fields_ = [
        ("hostname", c_char_p),
        ("machine_id", c_char_p),
        ("os_name", c_char_p),
        ("kernel", c_char_p),
        ("architecture", c_char_p),
        ("cpus", c_uint),
        ("n_nodes", c_uint),
        ("nodes", POINTER(HostNodeRecord)),
        ("memory_total", c_ulonglong),
        ("memory_free", c_ulonglong),
        ("memory_available", c_ulonglong),
    ]


class LimitRecord(ctypes.Structure):
    """doorward_limit"""

    _fields_ = [
        ("name", c_char_p),
        ("max", c_longlong),
        ("used", c_longlong),
        ("reserved", c_void_p * 4),
    ]


class LimitsRecord(ctypes.Structure):
    """doorward_limits; of members that are appended as above."""

    _fields_ = [("n_limits", c_uint), ("limits", POINTER(LimitRecord))]


class SecurityModelRecord(ctypes.Structure):
    """doorward_security_model; of members that are appended as above."""

    _fields_ = [
        ("authorizer", c_char_p),
        ("connect_as", c_char_p),
        ("read_only", c_char_p),
        ("mode", c_char_p),
        ("label", c_char_p),
    ]


CloseCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_void_p)
FreeFunc = ctypes.CFUNCTYPE(None, c_void_p)
ErrorFunc = ctypes.CFUNCTYPE(None, c_void_p, POINTER(ErrorRecord))


# One for all of them: it is held for a few instructions, and by who closes in a signal's handler, too.
_handles_lock = threading.RLock()


class _State(threading.local):
    """What a thread has under way."""

    def __init__(self) -> None:
        self.depth = 0  # calls: in a callback there is one, and its own may come on top
        self.raised: Optional[BaseException] = None  # by a callback of the innermost call
        self.put_off: List[Tuple[str, int]] = []  # what is to be given back, and how


_state = _State()


def _give_back(name: str, value: int) -> None:
    # This forgets the thread's error, which a call of this thread may be about to read: the garbage
    # collector comes whenever it likes.
    if _state.depth:
        _state.put_off.append((name, value))
    else:
        _functions[name](value)


class Handle(c_void_p):
    """A reference to a doorward_conn. It is given back when it was closed and no call uses it any
    more; at the latest when nobody has the handle."""

    users = 0
    closed = False

    @contextlib.contextmanager
    def used(self) -> Iterator["Handle"]:
        with _handles_lock:
            if self.closed:
                raise make(
                    ErrorCode.INVALID_CONN,
                    ErrorDomain.LIBRARY,
                    errno.EBADF,
                    "The connection is closed.",
                )
            self.users += 1
        try:
            yield self
        finally:
            with _handles_lock:
                self.users -= 1
                last = self.closed and self.users == 0
            if last:
                self._give_back()

    def close(self) -> None:
        with _handles_lock:
            self.closed = True
            last = self.users == 0
        if last:
            self._give_back()

    def _give_back(self) -> None:
        value, self.value = self.value, None
        if value:
            _give_back("close", value)

    __del__ = _give_back


class OpeningHandle(c_void_p):
    """A doorward_opening, given up at the latest when nobody has the handle."""

    def close(self) -> None:
        value, self.value = self.value, None
        if value:
            # Not put off: that a callback is still to return the library knows, and heeds.
            _functions["open_free"](value)

    __del__ = close


class Descriptor(c_int):
    """A file descriptor, closed unless it is taken."""

    def take(self) -> int:
        value, self.value = self.value, -1
        return value

    def __del__(self) -> None:
        if self.value >= 0:
            os.close(self.take())


class Text(c_void_p):
    """A string that is ours."""

    def __str__(self) -> str:
        return decode(ctypes.string_at(self.value)) or ""

    def __del__(self) -> None:
        value, self.value = self.value, None
        libc.free(value)


# Each function of doorward.h that is used, with what it returns and takes.
PROTOTYPES: Dict[str, Tuple[Any, List[Any]]] = {
    "close": (c_int, [c_void_p]),
    "close_reason_to_string": (c_char_p, [c_int]),
    "error_code_to_string": (c_char_p, [c_int]),
    "error_domain_to_string": (c_char_p, [c_int]),
    "get_capabilities": (Text, [c_void_p]),
    "get_close_reason": (c_int, [c_void_p]),
    "get_event_fd": (c_int, [c_void_p]),
    "get_events": (c_int, [c_void_p]),
    "get_fd": (c_int, [c_void_p]),
    "get_grant_info": (POINTER(GrantInfoRecord), [c_void_p]),
    "get_host_info": (POINTER(HostInfoRecord), [c_void_p]),
    "get_hostname": (Text, [c_void_p]),
    "get_last_error": (POINTER(ErrorRecord), []),
    "get_lib_version": (c_int, [c_void_p, POINTER(c_ulong)]),
    "get_limits": (POINTER(LimitsRecord), [c_void_p]),
    "get_security_model": (POINTER(SecurityModelRecord), [c_void_p]),
    "get_timeout": (c_int, [c_void_p, POINTER(c_longlong)]),
    "get_type": (c_char_p, [c_void_p]),
    "get_uri": (Text, [c_void_p]),
    "get_version": (c_int, [c_void_p, POINTER(c_ulong)]),
    "grant_info_free": (None, [POINTER(GrantInfoRecord)]),
    "host_info_free": (None, [POINTER(HostInfoRecord)]),
    "is_alive": (c_int, [c_void_p]),
    "is_encrypted": (c_int, [c_void_p]),
    "is_secure": (c_int, [c_void_p]),
    "limits_free": (None, [POINTER(LimitsRecord)]),
    "open_another": (Descriptor, [c_void_p]),
    "open_answer": (c_int, [c_void_p, POINTER(CredentialRecord), c_uint]),
    "open_auth": (Handle, [c_char_p, POINTER(AuthRecord), c_uint]),
    "open_finish": (Handle, [c_void_p]),
    "open_free": (None, [c_void_p]),
    "open_get_event_fd": (c_int, [c_void_p]),
    "open_get_events": (c_int, [c_void_p]),
    "open_get_timeout": (c_int, [c_void_p, POINTER(c_longlong)]),
    "open_is_asking": (c_int, [c_void_p]),
    "open_process": (c_int, [c_void_p]),
    "open_start": (OpeningHandle, [c_char_p, POINTER(AuthRecord), c_uint]),
    "process": (c_int, [c_void_p]),
    "security_model_free": (None, [POINTER(SecurityModelRecord)]),
    "set_close_callback": (c_int, [c_void_p, CloseCallback, c_void_p, FreeFunc]),
    "set_error_func": (None, [c_void_p, ErrorFunc]),
    "steal_fd": (Descriptor, [c_void_p]),
    "version": (c_ulong, []),
}


def decode(text: Optional[bytes]) -> Optional[str]:
    return None if text is None else text.decode("utf-8", "replace")


def encode(text: Optional[str]) -> Optional[bytes]:
    """For C, which would take a NUL for the end."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"a string is wanted, not {type(text).__name__}")
    data = text.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise ValueError("embedded null character")
    return data


def _missing(name: str) -> Callable[..., Any]:
    def missing(*_: Any) -> Any:
        version = _functions["version"]()
        numbers = f"{version // 1000000}.{version // 1000 % 1000}.{version % 1000}"
        raise make(
            ErrorCode.UNSUPPORTED,
            ErrorDomain.LIBRARY,
            0,
            f"This {SONAME}, of version {numbers}, has no doorward_{name}().",
            "Upgrade the library: this Python module is of a later version.",
        )

    return missing


def _find(name: str) -> Callable[..., Any]:
    try:
        function = _library[f"doorward_{name}"]
    except AttributeError:
        return _missing(name)
    function.restype, function.argtypes = PROTOTYPES[name]
    return function


_functions: Dict[str, Callable[..., Any]] = {name: _find(name) for name in PROTOTYPES}


def has(name: str) -> bool:
    """Whether the library has doorward_NAME()."""
    return hasattr(_library, f"doorward_{name}")


def erase(record: CredentialRecord) -> None:
    """What a result holds, if there is one."""
    if record.result:
        libc.explicit_bzero(record.result, record.resultlen)
        libc.free(record.result)
        record.result = None


def error_from(record: ErrorRecord) -> Error:
    """The exception for an error of the library."""
    texts = (record.hint, record.endpoint, record.action_id, record.request_id)
    return make(
        record.code,
        record.domain,
        record.errnum,
        decode(record.message) or "",
        *map(decode, texts),
    )


def _last_error() -> Error:
    record = _functions["get_last_error"]()
    if record:
        return error_from(record.contents)
    # A handler of a signal has called the library between the failure and here.
    return make(ErrorCode.SYSTEM, ErrorDomain.LIBRARY, 0, "A call failed; its error is lost.")


def _is_failure(name: str, result: Any) -> bool:
    kind = PROTOTYPES[name][0]
    if kind in (c_int, Descriptor):
        return getattr(result, "value", result) == -1
    return kind not in (None, c_ulong) and not result


def call(name: str, *args: Any) -> Any:
    """Calls doorward_NAME(). What a callback raised meanwhile goes on from here; a failure is
    raised as an Error."""
    outer, _state.raised = _state.raised, None
    failure = None
    _state.depth += 1
    try:
        result = _functions[name](*args)
        if _is_failure(name, result):
            failure = _last_error()
    finally:
        raised, _state.raised = _state.raised, outer
        _state.depth -= 1
        while _state.put_off and not _state.depth:
            name, value = _state.put_off.pop()
            _functions[name](value)
    if raised:
        raised.__context__ = raised.__context__ or failure
        raise raised
    if failure:
        raise failure
    return result


def keep(raised: BaseException) -> None:
    """An exception cannot pass through C: the call that the callback belongs to raises it."""
    if _state.raised is None:
        _state.raised = raised


def symbol(name: str, kind: Any) -> Any:
    """A variable of the library, or None if this version has none of that name."""
    try:
        return kind.in_dll(_library, name)
    except ValueError:
        return None
