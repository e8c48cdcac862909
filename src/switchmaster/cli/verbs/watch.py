"""
`switchmaster watch`: follow a deployment live, until ^C, a time limit, or the first switch.

Standard output has the report, or lines of JSON or TSV, each flushed at once; standard error has Sentinels that are not
connected, and the number of missed events. ^C is the normal end of a watch: exit code 0.
"""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from ...belief.decisions import Notice, Switch
from ...belief.failover import Failover
from ...belief.topology import Topology
from ...errors import WaitTimeout
from ...model import SentinelName
from ...render import event_line, failover_line, notice_line, switch_line
from ...wire.facts import LinkState
from ..command_watcher import command_watcher, links_settled, report_unreached
from ..deployment_options import deployment_options, read_settings, sentinels_argument, to_seconds
from ..interrupt import Interrupt
from ..local_time import utc_option
from ..narrator import Narrator
from ..news_feed import NewsFeed
from ..output import Output, complain, format_option
from ..tree import master_rows

if TYPE_CHECKING:
    from ...net.heard import Heard
    from ...net.sync import Watcher

__all__ = ["LiveReport", "watch"]

News: TypeAlias = "Switch | Failover | Notice | Heard"
LOOK_AROUND_SECONDS: Final = 0.25
"""Seconds within which the loss of a Sentinel, or the end of the time limit, is noticed."""
MASTERS_SHOWN: Final = 50


@click.command()
@sentinels_argument
@click.option("--master", "names", multiple=True, metavar="NAME", help="Only this master; repeatable.")
@click.option("--events", is_flag=True, help="Also every event of every Sentinel, as it is published.")
@click.option(
    "--pattern",
    "patterns",
    multiple=True,
    metavar="GLOB",
    help="Only events whose channel matches, as in PSUBSCRIBE '+switch-master*'; repeatable.",
)
@click.option(
    "--grade",
    type=click.Choice(["announced", "promoted", "agreed"]),
    default="promoted",
    show_default=True,
    help="Lowest grade at which a switch is reported.",
)
@click.option("--until-switch", is_flag=True, help="Stop after the first switch.")
@click.option(
    "--timeout",
    metavar="S",
    callback=to_seconds,
    help="Stop after S seconds; with --until-switch the exit code is then 1.",
)
@utc_option
@format_option
@deployment_options()
def watch(
    sentinels: tuple[str, ...],
    names: tuple[str, ...],
    events: bool,
    patterns: tuple[str, ...],
    grade: str,
    until_switch: bool,
    timeout: float | None,
    form: str | None,
    **given: Any,
) -> None:
    """
    Follow a deployment live: failovers stage by stage, and each switch as soon as it is known.

    Ends with ^C (exit code 0), after --timeout, or with --until-switch.
    """
    deployment = read_settings(sentinels, given)
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        with command_watcher(deployment, names, grade=grade) as watcher:
            account = LiveReport(watcher, Output(form), patterns=patterns, events=events)
            account.begin(links_settled(watcher, deployment.timeout))
            switched = account.follow(deadline, _is_switch if until_switch else None)
    except KeyboardInterrupt:
        return
    if until_switch and not switched and timeout is not None:
        raise WaitTimeout("a switch", timeout, "the masters have not changed")


class LiveReport:
    """
    Prints news from a Watcher as it comes.

    Args:
        watcher: a running Watcher; callbacks are registered at once, so that nothing is missed from here on.
        output: where to print.
        patterns: channels of the events to print; if there are any, nothing else is printed.
        events: whether to print all events in addition to the rest.
    """

    def __init__(
        self,
        watcher: Watcher,
        output: Output,
        *,
        patterns: Sequence[str] = (),
        events: bool = False,
    ) -> None:
        self._watcher = watcher
        self._output = output
        self._feed: NewsFeed[News] = NewsFeed()
        self._patterns = [re.compile(_translate(pattern), re.DOTALL) for pattern in patterns]
        self._narrator = Narrator()
        self._interrupt = Interrupt()
        self._links: dict[SentinelName, tuple[bool, bool]] = {}
        """Whether each Sentinel is connected, and whether it is in TILT."""
        self._version = -1
        self._open: dict[tuple[str, int], Failover] = {}
        """Open records, for formats that have one line for each."""
        self._take(watcher, events)

    def begin(self, topology: Topology) -> None:
        """
        Print the connected Sentinels and the belief at the start; report unreachable Sentinels on standard error.
        """
        self._narrator = Narrator(list(topology.masters)[:MASTERS_SHOWN])
        report_unreached(topology)
        self._links = {name: _link(topology, name) for name in topology.sentinels}
        self._version = topology.version
        if self._output.form == "pretty":
            self._head(topology)

    def follow(self, deadline: float | None, until: Callable[[News], bool] | None = None) -> bool:
        """
        Print until the deadline, or forever.

        Args:
            deadline: in seconds of `time.monotonic`; None for no end.
            until: returns for each printed item whether it is the last.

        Returns:
            Whether that item came.

        Raises:
            KeyboardInterrupt: ^C was pressed; open failovers have been written.
        """
        with self._interrupt:
            try:
                while deadline is None or time.monotonic() < deadline:
                    self._interrupt.check()
                    left = (
                        LOOK_AROUND_SECONDS
                        if deadline is None
                        else min(LOOK_AROUND_SECONDS, deadline - time.monotonic())
                    )
                    item = self._feed.take(max(0.0, left))
                    if item is not None and self._is_last(item, until):
                        return True
                    self._look_around()
                # What came before the deadline is printed, however slow the reader is.
                if any(self._is_last(item, until) for item in self._feed.drain()):
                    return True
                self._look_around()
            except KeyboardInterrupt:
                self._end()
                raise
            self._end()
            return False

    def _is_last(self, item: News, until: Callable[[News], bool] | None) -> bool:
        with self._interrupt.writing():
            self._tell(item)
        return until is not None and until(item)

    def _take(self, watcher: Watcher, events: bool) -> None:
        watcher.on_switch(self._feed.news)
        if events or self._patterns:
            watcher.on_event(self._take_event)
        if not self._patterns:
            watcher.on_failover(self._feed.news)
            watcher.on_notice(self._feed.news)

    def _take_event(self, heard: Heard) -> None:
        # In the Watcher's thread: unwanted events must not fill the feed.
        if not self._patterns or any(p.fullmatch(heard.event.channel) for p in self._patterns):
            self._feed.event(heard)

    def _tell(self, item: News) -> None:
        pretty = self._output.form == "pretty"
        match item:
            case Switch() if self._patterns:
                return
            case Switch() if pretty:
                self._output.all_words(self._narrator.switch(item))
            case Switch():
                self._output.line(switch_line(item))
            case Failover() if pretty:
                self._output.all_words(self._narrator.failover(item))
            case Failover():
                self._keep(item)
            case Notice() if pretty:
                self._output.all_words(self._narrator.notice(item))
            case Notice():
                self._output.line(notice_line(item))
            case heard:
                self._tell_event(heard, pretty)

    def _tell_event(self, heard: Heard, pretty: bool) -> None:
        line = event_line(heard.sentinel, heard.event, heard.time)
        if not pretty:
            self._output.line(line)
            return
        text = f"{heard.event.channel} {heard.event.payload}"
        self._output.words(self._narrator.remark(heard.time, "event", f"{text}  ({heard.sentinel})", "dim"))

    def _keep(self, record: Failover) -> None:
        """Write one line for each attempt, when it has ended."""
        key = (record.master, record.number)
        self._open.pop(key, None)
        if not record.closed:
            self._open[key] = record
        elif record.attempted:
            self._output.line(failover_line(record))

    def _end(self) -> None:
        """Write the open records so far."""
        for record in self._open.values():
            if record.attempted:
                self._output.line(failover_line(record))
        self._open.clear()

    def _look_around(self) -> None:
        missed = self._feed.missed()
        if missed:
            complain(f"missed {missed} events: the reader of this output is too slow")
        topology = self._watcher.topology
        if topology.version == self._version:
            return
        self._version = topology.version
        for name in self._links.keys() - topology.sentinels.keys():
            del self._links[name]
        for name in topology.sentinels:
            self._look_at(topology, name)

    def _look_at(self, topology: Topology, name: SentinelName) -> None:
        state, link = topology.sentinels[name], _link(topology, name)
        before = self._links.get(name)
        if before is None and not link[0] and not state.reason:
            return  # just discovered, and being dialled
        self._links[name] = link
        if before is None:
            self._remark("Sentinel", f"{name} was discovered{'' if link[0] else f': {state.reason}'}")
            return
        if link[0] != before[0]:
            if link[0]:
                self._remark("Sentinel", f"{name} is heard again", "green")
            else:
                self._remark("Sentinel", f"{name} is lost: {state.reason or 'no connection'}", "bold red")
        if link[1] != before[1]:
            tilt = "is in TILT: it starts no failover for 30 s" if link[1] else "has left TILT"
            self._remark("Sentinel", f"{name} {tilt}", "yellow")

    def _remark(self, what: str, text: str, style: str = "") -> None:
        if self._output.form == "pretty" and not self._patterns:
            self._output.words(self._narrator.remark(time.time(), what, text, style))
        else:
            complain(f"{what} {text}")

    def _head(self, topology: Topology) -> None:
        heard = [s for s in topology.sentinels.values() if s.state is LinkState.LIVE]
        names = ", ".join(f"{s.name}{f' ({s.version})' if s.version else ''}" for s in heard)
        count = f"{len(heard)} of {len(topology.sentinels)} Sentinels heard"
        text = f"Watching {topology.deployment}: {count}"
        self._output.words(((text, "bold"), (f"  {names}", "dim")))
        states = [state for _, state in sorted(topology.masters.items())]
        self._output.all_words((("  ", ""), *row) for row in master_rows(states[:MASTERS_SHOWN]))
        if len(states) > MASTERS_SHOWN:
            self._output.words(((f"  and {len(states) - MASTERS_SHOWN} more masters", "dim"),))


def _is_switch(item: News) -> bool:
    return isinstance(item, Switch)


def _link(topology: Topology, name: SentinelName) -> tuple[bool, bool]:
    state = topology.sentinels[name]
    return state.state is LinkState.LIVE, state.tilt


def _translate(pattern: str) -> str:
    # The server's globs know ^ for "none of" where fnmatch has !.
    return fnmatch.translate(re.sub(r"\[\^", "[!", pattern))
