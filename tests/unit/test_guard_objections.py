"""Each objection, and who is asked: when it holds, when it does not, and its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rig.guard_cases import ARMED, SENTINELS, A, B, C, D, case, node, sample, seen, sentinel, state, word
from switchmaster.belief.topology import Electorate, ReplicaState
from switchmaster.guard.case import Case, OwnHealth, comes_back_empty, placed
from switchmaster.guard.evidence import Dialled
from switchmaster.guard.master_guard import rehearse
from switchmaster.guard.objections import OBJECTIONS, objections
from switchmaster.guard.policy import Arming, Policy, Restart
from switchmaster.model import Address, Grade, SentinelName
from switchmaster.wire.facts import LinkState

S1, S2, S3 = SENTINELS


def at(**changed: object) -> Case:
    """Return a case whose Sentinels all say this of the master."""
    return case(sample=sample(sentinels=tuple(word(name, master=changed) for name in SENTINELS)))


def reporting(**changed: object) -> Case:
    return case(reports={A: node(A, **changed)})


def with_sentinels(*states: object) -> dict[SentinelName, object]:
    return dict(zip(SENTINELS, states, strict=True))


def down(name: SentinelName) -> object:
    return sentinel(name, state=LinkState.DOWN)


HOLDS: list[tuple[str, Callable[[], Case], str]] = [
    ("maintenance", lambda: case(own=OwnHealth(maintenance=True)), "an operator has suspended the guard"),
    ("lease", lambda: case(own=OwnHealth(leased=False)), "another daemon holds the lease"),
    ("rival", lambda: case(own=OwnHealth(rivals=("x", "y"))), "another guard is armed that shares no lease"),
    ("late", lambda: case(own=OwnHealth(late=0.51)), "this daemon was itself late by 0.51 s"),
    (
        "deaf",
        lambda: case(sentinels=with_sentinels(sentinel(S1), down(S2), down(S3))),
        "1 of 3 Sentinels are heard, and 2 must be",
    ),
    (
        "tilt",
        lambda: case(sentinels=with_sentinels(sentinel(S1), sentinel(S2, tilt=True), sentinel(S3))),
        "in TILT: 10.0.0.2:26379",
    ),
    ("disagreement", lambda: case(state=state(grade=Grade.PROMOTED)), "the Sentinels do not agree on who is"),
    ("under-way", lambda: case(state=state(led_by=(S1,))), "a failover is under way"),
    (
        "under-way",
        lambda: case(sample=sample(sentinels=(word(S1, leads=True), word(S2), word(S3)))),
        "a failover is under way",
    ),
    ("cool-down", lambda: case(failed_over_at=50.0), "the last failover or order was 50 s ago, within the cool-down"),
    ("orderly", lambda: reporting(stopping=True), "its shutdown was announced"),
    ("too-few", lambda: case(sample=sample(sentinels=(word(S1),))), "1 of 3 Sentinels answered, and 2 must"),
    ("no-replica", lambda: case(state=state(replicas=()), sample=None), "it has no replica"),
    ("no-replica", lambda: at(config_epoch=7), "no Sentinel in step sees a replica that it would promote"),
    ("lag", lambda: reporting(lags={B: 10.1}), "10.0.1.2:6379 was 10.1 s behind, more than max_lag"),
    ("lag", lambda: reporting(lags={C: 0.0}), "10.0.1.2:6379 had no link to the master when it was last asked"),
    ("lag", lambda: case(reports={}), "the master's last INFO is not known, so the lag of its replicas is not"),
    ("soon", lambda: at(down_after_ms=500), "Sentinel comes to its own verdict within"),
    ("soon", lambda: at(last_ok_ping_ms=40_000), "Sentinel comes to its own verdict within"),
    (
        "nothing-left",
        lambda: case(empty=True, reports={A: node(A, keys=3)}, sample=sample(replicas=(node(B, keys=3),))),
        "10.0.1.2:6379 has no more than the master: nothing is left to save",
    ),
]


@pytest.mark.parametrize(("name", "made", "words"), HOLDS, ids=[f"{n}-{row[0]}" for n, row in enumerate(HOLDS)])
def test_objection_holds_with_its_words(name: str, made: Callable[[], Case], words: str) -> None:
    found = dict(objections(made()))
    assert set(found) == {name}
    assert found[name].startswith(words)


HOLDS_NOT: list[tuple[str, Callable[[], Case]]] = [
    ("late", lambda: case(own=OwnHealth(late=0.5))),
    ("deaf", lambda: case(sentinels=with_sentinels(sentinel(S1), sentinel(S2), down(S3)))),
    ("cool-down", lambda: case(failed_over_at=40.0)),
    ("orderly", lambda: replace(reporting(stopping=True), policy=replace(ARMED, orderly=True))),
    ("too-few", lambda: case(sample=sample(sentinels=(word(S1), word(S2))))),
    ("lag", lambda: reporting(lags={B: 10.0})),
    ("soon", lambda: at(down_after_ms=5000, last_ok_ping_ms=1000)),
    ("orderly", lambda: replace(reporting(stopping=True, keys=0), empty=True)),
    ("lag", lambda: replace(reporting(lags={}, keys=0), empty=True)),
    ("soon", lambda: replace(at(down_after_ms=500), empty=True, reports={A: node(A, keys=0)})),
    ("nothing-left", lambda: case(empty=True, reports={A: node(A, keys=3)})),
    ("nothing-left", lambda: case(empty=True, sample=sample(replicas=()))),
]


@pytest.mark.parametrize(("name", "made"), HOLDS_NOT, ids=[f"{n}-{row[0]}" for n, row in enumerate(HOLDS_NOT)])
def test_objection_does_not_hold_at_its_limit(name: str, made: Callable[[], Case]) -> None:
    assert objections(made()) == ()


def test_every_objection_is_shown_to_hold() -> None:
    assert {each.id for each in OBJECTIONS} == {row[0] for row in HOLDS}
    assert len({each.id for each in OBJECTIONS}) == len(OBJECTIONS)


def test_nothing_speaks_against_an_order_for_a_dead_master() -> None:
    assert objections(case()) == ()
    assert objections(case(sample=None)) == ()


# Who is asked -------------------------------------------------------------------------------------


def asked(*words: object, **changed: object) -> SentinelName | None:
    found = placed(case(sample=sample(sentinels=tuple(words)), **changed))
    return None if found is None else found.sentinel


def test_sentinel_out_of_step_is_not_asked() -> None:
    assert asked(word(S1, master={"config_epoch": 7}), word(S2)) == S2
    assert asked(word(S1, master={"config_epoch": 7})) is None
    assert asked(word(S1, master={"address": B}), word(S2)) == S2


def test_sentinel_in_tilt_is_not_asked() -> None:
    states = with_sentinels(sentinel(S1, tilt=True), sentinel(S2), sentinel(S3))
    assert asked(word(S1), word(S2), sentinels=states) == S2


def test_sentinel_on_another_host_is_preferred() -> None:
    assert asked(word(S1, host=A.host), word(S2, replicas=(seen(B),))) == S2
    assert asked(word(S1, host=A.host)) == S1


def test_sentinel_that_sees_most_replicas_is_preferred() -> None:
    assert asked(word(S1, replicas=(seen(B),)), word(S2)) == S2


def test_sentinel_that_makes_up_replicas_is_not_asked() -> None:
    made_up = tuple(Address(f"10.6.6.{number}", 6379) for number in range(9))
    assert asked(word(S1, replicas=(*map(seen, made_up),))) is None
    assert asked(word(S1, replicas=(*map(seen, made_up),)), word(S2)) == S2
    assert asked(word(S1, replicas=(*map(seen, made_up), seen(B, offset=99))), word(S2), word(S3)) == S2


def test_sentinel_that_would_promote_another_replica_than_most_is_not_asked() -> None:
    assert asked(word(S1, replicas=(seen(C, offset=99), seen(B))), word(S2), word(S3)) == S2


def test_one_sentinel_that_lies_hides_no_order() -> None:
    lies = [
        word(S1, master={"config_epoch": 2**63 - 1}),
        word(S1, master={"last_ok_ping_ms": 2**64, "down_after_ms": 0}),
        word(S1, master={"down_after_ms": -(2**64)}),
        word(S1, replicas=()),
        word(S1, replicas=(seen(C, priority=1, offset=2**64),)),
        word(S1, replicas=(seen(D),)),
    ]
    for lie in lies:
        told = case(sample=sample(sentinels=(lie, word(S2), word(S3))), reports={A: node(A, lags={B: 0.0, C: 99.0})})
        assert objections(told) == (), lie


def test_one_sentinel_that_lies_does_not_hide_that_the_others_act_soon() -> None:
    soon = {"down_after_ms": 500}
    assert objections(case(sample=sample(sentinels=(word(S1), word(S2, master=soon), word(S3, master=soon)))))
    assert objections(case(sample=sample(sentinels=(word(S1), word(S2, master=soon)))))


def test_one_sentinel_that_counts_others_who_do_not_exist_raises_no_majority() -> None:
    assert case(state=state(electorate=Electorate(3, counted=1000, answering=1000, needed=501))).majority == 2


def test_replica_that_no_majority_lists_is_no_replica() -> None:
    made_up = tuple(ReplicaState(Address(f"10.6.6.{n}", 6379), (), True, 0, 100) for n in range(9))
    assert case(state=state(replicas=(*state().replicas, *made_up))).replicas == (B, C)


# What a restart brings back -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "appends", "snapshots", "empty"),
    [
        (Restart.UNKNOWN, False, False, True),
        (Restart.UNKNOWN, False, None, False),
        (Restart.UNKNOWN, True, False, False),
        (Restart.WIPES, True, True, True),
        (Restart.KEEPS, False, False, False),
    ],
)
def test_restart_wipes_by_what_the_node_says_or_the_operator(
    restart: Restart, appends: bool, snapshots: bool | None, empty: bool
) -> None:
    report = node(A, appends=appends, snapshots=snapshots)
    assert comes_back_empty(case(policy=Policy(restart=restart), reports={A: report})) is empty
    assert comes_back_empty(case(policy=Policy(restart=restart), reports={})) is (restart is Restart.WIPES)


# The rehearsal ------------------------------------------------------------------------------------


def living(**changed: object) -> Case:
    nodes = (node(B, link_up=True), node(C, link_up=True))
    words = tuple(word(name, master={"flags": frozenset({"master"})}) for name in SENTINELS)
    return case(sample=replace(sample(dialled=Dialled.ACCEPTED, replicas=nodes, sentinels=words), **changed))


def test_rehearsal_finds_nothing_against_a_guard_that_would_act() -> None:
    assert rehearse(living()) == ()
    assert rehearse(case(sample=None)) == ()


def test_rehearsal_says_what_would_keep_the_guard_from_acting() -> None:
    assert rehearse(replace(living(), policy=Policy())) == ("the guard is disarmed",)
    assert rehearse(replace(living(), policy=Policy(arming=Arming.DRY_RUN)))[0].startswith("it only says what")
    assert rehearse(replace(living(), own=OwnHealth(maintenance=True))) == ("an operator has suspended the guard",)


def test_rehearsal_says_when_no_sample_could_prove_a_death() -> None:
    assert rehearse(living(dialled=Dialled.INDIRECT)) == ("it can't be dialled at its own address from here",)
    unknown = living(replicas=(node(B, link_up=True), node(C, link_up=True, following=D)))
    assert rehearse(unknown)[0].startswith("1 of 2 replicas answer and follow it at 10.0.1.1:6379")
