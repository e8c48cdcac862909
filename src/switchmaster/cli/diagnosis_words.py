"""A diagnosis in words for people: what is at risk first, then the findings, the gravest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..doctor.examine import Diagnosis
from ..doctor.inspection import Inspection, MasterInspection
from ..doctor.risk import risk_of
from ..doctor.symptom import Finding, Severity
from .output import Words

__all__ = ["diagnosis_words"]

SEEN_SHOWN: Final = 6
MENDS_SHOWN: Final = 3
_STYLES: Final[Mapping[Severity | None, str]] = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFO: "dim",
    None: "",
}
_INDENT: Final = " " * 14


def diagnosis_words(found: Inspection, diagnosis: Diagnosis, everything: bool) -> Iterator[Words]:
    """
    Yield a diagnosis line by line.

    Args:
        found: what was collected.
        diagnosis: what the rules found in it.
        everything: also findings that are for information only, and all evidence.
    """
    for master in found.each_master():
        yield from _risk(master)
    hidden = 0
    for one in diagnosis.findings:
        if one.severity is Severity.INFO and not everything:
            hidden += 1
        else:
            yield from _finding(one, everything)
    for one, cover in diagnosis.suppressed:
        yield ((f"suppressed  {one.rule}  {one.symptom.sentence} ({cover.reason})", "dim"),)
    yield from _sum(found, diagnosis, hidden)


def _risk(master: MasterInspection) -> Iterator[Words]:
    risk, answers = risk_of(master), len(master.answers)
    yield (
        (master.name, "bold"),
        (f"  {master.address}, {len(master.replicas)} replicas, {answers} of {master.known_sentinels} Sentinels", ""),
    )
    yield (("  at risk", ""),)
    for one in risk.losses:
        yield ((f"    {one.kind:<13}  ", ""), (one.sentence, _STYLES[one.severity]))
    yield (("  without a master", ""),)
    for each in risk.scenarios:
        long, style = ("for ever", "bold red") if each.seconds is None else (f"{each.seconds:.1f} s", "")
        yield ((f"    {each.name:<13}  ", ""), (f"{long:<8}", style), (f"  {each.sentence}", ""))
    yield ()


def _finding(one: Finding, everything: bool) -> Iterator[Words]:
    more = f" and {len(one.same_in)} more masters" if one.same_in else ""
    whose = f"{one.master}{more}: " if one.master is not None else ""
    yield ((f"{one.severity!s:<8}", _STYLES[one.severity]), (f" {one.rule}  {whose}{one.symptom.sentence}", ""))
    seen = one.symptom.seen if everything else one.symptom.seen[:SEEN_SHOWN]
    for each in seen:
        yield ((f"{_INDENT}{each.where}  {each.value}", "dim"),)
    if len(seen) < len(one.symptom.seen):
        yield ((f"{_INDENT}and {len(one.symptom.seen) - len(seen)} more", "dim"),)
    for rule, sentence in dict.fromkeys((also.rule, also.symptom.sentence) for also in one.also):
        yield ((f"{_INDENT}also {rule}: {sentence}", ""),)
    mends = one.symptom.mend if everything else one.symptom.mend[:MENDS_SHOWN]
    for line in mends:
        yield ((f"{_INDENT}$ {line}" if line.startswith("redis-cli") else f"{_INDENT}{line}", "cyan"),)
    if len(mends) < len(one.symptom.mend):
        yield (
            (f"{_INDENT}and {len(one.symptom.mend) - len(mends)} more commands like this (--all shows them)", "dim"),
        )


def _sum(found: Inspection, diagnosis: Diagnosis, hidden: int) -> Iterator[Words]:
    errors, warnings = diagnosis.count(Severity.ERROR), diagnosis.count(Severity.WARNING)
    style = _STYLES[diagnosis.worst if diagnosis.worst is not Severity.INFO else None]
    yield (
        (f"{errors} errors, {warnings} warnings", style),
        (f"{f', {hidden} remarks (--all shows them)' if hidden else ''}; {len(found.sentinels)} Sentinels and ", ""),
        (f"{len(found.nodes)} nodes in {found.seconds:.1f} s", ""),
    )
