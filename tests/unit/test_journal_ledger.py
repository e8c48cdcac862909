"""The ledger with a Watch that asks: news about a switch after it was decided."""

from __future__ import annotations

from rig.api_rig import S1, A, B, C, FakeDeployment
from switchmaster.account.record import Observation, SwitchRecord
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
