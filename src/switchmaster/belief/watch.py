"""
All Sentinels of one deployment: facts in, decisions and one immutable Topology out.

`observe` takes what one Sentinel (or a node) said, `tick` takes the time, `decisions` gives what should happen
now, `deadline` says when the next tick is due. No I/O, no clock, no chance: the same facts at the same times
give the same decisions, under asyncio, in replay, in simulation and under the fuzzer.

Invariants: one Switch for each (master, incarnation, epoch, address); within an incarnation the decided epoch never
goes down; a node is never ``promoted`` that did not answer ROLE master after a Sentinel named it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ..model import LIMITS, Address, Grade, Moment, RunId, SentinelName, Via, Wall
from ..wire.events import (
    EVENTS,
    AddressSwitched,
    Event,
    InstanceEvent,
    Kind,
    NewEpoch,
    SwitchedMaster,
    Tilt,
    Unrecognised,
    Voted,
)
from ..wire.facts import Condition, Fact, LinkChange, LinkState, MasterSnapshot, Probe, SnapshotEnd
from ..wire.hello import Hello
from .attempts import Attempts
from .decide import Belief
from .decisions import Ask, Decision, Notice, NoticeKind, StartProbe, StopProbe, Switch
from .electorate import electorate_of
from .failover import FailoverKind
from .master_state import master_state
from .meaning import JUDGES
from .members import lists_of
from .roster import KnownSentinel, Roster
from .topology import MasterState, SentinelState, Topology
from .words import ghost_words, shared_id_words

__all__ = ["Watch", "WatchCounters"]

ASK_ALL_EVERY: Final = 1.0
"""Seconds between two questions about all masters that one Sentinel's odd events may cause."""

_TRIES = 4_096
"""Tries that are remembered to tell whose vote a vote is; the oldest go first."""

_ELECTION = 10.0
"""Seconds that an election lasts at most (``SENTINEL_ELECTION_TIMEOUT`` in sentinel.c)."""

_SEARCHED = 16
"""Open attempts that a vote for an unknown Sentinel is compared with."""

_ASK_AFTER: Final = frozenset(spec.channel for spec in EVENTS if spec.asked_after)
"""Events after which the Sentinel is asked: they change more than they say."""


@dataclass(slots=True)
class WatchCounters:
    """What was seen, for those who measure."""

    events: int = 0
    unrecognised: int = 0
    snapshots: int = 0
    switches: int = 0
    not_followed: int = 0
    """Facts about masters that were not asked for, or over a limit."""


@dataclass(slots=True)
class _Master:
    belief: Belief
    attempts: Attempts
    state: MasterState | None = None
    """The last value given out; None when something changed since."""


class Watch:
    """
    What one deployment's Sentinels say, and what follows from it.

    Args:
        seeds: the Sentinels that the user named; they are never forgotten.
        deployment: the user's name for the deployment.
        masters: the masters to follow; None for all that the Sentinels monitor.
        policy: the least grade that a Switch must have.
        probing: whether data nodes can be asked for their ROLE.
        asking: whether Sentinels can be asked; False for a transcript.
        discover: whether to connect to Sentinels that the others know.
        timeout: seconds that a Sentinel or a node has to answer.
    """

    def __init__(
        self,
        seeds: Iterable[SentinelName] = (),
        *,
        deployment: str = "default",
        masters: Iterable[str] | None = None,
        policy: Grade = Grade.PROMOTED,
        probing: bool = True,
        asking: bool = True,
        discover: bool = True,
        timeout: float = 1.0,
    ) -> None:
        self.deployment = deployment
        self.policy = policy
        self.probing = probing
        self.asking = asking
        self.timeout = timeout
        self.counters = WatchCounters()
        self.established = not asking
        """Whether the first answers are in: from then on a change of address is a switch."""
        self._only = None if masters is None else frozenset(masters)
        self._roster = Roster(seeds, asking, discover)
        self._masters: dict[str, _Master] = {}
        self._due: dict[str, float] = {}
        """When each master that waits for something is due, in monotonic seconds."""
        self._soonest: float | None = None
        """No later than the first of them; a tick that comes early does no harm, a search at each turn would."""
        self._open: set[str] = set()
        """Masters with an open attempt."""
        self._asked: dict[Address, set[str]] = {}
        """For whom each node is asked its ROLE."""
        self._tries: dict[tuple[SentinelName, int | None], str] = {}
        """Which master a Sentinel tried to fail over at which epoch; bounded by `_TRIES`."""
        self._first_answer: float | None = None
        self._topology: Topology | None = None
        self._version = 0
        self._changed: dict[str, None] = {}
        """Masters that changed since `changed` gave them, the longest waiting first."""
        self._limited: set[str] = set()
        self.roster_changes = 0
        """Rises when a Sentinel is heard or lost, or TILT begins or ends."""
        self._out: list[Decision] = []

    # -- what is told -------------------------------------------------------------------------------

    def observe(self, source: SentinelName | None, fact: Fact, moment: Moment) -> None:
        """
        Take one fact.

        Args:
            source: the Sentinel that said it; None for a `Probe`.
            fact: what it said.
            moment: when.
        """
        self._topology = None
        if isinstance(fact, Probe):
            return self._probe(fact, moment)
        assert source is not None, "only a Probe has no Sentinel"
        sentinel = self._roster.sentinel(source)
        if sentinel.parked and not isinstance(fact, LinkChange):
            return
        if isinstance(fact, LinkChange):
            self._link(sentinel, fact, moment)
        elif isinstance(fact, MasterSnapshot):
            self._snapshot(sentinel, fact, moment)
        elif isinstance(fact, SnapshotEnd):
            self._snapshot_end(sentinel, fact, moment)
        elif isinstance(fact, Condition):
            self._condition(sentinel, fact, moment)
        else:
            self._event(sentinel, fact, moment)

    def greeted(self, hello: Hello, moment: Moment) -> None:
        """
        Take a hello that a data node published, as a replay has it: the same pair that its Sentinel would answer.

        Args:
            hello: what it says.
            moment: when.
        """
        self._topology = None
        master = self._master(hello.master, moment)
        if master is None:
            return
        name = SentinelName(str(hello.sentinel))
        self._roster.sentinel(name)
        self._roster.learn(hello.run_id, name)
        master.belief.answered(name, hello.address, hello.config_epoch, moment, Via.HELLO)
        if not master.belief.established:
            master.belief.establish(moment)
        self._settle(hello.master, master)

    def tick(self, moment: Moment) -> None:
        """Let time pass: decide what has waited long enough, give up what nobody speaks of."""
        due = self.deadline
        if due is None or moment.now < due:
            return
        self._topology = None
        self._establish(moment)
        for name in [name for name, due in self._due.items() if moment.now >= due]:
            master = self._masters[name]
            master.belief.tick(moment)
            master.attempts.tick(moment)
            self._settle(name, master)
        self._soonest = min(self._due.values(), default=None)
        self._drop(self._roster.tick(moment.now, self._listed, self._lists))
        for names in self._roster.shared():
            self.roster_changes += 1
            self._notice(NoticeKind.SHARED_ID, shared_id_words(names), moment)

    def finish(self) -> None:
        """End all records that are open, as at the end of a transcript."""
        for name, master in self._masters.items():
            master.attempts.finish()
            self._settle(name, master)

    # -- what comes out -----------------------------------------------------------------------------

    def decisions(self) -> list[Decision]:
        """Return what was decided since the last call, in order."""
        out, self._out = [*self._out, *self._roster.decisions()], []
        return out

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in monotonic seconds; None while nothing is waited for."""
        due = [] if self._roster.deadline is None else [self._roster.deadline]
        if not self.established and self._first_answer is not None:
            due.append(self._first_answer + self.timeout)
        if self._soonest is not None:
            due.append(self._soonest)
        return min(due, default=None)

    @property
    def topology(self) -> Topology:
        """What is believed now; the same value until a fact changes something."""
        if self._topology is None:
            self._version += 1
            self._topology = self._topology_of(self._masters)
        return self._topology

    def changed(self, most: int) -> Topology:
        """
        Return the masters that changed since they were last returned here, for one reader that keeps a copy.

        Args:
            most: masters at most; the others come with the next call, so that a call is bounded.

        Returns:
            Those masters, and all Sentinels.
        """
        names = list(islice(self._changed, most))
        for name in names:
            del self._changed[name]
        return self._topology_of(names)

    def _topology_of(self, names: Iterable[str]) -> Topology:
        return Topology(
            deployment=self.deployment,
            masters={name: self._state(self._masters[name]) for name in names},
            sentinels=self.sentinels,
            version=self._version,
        )

    @property
    def sentinels(self) -> dict[SentinelName, SentinelState]:
        """All Sentinels and our links to them, now."""
        return self._roster.values()

    @property
    def answering(self) -> bool:
        """Whether any Sentinel has answered a question, or is heard though it may not be asked."""
        return self._first_answer is not None

    @property
    def hearing(self) -> bool:
        """Whether any Sentinel is heard, or answers, now."""
        return any(sentinel.state is LinkState.LIVE for sentinel in self._roster)

    @property
    def idle(self) -> bool:
        """Whether every link has failed, and waits to be dialled again."""
        return all(s.failed and s.state is LinkState.DOWN for s in self._roster if not s.parked)

    @property
    def all_failed(self) -> bool:
        """Whether a connection to each Sentinel has failed."""
        return all(sentinel.failed for sentinel in self._roster if not sentinel.parked)

    @property
    def names(self) -> tuple[str, ...]:
        """The masters that at least one Sentinel monitors, in order; may be read by any thread."""
        return tuple(sorted(name for name, master in list(self._masters.items()) if master.belief.views))

    def address(self, name: str) -> Address | None:
        """Return the address that is believed of a master; None where there is none. Costs a look-up."""
        master = self._masters.get(name)
        return None if master is None or not master.belief.views else master.belief.address

    def state(self, name: str) -> MasterState | None:
        """Return what is believed of one master, or None where no Sentinel speaks of it."""
        master = self._masters.get(name)
        return None if master is None else self._state(master)

    def lists(self, node: Address, name: str | None) -> bool:
        """Return whether a node may be given the password of this master's nodes, or of any master's; see `listed`."""
        masters = self._masters.values() if name is None else filter(None, [self._masters.get(name)])
        return any(node in master.belief.voters.listed(self._roster.awaited) for master in masters)

    def vouched(self, sentinel: SentinelName) -> bool:
        """Return whether a Sentinel may be given the Sentinels' password: the user or a majority names it."""
        return sentinel in self._roster.members

    # -- links --------------------------------------------------------------------------------------

    def _link(self, sentinel: KnownSentinel, change: LinkChange, moment: Moment) -> None:
        sentinel.state, sentinel.reason, sentinel.refusal = change.state, change.reason, change.refusal
        if change.state is LinkState.LIVE:
            renewed, gone = self._roster.live(sentinel, change, moment.now)
            self._drop(gone)
            if renewed:
                for master in self._masters.values():
                    master.belief.renewed(sentinel.name)
            if not change.can_ask:
                self._answer_came(moment.now)
            self.roster_changes += 1
            self._survey_of(sentinel, moment)
        elif change.state is LinkState.DOWN and self._roster.down(sentinel, moment.now):
            self.roster_changes += 1
            for name, master in self._masters.items():
                if sentinel.name in master.belief.views:
                    master.belief.lost(sentinel.name)
                    master.attempts.lost(sentinel.name, moment)
                    self._survey(name, master, moment)
        self._establish(moment)

    def _survey_of(self, sentinel: KnownSentinel, moment: Moment) -> None:
        for name, master in self._masters.items():
            if sentinel.name in master.belief.views:
                self._survey(name, master, moment)

    def _survey(self, name: str, master: _Master, moment: Moment) -> None:
        """Say what has changed of the Sentinels that count for a master."""
        belief = master.belief
        if self.asking:
            electorate = electorate_of(name, belief.views, belief.voters.count, self._roster)
            belief.surveyed(electorate, moment)
            if ghosts := self._roster.ghosts(electorate.absent):
                self._notice(NoticeKind.GHOST, ghost_words(ghosts, name), moment)
        self._settle(name, master)

    def _drop(self, names: Iterable[SentinelName]) -> None:
        for name in names:
            for master in self._masters.values():
                master.belief.gone(name)
                self._touch(master)

    def _listed(self) -> frozenset[RunId]:
        views = (view for master in self._masters.values() for view in master.belief.views.values())
        return frozenset(run_id for view in views if view.live for run_id in view.sentinels)

    def _lists(self) -> dict[SentinelName, frozenset[SentinelName]]:
        return lists_of(view for master in self._masters.values() for view in master.belief.views.values())

    def _answer_came(self, now: float) -> None:
        if self._first_answer is None:
            self._first_answer = now

    # -- snapshots ----------------------------------------------------------------------------------

    def _snapshot(self, sentinel: KnownSentinel, fact: MasterSnapshot, moment: Moment) -> None:
        self.counters.snapshots += 1
        self._answer_came(moment.now)
        master = self._master(fact.name, moment)
        if master is None:
            return
        view = master.belief.view(sentinel.name)
        # On a leader the two differ for a second: then the run id is the old master's.
        run_id = fact.reply.run_id if fact.reply.address == fact.address else ""
        master.belief.answered(sentinel.name, fact.address, fact.config_epoch, moment, run_id=run_id)
        view.snapshot(fact)
        if self.established and not master.belief.established:
            master.belief.establish(moment)
        self._catch_up(sentinel, fact, master.attempts, moment)
        for row in fact.sentinels or ():
            self._roster.discovered(row.run_id, row.address, sentinel.name)
        self._survey(fact.name, master, moment)

    def _catch_up(self, sentinel: KnownSentinel, fact: MasterSnapshot, attempts: Attempts, moment: Moment) -> None:
        """Put into the record what its events would have said, had they been heard."""
        led = attempts.led_by(sentinel.name)
        if "coordinated_failover" in fact.reply.flags and (attempt := led or attempts.current):
            attempt.kind = FailoverKind.COORDINATED
        attempts.agreed_down(sentinel.name, "o_down" in fact.reply.flags)
        if led is None or "failover_in_progress" not in fact.reply.flags:
            attempts.switched(sentinel.name, fact.address, moment)

    def _snapshot_end(self, sentinel: KnownSentinel, fact: SnapshotEnd, moment: Moment) -> None:
        first, sentinel.answered = not sentinel.answered, True
        self._roster.members.silent.discard(sentinel.name)
        self._answer_came(moment.now)
        before, names = None if first else sentinel.monitors, frozenset(fact.names)
        sentinel.monitors = names
        for name, master in self._masters.items():
            if name in names:
                continue
            heard = sentinel.name in master.belief.views
            if heard:
                master.belief.forgotten(sentinel.name, moment)
            if not master.belief.views:
                self._settle(name, master)  # nobody is left who could vote
            elif heard or before is None or name in before:
                self._survey(name, master, moment)
        self._establish(moment)

    def _establish(self, moment: Moment) -> None:
        """
        End the first phase when enough have answered, or ``timeout`` after the first answer.

        A majority is enough where all that it says is the same; else the others may tell who is right.
        """
        if self.established or self._first_answer is None:
            return
        if moment.now < self._first_answer + self.timeout and not self._heard_enough:
            return
        self.established = True
        for name, master in self._masters.items():
            master.belief.establish(moment)
            self._settle(name, master)

    @property
    def _heard_enough(self) -> bool:
        agreed = self._roster.heard_all or all(master.belief.voters.agree for master in self._masters.values())
        return agreed and self._roster.heard_enough

    # -- events -------------------------------------------------------------------------------------

    def _event(self, sentinel: KnownSentinel, event: Event, moment: Moment) -> None:
        self.counters.events += 1
        tried, sentinel.tried = sentinel.tried, event.channel == "+try-failover"
        raised, sentinel.raised = sentinel.raised, isinstance(event, NewEpoch)
        if sentinel.tried and not raised:
            # A try follows on its own +new-epoch at once (sentinelStartFailover()): that one we have missed.
            sentinel.epoch = None
        if isinstance(event, (InstanceEvent, SwitchedMaster)):
            self._master_event(sentinel, event, moment)
        elif isinstance(event, NewEpoch):
            sentinel.epoch, sentinel.unmatched = event.epoch, None
            sentinel.epochs += 1
        elif isinstance(event, Voted):
            self._vote(sentinel, event, tried, moment)
        elif isinstance(event, Tilt):
            self._tilt(sentinel, event.channel == "+tilt", moment.wall, moment)
        elif isinstance(event, Unrecognised):
            self._odd(sentinel, moment.now)

    def _condition(self, sentinel: KnownSentinel, fact: Condition, moment: Moment) -> None:
        sentinel.informs = True
        sentinel.simulates_failures, sentinel.scripts_waiting = fact.simulates_failures, fact.scripts_waiting
        since = None if moment.wall is None or fact.tilt_seconds is None else moment.wall - fact.tilt_seconds
        self._tilt(sentinel, fact.tilt, since, moment)

    def _tilt(self, sentinel: KnownSentinel, tilt: bool, since: Wall, moment: Moment) -> None:
        if sentinel.in_tilt(tilt, since):
            self.roster_changes += 1
            self._survey_of(sentinel, moment)

    def _odd(self, sentinel: KnownSentinel, now: float) -> None:
        self.counters.unrecognised += 1
        if sentinel.can_ask and (sentinel.asked_all is None or now >= sentinel.asked_all + ASK_ALL_EVERY):
            sentinel.asked_all = now
            self._out.append(Ask(sentinel.name, (), "it published something that we can't read"))

    def _vote(self, sentinel: KnownSentinel, event: Voted, tried: bool, moment: Moment) -> None:
        if tried:
            self._roster.learn(event.run_id, sentinel.name)
            self._correct_try(sentinel, event.epoch)
        sentinel.unmatched = None if self._count_vote(sentinel, event, moment) else (event, moment)

    def _count_vote(self, sentinel: KnownSentinel, event: Voted, moment: Moment) -> bool:
        """Put a vote into the attempt that it belongs to; say whether there is one."""
        voted_for = self._roster.named(event.run_id)
        tried_for = None if voted_for is None else self._tries.get((voted_for, event.epoch))
        names = sorted(self._open) if tried_for is None else [tried_for]
        for name in names[:_SEARCHED]:
            master = self._masters[name]
            if master.attempts.vote(sentinel.name, event, voted_for, len(self._open) == 1, moment):
                self._settle(name, master)
                return True
        return False

    def _match_vote(self, sentinel: KnownSentinel, name: str, now: float) -> None:
        """Put a Sentinel's earlier vote into the failover that has begun since: it votes even before it suspects."""
        if sentinel.unmatched is None or self._open != {name}:
            return
        (vote, voted), sentinel.unmatched = sentinel.unmatched, None
        if now <= voted.now + _ELECTION:
            self._count_vote(sentinel, vote, voted)

    def _master_event(self, sentinel: KnownSentinel, event: InstanceEvent | SwitchedMaster, moment: Moment) -> None:
        name = event.name if isinstance(event, SwitchedMaster) else event.instance.master
        master = self._master(name, moment)
        if master is None:
            return
        belief = master.belief
        event = belief.in_our_words(sentinel.name, event, moment)
        master.attempts.believed = belief.address if belief.established else None
        if isinstance(event, InstanceEvent):
            belief.mentioned(sentinel.name, event.instance.master_address, sentinel.can_ask, moment.now)
            belief.views[sentinel.name].fold(event)
            self._hear_of(sentinel, event)
        if sentinel.tried:
            self._remember_try(sentinel, name)
        if event.channel not in ("+sdown", "+odown"):
            self._match_vote(sentinel, name, moment.now)
        sole = self._sole_epoch(sentinel, name, event)
        attempt = master.attempts.observe(sentinel.name, event, sentinel.epoch, moment, sole)
        judge = JUDGES.get(event.channel)
        if judge is not None:
            judge(belief, sentinel, event, attempt, moment)
        if event.channel in _ASK_AFTER and sentinel.can_ask:
            self._out.append(Ask(sentinel.name, (name,), f"after {event.channel}"))
        if attempt is None and judge is None and not belief.pending:
            # Most events only tell of a replica or a Sentinel: nothing is to be decided or waited for.
            self._touch(master)
            if isinstance(event, InstanceEvent) and event.instance.kind is Kind.SENTINEL:
                self._survey(name, master, moment)
        elif event.channel == "-monitor":
            sentinel.monitors -= {name}
            self._survey(name, master, moment)
        else:
            self._settle(name, master)

    def _sole_epoch(self, sentinel: KnownSentinel, name: str, event: InstanceEvent | SwitchedMaster) -> int | None:
        """Return the epoch of the switch that is announced, where it can be no other; who can be asked is asked."""
        if not isinstance(event, SwitchedMaster):
            return None
        epochs, sentinel.epochs = sentinel.epochs, 0
        return sentinel.epoch if epochs == 1 and not sentinel.can_ask and self._open <= {name} else None

    def _remember_try(self, sentinel: KnownSentinel, name: str) -> None:
        while len(self._tries) >= _TRIES:
            del self._tries[next(iter(self._tries))]
        self._tries[sentinel.name, sentinel.epoch] = name

    def _correct_try(self, sentinel: KnownSentinel, epoch: int) -> None:
        """Take the epoch of a try from the vote for itself that follows on it: its +new-epoch may have been missed."""
        name = self._tries.get((sentinel.name, sentinel.epoch))
        if name is not None and epoch != sentinel.epoch:
            sentinel.epoch = epoch
            self._remember_try(sentinel, name)
            self._masters[name].attempts.stood(sentinel.name, epoch)

    def _hear_of(self, sentinel: KnownSentinel, event: InstanceEvent) -> None:
        if isinstance(event, AddressSwitched):
            self._roster.discovered(event.run_id, event.sentinel_address, sentinel.name)
        elif event.instance.kind is Kind.SENTINEL:
            run_id, address = RunId(event.instance.name), event.instance.address
            if event.channel == "+sentinel":
                self._roster.discovered(run_id, address, sentinel.name)
            self._roster.learn(run_id, SentinelName(str(address)))

    # -- nodes --------------------------------------------------------------------------------------

    def _probe(self, probe: Probe, moment: Moment) -> None:
        asking = self._asked.get(probe.node, set())
        for name in sorted(asking if probe.masters is None else asking & probe.masters):
            master = self._masters[name]
            if probe.role == "master":
                master.attempts.promoted(probe.node, moment)
            master.belief.probed(probe, moment)
            self._settle(name, master)

    # -- masters ------------------------------------------------------------------------------------

    def _master(self, name: str, moment: Moment) -> _Master | None:
        master = self._masters.get(name)
        if master is not None:
            return master
        if self._only is not None and name not in self._only:
            self.counters.not_followed += 1
            return None
        if len(self._masters) >= LIMITS.masters:
            self.counters.not_followed += 1
            self._limit("masters", f"more than {LIMITS.masters} masters: {name!r} is not followed", moment)
            return None
        belief = Belief(self.deployment, name, self.policy, self.probing, self.timeout, self._roster.members)
        master = self._masters[name] = _Master(belief, Attempts(self.deployment, name))
        return master

    def _settle(self, name: str, master: _Master) -> None:
        """Hand out what this master has decided, and note whether it waits for something."""
        self._touch(master)
        switch = master.belief.switch
        if switch is not None and switch.epoch is not None and name in self._open:
            master.attempts.name_epoch(switch.old, switch.new, switch.epoch)
        if name in self._open or master.attempts.current is not None:
            master.attempts.name_silence({view.sentinel: view.down_after for view in master.belief.views.values()})
        self._out += master.attempts.records()
        for decision in master.belief.decisions():
            self._out.append(decision)
            if isinstance(decision, Switch):
                self.counters.switches += 1
            elif isinstance(decision, StartProbe):
                self._asked.setdefault(decision.node, set()).add(name)
            elif isinstance(decision, StopProbe):
                self._asked.get(decision.node, set()).discard(name)
                if not self._asked.get(decision.node):
                    self._asked.pop(decision.node, None)
        deadlines = [due for due in (master.belief.deadline, master.attempts.deadline) if due is not None]
        if deadlines:
            due = self._due[name] = min(deadlines)
            self._soonest = due if self._soonest is None else min(self._soonest, due)
        else:
            self._due.pop(name, None)
        if master.attempts.current is not None:
            self._open.add(name)
        else:
            self._open.discard(name)

    def _touch(self, master: _Master) -> None:
        """Note that this master's value has to be made again."""
        master.state = None
        self._changed[master.belief.master] = None

    def _state(self, master: _Master) -> MasterState:
        if master.state is None:
            master.state = master_state(master.belief, master.attempts, self._roster)
        return master.state

    def _limit(self, what: str, text: str, moment: Moment) -> None:
        if what not in self._limited:
            self._limited.add(what)
            self._notice(NoticeKind.LIMIT, text, moment)

    def _notice(self, kind: NoticeKind, text: str, moment: Moment) -> None:
        self._out.append(Notice(kind, self.deployment, None, None, text, *moment))
