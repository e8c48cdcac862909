"""For any file `replay` ends, and prints only lines of JSON and text without terminal controls."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout

from drive import Target, main
from seeds import transcripts
from switchmaster.account.transcript import merge, read_transcript
from switchmaster.cli.incidents import replay_material
from switchmaster.cli.output import COLUMNS, Output
from switchmaster.cli.sources import Material
from switchmaster.cli.verbs.replay import _lines, _tell


def check(data: bytes) -> None:
    """Take the bytes of a file, and report it in each form."""
    said = merge([read_transcript(data, "file")])
    for form in ("json", "tsv", "pretty"):
        written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
        with redirect_stdout(written), redirect_stderr(io.StringIO()):
            output, decided = Output(form), replay_material(Material(said, None, []), "default")
            lines_told = list(_lines(decided))
            if form == "pretty":
                _tell(output, decided)
            else:
                for line_told in lines_told:
                    output.line(line_told)
        written.seek(0)
        lines = written.read().split("\n")
        for line in lines:
            assert line.isascii() or form != "json"
            assert all(char.isprintable() or char == "\t" for char in line), repr(line)
        if form == "json":
            told = [json.loads(line) for line in lines if line]
            assert len(told) == len(lines_told)
        elif form == "tsv":
            for line in filter(None, lines):
                kind, *cells = line.split("\t")
                assert len(cells) == len(COLUMNS[kind]), repr(line)


def seeds() -> tuple[bytes, ...]:
    """Return recordings in the three forms, and an operator's notes."""
    return transcripts()


TARGET = Target(check, seeds, examples=300)

if __name__ == "__main__":
    main(TARGET, "replay")
