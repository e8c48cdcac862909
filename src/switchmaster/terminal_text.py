"""
Text from the network, made harmless for a terminal.

`neutralise` replaces everything that a terminal interprets, hides or reorders by a backslash escape. All words that the
CLI prints go through it; JSON is ASCII anyway.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["neutralise"]

_UNSAFE: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\xad\u034f\u061c\u180e"  # invisible, or a mark of direction
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line ends, bidi overrides and isolates
    "\ud800-\udfff\ufeff\ufff9-\ufffb"  # surrogates: bytes that were not UTF-8
    "\u115f\u1160\u3164\uffa0"  # letters without a shape
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # marks that lay out other signs
    "\U000e0000-\U000e0fff"  # tags and other invisible marks
    "]"
)


def neutralise(text: str) -> str:
    r"""
    Escape what a terminal would interpret.

    Returns:
        The text with each such character as ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``; a byte that was
        not UTF-8 (kept by surrogateescape) as that byte's ``\xNN``. Existing backslashes stay
        single: the result is for reading, not for decoding.
    """
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
