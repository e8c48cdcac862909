"""
The least rights that each use needs, as ACL lines, and which of them our user lacks.

The lines work on Redis 6.2 to 8.2 and Valkey 8.1 to 9.1. Sources: docs/topics/protocol.md, 3.3; ACLSetUser() in acl.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..wire.refusal import Refusal
from .inspection import ServerInspection

__all__ = ["LEAST_RIGHTS", "LeastRights", "lacking_rights"]

_CONTAINERS: Final = ("SENTINEL", "CLIENT", "CONFIG", "ACL")
_SENTINEL_BASE: Final = "resetchannels &* -@all"
_NODE_BASE: Final = "resetchannels -@all"
_WATCHING: Final = (
    "+ping +hello +psubscribe +info +role +sentinel|master +sentinel|replicas +sentinel|sentinels "
    "+sentinel|get-master-addr-by-name +sentinel|myid"
)
"""On Sentinels; every other use begins with it, since each watches too."""
_PROBING: Final = "+role"
"""On nodes, likewise."""


class LeastRights:
    """
    What one use needs.

    Args:
        purpose: what the rights are for.
        sentinels: the rules of the ACL line on every Sentinel; empty if none are needed.
        nodes: the same on every data node.
    """

    __slots__ = ("nodes", "purpose", "sentinels")

    def __init__(self, purpose: str, sentinels: str, nodes: str) -> None:
        self.purpose, self.sentinels, self.nodes = purpose, sentinels, nodes


def _union(*several: str) -> str:
    """Return rules that grant what each of several does."""
    return " ".join(dict.fromkeys(word for one in several for word in one.split()))


def _least(purpose: str, sentinels: str, nodes: str) -> LeastRights:
    return LeastRights(
        purpose,
        " ".join(filter(None, (_SENTINEL_BASE, _WATCHING, sentinels))),
        " ".join(filter(None, (_NODE_BASE, _PROBING, nodes))),
    )


_DOCTOR: Final = (
    "+sentinel|masters +sentinel|ckquorum +client|setname +acl|whoami +sentinel|config +sentinel|debug",
    "+ping +info +config|get +client|setname +client|list +acl|whoami +acl|dryrun",
)
_FAILOVER: Final = (
    "+sentinel|failover +sentinel|ckquorum +client|list +client|setname",
    "+info +client|setname +config|get +config|set +config|rewrite +client|pause +client|unpause +client|kill "
    "+multi +exec +replicaof",
)
_GUARD: Final = ("+sentinel|failover +client|list +client|setname", "+info +client|setname +config|get")

LEAST_RIGHTS: Final[Sequence[LeastRights]] = (
    _least("watching (watch, serve, the clients; with measure_pauses also +ping +client|setname on nodes)", "", ""),
    _least("doctor and explain", *_DOCTOR),
    _least("planned failover (failover, rolling, the dashboard's button)", *_FAILOVER),
    _least("guard", *_GUARD),
    _least("all of these, as one user", *map(_union, _DOCTOR, _FAILOVER, _GUARD)),
)
"""For each use."""


def lacking_rights(server: ServerInspection) -> tuple[str, ...]:
    """Return the ACL rules that our user lacks there for the questions that were asked, such as ``+config|get``."""
    refused = [words for words, kind in server.refused.items() if kind is Refusal.PERMISSION]
    rules: dict[str, None] = {}
    for words in refused:
        depth = 2 if words[0] in _CONTAINERS else 1
        rules["+" + "|".join(words[:depth]).lower()] = None
    return tuple(rules)
