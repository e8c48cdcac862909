"""
`switchmaster relay`: a front that answers Sentinel's own protocol, and announces a promotion at once.

It runs until a signal. Standard output has a line for each move that clients were told of; standard error says where it
listens, and what is wrong. Like the daemon it starts without any Sentinel, and keeps trying.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ...errors import UsageError
from ...model import Address
from ...url import parse_address_map, read_listen
from ..deployment_options import DeploymentOptions, deployment_options, read_settings, sentinels_argument, to_seconds
from ..output import Output, complain, format_option

if TYPE_CHECKING:
    from ...relay.relay import Relay
    from ...relay.relay_settings import ClientRange, RelaySettings

__all__ = ["relay"]

START_POLL_SECONDS: Final = 0.05
DESCRIPTORS_BESIDE: Final = 256
"""File descriptors that we need for other things than clients."""


@click.command()
@sentinels_argument
@click.option("--listen", default="127.0.0.1:26379", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@click.option(
    "--password-file", metavar="FILE", help="File with the clients' password; needed beyond loopback. [default: none]"
)
@click.option("--user", "users", multiple=True, metavar="NAME=FILE", help="A named user's password file; repeatable.")
@click.option("--listen-cert", metavar="FILE", help="Serve TLS with this certificate.")
@click.option("--listen-key", metavar="FILE", help="Key of that certificate.")
@click.option("--listen-client-ca", metavar="FILE", help="Require client certificates of these authorities.")
@click.option(
    "--peer", "peers", multiple=True, metavar="HOST:PORT", help="Another relay, named to clients; repeatable."
)
@click.option(
    "--client-map",
    "maps",
    multiple=True,
    metavar="[RANGE,]FROM=TO",
    help="Tell clients (of a range such as 10.1.0.0/16) TO where Sentinel announces FROM; repeatable.",
)
@click.option(
    "--grade",
    type=click.Choice(["announced", "promoted", "agreed"]),
    default="promoted",
    show_default=True,
    help="Lowest grade at which clients are told of a switch.",
)
@click.option(
    "--planned",
    type=click.Choice(["early", "announced"]),
    default="early",
    show_default=True,
    help="In a planned failover, tell clients at the promotion, or when the first Sentinel uses the new master.",
)
@click.option(
    "--stale-for",
    default="60",
    show_default=True,
    metavar="S",
    callback=to_seconds,
    help="Seconds to keep the last belief while no Sentinel is connected.",
)
@click.option("--maxclients", default=10_000, show_default=True, type=click.IntRange(1, 100_000), help="Most clients.")
@format_option
@deployment_options()
def relay(
    sentinels: tuple[str, ...],
    listen: str,
    grade: str,
    planned: str,
    stale_for: float,
    maxclients: int,
    form: str | None,
    **given: Any,
) -> None:
    """
    Answer Sentinel's protocol from what is known of the masters, and publish +switch-master at the promotion.

    Point unmodified clients at it instead of at the Sentinels. Ends with ^C or SIGTERM.
    """
    from ...model import Grade
    from ...relay.relay_settings import RelaySettings
    from ...relay.served_masters import RelayPolicy
    from ...server.watcher_arguments import read_secret

    deployment = read_settings(sentinels, given)
    users = {name: read_secret(Path(file), f"relay's user {name!r}") for name, file in _pairs(given["users"])}
    password_file = given["password_file"]
    address_map, address_maps = _client_maps(given["maps"])
    settings = RelaySettings(
        listen=read_listen(listen),
        password=None if password_file is None else read_secret(Path(password_file), "relay's clients"),
        users=users,
        cert=given["listen_cert"],
        key=given["listen_key"],
        client_ca=given["listen_client_ca"],
        peers=tuple(Address.parse(peer, 26379) for peer in given["peers"]),
        address_map=address_map,
        address_maps=address_maps,
        policy=RelayPolicy(Grade.ANNOUNCED, planned == "early", stale_for),
        maxclients=maxclients,
    )
    _allow_descriptors(maxclients)
    asyncio.run(_run(deployment, settings, grade, Output(form)))


async def _run(deployment: DeploymentOptions, settings: RelaySettings, grade: str, output: Output) -> None:
    from ...net.watcher import Watcher
    from ...relay.relay import Relay
    from ..front import MoveLines, stopped_by_signals

    arguments = deployment.watcher_arguments() | {"grade": grade}
    watcher = Watcher(arguments.pop("sentinels"), **arguments)
    lines = MoveLines(watcher, output)
    front = Relay(watcher, settings, lambda move: lines.print(move.master))
    stop = stopped_by_signals()
    await front.start()
    try:
        await watcher.start(wait=False)
        complain(f"relaying at {front.server.address}")
        await _report_start(front, stop, deployment.timeout)
        await stop.wait()
    finally:
        await front.close()
        await watcher.close()


async def _report_start(front: Relay, stop: asyncio.Event, timeout: float) -> None:
    """Say which masters are known once they are, and meanwhile that no Sentinel has answered yet."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + 2 * timeout
    while not stop.is_set() and not (names := front.core.masters.names()):
        if loop.time() > patience:
            complain("no Sentinel answers yet; clients are told that no master is known until one does")
            patience = math.inf
        await asyncio.sleep(START_POLL_SECONDS)
    if not stop.is_set():
        shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        complain(f"clients are told of: {shown}")


def _pairs(words: Iterable[str]) -> list[tuple[str, str]]:
    pairs = [tuple(word.split("=", 1)) for word in words]
    wrong = next((word for word, pair in zip(words, pairs, strict=True) if len(pair) != 2 or not all(pair)), None)
    if wrong is not None:
        raise UsageError(f"--user {wrong}: expected NAME=FILE")
    return [(pair[0], pair[1]) for pair in pairs]


def _client_maps(
    words: Iterable[str],
) -> tuple[Mapping[Address, Address], Mapping[ClientRange, Mapping[Address, Address]]]:
    everywhere: list[str] = []
    ranges: dict[ClientRange, list[str]] = {}
    for word in words:
        place, comma, pair = word.rpartition(",")
        if not comma:
            everywhere.append(pair)
            continue
        try:
            ranges.setdefault(ip_network(place), []).append(pair)
        except ValueError:
            raise UsageError(f"--client-map {word}: {place!r} is no range of addresses such as 10.1.0.0/16") from None
    return parse_address_map(everywhere) or {}, {one: parse_address_map(pairs) or {} for one, pairs in ranges.items()}


def _allow_descriptors(clients: int) -> None:
    """Raise the process's limit of open files as far as it may be, for that many clients."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + DESCRIPTORS_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):  # a sandbox does not allow it
            most = soft
        if most < wanted:
            complain(f"only {most} files may be open: fewer than {clients} clients fit (ulimit -n)")
