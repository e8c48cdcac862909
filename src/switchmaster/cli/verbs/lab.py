"""
`switchmaster lab`: real servers on loopback, steered from a second terminal.

`up` stays in the foreground and owns the servers; every other verb finds them through the state file.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from switchmaster.cli.output import format_option
from switchmaster.errors import UsageError

if TYPE_CHECKING:
    from switchmaster.lab.lab_options import LabOptions
    from switchmaster.lab.servers import LabServer
    from switchmaster.lab.steering import Steering

__all__ = ["lab", "until_interrupted"]

REQUEST_INTERVAL_SECONDS = 0.1


@click.group()
def lab() -> None:
    """Run real servers on loopback, and break them."""


@lab.command()
@click.option("--master", "names", multiple=True, metavar="NAME", help="Name of a master; repeatable.")
@click.option("--masters", type=click.IntRange(1, 100), help="Number of masters, named mymaster1, mymaster2...")
@click.option("--replicas", type=click.IntRange(0, 50), default=2, show_default=True)
@click.option("--sentinels", type=click.IntRange(1, 50), default=3, show_default=True)
@click.option("--quorum", type=int, help="[default: the majority of the Sentinels]")
@click.option("--server", metavar="KIND|PATH", help="valkey, redis, redis-7.0, or a path.")
@click.option("--down-after", type=int, default=1000, show_default=True, metavar="MS")
@click.option("--failover-timeout", type=int, default=10000, show_default=True, metavar="MS")
@click.option("--tls", is_flag=True, help="Only TLS, with certificates made for this lab.")
@click.option("--password-file", metavar="FILE", help="File with the data nodes' password.")
@click.option("--sentinel-password-file", metavar="FILE", help="File with the Sentinels' password.")
@click.option("--ipv6", is_flag=True, help="Listen on ::1.")
@click.option("--directory", metavar="DIR", help="Folder for configuration and logs, which stay there.")
@format_option
def up(names: tuple[str, ...], masters: int | None, form: str | None, **given: Any) -> None:
    """Start a deployment and run it until ^C or `switchmaster lab down`."""
    from switchmaster.lab.deployment import Lab
    from switchmaster.lab.publication import Publication, check_none_up

    if names and masters:
        raise UsageError("give --master NAME or --masters N, not both")
    options = _options(names or _numbered(masters), given)
    check_none_up()
    with until_interrupted(), Lab(options) as running, Publication.of(running) as publication:
        _describe_up(running, form)
        while True:
            time.sleep(REQUEST_INTERVAL_SECONDS)
            for name in publication.serve_requests():
                _say(
                    form,
                    {"type": "lab", "done": "started", "server": name},
                    f"started {name} again",
                )


@lab.command()
@click.argument("target", required=False, metavar="[SERVER|MASTER]")
@format_option
def crash(target: str | None, form: str | None) -> None:
    """Kill a server; without a name, the current master."""
    _do_to(target, form, "crashed", lambda steering, server: steering.crash(server))


@lab.command()
@click.argument("target", required=False, metavar="[SERVER|MASTER]")
@format_option
def hang(target: str | None, form: str | None) -> None:
    """Stop a server without closing its connections; without a name, the current master."""
    _do_to(target, form, "hung", lambda steering, server: steering.hang(server))


@lab.command()
@click.argument("target", required=False, metavar="[SERVER]")
@format_option
def resume(target: str | None, form: str | None) -> None:
    """Resume a hung server, or restart a dead one; without a name, all of them."""
    from switchmaster.lab.publication import attach

    found = attach()
    chosen = [found.server(target)] if target else found.servers
    for server in chosen:
        state = server.state
        if state == "hung":
            found.resume(server)
        elif state == "dead":
            found.restart(server)
        if state != "running" or target:
            done = {"hung": "resumed", "dead": "started", "running": "left running"}[state]
            _say_done(form, done, server)


@lab.command()
@click.argument("master", required=False)
@click.option("--coordinated", is_flag=True, help="Valkey 9: the old master hands over by itself.")
@format_option
def failover(master: str | None, coordinated: bool, form: str | None) -> None:
    """Start a planned failover."""
    from switchmaster.lab.publication import attach

    found = attach()
    running = [index for index, one in enumerate(found.sentinels) if one.state == "running"]
    leader = running[0] if running else 0
    found.failover(master, leader, coordinated)
    name = master or found.masters_monitored[0]
    record = {"type": "lab", "done": "failover", "master": name}
    _say(form, record, f"{found.sentinels[leader].name} fails {name} over")


@lab.command()
@format_option
def status(form: str | None) -> None:
    """List the servers, with the role that each reports."""
    from switchmaster.lab.publication import attach

    found = attach()
    roles = {one.name: one.role for name in found.masters_monitored for one in found.reports(name)}
    for server in found.servers:
        _say_server(form, server, roles.get(server.name, server.kind))


@lab.command()
@format_option
def down(form: str | None) -> None:
    """Stop the lab and clean up."""
    from switchmaster.lab.publication import attach

    found = attach()
    found.down()
    count = len(found.servers)
    _say(form, {"type": "lab", "done": "down", "servers": count}, f"ended {count} servers")


def _numbered(masters: int | None) -> tuple[str, ...]:
    if masters is None:
        return ("mymaster",)
    return tuple(f"mymaster{number}" for number in range(1, masters + 1))


def _options(names: tuple[str, ...], given: dict[str, Any]) -> LabOptions:
    from switchmaster.lab.lab_options import LabOptions

    return LabOptions(
        masters=names,
        replicas=given["replicas"],
        sentinels=given["sentinels"],
        quorum=given["quorum"],
        binary=given["server"],
        down_after_ms=given["down_after"],
        failover_timeout_ms=given["failover_timeout"],
        tls=given["tls"],
        password=_secret(given["password_file"]),
        sentinel_password=_secret(given["sentinel_password_file"]),
        host="::1" if given["ipv6"] else "127.0.0.1",
        directory=Path(given["directory"]) if given["directory"] else None,
    )


def _secret(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"can't read the password file {file}: {reason}") from error


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Run a block until ^C, which ends it without an error."""
    # `lab down` sends SIGTERM and a closed terminal SIGHUP: both end the lab as ^C does.
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, former in zip(numbers, before, strict=True):
            signal.signal(number, former)


def _describe_up(running: Steering, form: str | None) -> None:
    for server in running.servers:
        _say_server(form, server, server.kind)
    addresses = [_shown(server) for server in running.sentinels]
    watch = f"switchmaster watch {' '.join(addresses)}"
    _say(form, {"type": "lab", "done": "up", "sentinels": addresses, "watch": watch}, watch)


def _do_to(target: str | None, form: str | None, done: str, act: Callable[[Steering, LabServer], None]) -> None:
    from switchmaster.lab.publication import attach

    found = attach()
    server = _chosen(found, target)
    act(found, server)
    _say_done(form, done, server)


def _chosen(found: Steering, target: str | None) -> LabServer:
    if target is None or target in found.masters_monitored:
        return found.master(target)
    return found.server(target)


def _say_done(form: str | None, done: str, server: LabServer) -> None:
    record = {"type": "lab", "done": done, "server": server.name, "address": _shown(server)}
    _say(form, record, f"{done} {server.name} ({_shown(server)})")


def _say_server(form: str | None, server: LabServer, role: str) -> None:
    role = {"slave": "replica"}.get(role, role)
    record = {
        "type": "lab-server",
        "server": server.name,
        "address": _shown(server),
        "role": role,
        "state": server.state,
        "pid": server.pid,
    }
    line = f"{server.name:<16} {_shown(server):<21} {role:<9} {server.state:<8} {server.pid}"
    _say(form, record, line)


def _shown(server: LabServer) -> str:
    return f"[{server.host}]:{server.port}" if ":" in server.host else f"{server.host}:{server.port}"


def _say(form: str | None, record: dict[str, Any], line: str) -> None:
    form = form or ("pretty" if sys.stdout.isatty() else "json")
    if form == "json":
        line = json.dumps(record)
    elif form == "tsv":
        line = "\t".join(str(value) for value in record.values())
    click.echo(line)
