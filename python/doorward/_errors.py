# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exceptions, one for each error class of the library."""

from typing import Dict, Optional, Type

from ._constants import ErrorCode, ErrorDomain, known


class Error(OSError):
    """What went wrong. It is an OSError, so whoever copes with a connection that fails copes with
    this; strerror is the message. A class that this version does not know comes as an Error itself.
    """

    code: int
    """an ErrorCode: the class, to decide by"""
    domain: int
    """an ErrorDomain: which part of the system said no"""
    message: str
    """one sentence for people: what happened"""
    hint: Optional[str]
    """what to do about it"""
    endpoint: Optional[str]
    """the endpoint that it is about"""
    action_id: Optional[str]
    """the polkit action that was asked"""
    request_id: Optional[str]
    """by which the journal has the record of it: DOORWARD_REQUEST="""

    def __init__(
        self,
        code: int,
        domain: int,
        errno: int,
        message: str,
        hint: Optional[str] = None,
        endpoint: Optional[str] = None,
        action_id: Optional[str] = None,
        request_id: Optional[str] = None,
    ) -> None:
        super().__init__(errno, message)
        self.code = known(ErrorCode, code)
        self.domain = known(ErrorDomain, domain)
        self.message = message
        self.hint = hint
        self.endpoint = endpoint
        self.action_id = action_id
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __reduce__(self):  # copies, also to other processes
        facts = (self.errno, self.message, self.hint, self.endpoint, self.action_id)
        return type(self), (int(self.code), int(self.domain), *facts, self.request_id)


class SystemFailed(Error):
    """A system call of this process failed, or there was no memory; see errno."""


class InvalidArgument(Error):
    """An argument that no call of this function can have."""


class InvalidConnection(Error):
    """The connection is closed, another process's, or has no descriptor; or (errno EBUSY) its
    descriptor cannot be taken out, or (errno EOPNOTSUPP) it has no lease."""


class BadURI(Error):
    """The URI is not one, contradicts itself or the function, or is empty without a default."""


class Unsupported(Error):
    """Known, but not provided by this version of the library or of the broker."""


class NoBroker(Error):
    """There is no broker, it may not be reached, or it ended before it answered."""


class ProtocolError(Error):
    """Whoever answered is not the broker, or did not keep to the interface."""


class NoEndpoint(Error):
    """No endpoint of that name is defined."""


class AccessUnsupported(Error):
    """The endpoint has no such access."""


class AccessDenied(Error, PermissionError):
    """Policy said no, and a password would not change that."""


class AuthenticationError(Error):
    """A password is wanted: what the next four have in common."""


class AuthenticationNeeded(AuthenticationError):
    """Policy wants a password, and nobody may be asked by this call."""


class AuthenticationFailed(AuthenticationError):
    """A password was asked for, and was wrong."""


class AuthenticationCancelled(AuthenticationError):
    """Whoever was asked dismissed the prompt."""


class AuthenticationUnavailable(AuthenticationError):
    """A password is wanted and there is no way to ask for it here."""


class PolicyUnavailable(Error):
    """Policy did not answer, or not in time."""


class EndpointDown(Error):
    """The endpoint is defined and allowed, and could not be opened; errno is the kernel's reason
    where there was one."""


class LimitReached(Error):
    """A limit of the broker was reached; the message names it."""


class TimedOut(Error, TimeoutError):
    """No answer in time."""


class NoLease(Error):
    """No such lease, or not one of this process."""


class LeaseEnded(Error):
    """The lease has ended: it was revoked, say, or its time passed."""


CLASSES: Dict[int, Type[Error]] = {
    ErrorCode.SYSTEM: SystemFailed,
    ErrorCode.INVALID_ARG: InvalidArgument,
    ErrorCode.INVALID_CONN: InvalidConnection,
    ErrorCode.BAD_URI: BadURI,
    ErrorCode.UNSUPPORTED: Unsupported,
    ErrorCode.NO_BROKER: NoBroker,
    ErrorCode.PROTOCOL: ProtocolError,
    ErrorCode.NO_ENDPOINT: NoEndpoint,
    ErrorCode.ACCESS_UNSUPPORTED: AccessUnsupported,
    ErrorCode.DENIED: AccessDenied,
    ErrorCode.AUTH_NEEDED: AuthenticationNeeded,
    ErrorCode.AUTH_FAILED: AuthenticationFailed,
    ErrorCode.AUTH_CANCELLED: AuthenticationCancelled,
    ErrorCode.AUTH_UNAVAILABLE: AuthenticationUnavailable,
    ErrorCode.POLICY_UNAVAILABLE: PolicyUnavailable,
    ErrorCode.ENDPOINT_DOWN: EndpointDown,
    ErrorCode.LIMIT: LimitReached,
    ErrorCode.TIMEOUT: TimedOut,
    ErrorCode.NO_LEASE: NoLease,
    ErrorCode.LEASE_ENDED: LeaseEnded,
}


def make(code: int, *facts) -> Error:
    """The exception of this class."""
    return CLASSES.get(code, Error)(code, *facts)
