# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sockets that know what they were opened with."""

import contextlib
import socket
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from ._connection import Connection


class Socket(socket.socket):
    """A socket.socket with a descriptor of its own, which keeps its connection from being collected
    as garbage: nobody else need hold that.

    Once the connection is closed and its lease was revocable, both sides are hung up on. detach()
    gives the descriptor to somebody who then has to keep the connection.
    """

    __slots__ = ("connection", "_hangs_up")

    connection: "Optional[Connection]"
    """that which it was opened with; None for what accept() and dup() make of it"""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.connection = None
        self._hangs_up = False
        super().__init__(*args, **options)

    def _real_close(self, *args: Any) -> None:
        # When the last file of makefile() is closed, too. The broker's duplicate of the descriptor
        # keeps the connection open beyond close(2).
        if self._hangs_up:
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)
        super()._real_close(*args)  # type: ignore[misc]
        self.connection = None
