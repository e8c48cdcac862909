"""
Events and decisions of one deployment in, entries for the journal out.

The belief's record of an attempt has its stages. The ledger adds what the stages do not say: how many Sentinels agreed,
when each of them announced the switch, when the promotion was known to us and to Sentinel, when the old master came
back, and the epoch if only the switch has it. It goes on adding after the record has ended, for `KEPT` seconds.

Pure: no clock, no I/O, no database. ``at`` is monotonic seconds, ``wall`` seconds since 1970. Everything that is kept
is bounded.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from ..account.record import (
    GUARD,
    Agreement,
    Announcement,
    Away,
    Observation,
    Promotion,
    RemarkRecord,
    Return,
    StageRecord,
    Vote,
    stage_record,
    switch_record,
    to_microseconds,
)
from ..belief.decisions import Notice, NoticeKind, Switch
from ..belief.failover import ABORT_REASONS, Failover
from ..belief.topology import Whereabouts
from ..model import Address, Cause, Grade, SentinelName, Stage, Via
from ..render import event_line, notice_line
from ..wire.events import (
    EVENTS,
    SPEC_OF,
    Event,
    InstanceEvent,
    Judgement,
    Kind,
    ObjectivelyDown,
    SwitchedMaster,
    Withdrawal,
)
from .entries import Draft, Entry, Seen, Sighting, SwitchSeen

__all__ = ["Ledger"]

KEPT: Final = 3600.0
"""Seconds for which news is added to a record that has ended: an old master may come back late."""
FOLLOWED: Final = 10_000
"""Records that are followed at once, ended ones included; the one without news for longest is dropped first."""
GENERATION: Final = 1_000_000_000
"""More than the attempts that one watcher counts for a master."""
NEWS: Final = 64
"""Pieces of news that may wait for their record, for each master and in each record."""
SOON: Final = 5.0
"""Seconds between a switch and the record of its failover, at most."""

AFTER: Final = 30.0
"""Seconds after the last news of a record in which the guard's account of a restart still belongs to it."""

_LEADS: Final = frozenset(
    {NoticeKind.GUARD_ORDERED, NoticeKind.GUARD_WOULD_ORDER, NoticeKind.GUARD_REFUSED, NoticeKind.MASTER_EMPTY}
)
"""What the guard says before a failover, or while one is under way: never of one that is over."""
_FOLLOWS: Final = frozenset({NoticeKind.GUARD_VERIFIED, NoticeKind.GUARD_IN_VAIN, NoticeKind.MASTER_RESTARTED})
"""What it says of a failover afterwards too."""

_RETURNS: Final = frozenset(
    spec.channel for spec in EVENTS if spec.withdraws is Withdrawal.SUSPICION or spec.judged is Judgement.CONVERTED
)
"""An old master answers again, or is made a replica."""


@dataclass(frozen=True, slots=True)
class _News:
    what: str
    """``agreed``, ``announced``, ``promoted``, ``returned``, or ``guard``."""
    sentinel: SentinelName
    """Empty of the guard."""
    node: Address | None
    """The old master or the new one; None of the guard."""
    at: float
    wall: float
    by: str
    """The channel, or the kind of the guard's notice."""
    numbers: tuple[int, ...] = ()
    text: str = ""


@dataclass(slots=True)
class _Followed:
    """One record, and the news that belongs to it."""

    record: Failover
    begun: float
    """Monotonic seconds."""
    started: float
    incarnation: int
    number: int
    switch: Switch | None = None
    undone: Switch | None = None
    """The way back from that switch, if the promotion was given up."""
    heard: float = 0.0
    """Monotonic seconds."""
    news: list[_News] = field(default_factory=list)

    def copy(self) -> _Followed:
        """Return it as it is now."""
        told = (self.record, self.begun, self.started, self.incarnation, self.number, self.switch, self.undone)
        return _Followed(*told, self.heard, [*self.news])

    def is_redone(self, switch: Switch) -> bool:
        """Whether a switch leads to the address that was given up: the leader came back."""
        given_up = self.undone is not None and self.undone.new == switch.old
        return given_up and self.switch is not None and self.switch.epoch in (None, switch.epoch)

    def takes(self, news: _News) -> bool:
        """Whether a piece of news belongs to it."""
        if news.what == "guard":
            # What the guard finds at once, Sentinel suspects after down-after.
            begins = self.begun - SOON - (self.record.down_after or 0.0)
            over = self.record.closed and news.by in _LEADS and news.at > self.heard
            return begins <= news.at <= self.heard + AFTER and not over and len(self.news) < NEWS
        if not self.begun - SOON <= news.at <= self.heard + KEPT or len(self.news) >= NEWS:
            return False
        if news.what in ("agreed", "returned"):
            return news.node == self.record.old and (news.what == "agreed" or self.record.new is not None)
        return news.node == self.record.new


class Ledger:
    """
    Makes the journal's entries of one deployment.

    Args:
        deployment: the deployment's name.
        where: returns where a master is believed to be now, or None; called for every record.
        events: whether each event of each Sentinel is an entry too.
        generation: counts the ledgers of this deployment in one run, so that no two observations of a run share a
            number.
        drafts: whether events and observations are returned as `Draft`s, for a writer's thread.
    """

    def __init__(
        self,
        deployment: str,
        where: Callable[[str], Whereabouts | None],
        events: bool = True,
        generation: int = 0,
        drafts: bool = False,
    ) -> None:
        self.deployment = deployment
        self.events = events
        self._drafts = drafts
        self._first = generation * GENERATION
        self._where = where
        self._followed: OrderedDict[tuple[str, int], _Followed] = OrderedDict()
        self._of_master: dict[str, deque[_Followed]] = {}
        self._waiting: dict[str, deque[_News]] = {}
        self._switches: dict[str, Switch] = {}
        self._unnumbered: set[str] = set()
        """Masters whose last switch has no epoch yet."""
        self._sighted: dict[str, tuple[Address, int | None, int, bool]] = {}
        self._unswitched: dict[str, _Followed] = {}
        """Records that ended this turn at a new address without a switch."""
        self._beyond: dict[str, int] = {}
        """The last number given to an attempt without a record, counted down from -1."""

    # -- what happens ------------------------------------------------------------------------------

    def event(self, sentinel: SentinelName, event: Event, at: float, wall: float) -> Iterator[Entry]:
        """Return the entries of one event; called before the decisions about it."""
        if self.events:
            seen = partial(_seen, self.deployment, sentinel, event, wall)
            yield Draft(seen) if self._drafts else seen()
        news = _news_of(sentinel, event, at, wall)
        if news is not None:
            yield from self._add(event.master or "", news)
        if isinstance(event, SwitchedMaster):
            yield from self._witness(event.name, sentinel, event.new, wall)
        elif event.channel in ABORT_REASONS and isinstance(event, InstanceEvent):
            yield from self._unheard_abort(sentinel, event, at, wall)

    def notice(self, notice: Notice) -> Iterator[Entry]:
        """Return the entries of a notice; what the guard says stands in the failover's record too."""
        yield Seen(notice.time or 0.0, notice_line(notice))
        if notice.kind in _LEADS | _FOLLOWS and notice.master is not None:
            news = _News(
                "guard", SentinelName(""), None, notice.at, notice.time or 0.0, str(notice.kind), text=notice.text
            )
            yield from self._add(notice.master, news)

    def switch(self, switch: Switch) -> Iterator[Entry]:
        """Return the entries of a switch."""
        undone = self._undone_by(switch)
        self._switches[switch.master] = switch
        self._unnumbered.discard(switch.master)
        if switch.epoch is None:
            self._unnumbered.add(switch.master)
        # The address alone: whether a majority gives it is known later.
        self._sighted[switch.master] = (switch.new, switch.epoch, switch.incarnation, False)
        same = (each for each in self._recent(switch.master) if each.record.new == switch.new)
        followed = next((each for each in same if _near(each, switch) or each.is_redone(switch)), None)
        # The failover first: the switch is stored with its id.
        if undone is not None:
            undone.undone = switch
            yield self._observation(undone)
        elif followed is not None:
            followed.switch, followed.undone = switch, None
            yield self._observation(followed)
        elif switch.cause is Cause.FAILOVER and switch.via is Via.SNAPSHOT:
            yield self._missed(switch)
        yield self._switch_seen(switch)

    def failover(self, record: Failover) -> Iterator[Entry]:
        """Return the entries of a record, which comes again with every stage."""
        if not record.stages:
            return
        followed = self._follow(record)
        waiting = self._waiting.get(record.master, ())
        taken = [news for news in waiting if followed.takes(news)]
        followed.news += taken
        for news in taken:
            self._waiting[record.master].remove(news)
        switch = self._switches.get(record.master)
        if followed.switch is None and switch is not None and switch.new == record.new and _near(followed, switch):
            followed.switch = switch
        yield self._observation(followed)
        if followed.switch is None and record.new is not None and str(record.outcome) == "completed":
            self._unswitched[record.master] = followed

    def end_turn(self, wall: float, answered: Collection[str] | None = None) -> Iterator[Entry]:
        """
        Return the entries of the end of a turn: everything that follows from one fact is decided.

        Args:
            wall: when.
            answered: the masters that a Sentinel has answered about in this turn, so that an epoch may be known now;
                None if that was not noted.
        """
        for name in sorted(self._unnumbered if answered is None else self._unnumbered.intersection(answered)):
            # Now, because the master may have been switched again by the next turn.
            yield from self._fill_epoch(name)
        while self._unswitched:
            name, followed = self._unswitched.popitem()
            where = self._where(name) if followed.switch is None else None
            if where is not None and where.address == followed.record.new:
                # We started in the middle of a failover: the belief began at the new address, and decided no switch.
                yield from self.sightings([name], wall)

    def sightings(self, masters: Iterable[str], wall: float) -> Iterator[Entry]:
        """Return where these masters are, if that has changed since the last call."""
        for name in masters:
            where = self._where(name)
            if where is None or where.address is None:
                continue
            seen = (where.address, where.epoch, where.incarnation, where.grade is Grade.AGREED)
            if self._sighted.get(name) != seen:
                self._sighted[name] = seen
                yield Sighting(wall, self.deployment, name, *seen)

    def resight(self, masters: Iterable[str]) -> None:
        """Return these masters at the next call of `sightings`, changed or not."""
        for name in masters:
            self._sighted.pop(name, None)

    # -- records ------------------------------------------------------------------------------------

    def _undone_by(self, switch: Switch) -> _Followed | None:
        """Return the failover whose promotion was given up, if a switch is the way back from it."""
        last = self._switches.get(switch.master)
        if last is None or (switch.old, switch.new) != (last.new, last.old) or switch.incarnation == last.incarnation:
            return None
        if switch.cause is Cause.RECONFIGURED:
            return None  # an operator did it, whatever was promoted before
        return next((each for each in self._recent(switch.master) if each.switch and each.switch.at == last.at), None)

    def _follow(self, record: Failover) -> _Followed:
        key = (record.master, record.number)
        last = max(entry.at for entry in record.stages)
        followed = self._followed.get(key)
        if followed is None:
            first = min(record.stages, key=lambda entry: entry.at)
            where = self._where(record.master)
            incarnation = 0 if where is None else where.incarnation
            followed = _Followed(record, first.at, first.time or 0.0, incarnation, self._first + record.number)
            self._followed[key] = followed
            self._of_master.setdefault(record.master, deque()).append(followed)
        followed.record = record
        followed.heard = max(followed.heard, last)
        self._followed.move_to_end(key)
        self._forget(last)
        return followed

    def _forget(self, now: float) -> None:
        while self._followed:
            (master, _), oldest = next(iter(self._followed.items()))
            if len(self._followed) <= FOLLOWED and oldest.heard > now - KEPT:
                return
            self._followed.popitem(last=False)
            self._of_master[master].remove(oldest)
            if not self._of_master[master]:
                del self._of_master[master]

    def _recent(self, master: str) -> list[_Followed]:
        return list(reversed(self._of_master.get(master, ())))

    def _add(self, master: str, news: _News) -> Iterator[Entry]:
        for followed in self._recent(master):
            if followed.takes(news):
                followed.news.append(news)
                if news.what != "guard":
                    followed.heard = max(followed.heard, news.at)
                yield self._observation(followed)
                return
        self._waiting.setdefault(master, deque(maxlen=NEWS)).append(news)

    def _observation(self, followed: _Followed) -> Observation | Draft:
        switch = followed.switch
        epoch = self._epoch(followed.record) if switch is None or switch.epoch is None else switch.epoch
        if not self._drafts:
            return _observed(followed, epoch)
        record = followed.record
        return Draft(partial(_observed, followed.copy(), epoch), (record.deployment, record.master, followed.number))

    def _epoch(self, record: Failover) -> int | None:
        """Return the record's own epoch or, if its beginning was missed, the epoch of the belief that it led to."""
        if record.epoch is not None or record.new is None or str(record.outcome) != "completed":
            return record.epoch
        where = self._where(record.master)
        return where.epoch if where is not None and where.address == record.new else None

    # -- what the belief has no record of --------------------------------------------------------------

    def _unheard_abort(self, sentinel: SentinelName, event: InstanceEvent, at: float, wall: float) -> Iterator[Entry]:
        """Return an abort whose attempt began before we listened: another observer, or our last run, may know it."""
        master = event.instance.master
        if any(not followed.record.closed or followed.heard > at - SOON for followed in self._recent(master)):
            return
        reason = ABORT_REASONS[event.channel]
        stage = StageRecord(Stage.ABORTED, to_microseconds(wall), sentinel, event.channel, reason=reason, elapsed=0.0)
        observation = self._unrecorded(master, event.instance.master_address, None, None, "aborted", wall)
        yield replace(observation, stages=(stage,), reason=reason, leader=sentinel)

    def _missed(self, switch: Switch) -> Observation:
        """Return a switch without events: all links to the Sentinels were down."""
        wall = switch.time or 0.0
        observation = self._unrecorded(switch.master, switch.old, switch.new, switch.epoch, "completed", wall)
        away = Away(None, to_microseconds(wall), (None, switch.epoch))
        return replace(observation, missed=True, incarnation=switch.incarnation, away=away)

    def _unrecorded(
        self, master: str, old: Address | None, new: Address | None, epoch: int | None, outcome: str, wall: float
    ) -> Observation:
        number = self._beyond[master] = self._beyond.get(master, -self._first) - 1
        where = self._where(master)
        return Observation(
            deployment=self.deployment,
            master=master,
            number=number,
            incarnation=0 if where is None else where.incarnation,
            old=old,
            new=new,
            epoch=epoch,
            kind=None,
            outcome=outcome,
            attempted=True,
            closed=True,
            missed=False,
            started=wall,
            heard=wall,
        )

    # -- switches -----------------------------------------------------------------------------------

    def _switch_seen(self, switch: Switch) -> SwitchSeen:
        return SwitchSeen(switch.time or 0.0, switch_record(switch))

    def _fill_epoch(self, name: str) -> Iterator[Entry]:
        """Return the epoch of a switch that was decided without one, once a Sentinel has answered with it."""
        switch, where = self._switches[name], self._where(name)
        filled = None if where is None else where.switch
        if filled is None or filled.epoch is None or (switch.new, switch.at) != (filled.new, filled.at):
            return
        self._unnumbered.discard(name)
        switch = self._switches[name] = replace(switch, epoch=filled.epoch)
        for followed in self._recent(name):
            if followed.switch is not None and followed.switch.at == switch.at:
                followed.switch = switch
                yield self._observation(followed)
        yield self._switch_seen(switch)

    def _witness(self, master: str, sentinel: SentinelName, new: Address, wall: float) -> Iterator[Entry]:
        switch = self._switches.get(master)
        if switch is not None and switch.new == new and sentinel not in switch.witnesses:
            switch = self._switches[master] = replace(switch, witnesses=(*switch.witnesses, sentinel))
            yield self._switch_seen(switch)


def _seen(deployment: str, sentinel: SentinelName, event: Event, wall: float) -> Seen:
    return Seen(wall, {**event_line(sentinel, event, wall), "deployment": deployment})


def _observed(followed: _Followed, epoch: int | None) -> Observation:
    record = followed.record
    times = [entry.time for entry in record.stages if entry.time is not None]
    outcome, closed, reason = str(record.outcome), record.closed, record.reason or None
    if followed.undone is not None:
        outcome, closed = "aborted", True
        reason = f"the promotion was given up, and the master is {record.old} again: {followed.undone.why}"
    return Observation(
        deployment=record.deployment,
        master=record.master,
        number=followed.number,
        incarnation=followed.incarnation,
        old=record.old,
        new=record.new,
        epoch=epoch,
        kind=None if record.kind is None else str(record.kind),
        outcome=outcome,
        attempted=record.attempted,
        closed=closed,
        missed=False,
        started=followed.started,
        heard=max(times, default=followed.started),
        stages=tuple(stage_record(entry, followed.begun) for entry in record.stages),
        leader=record.leader,
        candidates=tuple(record.candidates),
        reason=reason,
        agreement=_agreement(followed),
        announcements=_announcements(followed),
        promotion=_promotion(followed),
        returned=_returned(followed),
        votes=tuple(Vote(*vote) for vote in record.votes),
        down_after=record.down_after,
        durations=record.durations | _durations(followed),
        remarks=_remarks(followed) or None,
    )


def _near(followed: _Followed, switch: Switch) -> bool:
    return followed.begun - SOON <= switch.at <= followed.heard + SOON


def _news_of(sentinel: SentinelName, event: Event, at: float, wall: float) -> _News | None:
    channel = event.channel
    if isinstance(event, SwitchedMaster):
        return _News("announced", sentinel, event.new, at, wall, channel)
    if isinstance(event, ObjectivelyDown):
        return _News("agreed", sentinel, event.instance.address, at, wall, channel, (event.agreeing, event.quorum))
    if not isinstance(event, InstanceEvent) or event.instance.kind is not Kind.REPLICA:
        return None
    if SPEC_OF[channel].judged is Judgement.PROMOTED:
        return _News("promoted", sentinel, event.instance.address, at, wall, channel)
    return _News("returned", sentinel, event.instance.address, at, wall, channel) if channel in _RETURNS else None


def _of(followed: _Followed, what: str) -> list[_News]:
    return [news for news in followed.news if news.what == what]


def _elapsed(followed: _Followed, news: _News) -> float:
    return round(news.at - followed.begun, 6)


def _agreement(followed: _Followed) -> Agreement | None:
    agreed = _of(followed, "agreed")
    if not agreed:
        return None
    most = max(agreed, key=lambda news: news.numbers[0])
    agreeing, quorum = most.numbers
    return Agreement(agreeing, quorum, most.sentinel, to_microseconds(most.wall), _elapsed(followed, most))


def _announcements(followed: _Followed) -> tuple[Announcement, ...]:
    found: dict[str, Announcement] = {}
    for news in _of(followed, "announced"):
        said = Announcement(news.sentinel, to_microseconds(news.wall), _elapsed(followed, news))
        found.setdefault(news.sentinel, said)
    return tuple(found.values())


def _promotion(followed: _Followed) -> Promotion:
    itself, promoted = followed.record.entry(Stage.PROMOTED), _of(followed, "promoted")
    return Promotion(
        node=to_microseconds(itself.time) if itself is not None and itself.by == "ROLE" else None,
        sentinel=to_microseconds(promoted[0].wall) if promoted else None,
    )


def _returned(followed: _Followed) -> Return | None:
    returned = _of(followed, "returned")
    if not returned or followed.record.outcome != "completed":
        return None
    first = returned[0]
    return Return(to_microseconds(first.wall), first.sentinel, first.by, _elapsed(followed, first))


def _remarks(followed: _Followed) -> tuple[RemarkRecord, ...]:
    said = sorted(_of(followed, "guard"), key=lambda news: news.at)
    return tuple(RemarkRecord(to_microseconds(each.wall), GUARD, False, each.by, each.text) for each in said)


def _durations(followed: _Followed) -> dict[str, float]:
    """Return the durations that the record alone does not have: announcements, replicas, the old master's return."""
    announced = [news.at for news in _of(followed, "announced")]
    steps = [entry.at for entry in followed.record.stages if entry.stage is Stage.RECONFIGURING]
    returned = [news.at for news in _of(followed, "returned")]
    found = {}
    if len(announced) > 1:
        found["spread"] = max(announced) - min(announced)
    if len(steps) > 1:
        found["reconfiguration"] = max(steps) - min(steps)
    if returned and followed.record.outcome == "completed":
        found["return"] = returned[0] - followed.begun
    return {name: round(seconds, 6) for name, seconds in found.items()}
