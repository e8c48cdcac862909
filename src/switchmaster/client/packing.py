"""
Commands packed as bytes, safe from signals.

The C code that packs for redis-py (hiredis) and for valkey-py (libvalkey) turns a number into text by Python's `repr`,
which runs pending signal handlers first; an exception that a handler raises there ends the process with a segmentation
fault. So no number gets there.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

__all__ = ["Packer", "careful"]

_NUMBERS: Final = frozenset({int, float})
_PLAIN: Final = frozenset({str, bytes})
_IN_C: Final = {"HiredisRespSerializer": "hiredis", "LibvalkeyRespSerializer": "libvalkey"}
"""The libraries' packers that are written in C, and the module that packs for each."""


class Packer:
    """
    Packs by another packer, to which it passes every number as text.

    Args:
        packer: one of the library's packers that are written in C.
        pack_plainly: the function by which it packs.
    """

    __slots__ = ("_pack", "_pack_plainly")

    def __init__(self, packer: Any, pack_plainly: Any) -> None:
        self._pack, self._pack_plainly = packer.pack, pack_plainly

    def pack(self, *words: Any) -> Any:
        """Pack the words of a command."""
        # Most commands are like this: no name of several words, and no buffer, which the library's packer looks for.
        # What is saved there pays for this layer.
        if _PLAIN.issuperset(map(type, words)) and words[0].isalpha():
            return [self._pack_plainly(words)]
        return self._pack(*(repr(word) if type(word) in _NUMBERS else word for word in words))


def careful(packer: Any) -> Any:
    """Return a packer that is safe from signals: one that is written in C gets no numbers."""
    module = _IN_C.get(type(packer).__name__)
    return packer if module is None else Packer(packer, import_module(module).pack_command)
