"""
All output of the CLI: standard output in one of three formats, errors and remarks on standard error.

``json``: one object a line. ``tsv``: one row a line; the first column is its kind, `COLUMNS` names the others.
``pretty``: lines of words for people, coloured on a terminal. Every line is flushed at once. Everything but JSON (which
is ASCII) is neutralised here, in one place, so that no caller can forget it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import click

from ..terminal_text import neutralise

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["COLUMNS", "Output", "OutputForm", "Span", "Words", "complain", "format_option"]

OutputForm: TypeAlias = Literal["pretty", "json", "tsv"]
Span: TypeAlias = tuple[str, str]
"""Text, and its style in rich's terms (``bold``, ``red``), or an empty string."""
Words: TypeAlias = tuple[Span, ...]
"""One line for people."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    kind: tuple(columns.split())
    for kind, columns in {
        "switch": "time deployment master old new epoch grade cause witnesses why",
        "event": "time sentinel channel payload master",
        "failover": "time deployment master outcome kind old new epoch leader reason durations id down_after",
        "notice": "time deployment master kind sentinel text",
        "master": "deployment master address epoch health grade quorum failover_possible",
        "replica": "deployment master address down_by link_up offset priority",
        "sentinel": "deployment sentinel state version run_id reason",
        "opinion": "deployment master sentinel address epoch live agrees",
        "guard": "deployment master address arming would_act would_ask would_promote outlook may_order leased "
        "suspended_until phase",
        "explain": "deployment master address would winners earliest_seconds",
        "candidate": "deployment master sentinel address fits priority offset failed",
        "if-dies": "deployment master address if_dies fate winners replicas_lost sentinels_lost",
        "down-after": "deployment master present advised shown extrapolated shown_per_year longest nodes",
        "why-not": "deployment master since until failed_over findings",
        "plan": "deployment master old candidate sentinel needed possible",
        "planned": "time deployment master ending old new epoch promoted_after announced_after verified_after reason",
        "canary": "acknowledged failed lost longest_pause",
        "risk": "deployment master subject severity seconds sentence",
        "finding": "deployment master rule severity sentence evidence mend also",
        "suppressed": "deployment master rule severity sentence reason until",
        "diagnosis": "deployment masters sentinels nodes errors warnings remarks suppressed seconds",
        "configured-action": "action kind summary group grade local every dry_run states runs",
        "reaction": "action deployment master state new epoch cause wished attempts problem delivery",
        "receipt": "started action deployment master outcome cause attempts observer ended delivery id output",
        "pause": "action deployment master since until by reason",
        "action-test": "action passed text",
        "setting": "key value",
    }.items()
}
"""The columns of each kind of TSV row, after the kind itself."""

format_option: Callable[[Any], Any] = click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "json", "tsv"]),
    help="Output format. [default: pretty on a terminal, json otherwise]",
)


def complain(sentence: str) -> None:
    """Print a sentence on standard error, on one line."""
    try:
        click.echo(f"switchmaster: {neutralise(sentence)}", err=True)
    except OSError:  # it has no reader, and there is no other place to report that
        return


class Output:
    """
    Standard output in one format.

    Args:
        form: the format; None for ``pretty`` on a terminal and ``json`` otherwise.
    """

    def __init__(self, form: str | None = None) -> None:
        self.form: OutputForm = cast(OutputForm, form or ("pretty" if sys.stdout.isatty() else "json"))
        self._console: Console | None = None
        if self.form == "pretty" and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            self._console = _console()

    def line(self, line: Mapping[str, Any]) -> None:
        """Write one value, as JSON or as a TSV row."""
        text = _row(line) if self.form == "tsv" else json.dumps(line, ensure_ascii=True, separators=(",", ":"))
        self._write(text)

    def words(self, words: Words) -> None:
        """Write one line for people."""
        spans = tuple((neutralise(text), style) for text, style in words)
        if not sys.stdout.isatty():
            self._spans(spans)
            return
        from .wrap import wrap

        for line in wrap(spans, shutil.get_terminal_size().columns):
            self._spans(line)

    def _spans(self, spans: Words) -> None:
        if self._console is None:
            self._write("".join(text for text, _ in spans).rstrip())
            return
        from rich.text import Text

        # Text, not markup: brackets from the network have no meaning.
        self._console.print(Text.assemble(*spans), soft_wrap=True, highlight=False)
        sys.stdout.flush()

    def all_words(self, lines: Iterable[Words]) -> None:
        """Write several lines for people."""
        for words in lines:
            self.words(words)

    def text(self, text: str) -> None:
        """Write text that has been made safe for a terminal: Markdown, for example."""
        self._write(text.removesuffix("\n"))

    def _write(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False)


def _row(line: Mapping[str, Any]) -> str:
    kind = str(line["type"])
    return "\t".join([kind, *(neutralise(_cell(line.get(column))) for column in COLUMNS[kind])])


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case {"host": host, "port": port}:
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case dict():
            return ",".join(f"{key}={item}" for key, item in value.items())
        case list():
            return ",".join(map(str, value))
        case _:
            return str(value)
