"""
The doctor of one deployment in the daemon: it inspects now and then, and reports which rules start and stop to fire.

Each inspection runs in a thread with a loop of its own, so that reading thousands of replies never holds up the
Watcher's loop. What other threads read is the last `DoctorReport`, an immutable value.

What fired when the daemon ended is in the journal's notices: a rule that still fires is not reported anew and keeps its
time, one that was mended meanwhile is reported as such.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from ..belief.decisions import Notice, NoticeKind
from ..doctor.diagnosis_lines import DoctorReport, report_of
from ..doctor.examine import examine
from ..doctor.inspection import Inspection
from ..doctor.symptom import Finding, Severity
from ..errors import JournalUnavailable
from ..net.inspector import Inspector
from ..render import Line, iso, seconds_of
from .settings.doctor_settings import DoctorSettings

__all__ = ["DeploymentDoctor", "still_firing"]

_log = logging.getLogger("switchmaster.doctor")

FIRST_AFTER: Final = 5.0
"""Seconds until the first inspection: what has just started with us is then up."""
_OF_INSPECTOR: Final = (
    *("deployment", "masters", "username", "password", "credentials", "tls"),
    *("node_username", "node_password", "node_credentials", "node_tls", "node_access", "address_map", "timeout"),
)
"""Those arguments of a Watcher that an Inspector takes too."""

_Key: TypeAlias = tuple[str, str | None]
"""A rule and a master; None for the whole deployment."""


class DeploymentDoctor:
    """
    Inspects one deployment every so often.

    Args:
        deployment: its name.
        arguments: those of its Watcher, ``sentinels`` included.
        settings: how often, and what is known.
        on_notice: takes what people should know.
        noticed: returns the journal's newest notices of this deployment, the newest first; may block and raise
            JournalUnavailable.
    """

    def __init__(
        self,
        deployment: str,
        arguments: Mapping[str, Any],
        settings: DoctorSettings,
        on_notice: Callable[[Notice], None],
        noticed: Callable[[], Iterable[Line]] = tuple,
    ) -> None:
        self._deployment, self._settings, self._on_notice = deployment, settings, on_notice
        self._arguments, self._noticed = arguments, noticed
        self.report: DoctorReport | None = None
        """The last one; None before the first, and where the doctor is off. Any thread may read it."""
        self._task: asyncio.Task[None] | None = None
        self._inside: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        """The loop and the task of the inspection under way, in its thread."""
        self._recalled = False
        """Whether the journal was asked what fired before."""
        self._firing: dict[_Key, str] = {}
        """What was reported as found, and not as mended: the sentence."""
        self._since: dict[_Key, float] = {}
        """The wall time of the first inspection in a row that found it, suppressed or not."""

    def start(self) -> None:
        """Begin to inspect, if that is configured."""
        if self._settings.every is not None:
            self._task = asyncio.create_task(self._run(), name=f"switchmaster: doctor of {self._deployment}")

    async def apply(self, settings: DoctorSettings) -> None:
        """Take other settings: the next inspection comes soon, unless nothing changed."""
        if settings != self._settings:
            await self.close()
            self._settings = settings
            self.start()

    async def close(self) -> None:
        """Stop; an inspection under way ends at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self.report = None

    async def _run(self) -> None:
        every = self._settings.every or 0.0
        await asyncio.sleep(min(FIRST_AFTER, every))
        while True:
            try:
                report = await self._look()
                await self._recall()
            except Exception:
                # One inspection that fails must not be the last; what it meets next time may be readable.
                _log.exception("the doctor of %s failed", self._deployment)
            else:
                self.report = self._dated(report)
                self._tell(report)
            await asyncio.sleep(every)

    async def _recall(self) -> None:
        """Take over from the journal what fired before this daemon started; once."""
        if self._recalled:
            return
        reading = asyncio.ensure_future(asyncio.to_thread(lambda: [*self._noticed()]))
        try:
            found = still_firing(await asyncio.shield(reading))
        except JournalUnavailable as error:
            _log.warning("the doctor of %s can't read what it found before: %s", self._deployment, error)
            found = {}
        except asyncio.CancelledError:
            await asyncio.gather(reading, return_exceptions=True)  # the journal is closed after us
            raise
        self._recalled = True
        self._since = {key: since for key, (since, _) in found.items()}
        self._firing = {key: sentence for key, (_, sentence) in found.items()}

    async def _look(self) -> DoctorReport:
        try:
            return await asyncio.to_thread(self._work)
        except asyncio.CancelledError:
            inside = self._inside
            if inside is not None:
                with contextlib.suppress(RuntimeError):  # its loop has ended meanwhile
                    inside[0].call_soon_threadsafe(inside[1].cancel)
            raise

    def _work(self) -> DoctorReport:
        async def collect() -> Inspection:
            task = asyncio.current_task()
            assert task is not None
            self._inside = asyncio.get_running_loop(), task
            try:
                given = {name: self._arguments[name] for name in _OF_INSPECTOR if name in self._arguments}
                return await Inspector(self._arguments["sentinels"], **given).inspect()
            finally:
                self._inside = None

        found = replace(asyncio.run(collect()), zones=self._settings.zones)
        return report_of(found, examine(found, self._settings.suppressions))

    def _dated(self, report: DoctorReport) -> DoctorReport:
        """Return a report whose findings say since when each is found."""
        wall = report.found.wall
        since: dict[_Key, float] = {}
        for line in report.lines:
            if line["type"] not in ("finding", "suppressed"):
                continue
            for each in (line, *line["also"]):
                keys = [(each["rule"], master) for master in (line["master"], *line["same_in"])]
                since.update({key: self._since.get(key, wall) for key in keys})
                each["since"] = iso(min(since[key] for key in keys))
        self._since = since
        return report

    def _tell(self, report: DoctorReport) -> None:
        """Report which rules fire now and did not before, and the reverse; remarks are not reported."""
        found = {
            (each.rule, master): each
            for each in _each(report.diagnosis.findings)
            if each.severity >= Severity.WARNING
            for master in dict.fromkeys((each.master, *each.same_in))
        }
        for key in found.keys() - self._firing.keys():
            sentence = found[key].symptom.sentence
            self._say(NoticeKind.DOCTOR_FOUND, key[1], f"{key[0]} {found[key].severity}: {sentence}")
        for key in self._firing.keys() - found.keys():
            self._say(NoticeKind.DOCTOR_MENDED, key[1], f"{key[0]} no longer: {self._firing[key]}")
        self._firing = {key: each.symptom.sentence for key, each in found.items()}

    def _say(self, kind: NoticeKind, master: str | None, text: str) -> None:
        loop = asyncio.get_running_loop()
        self._on_notice(Notice(kind, self._deployment, master, None, text, loop.time(), time.time()))


def still_firing(notices: Iterable[Line]) -> dict[_Key, tuple[float, str]]:
    """
    Return what fired last, by the notices of a deployment: since when (wall time), and the sentence.

    Args:
        notices: lines of the journal, the newest first; those of other kinds are ignored.
    """
    firing: dict[_Key, tuple[float, str]] = {}
    for line in reversed([*notices]):
        rule, _, rest = line["text"].partition(" ")
        if line["kind"] == NoticeKind.DOCTOR_FOUND:
            firing.setdefault((rule, line["master"]), (seconds_of(line["time"]), rest.partition(": ")[2]))
        elif line["kind"] == NoticeKind.DOCTOR_MENDED:
            firing.pop((rule, line["master"]), None)
    return firing


def _each(findings: Sequence[Finding]) -> Iterator[Finding]:
    for one in findings:
        yield one
        yield from one.also
