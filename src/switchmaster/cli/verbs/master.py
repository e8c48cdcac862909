"""`switchmaster master NAME`: one address on one line, for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from ...model import Address
from ...server.watcher_arguments import read_secret
from ..deployment_options import DeploymentOptions, deployment_options, read_settings, sentinels_argument
from ..output import Output

__all__ = ["master"]

OTHERS_SECONDS: Final = 0.1
"""Seconds to wait for the remaining Sentinels once the master is known: one that belongs to another deployment is then
reported, and a silent one costs no more than this."""
QUICK_SECONDS: Final = 0.25
"""Seconds in which most Sentinels must agree; otherwise a Watcher asks, whose time is the user's."""


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
    deployment, output = read_settings(sentinels, given), Output(form)
    agreed = None if output.form == "json" else _agreed(deployment, name)
    if agreed is not None:
        output.words(((str(agreed), ""),))
        return
    from ..command_watcher import command_watcher, links_settled, report_disagreements

    with command_watcher(deployment, [name], discover=False, subscribe=False) as watcher:
        address = watcher.master(name)
        state = watcher.state(name)
        report_disagreements(links_settled(watcher, OTHERS_SECONDS))
    if output.form == "json":
        from ...render import master_line

        output.line(master_line(watcher.topology.deployment, state))
    else:
        output.words(((str(address), ""),))


def _agreed(deployment: DeploymentOptions, name: str) -> Address | None:
    """Return the address on which most Sentinels agree; None if there is more to say, or TLS to speak."""
    settings, access = deployment.settings, deployment.settings.sentinel
    if access.uses_tls or settings.address_map:
        return None
    # Here, since a Watcher imports several times as much, and scripts ask for a master often.
    from ...link.greeting import Credentials
    from ...net.agreed_address import agreed_address

    password = access.password
    if access.password_file is not None:
        password = read_secret(Path(access.password_file), "Sentinels")
    seconds = min(QUICK_SECONDS, deployment.timeout)
    asked = settings.sentinels or ()
    return agreed_address(name, asked, Credentials(access.username, password), seconds, OTHERS_SECONDS)
