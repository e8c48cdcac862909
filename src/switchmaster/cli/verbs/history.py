"""
`switchmaster history`: the failovers in the journal, newest first.

One line a failover; if there are more, standard error says how to get them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from ..journal_options import journal_options, open_failovers
from ..local_time import read_moment, utc_option
from ..output import Output, Words, complain, format_option

if TYPE_CHECKING:
    from ...account.record import FailoverRecord
    from ...line import Line

__all__ = ["history"]

_STYLES: Final = {"completed": "green", "aborted": "red", "in-progress": "bold yellow"}


@click.command()
@journal_options
@click.option("--deployment", metavar="NAME", help="Only this deployment.")
@click.option("--master", metavar="NAME", help="Only this master.")
@click.option("--outcome", type=click.Choice(["completed", "aborted", "in-progress"]), help="Only with this outcome.")
@click.option("--kind", type=click.Choice(["automatic", "manual", "coordinated"]), help="Only of this kind.")
@click.option(
    "--since", metavar="TIME", callback=read_moment, help="Only from then on: 7d (ago), 03:12, 2026-11-25T03:00Z."
)
@click.option("--until", metavar="TIME", callback=read_moment, help="Only before then.")
@click.option("--text", metavar="TEXT", help="Only those that contain TEXT: names, addresses, reason, comments.")
@click.option("--missed/--heard", default=None, help="Only those that no daemon heard, or only the others.")
@click.option("--acknowledged/--unacknowledged", default=None, help="Only acknowledged ones, or only the others.")
@click.option("--all", "suspicions", is_flag=True, help="Also suspicions without a failover attempt.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most failovers to list.")
@click.option("--cursor", metavar="CURSOR", help="Continue where the previous page ended.")
@utc_option
@format_option
def history(
    config: str | None, journal: str | None, limit: int, cursor: str | None, form: str | None, **wanted: Any
) -> None:
    """
    List the failovers in the journal, newest first.

    A moment without a zone is in the zone in which times are shown; see --utc.
    """
    from ...journal.failover_queries import FailoverFilter

    output = Output(form)
    with open_failovers(config, journal) as reader:
        page = reader.failovers(FailoverFilter(**wanted), cursor, limit)
    for line in page.items:
        if output.form == "pretty":
            output.words(_words(line))
        else:
            output.line(line)
    if output.form == "pretty" and not page.items:
        output.words((("no matching failover in the journal", "dim"),))
    if page.next is not None:
        complain(f"there are more; add --cursor {page.next}")


def _words(line: Line) -> Words:
    # Here, because lines of JSON and TSV need no records, and start faster without.
    from ...account.narrate import arrow, lasted, outcome_words
    from ...account.record_lines import failover_from_line
    from ...account.times import moment

    record = failover_from_line(line)
    took = lasted(record)
    return (
        (f"{record.id}  ", "bold"),
        (f"{moment(record.started)}  ", "dim"),
        (f"{record.deployment}/{record.master}  ", ""),
        (f"{outcome_words(record):<11}  ", _style(record)),
        (f"{record.kind or '-':<11}  ", ""),
        (arrow(record.old, record.new), "bold"),
        (f"  epoch {'-' if record.epoch is None else record.epoch}{took and f'  {took}'}", ""),
        ("" if record.acknowledged is None else "  acknowledged", "green"),
    )


def _style(record: FailoverRecord) -> str:
    if record.missed:
        return "yellow"
    return _STYLES[record.outcome] if record.attempted else "dim"
