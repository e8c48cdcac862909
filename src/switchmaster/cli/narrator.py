"""
Failovers reported for people, stage by stage: values of the core in, lines of words out.

One `Narrator` reports one deployment. It remembers what it has reported, so that a record that grows with every stage
is reported stage by stage, each once, with the time since the first stage. It prints nothing and reads no clock; text
from the network is neutralised where it is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ..account.narrate import arrow, heading, stage_name, stage_sentence, verdict
from ..account.times import clock, day_and_clock
from ..belief.decisions import Notice, NoticeKind, Switch
from ..belief.failover import Failover, Outcome, StageEntry
from ..belief.words import SUSPICION_ENDED, record_words
from ..model import Stage, Via, Wall
from ..wire.events import EVENTS
from .output import Words

__all__ = ["Narrator"]

TOLD_KEPT: Final = 1_000
"""Attempts whose reported stages are remembered; the oldest is forgotten first."""
NAME_WIDTH: Final = 24
WHEN_WIDTH: Final = 12
WHAT_WIDTH: Final = len(SUSPICION_ENDED)

_RANK: Final = {stage: rank for rank, stage in enumerate(Stage)}
_STYLES: Final[Mapping[Stage, str]] = {
    Stage.SUSPECTED: "yellow",
    Stage.AGREED_DOWN: "red",
    Stage.PROMOTED: "bold green",
    Stage.SETTLED: "green",
    Stage.ABORTED: "bold red",
}
_NOTICE_STYLES: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.NO_FAILOVER: "bold red",
    NoticeKind.FAILOVER_POSSIBLE: "green",
}
_QUIET: Final = frozenset(spec.channel for spec in EVENTS if spec.quiet)
"""Events within a stage that mean nothing to people."""


class Narrator:
    """
    Reports what happens in one deployment, line by line.

    Args:
        masters: names that are known already, for the width of their column.
    """

    def __init__(self, masters: Iterable[str] = ()) -> None:
        self._width = 0
        self._told: dict[tuple[str, int], set[tuple[object, ...]]] = {}
        self._begun: dict[str, StageEntry] = {}
        """The first stage of the open attempt, by master."""
        for name in masters:
            self._widen(name)

    def failover(self, record: Failover, switch: Switch | None = None) -> list[Words]:
        """
        Report what is new in a record.

        Args:
            record: the record so far.
            switch: a switch to report between the stages, if the whole record comes at once.
        """
        told = self._told_of(record)
        news = [entry for entry in record.stages if _key(entry) not in told]
        news.sort(key=lambda entry: (entry.at, _RANK[entry.stage]))
        lines = self._heading(record) if not told and news else []
        for entry in news:
            told.add(_key(entry))
            if entry.by not in _QUIET:
                lines.append(self._stage(record, entry))
            if switch is not None and _decided_by(switch, entry):
                lines += self.switch(switch)
                switch = None
        if switch is not None:
            lines += self.switch(switch)
        if record.closed and ("closed",) not in told:
            told.add(("closed",))
            lines += self._closing(record)
            self._begun.pop(record.master, None)
        return lines

    def switch(self, switch: Switch) -> list[Words]:
        """Report a switch."""
        self._widen(switch.master)
        begun = self._begun.get(switch.master)
        when = clock(switch.time) if begun is None else _elapsed(begun, switch.at, switch.time)
        epoch = "" if switch.epoch is None else f"epoch {switch.epoch}, "
        cause = "" if switch.cause == "failover" else f", cause {switch.cause}"
        return [
            (
                *self._columns(switch.master, when, "SWITCH", "bold reverse green"),
                (arrow(switch.old, switch.new, "nowhere"), "bold"),
                (f"  ({epoch}grade {switch.grade}{cause})", ""),
            ),
            (*self._columns(switch.master, "", "", ""), (f"because {switch.why}", "dim")),
        ]

    def notice(self, notice: Notice) -> list[Words]:
        """Report a notice."""
        name = notice.master or ""
        self._widen(name)
        style = _NOTICE_STYLES.get(notice.kind, "")
        return [(*self._columns(name, clock(notice.time), "note", style or "yellow"), (notice.text, style))]

    def remark(self, time: Wall, what: str, text: str, style: str = "") -> Words:
        """Report something about the whole deployment, such as the loss of a Sentinel."""
        return (*self._columns("", clock(time), what, style), (text, ""))

    def _told_of(self, record: Failover) -> set[tuple[object, ...]]:
        key = (record.master, record.number)
        if key not in self._told:
            while len(self._told) >= TOLD_KEPT:
                del self._told[next(iter(self._told))]
            self._told[key] = set()
        return self._told[key]

    def _heading(self, record: Failover) -> list[Words]:
        self._widen(record.master)
        first = min(record.stages, key=lambda entry: (entry.at, _RANK[entry.stage]))
        self._begun[record.master] = first
        text = heading(record, first)
        when = day_and_clock(first.time)
        return [(), ((f"{record.master}: ", "bold"), (text, "bold"), (f"  {when}", "dim"))]

    def _stage(self, record: Failover, entry: StageEntry) -> Words:
        begun = self._begun.get(record.master, entry)
        what = stage_name(record, entry)
        columns = self._columns(
            record.master,
            _elapsed(begun, entry.at, entry.time),
            what,
            _STYLES.get(entry.stage, "cyan"),
        )
        text = stage_sentence(record, entry)
        source = "" if entry.sentinel is None else f"  ({entry.by} from {entry.sentinel})"
        return (*columns, (text, ""), (source, "dim"))

    def _closing(self, record: Failover) -> list[Words]:
        style = "green" if record.outcome is Outcome.COMPLETED else "red"
        what = record_words(record.outcome, record.attempted, record.closed, None)
        lines: list[Words] = []
        for text in verdict(record):
            lines.append((*self._columns(record.master, "", what, style), (text, style)))
            what = ""
        return lines

    def _columns(self, master: str, when: str, what: str, style: str) -> Words:
        return (
            (f"{master:<{self._width}}  ", "dim"),
            (f"{when:>{WHEN_WIDTH}}  ", ""),
            (f"{what:<{WHAT_WIDTH}} ", style),
        )

    def _widen(self, name: str) -> None:
        self._width = min(NAME_WIDTH, max(self._width, len(name)))


def _key(entry: StageEntry) -> tuple[object, ...]:
    if entry.stage is Stage.RECONFIGURING:
        return (entry.stage, entry.by, entry.replica)
    return (entry.stage,)


def _decided_by(switch: Switch, entry: StageEntry) -> bool:
    if switch.via is Via.SNAPSHOT:
        return False
    return entry.by == ("ROLE" if switch.via is Via.ROLE else str(switch.via))


def _elapsed(begun: StageEntry, at: float, time: Wall) -> str:
    return "" if time is None or begun.time is None else f"+{max(0.0, at - begun.at):.3f} s"
