"""
After links are lost at any event and resumed from snapshots, the Topology is the same as after hearing everything.

The snapshots are the answers of the recorded Sentinels at that moment, by `answers`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import pytest

from recorded.answers import RecordedSentinels
from recorded.recordings import CAPTURES, NAMES, said_in
from switchmaster.account.transcript import Said
from switchmaster.belief.decisions import Ask, Switch
from switchmaster.belief.watch import Watch
from switchmaster.model import Grade, Moment, SentinelName
from switchmaster.wire.facts import LinkChange, LinkState

CUTS = 40
"""Cut positions of one recording for each way of cutting; every run is over the whole recording."""

LATE = 12.0
"""Seconds by which a hello may be late: a hung node passes on a hello when it resumes."""

AFTER = 15.0
"""Seconds after the last event: longer than any wait of the core but for silence."""


class Live:
    """A Watch that is fed a recording as if it were live: it may ask, and is answered at once."""

    def __init__(self, said: list[Said], policy: Grade = Grade.PROMOTED) -> None:
        self.said = said
        self.sentinels = RecordedSentinels(said)
        self.watch = Watch(self.sentinels.names, policy=policy, probing=False)
        self.switches: list[Switch] = []
        self.silent: set[SentinelName] = set()
        self.now = said[0].time or 0.0
        for name in self.sentinels.names:
            self.come_up(name)

    def come_up(self, name: SentinelName) -> None:
        self.silent.discard(name)
        self.watch.observe(name, self.sentinels.link(name), Moment(self.now, self.now))
        for fact in self.sentinels.whole(name, self.now):
            self.watch.observe(name, fact, Moment(self.now, self.now))
        self.answer()

    def go_down(self, name: SentinelName) -> None:
        self.silent.add(name)
        self.watch.observe(name, LinkChange(LinkState.DOWN, "it was cut"), Moment(self.now, self.now))
        self.answer()

    def hear(self, said: Said) -> None:
        self.pass_time(said.time or self.now)
        event = self.sentinels.hear(said)
        if said.sentinel not in self.silent:
            self.watch.observe(SentinelName(said.sentinel), event, Moment(self.now, self.now))
            self.answer()

    def pass_time(self, until: float) -> None:
        while (due := self.watch.deadline) is not None and due <= until:
            self.now = max(self.now, due)
            self.watch.tick(Moment(self.now, self.now))
            self.answer()
            assert self.watch.deadline is None or self.watch.deadline > self.now, "a tick did not move its deadline"
        self.now = max(self.now, until)

    def answer(self) -> None:
        decisions = self.watch.decisions()
        self.switches += [decision for decision in decisions if isinstance(decision, Switch)]
        for decision in decisions:
            if isinstance(decision, Ask) and decision.sentinel not in self.silent:
                self.answer_ask(decision)

    def answer_ask(self, ask: Ask) -> None:
        for name in ask.masters:
            fact = self.sentinels.answer(ask.sentinel, name, self.now)
            if fact is not None:
                self.watch.observe(ask.sentinel, fact, Moment(self.now, self.now))
        self.answer()

    def end(self) -> dict[str, tuple[object, ...]]:
        for name in self.sentinels.names:
            for fact in self.sentinels.whole(name, self.now):
                self.watch.observe(name, fact, Moment(self.now, self.now))
        self.pass_time(self.now + AFTER)
        topology = self.watch.topology
        masters: dict[str, tuple[object, ...]] = {
            name: (state.address, state.epoch, state.incarnation, tuple(row.address for row in state.replicas))
            for name, state in topology.masters.items()
            if state.opinions
        }
        # Sentinels that moved for a while are known under two addresses, until the failing one is forgotten.
        heard = tuple(sorted(n for n, state in topology.sentinels.items() if state.state is LinkState.LIVE))
        return {**masters, "Sentinels": heard}


def heard_whole(said: list[Said]) -> Live:
    live = Live(said)
    for each in said:
        live.hear(each)
    return live


def cut(said: list[Said], at: int, missed: int, names: Iterable[SentinelName]) -> Live:
    live = Live(said)
    for place, each in enumerate(said):
        if place == at:
            for name in names:
                live.go_down(name)
        live.hear(each)
        if place == min(at + missed, len(said) - 1):
            for name in sorted(live.silent):
                live.come_up(name)
    return live


def check_switches(switches: list[Switch]) -> None:
    seen = Counter((s.master, s.incarnation, s.epoch, s.new) for s in switches)
    assert all(count == 1 for count in seen.values()), f"decided twice: {seen.most_common(1)}"
    highest: dict[tuple[str, int], int] = {}
    for switch in switches:
        key = (switch.master, switch.incarnation)
        assert switch.epoch is not None
        assert switch.epoch > highest.get(key, -1), f"the epoch went down: {switch}"
        highest[key] = switch.epoch


@pytest.mark.parametrize("name", NAMES)
def test_resuming_ends_in_the_same_topology_wherever_links_were_cut(name: str) -> None:
    said = said_in([name])
    whole = heard_whole(said)
    check_switches(whole.switches)
    expected = whole.end()
    stride = max(1, len(said) // CUTS)
    sentinels = whole.sentinels.names
    for number, at in enumerate(range(0, len(said), stride)):
        for missed, names in ((1, sentinels[number % 3 :][:1]), (7, sentinels), (23, sentinels[:2]), (60, sentinels)):
            live = cut(said, (at + missed) % len(said), missed, names)
            where = f"{name}: {len(names)} links cut at event {(at + missed) % len(said)}, {missed} events missed"
            check_switches(live.switches)
            assert live.end() == expected, where


@pytest.mark.parametrize("name", [name for name in NAMES if (CAPTURES / f"{name}.hello.jsonl").exists()])
def test_derived_answers_match_the_recorded_hello_messages(name: str) -> None:
    said = said_in([name])
    sentinels = RecordedSentinels(said)
    lines = (CAPTURES / f"{name}.hello.jsonl").read_text(encoding="utf-8").splitlines()
    place, compared = 0, 0
    held: dict[tuple[str, str, str], float] = {}
    for hello in map(json.loads, lines):
        host, port, _, _, master, master_host, master_port, epoch = hello["payload"].split(",")
        while place < len(said) and (said[place].time or 0.0) <= hello["ts"]:
            sentinels.hear(said[place])
            place += 1
        for sentinel in sentinels.names:
            if (answer := sentinels.answer(sentinel, master, hello["ts"])) is not None:
                held[sentinel, str(answer.address), str(answer.config_epoch)] = hello["ts"]
        said_pair = (f"{host}:{port}", f"{master_host}:{master_port}", epoch)
        if hello["ts"] > (said[0].time or 0.0) + 5.0:
            compared += 1
            assert hello["ts"] - held.get(said_pair, 0.0) < LATE, hello
    assert compared > 100
