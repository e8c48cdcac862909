"""How long new connections of a proxy wait, by the belief and by whether the believed address refuses connections."""

from __future__ import annotations

import pytest

from switchmaster.follow.gate import UNKNOWN, GateState, Phase, WaitLimits
from switchmaster.model import Address
from switchmaster.proxy.master_lane import held_until

A = Address("10.0.0.1", 6379)
LIMITS = WaitLimits(hold=2.0, failover_wait=10.0)


@pytest.mark.parametrize(
    ("gate", "refused_since", "until"),
    [
        (GateState.OPEN, None, None),
        (GateState.HELD, None, 102.0),
        (GateState.FAILING, None, 110.0),
        (GateState.OPEN, 50.0, 60.0),
        # The agreement comes later than the refusal, and each of its stages is news.
        (GateState.FAILING, 98.0, 110.0),
        # The master dies in a planned failover, or after it was agreed to be down, as a hung one that is killed.
        (GateState.HELD, 101.0, 111.0),
        (GateState.FAILING, 105.0, 115.0),
    ],
)
def test_the_last_reason_to_wait_counts(gate: GateState, refused_since: float | None, until: float | None) -> None:
    assert held_until(Phase(gate, A, 100.0), refused_since, LIMITS) == until


def test_limits_of_zero_turn_waiting_off() -> None:
    off = WaitLimits(hold=0.0, failover_wait=0.0)
    for gate in (GateState.OPEN, GateState.HELD, GateState.FAILING):
        assert held_until(Phase(gate, A, 100.0), 50.0, off) is None
    assert held_until(Phase(GateState.HELD, A, 100.0), None, WaitLimits(hold=2.0, failover_wait=0.0)) == 102.0


def test_nothing_waits_where_nothing_is_believed() -> None:
    assert held_until(UNKNOWN, 50.0, LIMITS) is None
