"""
`switchmaster show ID`: one failover, as a chart of its stages, as a post-mortem, or as its line.

Enters: a journal and an id. Leaves: the account on standard output.
"""

from __future__ import annotations

import json

import click

from .chart import chart
from .journal_options import journal_options, no_such, opened
from .output import Output
from .postmortem import postmortem
from .terminal import neutralise
from .zone import utc_option

__all__ = ["show"]


@click.command()
@click.argument("id")
@journal_options
@utc_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "json", "md"]),
    help="For people, for programs, or a post-mortem in Markdown. [default: pretty on a terminal, json otherwise]",
)
def show(id: str, config: str | None, journal: str | None, form: str | None) -> None:
    """Tell one failover with its stages and times."""
    with opened(config, journal) as reader:
        line = reader.failover(id)
        if line is None:
            raise no_such(id)
        switches = [one for _, one in reader.entries(types=("switch",), failover=id)]
    if form == "md":
        click.echo("".join(f"{neutralise(row)}\n" for row in postmortem(line, switches)), nl=False)
        return
    output = Output(form)
    if output.form == "pretty":
        output.all_words(chart(line, switches))
    else:
        click.echo(json.dumps(line | {"switches": switches}, ensure_ascii=True, separators=(",", ":")))
