"""`switchmaster topology`: masters, replicas, Sentinels, and where the Sentinels disagree."""

from __future__ import annotations

from typing import Any

import click

from ...belief.topology import Topology
from ...render import Line, topology_line
from ..command_watcher import command_watcher, links_settled, report_disagreements, report_unreached
from ..deployment_options import deployment_options, read_settings, sentinels_argument
from ..output import Output, format_option
from ..tree import topology_tree

__all__ = ["topology"]


@click.command()
@sentinels_argument
@click.option("--master", "names", multiple=True, metavar="NAME", help="Only this master; repeatable.")
@format_option
@deployment_options(("--answer-timeout", "--timeout"))
def topology(sentinels: tuple[str, ...], names: tuple[str, ...], form: str | None, **given: Any) -> None:
    """
    Show all masters with their replicas, and what each Sentinel says about them.

    It only queries the Sentinels and needs no right to subscribe.
    """
    deployment = read_settings(sentinels, given)
    with command_watcher(deployment, names, subscribe=False) as watcher:
        found = links_settled(watcher, 2 * deployment.timeout)
    report_unreached(found)
    report_disagreements(found)
    output = Output(form)
    match output.form:
        case "pretty":
            output.all_words(topology_tree(found))
        case "json":
            output.line(topology_line(found))
        case "tsv":
            for row in _rows(found):
                output.line(row)


def _rows(found: Topology) -> list[Line]:
    line = topology_line(found)
    rows: list[Line] = []
    for master in line["masters"]:
        rows.append(master)
        name = {"deployment": master["deployment"], "master": master["master"]}
        rows += [{"type": "replica", **name, **_with_address(row)} for row in master["replicas"]]
        rows += [{"type": "opinion", **name, **_with_address(row)} for row in master["opinions"]]
    return rows + list(line["sentinels"])


def _with_address(row: Line) -> Line:
    return {**row, "address": {"host": row["host"], "port": row["port"]}}
