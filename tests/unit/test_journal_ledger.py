"""The ledger with a Watch that asks: news about a switch after it was decided."""

from __future__ import annotations

import pytest

from rig.api_rig import S1, A, B, C, FakeDeployment
from switchmaster.account.record import Observation, SwitchRecord
from switchmaster.belief.decisions import Notice, NoticeKind
from switchmaster.journal.entries import Entry, SwitchSeen
from switchmaster.model import Address
from switchmaster.wire.facts import Probe


def learned(told: FakeDeployment) -> list[Entry]:
    return list(told.ledger.end_turn(told.now))


def epochs(entries: list[Entry]) -> list[tuple[type[Entry], Address | None, int | None]]:
    found = [(type(one), one.switch if isinstance(one, SwitchSeen) else one) for one in entries]
    return [(kind, one.new, one.epoch) for kind, one in found if isinstance(one, Observation | SwitchRecord)]


def test_epoch_of_a_switch_is_recorded_when_a_sentinel_answers_with_it() -> None:
    told = FakeDeployment(probing=True)
    told.promote()
    assert epochs(told.entries)[-1] == (SwitchSeen, B, None)
    assert learned(told) == []
    told.answer(S1, B, 7)
    assert epochs(learned(told)) == [(Observation, B, 7), (SwitchSeen, B, 7)]
    assert learned(told) == []


def test_epoch_of_a_switch_is_not_given_to_the_one_before() -> None:
    told = FakeDeployment(probing=True)
    told.promote()
    told.promote(old=B, new=C)
    told.answer(S1, C, 8)
    assert epochs(learned(told)) == [(Observation, C, 8), (SwitchSeen, C, 8)]


def outcomes(told: FakeDeployment) -> list[tuple[int | None, str, bool, bool]]:
    """Return the final outcome of each record."""
    told.entries += learned(told)
    last = {one.number: one for one in told.entries if isinstance(one, Observation)}
    return [(one.epoch, one.outcome, one.closed, one.missed) for one in last.values()]


def test_abandoned_promotion_is_aborted_and_the_way_back_is_no_failover() -> None:
    told = FakeDeployment(probing=True)
    told.promote()
    told.give_up()
    [way, back] = [one.switch for one in told.entries if isinstance(one, SwitchSeen)]
    assert (way.new, back.new, back.incarnation) == (B, A, 1)
    assert outcomes(told) == [(None, "aborted", True, False)]
    last = [one for one in told.entries if isinstance(one, Observation)][-1]
    assert (last.reason or "").startswith("the promotion was given up, and the master is 10.0.1.1:6379 again: ")


def test_failover_whose_leader_comes_back_after_the_way_back_is_completed_after_all() -> None:
    told = FakeDeployment(probing=True)
    told.promote()
    told.give_up()
    told.now += 30
    told.answer(S1, B, 7)
    told.tell(None, Probe(B, "master"))
    assert [one.switch.new for one in told.entries if isinstance(one, SwitchSeen)] == [B, A, B]
    assert outcomes(told) == [(7, "completed", True, False)]


# What the guard says ------------------------------------------------------------------------------


def guard_says(told: FakeDeployment, kind: NoticeKind, text: str = "why", ago: float = 0.0) -> None:
    at = told.now - ago
    told.entries += told.ledger.notice(Notice(kind, "kvdb", "mymaster1", None, text, at, at))


def guarded(told: FakeDeployment) -> dict[int, list[str]]:
    """Return what the guard said in each record, by the record's number."""
    last = {one.number: one for one in told.entries if isinstance(one, Observation)}
    return {number: [remark.kind for remark in one.remarks or ()] for number, one in last.items()}


def test_failovers_record_has_what_the_guard_said_before_it_and_after_it() -> None:
    told = FakeDeployment()
    guard_says(told, NoticeKind.GUARD_ORDERED, "it is dead")
    told.fail_over()
    guard_says(told, NoticeKind.GUARD_VERIFIED)
    told.now += 5
    guard_says(told, NoticeKind.MASTER_RESTARTED)
    assert guarded(told) == {1: ["guard-ordered", "guard-verified", "master-restarted"]}
    [remark, *_] = [one for one in told.entries if isinstance(one, Observation)][-1].remarks or ()
    assert (remark.origin, remark.sentinel, remark.text) == ("guard", False, "it is dead")


def test_failover_by_sentinel_says_why_the_guard_did_not_act_when_the_master_died() -> None:
    told = FakeDeployment()
    told.answer(S1)  # its snapshot says down-after
    guard_says(told, NoticeKind.GUARD_REFUSED)
    down_after = 30.0
    told.now += down_after
    told.fail_over()
    record = [one for one in told.entries if isinstance(one, Observation)][-1]
    expected = ["guard-refused"] if record.down_after == down_after else []
    assert guarded(told) == {1: expected}


def test_order_for_the_next_death_is_none_of_the_failover_before() -> None:
    told = FakeDeployment()
    told.fail_over()
    told.now += 1
    guard_says(told, NoticeKind.GUARD_ORDERED)
    assert guarded(told) == {1: []}
    told.fail_over(old=B, new=C, epoch=2)
    assert guarded(told) == {1: [], 2: ["guard-ordered"]}


@pytest.mark.parametrize("kind", [NoticeKind.MASTER_RESTARTED, NoticeKind.GUARD_IN_VAIN])
def test_account_of_a_restart_long_after_a_failover_is_none_of_it(kind: NoticeKind) -> None:
    told = FakeDeployment()
    told.fail_over()
    told.now += 31
    guard_says(told, kind)
    assert guarded(told) == {1: []}


def test_record_keeps_a_bounded_number_of_what_the_guard_says() -> None:
    told = FakeDeployment()
    for number in range(200):
        guard_says(told, NoticeKind.GUARD_REFUSED, str(number))
    told.fail_over()
    assert len(guarded(told)[1]) <= 64


def test_notices_that_are_not_the_guards_stay_out_of_the_record() -> None:
    told = FakeDeployment()
    guard_says(told, NoticeKind.SECOND_MASTER)
    told.fail_over()
    assert guarded(told) == {1: []}
