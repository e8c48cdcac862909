"""Lines for a narrow terminal: broken between words, so that no address is torn and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchmaster.cli.output import Words
from switchmaster.cli.wrap import wrap

SWITCH: Words = (
    ("mymaster      +0.269 s  ", ""),
    ("SWITCH          ", "bold"),
    ("127.0.0.1:15172 -> 127.0.0.1:15174  (epoch 1, grade promoted, from 127.0.0.1:15175 and 127.0.0.1:15176)", ""),
)


def text(words: Words) -> str:
    return "".join(part for part, _ in words)


@pytest.mark.parametrize("width", [80, 120])
def test_address_is_never_torn_and_continuations_are_indented(width: int) -> None:
    lines = [text(line) for line in wrap(SWITCH, width)]
    assert max(map(len, lines)) <= width
    assert len(lines) > 1
    assert [word for line in lines for word in line.split()] == text(SWITCH).split()
    column = text(SWITCH).index("127")
    assert all(line[:column].isspace() and not line[column].isspace() for line in lines[1:])


def test_fitting_lines_and_overlong_words_stay_whole() -> None:
    assert list(wrap((("short  ", ""), ("line", "bold")), 80)) == [(("short  ", ""), ("line", "bold"))]
    long = "x" * 200
    assert [text(line).strip() for line in wrap(((f"a word {long} b", ""),), 80)] == ["a word", long, "b"]
    assert [text(line) for line in wrap(((long, ""),), 80)] == [long]
    assert [text(line) for line in wrap((), 80)] == [""]


@given(st.lists(st.tuples(st.text(" ab:"), st.sampled_from(["", "bold"])), max_size=6), st.integers(1, 40))
def test_nothing_is_lost_or_moved(spans: list[tuple[str, str]], width: int) -> None:
    lines = list(wrap(tuple(spans), width))
    assert [word for line in lines for word in text(line).split()] == text(tuple(spans)).split()
