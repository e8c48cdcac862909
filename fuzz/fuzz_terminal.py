"""For any name, no line for people contains a character that a terminal interprets, hides or reorders."""

from __future__ import annotations

import io
import unicodedata
from contextlib import redirect_stderr, redirect_stdout

from drive import Target, main
from seeds import messages
from switchmaster.cli.output import COLUMNS, Output, complain
from switchmaster.render import event_line
from switchmaster.wire.grammar import parse_event

SHOWN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Format characters that have a shape: signs before numbers (Prepended_Concatenation_Mark)."""
FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters without a shape (Default_Ignorable_Code_Point)."""


def check(data: bytes) -> None:
    """Take text as a peer may have sent it, with a line feed between channel and payload."""
    channel, _, payload = data.partition(b"\n")
    event = parse_event(channel, payload)
    text = data.decode("utf-8", "surrogateescape")
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        Output("pretty").words(((text, "bold"), ("  ", ""), (str(event.master), "dim")))
        Output("tsv").line(event_line(text, event, None))
        complain(text)
    for stream in (out, err):
        stream.seek(0)
    pretty, row, *rest = out.read().split("\n")
    complaint, *more = err.read().split("\n")
    assert rest == more == [""], "one value took more than one line"
    assert len(row.split("\t")) == 1 + len(COLUMNS["event"])
    for line in (pretty, row.replace("\t", " "), complaint):
        assert not [char for char in line if is_obeyed(char)], repr(line)


def is_obeyed(char: str) -> bool:
    """Return whether a terminal may do more than show a character, by Unicode's own tables."""
    return char in FILLERS or (unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in SHOWN)


def seeds() -> list[bytes]:
    """Return recorded messages, and each character that a terminal may interpret in one of them."""
    found = [f"{channel}\n{payload}".encode("utf-8", "surrogateescape") for channel, payload in messages()]
    odd = [chr(code) for code in range(0x110000) if is_obeyed(chr(code)) and not 0xD800 <= code < 0xDC80]
    for at in range(0, len(odd), 8):
        word = "".join(char for char in odd[at : at + 8] if not 0xDD00 <= ord(char) < 0xE000)
        found.append(f"+sdown\nmaster m{word}m 127.0.0.1 6379".encode("utf-8", "surrogateescape"))
    return found


TARGET = Target(check, seeds, examples=400)

if __name__ == "__main__":
    main(TARGET, "terminal")
