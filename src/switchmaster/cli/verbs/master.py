"""`switchmaster master NAME`: one address on one line, for scripts."""

from __future__ import annotations

from typing import Any, Final

import click

from ...render import master_line
from ..command_watcher import command_watcher, links_settled, report_disagreements
from ..deployment_options import deployment_options, read_settings, sentinels_argument
from ..output import Output

__all__ = ["master"]

OTHERS_SECONDS: Final = 0.1
"""Seconds for which Sentinels that have not answered are waited for once the master is known: one of another deployment
is named then, and a silent one costs no more."""


@click.command()
@click.argument("name")
@sentinels_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "json", "tsv"]),
    default="pretty",
    show_default=True,
    help="Form of the output; pretty and tsv are the address alone, on a terminal or not.",
)
@deployment_options(("--answer-timeout", "--timeout"))
def master(name: str, sentinels: tuple[str, ...], form: str, **given: Any) -> None:
    """
    Print the address of the master NAME as HOST:PORT, alone on a line.

    The Sentinels are asked; no right to subscribe is needed. Exit code 4: they monitor no such master.
    Exit code 5: they refuse to answer.
    """
    deployment = read_settings(sentinels, given)
    with command_watcher(deployment, [name], discover=False, subscribe=False) as watcher:
        address = watcher.master(name)
        state = watcher.state(name)
        report_disagreements(links_settled(watcher, OTHERS_SECONDS))
    output = Output(form)
    if output.form == "json":
        output.line(master_line(watcher.topology.deployment, state))
    else:
        output.words(((str(address), ""),))
