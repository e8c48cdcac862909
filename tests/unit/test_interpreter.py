"""A process that is the daemon sets its interpreter, and what lives as long as it is not searched for garbage."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from switchmaster.server import interpreter


def test_objects_of_the_start_are_spared_and_later_ones_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "FREEZE_AT", (0.0, 0.01))
    frozen, threshold, interval = gc.get_freeze_count(), gc.get_threshold(), sys.getswitchinterval()
    lasting = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    try:
        asyncio.run(interpreter.tune_interpreter())
        assert gc.get_freeze_count() >= frozen + len(lasting)
        assert gc.get_threshold()[0] > threshold[0]
        assert sys.getswitchinterval() < interval
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
