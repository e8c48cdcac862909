"""
A diagnosis as lines: JSON values for programs, and one Markdown text for a ticket.

Kinds of lines: ``risk`` (what is at risk of one master), ``finding``, ``suppressed``, ``diagnosis`` (the sum, last).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from .examine import Diagnosis
from .inspection import Inspection
from .risk import Risk, risk_of
from .symptom import RULES, Finding, Severity

__all__ = ["DoctorLine", "DoctorReport", "diagnosis_lines", "diagnosis_rows", "markdown", "report_of"]

DoctorLine: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """One inspection, what was found in it, and the lines of that."""

    found: Inspection
    diagnosis: Diagnosis
    lines: tuple[DoctorLine, ...]


def report_of(found: Inspection, diagnosis: Diagnosis) -> DoctorReport:
    """Return an inspection and its diagnosis with their lines."""
    return DoctorReport(found, diagnosis, tuple(diagnosis_lines(found, diagnosis)))


def diagnosis_lines(found: Inspection, diagnosis: Diagnosis) -> Iterator[DoctorLine]:
    """Yield all lines of a diagnosis: risks, findings, suppressed findings, and the sum."""
    for master in found.each_master():
        yield _risk(found.deployment, risk_of(master))
    for one in diagnosis.findings:
        yield {"type": "finding", **_finding(found.deployment, one)}
    for one, cover in diagnosis.suppressed:
        reason = {"reason": cover.reason, "until": cover.until_wall}
        yield {"type": "suppressed", **_finding(found.deployment, one), **reason}
    yield {
        "type": "diagnosis",
        "deployment": found.deployment,
        "masters": len(found.masters),
        "sentinels": len(found.sentinels),
        "nodes": len(found.nodes),
        "errors": diagnosis.count(Severity.ERROR),
        "warnings": diagnosis.count(Severity.WARNING),
        "remarks": diagnosis.count(Severity.INFO),
        "suppressed": len(diagnosis.suppressed),
        "rules": len(RULES),
        "seconds": round(found.seconds, 3),
    }


def diagnosis_rows(found: Inspection, diagnosis: Diagnosis) -> Iterator[DoctorLine]:
    """Yield the same for a table: one row for each risk, and every value a word or a sentence."""
    for line in diagnosis_lines(found, diagnosis):
        whose = {"deployment": line["deployment"], "master": line.get("master")}
        for one in line.get("losses", ()):
            yield {"type": "risk", **whose, "subject": one["kind"], **one}
        for one in line.get("scenarios", ()):
            yield {"type": "risk", **whose, "subject": one["name"], **one}
        if line["type"] == "finding":
            shown = {
                "evidence": "; ".join(f"{seen['where']} {seen['seen']}" for seen in line["evidence"]),
                "mend": "; ".join(line["mend"]),
                "also": [also["rule"] for also in line["also"]],
            }
            yield {**line, **shown}
        elif line["type"] != "risk":
            yield line


def markdown(found: Inspection, diagnosis: Diagnosis) -> str:
    """Return a diagnosis as Markdown."""
    parts = [f"# Doctor: {_escaped(found.deployment)}\n"]
    for master in found.each_master():
        risk = risk_of(master)
        parts.append(f"\n## {_escaped(master.name)} at {_escaped(str(master.address))}\n\n| at risk | |\n|---|---|\n")
        parts += [f"| {one.kind} | {_mark(one.severity)}{_escaped(one.sentence)} |\n" for one in risk.losses]
        parts.append("\n| what happens | without a master | |\n|---|---|---|\n")
        parts += [f"| {one.name} | {_long(one.seconds)} | {_escaped(one.sentence)} |\n" for one in risk.scenarios]
    parts.append("\n## Findings\n" if diagnosis.findings else "\nNothing was found.\n")
    for one in diagnosis.findings:
        whose = f" ({_escaped(', '.join((one.master, *one.same_in)))})" if one.master is not None else ""
        parts.append(f"\n### {one.severity} {one.rule}: {_escaped(one.symptom.sentence)}{whose}\n\n")
        parts += [f"- {_escaped(seen.where)}: {_escaped(seen.value)}\n" for seen in one.symptom.seen]
        parts += [f"- also {also.rule}: {_escaped(also.symptom.sentence)}\n" for also in one.also]
        if one.symptom.mend:
            parts.append("\n```sh\n" + "".join(f"{_one_line(line)}\n" for line in one.symptom.mend) + "```\n")
    for one, cover in diagnosis.suppressed:
        parts.append(f"\nSuppressed: {one.rule}, {_escaped(one.symptom.sentence)} ({_escaped(cover.reason)})\n")
    return "".join(parts)


def _finding(deployment: str, one: Finding) -> DoctorLine:
    return {
        "deployment": deployment,
        "master": one.master,
        "same_in": list(one.same_in),
        "rule": one.rule,
        "severity": str(one.severity),
        "title": RULES[one.rule].title,
        "sentence": one.symptom.sentence,
        "evidence": [{"where": seen.where, "seen": seen.value} for seen in one.symptom.seen],
        "mend": list(one.symptom.mend),
        "also": [
            {"rule": also.rule, "severity": str(also.severity), "sentence": also.symptom.sentence} for also in one.also
        ],
    }


def _risk(deployment: str, risk: Risk) -> DoctorLine:
    return {
        "type": "risk",
        "deployment": deployment,
        "master": risk.master,
        "losses": [
            {
                "kind": one.kind,
                "severity": None if one.severity is None else str(one.severity),
                "sentence": one.sentence,
            }
            for one in risk.losses
        ],
        "scenarios": [{"name": one.name, "seconds": one.seconds, "sentence": one.sentence} for one in risk.scenarios],
    }


def _mark(severity: Severity | None) -> str:
    return "" if severity is None else f"**{severity}**: "


def _long(seconds: float | None) -> str:
    return "for ever" if seconds is None else f"{seconds:.1f} s"


def _escaped(text: str) -> str:
    """Return text of a peer's without the characters that Markdown obeys."""
    marks = "\\`*_[]<>|#"
    return "".join(f"\\{char}" if char in marks else char for char in _one_line(text))


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
