"""
A command in the words of the protocol, though a signal comes in the midst of it.

The C code that packs for redis-py (hiredis) and for valkey-py (libvalkey) turns a number into text by Python's `repr`,
which looks for signals first; what a signal's handler raises there ends the whole process with a segmentation fault.
So no number gets there.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["Packer", "careful"]

_NUMBERS: Final = frozenset({int, float})


class Packer:
    """
    Packs as another packer does, which gets every number as text.

    Args:
        packer: one of the library's that is written in C.
    """

    __slots__ = ("_pack",)

    def __init__(self, packer: Any) -> None:
        self._pack = packer.pack

    def pack(self, *words: Any) -> Any:
        """Pack the words of a command."""
        if _NUMBERS.isdisjoint(map(type, words)):
            return self._pack(*words)
        return self._pack(*(repr(word) if type(word) in _NUMBERS else word for word in words))


def careful(packer: Any) -> Any:
    """Return a packer that no signal hurts: one that is written in C gets no numbers."""
    return Packer(packer) if type(packer).__name__ in ("HiredisRespSerializer", "LibvalkeyRespSerializer") else packer
