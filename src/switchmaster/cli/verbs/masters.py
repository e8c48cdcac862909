"""`switchmaster masters`: all masters of a deployment and their addresses."""

from __future__ import annotations

from typing import Any

import click

from ...render import master_line
from ..command_watcher import command_watcher, links_settled, report_disagreements, report_unreached
from ..deployment_options import deployment_options, read_settings, sentinels_argument
from ..output import Output, complain, format_option
from ..tree import master_rows

__all__ = ["masters"]


@click.command()
@sentinels_argument
@format_option
@deployment_options(("--answer-timeout", "--timeout"))
def masters(sentinels: tuple[str, ...], form: str | None, **given: Any) -> None:
    """List the masters that the Sentinels monitor, and their addresses. Needs no right to subscribe."""
    deployment = read_settings(sentinels, given)
    with command_watcher(deployment, subscribe=False) as watcher:
        topology = links_settled(watcher, 2 * deployment.timeout)
    unreached = report_unreached(topology)
    report_disagreements(topology)
    if not topology.masters:
        answered = ", ".join(sorted(topology.sentinels.keys() - unreached))
        complain(f"the Sentinels that answer ({answered}) monitor no master; add one with SENTINEL MONITOR")
    states = [state for _, state in sorted(topology.masters.items())]
    output = Output(form)
    if output.form == "pretty":
        output.all_words(master_rows(states))
        return
    for state in states:
        output.line(master_line(topology.deployment, state))
