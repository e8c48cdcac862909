"""`switchmaster doctor`: what will hurt in the next failover, and the rights that finding it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import click

from ..deployment_options import DeploymentOptions, deployment_options, read_settings, sentinels_argument
from ..output import Output

__all__ = ["doctor"]

FAILING: Final = {"error": 3, "warning": 2, "never": 4}
"""The severity from which the exit code is 1, by the word of ``--fail-on``."""


@click.command()
@sentinels_argument
@click.option("--master", "names", multiple=True, metavar="NAME", help="Only this master; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Also show remarks, and all evidence and commands.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 from this severity on.",
)
@click.option("--acl", is_flag=True, help="Print the least rights that each use needs, as ACL lines, and exit.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "json", "tsv", "md"]),
    help="Output format; md for a ticket. [default: pretty on a terminal, json otherwise]",
)
@deployment_options(("--answer-timeout", "--timeout"))
def doctor(
    sentinels: tuple[str, ...],
    names: tuple[str, ...],
    everything: bool,
    fail_on: str,
    acl: bool,
    form: str | None,
    **given: Any,
) -> None:
    """
    Find what will hurt in the next failover: data at risk first, then every rule that fires.

    Nothing is changed: it asks all Sentinels and nodes, all at once, and applies the rules of
    docs/reference/doctor.md. [doctor.suppress.RULE] in the file of --config leaves out what is known.
    Exit codes: 1 if a rule found an error (see --fail-on), 3 if no Sentinel could be reached.
    """
    if acl:
        _print_rights()
        return
    deployment = read_settings(sentinels, given)
    _diagnose(
        deployment,
        names,
        given.get("config"),
        Output(None if form == "md" else form),
        form == "md",
        everything,
        fail_on,
    )


def _diagnose(
    deployment: DeploymentOptions,
    names: tuple[str, ...],
    config: str | None,
    output: Output,
    as_markdown: bool,
    everything: bool,
    fail_on: str,
) -> None:
    from ...doctor.diagnosis_lines import diagnosis_lines, diagnosis_rows, markdown
    from ...doctor.examine import examine
    from ..diagnosis_words import diagnosis_words
    from ..inspected import configured_doctor, inspect_once

    settings = configured_doctor(config)
    found = inspect_once(deployment, names)
    if settings is not None:
        found = replace(found, zones=settings.zones)
    diagnosis = examine(found, () if settings is None else settings.suppressions)
    if as_markdown:
        output.text(markdown(found, diagnosis))
    elif output.form == "pretty":
        output.all_words(diagnosis_words(found, diagnosis, everything))
    else:
        lines = diagnosis_rows if output.form == "tsv" else diagnosis_lines
        for line in lines(found, diagnosis):
            output.line(line)
    if diagnosis.worst is not None and diagnosis.worst >= FAILING[fail_on]:
        raise click.exceptions.Exit(1)


def _print_rights() -> None:
    from ...doctor.least_rights import LEAST_RIGHTS

    for one in LEAST_RIGHTS:
        click.echo(f"# {one.purpose}")
        click.echo(f"# on every Sentinel:\nuser switchmaster on >PASSWORD {one.sentinels}")
        click.echo(f"# on every data node:\nuser switchmaster on >PASSWORD {one.nodes}\n")
