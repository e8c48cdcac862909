"""
`switchmaster proxy`: HAProxy for clients that know no Sentinel, in one command and without a file.

It runs until a signal, and ends HAProxy then. Standard output has a line for each move; standard error says where
clients find the master, and what is wrong. It starts without any Sentinel, and keeps trying.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ...errors import UsageError
from ...model import Address
from ...url import read_listen
from ..deployment_options import DeploymentOptions, deployment_options, read_settings, sentinels_argument, to_seconds
from ..output import Output, complain, format_option

if TYPE_CHECKING:
    from ...proxy.proxy import Proxy
    from ...proxy.proxy_settings import MasterPorts, ProxySettings

__all__ = ["proxy"]

_PORT: Final = click.IntRange(1, 65535)


@click.command()
@sentinels_argument
@click.option("--sentinel", "more", multiple=True, metavar="HOST:PORT", help="A Sentinel; repeatable.")
@click.option("--port", type=_PORT, help="Port on which clients find the only master, or that of --master.")
@click.option("--reads-port", type=_PORT, help="Port on which they find its replicas. [default: none]")
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="IP", help="Address of these ports.")
@click.option("--master", metavar="NAME", help="The master, if the Sentinels monitor several.")
@click.option("--write", "writes", multiple=True, metavar="NAME=IP:PORT", help="The port of one of many; repeatable.")
@click.option("--read", "reads", multiple=True, metavar="NAME=IP:PORT", help="The same for its replicas; repeatable.")
@click.option("--listen-cert", metavar="FILE", help="Serve TLS with this certificate.")
@click.option("--listen-key", metavar="FILE", help="Key of that certificate.")
@click.option("--listen-client-ca", metavar="FILE", help="Require client certificates of these authorities.")
@click.option("--health-port", type=_PORT, help="Port of /livez and /readyz, which touch no node. [default: none]")
@click.option(
    "--max-lag",
    default="15",
    show_default=True,
    metavar="S",
    callback=to_seconds,
    help="Seconds since a replica had news of its master, beyond which it is not read from.",
)
@click.option(
    "--hold",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0, 600),
    metavar="S",
    help="Seconds that new connections wait in a planned failover; 0 turns it off.",
)
@click.option(
    "--failover-wait",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, 600),
    metavar="S",
    help="Seconds that new connections wait for a master whose process is gone, or that is agreed to be down.",
)
@click.option(
    "--maxconn", default=2000, show_default=True, type=click.IntRange(1, 100_000), help="Most clients of a port."
)
@click.option(
    "--haproxy", "program", default="haproxy", show_default=True, metavar="PROGRAM", help="HAProxy's program."
)
@click.option(
    "--folder", metavar="PATH", help="Folder for HAProxy's files. [default: by the ports, below /run or /tmp]"
)
@format_option
@deployment_options()
def proxy(
    sentinels: tuple[str, ...],
    more: tuple[str, ...],
    max_lag: float,
    hold: float,
    failover_wait: float,
    maxconn: int,
    program: str,
    folder: str | None,
    form: str | None,
    **given: Any,
) -> None:
    """
    Run HAProxy, which leads clients that know no Sentinel to the master, and move it at the promotion.

    Clients connect to --port as to a server. Ends with ^C or SIGTERM, and HAProxy with it; killed, it leaves HAProxy
    to its own checks, and the next run finds it.
    """
    from ...follow.gate import WaitLimits
    from ...proxy.proxy_settings import ProxySettings, default_folder

    deployment = read_settings((*sentinels, *more), given)
    ports, only = _ports(given)
    health = None if given["health_port"] is None else Address(given["bind"], given["health_port"])
    places = [*ports.values()] if only is None else [only]
    digest = hashlib.sha256("\n".join(sorted(str(pair.writes) for pair in places)).encode()).hexdigest()[:8]
    settings = ProxySettings(
        folder=default_folder(digest, os.environ) if folder is None else Path(folder).absolute(),
        ports=ports,
        only=only,
        health=health,
        max_lag=max_lag,
        limits=WaitLimits(hold, failover_wait),
        maxconn=maxconn,
        program=program,
        cert=given["listen_cert"],
        key=given["listen_key"],
        client_ca=given["listen_client_ca"],
    )
    asyncio.run(_run(deployment, settings, Output(form)))


def _ports(given: dict[str, Any]) -> tuple[dict[str, MasterPorts], MasterPorts | None]:
    from ...proxy.proxy_settings import MasterPorts

    bind, master = given["bind"], given["master"]
    if given["writes"]:
        if given["port"] is not None or given["reads_port"] is not None or master is not None:
            raise UsageError("give either --port, for one master, or --write NAME=IP:PORT for each")
        reads = _pairs("--read", given["reads"])
        writes = _pairs("--write", given["writes"])
        if strangers := reads.keys() - writes.keys():
            raise UsageError(f"--read names {min(strangers)!r}, and no --write does")
        return {name: MasterPorts(at, reads.get(name)) for name, at in writes.items()}, None
    if given["reads"]:
        raise UsageError("--read needs --write for the same master")
    port = 6379 if given["port"] is None else given["port"]
    reads_port = given["reads_port"]
    one = MasterPorts(Address(bind, port), None if reads_port is None else Address(bind, reads_port))
    return ({}, one) if master is None else ({master: one}, None)


def _pairs(option: str, words: Iterable[str]) -> dict[str, Address]:
    found = {}
    for word in words:
        name, equals, at = word.rpartition("=")
        if not equals or not name:
            raise UsageError(f"{option} {word}: expected NAME=IP:PORT")
        found[name] = read_listen(at)
    return found


async def _run(deployment: DeploymentOptions, settings: ProxySettings, output: Output) -> None:
    from ...net.watcher import Watcher
    from ...proxy.haproxy_process import find_program
    from ...proxy.proxy import Proxy
    from ...server.log_format import set_up
    from ..front import MoveLines, stopped_by_signals

    find_program(settings.program)  # a daemon would try again; a person wants to know
    set_up("text", "warning")
    arguments = deployment.watcher_arguments(settings.ports)
    watcher = Watcher(arguments.pop("sentinels"), **arguments)
    lines = MoveLines(watcher, output)
    front = Proxy(watcher, settings, lambda master, old, new: lines.print(master, new))
    stop = stopped_by_signals()
    await front.start()
    try:
        await watcher.start(wait=False)
        begin = asyncio.create_task(_report_start(front))
        await stop.wait()
        begin.cancel()
        await asyncio.gather(begin, return_exceptions=True)
    finally:
        await front.close()
        await watcher.close()


async def _report_start(front: Proxy) -> None:
    """Say where clients find what, once HAProxy runs."""
    await front.ready.wait()
    for name, lane in sorted(front.lanes.items()):
        ports = front.settings.ports.get(name, front.settings.only)
        assert ports is not None
        reads = "" if ports.reads is None else f", its replicas at {ports.reads}"
        complain(f"clients find {name} at {ports.writes} ({lane.address or 'not known yet'}){reads}")
