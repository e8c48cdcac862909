"""Every fuzz target holds for its recordings, and for some hundreds of hostile versions of them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FUZZ = Path(__file__).parents[2] / "fuzz"
NAMES = sorted(path.stem for path in FUZZ.glob("fuzz_*.py"))
each_target = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files of fuzz/ find each other, as they do when one of them is run."""
    monkeypatch.setattr(sys, "path", [str(FUZZ), *sys.path])


def module_of(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.usefixtures("fuzz")
@each_target
def test_target_opens_with_its_invariant(name: str) -> None:
    first = (module_of(name).__doc__ or "").splitlines()[0]
    assert first.endswith(".")
    assert first[0].isupper()


@pytest.mark.usefixtures("fuzz")
@each_target
def test_target_holds_for_recordings(name: str) -> None:
    target = module_of(name).TARGET
    seeds = target.seeds()
    assert len(seeds) > 5
    for data in seeds[:: max(1, len(seeds) // 100)]:
        target.check(data)


@pytest.mark.usefixtures("fuzz")
@each_target
def test_target_holds_for_hostile_versions_of_recordings(name: str) -> None:
    target, mutation = module_of(name).TARGET, module_of("mutation")
    seeds = target.seeds()
    steps = st.builds(mutation.Mutation, st.sampled_from(mutation.KINDS), st.integers(0, 2**32 - 1))

    @settings(max_examples=target.examples)
    @given(st.sampled_from(seeds), st.sampled_from(seeds), st.lists(steps, max_size=8))
    def holds(data: bytes, other: bytes, steps: list[object]) -> None:
        target.check(mutation.mutated(data, other, steps))

    holds()


@pytest.mark.usefixtures("fuzz")
def test_mutation_is_repeatable_and_bounded() -> None:
    mutation = module_of("mutation")
    for kind in mutation.KINDS:
        steps = [mutation.Mutation(kind, number) for number in range(30)]
        once = mutation.mutated(b"*1\r\n$5\r\nhello\r\n" * 100, b"+OK\r\n", steps)
        assert once == mutation.mutated(b"*1\r\n$5\r\nhello\r\n" * 100, b"+OK\r\n", steps)
        assert len(once) <= mutation.LONGEST
        assert mutation.mutated(b"", b"", steps) is not None
