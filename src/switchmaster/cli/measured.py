"""
Where the evidence for `explain --down-after` comes from: measured now, or kept by the daemon in the journal.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from ..explain.down_after import Suspicions
from ..explain.pauses import Pauses, added_up, pauses_from_line
from ..model import Address
from ..render import seconds_of
from .deployment_options import DeploymentOptions

if TYPE_CHECKING:
    from ..journal.reader import Reader
    from ..net.pulse import Pulse

__all__ = ["kept_pauses", "kept_suspicions", "measure_nodes"]

PAGES_READ: Final = 50
"""Pages of 1,000 lines that are read from the journal, at most."""


def measure_nodes(deployment: DeploymentOptions, master: str, nodes: Mapping[Address, bool], seconds: float) -> Pauses:
    """
    PING nodes for some time, as Sentinel does.

    Args:
        deployment: the credentials of the nodes.
        master: their master's name.
        nodes: each with whether it gets credentials.
        seconds: how long.

    Returns:
        What was measured, of all nodes together; a node that is silent at the end counts with its silence so far.
    """
    from ..net.diallers import NodeAccess, NodeDiallers
    from ..net.pulse import LoopLateness, Pulse

    given = deployment.watcher_arguments([master])
    access = NodeAccess(*(given[f"node_{part}"] for part in ("username", "password", "tls", "credentials")))
    dialler = NodeDiallers(access, given["node_access"], given["address_map"]).of(master)

    async def run() -> Pauses:
        lateness = LoopLateness()
        pulses = [
            Pulse(lambda address=address, trusted=trusted: dialler.target(address, trusted), lateness)  # type: ignore[misc]
            for address, trusted in nodes.items()
        ]
        try:
            await _wait(seconds)
            return added_up(map(_taken, pulses))
        finally:
            lateness.close()
            await asyncio.gather(*(pulse.close() for pulse in pulses))

    return asyncio.run(run())


async def _wait(seconds: float) -> None:
    shown = sys.stderr.isatty()
    with click.progressbar(length=round(seconds), label="measuring", file=sys.stderr, hidden=not shown) as bar:
        for _ in range(int(seconds)):
            await asyncio.sleep(1.0)
            bar.update(1)
        await asyncio.sleep(seconds % 1.0)


def _taken(pulse: Pulse) -> Pauses:
    from ..net.pulse import PERIOD

    taken, silent = pulse.take(), pulse.silent_for
    if silent > PERIOD and not pulse.gone:
        taken.add(silent, taken.ended or 0.0, silent)
    return taken


def kept_pauses(reader: Reader, master: str, deployment: str | None) -> tuple[Pauses, set[str]]:
    """
    Return what daemons have measured.

    Args:
        reader: the journal.
        master: its name.
        deployment: its deployment; None for all.

    Returns:
        All measurements together, and the nodes that were measured.
    """
    lines = list(_lines(reader, "pulse", master, deployment))
    nodes = {str(Address(line["node"]["host"], line["node"]["port"])) for line in lines}
    return added_up(map(pauses_from_line, lines)), nodes


def _lines(reader: Reader, kind: str, master: str, deployment: str | None) -> Iterable[dict[str, Any]]:
    cursor = None
    for _ in range(PAGES_READ):
        page = reader.newest_entries((kind,), deployment, master, cursor=cursor, limit=1000)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def kept_suspicions(reader: Reader, master: str, deployment: str | None) -> Suspicions | None:
    """
    Return how often the master was suspected while a daemon watched; None if none did.

    Args:
        reader: the journal.
        master: its name.
        deployment: its deployment; None for all.
    """
    from ..journal.reader import FailoverFilter

    spans = sorted((seconds_of(run["started"]), seconds_of(run["ended"] or run["seen"])) for run in reader.observers())
    watched, until = 0.0, 0.0
    for begun, ended in spans:
        watched += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    if watched <= 0:
        return None
    found = reader.failovers(FailoverFilter(deployment=deployment, master=master, suspicions=True), None, 1000).items
    alone = sum(not line["attempted"] and line["closed"] and not line.get("missed") for line in found)
    return Suspicions(watched, alone, sum(line["attempted"] and line["kind"] == "automatic" for line in found))
