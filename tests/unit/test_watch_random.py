"""The invariants of a Watch hold for any facts of Sentinels, nodes and links, in any order."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recorded.answers import snapshot
from recorded.recordings import NAMES, said_in
from switchmaster.belief.decisions import Switch
from switchmaster.belief.watch import Watch
from switchmaster.model import Address, Grade, Moment, RunId, SentinelName
from switchmaster.wire.events import Event
from switchmaster.wire.facts import Fact, LinkChange, LinkState, Probe, SnapshotEnd
from switchmaster.wire.grammar import parse_event

SENTINELS = [SentinelName(f"127.0.0.1:{port}") for port in (27011, 27012, 27013)]
NODES = [Address("127.0.0.1", port) for port in (27001, 27002, 27003)]
STEPS = 400


@cache
def recorded_events() -> list[Event]:
    """Return all events of the recordings of one deployment's size, with the addresses of one deployment."""
    events: dict[tuple[str, str], Event] = {}
    for name in NAMES:
        for said in said_in([name]):
            ports = {each.sentinel.rpartition(":")[2][:-2] for each in [said]}
            payload = said.payload
            for port in ports:
                payload = payload.replace(f" {port}", " 270").replace(f":{port}", ":270")
            events.setdefault((said.channel, payload), parse_event(said.channel, payload))
    return list(events.values())


def random_fact(chance: random.Random) -> tuple[SentinelName | None, Fact]:
    sentinel = chance.choice(SENTINELS)
    kind = chance.random()
    if kind < 0.6:
        return sentinel, chance.choice(recorded_events())
    if kind < 0.8:
        flags = chance.sample(["s_down", "o_down", "failover_in_progress", "coordinated_failover"], chance.randrange(3))
        return sentinel, snapshot(chance.choice(NODES), chance.randrange(12), flags=flags, replicas=NODES)
    if kind < 0.85:
        return sentinel, SnapshotEnd(("mymaster",) if chance.random() < 0.7 else ())
    if kind < 0.93:
        role = chance.choice(["master", "slave", None])
        return None, Probe(chance.choice(NODES), role, "" if role else "it was refused")
    state = chance.choice(list(LinkState))
    run_id = RunId(f"{chance.randrange(4):040x}") if chance.random() < 0.8 else None
    return sentinel, LinkChange(state, "it was cut" if state is LinkState.DOWN else "", run_id=run_id)


class Checked:
    """A Watch whose invariants are checked after each step."""

    def __init__(self, policy: Grade, probing: bool, asking: bool) -> None:
        self.watch = Watch(SENTINELS, policy=policy, probing=probing, asking=asking)
        self.now = 100.0
        self.switches: list[Switch] = []

    def observe(self, source: SentinelName | None, fact: Fact) -> None:
        self.watch.observe(source, fact, Moment(self.now, self.now))
        self.collect()

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.watch.deadline) is not None and due <= until:
            self.now = max(self.now, due)
            self.watch.tick(Moment(self.now, self.now))
            deadline = self.watch.deadline
            assert deadline is None or deadline > self.now, f"due again at {deadline}, while it is {self.now}"
            self.collect()
        self.now = until

    def collect(self) -> None:
        for decision in self.watch.decisions():
            if isinstance(decision, Switch):
                self.check(decision)
        assert self.watch.topology.deployment == "default"

    def check(self, switch: Switch) -> None:
        before = [s for s in self.switches if (s.master, s.incarnation) == (switch.master, switch.incarnation)]
        assert all((s.epoch, s.new) != (switch.epoch, switch.new) for s in before if s.epoch is not None), switch
        assert switch.old != switch.new, switch
        if switch.epoch is not None:
            assert all(s.epoch is None or s.epoch < switch.epoch for s in before), (switch, before[-1])
        assert all(s.incarnation <= switch.incarnation for s in self.switches if s.master == switch.master)
        self.switches.append(switch)


@pytest.mark.parametrize("asking", [True, False])
@pytest.mark.parametrize("probing", [True, False])
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(Grade))
@example(seed=1_981_892_023, policy=Grade.ANNOUNCED).via("a failover heard, and then the first answers of a majority")
def test_watch_keeps_its_invariants_for_any_facts_in_any_order(
    asking: bool, probing: bool, seed: int, policy: Grade
) -> None:
    chance = random.Random(seed)
    checked = Checked(policy, probing, asking)
    for _ in range(STEPS):
        source, fact = random_fact(chance)
        if asking or (not isinstance(fact, (LinkChange, SnapshotEnd)) and not hasattr(fact, "config_epoch")):
            checked.observe(source, fact)
        checked.pass_time(chance.choice([0.0, 0.0, 0.01, 0.3, 1.2, 11.0, 250.0, 700.0]))
    checked.watch.finish()
    checked.collect()
