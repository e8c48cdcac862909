"""
Which attempt an event belongs to: the failovers of one master, several of which may be open at once.

Events name no attempt, and only two name an epoch. So these are the rules:

1. The Sentinel that leads an attempt reports its progress, until its own ``+switch-master`` after ``+failover-end``, an
   abort, a reset, or its next ``+try-failover``.
2. ``+try-failover`` joins the open attempt on that master's address if it has no leader yet; else it opens one.
3. ``+sdown`` and ``+odown`` belong to the open attempt on that address that is not promoted yet; from a Sentinel that
   has not heard of the promotion, to the promoted one; else they open one.
4. A suspicion of another address than the believed one is no news, nor is a ``+switch-master`` to the believed one: a
   Sentinel that is behind catches up.
5. ``+switch-master`` belongs to the oldest open attempt that ends at that address and that this Sentinel has not
   announced yet; else to an ended one; else to an open one whose replica is not known.
6. ``+new-epoch`` and ``+vote-for-leader`` name no master: `elections` matches them by epoch and run id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from ..model import LIMITS, Address, Moment, SentinelName
from ..wire.events import EVENTS, Event, Form, InstanceEvent, Kind, SwitchedMaster, Voted, Withdrawal
from .failover import ABORT_REASONS, TRIGGERS, Attempt, Failover, FailoverKind, Stage, StageEntry

__all__ = ["Attempts"]

# As globals: reading a member from its class calls a function in Python 3.11.
_SUSPECTED, _AGREED_DOWN, _ELECTING = Stage.SUSPECTED, Stage.AGREED_DOWN, Stage.ELECTING
_SELECTED, _PROMOTING, _PROMOTED = Stage.SELECTED, Stage.PROMOTING, Stage.PROMOTED
_SWITCHED, _SETTLED = Stage.SWITCHED, Stage.SETTLED
_MASTER, _REPLICA = Kind.MASTER, Kind.REPLICA
_CHOOSING: Final = (_SELECTED, _PROMOTING, _PROMOTED)
"""Stages that name the replica that is to become the master."""
_BEFORE_ELECTED: Final = (None, _SUSPECTED, _AGREED_DOWN, _ELECTING)

SILENCE: Final = 200.0
"""Seconds after which an open attempt without news is closed: failover-timeout (180 s by default) and the longest
election."""


class Attempts:
    """
    The failovers of one master.

    Args:
        deployment: the deployment's name, for the records.
        master: the master's name.
    """

    __slots__ = (
        "_down",
        "_ended",
        "_known",
        "_leading",
        "_numbered",
        "_odown",
        "_open",
        "_out",
        "_past",
        "_sole",
        "believed",
        "deployment",
        "master",
    )

    def __init__(self, deployment: str, master: str) -> None:
        self.deployment = deployment
        self.master = master
        self.believed: Address | None = None
        """The believed address of the master; None while nothing is settled. Set before each event."""
        self._open: list[Attempt] = []
        """The open attempts, oldest first; at most `LIMITS.failovers_open`, and none of them closed between calls."""
        self._leading: dict[SentinelName, Attempt] = {}
        """The open attempt that each Sentinel leads or tries to lead."""
        self._down: dict[SentinelName, tuple[Address, StageEntry]] = {}
        """Standing suspicions, by Sentinel: a later attempt starts with them."""
        self._odown: set[SentinelName] = set()
        """The Sentinels that say ODOWN."""
        self._known: set[SentinelName] = set()
        """The Sentinels whose word on ODOWN is known; others may have said so before they were heard."""
        self._ended: set[SentinelName] = set()
        """The Sentinels whose ``+failover-end`` was heard, and nothing of that failover before."""
        self._sole: int | None = None
        """The argument of `observe`, for the act that it calls."""
        self._numbered = 0
        """The number of the latest attempt."""
        self._out: list[Failover] = []
        self._past: deque[Attempt] = deque(maxlen=LIMITS.failovers_open)
        """Ended attempts, to distinguish late news of them from news of another."""

    @property
    def current(self) -> Attempt | None:
        """The latest open attempt, or None."""
        return self._open[-1] if self._open else None

    @property
    def deadline(self) -> float | None:
        """When the next open attempt is given up, in monotonic seconds; None if none is open."""
        if len(self._open) == 1:
            return self._open[0].heard + SILENCE
        return min((attempt.heard + SILENCE for attempt in self._open), default=None)

    @property
    def open(self) -> tuple[Attempt, ...]:
        """The open attempts, oldest first."""
        return tuple(self._open)

    def led_by(self, sentinel: SentinelName) -> Attempt | None:
        """Return the attempt that this Sentinel leads or tries to lead."""
        return self._leading.get(sentinel)

    def ending_at(self, node: Address) -> Attempt | None:
        """Return the latest open attempt whose selected replica is this node."""
        return next((a for a in reversed(self._open) if a.new == node), None)

    def records(self) -> list[Failover]:
        """Return the records that changed since the last call, oldest first."""
        out, self._out = self._out, []
        for attempt in self._open:
            if attempt.changed:
                attempt.changed = False
                out.append(attempt.record())
        return out

    # -- news ---------------------------------------------------------------------------------------

    def observe(
        self,
        sentinel: SentinelName,
        event: Event,
        epoch: int | None,
        moment: Moment,
        sole: int | None = None,
    ) -> Attempt | None:
        """
        Put one event into the attempt it belongs to.

        Args:
            sentinel: the Sentinel that published it.
            event: an event that names this master.
            epoch: the last epoch that this Sentinel named (``+new-epoch``); None if none is known.
            moment: when.
            sole: the one epoch that this Sentinel has named since its last switch, while no other master fails: a
                switch that it announces now can have no other. None otherwise.

        Returns:
            The attempt, or None if the event belongs to none.
        """
        act = _ACTS.get(event.channel)
        if act is None:
            return None
        self._sole = sole
        attempt = act(self, sentinel, event, epoch, moment)
        self._sweep()
        return attempt

    def promoted(self, node: Address, moment: Moment) -> None:
        """Record that the node itself answers ROLE ``master``."""
        attempt = self.ending_at(node)
        if attempt is not None and not attempt.promoted:
            attempt.reach(StageEntry(_PROMOTED, moment.now, moment.wall, None, "ROLE", node))

    def switched(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """
        Record that a Sentinel's answer shows the new address: its announcement was missed.

        For a leader, call this only after its failover has ended: it answers with the new address long before.
        """
        attempt = self.ending_at(node)
        if attempt is not None and sentinel not in attempt.switched_by:
            self._announce(attempt, sentinel, node, "snapshot", moment)
            self._sweep()

    def lost(self, sentinel: SentinelName, moment: Moment) -> None:
        """Drop the suspicions of a Sentinel that is no longer heard: it could not take them back."""
        for attempt in self._open:
            if attempt.leader in (None, sentinel):
                attempt.interrupted.add(sentinel)
        self._odown.discard(sentinel)
        self._known.discard(sentinel)
        if self._down.pop(sentinel, None) is None or self._down:
            return
        for attempt in self._open:
            if attempt.stage in (_SUSPECTED, _AGREED_DOWN):
                self._abort(attempt, None, "", f"{sentinel}, which suspected it, is no longer heard", moment)
        self._sweep()

    def agreed_down(self, sentinel: SentinelName, down: bool) -> None:
        """Record whether this Sentinel's answer shows ODOWN: it may have said so before it was heard."""
        self._known.add(sentinel)
        if down:
            self._odown.add(sentinel)
        else:
            self._odown.discard(sentinel)

    def tick(self, moment: Moment) -> None:
        """Close attempts without news for `SILENCE`."""
        for attempt in self._open:
            if moment.now >= attempt.heard + SILENCE:
                self._abandon(attempt, f"nothing more was heard of it for {SILENCE:.0f} s", moment)
        self._sweep()

    def finish(self) -> None:
        """Close all open attempts, as at the end of a replay; those without a switch stay in progress."""
        for attempt in self._open:
            attempt.close()
        self._sweep()

    # -- acts, one for each kind of event -----------------------------------------------------------

    def _suspect(self, sentinel: SentinelName, event: Event, epoch: int | None, moment: Moment) -> Attempt | None:
        if not isinstance(event, InstanceEvent) or event.instance.kind is not _MASTER:
            return None
        stage, address = TRIGGERS[event.channel], event.instance.address
        entry = StageEntry(stage, moment.now, moment.wall, sentinel, event.channel)
        self._known.add(sentinel)
        if stage is _AGREED_DOWN:
            self._odown.add(sentinel)
        else:
            self._down[sentinel] = (address, entry)
        attempt = self._on_address(sentinel, address)
        if attempt is None and (
            self.believed not in (None, address) or any(a.old == address and a.late(sentinel) for a in self._past)
        ):
            return None
        attempt = attempt or self._begin(address, moment.now)
        attempt.reach(entry)
        return attempt

    def _clear(self, sentinel: SentinelName, event: Event, epoch: int | None, moment: Moment) -> Attempt | None:
        if not isinstance(event, InstanceEvent) or event.instance.kind is not _MASTER:
            return None
        led = self._leading.get(sentinel)
        if event.channel == "-odown" and led is not None and led.kind is None and sentinel not in self._known:
            led.kind = FailoverKind.AUTOMATIC  # it takes back what it said before it was heard
        self._odown.discard(sentinel)
        self._known.add(sentinel)
        if event.channel == "-odown":
            return None
        self._down.pop(sentinel, None)
        attempt = self._on_address(sentinel, event.instance.address)
        if attempt is None or attempt.stage not in (_SUSPECTED, _AGREED_DOWN) or self._down:
            # Valkey 9.1 sends -sdown without +sdown in every SENTINEL FAILOVER, and leaders take +odown back in the
            # middle of a failover that goes on: only a suspicion can be withdrawn.
            return attempt
        self._abort(attempt, sentinel, event.channel, "the master answers again", moment)
        return attempt

    def _try(self, sentinel: SentinelName, event: Event, epoch: int | None, moment: Moment) -> Attempt | None:
        if not isinstance(event, InstanceEvent):
            return None
        self._ended.discard(sentinel)
        previous = self._leading.pop(sentinel, None)
        if previous is not None:
            self._try_again(previous, sentinel, moment)
        address = event.instance.address
        attempt = self._electing(address, epoch) or self._begin(address, moment.now)
        self._leading[sentinel] = attempt
        attempt.interrupted.discard(sentinel)
        attempt.candidates[sentinel] = epoch
        attempt.epoch = epoch if attempt.epoch is None else attempt.epoch
        if sentinel in self._known:
            attempt.kind = FailoverKind.AUTOMATIC if sentinel in self._odown else FailoverKind.MANUAL
        attempt.reach(StageEntry(_ELECTING, moment.now, moment.wall, sentinel, event.channel))
        return attempt

    def _lead(self, sentinel: SentinelName, event: Event, epoch: int | None, moment: Moment) -> Attempt | None:
        if not isinstance(event, InstanceEvent):
            return None
        stage, instance = TRIGGERS[event.channel], event.instance
        replica = instance.address if instance.kind is _REPLICA else None
        chosen = replica if stage in _CHOOSING else None
        attempt = self._leading.get(sentinel)
        if attempt is not None and chosen is not None and attempt.new not in (None, chosen):
            # A leader selects once: the end of this attempt and the beginning of another were missed.
            self._try_again(attempt, sentinel, moment)
            attempt = None
        if attempt is None:
            # The beginning was missed: the Sentinel that selects, promotes or reconfigures is the leader.
            attempt = self._joined(sentinel, instance.master_address, chosen) or self._begin(
                instance.master_address, moment.now
            )
            self._leading[sentinel] = attempt
        if sentinel in attempt.interrupted and attempt.new is None:
            # It may have given up unheard, and tried again at an epoch that was missed too.
            attempt.epoch = attempt.candidates[sentinel] = None
        own = attempt.candidates.get(sentinel)
        if own is not None:
            attempt.epoch = own
        elif attempt.leader is None and sentinel not in attempt.voted_for and attempt.standing - {sentinel}:
            # What is known is the epoch of the others.
            attempt.epoch = None
        attempt.leader = sentinel
        attempt.new = chosen or attempt.new
        replica = replica or (attempt.new if stage is _PROMOTED else None)
        attempt.reach(StageEntry(stage, moment.now, moment.wall, sentinel, event.channel, replica))
        return attempt

    def _end(self, sentinel: SentinelName, event: Event, epoch: int | None, moment: Moment) -> Attempt | None:
        # After it come only best-effort SLAVEOFs and, in the same instant, its +switch-master.
        attempt = self._leading.get(sentinel)
        if attempt is not None:
            attempt.ended = True
        else:
            self._ended.add(sentinel)
        return attempt

    def _switch(self, sentinel: SentinelName, event: Event, epoch: int | None, moment: Moment) -> Attempt | None:
        if not isinstance(event, SwitchedMaster):
            return None
        led = self._leading.get(sentinel)
        attempt = led if led is not None and led.new == event.new else self._ending_unheard(sentinel, event.new)
        if attempt is None and (late := self._ended_at(sentinel, event.new)):
            late.switched_by.add(sentinel)
        elif attempt := attempt or self._starting_unheard(sentinel, event.old) or self._unheard(event, moment.now):
            attempt.guessed = attempt.guessed or attempt.new is None
            attempt.new = attempt.new or event.new
            if attempt.epoch is None and not self._owned(self._sole):
                attempt.epoch = self._sole
            if sentinel in self._ended and attempt.leader is None:
                attempt.leader, attempt.ended, self._leading[sentinel] = sentinel, True, attempt
        if led is not None and led is not attempt:
            # It tried too, and another was faster: its own attempt ends without an event.
            self._leave(led, sentinel, event.channel, "another failover took its place", moment)
        if attempt is None:
            self._trust(sentinel)
            return None
        self._announce(attempt, sentinel, event.new, event.channel, moment)
        self._trust(sentinel)
        return attempt

    def _announce(
        self,
        attempt: Attempt,
        sentinel: SentinelName,
        node: Address,
        by: str,
        moment: Moment,
    ) -> None:
        attempt.switched_by.add(sentinel)
        attempt.reach(StageEntry(_SWITCHED, moment.now, moment.wall, sentinel, by, node))
        if self._leading.get(sentinel) is attempt:
            del self._leading[sentinel]
            if attempt.ended or by == "snapshot":
                end = "+failover-end" if attempt.ended else by
                attempt.reach(StageEntry(_SETTLED, moment.now, moment.wall, sentinel, end))

    def _give_up(self, sentinel: SentinelName, event: Event, epoch: int | None, moment: Moment) -> Attempt | None:
        attempt = self._leading.pop(sentinel, None)
        if attempt is None:
            address = event.instance.address if isinstance(event, InstanceEvent) else None
            attempt = self._on_address(sentinel, address) if address else None
        if attempt is None or attempt.promoted:
            return attempt
        if event.channel == "-failover-abort-master-timeout":
            attempt.kind = FailoverKind.COORDINATED
        if event.channel == "-failover-abort-not-elected" and attempt.kind is FailoverKind.MANUAL:
            # A plain SENTINEL FAILOVER needs no votes (sentinelFailoverWaitStart(), SRI_FORCE_FAILOVER).
            attempt.kind = FailoverKind.AUTOMATIC if self._down else FailoverKind.COORDINATED
        self._leave(attempt, sentinel, event.channel, ABORT_REASONS[event.channel], moment)
        return attempt

    def _reset(self, sentinel: SentinelName, event: Event, epoch: int | None, moment: Moment) -> Attempt | None:
        # SENTINEL RESET and REMOVE stop a running failover without an abort event.
        self._trust(sentinel)
        attempt = self._leading.pop(sentinel, None)
        if attempt is not None:
            command = "RESET" if event.channel == "+reset-master" else "REMOVE"
            self._abandon(attempt, f"SENTINEL {command} on its leader stopped it", moment, event.channel)
        return attempt

    def stood(self, sentinel: SentinelName, epoch: int) -> None:
        """Record at which epoch a Sentinel tries, if that was missed."""
        attempt = self._leading.get(sentinel)
        if attempt is not None and sentinel in attempt.candidates:
            attempt.candidates[sentinel] = epoch
            if len(attempt.candidates) == 1:
                attempt.epoch = epoch

    def vote(
        self,
        sentinel: SentinelName,
        event: Voted,
        voted_for: SentinelName | None,
        alone: bool,
        moment: Moment,
    ) -> Attempt | None:
        """
        Count a vote, if it belongs to one of this master's attempts.

        Args:
            sentinel: the voter.
            event: the vote.
            voted_for: the Sentinel that has that run id; None if it is not known.
            alone: whether this is the only failing master: then a vote for an unknown Sentinel belongs to its failover.
            moment: when.

        Returns:
            The attempt, or None if the vote is for another master.
        """
        attempt = next((a for a in self._open if a.candidate_at(event.epoch, voted_for)), None)
        if attempt is None and alone and all(a.epoch != event.epoch for a in self._past):
            attempt = next((a for a in self._open if a.stage in _BEFORE_ELECTED and a.epoch is None), None)
            if attempt is not None:
                attempt.epoch = event.epoch
                if attempt.stage in (_SUSPECTED, _AGREED_DOWN):
                    attempt.kind = attempt.kind or FailoverKind.AUTOMATIC
        vote = (sentinel, event.run_id, event.epoch)
        if attempt is None or vote in attempt.votes or len(attempt.votes) >= LIMITS.witnesses:
            # A vote comes twice if two masters fail together: a voter then names the later epoch for both.
            return attempt
        attempt.votes.append(vote)
        if voted_for is not None:
            attempt.voted_for.add(voted_for)
        if attempt.kind is FailoverKind.MANUAL and sentinel not in attempt.candidates:
            # Only SENTINEL FAILOVER … COORDINATED has an election; a plain one takes its epoch without votes.
            attempt.kind = FailoverKind.COORDINATED
        whom = str(voted_for or event.run_id)
        attempt.reach(StageEntry(_ELECTING, moment.now, moment.wall, sentinel, event.channel, voted_for=whom))
        return attempt

    # -- which attempt ------------------------------------------------------------------------------

    def _on_address(self, sentinel: SentinelName, address: Address) -> Attempt | None:
        behind = None
        for attempt in reversed(self._open):
            if attempt.old != address:
                continue
            if not attempt.promoted:
                return attempt
            if sentinel not in attempt.switched_by:
                behind = attempt
        return behind

    def _joined(self, sentinel: SentinelName, address: Address, chosen: Address | None) -> Attempt | None:
        """Return the attempt of a leader whose beginning was missed: one that no other leads or tries to lead."""
        attempt = self._on_address(sentinel, address)
        if attempt is None or attempt.closed or attempt.leader not in (None, sentinel):
            return None
        if attempt.epoch is not None and attempt.standing and sentinel not in attempt.standing:
            # It may lead one of its own, of an earlier epoch, for which it is asked.
            return None
        return attempt if chosen is None or attempt.new in (None, chosen) else None

    def _electing(self, address: Address, epoch: int | None) -> Attempt | None:
        """Return the attempt that a ``+try-failover`` joins: candidates of one election share its epoch."""
        same = [a for a in self._open if a.old == address and not a.promoted]
        joined = [a for a in same if a.epoch == epoch is not None]
        waiting = [a for a in same if a.stage in _BEFORE_ELECTED and None in (a.epoch, epoch)]
        return next(iter([*joined, *waiting]), None)

    def _ending_unheard(self, sentinel: SentinelName, new: Address) -> Attempt | None:
        return next((a for a in self._open if a.new == new and sentinel not in a.switched_by), None)

    def _starting_unheard(self, sentinel: SentinelName, old: Address) -> Attempt | None:
        unheard = [a for a in self._open if a.new is None and a.old == old and sentinel not in a.switched_by]
        # A leader that has selected no replica learned of the switch from another, at another epoch.
        return next((a for a in unheard if a.leader != sentinel or a.ended), None)

    def _unheard(self, event: SwitchedMaster, now: float) -> Attempt | None:
        """Return a new attempt for a switch without earlier news; None if the switch is no news."""
        return None if event.new == self.believed else self._begin(event.old, now)

    def _ended_at(self, sentinel: SentinelName, new: Address) -> Attempt | None:
        return next((a for a in self._past if a.new == new and a.late(sentinel)), None)

    def _owned(self, epoch: int | None) -> bool:
        return any(attempt.epoch == epoch for attempt in (*self._past, *self._open))

    def name_epoch(self, old: Address | None, new: Address, epoch: int) -> None:
        """Give an open attempt the epoch of its switch, if none was named while it was heard."""
        attempt = self.ending_at(new)
        if attempt is not None and attempt.epoch is None and attempt.old == old and not self._owned(epoch):
            attempt.epoch, attempt.changed = epoch, True

    def name_silence(self, down_after: Callable[[SentinelName], float | None]) -> None:
        """
        Give each open attempt the ``down-after`` of the Sentinel that suspected the master first.

        Args:
            down_after: returns a Sentinel's, in seconds; None if it is not known.
        """
        for attempt in self._open:
            if attempt.down_after is None and attempt.stages:
                first = attempt.stages[0]
                if first.stage is _SUSPECTED and first.sentinel:
                    attempt.down_after = down_after(first.sentinel)

    def _trust(self, sentinel: SentinelName) -> None:
        """Drop what this Sentinel suspected: it uses another address now, or begins from scratch."""
        self._known.add(sentinel)
        self._ended.discard(sentinel)
        self._down.pop(sentinel, None)
        self._odown.discard(sentinel)

    def _begin(self, old: Address, now: float) -> Attempt:
        while len(self._open) >= LIMITS.failovers_open:
            self._open[0].close()
            self._sweep()
        self._numbered += 1
        attempt = Attempt(self.deployment, self.master, self._numbered, old, heard=now)
        standing = [entry for address, entry in self._down.values() if address == old]
        for entry in sorted(standing, key=lambda entry: entry.at):
            attempt.reach(entry)
        self._open.append(attempt)
        return attempt

    # -- how attempts end ---------------------------------------------------------------------------

    def _abort(
        self,
        attempt: Attempt,
        sentinel: SentinelName | None,
        by: str,
        why: str,
        moment: Moment,
    ) -> None:
        attempt.reach(StageEntry(Stage.ABORTED, moment.now, moment.wall, sentinel, by, reason=why))

    def _leave(self, attempt: Attempt, sentinel: SentinelName, by: str, why: str, moment: Moment) -> None:
        """Remove one candidate; without any, or without its leader, the attempt is aborted."""
        self._leading.pop(sentinel, None)
        attempt.given_up.add(sentinel)
        alone = attempt.given_up >= set(attempt.candidates) or attempt.leader == sentinel
        if alone and not attempt.promoted:
            self._abort(attempt, sentinel, by, why, moment)

    def _try_again(self, attempt: Attempt, sentinel: SentinelName, moment: Moment) -> None:
        """Remove a Sentinel that has begun another attempt unheard; an attempt that another leads goes on."""
        if not attempt.promoted:
            self._leave(attempt, sentinel, "", "the same Sentinel tries again", moment)
        elif attempt.leader in (None, sentinel):
            attempt.close()

    def _abandon(self, attempt: Attempt, why: str, moment: Moment, by: str = "") -> None:
        if attempt.promoted:
            attempt.close()
        else:
            self._abort(attempt, attempt.leader, by, why, moment)

    def _sweep(self) -> None:
        """Hand out the records of attempts that have ended, and keep those as past."""
        closed = [attempt for attempt in self._open if attempt.closed]
        if not closed:
            return
        for attempt in closed:
            self._out.append(attempt.record())
            self._past.append(attempt)
        self._open = [attempt for attempt in self._open if not attempt.closed]
        self._leading = {name: led for name, led in self._leading.items() if not led.closed}


_Act = Callable[
    [Attempts, SentinelName, Event, int | None, Moment],
    Attempt | None,
]

_ACT_ON: Final[Mapping[Stage | Withdrawal, _Act]] = {
    Stage.SUSPECTED: Attempts._suspect,
    Stage.AGREED_DOWN: Attempts._suspect,
    Stage.ELECTING: Attempts._try,
    Stage.ELECTED: Attempts._lead,
    Stage.SELECTED: Attempts._lead,
    Stage.PROMOTING: Attempts._lead,
    Stage.PROMOTED: Attempts._lead,
    Stage.SWITCHED: Attempts._switch,
    Stage.RECONFIGURING: Attempts._lead,
    Stage.SETTLED: Attempts._end,
    Stage.ABORTED: Attempts._give_up,
    Withdrawal.SUSPICION: Attempts._clear,
    Withdrawal.AGREEMENT: Attempts._clear,
    Withdrawal.ATTEMPT: Attempts._reset,
}

_ACTS: Final[dict[str, _Act]] = {
    spec.channel: _ACT_ON[key]
    for spec in EVENTS
    # A vote names no master: it comes by `Attempts.vote`.
    if (key := spec.stage or spec.withdraws) is not None and spec.form is not Form.VOTE
}
"""What each channel's events do; events of other channels belong to no attempt."""
