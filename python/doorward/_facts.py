# SPDX-License-Identifier: LGPL-2.1-or-later
"""What there is: of a connection, of its broker, of its machine. Those of a broker and of a machine
are there without a connection, too."""

from typing import Callable, NamedTuple, Optional, Tuple

from . import _library
from ._library import call, decode

Call = Callable[..., object]


class HostNode(NamedTuple):
    """A NUMA node: processors, and the memory that is near to them, in bytes."""

    id: int
    cpus: int
    memory_total: int
    memory_free: int


class HostInfo(NamedTuple):
    """A machine. What cannot be found out, as in a sandbox, is None or 0."""

    hostname: Optional[str]
    machine_id: Optional[str]
    os_name: Optional[str]
    """for people: "Debian GNU/Linux 12 (bookworm)\""""
    kernel: Optional[str]
    architecture: Optional[str]
    cpus: int
    nodes: Tuple[HostNode, ...]
    memory_total: int
    memory_free: int
    """in bytes, of which nothing is used for anything"""
    memory_available: int
    """in bytes, that programs could have"""


def host_info(ask: Call) -> HostInfo:
    """ask("get_host_info") asks of a connection, or of none."""
    pointer = ask("get_host_info")
    try:
        return _host_info(pointer.contents)  # type: ignore[attr-defined]
    finally:
        call("host_info_free", pointer)


def _host_info(record: _library.HostInfoRecord) -> HostInfo:
    names = (record.hostname, record.machine_id, record.os_name, record.kernel, record.architecture)
    nodes = (record.nodes[i] for i in range(record.n_nodes))
    return HostInfo(
        *map(decode, names),
        record.cpus,
        tuple(HostNode(n.id, n.cpus, n.memory_total, n.memory_free) for n in nodes),
        record.memory_total,
        record.memory_free,
        record.memory_available,
    )


def _without(name: str, *args: object) -> object:
    return call(name, None, *args)


def get_host_info() -> HostInfo:
    """What is known of this machine: Connection.get_host_info() without a connection."""
    return host_info(_without)


def get_hostname() -> str:
    """The name of this machine."""
    return str(_without("get_hostname"))
