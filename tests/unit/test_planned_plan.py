"""The plan of a planned failover: what each check finds, who becomes the master, and which priorities are changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rig.guard_cases import SENTINELS, A, B, C, D, case, sample, seen, sentinel, state
from rig.planned_cases import WANTED, is_master, is_replica, plan, said, silent, survey
from switchmaster.model import Address, Grade
from switchmaster.planned.checks import CHECKS, CheckResult, PlanCheck
from switchmaster.planned.plan import restart_order
from switchmaster.planned.preference import PriorityChange, prefer, shows_preference
from switchmaster.planned.request import FailoverRequest
from switchmaster.planned.survey import Survey
from switchmaster.wire.facts import LinkState
from switchmaster.wire.replies import QuorumReply

TO_C = replace(WANTED, to=C)
COORDINATED = replace(WANTED, coordinated=True)
SPOKEN = sample(sentinels=tuple(said(name) for name in SENTINELS))
ALL_DOWN = tuple(
    said(name, replicas=(seen(B, flags=frozenset({"slave", "s_down"})), seen(C, priority=0))) for name in SENTINELS
)


def versions(name: str, of_node: str) -> Survey:
    sentinels = {each: replace(sentinel(each), version=name) for each in SENTINELS}
    nodes = (is_master(A, B, C), is_replica(B), is_replica(C))
    return survey(*(replace(each, version=of_node) for each in nodes), case=case(sample=SPOKEN, sentinels=sentinels))


REFUSALS: list[tuple[str, FailoverRequest, Callable[[], Survey], str]] = [
    (
        "heard",
        WANTED,
        lambda: survey(
            case=case(
                sample=SPOKEN,
                sentinels={name: sentinel(name, state=LinkState.DOWN) for name in SENTINELS},
            )
        ),
        "0 of 3 Sentinels are heard, and 2 must be",
    ),
    ("answers", WANTED, lambda: survey(words=(said(SENTINELS[0]),)), "1 of 3 Sentinels answered, and 2 must"),
    (
        "agreement",
        WANTED,
        lambda: survey(case=case(sample=SPOKEN, state=state(grade=Grade.PROMOTED))),
        "the Sentinels do not agree on who is the master",
    ),
    (
        "tilt",
        WANTED,
        lambda: survey(
            case=case(sample=SPOKEN, sentinels={name: sentinel(name, tilt=name == SENTINELS[1]) for name in SENTINELS})
        ),
        "in TILT: 10.0.0.2:26379",
    ),
    (
        "quorum",
        WANTED,
        lambda: survey(quorums={SENTINELS[2]: QuorumReply(False, 1, "NOQUORUM")}),
        "no quorum by the word of 10.0.0.3:26379: if this fails, Sentinel can't mend it",
    ),
    (
        "simulates",
        WANTED,
        lambda: survey(
            case=case(sample=SPOKEN, sentinels={name: sentinel(name, simulates_failures=True) for name in SENTINELS})
        ),
        "SENTINEL SIMULATE-FAILURE is on",
    ),
    ("under-way", WANTED, lambda: survey(words=tuple(said(name, leads=True) for name in SENTINELS)), "under way"),
    ("rival", WANTED, lambda: survey(rivals=("switchmaster-failover-1",)), "another operator"),
    ("cool-down", WANTED, lambda: survey(since_switch=3.0), "the last failover was 3 s ago"),
    ("master", WANTED, lambda: survey(silent(A)), "does not answer ROLE (connection refused)"),
    ("master", WANTED, lambda: survey(is_replica(A, of=B)), "10.0.1.1:6379 itself says that it is no master"),
    ("second-master", WANTED, lambda: survey(is_master(C)), "10.0.1.3:6379 says that it is a master too"),
    (
        "candidate",
        WANTED,
        lambda: survey(words=ALL_DOWN),
        "would promote (10.0.1.2:6379 is down; 10.0.1.3:6379 has replica-priority 0, which means never)",
    ),
    ("wanted", replace(WANTED, to=D), survey, "10.0.1.4:6379 is no replica of mymaster"),
    (
        "candidate",
        TO_C,
        lambda: survey(
            words=tuple(
                said(name, replicas=(seen(B), seen(C, flags=frozenset({"slave", "disconnected"}))))
                for name in SENTINELS
            )
        ),
        "would not promote 10.0.1.3:6379 now: it is disconnected",
    ),
    (
        "wanted",
        TO_C,
        lambda: survey(words=tuple(said(name, replicas=(seen(B), seen(C, priority=0))) for name in SENTINELS)),
        "would never promote 10.0.1.3:6379: it has replica-priority 0",
    ),
    ("in-sync", WANTED, lambda: survey(silent(B)), "10.0.1.2:6379 does not answer ROLE (connection refused)"),
    (
        "in-sync",
        WANTED,
        lambda: survey(is_replica(B, of=D), is_master(A, C)),
        "10.0.1.2:6379 does not follow 10.0.1.1:6379",
    ),
    ("in-sync", WANTED, lambda: survey(is_replica(B, state="sync")), "is not in sync with the master (sync)"),
    ("lag", WANTED, lambda: survey(is_replica(B, offset=-1)), "how far 10.0.1.2:6379 is behind is not known"),
    (
        "lag",
        replace(WANTED, max_behind=99),
        lambda: survey(is_replica(B, offset=900)),
        "10.0.1.2:6379 is 100 bytes behind, more than 99",
    ),
    ("lag", replace(WANTED, max_lag=0.5), survey, "was last heard by the master 1 s ago, more than 0.5 s"),
    ("coordinated", COORDINATED, survey, "COORDINATED needs Valkey 9"),
    ("coordinated", COORDINATED, lambda: versions("valkey 9.1.0", "valkey 9.1.0"), "may crash"),
    (
        "priorities",
        TO_C,
        lambda: survey(is_replica(C, may_set=False)),
        "may not CONFIG SET replica-priority on 10.0.1.3:6379",
    ),
    ("rights", WANTED, lambda: survey(may_order=dict.fromkeys(SENTINELS, False)), "add +sentinel|failover"),
]


@pytest.mark.parametrize(("id", "request_", "surveyed", "words"), REFUSALS, ids=[each[3][:40] for each in REFUSALS])
def test_check_refuses_and_says_why(
    id: str, request_: FailoverRequest, surveyed: Callable[[], Survey], words: str
) -> None:
    found = {each.id: each for each in plan(request_, surveyed()).refusals}
    assert id in found, found
    assert words in found[id].text


def test_every_check_has_a_case_that_refuses_or_warns() -> None:
    assert {row.id for row in CHECKS} - {each[0] for each in REFUSALS} == {"replicas"}


def test_healthy_deployment_passes_every_check() -> None:
    found = plan()
    assert [each for each in found.checks if each.result is not CheckResult.PASSED] == []
    assert (found.old, found.candidate, found.sentinel) == (A, B, SENTINELS[0])
    assert found.steps()[0].endswith(f"SENTINEL FAILOVER mymaster to {SENTINELS[0]}")


def test_replica_that_does_not_follow_is_a_warning_only() -> None:
    found = plan(of=survey(silent(C)))
    assert not found.refusals
    assert [each.text for each in found.warnings] == ["no replica of it now: 10.0.1.3:6379"]


def test_servers_that_can_coordinate_are_asked_for_it() -> None:
    found = plan(COORDINATED, versions("valkey 9.1.2", "valkey 9.1.2"))
    assert not found.refusals
    assert any("SENTINEL FAILOVER mymaster COORDINATED" in step for step in found.steps())


def test_other_node_than_that_of_if_master_needs_nothing() -> None:
    assert plan(replace(WANTED, if_master=A)).needed
    assert not plan(replace(WANTED, if_master=B)).needed
    assert not plan(replace(WANTED, to=A)).needed


def test_what_passes_by_itself_is_told_from_what_does_not() -> None:
    assert plan(of=survey(since_switch=1.0)).may_pass
    assert not plan(of=survey(since_switch=1.0, may_order={})).may_pass


def test_node_that_announces_another_name_follows_by_the_masters_word() -> None:
    named = is_replica(B, of=Address("redis-1", 6379))
    assert survey(named).follows(B, A)
    assert not survey(named, is_master(A, C)).follows(B, A)


def test_wanted_replica_gets_the_lowest_priority() -> None:
    assert plan(TO_C).changes == (PriorityChange(C, 100, 99),)
    assert plan(TO_C).candidate == C


def test_node_itself_knows_its_priority_better_than_the_sentinels() -> None:
    """The Sentinels' word is up to ten seconds old: what was put back a moment ago is not."""
    old = tuple(said(name, replicas=(seen(B), seen(C, priority=99))) for name in SENTINELS)
    found = plan(TO_C, survey(is_replica(C, priority=100), words=old))
    assert found.changes == (PriorityChange(C, 100, 99),)
    assert found.priorities == {B: 100, C: 99}


def test_sentinel_must_show_every_priority_as_it_is() -> None:
    """Between equal priorities offsets decide, so that a Sentinel may choose the wanted one by chance."""
    by_chance = said(SENTINELS[0], replicas=(seen(B, offset=1), seen(C, offset=2)))
    assert not shows_preference(by_chance, {B: 100, C: 99}, C)
    assert shows_preference(said(SENTINELS[0], replicas=(seen(B), seen(C, priority=99))), {B: 100, C: 99}, C)
    assert not shows_preference(said(SENTINELS[0], replicas=(seen(B), seen(C, priority=99))), {B: 98, C: 99}, C)


@pytest.mark.parametrize(
    ("priorities", "changes"),
    [
        ({B: 100, C: 100}, (PriorityChange(C, 100, 99),)),
        ({B: 100, C: 99}, ()),
        ({B: 1, C: 100}, (PriorityChange(C, 100, 1), PriorityChange(B, 1, 2))),
        ({B: 1, C: 1}, (PriorityChange(B, 1, 2),)),
        ({B: 0, C: 100}, ()),
        ({B: 2, C: 100}, (PriorityChange(C, 100, 1),)),
        ({C: 100}, ()),
    ],
)
def test_least_changes_make_a_replica_preferred(
    priorities: dict[Address, int], changes: tuple[PriorityChange, ...]
) -> None:
    assert prefer(C, priorities) == changes
    after = priorities | {each.node: each.during for each in changes}
    assert min((value, node) for node, value in after.items() if value > 0)[1] == C


def test_rolling_restart_ends_with_the_master() -> None:
    assert restart_order(A, (C, A, B)) == (B, C, A)


def test_each_check_is_a_value() -> None:
    assert all(isinstance(each, PlanCheck) and each.text for each in plan().checks)
