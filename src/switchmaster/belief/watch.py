"""
The entrance of the package: facts about one deployment in, decisions and an immutable Topology out.

`Watch.observe` takes what one Sentinel or node said, `tick` lets time pass, `decisions` returns what should happen now,
and `deadline` says when the next tick is due. `Watch` passes each fact on; by itself it only handles the first phase,
until enough Sentinels have answered. The invariants are in the package's docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from ..model import Address, Grade, Moment, RunId, SentinelName, Via, Wall
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
from .decisions import Ask, Decision
from .elections import Elections
from .electorate import electorate_of
from .failover import FailoverKind
from .followed_masters import FollowedMaster, Masters, WatchCounters
from .judges import JUDGES
from .master_state import master_state
from .members import lists_of
from .notices import DeploymentNotices
from .roster import KnownSentinel, Roster
from .topology import MasterState, SentinelState, Topology, Whereabouts

__all__ = ["Watch"]

ASK_ALL_EVERY: Final = 1.0
"""Seconds between two questions about all masters that unreadable events of one Sentinel may cause."""

_ASK_AFTER: Final = frozenset(spec.channel for spec in EVENTS if spec.asked_after)
"""Events after which their Sentinel is asked: they change more than they say."""

_SENTINEL: Final = Kind.SENTINEL  # as a global: reading a member from its class calls a function in Python 3.11


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
        """Whether the first answers are in: from then on a change of address is a switch. Never False again."""
        self._out: list[Decision] = []
        """What was decided and not returned yet; shared with `Masters`."""
        self._notices = DeploymentNotices(deployment, self._out.append)
        self._roster = Roster(seeds, asking, discover)
        self._masters = Masters(masters, self._new_master, self.counters, self._notices, self._out)
        self._elections = Elections(self._masters, self._roster)
        self._first_answer: float | None = None
        """When a Sentinel first answered, or was heard though it can't be asked, in monotonic seconds."""
        self._folds: dict[type, Callable[[KnownSentinel, Any, Moment], None]] = {
            LinkChange: self._link,
            MasterSnapshot: self._snapshot,
            SnapshotEnd: self._snapshot_end,
            Condition: self._condition,
        }
        """What folds in each kind of fact that a Sentinel brings; all others are events."""
        self._topology: Topology | None = None
        """The value that was returned last; None if a fact has come since."""
        self._version = 0
        self.roster_changes = 0
        """Rises when a Sentinel is heard or lost, shares its id, or enters or leaves TILT."""

    # -- facts in -----------------------------------------------------------------------------------

    def observe(self, source: SentinelName | None, fact: Fact, moment: Moment) -> None:
        """
        Fold in one fact.

        Args:
            source: the Sentinel that said it; None for a `Probe`.
            fact: what it said.
            moment: when.
        """
        self._topology = None
        if type(fact) is Probe:
            return self._probe(fact, moment)
        assert source is not None, "only a Probe has no Sentinel"
        sentinel = self._roster.sentinel(source)
        if sentinel.same_as is not None and type(fact) is not LinkChange:
            return  # it is parked
        self._folds.get(type(fact), self._event)(sentinel, fact, moment)

    def greeted(self, hello: Hello, moment: Moment) -> None:
        """
        Fold in a hello that a data node published: it holds the pair that its Sentinel would answer. Only for a replay.

        Args:
            hello: what it says.
            moment: when.
        """
        self._topology = None
        master = self._masters.follow(hello.master, moment)
        if master is None:
            return
        name = SentinelName(str(hello.sentinel))
        self._roster.sentinel(name)
        self._roster.learn(hello.run_id, name)
        master.belief.answered(name, hello.address, hello.config_epoch, moment, Via.HELLO)
        if not master.belief.established:
            master.belief.establish(moment)
        self._masters.settle(hello.master, master)

    def tick(self, moment: Moment) -> None:
        """Let time pass: decide what has waited long enough, and give up what is no longer heard of."""
        due = self.deadline
        if due is None or moment.now < due:
            return
        self._topology = None
        self._establish(moment)
        for name in self._masters.schedule.due(moment.now):
            master = self._masters.by_name[name]
            master.belief.tick(moment)
            master.attempts.tick(moment)
            self._masters.settle(name, master)
        self._masters.schedule.refresh()
        self._drop(self._roster.tick(moment.now, self._listed, self._lists))
        for names in self._roster.shared():
            self.roster_changes += 1
            self._notices.shared_id(names, moment)

    def finish(self) -> None:
        """End all open records, as at the end of a transcript."""
        for name, master in self._masters.by_name.items():
            master.attempts.finish()
            self._masters.settle(name, master)

    # -- decisions and values out -------------------------------------------------------------------

    def decisions(self) -> list[Decision]:
        """Return what was decided since the last call, in order."""
        out = [*self._out, *self._roster.decisions()]
        self._out.clear()
        return out

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in monotonic seconds; None while nothing is pending."""
        due = [] if self._roster.deadline is None else [self._roster.deadline]
        if not self.established and self._first_answer is not None:
            due.append(self._first_answer + self.timeout)
        if self._masters.schedule.first is not None:
            due.append(self._masters.schedule.first)
        return min(due, default=None)

    @property
    def topology(self) -> Topology:
        """What is believed now; the same value until a fact changes something."""
        if self._topology is None:
            self._version += 1
            self._topology = self._topology_of(self._masters.by_name)
        return self._topology

    def changed(self, most: int) -> Topology:
        """
        Return the masters that changed since this returned them last; for one reader that keeps a copy.

        Args:
            most: how many masters at most, so that a call is bounded; the others come with the next call.

        Returns:
            Those masters, and all Sentinels.
        """
        return self._topology_of(self._masters.changed(most))

    def _topology_of(self, names: Iterable[str]) -> Topology:
        return Topology(
            deployment=self.deployment,
            masters={name: self._state(self._masters.by_name[name]) for name in names},
            sentinels=self.sentinels,
            version=self._version,
        )

    @property
    def sentinels(self) -> dict[SentinelName, SentinelState]:
        """All Sentinels and our links to them."""
        return self._roster.values()

    @property
    def answering(self) -> bool:
        """Whether any Sentinel has answered a question, or was heard though it can't be asked."""
        return self._first_answer is not None

    @property
    def heard(self) -> tuple[bool, int]:
        """A value that changes with each answer about a master, and when the first Sentinel is heard."""
        return self.hearing, self.counters.snapshots

    @property
    def heard_enough(self) -> bool:
        """Whether enough Sentinels have answered about all their masters; see `Roster.heard_enough`."""
        return self._roster.heard_enough

    @property
    def hearing(self) -> bool:
        """Whether any Sentinel is heard now."""
        return any(sentinel.state is LinkState.LIVE for sentinel in self._roster)

    @property
    def idle(self) -> bool:
        """Whether every link has failed and waits to be dialled again."""
        return all(s.failed and s.state is LinkState.DOWN for s in self._roster if not s.parked)

    @property
    def all_failed(self) -> bool:
        """Whether the connection to each Sentinel has failed."""
        return all(sentinel.failed for sentinel in self._roster if not sentinel.parked)

    @property
    def names(self) -> tuple[str, ...]:
        """The masters that at least one Sentinel monitors, in order. Any thread may read it."""
        # A list of pairs is not made in one step: each pair may start the garbage collector, and with it other threads.
        named = self._masters.by_name.copy()
        return tuple(sorted(name for name, master in named.items() if master.belief.views.by_sentinel))

    def address(self, name: str) -> Address | None:
        """Return the believed address of a master, or None. Costs a look-up."""
        master = self._masters.by_name.get(name)
        return None if master is None or not master.belief.views.by_sentinel else master.belief.believed.address

    def whereabouts(self, name: str) -> Whereabouts | None:
        """Return where a master is believed to be, or None if no Sentinel monitors it. Costs a look-up."""
        master = self._masters.by_name.get(name)
        if master is None or not master.belief.views.by_sentinel:
            return None
        belief = master.belief
        return Whereabouts(belief.address, belief.epoch, belief.incarnation, belief.grade, belief.switch)

    def state(self, name: str) -> MasterState | None:
        """Return what is believed of one master, or None if no Sentinel has named it."""
        master = self._masters.by_name.get(name)
        return None if master is None else self._state(master)

    def lists(self, node: Address, name: str | None) -> bool:
        """Return whether a node may get the password of a master's nodes (None: any master's); see `Voters.listed`."""
        masters = self._masters.by_name.values() if name is None else filter(None, [self._masters.by_name.get(name)])
        return any(node in master.belief.voters.listed(self._roster.awaited) for master in masters)

    def vouched(self, sentinel: SentinelName) -> bool:
        """Return whether a Sentinel may get the Sentinels' password: the user or a majority names it."""
        return sentinel in self._roster.members

    # -- links --------------------------------------------------------------------------------------

    def _link(self, sentinel: KnownSentinel, change: LinkChange, moment: Moment) -> None:
        sentinel.state, sentinel.reason, sentinel.refusal = change.state, change.reason, change.refusal
        if change.state is LinkState.LIVE:
            renewed, gone = self._roster.live(sentinel, change, moment.now)
            self._drop(gone)
            if renewed:
                for master in self._masters.by_name.values():
                    master.belief.renewed(sentinel.name)
            if not change.can_ask:
                self._answer_came(moment.now)
            self.roster_changes += 1
            self._survey_of(sentinel, moment)
        elif change.state is LinkState.DOWN and self._roster.down(sentinel, moment.now):
            self.roster_changes += 1
            for name, master in self._masters.by_name.items():
                if sentinel.name in master.belief.views.by_sentinel:
                    master.belief.lost(sentinel.name)
                    master.attempts.lost(sentinel.name, moment)
                    self._survey(name, master, moment)
        self._establish(moment)

    def _survey_of(self, sentinel: KnownSentinel, moment: Moment) -> None:
        for name, master in self._masters.by_name.items():
            if sentinel.name in master.belief.views.by_sentinel:
                self._survey(name, master, moment)

    def _survey(self, name: str, master: FollowedMaster, moment: Moment) -> None:
        """Report what has changed of the Sentinels that count for a master."""
        belief = master.belief
        if self.asking:
            electorate = electorate_of(name, belief.views.by_sentinel, belief.voters.count, self._roster)
            belief.surveyed(electorate, moment)
            if ghosts := self._roster.ghosts(electorate.absent):
                self._notices.ghosts(ghosts, name, moment)
        self._masters.settle(name, master)

    def _drop(self, names: Iterable[SentinelName]) -> None:
        for name in names:
            for master in self._masters.by_name.values():
                master.belief.gone(name)
                self._masters.touch(master)

    def _listed(self) -> frozenset[RunId]:
        views = (view for master in self._masters.by_name.values() for view in master.belief.views.by_sentinel.values())
        return frozenset(run_id for view in views if view.live for run_id in view.sentinels)

    def _lists(self) -> dict[SentinelName, frozenset[SentinelName]]:
        return lists_of(
            view for master in self._masters.by_name.values() for view in master.belief.views.by_sentinel.values()
        )

    def _answer_came(self, now: float) -> None:
        if self._first_answer is None:
            self._first_answer = now

    # -- snapshots ----------------------------------------------------------------------------------

    def _snapshot(self, sentinel: KnownSentinel, fact: MasterSnapshot, moment: Moment) -> None:
        self.counters.snapshots += 1
        self._answer_came(moment.now)
        master = self._masters.follow(fact.name, moment)
        if master is None:
            return
        view = master.belief.view(sentinel.name)
        # On a leader the two addresses differ for a second: then the run id is the old master's.
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
        """Add to the record what an answer shows of events that were missed."""
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
        for name, master in self._masters.by_name.items():
            if name in names:
                continue
            heard = sentinel.name in master.belief.views.by_sentinel
            if heard:
                master.belief.forgotten(sentinel.name, moment)
            if not master.belief.views.by_sentinel:
                self._masters.settle(name, master)  # no voter is left
            elif heard or before is None or name in before:
                self._survey(name, master, moment)
        self._establish(moment)

    def _establish(self, moment: Moment) -> None:
        """
        End the first phase when enough Sentinels have answered, or ``timeout`` after the first answer.

        A majority is enough if all of it says the same; otherwise the others may show which is right.
        """
        if self.established or self._first_answer is None:
            return
        if moment.now < self._first_answer + self.timeout and not self._heard_enough:
            return
        self.established = True
        for name, master in self._masters.by_name.items():
            master.belief.establish(moment)
            self._masters.settle(name, master)

    @property
    def _heard_enough(self) -> bool:
        agreed = self._roster.heard_all or all(master.belief.voters.agree for master in self._masters.by_name.values())
        return agreed and self._roster.heard_enough

    # -- events -------------------------------------------------------------------------------------

    def _event(self, sentinel: KnownSentinel, event: Event, moment: Moment) -> None:
        self.counters.events += 1
        tried = self._elections.hear(sentinel, event)
        if isinstance(event, (InstanceEvent, SwitchedMaster)):
            self._master_event(sentinel, event, moment)
        elif isinstance(event, NewEpoch):
            self._elections.raised(sentinel, event)
        elif isinstance(event, Voted):
            self._elections.voted(sentinel, event, tried, moment)
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
            self._out.append(Ask(sentinel.name, (), "it published something that can't be read"))

    def _master_event(self, sentinel: KnownSentinel, event: InstanceEvent | SwitchedMaster, moment: Moment) -> None:
        name = event.name if isinstance(event, SwitchedMaster) else event.instance.master
        master = self._masters.by_name.get(name) or self._masters.follow(name, moment)
        if master is None:
            return
        belief = master.belief
        event = belief.in_our_words(sentinel.name, event, moment)
        believed = belief.believed
        master.attempts.believed = believed.address if believed.established else None
        voters_changed = False
        if isinstance(event, InstanceEvent):
            instance = event.instance
            view = belief.mentioned(sentinel.name, instance.master_address, sentinel.can_ask, moment.now)
            voters_changed = view.fold(event) or event.channel == "+sentinel"
            if instance.kind is _SENTINEL or type(event) is AddressSwitched:
                self._hear_of(sentinel, event)
        if sentinel.tried:
            self._elections.tried(sentinel, name)
        if sentinel.unmatched is not None and event.channel not in ("+sdown", "+odown"):
            self._elections.match(sentinel, name, moment.now)
        sole = self._elections.sole_epoch(sentinel, name) if isinstance(event, SwitchedMaster) else None
        attempt = master.attempts.observe(sentinel.name, event, sentinel.epoch, moment, sole)
        judge = JUDGES.get(event.channel)
        if judge is not None:
            judge(belief, sentinel, event, attempt, moment)
        if event.channel in _ASK_AFTER and sentinel.can_ask:
            self._out.append(Ask(sentinel.name, (name,), f"after {event.channel}"))
        if attempt is None and judge is None and not belief.pending:
            # Most events concern a replica or a Sentinel only: nothing is to be decided or waited for.
            self._masters.touch(master)
            if voters_changed:
                self._survey(name, master, moment)
        elif event.channel == "-monitor":
            sentinel.monitors -= {name}
            self._survey(name, master, moment)
        else:
            self._masters.settle(name, master)

    def _hear_of(self, sentinel: KnownSentinel, event: InstanceEvent) -> None:
        if isinstance(event, AddressSwitched):
            self._roster.discovered(event.run_id, event.sentinel_address, sentinel.name)
        elif event.instance.kind is _SENTINEL:
            run_id, address = RunId(event.instance.name), event.instance.address
            if event.channel == "+sentinel":
                self._roster.discovered(run_id, address, sentinel.name)
            self._roster.learn(run_id, SentinelName(str(address)))

    # -- nodes --------------------------------------------------------------------------------------

    def _probe(self, probe: Probe, moment: Moment) -> None:
        for name in self._masters.asked_for(probe.node, probe.masters):
            master = self._masters.by_name[name]
            if probe.role == "master":
                master.attempts.promoted(probe.node, moment)
            master.belief.probed(probe, moment)
            self._masters.settle(name, master)

    # -- masters ------------------------------------------------------------------------------------

    def _new_master(self, name: str) -> FollowedMaster:
        belief = Belief(self.deployment, name, self.policy, self.probing, self.timeout, self._roster.members)
        return FollowedMaster(belief, Attempts(self.deployment, name))

    def _state(self, master: FollowedMaster) -> MasterState:
        if master.state is None:
            master.state = master_state(master.belief, master.attempts, self._roster)
        return master.state
