"""
`switchmaster actions`: what follows a switch: what is configured, what was done, and doing it again.

It asks the running daemon. `pause` and `resume` count for all daemons on its journal.
"""

from __future__ import annotations

import getpass
import re
import sys
from typing import Final

import click

from ...errors import UsageError
from ...render import Line, host_port
from ..daemon_client import DaemonClient, daemon_options
from ..output import Output, Words, complain, format_option

__all__ = ["actions"]

NOT_REACHED: Final = 1
"""The exit code of `test` if a target can't be reached."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_STYLES: Final = {
    "done": "green",
    "gave-up": "bold red",
    "failed": "bold red",
    "drifted": "red",
    "expired": "yellow",
    "interrupted": "yellow",
    "pending": "yellow",
    "running": "yellow",
}
_master_option: Final = click.option("--master", metavar="NAME", help="Only for this master.")


@click.group()
def actions() -> None:
    """Show, test, repeat and pause what follows a switch: scripts, webhooks and the like."""


@actions.command("list")
@daemon_options
@format_option
def list_(url: str, token_file: str | None, deployment: str | None, form: str | None) -> None:
    """
    List the configured actions, what of theirs is not done, and what is paused.

    Exit codes: 3 no daemon answers, 5 it refuses the token.
    """
    daemon, output = DaemonClient(url, token_file), Output(form)
    configured = daemon.get("/api/v1/actions")["items"]
    for line in configured:
        _show(output, line, _configured)
    for state in ("pending", "failed"):
        query = {"deployment": deployment, "state": state, "limit": "1000"}
        for line in daemon.get("/api/v1/reactions", **query)["items"]:
            _show(output, line, _reaction)
    for line in daemon.get("/api/v1/pauses")["items"]:
        _show(output, line, _pause)
    if not configured and output.form == "pretty":
        output.words((("no action is configured: see docs/topics/reactions.md", "dim"),))


@actions.command()
@click.argument("name", required=False)
@_master_option
@click.option(
    "--outcome",
    type=click.Choice(["running", "done", "gave-up", "superseded", "interrupted", "expired", "dry-run", "drifted"]),
    help="Only with this outcome.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most receipts to list.")
@click.option("--cursor", metavar="CURSOR", help="Continue where the previous page ended.")
@daemon_options
@format_option
def history(name: str | None, limit: int, url: str, token_file: str | None, form: str | None, **wanted: str) -> None:
    """List what actions did, or the action NAME, newest first: one receipt for each wish of a master."""
    daemon, output = DaemonClient(url, token_file), Output(form)
    found = daemon.get("/api/v1/receipts", action=name, limit=str(limit), **wanted)
    for line in found["items"]:
        _show(output, line, _receipt)
    if output.form == "pretty" and not found["items"]:
        output.words((("no matching receipt in the journal", "dim"),))
    if found["next"] is not None:
        complain(f"there are more; add --cursor {found['next']}")


@actions.command()
@click.argument("name")
@click.option("--master", metavar="NAME", required=True, help="The master.")
@click.option("--switch", type=click.IntRange(1), metavar="ID", help="The switch, as /api/v1/switches numbers it.")
@click.option("--yes", is_flag=True, help="Do not ask for the action's name once more.")
@daemon_options
@format_option
def run(name: str, master: str, switch: int | None, yes: bool, form: str | None, **daemon: str | None) -> None:
    """
    Carry the action NAME out again for a master: the newest wish, or one switch.

    It asks for the action's name once more; a script says --yes. The receiver gets the same delivery id as before.
    Exit codes: 1 the daemon refuses, 3 no daemon answers, 4 it knows no such action or master.
    """
    if not yes:
        _confirm(name)
    body: Line = {"master": master, "deployment": daemon["deployment"], "confirm": name, "by": getpass.getuser()}
    if switch is not None:
        body["switch"] = switch
    _show(Output(form), _daemon(daemon).post(f"/api/v1/actions/{_in_path(name)}/run", body), _reaction)


@actions.command()
@click.argument("name")
@daemon_options
@format_option
@click.pass_context
def test(context: click.Context, /, name: str, form: str | None, **daemon: str | None) -> None:
    """
    Prove that the target of the action NAME can be reached from the daemon; nothing is changed.

    Exit codes: 0 it can, 1 it can't, 3 no daemon answers, 4 it knows no such action.
    """
    found = _daemon(daemon).post(f"/api/v1/actions/{_in_path(name)}/test", {"by": getpass.getuser()})
    output = Output(form)
    if output.form == "pretty":
        output.words(((f"{name}  ", "bold"), (found["text"], "green" if found["passed"] else "bold red")))
    else:
        output.line({"type": "action-test", **found})
    if not found["passed"]:
        context.exit(NOT_REACHED)


@actions.command()
@click.argument("name", required=False, default="")
@_master_option
@click.option("--for", "time", metavar="TIME", help="Such as 90s, 15m or 2h; until `resume` by default.")
@click.option("--reason", default="", help="Why, for the others.")
@daemon_options
@format_option
def pause(name: str, master: str | None, time: str | None, reason: str, form: str | None, **daemon: str | None) -> None:
    """
    Pause the action NAME, or all, for maintenance, on all daemons of the journal.

    Switches are recorded meanwhile, and carried out when the pause ends.
    """
    found = None if time is None else re.fullmatch(r"(\d{1,6})([smhd])", time.strip())
    if time is not None and found is None:
        raise UsageError(f"--for {time!r} is no time: expected such as 90s, 15m or 2h")
    body = _names(name, master, daemon) | {"reason": reason}
    if found is not None:
        body["seconds"] = int(found[1]) * _UNITS[found[2]]
    _show(Output(form), _daemon(daemon).post("/api/v1/actions/pause", body), _pause)


@actions.command()
@click.argument("name", required=False, default="")
@_master_option
@daemon_options
@format_option
def resume(name: str, master: str | None, form: str | None, **daemon: str | None) -> None:
    """End the pause that was made with the same NAME, --master and --deployment."""
    output = Output(form)
    left = _daemon(daemon).post("/api/v1/actions/resume", _names(name, master, daemon))["items"]
    for line in left:
        _show(output, line, _pause)
    if not left and output.form == "pretty":
        output.words((("nothing is paused", "green"),))


def _names(name: str, master: str | None, daemon: dict[str, str | None]) -> Line:
    who = {"by": getpass.getuser()}
    return {"action": name, "master": master or "", "deployment": daemon["deployment"] or "", **who}


def _daemon(daemon: dict[str, str | None]) -> DaemonClient:
    return DaemonClient(daemon["url"] or "", daemon["token_file"])


def _in_path(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
        raise UsageError(f"{name!r} is no action's name; `switchmaster actions list` shows them")
    return name


def _confirm(name: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("carrying an action out again wants a confirmation: add --yes")
    if click.prompt("Type the action's name to carry it out", err=True, default="", show_default=False) != name:
        raise UsageError("that is not the action's name; nothing was done")


def _show(output: Output, line: Line, words: object) -> None:
    if output.form == "pretty":
        assert callable(words)
        output.words(words(line))
    else:
        output.line(line)


def _configured(line: Line) -> Words:
    states = ", ".join(f"{count} {state}" for state, count in sorted(line["states"].items()))
    more = [name for name in ("local", "every", "dry_run") if line[name]]
    return (
        (f"{line['action']}  ", "bold"),
        (f"{line['kind']} {line['summary']}  ", ""),
        (f"{line['group']}, grade {line['grade']}{''.join(f', {name}' for name in more)}  ", "dim"),
        (states or "nothing yet", ""),
    )


def _reaction(line: Line) -> Words:
    tries = "" if not line["attempts"] else f"  {line['attempts']} attempts"
    return (
        (f"{line['action']}  ", "bold"),
        (f"{line['deployment']}/{line['master']} -> {host_port(line['new'])}  ", ""),
        (f"{line['state']} since {line['wished']}{tries}  ", _STYLES.get(line["state"], "")),
        (line["problem"], "red"),
    )


def _receipt(line: Line) -> Words:
    return (
        (f"{line['started']}  ", "dim"),
        (f"{line['action']}  ", "bold"),
        (f"{line['deployment']}/{line['master']} -> {host_port(line['switch']['new'])}  ", ""),
        (f"{line['outcome']}  ", _STYLES.get(line["outcome"], "dim")),
        (f"{line['cause']}, {line['attempts']} attempts, {line['observer']}  ", "dim"),
        (" ".join(line["output"].split())[:200], ""),
    )


def _pause(line: Line) -> Words:
    names = " ".join(f"{key} {line[key]}" for key in ("action", "deployment", "master") if line[key])
    until = "until it is resumed" if line["until"] is None else f"until {line['until']}"
    return (
        ("paused  ", "bold yellow"),
        (f"{names or 'all actions'}  ", ""),
        (f"{until}, by {line['by'] or '-'}{line['reason'] and ': '}{line['reason']}", "dim"),
    )
