"""
`switchmaster explain NAME`: why a master would or would not fail over, and why a failover did not happen.

It asks every Sentinel once, and sends nothing that changes anything. The past comes from the journal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ...errors import JournalUnavailable, UsageError
from ...model import SentinelName
from ..deployment_options import DeploymentOptions, deployment_options, read_settings
from ..journal_options import open_journal
from ..local_time import read_moment, utc_option
from ..output import Output, complain, format_option

if TYPE_CHECKING:
    from ...account.record import FailoverRecord
    from ...explain.viewpoint import Viewpoint
    from ...journal.reader import Reader
    from ...render import Line

__all__ = ["explain"]

WOULD_NOT: Final = 1
"""The exit code if the master would not fail over, or did not."""
AROUND: Final = 600.0
"""Seconds before and after --at that are looked at."""
RECORDS_READ: Final = 200
"""Records that are read from the journal for one question, at most."""
PAGES_READ: Final = 20
"""Pages of 1,000 events that are read from the journal for one question, at most."""
EARLIER: Final = 86_400.0
"""Seconds before the period in which what goes on in it may have begun."""
TILT_BEFORE: Final = 1800.0
"""Seconds before the period in which a TILT may have begun that goes on in it."""


@click.command()
@click.argument("words", nargs=-1, metavar="[NAME] [HOST:PORT...|URL]")
@click.option(
    "--if-dies",
    "dies",
    multiple=True,
    metavar="HOST",
    help="Simulate that HOST, HOST:PORT or zone:NAME dies; repeatable.",
)
@click.option(
    "--zones", metavar="FILE", help="File with lines HOST ZONE, for --if-dies zone:NAME; over [doctor.zones]."
)
@click.option(
    "--at", metavar="TIME", callback=read_moment, help="Why it did not fail over around this time, from the journal."
)
@click.option(
    "--since",
    metavar="TIME",
    callback=read_moment,
    help="The same, from then until now: 2h (ago), 03:12, 2026-11-25T03:00Z.",
)
@click.option("--down-after", is_flag=True, help="What down-after-milliseconds costs, and which value would do.")
@click.option(
    "--false-alarms-per-year",
    "alarms",
    metavar="N",
    type=click.FloatRange(min=0.001),
    default=1.0,
    show_default=True,
    help="For --down-after: false alarms that are acceptable.",
)
@click.option("--measure", metavar="S", type=click.FloatRange(min=1.0), help="For --down-after: measure for S seconds.")
@click.option("--journal", metavar="URL", help="URL of the journal, instead of the one in --config.")
@utc_option
@format_option
@deployment_options(("--answer-timeout", "--timeout"))
def explain(
    words: tuple[str, ...],
    dies: tuple[str, ...],
    zones: str | None,
    at: float | None,
    since: float | None,
    down_after: bool,
    alarms: float,
    measure: float | None,
    journal: str | None,
    form: str | None,
    **given: Any,
) -> None:
    """
    Explain whether the master NAME would fail over if it died now, and why not.

    Each Sentinel may lead, and decides by its own view: the answer says for each of them whether it could be elected
    and which replica it would promote, with every rule that Sentinel applies. With --if-dies, NAME may be left out for
    all masters. With --at or --since it explains why no failover happened then. With --down-after it weighs the outage
    at each crash against false alarms, by what the daemon (measure_pauses) or --measure has measured.

    Exit codes: 0 it would (or did) fail over, 1 it would not, or it depends on which Sentinel leads, or too little was
    measured for --down-after; 2 wrong usage, 3 no Sentinel could be reached, 4 no such master, 5 they refuse to answer.
    """
    name, sentinels = _split(words)
    output = Output(form)
    if down_after + bool(dies) + (at is not None) + (since is not None) > 1:
        raise UsageError("give only one of --if-dies, --at, --since and --down-after")
    if at is not None or since is not None:
        if name is None:
            raise UsageError("name the master whose past it is: switchmaster explain NAME --since 2h --config FILE")
        happened = _past(output, name, at, since, journal, given)
    elif dies:
        happened = _if_dies(output, name, dies, zones, given, read_settings(sentinels, given))
    elif name is None:
        raise UsageError("name the master: switchmaster explain NAME HOST:PORT...; `switchmaster masters` lists them")
    elif down_after:
        happened = _down_after(output, name, alarms, measure, journal, given, read_settings(sentinels, given))
    else:
        happened = _now(output, name, journal, given, read_settings(sentinels, given))
    if not happened:
        raise click.exceptions.Exit(WOULD_NOT)


def _split(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Return the master's name, if the first word is one, and the Sentinels."""
    if not words or "://" in words[0] or (":" in words[0] and words[0].rpartition(":")[2].isdigit()):
        return None, words
    return words[0], words[1:]


# Now ----------------------------------------------------------------------------------------------


def _now(
    output: Output, name: str, journal: str | None, given: Mapping[str, Any], deployment: DeploymentOptions
) -> bool:
    from ...explain.forecast import Likelihood, forecast
    from ...explain.lines import candidate_rows, forecast_line
    from ...explain.milestones import milestones
    from ...explain.viewpoint import viewpoints
    from ..explained import forecast_words
    from ..inspected import inspect_once

    found = inspect_once(deployment, [name])
    views = viewpoints(found.of_master(name))
    made = forecast(name, views, cooling=_cooling(name, views, journal, given))
    crash, hang = milestones(views), milestones(views, hangs=True)
    if output.form == "pretty":
        output.all_words(forecast_words(found.deployment, made, crash, hang))
    else:
        line = forecast_line(found.deployment, made, crash, hang, found.wall)
        for row in (line, *(candidate_rows(line) if output.form == "tsv" else ())):
            output.line(row)
    return made.likelihood is Likelihood.YES


def _cooling(
    name: str, views: Sequence[Viewpoint], journal: str | None, given: Mapping[str, Any]
) -> dict[SentinelName, float]:
    """Return how long each Sentinel must wait after its last attempt, if there is a journal that knows."""
    from ...explain.cooldown import cooling_seconds

    now = time.time()
    with _journal(journal, given) as reader:
        if reader is None:
            return {}
        return cooling_seconds(_records(reader, name, given.get("deployment"), now - EARLIER, now), views, now)


@contextmanager
def _journal(journal: str | None, given: Mapping[str, Any]) -> Iterator[Reader | None]:
    """Open the journal, if one is given and can be read; one that is named by --journal must be."""
    config = given.get("config") or os.environ.get("SWITCHMASTER_CONFIG")
    if not config and not journal:
        yield None
        return
    with open_journal(config, journal) as reader:
        try:
            reader.last_entry()
        except JournalUnavailable as error:
            if journal:
                raise
            complain(f"what the journal knows is left out: {error}")
            yield None
            return
        yield reader


# What down-after costs ----------------------------------------------------------------------------


def _down_after(
    output: Output,
    name: str,
    alarms: float,
    measure: float | None,
    journal: str | None,
    given: Mapping[str, Any],
    deployment: DeploymentOptions,
) -> bool:
    from ...doctor.questions import listed_nodes
    from ...explain.down_after import advise
    from ...explain.lines import down_after_line
    from ...explain.pauses import added_up
    from ..down_after_words import down_after_words
    from ..inspected import inspect_once
    from ..measured import kept_pauses, kept_suspicions, measure_nodes

    found = inspect_once(deployment, [name])
    told = [one.masters[name].master for one in found.sentinels if name in one.masters]
    nodes = {node: trusted for node, (masters, trusted) in listed_nodes(found.sentinels).items() if name in masters}
    pauses, measured, suspicions = [], set[str](), None
    with _journal(journal, given) as reader:
        if reader is not None:
            kept, measured = kept_pauses(reader, name, given.get("deployment"))
            suspicions = kept_suspicions(reader, name, given.get("deployment"))
            pauses.append(kept)
    if measure is not None:
        pauses.append(measure_nodes(deployment, name, nodes, measure))
        measured |= set(map(str, nodes))
    total = added_up(pauses)
    # The longest of the Sentinels' values is what a crash costs if the quorum needs that Sentinel.
    advice = advise(total, max(one.down_after_ms for one in told) / 1000, alarms)
    if output.form == "pretty":
        heading = f"{found.deployment}/{name}"
        output.all_words(down_after_words(heading, name, advice, total, len(measured), suspicions))
    else:
        output.line(down_after_line(found.deployment, name, advice, total, sorted(measured), suspicions))
    return advice.advised is not None


# If hosts die -------------------------------------------------------------------------------------


def _if_dies(
    output: Output,
    name: str | None,
    dies: tuple[str, ...],
    zones: str | None,
    given: Mapping[str, Any],
    deployment: DeploymentOptions,
) -> bool:
    from ...explain.lines import aftermath_line
    from ...explain.losses import Fate, aftermath, hosts_of, read_dead, same_hosts
    from ...explain.milestones import milestones
    from ...explain.viewpoint import viewpoints
    from ..explained import aftermath_words
    from ..inspected import configured_doctor, inspect_once

    found = inspect_once(deployment, [] if name is None else [name])
    views = {one.name: viewpoints(one) for one in found.each_master()}
    settings = configured_doctor(given.get("config"))
    known = {**({} if settings is None else settings.zones), **_zones(zones)}
    hosts = hosts_of(view for several in views.values() for view in several)
    dead = read_dead(dies, hosts, known, same_hosts(found))
    good = True
    for each, several in views.items():
        made = aftermath(each, several, dead)
        crash = milestones(made.left, hangs=True)
        if output.form == "pretty":
            output.all_words(aftermath_words(found.deployment, each, dies, made, crash))
        else:
            output.line(aftermath_line(found.deployment, each, dies, made, crash))
        good = good and made.fate in (Fate.UNTOUCHED, Fate.FAILS_OVER)
    return good


def _zones(file: str | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        text = Path(os.path.expanduser(file)).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"can't read {file}: {getattr(error, 'strerror', None) or error}") from None
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.partition("#")[0].split()
        if parts and len(parts) != 2:
            raise UsageError(f"{file}:{number}: expected a host and its zone, such as: 10.0.0.1 eu-west-1a")
        if parts:
            found[parts[0]] = parts[1]
    return found


# The past -----------------------------------------------------------------------------------------


def _past(
    output: Output, name: str, at: float | None, since: float | None, journal: str | None, given: Mapping[str, Any]
) -> bool:
    from ...explain.lines import past_line
    from ...explain.past import Watched, findings, tilt_spans
    from ...render import seconds_of
    from ..explained import past_words

    now = time.time()
    begun, ended = (since, now) if since is not None else ((at or now) - AROUND, min(now, (at or now) + AROUND))
    deployment = given.get("deployment")
    with open_journal(given.get("config") or os.environ.get("SWITCHMASTER_CONFIG"), journal) as reader:
        records = _records(reader, name, deployment, begun, ended)
        before = _records(reader, name, deployment, begun - EARLIER, begun)
        events = _events(reader, deployment, begun - TILT_BEFORE, ended)
        runs = reader.observers()
    tilts = tilt_spans((seconds_of(one["time"]), one["sentinel"], one["channel"]) for one in events)
    watched = [Watched(seconds_of(run["started"]), seconds_of(run["ended"] or run["seen"])) for run in runs]
    found = findings(records, before, tilts, watched, (begun, ended))
    line = past_line(deployment, name, (begun, ended), found)
    if output.form == "pretty":
        output.all_words(past_words(name, (begun, ended), found))
    else:
        output.line(line)
    return bool(line["failed_over"])


def _events(reader: Reader, deployment: str | None, begun: float, ended: float) -> list[Line]:
    """Return the newest events of a period: no Sentinel's TILT is of one master alone."""
    found: list[Line] = []
    cursor = None
    for _ in range(PAGES_READ):
        page = reader.newest_entries(("event",), deployment, cursor=cursor, since=begun, until=ended, limit=1000)
        found += page.items
        cursor = page.next
        if cursor is None:
            break
    return found


def _records(reader: Reader, name: str, deployment: str | None, begun: float, ended: float) -> list[FailoverRecord]:
    from ...account.record_lines import failover_from_line
    from ...journal.reader import FailoverFilter

    wanted = FailoverFilter(deployment=deployment, master=name, since=begun, until=ended, suspicions=True)
    return [failover_from_line(line) for line in reader.failovers(wanted, None, RECORDS_READ).items]
