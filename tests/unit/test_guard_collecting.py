"""How a sample is collected: all witnesses at once, again while they have not noticed, and no longer than needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rig.guard_cases import SENTINELS, A, B, C, node, word
from sim.clock import Clock, VirtualLoop
from switchmaster.guard.evidence import Dialled, ProcessState, Sample, SentinelWord, doubts
from switchmaster.guard.node_info import NodeInfo
from switchmaster.model import Address, SentinelName
from switchmaster.net import witnesses
from switchmaster.net.dial import DialTarget

TIMEOUT = 0.15
NEVER = 1_000.0
SOON = 0.001
"""Seconds that an answer takes here."""
CONNECTED = {"flags": frozenset({"master"})}


class Accepted(asyncio.Transport):
    """A connection that the master accepted."""

    def abort(self) -> None:
        pass

    def is_closing(self) -> bool:
        return True


class Dead:
    """A master that has died, and its witnesses: when each notices, and how long each takes to answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.loop = VirtualLoop(self.clock, lambda: None, self._open)
        self.begun = self.clock.now
        self.notices: dict[object, float] = {}
        self.takes: dict[object, float] = {}
        self.listens_at = NEVER
        self.asked: list[object] = []
        self.process: Callable[[], ProcessState] = lambda: ProcessState.UNKNOWN
        monkeypatch.setattr(witnesses, "ask_sentinel", self._sentinel)
        monkeypatch.setattr(witnesses, "ask_node", self._node)

    @property
    def after(self) -> float:
        return self.clock.now - self.begun

    async def _open(self, *_: object) -> Any:
        await asyncio.sleep(SOON)
        if self.after < self.listens_at:
            raise ConnectionRefusedError
        return Accepted(), asyncio.Protocol()

    async def _answer(self, witness: object) -> bool:
        self.asked.append(witness)
        await asyncio.sleep(self.takes.get(witness, SOON))
        return self.after >= self.notices.get(witness, 0.0)

    async def _sentinel(self, name: SentinelName, *_: object) -> SentinelWord:
        return word(name) if await self._answer(name) else word(name, master=CONNECTED)

    async def _node(self, address: Address, *_: object) -> NodeInfo:
        return node(address, link_up=not await self._answer(address))

    def collect(self, suffices: Callable[[Sample], bool] | None = None) -> Sample:
        """Return the sample; the time goes on by what it took."""
        target = DialTarget(A, None)
        sentinels: Any = dict.fromkeys(SENTINELS, "its connection")
        nodes: Any = dict.fromkeys((B, C), "its connection")
        asked = witnesses.collect(A, "mymaster", target, sentinels, nodes, self.process, TIMEOUT, suffices)
        return self.loop.run_until_complete(asked)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dead]:
    one = Dead(monkeypatch)
    yield one
    one.loop.close()


def proves(found: Sample) -> bool:
    return not doubts(found, 3, (B, C))


def test_sample_ends_with_the_last_answer_if_all_have_noticed(dead: Dead) -> None:
    assert proves(dead.collect(proves))
    assert dead.after == pytest.approx(SOON)
    assert len(dead.asked) == 5


def test_witness_that_has_not_noticed_is_asked_again_within_milliseconds(dead: Dead) -> None:
    dead.notices = dict.fromkeys((*SENTINELS, B, C), 0.005)
    assert proves(dead.collect(proves))
    assert dead.after == pytest.approx(2 * SOON + witnesses.POLL)
    assert len(dead.asked) == 10


def test_only_witnesses_that_have_not_noticed_are_asked_again(dead: Dead) -> None:
    dead.notices = {SENTINELS[1]: NEVER, SENTINELS[2]: 0.02}
    assert proves(dead.collect(proves))
    assert dead.asked.count(SENTINELS[0]) == dead.asked.count(B) == 1
    assert dead.asked.count(SENTINELS[2]) == 3


def test_slow_witness_holds_nothing_up_once_a_majority_has_spoken(dead: Dead) -> None:
    dead.takes[SENTINELS[2]] = NEVER
    found = dead.collect(proves)
    assert proves(found)
    assert len(found.sentinels) == 2
    assert dead.after == pytest.approx(SOON + witnesses.STRAGGLERS)


def test_straggler_is_heard(dead: Dead) -> None:
    dead.takes[SENTINELS[2]] = SOON + witnesses.STRAGGLERS / 2
    assert len(dead.collect(proves).sentinels) == 3


def test_witnesses_that_never_notice_are_asked_a_few_times_until_the_time_is_over(dead: Dead) -> None:
    dead.notices = dict.fromkeys((*SENTINELS, B, C), NEVER)
    assert not proves(dead.collect(proves))
    assert dead.after == pytest.approx(TIMEOUT)
    assert 4 <= dead.asked.count(B) <= 6


def test_master_that_accepts_is_asked_about_once(dead: Dead) -> None:
    dead.listens_at = 0.0
    dead.notices = dict.fromkeys((*SENTINELS, B, C), NEVER)
    found = dead.collect(proves)
    assert (found.dialled, len(found.sentinels), len(dead.asked)) == (Dialled.ACCEPTED, 3, 5)
    assert dead.after < witnesses.POLL


def test_refusal_is_no_older_than_the_last_pause(dead: Dead) -> None:
    # It listens again before the witnesses have noticed that it was gone.
    dead.listens_at = 0.02
    dead.notices = dict.fromkeys((*SENTINELS, B, C), 0.08)
    found = dead.collect(proves)
    assert found.dialled is Dialled.ACCEPTED
    assert not proves(found)
    assert dead.after < TIMEOUT


def test_process_that_is_about_to_end_is_waited_for(dead: Dead) -> None:
    dead.process = lambda: ProcessState.RUNNING if dead.after < 0.012 else ProcessState.GONE
    found = dead.collect(proves)
    assert proves(found)
    assert found.process is ProcessState.GONE
    assert 0.012 <= dead.after < 0.03
    assert len(dead.asked) == 5


def test_rehearsal_asks_each_witness_once_and_waits_for_all(dead: Dead) -> None:
    dead.takes[C] = 0.1
    found = dead.collect()
    assert (len(found.sentinels), len(found.replicas), len(dead.asked)) == (3, 2, 5)
    assert dead.after == pytest.approx(0.1)


def test_rehearsal_does_not_wait_longer_than_its_time(dead: Dead) -> None:
    dead.takes[C] = NEVER
    assert len(dead.collect().replicas) == 1
    assert dead.after == pytest.approx(TIMEOUT)
