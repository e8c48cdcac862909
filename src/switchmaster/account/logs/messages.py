"""
What a server's message says: an event of Sentinel, or something that only logs have.

One message goes in; out comes an event's channel and payload, a `Remark`, or None for the many messages that say
nothing about a failover. Remarks are one table: kind, form, and which part of it names a node or a master.

Sources: serverLog() and sentinelEvent() in sentinel.c, replication.c, server.c, rdb.c and debug.c of Redis 2.8 to 8.2
and Valkey 7.2 to 9.1; the wording of both is read, including older wording (MASTER and PRIMARY, SLAVE and REPLICA).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from ...model import Address
from ...wire.events import EVENTS, Unrecognised
from ...wire.grammar import parse_event

__all__ = ["LOGGED_ONLY", "LoggedEvent", "Remark", "RemarkKind", "Unreadable", "read_message"]

LOGGED_ONLY: Final = frozenset(
    {"+script-child", "-script-child", "-cmd-link-reconnection", "-pubsub-link-reconnection"}
)
"""Events of level debug: logged, never published, and no part of a failover."""

_CHANNELS: Final = frozenset(spec.channel for spec in EVENTS)
_EVENT: Final = re.compile(r"([+-][a-z][a-z-]{1,63})(?: (.*))?", re.DOTALL)
_HOST: Final = r"(?P<host>[\w.:\[\]-]{1,255}?)"
_NODE: Final = rf"{_HOST}:(?P<port>\d{{1,5}})"


class RemarkKind(enum.StrEnum):
    """What only logs say."""

    VOTED = "voted"
    """Another Sentinel's vote, as the Sentinel that asked for it logs it."""
    POSTPONED = "postponed"
    """``Next failover delay``: this Sentinel will not try before that moment."""
    REQUESTED = "requested"
    """An operator's SENTINEL FAILOVER."""
    IDENTITY = "identity"
    """The Sentinel's own run id."""
    STARTED = "started"
    PORT = "port"
    """``Running mode=…, port=…``."""
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out-of-memory"
    SAVE_FAILED = "save-failed"
    LOADED = "loaded"
    """The data set was read from the disk."""
    UNRESOLVED = "unresolved"
    NOT_SAVED = "not-saved"
    """A Sentinel can't write its configuration."""
    SIMULATED = "simulated"
    HANDING_OVER = "handing-over"
    """The old master of a coordinated failover (Valkey 9) hands over to a replica."""
    PROMOTED = "promoted"
    """The node itself: it becomes a master."""
    DEMOTED = "demoted"
    """The node itself: it becomes a replica."""
    MASTER_LOST = "master-lost"
    REPLICA_LOST = "replica-lost"
    SYNC_STARTED = "sync-started"
    FULL_SYNC = "full-sync"
    PARTIAL_SYNC = "partial-sync"
    SYNC_DONE = "sync-done"
    SYNC_FAILED = "sync-failed"


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event, which the Sentinel also published."""

    channel: str
    payload: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that only a log says."""

    kind: RemarkKind
    text: str
    """The message, as the server wrote it."""
    master: str | None = None
    """The master that it names."""
    node: Address | None = None
    """The node that it names."""
    run_id: str | None = None
    """A Sentinel's id: its own, or the voter's (``host:port`` before Redis 3.2)."""
    candidate: str | None = None
    """The id that was voted for."""
    epoch: int | None = None
    port: int | None = None
    until: str | None = None
    """``Next failover delay``: the moment, as the C library's ctime() writes it, in the server's own zone."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event that could not be read, with the reason."""

    channel: str
    payload: str
    reason: str


def read_message(message: str) -> LoggedEvent | Remark | Unreadable | None:
    """
    Read one message of a server's log.

    Args:
        message: without prefix and wrapper.

    Returns:
        What it says; None if it says nothing about failovers, masters and data.
    """
    if message[:1] in ("+", "-") and (found := _EVENT.fullmatch(message)):
        return _event(found[1], found[2] or "")
    for kind, form in _FORMS.get(_key(message), ()):
        if found := form.match(message):
            return _remark(kind, message, found.groupdict())
    for kind, form in _ANYWHERE:
        if found := form.search(message):
            return _remark(kind, message, found.groupdict())
    return None


def _event(channel: str, payload: str) -> LoggedEvent | Unreadable | None:
    if channel in LOGGED_ONLY:
        return None
    event = parse_event(channel, payload)
    if isinstance(event, Unrecognised):
        # A bulleted sentence of another program looks like a channel; an event's payload is not a sentence.
        known = channel in _CHANNELS or payload.startswith(("master ", "slave ", "sentinel "))
        return Unreadable(channel, payload, event.reason) if known else None
    return LoggedEvent(channel, payload)


def _remark(kind: RemarkKind, message: str, said: dict[str, str | None]) -> Remark:
    port, epoch = said.get("port"), said.get("epoch")
    host = said.get("host")
    node = Address(host.strip("[]"), int(port)) if host and port and int(port) < 65536 else None
    return Remark(
        kind,
        message,
        master=said.get("master"),
        node=node,
        run_id=said.get("run_id"),
        candidate=said.get("candidate"),
        epoch=None if epoch is None else int(epoch),
        port=int(port) if port is not None and node is None and int(port) < 65536 else None,
        until=said.get("until"),
    )


def _key(message: str) -> str:
    """Return the first word: the key of the table."""
    return message[:40].partition(" ")[0]


def _forms(*rows: tuple[RemarkKind, str]) -> dict[str, list[tuple[RemarkKind, re.Pattern[str]]]]:
    found: dict[str, list[tuple[RemarkKind, re.Pattern[str]]]] = {}
    for kind, form in rows:
        first, _, rest = form.partition(" ")
        for word in first.split("|"):
            found.setdefault(word, []).append((kind, re.compile(f"{re.escape(word)} {rest}" if rest else word)))
    return found


_K = RemarkKind
_FORMS: Final = _forms(
    # Sentinel.
    (
        _K.POSTPONED,
        r"Next failover delay: I will not start a failover before (?P<until>\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})",
    ),
    (_K.REQUESTED, r"Executing user requested (?:coordinated )?FAILOVER(?: COORDINATED)? of '(?P<master>.*)'"),
    (_K.IDENTITY, r"Sentinel (?:ID|runid) is (?P<run_id>[0-9a-f]{40})"),
    (_K.UNRESOLVED, r"Failed to resolve hostname '"),
    (_K.NOT_SAVED, r"WARNING: Sentinel was not able to save"),
    (_K.SIMULATED, r"Sentinel CRASH because of SENTINEL simulate-failure"),
    (_K.SIMULATED, r"Failure simulation: this Sentinel"),
    # The process.
    (_K.STARTED, r"Redis|Valkey version=.* just started"),
    (_K.STARTED, r"oO0OoO0OoO0Oo \w+ is starting"),
    (_K.STARTED, r"Server started, Redis version"),
    (_K.PORT, r"Running mode=\w+, port=(?P<port>\d{1,5})"),
    (_K.READY, r"Ready to accept connections"),
    (_K.READY, r"The server is now ready to accept connections on port (?P<port>\d{1,5})"),
    (_K.STOPPING, r"User requested shutdown"),
    (_K.STOPPING, r"Received SIG\w+ scheduling shutdown"),
    (_K.STOPPED, r"Redis|Valkey|Sentinel is now ready to exit"),
    (_K.CRASHED, r"Redis|Valkey \S+ crashed by signal"),
    (_K.CRASHED, r"=== \w+ BUG REPORT START"),
    (_K.OUT_OF_MEMORY, r"Out [oO]f [mM]emory"),
    (_K.OUT_OF_MEMORY, r"Redis|Valkey aborting for OUT OF MEMORY"),
    (_K.SAVE_FAILED, r"Background saving error"),
    (_K.SAVE_FAILED, r"MISCONF "),
    (_K.LOADED, r"DB loaded from "),
    # Replication, from both ends.
    (_K.HANDING_OVER, rf"FAILOVER requested to {_NODE}"),
    (_K.PROMOTED, r"MASTER|PRIMARY MODE enabled"),
    (_K.DEMOTED, rf"REPLICAOF|SLAVEOF {_NODE} enabled"),
    (_K.DEMOTED, rf"SLAVE|REPLICA OF {_NODE} enabled"),
    (_K.MASTER_LOST, r"Connection with (?:master|primary) lost"),
    (_K.REPLICA_LOST, rf"Connection with (?:replica|slave) (?:client id #\d+|{_NODE}) lost"),
    (_K.MASTER_LOST, r"MASTER|PRIMARY timeout: no data nor PING received"),
    (_K.SYNC_STARTED, rf"Connecting to (?:MASTER|PRIMARY) {_NODE}"),
    (_K.FULL_SYNC, r"Full resync from (?:master|primary)"),
    (_K.FULL_SYNC, rf"Full resync requested by (?:replica|slave) {_NODE}"),
    (_K.PARTIAL_SYNC, r"Successful partial resynchronization with (?:master|primary)"),
    (_K.PARTIAL_SYNC, rf"Partial resynchronization request from {_NODE} accepted"),
    (_K.SYNC_DONE, r"MASTER|PRIMARY <-> (?:REPLICA|SLAVE) sync: Finished with success"),
    (_K.SYNC_DONE, rf"Synchronization with (?:replica|slave) {_NODE} succeeded"),
    (_K.SYNC_FAILED, r"Error condition on socket for SYNC"),
    (_K.SYNC_FAILED, r"Failed trying to load the (?:MASTER|PRIMARY) synchronization"),
)
"""Keys are the first word of the message; alternatives of this word are separated by ``|``."""

_ANYWHERE: Final = (
    (
        _K.VOTED,
        re.compile(r"\A(?P<run_id>[\w.:\[\]-]{7,80}) voted for (?P<candidate>[0-9a-f]{40}) (?P<epoch>\d{1,19})\Z"),
    ),
    # The kernel's own messages.
    (_K.OUT_OF_MEMORY, re.compile(r"Out of memory: Kill(?:ed)? process \d+ \((?:redis|valkey)-\w+\)")),
    (_K.OUT_OF_MEMORY, re.compile(r"Memory cgroup out of memory: Kill(?:ed)? process \d+ \((?:redis|valkey)-\w+\)")),
    (_K.OUT_OF_MEMORY, re.compile(r"\b(?:redis|valkey)-\w+ invoked oom-killer")),
)
