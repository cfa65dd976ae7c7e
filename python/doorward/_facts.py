# SPDX-License-Identifier: LGPL-2.1-or-later
"""What there is: of a connection, of its broker, of its machine. Those of a broker and of a machine
are there without a connection, too."""

import json
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from . import _library
from ._library import call, decode

Call = Callable[..., Any]


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
        return _host_info(pointer.contents)
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


class Limit(NamedTuple):
    """How much there may be of something, and how much of it there is."""

    max: int
    used: Optional[int]
    """by the user of this process, now; None: nobody counts it by user"""


class SecurityModel(NamedTuple):
    """What stands between a connection and more."""

    authorizer: str
    """who said yes: "polkit", or "polkit+pam" if PAM has heard a password besides"""
    connect_as: Optional[str]
    """whom the service sees: "client", "service" or the name of a user"""
    read_only: Optional[str]
    """by what it is read-only: "socket", "open-flags" or "filter"; "none": it is not"""
    mode: str
    """of the lease: "revocable", "tracked" or "none\""""
    label: str
    """of whoever made the socket at the other end, for the kernel's security module; or \"\""""


def capabilities(ask: Call) -> Dict[str, Any]:
    """As host_info() asks."""
    return dict(json.loads(str(ask("get_capabilities"))))


def limits(ask: Call) -> Dict[str, Limit]:
    """As host_info() asks."""
    pointer = ask("get_limits")
    try:
        record = pointer.contents
        entries = [record.limits[i] for i in range(record.n_limits)]
        return {decode(e.name) or "": Limit(e.max, e.used if e.used >= 0 else None) for e in entries}
    finally:
        call("limits_free", pointer)


def security_model(ask: Call) -> SecurityModel:
    """As host_info() asks, of a connection."""
    pointer = ask("get_security_model")
    try:
        record = pointer.contents
        return SecurityModel(
            decode(record.authorizer) or "",
            decode(record.connect_as),
            decode(record.read_only),
            decode(record.mode) or "",
            decode(record.label) or "",
        )
    finally:
        call("security_model_free", pointer)


def _without(name: str, *args: Any) -> Any:
    return call(name, None, *args)


def get_host_info() -> HostInfo:
    """What is known of this machine: Connection.get_host_info() without a connection."""
    return host_info(_without)


def get_hostname() -> str:
    """The name of this machine."""
    return str(_without("get_hostname"))


def get_capabilities() -> Dict[str, Any]:
    """What the broker is and has that open() would ask, and what it would answer this process:
    doorward_get_capabilities(3) describes it. Nobody is asked for a password."""
    return capabilities(_without)


def get_limits() -> Dict[str, Limit]:
    """What that broker lets the user of this process have, by the names of doorward.conf(5), and how
    much of it that is now."""
    return limits(_without)
