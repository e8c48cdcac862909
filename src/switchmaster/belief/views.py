"""
What each Sentinel says of one master, and how that compares with what is believed.

A `View` is one Sentinel's account: events and snapshots are folded into it as they come. `Views` holds those of one
master and is the only one that moves their addresses, epochs, incarnations and places. Neither judges: which address is
believed is decided in `decide`, and `voters` counts.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Final

from ..model import LIMITS, Address, RunId, SentinelName, Stage
from ..wire.events import EVENTS, InstanceEvent, Kind
from ..wire.facts import MasterSnapshot
from .believed import BelievedMaster
from .decisions import Switch
from .past_addresses import Transition
from .topology import ReplicaState

__all__ = ["View", "Views", "merge_replicas"]

_ENDS_LEADING: Final = frozenset(spec.channel for spec in EVENTS if spec.stage in (Stage.SETTLED, Stage.ABORTED))
"""After these a Sentinel no longer leads a failover."""

_OF_SENTINELS: Final = ("+sentinel", "+sdown", "-sdown")
"""Events about a Sentinel that say whether it is known, and whether it answers."""


# As globals: reading a member from its class calls a function in Python 3.11.
_MASTER, _REPLICA = Kind.MASTER, Kind.REPLICA


@dataclass(slots=True)
class ReplicaView:
    """One Sentinel's account of one replica."""

    down: bool = False
    link_up: bool | None = None
    offset: int | None = None
    priority: int | None = None
    run_id: str = ""
    """Of its process; empty if it is not known."""


@dataclass(slots=True)
class View:
    """One Sentinel's account of one master."""

    sentinel: SentinelName

    # What it says of the address, and how that compares with the belief: moved by `Views` alone.
    live: bool = True
    """Whether it is heard now. While it is not, its last words are kept; `Voters` says what they still count for."""
    address: Address | None = None
    """The address that it gives, in our name for the node; None until it has named one."""
    epoch: int | None = None
    """The config epoch of `address`; None if it has named none."""
    since: float = 0.0
    """Since when it gives this address and epoch, in monotonic seconds."""
    answered_at: float | None = None
    """When it last answered with its address, in monotonic seconds; None if it has not, or can't be asked."""
    incarnation: int = 0
    """
    The incarnation that `epoch` belongs to. Never above the believed one; while it is below, the Sentinel holds to what
    was before epochs began again, and is no part of a majority that contradicts the belief.
    """
    index: int = 0
    """
    How many switches of the believed incarnation it has made: those numbered below `index` in `PastAddresses`. An
    announcement of a known switch from `index` on is a late one.
    """
    fresh: bool = False
    """
    It was told to monitor this master from scratch (``+monitor``), so a lower epoch is no sign that it is behind.

    True until it answers with an epoch above 0 that reaches the floor, or the belief leaves the address that it gives.
    """

    # Its own names for nodes: kept by `NodeNames`.
    called: Address | None = None
    """Its own name for the believed node, if that differs: then `address` is ours."""
    promotes: tuple[Address, Address] | None = None
    """Its own name for the node that it last selected, promoted or followed, and ours."""

    # What it says of the nodes and of the other Sentinels: folded in as it comes.
    run_id: str = ""
    """Of the process that it takes for the master; empty if it is not known."""
    sdown: bool = False
    """It suspects the master at `address`."""
    odown: bool = False
    """It says that as many Sentinels as the quorum agree."""
    leads: str | None = None
    """The state of the failover that it leads (``failover-state``), as answered; None if it leads none."""
    others: int | None = None
    """How many other Sentinels it counts (``num-other-sentinels``); None if it was not asked."""
    quorum: int | None = None
    failover_timeout: float | None = None
    """Seconds."""
    down_after: float | None = None
    """Seconds without a valid answer after which this Sentinel suspects the master (``down-after-milliseconds``)."""
    replicas: dict[Address, ReplicaView] = field(default_factory=dict)
    """The replicas of the master at `address`; forgotten when the Sentinel moves to another."""
    nodes: set[Address] = field(default_factory=set)
    """The master and the replicas that it has listed in its last answer or since, those of before a switch included."""
    lists_all: bool = False
    """It has answered with all of them: SENTINEL REPLICAS is not refused, and has as many rows as it counts replicas
    (those with ``replica-announced no`` are counted, not listed, and may be promoted all the same)."""
    sentinels: dict[RunId, Address] = field(default_factory=dict)
    """The other Sentinels that it knows."""
    lists: bool = False
    """It has answered which others it knows."""
    silent: set[RunId] = field(default_factory=set)
    """Those of them that do not answer it (SDOWN)."""
    usable: int | None = None
    """Sentinels that answer, itself included, by SENTINEL CKQUORUM; None where `silent` shows it."""

    def snapshot(self, fact: MasterSnapshot) -> None:
        """Fold in an answer, except for the address and the epoch."""
        reply = fact.reply
        self.sdown, self.odown = "s_down" in reply.flags, "o_down" in reply.flags
        self.leads = reply.failover_state or None if "failover_in_progress" in reply.flags else None
        self.others, self.quorum = reply.num_other_sentinels, reply.quorum
        self.failover_timeout = reply.failover_timeout_ms / 1000
        self.down_after = reply.down_after_ms / 1000
        self.nodes.add(fact.address)
        if fact.replicas is not None:
            self.nodes = {fact.address, *(row.address for row in fact.replicas[: LIMITS.replicas])}
            self.lists_all = len(fact.replicas[: LIMITS.replicas]) >= reply.num_replicas
            self.replicas = {
                row.address: ReplicaView(
                    "s_down" in row.flags, row.master_link_up, row.offset, row.priority, row.run_id
                )
                for row in fact.replicas[: LIMITS.replicas]
                if row.address != fact.address
            }
        if fact.sentinels is not None:
            self.lists = True
            rows = [row for row in fact.sentinels[: LIMITS.sentinels] if row.run_id]
            self.sentinels = {row.run_id: row.address for row in rows}
            self.silent = {row.run_id for row in rows if "s_down" in row.flags}
        self.usable = fact.usable

    def fold(self, event: InstanceEvent) -> bool:
        """
        Fold in what an event says of the instances: which are up, down or new.

        Returns:
            Whether it changes which Sentinels this one knows, or which of them answer it.
        """
        instance, channel = event.instance, event.channel
        if instance.kind is _MASTER:
            # A leader speaks of the old master until its own +switch-master.
            if instance.address == self.address:
                self._fold_master(channel)
        elif instance.kind is _REPLICA:
            self._fold_replica(channel, instance.address)
        elif channel in _OF_SENTINELS:
            return self._fold_sentinel(channel, RunId(instance.name), instance.address)
        return False

    def _fold_master(self, channel: str) -> None:
        if channel == "+sdown":
            self.sdown = True
        elif channel == "-sdown":
            self.sdown = self.odown = False
        elif channel in ("+odown", "-odown"):
            self.odown = channel == "+odown"
        elif channel in _ENDS_LEADING:
            self.leads = None
        elif channel == "+reset-master":
            self.sdown, self.odown, self.leads = False, False, None
            self.replicas.clear()
            self.sentinels.clear()
            self.silent.clear()

    def _fold_sentinel(self, channel: str, run_id: RunId, address: Address) -> bool:
        before = len(self.silent), len(self.sentinels), self.sentinels.get(run_id)
        if channel == "+sentinel" and self.others is not None and run_id not in self.sentinels:
            self.others += 1
        if channel in ("+sentinel", "-sdown"):
            self.silent.discard(run_id)
            if len(self.sentinels) < LIMITS.sentinels:
                self.sentinels[run_id] = address
        elif channel == "+sdown" and run_id in self.sentinels:
            self.silent.add(run_id)
        return before != (len(self.silent), len(self.sentinels), self.sentinels.get(run_id))

    def _fold_replica(self, channel: str, address: Address) -> None:
        if channel == "+slave" and len(self.replicas) < LIMITS.replicas:
            self.replicas[address] = ReplicaView()
            if len(self.nodes) <= LIMITS.replicas:
                self.nodes.add(address)
        elif (replica := self.replicas.get(address)) is not None:
            if channel in ("+sdown", "-sdown"):
                replica.down = channel == "+sdown"
            elif channel == "+slave-reconf-done":
                replica.link_up = True

    def forget_master(self, to: Address) -> None:
        """Forget what belonged to the old master: ``+switch-master`` is followed by ``+slave`` for each replica."""
        promoted = self.replicas.get(to)
        self.run_id, self.called = "" if promoted is None else promoted.run_id, None
        self.sdown, self.odown, self.leads = False, False, None
        self.replicas.clear()


class Views:
    """
    The accounts of one master, by Sentinel, and how each moves relative to what is believed.

    Args:
        believed: what is believed of that master; only read.
    """

    def __init__(self, believed: BelievedMaster) -> None:
        self.by_sentinel: dict[SentinelName, View] = {}
        """One for each Sentinel that has named this master; every event looks its Sentinel up in it."""
        self._believed = believed
        self._forgot: set[SentinelName] = set()
        """Sentinels that forgot this master, by ``-monitor`` or with all their memory, and have not answered since."""

    def of(self, sentinel: SentinelName) -> View:
        """Return this Sentinel's account; it is created if there is none."""
        view = self.by_sentinel.get(sentinel)
        if view is None:
            view = self.by_sentinel[sentinel] = View(sentinel, incarnation=self._believed.incarnation)
        return view

    # -- what a Sentinel says -----------------------------------------------------------------------

    def mention(self, view: View, address: Address, now: float) -> None:
        """Record the first address that a Sentinel names beside its news."""
        view.since = now
        self.start(view, address)

    def start(self, view: View, address: Address) -> None:
        """Record the address that a Sentinel gave before it was heard."""
        view.address, view.index = address, self._believed.place(address)

    def move(self, view: View, address: Address, epoch: int | None, now: float) -> None:
        """Record that a Sentinel uses another address from now on."""
        view.live, view.address, view.epoch, view.since = True, address, epoch, now
        view.incarnation = self._believed.incarnation
        view.forget_master(address)

    def make(self, view: View, number: int, transition: Transition) -> None:
        """Record that a Sentinel has made a known switch, late."""
        view.index, view.epoch = number + 1, transition.epoch

    def confirm(self, view: View, epoch: int | None) -> None:
        """Record that a Sentinel gives the believed address, so that it has made all switches."""
        view.index = self._believed.past.made
        view.epoch = epoch if epoch is not None else self._believed.epoch

    def monitor(self, view: View, address: Address, now: float) -> None:
        """Record ``+monitor``: a Sentinel begins from scratch, at epoch 0."""
        self.move(view, address, 0, now)
        view.fresh = True

    def answer(self, view: View, address: Address, epoch: int, run_id: str, now: float) -> None:
        """
        Record the address and the epoch that a Sentinel answers.

        Args:
            view: its account.
            address: the address, in our name.
            epoch: the config epoch.
            run_id: of the node there; empty if it is not known.
            now: monotonic seconds.
        """
        believed = self._believed
        if view.sentinel in self._forgot:
            self._forgot.discard(view.sentinel)
            view.fresh = True
        if (address, epoch) != (view.address, view.epoch):
            view.since = now
            if view.incarnation < believed.incarnation and view.epoch is not None:
                view.incarnation = believed.incarnation
        if epoch >= believed.floor and epoch > 0:
            view.fresh = False
        if address != view.address:
            view.forget_master(address)
        view.live, view.address, view.epoch, view.answered_at = True, address, epoch, now
        view.index = believed.past.made if address == believed.address else believed.past.index_at(epoch)
        view.run_id = run_id or view.run_id

    def join(self, view: View) -> None:
        """Record that what a Sentinel says belongs to the believed incarnation."""
        view.incarnation = self._believed.incarnation

    def rename(self, view: View, address: Address) -> None:
        """Replace a Sentinel's name for a node by ours."""
        view.address = address

    # -- who is heard -------------------------------------------------------------------------------

    def lose(self, sentinel: SentinelName) -> None:
        """Record the loss of a link: what that Sentinel said is kept, but does not count."""
        if sentinel in self.by_sentinel:
            self.by_sentinel[sentinel].live = False

    def leave(self, sentinel: SentinelName) -> View | None:
        """Drop and return the account of a Sentinel that was told to stop monitoring this master, if there is one."""
        view = self.by_sentinel.pop(sentinel, None)
        if view is not None:
            self._forgot.add(sentinel)
        return view

    def renew(self, sentinel: SentinelName) -> None:
        """Record that a Sentinel has lost its memory: with its next answer it begins from scratch."""
        if sentinel in self.by_sentinel:
            self._forgot.add(sentinel)

    # -- what is decided ----------------------------------------------------------------------------

    def switched(self, switch: Switch, announced: Container[SentinelName]) -> None:
        """
        Record a switch that was decided, after what is believed has moved.

        Args:
            switch: the switch.
            announced: the Sentinels that announced it. Another that gives the new address may have done so since before
                the master left it, and has made none of the switches since.
        """
        for view in self.by_sentinel.values():
            view.called = None
            # A Sentinel that held to the address that is left was told to monitor this incarnation, and will follow.
            view.fresh = view.fresh and view.address != switch.old
            if view.address == switch.new and view.sentinel in announced:
                view.index = self._believed.past.made

    def begin_incarnation(self, node: Address | None) -> None:
        """Record that epochs begin again at a node: the Sentinels that give it are in the new incarnation."""
        for view in self.by_sentinel.values():
            view.index = 0
            if view.address == node:
                view.incarnation = self._believed.incarnation


def merge_replicas(views: Iterable[View], master: Address | None) -> tuple[ReplicaState, ...]:
    """
    Combine what the Sentinels say of the replicas.

    Args:
        views: those Sentinels whose address is the one believed.
        master: that address, which is left out.

    Returns:
        One row a replica, in order of address.
    """
    rows: dict[Address, list[tuple[SentinelName, ReplicaView]]] = {}
    for view in views:
        for address, replica in view.replicas.items():
            if address != master:
                rows.setdefault(address, []).append((view.sentinel, replica))
    return tuple(
        ReplicaState(
            address,
            tuple(sorted(name for name, replica in seen if replica.down)),
            next((r.link_up for _, r in seen if r.link_up is not None), None),
            max((r.offset for _, r in seen if r.offset is not None), default=None),
            next((r.priority for _, r in seen if r.priority is not None), None),
        )
        for address, seen in sorted(rows.items())
    )
