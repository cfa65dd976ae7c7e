# SPDX-License-Identifier: LGPL-2.1-or-later
"""Credentials: what a program is asked for on the way to a connection."""

import ctypes
from typing import Any, Callable, Iterable, NamedTuple, Optional, Union

from . import _library
from ._constants import AUTH_LATER, CredentialType, known

Answer = Union[str, bytes, bytearray, memoryview, None]
_Told = Union[Answer, int]

_SHOWN = (CredentialType.EXTERNAL, CredentialType.INFO, CredentialType.ERROR_MSG)


class Credential(NamedTuple):
    """One thing to collect, or to show. Texts are of one line, without control characters, and to be
    shown as they are: a prompt has its colon already."""

    type: int
    """a CredentialType"""
    prompt: str
    """what is asked, or said"""
    challenge: Optional[str]
    """more that is to be shown with it"""
    defresult: Optional[str]
    """what an empty answer means"""

    @property
    def wants_answer(self) -> bool:
        """Whether there is something to collect."""
        return self.type not in _SHOWN


def _credential(record: _library.CredentialRecord) -> Credential:
    return Credential(
        known(CredentialType, record.type),
        _library.decode(record.prompt) or "",
        _library.decode(record.challenge),
        _library.decode(record.defresult),
    )


def _pieces(answer: Answer) -> Iterable[int]:
    """The bytes of an answer, without another copy of the whole."""
    if isinstance(answer, str):
        return (byte for character in answer for byte in character.encode())
    return memoryview(answer).cast("B")


def wipe(answer: Answer) -> None:
    if isinstance(answer, (bytearray, memoryview)) and not memoryview(answer).readonly:
        view = memoryview(answer).cast("B")
        view[:] = bytes(len(view))


def put(answer: Answer, record: _library.CredentialRecord) -> None:
    """The answer as the library wants it: memory of malloc(3), which it erases and frees."""
    length = sum(1 for _ in _pieces(answer))
    address = _library.libc.malloc(length + 1)
    if not address:
        raise MemoryError
    record.result, record.resultlen = address, length
    memory = (ctypes.c_ubyte * (length + 1)).from_address(address)
    memory[length] = 0
    for index, byte in enumerate(_pieces(answer)):
        memory[index] = byte


class Auth:
    """Who collects credentials, and which.

    callback(credential) is called by the open that wants one, in its thread, and returns the answer,
    or None to cancel: the open then raises AuthenticationCancelled. In what open_start() began it may
    return AUTH_LATER, and Opening.answer() answers. What it returns for one that has nothing to
    collect (Credential.wants_answer) does not matter. What it raises, the open raises.

    An answer is a str, which counts as UTF-8, or bytes, of at most 511 bytes. A bytearray is filled
    with zeros as soon as the library has its copy, which the library erases, too. A str or bytes
    cannot be erased in Python: whoever has to be sure that a password leaves memory reads it into a
    bytearray.
    """

    def __init__(
        self, credtypes: Iterable[int], callback: Optional[Callable[[Credential], _Told]] = None
    ) -> None:
        self.credtypes = tuple(int(number) for number in credtypes)
        self.callback = callback
        self._numbers = (ctypes.c_int * len(self.credtypes))(*self.credtypes)
        self._call = _library.AuthCallback(self._ask if callback else 0)
        self._record = _library.AuthRecord(self._numbers, len(self.credtypes), self._call, None)

    def _ask(self, records: Any, count: int, _: Any) -> int:
        try:
            for index in range(count):
                status = self._collect(records[index])
                if status != 0:
                    return status
            return 0
        except BaseException as raised:  # pylint: disable=broad-except
            _library.keep(raised)
            return -1

    def _collect(self, record: _library.CredentialRecord) -> int:
        assert self.callback
        credential = _credential(record)
        answer = self.callback(credential)
        if not credential.wants_answer:
            return 0
        if answer is None:
            return -1
        if isinstance(answer, int) and answer == AUTH_LATER:
            return AUTH_LATER
        try:
            put(answer, record)
        finally:
            wipe(answer)
        return 0

    def _pointer(self) -> Any:
        return ctypes.pointer(self._record)


class _Terminal:
    """Asks on the terminal (/dev/tty), as doorward_auth_default does: for programs that people run in
    one. It collects every type there is. Called with a Credential, it asks for that and returns the
    answer as a bytearray, None for whatever reason there is none; so it serves in a callback, too."""

    def __repr__(self) -> str:
        return "doorward.auth_default"

    def _pointer(self) -> Any:
        return _library.symbol(
            "doorward_auth_default", ctypes.POINTER(_library.AuthRecord)
        )

    def __call__(self, credential: Credential) -> Optional[bytearray]:
        auth = self._pointer().contents
        texts = map(_library.encode, credential[1:])
        record = _library.CredentialRecord(credential.type, *texts, None, 0)
        try:
            if auth.cb(ctypes.byref(record), 1, auth.cbdata) != 0 or not record.result:
                return None
            answer = bytearray(record.resultlen)
            memory = (ctypes.c_ubyte * record.resultlen).from_address(record.result)
            memoryview(answer)[:] = memoryview(memory).cast("B")
            return answer
        finally:
            _library.erase(record)


auth_default = _Terminal()
