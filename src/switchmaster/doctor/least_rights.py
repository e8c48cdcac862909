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
_WATCHING: Final = (
    "resetchannels &* -@all +ping +hello +subscribe +psubscribe +unsubscribe +punsubscribe +client|setname +client|id "
    "+info +role +sentinel|masters +sentinel|master +sentinel|replicas +sentinel|slaves +sentinel|sentinels "
    "+sentinel|get-master-addr-by-name +sentinel|ckquorum +sentinel|myid"
)


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


LEAST_RIGHTS: Final[Sequence[LeastRights]] = (
    LeastRights("watching (watch, serve, the clients)", _WATCHING, "resetchannels -@all +ping +hello +role"),
    LeastRights(
        "doctor",
        f"{_WATCHING} +acl|whoami +sentinel|config +sentinel|debug",
        "resetchannels -@all +ping +hello +role +info +config|get +client|setname +client|list +acl|whoami +acl|dryrun",
    ),
    LeastRights(
        "planned failover, and the guard",
        f"{_WATCHING} +acl|whoami +sentinel|config +sentinel|debug +sentinel|failover +client|list",
        "resetchannels -@all +ping +hello +role +info +config|get +config|set +config|rewrite +client|setname "
        "+client|list +client|pause +client|unpause +client|kill +multi +exec +replicaof +acl|whoami +acl|dryrun",
    ),
)
"""For each use, in order of power."""


def lacking_rights(server: ServerInspection) -> tuple[str, ...]:
    """Return the ACL rules that our user lacks there for the questions that were asked, such as ``+config|get``."""
    refused = [words for words, kind in server.refused.items() if kind is Refusal.PERMISSION]
    rules: dict[str, None] = {}
    for words in refused:
        depth = 2 if words[0] in _CONTAINERS else 1
        rules["+" + "|".join(words[:depth]).lower()] = None
    return tuple(rules)
