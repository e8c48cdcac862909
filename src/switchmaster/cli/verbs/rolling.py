"""
`switchmaster rolling`: restart all nodes of a master one by one, and move the master in between.

The command for each node is run without a shell; what it prints goes to standard error.
"""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from ...errors import UsageError
from ...model import Address
from ...planned.plan import restart_order
from ...planned.request import FailoverRequest
from ...render import conclusion_line, plan_line
from ..confirmation import confirm_by_name, is_interactive
from ..deployment_options import deployment_options, read_settings, sentinels_argument, to_seconds
from ..operation import Operation, run_until_signalled
from ..output import Output, complain, format_option
from ..plan_words import conclusion_words, plan_words

if TYPE_CHECKING:
    from ...net.rolling_restart import RollingRestart
    from ...net.watcher import Watcher
    from ...planned.plan import Plan

__all__ = ["rolling"]

REFUSED: Final = 1
DEFAULTS: Final = FailoverRequest("")
UNATTENDED: Final = "a rolling restart wants a confirmation, and standard input is no terminal: add --yes, or try"


@click.command()
@click.argument("name")
@sentinels_argument
@click.option(
    "--each",
    "template",
    required=True,
    metavar="COMMAND",
    help="Restarts one node, such as 'ssh {host} systemctl restart redis@{port}'; no shell reads it.",
)
@click.option("--yes", is_flag=True, help="Do not ask for the master's name.")
@click.option("--dry-run", is_flag=True, help="Only check, and say what would be done.")
@click.option("--to", metavar="HOST:PORT", help="Move the master to this replica, by its replica-priority.")
@click.option("--coordinated", is_flag=True, help="The old master hands over (Valkey 9).")
@click.option(
    "--timeout",
    metavar="S",
    callback=to_seconds,
    help=f"Seconds until the failover must be verified. [default: {DEFAULTS.timeout:g}]",
)
@click.option(
    "--settled",
    metavar="S",
    callback=to_seconds,
    help="Seconds that a restarted node has to be in sync again. [default: 120]",
)
@format_option
@deployment_options()
def rolling(name: str, sentinels: tuple[str, ...], form: str | None, template: str, **given: Any) -> None:
    """
    Restart every node of the master NAME: the replicas, then the master moves, then the old master.

    Before and after each node all must be well: every node answers and is in sync, and the Sentinels
    agree. Otherwise it stops there. {host} and {port} in COMMAND are those of the node.

    Exit codes: 0 done; 1 refused, and nothing was begun; 3, 4, 5 as always; 6 it stopped on the way;
    7 and 8 as of `failover`.
    """
    command_for(template, Address("127.0.0.1", 6379))
    if not (given["yes"] or given["dry_run"] or is_interactive()):
        raise UsageError(f"{UNATTENDED} --dry-run first")
    output = Output(form)
    operation = Operation(read_settings(sentinels, given), name, output)
    request = FailoverRequest(
        name,
        to=None if given["to"] is None else Address.parse(given["to"]),
        coordinated=given["coordinated"],
        timeout=given["timeout"] or DEFAULTS.timeout,
        cool_down=0.0,
    )
    run = _Run(operation, output, request, template, given["settled"])
    plan = run_until_signalled(run.look())
    refused = bool(plan.refusals) or not plan.needed
    if refused or given["dry_run"]:
        click.get_current_context().exit(REFUSED if refused else 0)
    if not given["yes"]:
        confirm_by_name(name, "", "Type the master's name to restart all its nodes", UNATTENDED)
    click.get_current_context().exit(run_until_signalled(run.act(plan)))


def command_for(template: str, node: Address) -> list[str]:
    """
    Return the command for one node, as its words: no shell reads them.

    Args:
        template: what the operator wrote, with ``{host}`` and ``{port}``.
        node: the node.

    Raises:
        UsageError: it is empty, or its quotes do not match.
    """
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise UsageError(f"--each {template!r} can't be read: {error}") from None
    if not words:
        raise UsageError("--each is empty: expected such as 'systemctl restart redis@{port}'")
    return [word.replace("{host}", node.host).replace("{port}", str(node.port)) for word in words]


async def _restart(template: str, node: Address) -> str:
    """Run the command for one node; return why it failed, or an empty text."""
    words = command_for(template, node)
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    except OSError as error:
        return f"{words[0]}: {error.strerror}"
    code = await process.wait()
    return "" if code == 0 else f"{shlex.join(words)} ended with {code}"


class _Run:
    """One call of the verb; each method runs in a loop of its own."""

    def __init__(
        self, operation: Operation, output: Output, request: FailoverRequest, template: str, settled: float | None
    ) -> None:
        self._operation, self._output, self._request = operation, output, request
        self._template, self._settled = template, settled
        self._deployment = operation.deployment.settings.deployment or "default"

    async def look(self) -> Plan:
        """Plan it, and show the plan."""
        async with self._operation.watcher() as watcher:
            roll = self._roll(watcher)
            try:
                plan = await roll.plan()
            finally:
                await roll.close()
            nodes = [] if plan.old is None else [each.address for each in watcher.state(self._request.master).replicas]
        if self._output.form != "pretty":
            self._output.line(plan_line(self._deployment, plan))
        else:
            self._output.all_words(plan_words(plan))
            if plan.needed and plan.old is not None:
                *replicas, old = (str(each) for each in restart_order(plan.old, nodes))
                order = f"restart {', '.join(replicas)}, each when all is well; move the master; restart {old}"
                self._output.words((("The order: ", "bold"), (order, "")))
        if not plan.needed:
            complain(f"refused: {self._request.to} is the master already, and the master has to move; name a replica")
        elif plan.refusals:
            complain(f"refused: {'; '.join(each.text for each in plan.refusals)}")
        return plan

    async def act(self, plan: Plan) -> int:
        """Carry it out, and return the exit code."""
        from ...net.planned_failover import put_back_left_over

        async with self._operation.watcher() as watcher:
            self._operation.narrate(watcher)
            operation = self._operation
            await put_back_left_over(
                watcher, operation.name, operation.folder, operation.say, operation.deployment.timeout
            )
            roll = self._roll(watcher)
            try:
                conclusion = await roll.carry_out(plan)
            finally:
                await roll.close()
        if self._output.form == "pretty":
            self._output.all_words(conclusion_words(conclusion))
        else:
            restarted = [{"host": each.host, "port": each.port} for each in roll.restarted]
            line = conclusion_line(self._deployment, conclusion, time.time())
            self._output.line({**line, "restarted": restarted})
        if conclusion.ending.exit_code:
            complain(f"{conclusion.ending}: {conclusion.reason}; {conclusion.advice}")
        return conclusion.ending.exit_code

    def _roll(self, watcher: Watcher) -> RollingRestart:
        from ...net.rolling_restart import SETTLED_SECONDS, RollingRestart

        operation = self._operation
        return RollingRestart(
            watcher,
            self._request,
            lambda node: _restart(self._template, node),
            operation.folder,
            operation.say,
            operation.deployment.timeout,
            self._settled or SETTLED_SECONDS,
        )
