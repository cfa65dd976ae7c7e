# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections to named, privileged things: libdoorward, from Python.

    import doorward

    with doorward.open("doorward:///docker") as connection:
        with connection.socket() as sock:
            sock.sendall(b"GET /version HTTP/1.0\\r\\n\\r\\n")

Names are those of doorward.h without their prefix, and libdoorward(3) and its kin say what they do:
doorward_open() is open(), and what takes a doorward_conn is a method of Connection. What is other
here than in C:

- Failures are exceptions, a class for each error class, all of them an Error. So there is no last
  error to ask for.
- Connections and what they hand over are closed by themselves at last; use them in a with statement
  all the same, since a lease lives exactly as long as its connection.
- Callbacks may raise: the call that they were called by raises that.
- The module uses ctypes, which lets other threads run during each call.

A function that the library which is installed does not have raises Unsupported.
"""

import atexit
from typing import Any, Callable, Optional

from . import _constants, _library
from ._auth import Answer, Auth, Credential, auth_default
from ._connection import Connection, GrantInfo
from ._constants import AUTH_LATER, CloseReason, CredentialType, ErrorCode, ErrorDomain, Flags
from ._errors import *  # noqa: F403
from ._errors import CLASSES, Error
from ._facts import (
    HostInfo,
    HostNode,
    Limit,
    SecurityModel,
    get_capabilities,
    get_host_info,
    get_hostname,
    get_limits,
)
from ._opening import Opening, open, open_auth, open_read_only, open_start
from ._socket import Socket

globals().update(_constants.C_NAMES)


def version() -> int:
    """The version of the library, as major * 1000000 + minor * 1000 + micro."""
    return _library.call("version")


def error_code_to_string(code: int) -> str:
    """The word for a class, such as "no-broker"; "unknown" for a number that is none."""
    return _library.decode(_library.call("error_code_to_string", code)) or ""


def error_domain_to_string(domain: int) -> str:
    """The word for a domain, such as "policy"; "unknown" for a number that is none."""
    return _library.decode(_library.call("error_domain_to_string", domain)) or ""


def close_reason_to_string(reason: int) -> str:
    """The word for a reason, such as "revoked"; "unknown" for a number that is none."""
    return _library.decode(_library.call("close_reason_to_string", reason)) or ""


_error_func: Any = None


def set_error_func(function: Optional[Callable[[Error], object]]) -> None:
    """Has every error of every thread shown to function(error) as well, in the thread that met it; it
    must not use this module. There is one in the process, and the last call wins; None means none.
    What it raises, the call that failed raises."""

    def show(_: Any, record: Any) -> None:
        try:
            function(_library.error_from(record.contents))  # type: ignore[misc]
        except BaseException as raised:  # pylint: disable=broad-except
            _library.keep(raised)

    global _error_func
    callback = _library.ErrorFunc(show if function else 0)
    _library.call("set_error_func", None, callback)
    # Not before: until then another thread may be about to call the earlier one.
    _error_func = callback


@atexit.register
def _forget_error_func() -> None:
    # Threads that are not Python's may go on after the interpreter.
    if _error_func:
        set_error_func(None)


__all__ = [
    "AUTH_LATER",
    "Answer",
    "Auth",
    "CloseReason",
    "Connection",
    "Credential",
    "CredentialType",
    "Error",
    "ErrorCode",
    "ErrorDomain",
    "Flags",
    "GrantInfo",
    "HostInfo",
    "HostNode",
    "Opening",
    "Limit",
    "SecurityModel",
    "Socket",
    "auth_default",
    "close_reason_to_string",
    "error_code_to_string",
    "error_domain_to_string",
    "get_capabilities",
    "get_host_info",
    "get_hostname",
    "get_limits",
    "open",
    "open_auth",
    "open_read_only",
    "open_start",
    "set_error_func",
    "version",
    *_constants.C_NAMES,
    *sorted({kind.__name__ for kind in CLASSES.values()} | {"AuthenticationError"}),
]
