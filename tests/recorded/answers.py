"""
The answers that a recorded Sentinel would have given at each moment of its recording, derived from its events.

Address: its own chain of ``+switch-master``, on the leader already from ``+promoted-slave`` on (protocol.md, section
2.2), and if a Sentinel lost its announcement (a crash), the first event that names the new address. Epoch: that of the
failover that selected the address. `test_resume` holds this against the recorded hello messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from switchmaster.account.transcript import Said
from switchmaster.model import Address, RunId, SentinelName
from switchmaster.wire.events import Event, InstanceEvent, Kind, NewEpoch, SwitchedMaster
from switchmaster.wire.facts import LinkChange, LinkState, MasterSnapshot, SnapshotEnd
from switchmaster.wire.grammar import parse_event
from switchmaster.wire.replies import MasterReply, ReplicaReply, SentinelReply

MASTER = MasterReply(
    name="mymaster",
    address=Address("127.0.0.1", 26101),
    run_id="8c22397ed9e240bcaccef21dd89ba2e9aa771638",
    flags=frozenset({"master"}),
    config_epoch=0,
    num_replicas=2,
    num_other_sentinels=2,
    quorum=2,
    down_after_ms=1000,
    failover_timeout_ms=5000,
    parallel_syncs=1,
    failover_state=None,
    role_reported="master",
    last_ok_ping_ms=72,
    info_age_ms=2141,
    role_reported_ms=2155,
)
REPLICA = ReplicaReply(
    name="127.0.0.1:26103",
    address=Address("127.0.0.1", 26103),
    run_id="38a92f0fb6a5064ab563746cf25227bc5268d4f6",
    flags=frozenset({"slave"}),
    master_link_up=True,
    master_link_down_ms=0,
    master=Address("127.0.0.1", 26101),
    priority=100,
    offset=0,
    announced=True,
    last_ok_ping_ms=2,
    info_age_ms=2055,
)
SENTINEL = SentinelReply(
    run_id=RunId("fa913e85e4b155b767bd3466d6241c97bbf9b282"),
    address=Address("127.0.0.1", 26113),
    flags=frozenset({"sentinel"}),
    last_hello_ms=32,
    voted_leader=None,
    voted_leader_epoch=None,
)
"""The answers of Redis 7.0.15 (tests/recorded/replies/redis-7.0.15.txt), used with other fields."""

HELLO_PERIOD = 2.0


def _id_of(node: str) -> str:
    """Return the run id of a node, which all its names share."""
    return f"{node.encode('utf-8', 'surrogateescape').hex()[-40:]:0>40}"


def snapshot(
    address: Address,
    epoch: int,
    *,
    name: str = "mymaster",
    flags: Sequence[str] = (),
    others: int = 2,
    replicas: Sequence[Address] | None = None,
    sentinels: Sequence[tuple[RunId, Address]] | None = None,
    run_ids: Callable[[Address], str] = lambda address: _id_of(str(address).replace("localhost", "127.0.0.1")),
) -> MasterSnapshot:
    """Return an answer about one master, as recorded except for the arguments."""
    return MasterSnapshot(
        name=name,
        address=address,
        config_epoch=epoch,
        reply=replace(
            MASTER,
            name=name,
            address=address,
            run_id=run_ids(address),
            config_epoch=epoch,
            flags=frozenset({"master", *flags}),
            num_other_sentinels=others,
        ),
        replicas=None
        if replicas is None
        else tuple(replace(REPLICA, address=each, run_id=run_ids(each)) for each in replicas),
        sentinels=None
        if sentinels is None
        else tuple(replace(SENTINEL, run_id=run_id, address=each) for run_id, each in sentinels),
    )


@dataclass
class Monitored:
    """One Sentinel's memory of one master."""

    address: Address
    epoch: int = 0
    since: float = float("-inf")
    """When it was told to monitor the master again."""
    promoting: bool = False
    """It leads and has promoted, but still names the old address in its events."""
    replicas: dict[Address, None] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    sentinels: dict[str, Address] = field(default_factory=dict)


class RecordedSentinels:
    """The Sentinels of one recording, advanced event by event."""

    def __init__(self, said: Sequence[Said]) -> None:
        self.names = [SentinelName(name) for name in dict.fromkeys(each.sentinel for each in said)]
        self.memory: dict[SentinelName, dict[str, Monitored]] = {name: {} for name in self.names}
        self.run_ids: dict[SentinelName, RunId] = {}
        self.epoch_of: dict[tuple[str, Address], int] = {}
        self.current: dict[SentinelName, int] = {}
        self.tried: dict[tuple[SentinelName, str], int] = {}
        self.begin(said)

    def begin(self, said: Sequence[Said]) -> None:
        """Find what each Sentinel knew before its first event, and the run ids."""
        for each in said:
            event = parse_event(each.channel, each.payload)
            if isinstance(event, InstanceEvent) and event.instance.kind is Kind.SENTINEL:
                name = SentinelName(str(event.instance.address))
                self.run_ids.setdefault(name, RunId(event.instance.name))
            first = event.old if isinstance(event, SwitchedMaster) else None
            if isinstance(event, InstanceEvent) and event.channel != "+monitor":
                first = event.instance.master_address
            if first is not None and event.master is not None:
                self.memory[SentinelName(each.sentinel)].setdefault(event.master, Monitored(first))
            elif event.channel == "+monitor":
                self.memory[SentinelName(each.sentinel)].setdefault(event.master or "", Monitored(Address("", 0)))
        for masters in self.memory.values():
            for name in [name for name, mind in masters.items() if not mind.address.port]:
                del masters[name]

    def hear(self, each: Said) -> Event:
        """Advance over one event."""
        sentinel, event = SentinelName(each.sentinel), parse_event(each.channel, each.payload)
        if isinstance(event, NewEpoch):
            self.current[sentinel] = event.epoch
        elif isinstance(event, SwitchedMaster):
            self._switch(sentinel, event.master or "", event.new)
        elif isinstance(event, InstanceEvent):
            self._instance(sentinel, event, each.time or 0.0)
        return event

    def _switch(self, sentinel: SentinelName, name: str, new: Address) -> None:
        mind = self.memory[sentinel].setdefault(name, Monitored(new))
        mind.address, mind.epoch = new, self.epoch_of.get((name, new), mind.epoch)
        mind.promoting = False
        mind.replicas.clear()
        mind.down.clear()

    def _instance(self, sentinel: SentinelName, event: InstanceEvent, time: float) -> None:
        name, instance, channel = event.master or "", event.instance, event.channel
        if channel == "-monitor":
            self.memory[sentinel].pop(name, None)
            return
        if channel == "+monitor":
            self.memory[sentinel][name] = Monitored(instance.address, 0, time)
            return
        mind = self.memory[sentinel].setdefault(name, Monitored(instance.master_address))
        if channel == "+try-failover":
            self.tried[sentinel, name] = self.current.get(sentinel, 0)
        elif channel == "+selected-slave":
            self.epoch_of[name, instance.address] = self.tried.get((sentinel, name), 0)
        elif channel == "+promoted-slave":
            mind.address, mind.epoch = instance.address, self.epoch_of.get((name, instance.address), 0)
            mind.promoting = True
        elif instance.master_address != mind.address and not mind.promoting:
            self._switch(sentinel, name, instance.master_address)
        self._fold(mind, event)

    def _fold(self, mind: Monitored, event: InstanceEvent) -> None:
        instance, channel = event.instance, event.channel
        if instance.kind is Kind.MASTER:
            words = {"+sdown": {"s_down"}, "+odown": {"o_down"}}
            if instance.address == mind.address:
                mind.down |= words.get(channel, set())
                mind.down -= {"-sdown": {"s_down", "o_down"}, "-odown": {"o_down"}}.get(channel, set())
            if channel == "+reset-master":
                mind.replicas.clear()
                mind.sentinels.clear()
        elif channel == "+slave":
            mind.replicas[instance.address] = None
        elif channel == "+sentinel":
            mind.sentinels[instance.name] = instance.address

    def link(self, sentinel: SentinelName) -> LinkChange:
        """Return the facts that its link reports when it comes up."""
        return LinkChange(LinkState.LIVE, run_id=self.run_ids.get(sentinel), version="redis 7.0.15")

    def answer(self, sentinel: SentinelName, name: str, time: float) -> MasterSnapshot | None:
        """Return its answer about one master; None if it does not monitor it."""
        mind = self.memory[sentinel].get(name)
        if mind is None:
            return None
        epoch = mind.epoch
        if mind.since + HELLO_PERIOD <= time:
            same = [m[name].epoch for m in self.memory.values() if name in m and m[name].address == mind.address]
            epoch = max(same) if mind.since > 0 else epoch
        return snapshot(
            mind.address,
            epoch,
            name=name,
            flags=[*sorted(mind.down), *(["failover_in_progress"] if mind.promoting else [])],
            others=len(self.names) - 1,
            replicas=[each for each in mind.replicas if each != mind.address],
            sentinels=[(RunId(run_id), each) for run_id, each in mind.sentinels.items()],
        )

    def whole(self, sentinel: SentinelName, time: float) -> list[MasterSnapshot | SnapshotEnd]:
        """Return the facts of a whole snapshot."""
        names = tuple(sorted(self.memory[sentinel]))
        answers = [answer for name in names if (answer := self.answer(sentinel, name, time))]
        return [*answers, SnapshotEnd(names)]
