"""A client's bytes become the same commands however they are cut, and hostile bytes end the stream within bounds."""

from __future__ import annotations

import fnmatch
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.relay_scene import request
from switchmaster.relay.channel_glob import matches_glob
from switchmaster.relay.request_reader import BULK_BYTES_MAX, REQUEST_BYTES_MAX, WORDS_MAX, RequestReader

STREAM = (
    request("PING")
    + b"PING 'a b' \"x\\n\\x41\"\r\n\r\n*0\r\n"
    + request("SENTINEL", "GET-MASTER-ADDR-BY-NAME", b"\xff\r\n$3")
    + b"*-1\r\nping\n"
    + request("PING", "")
)
COMMANDS = [
    (b"PING",),
    (b"PING", b"a b", b"x\nA"),
    (),
    (),
    (b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", b"\xff\r\n$3"),
    (),
    (b"ping",),
    (b"PING", b""),
]


def read(*chunks: bytes, trusted: bool = True) -> tuple[list[tuple[bytes, ...]], str]:
    reader = RequestReader()
    reader.trusted = trusted
    commands = []
    for chunk in chunks:
        reader.feed(chunk)
        while (command := reader.next_command()) is not None:
            commands.append(command)
    return commands, reader.broken


def test_both_forms_of_a_request_are_read() -> None:
    assert read(STREAM) == (COMMANDS, "")


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_how_the_bytes_are_cut_makes_no_difference(places: list[int]) -> None:
    cuts = sorted({0, len(STREAM), *places})
    assert read(*(STREAM[a:b] for a, b in itertools.pairwise(cuts))) == (COMMANDS, "")


@given(st.binary(max_size=200), st.integers(1, 7))
def test_any_bytes_give_the_same_commands_whole_and_in_pieces(data: bytes, size: int) -> None:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert read(*pieces) == read(data)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=9))
def test_every_word_comes_back_as_it_was_sent(words: list[bytes]) -> None:
    assert read(request(*words)) == ([tuple(words)], "")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*12345678901", "invalid multibulk length"),
        (b"*%d\r\n" % (WORDS_MAX + 1), "invalid multibulk length"),
        (b"*1\r\n+PING\r\n", "expected '$', got '+'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$%d\r\n" % (BULK_BYTES_MAX + 1), "invalid bulk length"),
        (b"*9\r\n" + 9 * (b"$%d\r\n%b\r\n" % (BULK_BYTES_MAX, BULK_BYTES_MAX * b"x")), "too big request"),
        (b"GET 'x\r\n", "unbalanced quotes in request"),
        (b"GET 'x'y\r\n", "unbalanced quotes in request"),
        (b"x" * (REQUEST_BYTES_MAX + 1), "too big inline request"),
    ],
)
def test_what_no_server_would_read_ends_the_stream(data: bytes, why: str) -> None:
    assert read(data) == ([], f"ERR Protocol error: {why}")
    assert read(request("PING") + data, request("PING")) == ([(b"PING",)], f"ERR Protocol error: {why}")


def test_a_stranger_may_send_only_short_commands() -> None:
    assert read(request(*(11 * ["x"])), trusted=False)[1] == "ERR Protocol error: unauthenticated multibulk length"
    assert read(request(*(10 * ["x"])), trusted=False)[1] == ""


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*", "+sdown", True),
        ("+*", "+sdown", True),
        ("-*", "+sdown", False),
        ("+switch-master*", "+switch-master", True),
        ("+s?own", "+sdown", True),
        ("[-+]sdown", "-sdown", True),
        ("[+-]sdown", "-sdown", False),  # a range from + to ], without an end
        ("[^+]sdown", "-sdown", True),
        ("[^-]sdown", "-sdown", False),
        ("[a-z]*", "sdown", True),
        ("[z-a]*", "sdown", True),
        (r"\*", "*", True),
        (r"\*", "x", False),
        ("+sdown[", "+sdown", False),
        ("", "", True),
        ("**", "", True),
        ("a", "", False),
    ],
)
def test_patterns_match_as_in_a_server(pattern: str, text: str, matches: bool) -> None:
    assert matches_glob(pattern.encode(), text.encode()) is matches


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_patterns_without_sets_match_as_those_of_a_shell(pattern: str, text: str) -> None:
    assert matches_glob(pattern.encode(), text.encode()) is fnmatch.fnmatchcase(text, pattern)


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_no_pattern_raises(pattern: bytes, text: bytes) -> None:
    matches_glob(pattern, text)


def test_a_hostile_pattern_costs_no_more_than_its_length() -> None:
    assert not matches_glob(b"*a" * 400 + b"b", b"a" * 1000)
