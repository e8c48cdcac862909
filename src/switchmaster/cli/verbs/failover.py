"""
`switchmaster failover`: a planned failover: check, ask, check again, act, follow, verify.

Standard output has the plan, the failover as it happens and how it ended, in words or as lines. ^C, SIGTERM and a
closed terminal end it in order: what was changed is put back, and a failover that was ordered goes on.
"""

from __future__ import annotations

import getpass
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from ...errors import SwitchmasterError, UsageError
from ...model import Address
from ...planned.checks import CheckResult, PlanCheck
from ...planned.progress import Conclusion, Ending
from ...planned.request import FailoverRequest
from ...render import conclusion_line, plan_line
from ..canary import Canary, CanaryReport
from ..confirmation import confirm_by_name, is_interactive
from ..deployment_options import deployment_options, read_settings, sentinels_argument, to_seconds
from ..journal_options import acknowledge_planned
from ..operation import Operation, run_until_signalled
from ..output import Output, complain, format_option
from ..plan_words import conclusion_words, plan_words, survey_words

if TYPE_CHECKING:
    from ...planned.plan import Plan
    from ...planned.survey import Survey

__all__ = ["failover"]

REFUSED: Final = 1
NOT_PUT_BACK: Final = 6
ORDINARY_HOLD: Final = 2.0
COORDINATED_HOLD: Final = 5.0
"""Seconds for which the canary's client holds commands, as docs/topics/clients.md advises."""
DEFAULTS: Final = FailoverRequest("")
UNATTENDED: Final = "a failover wants a confirmation, and standard input is no terminal: add --yes, or try"


@click.command()
@click.argument("name")
@sentinels_argument
@click.option("--yes", is_flag=True, help="Do not ask for the master's name.")
@click.option("--dry-run", is_flag=True, help="Only check, and say what would be done.")
@click.option("--to", metavar="HOST:PORT", help="Make this replica the master, by its replica-priority.")
@click.option("--if-master", metavar="HOST:PORT", help="Only if this node is the master; else exit with 0 at once.")
@click.option("--wait", is_flag=True, help="Wait up to --timeout for what refuses and passes by itself.")
@click.option("--wait-replicas", is_flag=True, help="It is done only when all replicas are in sync again.")
@click.option("--coordinated", is_flag=True, help="The old master hands over (Valkey 9).")
@click.option("--canary", is_flag=True, help="Write to a throwaway key meanwhile, and say what was seen.")
@click.option(
    "--max-lag",
    metavar="S",
    callback=to_seconds,
    help=f"How long ago the master may have heard the replica. [default: {DEFAULTS.max_lag:g}]",
)
@click.option(
    "--max-behind",
    metavar="BYTES",
    type=click.IntRange(0),
    default=DEFAULTS.max_behind,
    show_default=True,
    help="How far the replica may be behind.",
)
@click.option(
    "--timeout",
    metavar="S",
    callback=to_seconds,
    help=f"Seconds until all must be verified. [default: {DEFAULTS.timeout:g}]",
)
@click.option(
    "--cool-down",
    metavar="S",
    type=click.FloatRange(0),
    default=DEFAULTS.cool_down,
    show_default=True,
    help="Seconds that must have passed since the last failover.",
)
@click.option("--put-back", is_flag=True, help="Only put back the priorities that an interrupted failover has changed.")
@click.option("--journal", metavar="URL", help="The daemon's journal, in which it is acknowledged.")
@format_option
@deployment_options()
def failover(name: str, sentinels: tuple[str, ...], form: str | None, put_back: bool, **given: Any) -> None:
    """
    Move the master NAME to a replica: check, ask, check again, act, follow, verify.

    Everything that could go wrong is checked first, and again just before SENTINEL FAILOVER is sent. It
    is done when every node itself says so. Without a terminal it needs --yes.

    Exit codes: 0 done, or not needed; 1 refused, and nothing was begun; 3, 4, 5 as always; 6 begun, and
    it did not end as it should; 7 two nodes take writes; 8 no new master in time, and none is known yet.
    """
    if not (given["yes"] or given["dry_run"] or put_back or is_interactive()):
        raise UsageError(f"{UNATTENDED} `switchmaster failover {name} --dry-run` first")
    deployment = read_settings(sentinels, given)
    output = Output(form)
    operation = Operation(deployment, name, output)
    run = _Run(operation, output, _request(name, given), given)
    try:
        code = _carry_out(run, name, put_back, given)
    except KeyboardInterrupt:
        if not run.interrupted:
            raise
        code = Ending.INTERRUPTED.exit_code
    click.get_current_context().exit(code)


def _carry_out(run: _Run, name: str, put_back: bool, given: dict[str, Any]) -> int:
    if put_back:
        return run_until_signalled(run.put_back())
    if given["yes"] or given["dry_run"]:
        return run_until_signalled(run.whole())
    plan, code = run_until_signalled(run.look())
    if not plan.needed or plan.refusals:
        return code
    prompt = f"Type the master's name to move it from {plan.old} to {plan.candidate}"
    confirm_by_name(name, "", prompt, UNATTENDED)
    return run_until_signalled(run.act(plan))


def _request(name: str, given: dict[str, Any]) -> FailoverRequest:
    def address(option: str) -> Address | None:
        return None if given[option] is None else Address.parse(given[option])

    return FailoverRequest(
        name,
        to=address("to"),
        if_master=address("if_master"),
        coordinated=given["coordinated"],
        max_lag=DEFAULTS.max_lag if given["max_lag"] is None else given["max_lag"],
        max_behind=given["max_behind"],
        timeout=given["timeout"] or DEFAULTS.timeout,
        cool_down=given["cool_down"],
        wait_replicas=given["wait_replicas"],
    )


class _Run:
    """One call of the verb; each method runs in a loop of its own and returns the exit code."""

    def __init__(self, operation: Operation, output: Output, request: FailoverRequest, given: dict[str, Any]) -> None:
        self._operation, self._output, self._request, self._given = operation, output, request, given
        self._deployment = operation.deployment.settings.deployment or "default"
        self.interrupted = False
        """Whether it was stopped after the order."""

    async def put_back(self) -> int:
        """Only put back what interrupted runs have changed."""
        from ...net.planned_failover import put_back_left_over

        operation = self._operation
        async with operation.watcher() as watcher:
            left = await put_back_left_over(
                watcher, operation.name, operation.folder, operation.say, operation.deployment.timeout
            )
        return NOT_PUT_BACK if left else 0

    async def look(self) -> tuple[Plan, int]:
        """Plan it, and show the plan."""
        from ...net.planned_failover import put_back_left_over

        operation, wait = self._operation, self._request.timeout if self._given["wait"] else 0.0
        async with operation.watcher() as watcher:
            if not self._given["dry_run"]:
                await put_back_left_over(
                    watcher, operation.name, operation.folder, operation.say, operation.deployment.timeout
                )
            async with operation.failover(watcher, self._request) as planned:
                plan = await planned.plan(wait)
                if plan.needed and not plan.refusals:
                    plan = replace(plan, checks=(*plan.checks, *await self._ask_doctor()))
                return plan, self._show(plan, planned.last_survey)

    async def _ask_doctor(self) -> list[PlanCheck]:
        """Return the errors that the doctor finds as warnings: they are about the next failover too."""
        from ...doctor.examine import examine
        from ...doctor.symptom import Severity
        from ..inspected import configured_doctor, inspect_deployment

        found = await inspect_deployment(self._operation.deployment, [self._request.master])
        settings = configured_doctor(self._given["config"])
        errors = [
            each
            for each in examine(found, () if settings is None else settings.suppressions).findings
            if each.severity is Severity.ERROR and each.master in (None, self._request.master)
        ]
        return [PlanCheck("doctor", CheckResult.WARNING, f"{each.rule}: {each.symptom.sentence}") for each in errors]

    def _show(self, plan: Plan, survey: Survey | None) -> int:
        if self._output.form == "pretty":
            self._output.all_words(plan_words(plan))
            if plan.needed and plan.refusals and survey is not None:
                self._output.all_words(survey_words(survey))
        else:
            self._output.line(plan_line(self._deployment, plan))
        if not plan.needed or not plan.refusals:
            return 0
        complain(f"refused: {'; '.join(each.text for each in plan.refusals)}")
        return REFUSED

    async def whole(self) -> int:
        """Plan and carry out without asking."""
        plan, code = await self.look()
        if not plan.needed or plan.refusals or self._given["dry_run"]:
            return code
        return await self.act(plan)

    async def act(self, plan: Plan) -> int:
        """Carry out the plan."""
        canary = self._canary()
        if canary is not None:
            canary.start()
        report: CanaryReport | None = None
        try:
            async with (
                self._operation.watcher() as watcher,
                self._operation.failover(watcher, self._request) as planned,
            ):
                self._operation.narrate(watcher)
                try:
                    conclusion = await planned.carry_out(plan)
                except BaseException:
                    stopped = planned.interrupted()
                    if stopped is not None:
                        self.interrupted = True
                        with suppress(OSError):  # the terminal may be gone
                            self._conclude(stopped)
                    raise
        finally:
            if canary is not None:
                report = canary.stop()
        self._conclude(conclusion)
        if report is not None:
            self._tell(report)
        if conclusion.ending is Ending.DONE:
            self._acknowledge(conclusion)
        return conclusion.ending.exit_code

    def _canary(self) -> Canary | None:
        if not self._given["canary"]:
            return None
        hold = COORDINATED_HOLD if self._request.coordinated else ORDINARY_HOLD
        return Canary(self._operation.deployment.settings, self._request.master, hold)

    def _conclude(self, conclusion: Conclusion) -> None:
        if self._output.form == "pretty":
            self._output.all_words(conclusion_words(conclusion))
        else:
            self._output.line(conclusion_line(self._deployment, conclusion, time.time()))
        if conclusion.ending.exit_code:
            complain(f"{conclusion.ending}: {conclusion.reason}; {conclusion.advice}")

    def _tell(self, report: CanaryReport) -> None:
        if self._output.form != "pretty":
            self._output.line(report.line())
            return
        lost = "not known how many" if report.lost is None else str(report.lost)
        words = f"{report.acknowledged:,} writes acknowledged, {len(report.failed)} failed, {lost} lost, "
        style = "green" if report.lost == 0 and not report.failed else "bold red"
        self._output.words((("  the canary: ", ""), (f"{words}longest pause {report.longest_pause:.3f} s", style)))
        for reason in sorted(set(report.failed))[:5]:
            self._output.words(((f"    {reason}", "red"),))

    def _acknowledge(self, conclusion: Conclusion) -> None:
        journal, config = self._given["journal"], self._given["config"]
        if journal is None and config is None:
            return
        try:
            found = acknowledge_planned(config, journal, conclusion, self._deployment, getpass.getuser())
        except SwitchmasterError as error:  # it is moved all the same
            complain(str(error))
            return
        if not found:
            complain("no daemon has recorded this failover in the journal: it was not acknowledged there")
