"""The journal's JSON by msgspec is what `to_json` writes; stages that were written before are not written again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchmaster.account.record import StageRecord
from switchmaster.account.record_lines import stages_to_json
from switchmaster.journal.fast_json import fast_json
from switchmaster.line import to_json
from switchmaster.model import Address, Stage

TEXTS = st.text(st.sampled_from('ab"\\/\x00\x1f\n\x7fé\udcff\U0001f600'), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(1e-4, 1e15) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=3))
def test_lines_are_the_text_of_the_standard_library(line: dict[str, Any]) -> None:
    assert fast_json(line) == to_json(line)


@pytest.mark.parametrize("number", [0.0, -0.0, 1e-5, 2.5e-7, 1e16, 1.5e300, -3e-9])
def test_tiny_and_huge_numbers_are_the_same_numbers(number: float) -> None:
    assert str(json.loads(fast_json({"number": number}))["number"]) == str(number)


@pytest.mark.parametrize("text", ["\x7f", "\0", "é", "\udcff", "\U0001f600", '"\\/'])
def test_text_from_the_network_is_ascii(text: str) -> None:
    found = fast_json({"text": text, "place": Address(text, 1)})
    assert found.isascii()
    assert found == to_json({"text": text, "place": Address(text, 1)})


def test_a_value_that_json_has_not_is_refused() -> None:
    with pytest.raises(TypeError):
        fast_json({"value": object()})


def stages(*names: str, by: str = "a") -> tuple[StageRecord, ...]:
    return tuple(StageRecord(Stage(name), 1.0 + at, "s1", by, elapsed=float(at)) for at, name in enumerate(names))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (stages(), stages("suspected")),
        (stages("suspected"), stages("suspected")),
        (stages("suspected"), stages("suspected", "agreed-down", "electing")),
        (stages("suspected", "electing"), stages("suspected", "agreed-down", "electing")),
        (stages("suspected", by="b"), stages("suspected", "electing")),
        (stages("suspected", "electing"), stages("suspected")),
        (stages("suspected"), stages()),
    ],
)
def test_stages_that_were_written_before_are_written_as_if_they_were_not(
    before: tuple[StageRecord, ...], now: tuple[StageRecord, ...]
) -> None:
    assert stages_to_json(now, before=(before, stages_to_json(before))) == stages_to_json(now)
