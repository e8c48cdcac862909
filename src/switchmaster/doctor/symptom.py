"""
What a rule is, and what it finds: `rule` registers a function, `Symptom` is what it yields, `Finding` what is reported.

A rule is one function with one stable id. Its docstring is its documentation: the first paragraph says what, then
paragraphs that begin with ``Why:``, ``Mend:``, ``Source:`` and ``Versions:``; `sections` reads them. It takes what was
collected about one master, or about the whole deployment, and yields what is wrong. It never yields anything for a
value that could not be had.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from .inspection import Inspection, MasterInspection

__all__ = [
    "RULES",
    "Finding",
    "MasterRule",
    "Proof",
    "Rule",
    "Severity",
    "Symptom",
    "WholeRule",
    "rule",
    "sections",
]


class Severity(enum.IntEnum):
    """How much a finding matters."""

    INFO = 1
    """Worth knowing; no action is needed."""
    WARNING = 2
    """Makes a failover slower, or a second fault worse."""
    ERROR = 3
    """The next failover fails, or data can be lost."""

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Proof:
    """One value that was seen, and where."""

    where: str
    """A server's address, or a setting's name."""
    value: str


@dataclass(frozen=True, slots=True)
class Symptom:
    """What one rule found."""

    sentence: str
    """What is wrong, with the values."""
    seen: tuple[Proof, ...] = ()
    mend: tuple[str, ...] = ()
    """Exact commands or lines of configuration, one each; empty if the documentation says what to do."""
    severity: Severity | None = None
    """None for the rule's own."""
    cause: str = ""
    """Findings of one master with the same cause are one; empty for a cause of its own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A symptom with its rule and its place."""

    rule: str
    severity: Severity
    master: str | None
    """None if it concerns the whole deployment."""
    symptom: Symptom
    also: tuple[Finding, ...] = ()
    """Findings that have the same cause."""
    same_in: tuple[str, ...] = ()
    """Other masters of which the very same was found."""


MasterRule: TypeAlias = Callable[[MasterInspection], Iterator[Symptom]]
WholeRule: TypeAlias = Callable[[Inspection], Iterator[Symptom]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A registered rule: exactly one of its functions is set."""

    id: str
    severity: Severity
    text: str
    """Its docstring."""
    of_master: MasterRule | None = None
    of_whole: WholeRule | None = None

    @property
    def title(self) -> str:
        """What it finds, in one sentence."""
        return sections(self.text)["What"].partition("\n")[0]


RULES: Final[dict[str, Rule]] = {}
"""Every rule by its id, in the order of the documentation."""


class rule:  # used as a decorator
    """
    Register a function as a rule: ``@rule("Q01", Severity.ERROR)``, or ``@rule.whole(...)`` for one of a deployment.

    Args:
        rule_id: stable for ever: suppressions name it.
        severity: unless a symptom has its own.
    """

    def __init__(self, rule_id: str, severity: Severity) -> None:
        self._id, self._severity = rule_id, severity

    def __call__(self, check: MasterRule) -> MasterRule:
        """Register the rule of a master."""
        RULES[self._id] = Rule(self._id, self._severity, check.__doc__ or "", of_master=check)
        return check

    @staticmethod
    def whole(rule_id: str, severity: Severity) -> Callable[[WholeRule], WholeRule]:
        """Register the rule of a whole deployment."""

        def register(check: WholeRule) -> WholeRule:
            RULES[rule_id] = Rule(rule_id, severity, check.__doc__ or "", of_whole=check)
            return check

        return register


SECTIONS: Final = ("Why", "Mend", "Source", "Versions")
"""The paragraphs that every rule's docstring has, in this order, after the first."""


def sections(text: str) -> dict[str, str]:
    """Return the paragraphs of a rule's docstring by their first word; the first paragraphs are ``What``."""
    found: dict[str, list[str]] = {"What": []}
    current = "What"
    lines = [line[4:] if line.startswith("    ") else line.strip() for line in text.strip("\n").splitlines()]
    for line in lines:
        head, colon, rest = line.partition(":")
        if colon and head in SECTIONS:
            current, line = head, rest.strip()
        found.setdefault(current, []).append(line)
    return {head: "\n".join(part).strip() for head, part in found.items()}
