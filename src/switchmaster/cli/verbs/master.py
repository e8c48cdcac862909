"""`switchmaster master NAME`: one address on one line, for scripts."""

from __future__ import annotations

from typing import Any, Final

import click

from ..command_watcher import command_watcher, links_settled, report_disagreements
from ..deployment_options import deployment_options, read_settings, sentinels_argument
from ..output import Output

__all__ = ["master"]

OTHERS_SECONDS: Final = 0.1
"""Seconds to wait for the remaining Sentinels once the master is known: one that belongs to another deployment is then
reported, and a silent one costs no more than this."""


@click.command()
@click.argument("name")
@sentinels_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "json", "tsv"]),
    default="pretty",
    show_default=True,
    help="Output format; pretty and tsv print only the address, on a terminal or not.",
)
@deployment_options(("--answer-timeout", "--timeout"))
def master(name: str, sentinels: tuple[str, ...], form: str, **given: Any) -> None:
    """
    Print the address of the master NAME as HOST:PORT on one line.

    It only queries the Sentinels and needs no right to subscribe. Exit code 4: they monitor no such
    master. Exit code 5: they refuse to answer.
    """
    deployment = read_settings(sentinels, given)
    with command_watcher(deployment, [name], discover=False, subscribe=False) as watcher:
        address = watcher.master(name)
        state = watcher.state(name)
        report_disagreements(links_settled(watcher, OTHERS_SECONDS))
    output = Output(form)
    if output.form == "json":
        from ...render import master_line

        output.line(master_line(watcher.topology.deployment, state))
    else:
        output.words(((str(address), ""),))
