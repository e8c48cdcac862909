"""
The daemon's log of what happens: each stage of a failover once, with the failover's id.

A line is written after its entry was committed. If the database is away, it is written when the first attempt has
failed, and says ``journal=waiting``: every other line is of something that survives a kill.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from ..account.narrate import address, arrow, outcome_words, stage_name
from ..account.record import FailoverRecord, Observation, StageRecord
from ..account.record_lines import failover_from_line, switch_from_line, switch_to_line
from ..errors import JournalUnavailable
from ..journal.entries import Draft, Entry, Seen, SwitchSeen
from ..journal.merge import merged
from ..journal.writer import Written
from ..model import Stage
from ..render import Line, iso

__all__ = ["JournalLog"]

_log = logging.getLogger("switchmaster.watch")

REMEMBERED: Final = 2_000
"""Failovers whose logged stages are remembered; the oldest is forgotten first."""
_ALARMING: Final = (
    "second-master",
    "rogue",
    "disagreement",
    "missed",
    "limit",
    "no-failover",
    "not-monitored",
    "shared-id",
    "ghost",
    "master-restarted",
    "master-came-back-empty",
    "guard-ordered",
    "guard-would-order",
    "guard-refused",
    "guard-in-vain",
)
_UNDONE: Final = ("gave-up", "expired", "drifted")
"""Outcomes of actions after which their targets don't show the master, or were not told of it."""
_ACTION_FIELDS: Final = ("action", "outcome", "cause", "attempts", "seconds", "delivery", "epoch")


class JournalLog:
    """Logs what happens; called by the journal's thread."""

    def __init__(self) -> None:
        self._logged: OrderedDict[str, set[tuple[object, ...]]] = OrderedDict()

    def written(self, news: Sequence[Written]) -> None:
        """Log what a commit has added."""
        for one in news:
            if one.type == "failover":
                record = one.said if isinstance(one.said, FailoverRecord) else failover_from_line(one.said)
                self._failover(record, one.failover or "", {})
            else:
                self._line(one.line, one.failover, {})

    def waiting(self, entries: Sequence[Entry], why: JournalUnavailable) -> None:
        """Log what could not be written at once."""
        more = {"journal": "waiting"}
        for entry in entries:
            match entry.make() if isinstance(entry, Draft) else entry:
                case Seen() as seen:
                    self._line(seen.line, None, more)
                case SwitchSeen() as seen:
                    self._line(switch_to_line(seen.switch), None, more)
                case Observation() as seen:
                    record = merged([("", seen)])
                    self._failover(record, f"{seen.deployment}/{seen.master}#{seen.number}", more)

    def _line(self, line: Line, failover: str | None, more: Line) -> None:
        if line["type"] == "event" and not _log.isEnabledFor(logging.DEBUG):
            return  # events come by the thousand
        fields = {"deployment": line.get("deployment"), "master": line.get("master"), "failover": failover, **more}
        match line["type"]:
            case "switch":
                switch = switch_from_line(line)
                moved = arrow(switch.old, switch.new, "nowhere")
                what = {"epoch": switch.epoch, "grade": switch.grade, "why": switch.why}
                _say(logging.WARNING, f"{switch.master}: SWITCH {moved}", fields, **what)
            case "notice":
                level = logging.WARNING if line["kind"] in _ALARMING else logging.INFO
                _say(level, f"{line['master'] or line['deployment']}: {line['text']}", fields, kind=line["kind"])
            case "action":
                level = logging.WARNING if line["outcome"] in _UNDONE else logging.INFO
                _say(level, str(line["text"]), fields, **{name: line[name] for name in _ACTION_FIELDS})
            case "witness":
                _say(logging.DEBUG, f"{line['master']}: {len(line['witnesses'])} witnesses of the switch", fields)
            case "event":
                _say(logging.DEBUG, f"{line['channel']} {line['payload']}", fields, sentinel=line["sentinel"])
            case _:
                _say(logging.INFO, str(line.get("text", line["type"])), fields)

    def _failover(self, record: FailoverRecord, failover: str, more: Line) -> None:
        fields = {"deployment": record.deployment, "master": record.master, "failover": failover, **more}
        logged = self._logged.setdefault(failover, set())
        self._logged.move_to_end(failover)
        while len(self._logged) > REMEMBERED:
            self._logged.popitem(last=False)
        if record.missed and ("missed",) not in logged:
            logged.add(("missed",))
            moved = arrow(record.old, record.new, "nowhere")
            times = {} if record.away is None else {"after": iso(record.away.after), "before": iso(record.away.before)}
            text = f"{record.master}: a failover was missed while away: {moved}"
            _say(logging.WARNING, text, fields, epoch=record.epoch, **times)
        for entry in record.stages:
            if entry.key not in logged:
                logged.add(entry.key)
                _stage(record, entry, fields)
        ended = record.attempted or not any(entry.stage is Stage.ABORTED for entry in record.stages)
        if record.closed and not record.missed and ended and ("closed",) not in logged:
            logged.add(("closed",))
            words = outcome_words(record)
            what = f"failover {words}" if record.attempted else words
            total = record.durations.get("total")
            _say(logging.INFO, f"{record.master}: {what}", fields, kind=record.kind, total=total)


def _stage(record: FailoverRecord, entry: StageRecord, fields: Line) -> None:
    words = stage_name(record, entry)
    alarming = entry.stage is Stage.AGREED_DOWN or (entry.stage is Stage.ABORTED and record.attempted)
    _say(
        logging.WARNING if alarming else logging.INFO,
        f"{record.master}: {words}{f': {entry.reason}' if entry.reason else ''}",
        fields,
        by=entry.by,
        sentinel=entry.sentinel,
        replica=None if entry.replica is None else address(entry.replica),
        epoch=record.epoch,
    )


def _say(level: int, message: str, fields: Line, **more: Any) -> None:
    kept = {key: value for key, value in {**fields, **more}.items() if value is not None}
    _log.log(level, "%s", message, extra={"fields": kept})
