"""
A rolling restart of all nodes of one master under asyncio: the replicas one by one, then the master is moved, then the
old one. Between two nodes everything must be as it should be again: never are two nodes away at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..guard.promotable import promotable
from ..model import Address
from ..planned.plan import Plan, restart_order
from ..planned.progress import Conclusion, Ending
from ..planned.request import FailoverRequest
from ..planned.survey import Survey
from .planned_failover import LOOK_SECONDS, PlannedFailover
from .surveying import Surveyor
from .watcher import Watcher

__all__ = ["RollingRestart"]

SETTLED_SECONDS: Final = 120.0
"""Seconds that a node has to be in sync again by default: a full synchronisation may take long."""


class RollingRestart:
    """
    Restarts all nodes of one master.

    Args:
        watcher: knows the master; it is running.
        request: how its master is moved; ``wait_replicas`` always holds.
        restart: restarts one node, and returns why it could not, or an empty text.
        folder: where a changed priority is kept until it is put back.
        say: takes sentences about what is being done.
        timeout: seconds in which a server must answer.
        settled: seconds in which a restarted node must be in sync again.
    """

    def __init__(
        self,
        watcher: Watcher,
        request: FailoverRequest,
        restart: Callable[[Address], Awaitable[str]],
        folder: Path,
        say: Callable[[str], None],
        timeout: float,
        settled: float = SETTLED_SECONDS,
    ) -> None:
        self._watcher, self._restart, self._folder, self._say = watcher, restart, folder, say
        self._request = replace(request, wait_replicas=True)
        self._timeout, self._settled = timeout, settled
        self._surveyor = Surveyor(watcher, request.master, timeout)
        self.restarted: list[Address] = []
        """The nodes that were restarted and are in sync again, in order."""

    async def close(self) -> None:
        """End all connections."""
        await self._surveyor.close()

    async def plan(self) -> Plan:
        """Plan the failover in it: nothing is changed."""
        async with PlannedFailover(self._watcher, self._request, self._folder, self._say, self._timeout) as planned:
            return await planned.plan()

    async def carry_out(self, plan: Plan) -> Conclusion:
        """
        Restart the replicas, move the master, and restart the old one.

        Args:
            plan: what the operator has agreed to.

        Returns:
            What came of it; `Ending.STOPPED` names the node at which it stopped.
        """
        survey = await self._surveyor.take()
        if survey.master is None or survey.master != plan.old:
            return Conclusion(Ending.REFUSED, f"the master has changed: it is {survey.master}", plan, survey=survey)
        *replicas, old = restart_order(survey.master, survey.nodes)
        for node in replicas:
            stopped = await self._one(node, old, plan)
            if stopped is not None:
                return stopped
        conclusion = await self._move(plan)
        if conclusion.ending is not Ending.DONE or conclusion.new is None:
            return conclusion
        stopped = await self._one(old, conclusion.new, plan)
        if stopped is not None:
            return replace(stopped, new=conclusion.new, epoch=conclusion.epoch, record=conclusion.record)
        return replace(conclusion, reason=f"{len(self.restarted)} nodes were restarted, and every node says so")

    async def _move(self, plan: Plan) -> Conclusion:
        # The replicas were away a moment ago: what is left of that passes.
        request = replace(self._request, cool_down=0.0)
        async with PlannedFailover(self._watcher, request, self._folder, self._say, self._timeout) as planned:
            again = await planned.plan(wait=self._settled)
            if again.refusals or again.old != plan.old:
                reason = "; ".join(each.text for each in again.refusals) or f"the master is {again.old} now"
                return Conclusion(Ending.STOPPED, reason, again, survey=planned.last_survey)
            return await planned.carry_out(again)

    async def _one(self, node: Address, master: Address, plan: Plan) -> Conclusion | None:
        """Restart one replica when all is well, and wait until all is well again; return why it stopped."""
        before, missing = await self._well(node, master, None)
        if missing:
            reason = f"{node} was not restarted: {missing}"
            return Conclusion(Ending.STOPPED if self.restarted else Ending.REFUSED, reason, plan, survey=before)
        word = before.nodes.get(node)
        run_id = word.info.run_id if word is not None and word.info is not None else ""
        self._say(f"restarting {node}")
        failed = await self._restart(node)
        if failed:
            return Conclusion(Ending.STOPPED, f"the command for {node} failed: {failed}", plan, survey=before)
        after, missing = await self._well(node, master, run_id)
        if missing:
            return Conclusion(
                Ending.STOPPED, f"{node} is not back after {self._settled:g} s: {missing}", plan, survey=after
            )
        self.restarted.append(node)
        self._say(f"{node} is back and in sync")
        return None

    async def _well(self, node: Address, master: Address, run_id: str | None) -> tuple[Survey, str]:
        """
        Wait until everything is as it should be.

        Args:
            node: that is about to be restarted, or was.
            master: the present one.
            run_id: that it had before its restart; None before it.

        Returns:
            The last survey, and what is still missing when the time was up.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settled
        while True:
            survey = await self._surveyor.take()
            missing = next(_missing(survey, node, master, run_id), "")
            if not missing or loop.time() >= until:
                return survey, missing
            await asyncio.sleep(LOOK_SECONDS)


def _missing(survey: Survey, node: Address, master: Address, run_id: str | None) -> Iterator[str]:
    """Yield what is not as it should be, in words."""
    if survey.master != master:
        yield f"the Sentinels say that {survey.master} is the master"
    if survey.case.state.failing_over:
        yield "a failover is under way"
    its = survey.nodes.get(master)
    if its is None or not its.is_master:
        yield f"{master} does not answer that it is the master"
    for each, word in sorted(survey.nodes.items()):
        if each == master:
            continue
        if word.role is None:
            yield f"{each} does not answer ({word.reason})"
        elif not survey.follows(each, master):
            yield f"{each} does not follow {master}"
        elif not word.role.link_up:
            yield f"{each} is not in sync ({word.role.state})"
    restarted = survey.nodes[node].info if node in survey.nodes else None
    if run_id and restarted is not None and restarted.run_id == run_id:
        yield f"{node} runs on as the same process: the command did not restart it"
    if 2 * len(survey.case.words) <= survey.case.known:
        yield "most Sentinels do not answer"
    for said in survey.case.words:
        fit = {each.address for each in promotable(said.master, said.replicas)}
        if (
            node != master
            and node not in fit
            and any(each.priority > 0 for each in said.replicas if each.address == node)
        ):
            yield f"{said.sentinel} does not see yet that {node} is up"
