"""
Drives one target for a given time: with coverage by atheris if it is installed, else by mutating its corpus.

``python fuzz/fuzz_grammar.py --seconds 60`` runs one target, ``make fuzz SECONDS=60`` each of them in turn. To get
coverage: ``.venv/bin/pip install -e .[fuzz]``. An input that breaks an invariant is written to a file whose name is
printed; pass that name to run it again. In CI `test_fuzz` drives the same targets by Hypothesis.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
# The recordings and their readers belong to the tests.
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent / "tests")]

from mutation import LONGEST, mutated, random_mutations  # noqa: E402  # as a script this is where the path begins

__all__ = ["Target", "main", "target_files"]


class Target(NamedTuple):
    """One invariant, and the recordings from which its inputs derive."""

    check: Callable[[bytes], None]
    """Raises if the invariant does not hold for an input."""
    seeds: Callable[[], Sequence[bytes]]
    examples: int = 300
    """How many inputs Hypothesis tries in CI; fewer if one input takes long."""


def target_files() -> list[Path]:
    """Return the files of the targets, one each."""
    return sorted(HERE.glob("fuzz_*.py"))


def main(target: Target, name: str) -> None:
    """Run one target from the command line."""
    parser = argparse.ArgumentParser(description=f"Fuzz {name}: {sys.modules['__main__'].__doc__}")
    parser.add_argument("inputs", nargs="*", type=Path, help="inputs to run once, instead of fuzzing")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to fuzz")
    parser.add_argument("--seed", type=int, help="makes mutation repeatable")
    parser.add_argument("--without-atheris", action="store_true", help="mutate the corpus even if atheris is installed")
    options = parser.parse_args()
    for path in options.inputs:
        target.check(path.read_bytes())
        print(f"{name}: {path} holds")
    if options.inputs:
        return
    if importlib.util.find_spec("atheris") is not None and not options.without_atheris:
        _by_coverage(target, name, options.seconds)
    else:
        _by_mutation(target, name, options.seconds, options.seed)


def _by_mutation(target: Target, name: str, seconds: float, seed: int | None) -> None:
    seed = random.randrange(2**32) if seed is None else seed
    chance, seeds = random.Random(seed), target.seeds()
    begun, count = time.monotonic(), 0
    while (elapsed := time.monotonic() - begun) < seconds:
        data = mutated(chance.choice(seeds), chance.choice(seeds), random_mutations(chance))
        count += 1
        try:
            target.check(data)
        except BaseException:
            print(f"{name}: broken by {_kept(name, data)}, after {count} inputs, --seed {seed}", flush=True)
            raise
    print(f"{name}: {count} inputs by mutation in {elapsed:.0f} s, {count / elapsed:.0f}/s, --seed {seed}", flush=True)


def _by_coverage(target: Target, name: str, seconds: float) -> None:
    import atheris

    corpus = HERE / ".corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = list(target.seeds())
    for data in seeds:
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.3:
            return atheris.Mutate(data, size)
        return mutated(data, chance.choice(seeds), random_mutations(chance))[:size]

    atheris.instrument_all()
    options = [f"-max_total_time={seconds:.0f}", f"-max_len={LONGEST}", "-timeout=20", "-print_final_stats=1"]
    artifacts = f"-artifact_prefix={HERE / '.broken' / name}-"
    (HERE / ".broken").mkdir(exist_ok=True)
    atheris.Setup([name, *options, artifacts, str(corpus)], target.check, custom_mutator=mutate)
    atheris.Fuzz()


def _kept(name: str, data: bytes) -> Path:
    folder = HERE / ".broken"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path


def _all() -> int:
    """Run each target in a process of its own, for the given time; return how many broke."""
    broken = 0
    for path in target_files():
        broken += subprocess.run([sys.executable, str(path), *sys.argv[1:]]).returncode != 0
    return broken


if __name__ == "__main__":
    sys.exit(min(1, _all()))
