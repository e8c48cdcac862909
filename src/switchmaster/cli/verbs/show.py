"""
`switchmaster show ID`: one failover, as a chart of its stages, as a post-mortem, or as its line.
"""

from __future__ import annotations

import json

import click

from ..journal_options import journal_options, open_failovers, resolve_id, unknown_failover
from ..local_time import utc_option
from ..output import Output

__all__ = ["show"]


@click.command()
@click.argument("id")
@journal_options
@utc_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "json", "md"]),
    help="A chart, JSON, or a post-mortem in Markdown. [default: pretty on a terminal, json otherwise]",
)
def show(id: str, config: str | None, journal: str | None, form: str | None) -> None:
    """
    Show one failover with its stages and times.

    ID may be the unique beginning of an id, or `last` for the newest failover.
    """
    with open_failovers(config, journal) as reader:
        found = resolve_id(reader, id)
        line = reader.failover(found)
        if line is None:
            raise unknown_failover(id)
        switches = reader.switches_of(found)
    output = Output("pretty" if form == "md" else form)
    if output.form == "pretty":
        # Here, because JSON needs no records, and starts faster without.
        from ...account.record_lines import failover_from_line, switch_from_line

        record, led_to = failover_from_line(line), [switch_from_line(one) for one in switches]
        if form == "md":
            from ...account.postmortem import document

            click.echo(document(record, led_to), nl=False)
        else:
            from ..chart import chart

            output.all_words(chart(record, led_to))
    else:
        click.echo(json.dumps(line | {"switches": switches}, ensure_ascii=True, separators=(",", ":")))
