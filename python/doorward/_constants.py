# SPDX-License-Identifier: LGPL-2.1-or-later
"""The numbers of doorward.h. Each has its C name here, too, less the DOORWARD_: ERR_DENIED is
ErrorCode.DENIED, RO is Flags.RO."""

import enum
from typing import Type, TypeVar, Union

_E = TypeVar("_E", bound=enum.IntEnum)


class ErrorCode(enum.IntEnum):
    """Error classes: what a program decides by."""

    OK = 0
    SYSTEM = 1
    INVALID_ARG = 2
    INVALID_CONN = 3
    BAD_URI = 4
    UNSUPPORTED = 5
    NO_BROKER = 6
    PROTOCOL = 7
    NO_ENDPOINT = 8
    ACCESS_UNSUPPORTED = 9
    DENIED = 10
    AUTH_NEEDED = 11
    AUTH_FAILED = 12
    AUTH_CANCELLED = 13
    AUTH_UNAVAILABLE = 14
    POLICY_UNAVAILABLE = 15
    ENDPOINT_DOWN = 16
    LIMIT = 17
    TIMEOUT = 18
    NO_LEASE = 19
    LEASE_ENDED = 20


class ErrorDomain(enum.IntEnum):
    """Which part of the system said no."""

    NONE = 0
    LIBRARY = 1
    SYSTEM = 2
    BROKER = 3
    POLICY = 4
    AUTH = 5
    ENDPOINT = 6
    TRANSPORT = 7


class CredentialType(enum.IntEnum):
    """What a program can be asked for, or told."""

    AUTHNAME = 2
    PASSPHRASE = 5
    ECHOPROMPT = 6
    NOECHOPROMPT = 7
    EXTERNAL = 9
    INFO = 100
    ERROR_MSG = 101


class CloseReason(enum.IntEnum):
    """Why a lease ended."""

    NONE = 0
    CLIENT = 1
    PEER = 2
    BACKEND = 3
    EXPIRED = 4
    REVOKED = 5
    LOGOUT = 6
    POLICY = 7
    DEFINITION = 8
    RESTART = 9
    SHUTDOWN = 10
    BROKER = 11
    OTHER = 12
    TRANSPORT = 13


class Flags(enum.IntFlag):
    """What open_auth() can be told besides."""

    RO = 1
    NO_ALIASES = 2
    NO_INTERACTION = 4
    FALLBACK_RO = 8
    DETACHED = 16
    LOCAL_ONLY = 32
    HOLD = 64


# What a credentials callback returns to answer later.
AUTH_LATER = 2


def known(kind: Type[_E], number: int) -> Union[_E, int]:
    """The number by its name; as it is, if a later library made it."""
    try:
        return kind(number)
    except ValueError:
        return number


# The C names, as modules of the standard library have theirs.
C_NAMES = {
    prefix + name: member
    for prefix, kind in (
        ("ERR_", ErrorCode),
        ("DOMAIN_", ErrorDomain),
        ("CRED_", CredentialType),
        ("CLOSE_", CloseReason),
        ("", Flags),
    )
    for name, member in kind.__members__.items()
}
