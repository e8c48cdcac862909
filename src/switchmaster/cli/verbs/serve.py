"""
`switchmaster serve`: the daemon, until a signal.

The log goes to standard error, the belief to standard output at SIGUSR1. SIGTERM and SIGINT drain the journal and then
end the process as they end any other.
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
@click.option("--config", metavar="FILE", envvar="SWITCHMASTER_CONFIG", help="TOML file with [deployments.NAME].")
@click.option("--journal", metavar="URL", help="URL of the journal: sqlite:///FILE or postgresql+psycopg://...")
def serve(sentinels: tuple[str, ...], config: str | None, journal: str | None) -> None:
    """
    Run the daemon: watch all deployments, keep the journal, and serve HTTP.

    SIGHUP reads the configuration again and keeps connections that did not change; SIGUSR1 prints the belief; SIGTERM
    writes what is waiting and exits.
    """
    from ...server.daemon import Daemon
    from ...server.interpreter import tune_interpreter
    from ...server.settings.configuration import read_configuration

    path = None if config is None else Path(os.path.expanduser(config))

    async def run() -> int:
        tuning = asyncio.create_task(tune_interpreter())
        try:
            return await Daemon(lambda: read_configuration(path, sentinels, journal)).run()
        finally:
            tuning.cancel()

    number = asyncio.run(run())
    # The parent process should see by which signal we ended.
    signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.kill(os.getpid(), number)
