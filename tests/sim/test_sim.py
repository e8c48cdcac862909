"""Five hundred stories and a long one: no invariant is broken, and a seed gives the same story twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sim.mutants import MUTANTS, Mutant, mutate
from sim.story import GUARDED_SHARE, tell
from switchmaster.guard.objections import OBJECTIONS

TESTS = Path(__file__).parents[1]
SEEDS = int(os.environ.get("SWITCHMASTER_SIM_SEEDS", "500"))
EACH = 50
"""Stories in one test, so that a failure is found soon."""
LONG = 600.0
"""Virtual seconds of trouble in the long story."""


@pytest.mark.parametrize("first", range(0, SEEDS, EACH))
def test_no_invariant_is_broken(first: int) -> None:
    for seed in range(first, min(first + EACH, SEEDS)):
        told = tell(seed)
        assert not told.failure, told.transcript()


def test_no_invariant_is_broken_in_one_long_story_of_a_new_seed() -> None:
    told = tell(random.SystemRandom().randrange(10**9), trouble=LONG)
    assert not told.failure, told.transcript()


def test_one_seed_gives_one_story_whatever_the_order_of_hashes() -> None:
    code = "import zlib; from sim.story import tell; print(zlib.crc32(repr(tell(7).lines).encode()))"
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashes in ("1", "2", "3")
    }
    assert len(told) == 1


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_matches_the_source(mutant: Mutant) -> None:
    assert mutate(mutant) != (mutant.path).read_text(encoding="utf-8")


def test_fault_in_the_product_is_caught_and_its_story_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    # `make mutants` does this for all mutants, this test for the one that every story catches.
    monkeypatch.setattr("switchmaster.belief.decide.Belief._witness", lambda self, view: None)
    failed = [told for seed in range(20) if (told := tell(seed)).failure]
    assert failed
    assert failed[0].transcript().startswith(f"seed {failed[0].seed}: ")
    assert "SWITCH" in failed[0].transcript()


GUARDED = range(1, 200, GUARDED_SHARE)


def test_guard_that_needs_no_evidence_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchmaster.guard.master_guard.doubts", lambda *_: ())
    failures = (told.failure for seed in GUARDED if (told := tell(seed)).failure)
    assert "which lives" in next(failures)


def test_guard_that_orders_twice_for_one_death_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful = tuple(each for each in OBJECTIONS if each.id not in ("cool-down", "under-way"))
    monkeypatch.setattr("switchmaster.guard.objections.OBJECTIONS", forgetful)
    monkeypatch.setattr("switchmaster.guard.master_guard.ORDER_LIMIT", 0.5)
    failures = (told.failure for seed in GUARDED if (told := tell(seed)).failure)
    assert "second" in next(failures)
