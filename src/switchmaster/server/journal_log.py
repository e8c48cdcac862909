"""
The log of what the journal has taken: each stage of a failover once, with the failover's id.

A line is logged after its entry was committed. While the database is unavailable it is logged when the first try has
failed, and carries ``journal=waiting``; every other line is about something that a kill can't take back.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from ..belief.words import SUSPICION_ENDED, record_words, stage_words
from ..errors import JournalUnavailable
from ..journal.entries import Entry, Seen, SwitchSeen
from ..journal.merge import Observation, merged
from ..journal.writer import Written
from ..render import Line

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
)


class JournalLog:
    """Logs what happens; called by the journal's thread."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, set[tuple[Any, ...]]] = OrderedDict()

    def written(self, news: Sequence[Written]) -> None:
        """Log what a commit added."""
        for one in news:
            self._tell(one.line, one.failover, {})

    def waiting(self, entries: Sequence[Entry], why: JournalUnavailable) -> None:
        """Log what could not be written at once."""
        for entry in entries:
            match entry:
                case Seen() | SwitchSeen():
                    self._tell(entry.line, None, {"journal": "waiting"})
                case Observation():
                    line = merged([("", entry)]).line
                    self._tell(line, f"{entry.deployment}/{entry.master}#{entry.number}", {"journal": "waiting"})

    def _tell(self, line: Line, failover: str | None, more: Line) -> None:
        fields = {"deployment": line.get("deployment"), "master": line.get("master"), "failover": failover, **more}
        match line["type"]:
            case "failover":
                self._failover(line, failover or "", fields)
            case "switch":
                _say(logging.WARNING, _switch(line), fields, epoch=line["epoch"], grade=line["grade"], why=line["why"])
            case "notice":
                level = logging.WARNING if line["kind"] in _ALARMING else logging.INFO
                _say(level, f"{line['master'] or line['deployment']}: {line['text']}", fields, kind=line["kind"])
            case "witness":
                _say(logging.DEBUG, f"{line['master']}: {len(line['witnesses'])} witnesses of the switch", fields)
            case "event":
                _say(logging.DEBUG, f"{line['channel']} {line['payload']}", fields, sentinel=line["sentinel"])
            case _:
                _say(logging.INFO, str(line.get("text", line["type"])), fields)

    def _failover(self, line: Line, failover: str, fields: Line) -> None:
        told = self._told.setdefault(failover, set())
        self._told.move_to_end(failover)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        if line["missed"] and ("missed",) not in told:
            told.add(("missed",))
            away = line["away"] or {}
            _say(
                logging.WARNING,
                f"{line['master']}: a failover was missed while away: {_arrow(line)}",
                fields,
                epoch=line["epoch"],
                after=away.get("after"),
                before=away.get("before"),
            )
        for stage in line["stages"]:
            key = (stage["stage"],) if stage["stage"] != "reconfiguring" else (stage["by"], str(stage.get("replica")))
            if key not in told:
                told.add(key)
                self._stage(line, stage, fields)
        ended = line["attempted"] or not any(stage["stage"] == "aborted" for stage in line["stages"])
        if line["closed"] and not line["missed"] and ended and ("closed",) not in told:
            told.add(("closed",))
            words = record_words(line["outcome"], line["attempted"], True, None)
            what = f"failover {words}" if line["attempted"] else words
            total = line["durations"].get("total")
            _say(logging.INFO, f"{line['master']}: {what}", fields, kind=line["kind"], total=total)

    def _stage(self, line: Line, stage: Line, fields: Line) -> None:
        words = stage_words(stage["stage"], line["attempted"])
        level = (
            logging.WARNING
            if stage["stage"] in ("agreed-down", "aborted") and words != SUSPICION_ENDED
            else logging.INFO
        )
        reason = f": {stage['reason']}" if stage.get("reason") else ""
        replica = stage.get("replica")
        _say(
            level,
            f"{line['master']}: {words}{reason}",
            fields,
            by=stage["by"],
            sentinel=stage["sentinel"],
            replica=None if replica is None else _shown(replica),
            epoch=line["epoch"],
        )


def _say(level: int, message: str, fields: Line, **more: Any) -> None:
    kept = {key: value for key, value in {**fields, **more}.items() if value is not None}
    _log.log(level, "%s", message, extra={"fields": kept})


def _switch(line: Line) -> str:
    return f"{line['master']}: SWITCH {_arrow(line)}"


def _arrow(line: Line) -> str:
    return f"{_shown(line['old'])} -> {_shown(line['new'])}"


def _shown(address: Line | None) -> str:
    if address is None:
        return "nowhere"
    host = f"[{address['host']}]" if ":" in address["host"] else address["host"]
    return f"{host}:{address['port']}"
