"""Whether a master would fail over: each reason why not, for each Sentinel, and what dies with a host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from recorded.inspections import disguise, sentinel_replies
from rig.viewpoints import NAMES, SENTINELS, A, B, C, other, replica, silent, view
from switchmaster.doctor.inspection import Inspection, SentinelInspection
from switchmaster.doctor.questions import Contact, read_sentinel
from switchmaster.errors import UsageError
from switchmaster.explain.forecast import Hindrance, Likelihood, forecast
from switchmaster.explain.losses import Dead, Fate, aftermath, hosts_of, read_dead, same_hosts
from switchmaster.explain.milestones import milestones
from switchmaster.explain.viewpoint import Viewpoint, viewpoints
from switchmaster.guard.promotable import PromotionRule
from switchmaster.model import Address, SentinelName, Stage

HEALTHY = [view(0), view(1), view(2)]
NO_REPLICAS: dict[str, Any] = {"replicas": (), "master": {"num_replicas": 0}}


def hindrances(views: list[Viewpoint]) -> list[tuple[Hindrance, ...]]:
    return [leader.hindrances for leader in forecast("mymaster", views).leaders]


def test_healthy_deployment_would_fail_over_whichever_sentinel_leads() -> None:
    made = forecast("mymaster", HEALTHY)
    assert made.likelihood is Likelihood.YES
    assert (made.address, made.winners) == (A, (B,))
    assert [leader.sentinel for leader in made.leaders] == NAMES
    assert {(each.known, each.usable, each.agreeing, each.voting, each.needed) for each in made.leaders} == {
        (3, 3, 3, 3, 2)
    }


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"tilt": True}, Hindrance.TILT),
        ({"simulates_failures": True}, Hindrance.WOULD_CRASH),
        ({"master": {"quorum": 4}}, Hindrance.QUORUM_TOO_HIGH),
        ({"master": {"flags": frozenset({"master", "failover_in_progress"})}}, Hindrance.RUNNING),
        (NO_REPLICAS, Hindrance.NO_REPLICA),
        ({"replicas": (replica(B, priority=0), replica(C, priority=0))}, Hindrance.NO_GOOD_REPLICA),
    ],
    ids=lambda value: str(value) if isinstance(value, Hindrance) else "",
)
def test_each_hindrance_of_a_sentinel_is_told(changed: dict[str, Any], expected: Hindrance) -> None:
    made = forecast("mymaster", [view(0, **dict(changed)), view(1), view(2)])
    assert made.leaders[0].hindrances == (expected,)
    assert made.leaders[1].succeeds
    everywhere = forecast("mymaster", [view(number, **dict(changed)) for number in range(3)])
    assert everywhere.likelihood is Likelihood.NO
    assert all(expected in leader.hindrances for leader in everywhere.leaders)


def test_dead_sentinels_count_in_the_majority() -> None:
    one_dead = [view(0, (2,)), view(1, (2,)), silent(2)]
    assert forecast("mymaster", one_dead).likelihood is Likelihood.YES
    two_dead = [view(0, (1, 2)), silent(1), silent(2)]
    assert hindrances(two_dead)[0] == (Hindrance.NO_QUORUM, Hindrance.NO_MAJORITY)
    assert hindrances([view(0, (1, 2), master={"quorum": 1})])[0] == (Hindrance.NO_MAJORITY,)
    assert forecast("mymaster", two_dead).likelihood is Likelihood.NO


def test_votes_are_counted_from_the_flags_where_ckquorum_is_refused() -> None:
    (leader,) = forecast("mymaster", [view(0, (2,), quorum=None)]).leaders
    assert (leader.usable, leader.ckquorum, leader.succeeds) == (2, None, True)


def test_sentinel_in_tilt_votes_and_does_not_agree() -> None:
    made = forecast("mymaster", [view(0, (2,)), view(1, (2,), tilt=True, tilt_since=7), silent(2)])
    first, second, _ = made.leaders
    assert first.hindrances == (Hindrance.NO_QUORUM,)
    assert (first.agreeing, first.voting) == (1, 2)
    assert second.hindrances == (Hindrance.TILT,)
    assert made.likelihood is Likelihood.NO


def test_sentinel_that_does_not_monitor_the_master_can_not_vote() -> None:
    unaware = replace(silent(2), run_id=view(2).run_id, answers=True, reason="it does not monitor this master")
    made = forecast("mymaster", [view(0, (1,)), silent(1), unaware])
    assert made.leaders[0].hindrances == (Hindrance.NO_QUORUM, Hindrance.NO_MAJORITY)
    assert made.leaders[2].hindrances == (Hindrance.UNAWARE,)


def test_where_sentinels_judge_the_replicas_differently_it_depends_on_the_leader() -> None:
    gone = (replica(B, flags=frozenset({"slave", "s_down"})), replica(C, master_link_down_ms=280_000))
    made = forecast("mymaster", [view(0), view(1), view(2, replicas=gone)])
    assert made.likelihood is Likelihood.DEPENDS
    assert made.winners == (B,)
    assert made.leaders[2].hindrances == (Hindrance.NO_GOOD_REPLICA,)
    failed = [[check.rule for check in each.failed] for each in made.leaders[2].candidates]
    assert failed == [[PromotionRule.DOWN], [PromotionRule.LINK]]


def test_winners_differ_where_offsets_do() -> None:
    ahead = (replica(B, offset=1), replica(C, offset=2))
    assert forecast("mymaster", [view(0), view(1), view(2, replicas=ahead)]).winners == (B, C)


def test_replicas_that_are_not_announced_may_still_be_chosen() -> None:
    (leader,) = forecast("mymaster", [view(0, replicas=())]).leaders
    assert (leader.hidden, leader.winner, leader.hindrances) == (2, None, ())


def test_cooling_sentinels_wait_and_the_earliest_attempt_is_known() -> None:
    waits = dict(zip(NAMES, (30.0, 20.0, 40.0), strict=True))
    made = forecast("mymaster", HEALTHY, cooling=waits)
    assert made.likelihood is Likelihood.NO
    assert made.earliest_seconds == 20.0
    assert {leader.hindrances for leader in made.leaders} == {(Hindrance.COOLING_DOWN,)}
    one_free = forecast("mymaster", HEALTHY, cooling={NAMES[0]: 30.0, NAMES[1]: 20.0})
    assert (one_free.likelihood, one_free.earliest_seconds) == (Likelihood.YES, 0.0)


def test_votes_above_the_config_epoch_tell_of_an_attempt_without_a_switch() -> None:
    voted = replace(other(1), voted_leader=view(0).run_id, voted_leader_epoch=7)
    views = [view(0, others=(voted, other(2)), master={"config_epoch": 6})]
    assert forecast("mymaster", views).unknown_attempt == 7
    assert (
        forecast("mymaster", [replace(views[0], master=replace(HEALTHY[0].master, config_epoch=7))]).unknown_attempt
        is None
    )  # type: ignore[type-var]


# When --------------------------------------------------------------------------------------------


def test_steps_follow_the_quorums_down_after_and_the_parallel_syncs() -> None:
    downs = (10_000, 20_000, 60_000)
    views = [view(number, master={"down_after_ms": down}) for number, down in enumerate(downs)]
    steps = {step.stage: step for step in milestones(views)}
    assert steps[Stage.SUSPECTED].earliest == 10.0
    assert 20.0 < steps[Stage.AGREED_DOWN].earliest < steps[Stage.PROMOTED].earliest < 20.5
    assert steps[Stage.SETTLED].latest == pytest.approx(20.0 + 1.6 + 180.0)
    hang = {step.stage: step for step in milestones(views, hangs=True)}
    assert (hang[Stage.PROMOTED].latest or 0) - (steps[Stage.PROMOTED].latest or 0) == pytest.approx(1.0)


def test_sentinels_that_do_not_answer_are_taken_to_have_the_settings_of_the_others() -> None:
    assert milestones([view(0), silent(1), silent(2)]) == milestones(HEALTHY)
    assert milestones([silent(0)]) == milestones([]) == ()


# If hosts die ------------------------------------------------------------------------------------


def test_host_of_the_master_takes_a_sentinel_too_and_the_others_fail_it_over() -> None:
    made = aftermath("mymaster", HEALTHY, Dead(hosts=frozenset({A.host})))
    assert (made.fate, made.dies, made.sentinels_lost, made.replicas_lost) == (Fate.FAILS_OVER, True, (NAMES[0],), ())
    assert made.address == A
    assert made.forecast.winners == (B,)
    assert [leader.usable for leader in made.forecast.leaders] == [2, 2]


def test_two_hosts_take_the_majority() -> None:
    lost = aftermath("mymaster", HEALTHY, Dead(hosts=frozenset({A.host, B.host})))
    assert lost.fate is Fate.LOST
    assert lost.forecast.leaders[0].hindrances == (Hindrance.NO_QUORUM, Hindrance.NO_MAJORITY)
    kept = aftermath("mymaster", HEALTHY, Dead(hosts=frozenset({B.host, C.host})))
    assert (kept.fate, kept.dies, kept.replicas_lost) == (Fate.UNPROTECTED, False, (B, C))
    assert Hindrance.NO_GOOD_REPLICA in kept.forecast.leaders[0].hindrances


def test_single_servers_can_die() -> None:
    replicas = aftermath("mymaster", HEALTHY, Dead(servers=frozenset({B})))
    assert (replicas.fate, replicas.replicas_lost, replicas.forecast.winners) == (Fate.UNTOUCHED, (B,), (C,))
    sentinel = aftermath("mymaster", HEALTHY, Dead(servers=frozenset({SENTINELS[1]})))
    assert (sentinel.fate, sentinel.sentinels_lost) == (Fate.UNTOUCHED, (NAMES[1],))


def test_dead_things_are_named_by_host_server_or_zone() -> None:
    hosts = hosts_of(HEALTHY)
    assert hosts[A.host] == (f"Sentinel {NAMES[0]}", f"master {A}")
    zones = {A.host: "west", B.host: "west", C.host: "east"}
    assert read_dead([A.host], hosts, {}) == Dead(hosts=frozenset({A.host}))
    assert read_dead([str(B)], hosts, {}) == Dead(servers=frozenset({B}))
    assert read_dead(["zone:west"], hosts, zones) == Dead(hosts=frozenset({A.host, B.host}))
    with pytest.raises(UsageError, match="zones with hosts: east, west"):
        read_dead(["zone:north"], hosts, zones)
    with pytest.raises(UsageError, match=r"its hosts: 10\.0\.1\.1, 10\.0\.1\.2, 10\.0\.1\.3"):
        read_dead(["10.9.9.9"], hosts, {})


def test_name_and_address_of_a_host_mean_the_same_host() -> None:
    def server(host: str, ip: str | None) -> SentinelInspection:
        address = Address(host, 26379)
        return read_sentinel(SentinelName(str(address)), address, True, Contact(dialled_ip=ip), {}, disguise)

    found = Inspection(
        "default", (server("node-1", A.host), server(B.host, "10.9.9.9"), server("lost", None)), (), 0, 0
    )
    same = same_hosts(found)
    assert same == (frozenset({"node-1", A.host}),)
    hosts = hosts_of(HEALTHY)
    for name in ("node-1", A.host):
        assert read_dead([name], hosts, {}, same) == Dead(hosts=frozenset({"node-1", A.host}))
    assert read_dead(["zone:x"], hosts, {"node-1": "x"}, same) == Dead(hosts=frozenset({"node-1", A.host}))
    with pytest.raises(UsageError, match="no server of this deployment is on 'node-2'"):
        read_dead(["node-2"], hosts, {}, same)


# From what was collected --------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["redis-6.2.14", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2"])
def test_recorded_sentinels_of_every_version_are_understood(version: str) -> None:
    name, address = SentinelName("127.0.0.1:26111"), Address("127.0.0.1", 26111)
    replies = sentinel_replies(version)
    sentinel = read_sentinel(name, address, True, Contact(round_trip=0.001), replies, disguise)
    found = Inspection("default", (sentinel,), (), 0.0, 0.1)
    (one,) = viewpoints(found.of_master("mymaster"))
    (leader,) = forecast("mymaster", [one]).leaders
    assert (leader.known, leader.usable, leader.quorum, leader.needed) == (3, 3, 2, 2)
    assert len(leader.candidates) == 2
    assert leader.succeeds
    assert one.uptime is not None
