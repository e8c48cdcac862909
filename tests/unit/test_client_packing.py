"""Commands are packed as the library packs them, and no number reaches the code in C."""

from __future__ import annotations

from typing import Any

import hiredis
import pytest
from redis.connection import HiredisRespSerializer
from redis.exceptions import DataError

from switchmaster.client import packing

COMMANDS: list[tuple[Any, ...]] = [
    ("GET", "key"),
    ("get", b"key"),
    (b"GET", "k\xe9y"),
    ("PING",),
    ("CONFIG GET", "save"),
    (b"CONFIG GET", "save"),
    ("CONFIG\tGET", "save"),
    (" GET ", "key"),
    ("JSON.GET", "key"),
    ("SET", "", b"\x00\r\n"),
    ("SET", "key", 7, "EX", 1.5),
    ("SET", "key", -(2**70)),
    ("SET", "key", bytearray(b"value")),
    ("SET", "key", memoryview(b"value")),
    ("SET", "key", "v" * 100_000),
    ("", "key"),
]


# Without memory addresses: every process that runs tests must give them the same names.
NAMES = [f"{number} {'-'.join(type(word).__name__ for word in words)}" for number, words in enumerate(COMMANDS)]


@pytest.mark.parametrize("words", COMMANDS, ids=NAMES)
def test_commands_are_packed_as_the_library_packs_them(words: tuple[Any, ...]) -> None:
    library = HiredisRespSerializer()
    assert packing.careful(library).pack(*words) == library.pack(*words)


def test_values_that_the_library_refuses_are_refused() -> None:
    packer = packing.careful(HiredisRespSerializer())
    for wrong in (None, object(), [1]):
        with pytest.raises(DataError):
            packer.pack("SET", "key", wrong)
    with pytest.raises(UnicodeEncodeError):
        packer.pack("SET", "\ud800")


@pytest.mark.parametrize("words", COMMANDS, ids=NAMES)
def test_no_number_is_passed_to_c_code(words: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Any] = []
    monkeypatch.setattr(hiredis, "pack_command", got.extend)
    packing.careful(HiredisRespSerializer()).pack(*words)
    assert got
    assert not [word for word in got if isinstance(word, (int, float))]
