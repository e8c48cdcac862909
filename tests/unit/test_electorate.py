"""Which Sentinels count for a master, and whether they could fail it over, by their answers about each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recorded.answers import SENTINEL, snapshot
from switchmaster.belief.decisions import Ask, Notice, NoticeKind
from switchmaster.belief.topology import Electorate, Health, Obstacle
from switchmaster.belief.watch import Watch
from switchmaster.belief.words import agreement_words, electorate_words
from switchmaster.cli.tree import master_rows, topology_tree
from switchmaster.model import Address, Moment, RunId, SentinelName
from switchmaster.render import master_line
from switchmaster.wire.facts import Condition, LinkChange, LinkState, MasterSnapshot, SnapshotEnd
from switchmaster.wire.grammar import parse_event

MASTER = Address("127.0.0.1", 27001)
S1, S2, S3, S4, S5 = NAMES = [SentinelName(f"127.0.0.1:2701{number}") for number in range(1, 6)]
IDS = {name: RunId(f"{number:040x}") for number, name in enumerate(NAMES)}
WHERE = {name: Address.parse(name) for name in NAMES}


def sees(others: list[SentinelName], quorum: int = 2, down: tuple[SentinelName, ...] = ()) -> MasterSnapshot:
    """Return the answer of a Sentinel that knows these others."""
    rows = tuple(
        replace(
            SENTINEL,
            run_id=IDS[name],
            address=WHERE[name],
            flags=frozenset({"sentinel", *(("s_down", "disconnected") if name in down else ())}),
        )
        for name in others
    )
    fact = snapshot(MASTER, 0, others=len(others))
    return replace(fact, reply=replace(fact.reply, quorum=quorum), sentinels=rows)


class Scene:
    """A Watch of some Sentinels that all know each other."""

    def __init__(self, names: list[SentinelName], quorum: int = 2) -> None:
        self.names, self.quorum = names, quorum
        self.watch = Watch(names)
        self.decisions: list[object] = []
        for name in names:
            self.answer(name)

    def tell(self, source: SentinelName, *facts: object) -> None:
        for fact in facts:
            self.watch.observe(source, fact, Moment(100.0, 100.0))  # type: ignore[arg-type]
        self.decisions += self.watch.decisions()

    def answer(self, name: SentinelName, down: tuple[SentinelName, ...] = (), monitors: bool = True) -> None:
        others = [other for other in self.names if other != name]
        self.tell(name, LinkChange(LinkState.LIVE, run_id=IDS[name]))
        if monitors:
            self.tell(name, sees(others, self.quorum, down))
        self.tell(name, SnapshotEnd(("mymaster",) if monitors else ()))

    def lose(self, *names: SentinelName) -> None:
        for name in names:
            self.tell(name, LinkChange(LinkState.DOWN, "connection refused"))

    def say(self, name: SentinelName, line: str) -> None:
        channel, _, payload = line.partition(" ")
        self.tell(name, parse_event(channel, payload))

    def silent(self, name: SentinelName, *others: SentinelName) -> None:
        for other in others:
            self.say(name, f"+sdown sentinel {IDS[other]} 127.0.0.1 {WHERE[other].port} @ mymaster 127.0.0.1 27001")

    @property
    def electorate(self) -> Electorate:
        state = self.watch.state("mymaster")
        assert state is not None
        return state.electorate

    @property
    def agreement(self) -> str:
        state = self.watch.state("mymaster")
        assert state is not None
        return agreement_words(state)

    def notices(self) -> list[tuple[NoticeKind, str]]:
        found = [(one.kind, one.text) for one in self.decisions if isinstance(one, Notice)]
        self.decisions.clear()
        return found


def test_a_lost_majority_is_reported_once_until_it_is_back() -> None:
    """A lost majority makes a failover impossible, which is reported once until the majority is back."""
    scene = Scene(NAMES)
    assert (scene.electorate.possible, scene.agreement) == (True, "5 of 5 Sentinels agree")
    scene.lose(S3, S4, S5)
    assert scene.electorate.possible is True, "perhaps only we do not hear them"
    for name in (S1, S2):
        scene.silent(name, S3, S4, S5)
    assert scene.electorate == Electorate(5, 5, 2, 3, Obstacle.TOO_FEW, absent=(S3, S4, S5))
    assert scene.agreement == "2 of 5 Sentinels agree, 3 not heard"
    impossible = "no failover possible: 2 of 5 Sentinels answer, 3 are needed"
    assert electorate_words(scene.electorate) == impossible
    for name in (S1, S2):
        scene.answer(name, down=(S3, S4, S5))
    scene.answer(S3, down=(S4, S5))
    assert scene.notices() == [
        (NoticeKind.NO_FAILOVER, impossible),
        (NoticeKind.FAILOVER_POSSIBLE, "a failover is possible: 3 of 5 Sentinels answer, 3 are needed"),
    ]
    scene.lose(S3)
    scene.silent(S1, S3)
    assert scene.notices() == [(NoticeKind.NO_FAILOVER, impossible)], "a second loss is news again"


def test_possibility_of_a_failover_is_unknown_when_no_sentinel_is_heard() -> None:
    scene = Scene(NAMES)
    scene.lose(*NAMES)
    assert scene.electorate == Electorate(5)
    assert scene.electorate.possible is None
    assert scene.notices() == []
    assert Watch([S1]).state("mymaster") is None


@pytest.mark.parametrize(
    ("quorum", "down", "obstacle", "words"),
    [
        (2, (S3,), None, "a failover is possible: 2 of 3 Sentinels answer, 2 are needed"),
        (3, (S3,), Obstacle.TOO_FEW, "no failover possible: 2 of 3 Sentinels answer, 3 are needed"),
        (1, (S2, S3), Obstacle.TOO_FEW, "no failover possible: 1 of 3 Sentinels answers, 2 are needed"),
        (4, (), Obstacle.QUORUM_TOO_HIGH, "no failover possible: the quorum is 4, and there are only 3 Sentinels"),
    ],
    ids=["enough", "a quorum that is not reached", "a majority that is not reached", "a quorum beyond all"],
)
def test_both_the_quorum_and_a_majority_must_be_reached(
    quorum: int, down: tuple[SentinelName, ...], obstacle: Obstacle | None, words: str
) -> None:
    scene = Scene([S1, S2, S3], quorum)
    scene.lose(*down)
    for name in {S1, S2, S3} - set(down):
        scene.answer(name, down=down)
    assert (scene.electorate.obstacle, electorate_words(scene.electorate)) == (obstacle, words)


def test_sentinels_in_tilt_lead_no_failover_and_do_not_agree_to_one() -> None:
    scene = Scene([S1, S2, S3])
    scene.say(S1, "+tilt #tilt mode entered")
    assert scene.electorate.possible, "two of three are enough"
    scene.say(S2, "+tilt #tilt mode entered")
    assert scene.electorate.obstacle is Obstacle.TILT, "one alone is no quorum"
    scene.say(S2, "-tilt #tilt mode exited")
    assert scene.electorate.possible
    assert [kind for kind, _ in scene.notices()] == [NoticeKind.NO_FAILOVER, NoticeKind.FAILOVER_POSSIBLE]


def test_tilt_begins_by_an_answer_without_an_event_and_ends_by_one() -> None:
    scene = Scene([S1, S2, S3])
    scene.tell(S1, Condition(tilt=True, tilt_seconds=4))
    scene.lose(S1)
    scene.answer(S1)
    sentinel = scene.watch.topology.sentinels[S1]
    assert (sentinel.tilt, sentinel.tilt_since) == (True, 96.0), "a new connection ends no TILT that INFO shows"
    scene.tell(S1, Condition(tilt=True, tilt_seconds=5))
    assert scene.watch.topology.sentinels[S1].tilt_since == 96.0, "the beginning does not move with its whole seconds"
    changes = scene.watch.roster_changes
    scene.tell(S1, Condition(tilt=False))
    assert not scene.watch.topology.sentinels[S1].tilt
    assert scene.watch.roster_changes == changes + 1


def test_tilt_known_from_events_alone_ends_with_the_link() -> None:
    scene = Scene([S1, S2, S3])
    scene.say(S1, "+tilt #tilt mode entered")
    scene.lose(S1)
    scene.answer(S1)
    assert not scene.watch.topology.sentinels[S1].tilt


def test_a_failover_whose_beginning_was_missed_is_found_by_asking_its_leader() -> None:
    scene = Scene([S1, S2, S3])
    answer = sees([S2, S3])
    flags = answer.reply.flags | {"failover_in_progress", "s_down", "o_down"}
    scene.tell(S1, replace(answer, reply=replace(answer.reply, flags=flags, failover_state="wait_promotion")))
    state = scene.watch.state("mymaster")
    assert state is not None
    assert (state.health, state.led_by, state.failing_over) == (Health.FAILING_OVER, (S1,), True)
    scene.say(S1, "-failover-abort-slave-timeout master mymaster 127.0.0.1 27001")
    state = scene.watch.state("mymaster")
    assert state is not None
    assert (state.led_by, state.failing_over) == ((), False)


def test_a_suspicion_is_no_failover() -> None:
    scene = Scene([S1, S2, S3])
    scene.say(S1, "+sdown master mymaster 127.0.0.1 27001")
    state = scene.watch.state("mymaster")
    assert state is not None
    assert state.failover is not None
    assert not state.failing_over
    scene.say(S1, "+try-failover master mymaster 127.0.0.1 27001")
    state = scene.watch.state("mymaster")
    assert state is not None
    assert state.failing_over


def test_a_sentinel_that_does_not_monitor_a_master_counts_and_cannot_vote() -> None:
    scene = Scene([S1, S2, S3])
    scene.say(S3, "-monitor master mymaster 127.0.0.1 27001")
    assert scene.agreement == f"2 of 3 Sentinels agree, {S3} does not monitor it"
    assert scene.electorate == Electorate(3, 3, 2, 2, None, (S3,))
    scene.answer(S3, monitors=False)
    assert scene.notices() == [(NoticeKind.NOT_MONITORED, f"{S3} does not monitor it, and can't vote on it")]
    scene.lose(S2)
    scene.silent(S1, S2)
    assert scene.electorate.obstacle is Obstacle.TOO_FEW, "CKQUORUM would count the one that can't vote"
    scene.answer(S3)
    assert scene.electorate.unaware == ()
    assert scene.electorate.possible


def test_a_ghost_that_sentinels_count_is_reported_once_with_what_to_do() -> None:
    scene = Scene([S1, S2, S3])
    scene.watch.observe(S4, LinkChange(LinkState.DOWN, "connection refused"), Moment(100.0, 100.0))
    scene.names = [S1, S2, S3, S4]
    for name in (S1, S2, S3, S1):
        scene.answer(name, down=(S4,))
    assert scene.electorate.absent == (S4,)
    assert scene.notices() == [
        (
            NoticeKind.GHOST,
            f"{S4} is counted and does not answer: if gone for good, run SENTINEL RESET mymaster on each Sentinel, "
            "one at a time, 30 s apart",
        )
    ]
    scene.answer(S4)
    scene.lose(S4)
    scene.silent(S1, S4)
    assert scene.notices() == [], "it was heard a moment ago; its loss is reported elsewhere"


def test_ckquorum_stands_in_when_the_other_sentinels_can_not_be_listed() -> None:
    scene = Scene([S1])
    scene.tell(S1, replace(snapshot(MASTER, 0, others=4), sentinels=None, usable=2))
    assert scene.electorate == Electorate(5, 5, 2, 3, Obstacle.TOO_FEW)


def test_a_sentinel_whose_settings_were_changed_is_asked_for_its_quorum() -> None:
    scene = Scene([S1, S2, S3])
    scene.decisions.clear()
    scene.say(S1, "+set master mymaster 127.0.0.1 27001 quorum 3")
    assert Ask(S1, ("mymaster",), "after +set") in scene.decisions


def test_all_outputs_show_an_impossible_failover_first() -> None:
    scene = Scene(NAMES)
    scene.lose(S3, S4, S5)
    scene.silent(S1, S3, S4, S5)
    scene.silent(S2, S3, S4, S5)
    topology = scene.watch.topology
    text = "no failover possible: 2 of 5 Sentinels answer, 3 are needed"
    rows = master_rows(topology.masters.values())
    assert rows[0] == ((f"mymaster: {text}", "bold red"),)
    below = topology_tree(topology)[2]
    assert below[-1] == (text, "bold red")
    line = master_line("kv", topology.masters["mymaster"])
    assert (line["failover_possible"], line["agreement"]) == (False, "2 of 5 Sentinels agree, 3 not heard")
    assert line["electorate"] == {
        "known": 5,
        "counted": 5,
        "answering": 2,
        "needed": 3,
        "obstacle": "too-few",
        "text": text,
        "unaware": [],
        "absent": [S3, S4, S5],
    }
