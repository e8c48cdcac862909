"""
Which questions a Sentinel and a data node are asked, and what their replies say. Pure; a shell sends them.

Every question is read-only. One looks like an order: SENTINEL FAILOVER of a master that does not exist tells whether
our user has that right, and does nothing (`MAY_FAILOVER`). Replies come as a mapping from question to reply; a question
that was never answered is missing in it. Nothing here raises for what a server says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from ..link.majority import majority_listed
from ..model import LIMITS, Address, RunId, SentinelName
from ..wire.events import Unrecognised
from ..wire.info import InfoReply
from ..wire.refusal import Refusal, classify
from ..wire.replies import (
    MasterReply,
    QuorumReply,
    RoleReply,
    parse_address,
    parse_ckquorum,
    parse_clients,
    parse_dryrun,
    parse_info,
    parse_masters,
    parse_myid,
    parse_replicas,
    parse_role,
    parse_sentinels,
    parse_settings,
)
from ..wire.resp import Reply
from .inspection import SECRET_SETTINGS, MasterAnswers, NodeInspection, SentinelInspection

__all__ = [
    "NODE_QUESTIONS",
    "NO_SUCH_MASTER",
    "PING",
    "SENTINEL_QUESTIONS",
    "CommandWords",
    "Contact",
    "Replies",
    "listed_nodes",
    "listed_sentinels",
    "master_names",
    "master_questions",
    "read_node",
    "read_sentinel",
    "rights_questions",
]

CommandWords: TypeAlias = tuple[str, ...]
"""A command as its words."""
Replies: TypeAlias = Mapping[CommandWords, Reply]
"""The replies that came, by question."""
_T = TypeVar("_T")

NO_SUCH_MASTER: Final = "switchmaster-may-order"
"""A master that does not exist."""
MAY_FAILOVER: Final[CommandWords] = ("SENTINEL", "FAILOVER", NO_SUCH_MASTER)

PING: Final[CommandWords] = ("PING",)
"""What every server is asked before anything else: the time of its answer is the round trip."""
INFO: Final[CommandWords] = ("INFO",)
WHOAMI: Final[CommandWords] = ("ACL", "WHOAMI")
SENTINEL_QUESTIONS: Final[tuple[CommandWords, ...]] = (
    ("SENTINEL", "MYID"),
    INFO,
    ("SENTINEL", "MASTERS"),
    ("SENTINEL", "CONFIG", "GET", "*"),
    ("SENTINEL", "DEBUG"),
    MAY_FAILOVER,
    WHOAMI,
)
"""What every Sentinel is asked first. SENTINEL DEBUG without arguments reads; it is unknown before Redis 7.0."""

NODE_QUESTIONS: Final[tuple[CommandWords, ...]] = (
    INFO,
    ("ROLE",),
    ("CONFIG", "GET", "*"),
    ("CLIENT", "LIST", "TYPE", "pubsub"),
    WHOAMI,
)
"""What every data node is asked first. A Sentinel subscribes to every node, so its link is among the pubsub clients."""

_SENTINEL_NEEDS: Final[tuple[CommandWords, ...]] = (
    ("PING",),
    ("INFO",),
    ("SUBSCRIBE", "__sentinel__:hello"),
    ("PUBLISH", "__sentinel__:hello", "x"),
    ("MULTI",),
    ("SLAVEOF", "NO", "ONE"),
    ("CONFIG", "REWRITE"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("CLIENT", "SETNAME", "x"),
    ("EXEC",),
)
"""What a Sentinel sends to a data node (sentinel.c: sentinelSendSlaveOf, sentinelSendPeriodicCommands)."""
_COORDINATED_NEEDS: Final[tuple[CommandWords, ...]] = (
    ("FAILOVER", "TO", "127.0.0.1", "6379"),
    ("CLIENT", "PAUSE", "1"),
)
"""What it sends besides, for SENTINEL FAILOVER COORDINATED (Valkey 9.0 and later; valkey#2779)."""
_USERS_ASKED: Final = 8
"""Users of Sentinels on one node whose rights are asked; a node has one as a rule."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What came of connecting to a server: the fields of a `ServerInspection` that are no replies."""

    reason: str = ""
    refusal: Refusal | None = None
    dialled_ip: str | None = None
    logged_in: bool = False
    round_trip: float | None = None
    asked_at: float | None = None
    """When the answer to the first questions was half-way due, in seconds since 1970."""
    certificate_ends: float | None = None


def master_questions(name: str) -> tuple[CommandWords, ...]:
    """Return what a Sentinel is asked about each master that it monitors."""
    return (
        ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name),
        ("SENTINEL", "REPLICAS", name),
        ("SENTINEL", "SENTINELS", name),
        ("SENTINEL", "CKQUORUM", name),
    )


def master_names(replies: Replies, masters: Iterable[str] | None = None) -> tuple[str, ...]:
    """
    Return the masters to ask a Sentinel about.

    Args:
        replies: its replies to `SENTINEL_QUESTIONS`.
        masters: those that the user wants; None for all.
    """
    wanted = None if masters is None else set(masters)
    return tuple(one.name for one in _masters(replies) if wanted is None or one.name in wanted)


def rights_questions(replies: Replies) -> tuple[CommandWords, ...]:
    """
    Return the questions for the rights of the users by which Sentinels are logged in on a node.

    Args:
        replies: its replies to `NODE_QUESTIONS`.
    """
    info = _read(replies, INFO, parse_info)
    needs = _SENTINEL_NEEDS
    if isinstance(info, InfoReply) and info.server == "valkey" and not (info.version or "").startswith(("7.", "8.")):
        needs += _COORDINATED_NEEDS
    return tuple(("ACL", "DRYRUN", user, *command) for user in _users_of_sentinels(replies) for command in needs)


def read_sentinel(
    name: SentinelName,
    address: Address,
    given: bool,
    contact: Contact,
    replies: Replies,
    disguise: Callable[[str], str],
    masters: Iterable[str] | None = None,
) -> SentinelInspection:
    """
    Read a Sentinel's replies.

    Args:
        name: our name for it.
        address: as it was given or listed.
        given: whether the user named it.
        contact: what came of connecting.
        replies: its replies.
        disguise: makes a digest of a secret.
        masters: those that the user wants; None for all.
    """
    debug = _read(replies, ("SENTINEL", "DEBUG"), parse_settings)
    run_id: RunId | None = _read(replies, ("SENTINEL", "MYID"), parse_myid)
    wanted = None if masters is None else set(masters)
    may = classify(replies[MAY_FAILOVER]) if MAY_FAILOVER in replies else None
    return SentinelInspection(
        **_common(address, contact, replies, ("SENTINEL", "CONFIG", "GET", "*"), disguise),
        name=name,
        given=given,
        run_id=run_id,
        timers=debug,
        masters={one.name: _answers(one, replies) for one in _masters(replies) if wanted is None or one.name in wanted},
        may_failover=None if may is None else may is not Refusal.PERMISSION,
    )


def read_node(
    address: Address, masters: Iterable[str], contact: Contact, replies: Replies, disguise: Callable[[str], str]
) -> NodeInspection:
    """
    Read a data node's replies.

    Args:
        address: as Sentinel announces it.
        masters: the masters in whose group it is.
        contact: what came of connecting.
        replies: its replies.
        disguise: makes a digest of a secret.
    """
    role: RoleReply | None = _read(replies, ("ROLE",), parse_role)
    rights: dict[str, dict[str, bool]] = {}
    for question, reply in replies.items():
        if question[:2] == ("ACL", "DRYRUN"):
            may = parse_dryrun(reply)
            if isinstance(may, bool):
                rights.setdefault(question[2], {})[" ".join(question[3:])] = may
    for user in _users_of_sentinels(replies):
        rights.setdefault(user, {})
    return NodeInspection(
        **_common(address, contact, replies, ("CONFIG", "GET", "*"), disguise),
        masters=frozenset(masters),
        role=role,
        sentinel_users=rights,
    )


def listed_sentinels(inspected: Iterable[SentinelInspection]) -> dict[Address, bool]:
    """
    Return the Sentinels that others list, and whether more than half of the lists of one master hold it.

    Args:
        inspected: the Sentinels that were asked.
    """
    lists: dict[str, list[list[Address]]] = {}
    for one in inspected:
        for name, told in one.masters.items():
            lists.setdefault(name, []).append([each.address for each in told.sentinels or ()] + [one.address])
    return _vouched(lists, LIMITS.sentinels)


def listed_nodes(inspected: Iterable[SentinelInspection]) -> dict[Address, tuple[frozenset[str], bool]]:
    """
    Return the nodes that Sentinels name: of which masters, and whether more than half of the lists of one hold it.

    Args:
        inspected: the Sentinels that were asked.
    """
    lists: dict[str, list[list[Address]]] = {}
    masters: dict[Address, set[str]] = {}
    for one in inspected:
        for name, told in one.masters.items():
            nodes = [each.address for each in (told.replicas or ())[: LIMITS.replicas]] + [told.master.address]
            nodes += [told.address] if told.address is not None else []
            lists.setdefault(name, []).append(nodes)
            for node in nodes:
                masters.setdefault(node, set()).add(name)
    vouched = _vouched(lists, LIMITS.masters)
    return {node: (frozenset(masters[node]), trusted) for node, trusted in vouched.items()}


def _vouched(lists: Mapping[str, list[list[Address]]], most: int) -> dict[Address, bool]:
    found: dict[Address, bool] = {}
    for several in lists.values():
        trusted = majority_listed(several)
        for address in (each for one in several for each in one):
            if address.possible and (address in found or len(found) < most):
                found[address] = found.get(address, False) or address in trusted
    return found


def _common(
    address: Address, contact: Contact, replies: Replies, config: CommandWords, disguise: Callable[[str], str]
) -> dict[str, Any]:
    """Return the fields of a `ServerInspection`."""
    info: InfoReply | None = _read(replies, INFO, parse_info)
    settings = _read(replies, config, parse_settings)
    if settings is not None:
        hidden = {key: disguise(settings[key]) for key in SECRET_SETTINGS & settings.keys() if settings[key]}
        settings = {**settings, **hidden}
    whoami = replies.get(WHOAMI)
    refused = {question: kind for question, reply in replies.items() if (kind := classify(reply)) is not None}
    refused.pop(MAY_FAILOVER, None)
    return {
        "address": address,
        "reason": contact.reason,
        "refusal": contact.refusal,
        "dialled_ip": contact.dialled_ip,
        "logged_in": contact.logged_in,
        "round_trip": contact.round_trip,
        "clock_ahead": _clock_ahead(info, contact.asked_at),
        "certificate_ends": contact.certificate_ends,
        "info": info,
        "settings": settings,
        "user": whoami.decode("utf-8", "replace")[: LIMITS.text] if isinstance(whoami, bytes) else None,
        "refused": refused,
    }


def _clock_ahead(info: InfoReply | None, asked_at: float | None) -> float | None:
    text = "" if info is None else info.sections.get("server", {}).get("server_time_usec", "")
    return None if asked_at is None or not text.isdecimal() else int(text[:20]) / 1e6 - asked_at


def _masters(replies: Replies) -> tuple[MasterReply, ...]:
    found: tuple[MasterReply, ...] | None = _read(replies, ("SENTINEL", "MASTERS"), parse_masters)
    return () if found is None else found[: LIMITS.masters]


def _answers(master: MasterReply, replies: Replies) -> MasterAnswers:
    address, replicas, sentinels, ckquorum = master_questions(master.name)
    quorum: QuorumReply | None = _read(replies, ckquorum, parse_ckquorum)
    return MasterAnswers(
        master,
        _read(replies, address, parse_address),
        _read(replies, replicas, parse_replicas),
        _read(replies, sentinels, parse_sentinels),
        quorum,
    )


def _users_of_sentinels(replies: Replies) -> tuple[str, ...]:
    clients: tuple[dict[str, str], ...] | None = _read(replies, ("CLIENT", "LIST", "TYPE", "pubsub"), parse_clients)
    names = (one.get("user", "") for one in clients or () if one.get("name", "").startswith("sentinel-"))
    return tuple(dict.fromkeys(name for name in names if name))[:_USERS_ASKED]


def _read(replies: Replies, question: CommandWords, parse: Callable[[object], _T | Unrecognised | None]) -> _T | None:
    """Return what a reply says; None if there is none, or it can't be read."""
    value = parse(replies[question]) if question in replies else None
    return None if isinstance(value, Unrecognised) else value
