"""
Two minutes of chaos among real servers, by a new seed each time: what was reported is what happened.

``make chaos SECONDS=... SEED=...`` does the same for any length.
"""

from __future__ import annotations

import random

import pytest

from chaos.story import tell
from chaos.table import table
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import find_binaries

pytestmark = [
    pytest.mark.live,
    # slow: faults take their time; the more of them, the better.
    pytest.mark.slow,
    pytest.mark.timeout(400),
]

SECONDS = 105.0
"""With start and peace some 2.2 minutes."""


def test_what_is_told_is_what_happened() -> None:
    find_or_skip(None)
    seed = random.SystemRandom().randrange(10**6)
    # 6.2 has no part in it: a Sentinel that lost its configuration stays a ghost there.
    able = [
        binary for binary in find_binaries() if binary.kind == "valkey" or binary.version >= (7,)
    ] or find_binaries()
    binary = random.Random(seed).choice(able)
    print(f"seed {seed}, {binary.describe()}")
    outcome = tell(binary, seed, SECONDS)
    print(table(outcome))
    assert outcome.findings() == [], outcome.transcript()
