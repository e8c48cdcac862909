"""A terminal shows any text from the network and never obeys it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchmaster.terminal_text import neutralise


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mymaster", "mymaster"),
        ("主机 ключ é", "主机 ключ é"),
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("a\r\nb\tc\x00\x7f", "a\\x0d\\x0ab\\x09c\\x00\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe\u2069", "\\u202egnp.exe\\u2069"),
        ("a\u2028b\u200bc\ufeff", "a\\u2028b\\u200bc\\ufeff"),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), "\\xff\\xfe"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("a\u3164\u1160\uffa0b", "a\\u3164\\u1160\\uffa0b"),
        ("a\U0001d173\U0001bca0\U00013430b", "a\\U0001d173\\U0001bca0\\U00013430b"),
        ("\u0600١", "\u0600١"),
        ("[bold]x[/]", "[bold]x[/]"),
    ],
)
def test_neutralise_escapes_what_a_terminal_obeys(text: str, shown: str) -> None:
    assert neutralise(text) == shown


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_neutralised_text_is_printable_and_encodable(text: str) -> None:
    shown = neutralise(text)
    assert shown == shown.encode("utf-8").decode("utf-8")
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [c for c in shown if unicodedata.bidirectional(c) in ("RLO", "LRO", "RLI", "PDF")]


@given(st.text(max_size=50))
def test_neutralise_twice_changes_nothing_more(text: str) -> None:
    assert neutralise(neutralise(text)) == neutralise(text)
