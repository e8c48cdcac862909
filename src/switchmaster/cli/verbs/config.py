"""
`switchmaster config`: check the file of ``--config``, or print its JSON Schema.

`check` prints every problem with its line on standard error and exits with code 2, or prints what the daemon would do
with the file, without any secret.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ...errors import UsageError
from ...render import Line, policy_line
from ..output import Output, complain, format_option

if TYPE_CHECKING:
    from ...guard.policy import Policy
    from ...server.settings.configuration import Configuration
    from ...server.settings.share_settings import ShareSettings

__all__ = ["config"]

EXIT_WRONG: Final = 2
"""The exit code of wrong configuration."""


@click.group()
def config() -> None:
    """Check a configuration file, or print its JSON Schema."""


@config.command()
@click.argument("file", required=False, metavar="FILE", envvar="SWITCHMASTER_CONFIG")
@format_option
@click.pass_context
def check(context: click.Context, file: str | None, form: str | None) -> None:
    """
    List all problems of FILE with their lines, or show what the daemon would do with it.

    Secrets and certificates named in it are read too. Exit codes: 0 the daemon would accept it, 2 it would not.
    """
    from ...server.settings.configuration import problems_of, read_configuration

    if file is None:
        raise UsageError("no file was given: name the file to check, or set SWITCHMASTER_CONFIG")
    path = Path(os.path.expanduser(file))
    problems = problems_of(path)
    for problem in problems:
        complain(problem)
    if problems:
        context.exit(EXIT_WRONG)
    found = read_configuration(path)
    output = Output(form)
    if output.form == "pretty":
        output.words(((f"{file} is valid", "green"),))
        output.all_words(((f"  {key:<12} ", "dim"), (value, "")) for key, value in _rows(found))
    elif output.form == "tsv":
        for key, value in _rows(found):
            output.line({"type": "setting", "key": key, "value": value})
    else:
        output.line(_line(found))


@config.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors and other tools."""
    from ...server.settings.reference import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _line(found: Configuration) -> Line:
    return {
        "type": "configuration",
        "path": str(found.path),
        "deployments": [
            {
                "deployment": one.name,
                "sentinels": [str(address) for address in one.arguments["sentinels"]],
                "masters": None if one.arguments["masters"] is None else list(one.arguments["masters"]),
                "nodes": [
                    {
                        "master": master,
                        "username": access.credentials.username if access.credentials else access.username,
                        "password": access.password is not None or access.credentials is not None,
                        "tls": access.tls is not None,
                    }
                    for master, access in one.arguments["node_access"].items()
                ],
                "guard": _guard_line(one.guard.every),
                "guards": [{"master": master, **_guard_line(policy)} for master, policy in one.guard.own.items()],
            }
            for one in found.deployments
        ],
        "journal": found.journal.shown,
        "share": None if found.share is None else _share_line(found.share),
        "http": str(found.http.listen),
        "log": found.log.format,
    }


def _rows(found: Configuration) -> list[tuple[str, str]]:
    line = _line(found)
    rows = []
    for one in line["deployments"]:
        masters, sentinels = ", ".join(one["masters"] or ["all masters"]), ", ".join(one["sentinels"])
        rows.append(("deployment", f"{one['deployment']}: {masters} by {sentinels}"))
        rows += [("nodes", f"{one['deployment']}, of {own['master']}: {_access(own)}") for own in one["nodes"]]
        rows.append(("guard", f"{one['deployment']}: {_guard(one['guard'])}"))
        rows += [("guard", f"{one['deployment']}, of {own['master']}: {_guard(own)}") for own in one["guards"]]
    rows.append(("journal", str(line["journal"])))
    if line["share"] is not None:
        rows.append(("share", _share(line["share"])))
    return [*rows, *((key, str(line[key])) for key in ("http", "log"))]


def _share_line(found: ShareSettings) -> Line:
    return {"daemons": found.daemons, "lease": found.lease, "kept": sorted(found.kept)}


def _share(own: Line) -> str:
    words = f"{own['daemons']} of the daemons on this journal watch each deployment, lease {own['lease']:g} s"
    return f"{words}; this one always watches {', '.join(own['kept'])}" if own["kept"] else words


def _guard_line(policy: Policy) -> Line:
    return {"armed": str(policy.arming), **policy_line(policy)}


def _guard(own: Line) -> str:
    """Describe a guard by its effective keys; those of one that is disarmed do not matter."""
    if own["armed"] == "disarmed":
        return "disarmed"
    seconds = {"grace", "evidence_timeout", "max_lag", "cool_down"}
    shown = {True: "true", False: "false"}
    keys = (
        f"{key} {value:g} s" if key in seconds else f"{key} {shown.get(value, value)}"
        for key, value in own.items()
        if key not in ("armed", "master")
    )
    return ", ".join((own["armed"], *keys))


def _access(own: Line) -> str:
    """Describe the credentials for the nodes of a master that has its own."""
    user = own["username"] or "the default user"
    return f"{user}, {'a' if own['password'] else 'no'} password, {'TLS' if own['tls'] else 'no TLS'}"
