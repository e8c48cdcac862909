"""Recordings of Sentinels: whole, or the part between two steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from switchmaster.account.transcript import Said, merge, read_transcript

RECORDED = Path(__file__).parent
CAPTURES = RECORDED / "captures"
NAMES = sorted(path.stem for path in CAPTURES.glob("*.jsonl") if not path.stem.endswith((".hello", ".steps")))


def steps_of(name: str) -> list[tuple[float, str]]:
    """Return the steps taken: seconds since 1970, and what was done to the deployment."""
    lines = (CAPTURES / f"{name}.steps.jsonl").read_text(encoding="utf-8").splitlines()
    return [(step["ts"], step["step"]) for step in map(json.loads, lines)]


def time_of_step(name: str, label: str) -> float:
    """Return the time of the first step that begins with a word."""
    return next(time for time, step in steps_of(name) if step.split()[0] == label)


def said_in(names: Sequence[str]) -> list[Said]:
    """Return what the Sentinels published, by names of recordings or of text files."""
    transcripts = []
    for name in names:
        path = CAPTURES / (name if name.endswith(".txt") else f"{name}.jsonl")
        path = path if path.exists() else RECORDED / "transcripts" / name
        transcripts.append(read_transcript(path.read_bytes(), path.name.split(".redis-cli")[0]))
    return merge(transcripts)
