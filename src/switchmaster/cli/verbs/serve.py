"""
`switchmaster serve`: the daemon, until a signal.

Enters: a configuration. Leaves: a log on standard error, the journal, and the belief on standard output at SIGUSR1.
SIGTERM and SIGINT drain the journal and end us as they end any process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import click

__all__ = ["serve"]


@click.command()
@click.argument("sentinels", nargs=-1, metavar="[HOST:PORT...|URL]")
@click.option("--config", metavar="FILE", envvar="SWITCHMASTER_CONFIG", help="A TOML file with [deployments.NAME].")
@click.option("--journal", metavar="URL", help="Where the journal is: sqlite:///FILE or postgresql+psycopg://...")
def serve(sentinels: tuple[str, ...], config: str | None, journal: str | None) -> None:
    """
    Watch all deployments and keep the journal: the daemon.

    SIGHUP reads the configuration anew and keeps the connections that did not change; SIGUSR1 prints the belief;
    SIGTERM writes what waits and ends.
    """
    from ...server.daemon import Daemon
    from ...server.settings.configuration import read_configuration

    path = None if config is None else Path(os.path.expanduser(config))

    async def run() -> int:
        return await Daemon(lambda: read_configuration(path, sentinels, journal)).run()

    number = asyncio.run(run())
    # Whoever started us shall see by which signal we ended.
    signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.kill(os.getpid(), number)
