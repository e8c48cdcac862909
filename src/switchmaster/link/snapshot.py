"""
The questions to one Sentinel, and its answers as facts.

An `Inquiry` belongs to one connection. It writes one batch at a time, and emits a `MasterSnapshot` when the last answer
about that master has come, so that the fact has its place among the events. SENTINEL MASTER goes first and
GET-MASTER-ADDR-BY-NAME directly after it: if a switch falls between the two, the pair shows the old epoch with the new
address, which is believed too late, never too early. A command that an ACL refuses is not sent again; CKQUORUM is sent
if SENTINELS is refused, from which its answer would follow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from ..model import LIMITS
from ..wire.events import Unrecognised
from ..wire.facts import Condition, Fact, MasterSnapshot, SnapshotEnd
from ..wire.refusal import Refusal, classify
from ..wire.replies import (
    QuorumReply,
    parse_address,
    parse_ckquorum,
    parse_info,
    parse_master,
    parse_masters,
    parse_replicas,
    parse_role,
    parse_sentinels,
)
from ..wire.resp import Reply, plain
from .counters import LinkCounters
from .request_stream import OnReply

__all__ = ["PARTS", "Inquiry"]

_T = TypeVar("_T")
_ADDRESS: Final = "GET-MASTER-ADDR-BY-NAME"
_ESSENTIAL: Final = ("MASTER", _ADDRESS)
_OPTIONAL: Final = ("REPLICAS", "SENTINELS")
PARTS: Final = _ESSENTIAL + _OPTIONAL
"""The questions about each master: subcommands of SENTINEL."""
_QUORUM: Final = "CKQUORUM"


@dataclass(slots=True)
class _Round:
    """A whole snapshot under way."""

    todo: deque[str]
    found: list[str]
    """The names that this Sentinel still monitored when asked about them."""


@dataclass(slots=True)
class _Answers:
    """The answers about one master so far, by subcommand."""

    name: str
    parts: tuple[str, ...]
    """The questions sent; another answer may take a part off the inquiry's list before this one has come."""
    in_round: bool
    replies: dict[str, Reply] = field(default_factory=dict)


class Inquiry:
    """
    Asks one Sentinel about its masters, over one connection.

    Args:
        ask: writes a command and passes its reply to a callback.
        emit: takes the facts, in order.
        on_end: is called with the time and the number of masters when a whole snapshot is complete.
        on_refusal: is called when an ACL refuses a command that every snapshot needs.
        counters: counts what is dropped.
        masters: the only names to ask about; None for all that the Sentinel monitors.
    """

    __slots__ = (
        "_abandoned",
        "_again",
        "_ask",
        "_counters",
        "_emit",
        "_informs",
        "_masters",
        "_on_end",
        "_on_refusal",
        "_open",
        "_parts",
        "_round",
        "_urgent",
        "can_ask",
    )

    def __init__(
        self,
        ask: Callable[[tuple[str, ...], OnReply], None],
        emit: Callable[[Fact], None],
        on_end: Callable[[float, int], None],
        on_refusal: Callable[[], None],
        counters: LinkCounters,
        masters: Iterable[str] | None = None,
    ) -> None:
        self._ask = ask
        self._emit = emit
        self._on_end = on_end
        self._on_refusal = on_refusal
        self._counters = counters
        self._masters = None if masters is None else tuple(masters)
        self._parts: tuple[str, ...] = PARTS
        self._round: _Round | None = None
        self._again = False
        self._informs = True
        """Whether INFO may be sent."""
        self._urgent: dict[str, None] = {}
        self._open = 0
        self._abandoned = False
        self.can_ask = True

    def want(self, names: Iterable[str] | None = None) -> None:
        """
        Ask as soon as possible, and once more if an answer is already under way.

        Args:
            names: the masters; None for a whole snapshot.
        """
        if names is None:
            self._again = True
            return
        for name in names:
            if len(self._urgent) >= LIMITS.masters:
                self._counters.dropped += 1
                continue
            self._urgent[name] = None

    def abandon(self) -> None:
        """Ignore all answers that are still to come: the questions were sent too early."""
        self._abandoned = True

    def pump(self) -> None:
        """Write the next batch, unless one is under way."""
        if self._open or self._abandoned or not self.can_ask:
            return
        if self._round is None and self._again:
            self._again = False
            self._ask_names()
        elif batch := self._next_batch():
            self._open = len(batch)
            for answers in batch:
                for part in answers.parts:
                    self._ask(("SENTINEL", part, answers.name), partial(self._take, answers, part))

    # The Sentinel itself.

    def _take_info(self, reply: Reply, now: float) -> None:
        if self._abandoned:
            return
        refusal = classify(reply)
        if refusal is not None:
            self._informs = not refusal.unavailable
            return
        # With 10,000 masters the rest is all but the first 200 bytes, and holds nothing that we do not ask for by name.
        info = parse_info(reply.partition(b"\r\nmaster0:")[0] if isinstance(reply, bytes) else reply)
        if isinstance(info, Unrecognised):
            self._emit(info)
        elif info.tilt is not None:
            since = info.tilt_since_seconds
            self._emit(
                Condition(
                    tilt=info.tilt,
                    tilt_seconds=since if info.tilt and since is not None and since >= 0 else None,
                    simulates_failures=bool(info.simulate_failure_flags),
                    scripts_waiting=info.scripts_queue_length or 0,
                )
            )

    # The names.

    def _ask_names(self) -> None:
        if self._informs:
            # Before the names, so that its answer comes before the end of the snapshot, and nothing waits for it.
            self._ask(("INFO", "sentinel"), self._take_info)
        if self._masters is not None:
            self._begin_round(self._masters)
            self.pump()
            return
        self._open = 1
        self._ask(("ROLE",), self._take_role)

    def _take_role(self, reply: Reply, now: float) -> None:
        if self._abandoned:
            return
        if classify(reply) is not None:
            self._ask(("SENTINEL", "MASTERS"), self._take_masters)
            return
        role = parse_role(reply)
        self._take_names(role if isinstance(role, Unrecognised) else role.names, now)

    def _take_masters(self, reply: Reply, now: float) -> None:
        if self._abandoned:
            return
        if classify(reply) is not None:
            self._refuse()
            return
        masters = parse_masters(reply)
        self._take_names(
            masters if isinstance(masters, Unrecognised) else tuple(master.name for master in masters),
            now,
        )

    def _take_names(self, names: tuple[str, ...] | Unrecognised, now: float) -> None:
        self._open = 0
        if isinstance(names, Unrecognised):
            # Without names there is neither a snapshot nor an end of one; the next reconcile tries again.
            self._emit(names)
            self._on_end(now, 0)
        else:
            self._begin_round(names)
            self._end_batch(now)

    def _begin_round(self, names: Iterable[str]) -> None:
        todo = deque(dict.fromkeys(names))
        while len(todo) > LIMITS.masters:
            todo.pop()
            self._counters.dropped += 1
        self._round = _Round(todo, [])

    # The masters.

    def _next_batch(self) -> list[_Answers]:
        batch: list[_Answers] = []
        while self._urgent and len(batch) < LIMITS.batch:
            name = next(iter(self._urgent))
            del self._urgent[name]
            batch.append(_Answers(name, self._parts, in_round=False))
        while self._round is not None and self._round.todo and len(batch) < LIMITS.batch:
            batch.append(_Answers(self._round.todo.popleft(), self._parts, in_round=True))
        return batch

    def _take(self, answers: _Answers, part: str, reply: Reply, now: float) -> None:
        if self._abandoned:
            return
        answers.replies[part] = reply
        if part != answers.parts[-1]:
            return
        if self.can_ask:
            self._conclude(answers)
        self._open -= 1
        if not self._open and self.can_ask:
            self._end_batch(now)

    def _conclude(self, answers: _Answers) -> None:
        refusals = [classify(answers.replies[part]) for part in _ESSENTIAL]
        if Refusal.NO_SUCH_MASTER in refusals:
            return
        if any(refusal is not None and refusal.unavailable for refusal in refusals):
            self._refuse()
            return
        snapshot = self._read(answers)
        if snapshot is None:
            return
        if answers.in_round and self._round is not None:
            self._round.found.append(answers.name)
        self._emit(snapshot)

    def _read(self, answers: _Answers) -> MasterSnapshot | Unrecognised | None:
        # An unreadable answer leaves the master in the round: it is monitored, though we cannot tell how.
        reply = answers.replies["MASTER"]
        address = answers.replies[_ADDRESS]
        for part in _ESSENTIAL:
            if classify(answers.replies[part]) is not None:
                return Unrecognised(f"SENTINEL {part}", plain(answers.replies[part]), "an answer about the master")
        master = parse_master(reply)
        announced = parse_address(address)
        if isinstance(master, Unrecognised):
            return master
        if announced is None or isinstance(announced, Unrecognised):
            return announced
        return MasterSnapshot(
            name=answers.name,
            address=announced,
            config_epoch=master.config_epoch,
            reply=master,
            replicas=self._read_part(answers, "REPLICAS", parse_replicas),
            sentinels=self._read_part(answers, "SENTINELS", parse_sentinels),
            usable=self._read_quorum(answers.replies.get(_QUORUM)),
        )

    def _read_part(
        self, answers: _Answers, part: str, parse: Callable[[object], tuple[_T, ...] | Unrecognised]
    ) -> tuple[_T, ...] | None:
        if part not in answers.replies:
            return None
        reply = answers.replies[part]
        refusal = classify(reply)
        if refusal is not None:
            if refusal.unavailable and part in self._parts:
                instead = (_QUORUM,) if part == "SENTINELS" else ()
                self._parts = (*(kept for kept in self._parts if kept != part), *instead)
            return None
        parsed = parse(reply)
        if isinstance(parsed, Unrecognised):
            self._emit(parsed)
            return None
        return parsed

    def _read_quorum(self, reply: Reply) -> int | None:
        """Return how many Sentinels answer, by CKQUORUM; None if it was not asked or not answered."""
        quorum = parse_ckquorum(reply)
        if isinstance(quorum, QuorumReply):
            return quorum.usable
        refusal = classify(reply)
        if refusal is not None and refusal.unavailable:
            self._parts = tuple(kept for kept in self._parts if kept != _QUORUM)
        return None

    def _end_batch(self, now: float) -> None:
        if self._round is not None and not self._round.todo:
            found, self._round = self._round.found, None
            self._emit(SnapshotEnd(tuple(found)))
            self._on_end(now, len(found))
        self.pump()

    def _refuse(self) -> None:
        self.can_ask = False
        self._round = None
        self._urgent.clear()
        self._on_refusal()
