"""The walk of a guard from a lost connection to an order, and everything that ends it earlier."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rig.guard_cases import ARMED, SENTINELS, A, B, C, D, Guarded, node, sample, sentinel, word
from switchmaster.guard.case import OwnHealth
from switchmaster.guard.evidence import Dialled, ProcessState
from switchmaster.guard.master_guard import AGAIN, LONGER, ORDER_LIMIT, PATIENCE, SETTLED, GuardPhase
from switchmaster.guard.objections import OBJECTIONS
from switchmaster.guard.orders import Order
from switchmaster.guard.policy import Arming, Policy, Restart
from switchmaster.model import LIMITS, Address, Moment

DRY = replace(ARMED, arming=Arming.DRY_RUN)
EARLY = sample(sentinels=tuple(word(name, master={"flags": frozenset({"master"})}) for name in SENTINELS))
"""A sample that comes before the Sentinels have noticed."""
ALIVE = sample(dialled=Dialled.ACCEPTED)
EMPTY = sample(dialled=Dialled.ACCEPTED, sentinels=EARLY.sentinels)
"""What the witnesses say of a master that lives; its replicas still hold what they had."""


def restarted(**changed: object) -> object:
    return node(A, **{"run_id": "b" * 40, "lags": {}, **changed})


def test_death_that_two_samples_prove_is_ordered_once_and_verified() -> None:
    it = Guarded()
    it.lose()
    assert (it.guard.phase, it.collects) == (GuardPhase.SAMPLING, 1)
    it.sample(after=0.05)
    assert (it.guard.phase, it.guard.deadline) == (GuardPhase.WAITING, pytest.approx(it.now + 0.25))
    it.wait(0.25)
    assert it.collects == 2
    it.sample(after=0.05)
    assert it.orders == [Order("mymaster", SENTINELS[0], it.orders[0].why)]
    assert it.orders[0].why == (
        "10.0.1.1:6379 is dead: it refuses connections, 3 of 3 Sentinels and 2 of 2 replicas have lost it, 0.35 s ago"
    )
    assert it.guard.phase is GuardPhase.ORDERED
    it.answer()
    it.now += 0.1
    it.switch()
    assert it.notices == ["guard-ordered", "guard-verified"]
    assert it.texts[1] == "10.0.1.2:6379 is the master, 0.45 s after the loss of 10.0.1.1:6379 was noticed"
    assert it.guard.phase is GuardPhase.WATCHING
    assert it.guard.deadline is None
    assert {name: it.guard.counts[name] for name in ("walks", "samples", "orders", "verified", "in_vain")} == {
        "walks": 1,
        "samples": 2,
        "orders": 1,
        "verified": 1,
        "in_vain": 0,
    }


@pytest.mark.parametrize("urgent", [{"appends": False, "snapshots": False}, {}])
def test_one_sample_suffices_where_a_restart_would_wipe(urgent: dict[str, bool]) -> None:
    it = Guarded(replace(ARMED, restart=Restart.UNKNOWN if urgent else Restart.WIPES), **urgent)
    it.lose()
    it.sample()
    assert len(it.orders) == 1


def test_one_sample_suffices_without_a_grace() -> None:
    it = Guarded(replace(ARMED, grace=0.0))
    it.lose()
    it.sample()
    assert len(it.orders) == 1


def test_early_sample_is_no_verdict_and_another_is_collected() -> None:
    it = Guarded()
    it.lose()
    for pause in (AGAIN, LONGER * AGAIN, LONGER**2 * AGAIN):
        it.sample(EARLY)
        assert (it.guard.phase, it.guard.deadline) == (GuardPhase.WAITING, pytest.approx(it.now + pause))
        it.wait(pause)
    assert (it.collects, it.orders, it.notices) == (4, [], [])
    it.sample()
    it.wait(0.25)
    it.sample()
    assert len(it.orders) == 1


def test_doubt_after_a_proof_begins_the_grace_again() -> None:
    # Each second a Sentinel tries to reconnect, and says for a moment that it is connected.
    it = Guarded()
    it.lose()
    it.sample()
    it.wait(0.25)
    it.sample(EARLY)
    it.wait(AGAIN)
    it.sample()
    assert it.orders == []
    it.wait(0.25)
    it.sample()
    assert len(it.orders) == 1


def test_evidence_that_stays_incomplete_is_told_once_and_walked_again() -> None:
    it = Guarded()
    for _ in range(5):
        it.lose()
        begun = it.now
        while it.guard.phase is not GuardPhase.WATCHING:
            it.sample(replace(EARLY, replicas=(node(B, link_up=True), node(C))))
            it.wait(0.5)
        assert it.now >= begun + PATIENCE
    assert it.notices == ["guard-refused"]
    assert it.texts[0].startswith("10.0.1.1:6379 refuses connections, and no failover is ordered: 0 of 3 Sentinels")
    assert it.guard.objected == {"evidence": 5}


@pytest.mark.parametrize("dialled", [each for each in Dialled if each is not Dialled.REFUSED])
def test_master_that_does_not_refuse_ends_the_walk_silently(dialled: Dialled) -> None:
    it = Guarded()
    it.lose()
    it.sample(sample(dialled=dialled))
    assert (it.guard.phase, it.wanted[1:]) == (GuardPhase.WATCHING, [])


def test_master_that_is_alive_again_within_the_grace_ends_the_walk_silently() -> None:
    it = Guarded()
    it.lose()
    it.sample()
    it.wait(0.25)
    it.sample(ALIVE)
    assert (it.guard.phase, it.orders, it.notices) == (GuardPhase.WATCHING, [], [])


def test_answer_of_the_master_between_two_samples_takes_the_first_back() -> None:
    it = Guarded()
    it.lose()
    it.sample()
    it.now += 0.1
    it.report(node(A))
    it.wait(0.15)
    it.sample()
    assert it.orders == []
    it.wait(0.25)
    it.sample()
    assert len(it.orders) == 1


def test_process_that_runs_is_waited_for_and_told() -> None:
    it = Guarded()
    it.lose()
    while it.guard.phase is not GuardPhase.WATCHING:
        it.sample(sample(process=ProcessState.RUNNING))
        it.wait(0.5)
    assert it.texts == ["10.0.1.1:6379 refuses connections, and no failover is ordered: its process runs"]


GONE = sample(process=ProcessState.GONE)


def test_process_that_is_gone_is_no_reason_to_skip_the_grace() -> None:
    it = Guarded()
    it.lose()
    it.sample(GONE)
    assert (it.guard.phase, it.guard.deadline, it.orders) == (GuardPhase.WAITING, pytest.approx(it.now + 0.25), [])
    it.wait(0.25)
    it.sample(replace(ALIVE, process=ProcessState.GONE))  # its supervisor was quick
    assert (it.guard.phase, it.orders, it.notices) == (GuardPhase.WATCHING, [], [])


def test_process_that_is_gone_stays_dead_whatever_a_sentinel_says_for_a_moment() -> None:
    it = Guarded()
    it.lose()
    it.sample(GONE)
    it.wait(0.25)
    it.sample(replace(EARLY, process=ProcessState.GONE))
    assert len(it.orders) == 1
    assert "replicas have lost it, its process on this host is gone, " in it.orders[0].why


def test_process_that_is_gone_is_no_proof_alone() -> None:
    it = Guarded()
    for _ in range(2):
        it.lose()
        while it.guard.phase is not GuardPhase.WATCHING:
            it.sample(replace(EARLY, process=ProcessState.GONE))
            it.wait(0.5)
    assert it.orders == []


def test_answer_of_the_master_ends_the_certainty_too() -> None:
    it = Guarded()
    it.lose()
    it.sample(GONE)
    it.report(node(A))
    for _ in range(3):
        it.wait(0.25)
        it.sample(replace(EARLY, process=ProcessState.GONE))
    assert it.orders == []


# When a sample needs no further witness -----------------------------------------------------------


def test_sample_needs_no_further_witness_once_it_proves_the_death() -> None:
    it = Guarded()
    it.lose()
    for words, enough in ((1, False), (2, True), (3, True)):
        assert it.guard.suffices(it.case(sample=sample(sentinels=sample().sentinels[:words]))) is enough
    for lacking in (EARLY, ALIVE, sample(replicas=()), sample(process=ProcessState.RUNNING)):
        assert not it.guard.suffices(it.case(sample=lacking))


def test_sample_of_an_empty_master_needs_a_majority_of_the_sentinels() -> None:
    it = Guarded()
    it.report(restarted(keys=0))
    assert not it.guard.suffices(it.case(sample=replace(EMPTY, sentinels=EMPTY.sentinels[:1])))
    assert it.guard.suffices(it.case(sample=replace(EMPTY, sentinels=EMPTY.sentinels[:2])))


def test_sample_after_a_certain_death_still_needs_a_majority_of_the_sentinels() -> None:
    it = Guarded()
    it.lose()
    it.sample(GONE)
    it.wait(0.25)
    silent = replace(GONE, sentinels=(), replicas=())
    assert not it.guard.suffices(it.case(sample=silent))
    assert it.guard.suffices(it.case(sample=replace(silent, sentinels=EARLY.sentinels[:2])))


def test_sample_that_no_walk_waits_for_suffices() -> None:
    assert Guarded().guard.suffices(Guarded().case(sample=EARLY))


def test_sample_of_an_earlier_walk_is_ignored() -> None:
    it = Guarded(replace(ARMED, grace=0.0))
    it.lose()
    for stale in (replace(sample(), at=99.9), replace(sample(), master=D)):
        it.guard.sampled(it.case(sample=stale), it.moment)
    it.wanted += it.guard.decisions()
    assert (it.guard.phase, it.orders) == (GuardPhase.SAMPLING, [])


def test_sample_that_never_comes_ends_the_walk() -> None:
    it = Guarded()
    it.lose()
    it.wait(10.0)
    assert it.guard.phase is GuardPhase.WATCHING
    assert it.texts[0].endswith("no failover is ordered: no sample of evidence came")
    it.sample()
    assert it.orders == []


def test_loss_of_another_node_or_in_a_walk_begins_nothing() -> None:
    it = Guarded()
    it.lose(B)
    it.lose(D)
    assert it.collects == 0
    it.lose()
    it.lose()
    assert it.collects == 1


# Refusals -----------------------------------------------------------------------------------------


def test_objection_ends_the_walk_and_is_told_once_for_a_death() -> None:
    it = Guarded()
    for late in (1.0, 2.0, 3.0):  # other words each time
        it.lose()
        it.sample(own=OwnHealth(late=late))
        it.now += 1.0
    assert it.notices == ["guard-refused"]
    assert it.texts[0].endswith("no failover is ordered: this daemon was itself late by 1.00 s")
    assert it.guard.objected == {"late": 3}
    it.lose()
    it.sample(own=OwnHealth(late=1.0, maintenance=True))
    assert it.notices == ["guard-refused"] * 2
    it.report(node(A))  # it is well again
    it.lose()
    it.sample(own=OwnHealth(late=1.0))
    assert it.notices == ["guard-refused"] * 3
    assert it.collects == 5


def test_objection_at_the_second_sample_keeps_the_guard_from_acting_too() -> None:
    it = Guarded()
    it.lose()
    it.sample()
    it.wait(0.25)
    it.sample(sentinels={name: sentinel(name, tilt=name == SENTINELS[0]) for name in SENTINELS})
    assert it.orders == []
    assert it.guard.objected == {"tilt": 1}


def test_count_of_objections_is_bounded_by_their_ids() -> None:
    it = Guarded()
    for late in range(1, 50):
        it.lose()
        it.sample(own=OwnHealth(late=float(late), rivals=(str(late),)))
    assert it.guard.objected.keys() <= {each.id for each in OBJECTIONS} | {"evidence"}
    assert len(it.notices) == 1


# One order for each death -------------------------------------------------------------------------


def test_second_death_within_the_cool_down_is_for_people() -> None:
    it = Guarded()
    it.die()
    it.switch()
    it.now += 30.0
    it.lose()
    it.sample()
    assert len(it.orders) == 1
    assert it.texts[-1].endswith("the last failover or order was 30 s ago, within the cool-down of 60 s")
    it.now += 31.0
    it.die()
    assert len(it.orders) == 2


def test_order_that_is_refused_is_left_to_sentinel_and_not_repeated() -> None:
    it = Guarded()
    it.die()
    it.answer("NOGOODSLAVE No suitable replica to promote")
    for _ in range(20):
        it.wait(1.0)
        it.lose()
        it.sample()
    assert len(it.orders) == 1
    assert it.notices == ["guard-ordered", "guard-in-vain"]
    assert it.texts[1].startswith("10.0.0.1:26379 did not take the order: NOGOODSLAVE")
    assert it.guard.counts["in_vain"] == 1
    assert it.guard.objected == {"cool-down": 20}


def test_order_of_which_nothing_comes_is_given_up() -> None:
    it = Guarded()
    it.die()
    it.answer()
    assert it.guard.deadline == pytest.approx(it.now + ORDER_LIMIT)
    it.wait(ORDER_LIMIT)
    assert it.notices == ["guard-ordered", "guard-in-vain"]
    assert it.guard.phase is GuardPhase.WATCHING
    it.switch()  # Sentinel's own, later
    assert it.guard.counts["verified"] == 0


def test_switch_by_others_ends_a_walk_and_begins_the_cool_down() -> None:
    it = Guarded()
    it.lose()
    it.switch()
    assert (it.guard.phase, it.notices, it.guard.failed_over_at) == (GuardPhase.WATCHING, [], it.now)
    it.sample()
    assert it.orders == []


def test_sample_after_the_belief_has_moved_orders_nothing() -> None:
    it = Guarded(replace(ARMED, grace=0.0))
    it.lose()
    moved = it.case().state
    it.sample(state=replace(moved, address=B))
    assert (it.guard.phase, it.orders, it.notices) == (GuardPhase.WATCHING, [], [])


def test_loss_while_an_order_is_out_begins_nothing() -> None:
    it = Guarded()
    it.die()
    it.lose()
    assert it.collects == 2


# Whether it acts ----------------------------------------------------------------------------------


def test_disarmed_guard_collects_nothing() -> None:
    it = Guarded(Policy())
    it.lose()
    assert it.wanted == []


def test_dry_run_says_once_what_it_would_have_ordered() -> None:
    it = Guarded(DRY)
    it.die()
    for _ in range(5):
        it.now += 1.0
        it.lose()
        it.sample()
    assert (it.orders, it.notices) == ([], ["guard-would-order"])
    assert it.texts[0].endswith("10.0.0.1:26379 would have been asked for a failover, to 10.0.1.2:6379")


@pytest.mark.parametrize("at", ["first", "second"])
def test_guard_that_is_disarmed_during_a_walk_neither_orders_nor_speaks(at: str) -> None:
    it = Guarded()
    it.lose()
    if at == "second":
        it.sample()
        it.wait(0.25)
    it.guard.policy = replace(ARMED, arming=Arming.DISARMED)
    it.sample()
    assert (it.guard.phase, it.orders, it.notices) == (GuardPhase.WATCHING, [], [])


# Restarts -----------------------------------------------------------------------------------------


def test_empty_master_is_failed_over_without_a_proof_and_accounted_for() -> None:
    it = Guarded()
    it.report(restarted(keys=0, offset=0))
    assert it.notices == ["master-came-back-empty"]
    assert it.texts[0] == (
        "10.0.1.1:6379 has restarted without its data: 20000 keys before, 0 after; its replicas hold 20000 keys"
    )
    it.sample(EMPTY)
    assert [each.why for each in it.orders] == ["10.0.1.1:6379 came back empty"]
    it.now += 0.2
    it.switch()
    it.report(node(B, role="master", following=None, keys=20_000, offset=1_001))
    it.wait(SETTLED)
    assert it.notices == ["master-came-back-empty", "guard-ordered", "guard-verified", "master-restarted"]
    assert it.texts[-1] == (
        "after the restart of 10.0.1.1:6379: 10.0.1.1:6379 keys 20000 -> 0, offset 1000 -> 0; "
        "10.0.1.2:6379 keys 20000 -> 20000, offset 1000 -> 1001; 10.0.1.3:6379 keys 20000 -> 20000, offset 1000 -> 1000"
    )
    assert it.guard.counts["empty"] == it.guard.counts["restarts"] == 1


def test_empty_master_is_failed_over_though_its_shutdown_was_announced() -> None:
    it = Guarded()
    it.report(node(A, stopping=True))
    it.report(restarted(keys=3))
    it.sample(EMPTY)
    assert len(it.orders) == 1


def test_empty_master_whose_replicas_are_empty_too_is_told_alone() -> None:
    it = Guarded()
    it.report(restarted(keys=0))
    it.sample(replace(EMPTY, replicas=(node(B, keys=0, link_up=True), node(C, keys=0, link_up=True))))
    assert (it.orders, it.notices) == ([], ["master-came-back-empty", "guard-refused"])
    assert it.texts[1].startswith(
        "10.0.1.1:6379 came back empty, and no failover is ordered: 10.0.1.2:6379 has no more"
    )


def test_empty_master_within_the_cool_down_is_told_alone() -> None:
    it = Guarded()
    it.guard.failed_over_at = it.now - 1.0
    it.report(restarted(keys=0))
    it.sample(EMPTY)
    assert it.orders == []
    assert it.guard.objected == {"cool-down": 1}


@pytest.mark.parametrize("policy", [Policy(), DRY])
def test_empty_master_is_told_by_a_guard_that_does_not_act(policy: Policy) -> None:
    it = Guarded(policy)
    it.report(restarted(keys=0))
    it.sample(EMPTY)
    assert it.orders == []
    assert it.notices[0] == "master-came-back-empty"
    assert it.notices[1:] == ([] if policy.arming is Arming.DISARMED else ["guard-would-order"])


def test_restart_with_its_data_is_only_told() -> None:
    it = Guarded()
    it.report(restarted(keys=19_990))
    it.wait(SETTLED)
    assert (it.collects, it.notices) == (0, ["master-restarted"] * 2)
    assert it.texts[0].endswith("; 20000 keys before, 19990 after")
    assert it.guard.counts["restarts"] == 1
    assert it.guard.deadline is None


def test_restarted_master_is_judged_when_it_has_loaded_its_data() -> None:
    it = Guarded()
    for keys in (0, 10_000):
        it.report(restarted(keys=keys, loading=True))
    assert it.wanted == []
    it.report(restarted(keys=20_000))
    assert it.notices == ["master-restarted"]


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [(0, 0, 0), (None, 0, 9), (100, None, 100), (100, 2, 100), (100, 0, 0), (100, 0, None)],
)
def test_master_is_not_empty_if_it_kept_something_or_nothing_was_there(
    before: int | None, after: int | None, held: int | None
) -> None:
    it = Guarded()
    for address in (A, B, C):
        it.report(node(address, keys=before if address == A else held))
    it.report(restarted(keys=after))
    assert (it.guard.counts["empty"], it.collects) == (0, 0)


def test_master_counts_as_empty_though_writers_have_begun_again() -> None:
    it = Guarded()
    it.report(restarted(keys=200))
    assert it.guard.counts["empty"] == 1


def test_same_process_that_answers_again_is_no_restart() -> None:
    it = Guarded()
    it.report(node(A, keys=0))
    it.report(node(A, run_id="", keys=0))
    assert it.notices == []


def test_restart_of_a_replica_is_none_of_the_masters() -> None:
    it = Guarded()
    it.report(node(B, run_id="b" * 40, keys=0))
    assert it.wanted == []


def test_restart_after_an_order_is_told_and_orders_nothing_more() -> None:
    it = Guarded()
    it.die()
    it.report(restarted(keys=0))
    assert it.notices == ["guard-ordered", "master-came-back-empty"]
    it.sample(EMPTY)
    assert (len(it.orders), it.collects) == (1, 2)
    it.switch()
    assert it.notices[-1] == "guard-verified"


def test_second_restart_is_accounted_from_before_the_first() -> None:
    it = Guarded()
    it.report(restarted(keys=15_000))
    it.wait(1.0)
    it.report(restarted(run_id="c" * 40, keys=14_000))
    it.wait(SETTLED)
    assert "10.0.1.1:6379 keys 20000 -> 14000" in it.texts[-1]
    assert len(it.notices) == 3


def test_empty_restart_within_a_walk_takes_it_over() -> None:
    it = Guarded()
    it.lose()
    it.sample()
    it.report(restarted(keys=0))
    it.sample(EMPTY)
    assert len(it.orders) == 1


# Bounds -------------------------------------------------------------------------------------------


def test_reports_of_more_nodes_than_a_master_can_have_are_not_kept() -> None:
    it = Guarded()
    for number in range(LIMITS.replicas + 100):
        address = Address(f"10.7.{number // 250}.{number % 250}", 6379)
        it.guard.reported(node(address), it.case(), it.moment)
    assert len(it.guard.reports) == LIMITS.replicas + 1
    it.report(node(A, keys=7))
    assert it.guard.reports[A].keys == 7
    for address in list(it.guard.reports):
        it.guard.forgotten(address)
    it.guard.forgotten(A)
    assert it.guard.reports == {}


def test_hostile_reports_never_raise() -> None:
    it = Guarded()
    huge = 10**18
    it.report(node(A, keys=huge, offset=-huge))
    it.report(restarted(keys=0, offset=None))
    it.sample(replace(EMPTY, replicas=(node(B, keys=huge), node(C, keys=None))))
    it.wait(60.0)
    assert len(it.orders) == 1


def test_tick_before_its_time_does_nothing() -> None:
    it = Guarded()
    it.guard.tick(Moment(it.now))
    it.lose()
    it.sample()
    it.guard.tick(Moment(it.now))
    assert it.collects == 1
