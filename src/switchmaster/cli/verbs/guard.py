"""
`switchmaster guard`: what the daemon's guards would do, and arming, disarming and suspending them.

It asks the running daemon. An order counts until the daemon's next start or reload; to arm for good, write it into the
configuration file.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable, Iterator
from typing import Final

import click

from ...errors import UsageError
from ...render import Line, host_port
from ..confirmation import confirm_by_name
from ..daemon_client import DaemonClient, daemon_options, path_of
from ..output import Output, Words, format_option

__all__ = ["guard"]

WOULD_NOT: Final = 1
"""The exit code of `explain` if the guard would not act."""
_STYLES: Final = {"armed": "bold green", "dry-run": "yellow", "disarmed": "dim"}
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_EMPTY: Final = {True: ", a restart brings back nothing", False: ", a restart brings back its data", None: ""}


@click.group()
def guard() -> None:
    """Arm, disarm and question the daemon's guards, which order a failover once a master's death is proved."""


@guard.command()
@click.argument("name", required=False)
@daemon_options
@format_option
def status(name: str | None, url: str, token_file: str | None, deployment: str | None, form: str | None) -> None:
    """
    Show each master's guard, or that of the master NAME: armed or not, and what it would do now.

    Exit codes: 3 no daemon answers, 4 it knows no such master, 5 it refuses the token.
    """
    daemon, output = DaemonClient(url, token_file), Output(form)
    if name is not None:
        lines = [daemon.get(path_of(name), deployment=deployment)]
    else:
        lines = daemon.get("/api/v1/guard", deployment=deployment)["items"]
    for line in lines:
        _show(output, line)
    if not lines and output.form == "pretty":
        output.words((("no master is guarded: see docs/topics/guard.md, and `switchmaster guard arm NAME`", "dim"),))


@guard.command()
@click.argument("name")
@daemon_options
@format_option
@click.pass_context
def explain(
    context: click.Context, name: str, url: str, token_file: str | None, deployment: str | None, form: str | None
) -> None:
    """
    Say what the guard of the master NAME would do if the master died now, and why not.

    Exit codes: 0 it would order a failover, 1 it would not, 3 no daemon answers, 4 it knows no such master.
    """
    line = DaemonClient(url, token_file).get(path_of(name), deployment=deployment)
    output = Output(form)
    if output.form == "pretty":
        output.all_words(_explanation(line))
    else:
        output.line(line)
    if not line["would_act"]:
        context.exit(WOULD_NOT)


@guard.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only record what it would have ordered: the way to trust it first.")
@click.option("--yes", is_flag=True, help="Do not ask for the master's name once more.")
@daemon_options
@format_option
def arm(name: str, dry_run: bool, yes: bool, form: str | None, **daemon: str | None) -> None:
    """
    Arm the guard of the master NAME until the daemon's next start or reload.

    It asks for the master's name once more; a script says --yes. Nothing is asked for a dry run.
    """
    if not (yes or dry_run):
        _confirm(name)
    _order(name, {"arming": "dry-run" if dry_run else "armed"}, form, daemon)


@guard.command()
@click.argument("name")
@daemon_options
@format_option
def disarm(name: str, form: str | None, **daemon: str | None) -> None:
    """Disarm the guard of the master NAME until the daemon's next start or reload."""
    _order(name, {"arming": "disarmed"}, form, daemon)


@guard.command()
@click.argument("name")
@click.option("--for", "time", metavar="TIME", default="15m", show_default=True, help="Such as 90s, 15m or 2h.")
@daemon_options
@format_option
def suspend(name: str, time: str, form: str | None, **daemon: str | None) -> None:
    """Suspend the guard of the master NAME, for maintenance: it goes on watching, and does not act."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", time.strip())
    if found is None:
        raise UsageError(f"--for {time!r} is no time: expected such as 90s, 15m or 2h")
    _order(name, {"suspend": int(found[1]) * _UNITS[found[2]]}, form, daemon)


@guard.command()
@click.argument("name")
@daemon_options
@format_option
def resume(name: str, form: str | None, **daemon: str | None) -> None:
    """End the suspension of the guard of the master NAME."""
    _order(name, {"suspend": 0}, form, daemon)


def _confirm(name: str) -> None:
    confirm_by_name(
        name,
        f"An armed guard orders a failover of {name} by itself, once its death is proved.",
        "Type the master's name to arm it",
        f"arming a guard wants a confirmation: add --yes, or try `guard arm {name} --dry-run` first",
    )


def _order(name: str, order: Line, form: str | None, daemon: dict[str, str | None]) -> None:
    asked = DaemonClient(daemon["url"] or "", daemon["token_file"])
    body = {**order, "confirm": name, "by": getpass.getuser()}
    _show(Output(form), asked.post(path_of(name), body, deployment=daemon["deployment"]))


def _show(output: Output, line: Line) -> None:
    if output.form == "pretty":
        output.words(_words(line))
    else:
        output.line(line)


def _words(line: Line) -> Words:
    until = line["suspended_until"]
    if line["would_act"]:
        what = (f"would ask {line['would_ask'] or '-'} to promote {_address(line['would_promote'])}", "green")
    else:
        style = "dim" if line["arming"] == "disarmed" else "red"
        what = (f"would not act: {'; '.join(line['outlook'])}", style)
    return (
        (f"{line['deployment']}/{line['master']}  ", "bold"),
        (f"{_address(line['address'])}  ", ""),
        (f"{line['arming']}  ", _STYLES[line["arming"]]),
        ("" if until is None else f"suspended until {until}  ", "yellow"),
        *((what,) if line["arming"] != "disarmed" else ()),
    )


def _explanation(line: Line) -> Iterator[Words]:
    yield _head(line)
    if line["would_act"]:
        yield (("If it died now, and its witnesses proved it, the guard would order a failover:", "green"),)
    else:
        yield (("If it died now, the guard would not order a failover:", "bold red"),)
        for reason in line["outlook"]:
            yield ((f"  - {reason}", "red"),)
        if line["would_ask"] is None:
            return
        yield (("Otherwise it would", ""),)
    for key, value in _act(line):
        yield ((f"  {key:<9}", "dim"), (value, ""))
    yield (("What the nodes last said", ""),)
    for report in line["reports"]:
        yield _report(report)
    if line["counts"]:
        counted = {**line["counts"], **{f"kept back by {name}": count for name, count in line["objected"].items()}}
        shown = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counted.items() if count)
        yield (("Since it began  ", "dim"), (shown or "nothing happened", ""))


def _head(line: Line) -> Words:
    name, address = f"{line['deployment']}/{line['master']}  ", f"{_address(line['address'])}  "
    return (name, "bold"), (address, ""), (line["arming"], _STYLES[line["arming"]])


def _act(line: Line) -> Iterator[tuple[str, str]]:
    policy, master = line["policy"], line["address"]
    node = next((one for one in line["reports"] if master and host_port(one) == host_port(master)), None)
    wipes = policy["restart"] == "wipes"
    if policy["restart"] == "unknown":
        wipes = node is not None and node["comes_back_empty"] is True
    wait = "one sample: a restart would bring back nothing" if wipes else f"two samples {policy['grace']:g} s apart"
    yield "after", f"{wait}, each within {policy['evidence_timeout']:g} s"
    yield "ask", f"{line['would_ask']} (SENTINEL FAILOVER {line['master']})"
    yield "promote", _address(line["would_promote"])
    if line["may_order"] is None:
        yield "rights", "not known yet"


def _report(report: Line) -> Words:
    role = {"slave": "replica"}.get(report["role"], report["role"] or "unknown")
    keys = "? keys" if report["keys"] is None else f"{report['keys']:,} keys"
    offset = "" if report["offset"] is None else f", offset {report['offset']}"
    link = {True: ", link up", False: ", link down", None: ""}[report["link_up"]]
    more = ", shutting down" if report["stopping"] else ", loading" if report["loading"] else ""
    text = f"{role:<8} {keys}{offset}{link}{more}{_EMPTY[report['comes_back_empty']]}"
    return (f"  {host_port(report):<22} ", "dim"), (text, "")


_address: Final[Callable[[Line | None], str]] = host_port
