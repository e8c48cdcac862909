"""How long a command may wait: the limits, by the phases of one master."""

from __future__ import annotations

import pytest

from switchmaster.core.gate import UNKNOWN, Limits, Phase, Standing, phase_of, replicas_of
from switchmaster.core.model import Address

A = Address("127.0.0.1", 27001)


def phase(standing: Standing, since: float = 100.0) -> Phase:
    return Phase(standing, A, since)


def test_open_phase_makes_nobody_wait() -> None:
    assert Limits().waits_until(phase(Standing.OPEN), 100.0) is None


def test_hold_ends_by_the_selection_however_late_a_command_comes() -> None:
    limits = Limits(hold=2.0)
    assert limits.waits_until(phase(Standing.HELD), 100.1) == 102.0
    assert limits.waits_until(phase(Standing.HELD), 101.9) == 102.0


def test_wait_for_a_failover_is_each_commands_own() -> None:
    limits = Limits(failover_wait=10.0)
    assert limits.waits_until(phase(Standing.FAILING), 100.0) == 110.0
    assert limits.waits_until(phase(Standing.FAILING), 105.0) == 115.0


def test_failover_of_which_nothing_is_heard_keeps_nobody_waiting_any_more() -> None:
    assert Limits(failover_wait=10.0).waits_until(phase(Standing.FAILING), 110.0) is None


@pytest.mark.parametrize("standing", [Standing.HELD, Standing.FAILING])
def test_limits_of_zero_turn_waiting_off(standing: Standing) -> None:
    assert Limits(hold=0.0, failover_wait=0.0).waits_until(phase(standing), 100.0) is None


def test_master_of_which_nobody_speaks_is_unknown() -> None:
    assert phase_of(None) is UNKNOWN
    assert replicas_of(None).usable == ()


def test_phases_that_say_the_same_are_told_from_others() -> None:
    assert phase(Standing.HELD).same(phase(Standing.HELD))
    assert not phase(Standing.HELD).same(phase(Standing.HELD, since=101.0))
    assert not phase(Standing.HELD).same(phase(Standing.OPEN))
    assert not phase(Standing.HELD).same(Phase(Standing.HELD, A, 100.0, next=Address("127.0.0.1", 27002)))
