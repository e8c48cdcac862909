"""
All rules applied to one inspection: findings with one cause folded, suppressed ones apart, the gravest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from . import rules
from .inspection import Inspection
from .symptom import RULES, Finding, Severity, Symptom

__all__ = ["RULE_IDS", "Diagnosis", "Suppression", "examine"]

_ALL_RULES: Final = rules
"""Imported for its effect: it registers all rules."""
RULE_IDS: Final = frozenset(RULES)
"""The ids of all rules."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """An operator's word that a finding is known."""

    rule: str
    reason: str
    until_wall: float | None = None
    """Seconds since 1970; None for ever."""
    master: str | None = None
    """None for all masters, and for findings of the whole deployment."""

    def covers(self, finding: Finding, wall: float) -> bool:
        """Whether it holds for a finding at that time."""
        if finding.rule != self.rule or (self.until_wall is not None and wall >= self.until_wall):
            return False
        return self.master is None or self.master == finding.master


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found in one inspection."""

    findings: tuple[Finding, ...]
    """The gravest first; those with one cause are folded into the gravest of them."""
    suppressed: tuple[tuple[Finding, Suppression], ...]

    @property
    def worst(self) -> Severity | None:
        """The highest severity; None if nothing was found."""
        return max((one.severity for one in self.findings), default=None)

    def count(self, severity: Severity) -> int:
        """Return the number of findings of one severity, folded ones counted as one."""
        return sum(one.severity is severity for one in self.findings)


def examine(found: Inspection, suppressions: Sequence[Suppression] = ()) -> Diagnosis:
    """
    Apply every rule.

    Args:
        found: what was collected.
        suppressions: findings that are not reported; expired ones do nothing.
    """
    kept: list[Finding] = []
    suppressed: list[tuple[Finding, Suppression]] = []
    for finding in _findings(found):
        cover = next((one for one in suppressions if one.covers(finding, found.wall)), None)
        if cover is None:
            kept.append(finding)
        else:
            suppressed.append((finding, cover))
    return Diagnosis(tuple(_folded(kept)), tuple(suppressed))


def _findings(found: Inspection) -> Iterator[Finding]:
    masters = list(found.each_master())
    for one in RULES.values():
        if one.of_whole is not None:
            yield from _of(one.id, one.severity, None, one.of_whole(found))
        for master in masters if one.of_master is not None else ():
            assert one.of_master is not None
            yield from _of(one.id, one.severity, master.name, one.of_master(master))


def _of(rule: str, severity: Severity, master: str | None, symptoms: Iterable[Symptom]) -> Iterator[Finding]:
    return (Finding(rule, one.severity or severity, master, one) for one in symptoms)


def _over_masters(findings: Iterable[Finding]) -> list[Finding]:
    """Fold what was found of several masters in the same words."""
    groups: dict[tuple[str, Severity, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.rule, one.severity, one.symptom.sentence), []).append(one)
    return [
        replace(
            several[0], same_in=tuple(dict.fromkeys(each.master for each in several[1:] if each.master is not None))
        )
        for several in groups.values()
    ]


def _folded(findings: Sequence[Finding]) -> list[Finding]:
    """Fold findings of one master with one cause into the gravest, and sort: by severity, then as the rules come."""
    order = {rule: place for place, rule in enumerate(RULES)}
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for place, one in enumerate(findings):
        key = (one.master, one.symptom.cause) if one.symptom.cause else (place,)
        groups.setdefault(key, []).append(one)
    folded = []
    for several in groups.values():
        first, *others = sorted(several, key=lambda one: (-one.severity, order[one.rule]))
        folded.append(replace(first, also=tuple(others)))
    return sorted(_over_masters(folded), key=lambda one: (-one.severity, order[one.rule], one.master or ""))
