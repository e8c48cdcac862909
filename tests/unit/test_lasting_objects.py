"""What lives as long as the daemon is taken out of the garbage collector's sight, at the times that are given."""

from __future__ import annotations

import asyncio
import gc

import pytest

from switchmaster.server import lasting_objects


def test_objects_of_the_start_are_spared_and_later_ones_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting_objects, "AFTER", (0.0, 0.01))
    before = gc.get_freeze_count()
    lasting = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    try:
        asyncio.run(lasting_objects.spare_lasting_objects())
        assert gc.get_freeze_count() >= before + len(lasting)
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
