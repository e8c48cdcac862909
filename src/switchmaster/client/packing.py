"""
A command in the words of the protocol, though a signal comes in the midst of it.

The C code that packs for redis-py (hiredis) and for valkey-py (libvalkey) turns a number into text by Python's `repr`,
which looks for signals first; what a signal's handler raises there ends the whole process with a segmentation fault.
So no number gets there.
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
    Packs as another packer does, which gets every number as text.

    Args:
        packer: one of the library's that is written in C.
        pack_plainly: the function that packs for it.
    """

    __slots__ = ("_pack", "_pack_plainly")

    def __init__(self, packer: Any, pack_plainly: Any) -> None:
        self._pack, self._pack_plainly = packer.pack, pack_plainly

    def pack(self, *words: Any) -> Any:
        """Pack the words of a command."""
        # What most commands are: the library's packer would look for what there is not, a name of several words and
        # a buffer. So this costs nothing, where one layer more for each command would.
        if _PLAIN.issuperset(map(type, words)) and words[0].isalpha():
            return [self._pack_plainly(words)]
        return self._pack(*(repr(word) if type(word) in _NUMBERS else word for word in words))


def careful(packer: Any) -> Any:
    """Return a packer that no signal hurts: one that is written in C gets no numbers."""
    module = _IN_C.get(type(packer).__name__)
    return packer if module is None else Packer(packer, import_module(module).pack_command)
