"""
`switchmaster history`: the failovers in the journal, newest first.

One line a failover; if there are more, standard error says how to get them.
"""

from __future__ import annotations

from typing import Any

import click

from ...account.record import address, lasted, standing
from ...render import Line
from ..journal_options import journal_options, open_journal
from ..local_time import moment, read_moment, utc_option
from ..output import Output, Words, complain, format_option

__all__ = ["history"]


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
    from ...journal.reader import FailoverFilter

    output = Output(form)
    with open_journal(config, journal) as reader:
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
    style, words = standing(line)
    took = lasted(line)
    return (
        (f"{line['id']}  ", "bold"),
        (f"{moment(line['time'])}  ", "dim"),
        (f"{line['deployment']}/{line['master']}  ", ""),
        (f"{words:<11}  ", style),
        (f"{line['kind'] or '-':<11}  ", ""),
        (f"{address(line['old'])} -> {address(line['new'])}", "bold"),
        (f"  epoch {'-' if line['epoch'] is None else line['epoch']}{took and f'  {took}'}", ""),
        ("" if line["acknowledged"] is None else "  acknowledged", "green"),
    )
