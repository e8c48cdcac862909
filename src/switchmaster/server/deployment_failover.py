"""
The planned failovers of one deployment in the daemon: ordered over HTTP, one at a time, read from other threads.

Each is a task in the Watcher's loop. Of several daemons on one PostgreSQL the one that holds the lease runs it; the
lease is taken for each run. Its beginning and its end are lines in the journal, and the failover is acknowledged there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..errors import SwitchmasterError, UnknownMaster, UsageError
from ..journal.guard_lease import GuardLease
from ..net.planned_failover import PlannedFailover, put_back_left_over
from ..net.watcher import Watcher
from ..net.wish_files import any_left_over
from ..planned.plan import Plan
from ..planned.planned_status import PlannedStatus
from ..planned.progress import Conclusion, Ending
from ..planned.request import FailoverRequest
from ..render import Line, iso

__all__ = ["DeploymentFailover"]

_log = logging.getLogger("switchmaster.failover")

ANSWER_SECONDS: Final = 15.0
"""Seconds that the Watcher's loop has to plan."""
LEASE_SECONDS: Final = 3.0
"""Seconds in which the lease must be had, else another daemon runs a failover."""
POLL_SECONDS: Final = 0.05
ESTABLISHED_POLL_SECONDS: Final = 0.5
SAID_MAX: Final = 50
"""Sentences that are kept of one run."""


class DeploymentFailover:
    """
    Orders planned failovers in one deployment.

    Args:
        watcher: of the deployment.
        folder: where a changed priority is kept until it is put back.
        timeout: seconds in which a server must answer.
        tell: takes a line of the journal about what an operator did.
        acknowledge: called in a thread of its own with each failover that is done, and who ordered it.
        lease: shared with other daemons; None if this daemon is the only one.
    """

    def __init__(
        self,
        watcher: Watcher,
        folder: Path,
        timeout: float,
        tell: Callable[[Line], None],
        acknowledge: Callable[[Conclusion, str], None],
        lease: GuardLease | None = None,
    ) -> None:
        self._watcher, self._folder, self._timeout = watcher, folder, timeout
        self._tell, self._acknowledge, self._lease = tell, acknowledge, lease
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._statuses: Mapping[str, PlannedStatus] = {}

    # -- in the Watcher's loop ----------------------------------------------------------------------

    def start(self) -> None:
        """Take orders from now on; what a run of a dead daemon has left changed is put back."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._put_back(), name="switchmaster: put back priorities")

    async def close(self) -> None:
        """Stop what runs; what it has changed is put back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _put_back(self) -> None:
        if not any_left_over(self._folder):
            return
        while not self._watcher.established:
            await asyncio.sleep(ESTABLISHED_POLL_SECONDS)
        for master in self._watcher.masters():
            await put_back_left_over(self._watcher, master, self._folder, partial(self._record, master), self._timeout)

    def _status(self, status: PlannedStatus) -> None:
        self._statuses = {**self._statuses, status.master: status}

    async def _plan(self, request: FailoverRequest, by: str) -> PlannedStatus:
        self._check(request.master)
        async with self._failover(request, lambda sentence: None) as planned:
            plan = await planned.plan()
        return PlannedStatus(self._watcher.deployment, request.master, by, time.time(), plan=plan)

    async def _order(self, request: FailoverRequest, by: str) -> PlannedStatus:
        self._check(request.master)
        if self._task is not None and not self._task.done():
            raise UsageError(f"the deployment {self._watcher.deployment!r} is busy with another planned failover")
        status = PlannedStatus(self._watcher.deployment, request.master, by, time.time(), running=True)
        self._status(status)
        self._task = asyncio.create_task(self._run(request, by), name=f"switchmaster: move {request.master}")
        return status

    def _check(self, master: str) -> None:
        known = self._watcher.masters()
        if master not in known:
            raise UnknownMaster(master, tuple(known), tuple(self._watcher.sentinels))

    def _failover(self, request: FailoverRequest, say: Callable[[str], None]) -> PlannedFailover:
        return PlannedFailover(self._watcher, request, self._folder, say, self._timeout)

    async def _run(self, request: FailoverRequest, by: str) -> None:
        master = request.master

        def say(sentence: str) -> None:
            status = self._statuses[master]
            self._status(replace(status, said=(*status.said, sentence)[-SAID_MAX:]))

        self._record(master, f"a planned failover was asked for by {by or 'somebody'}")
        try:
            conclusion = await self._with_lease(request, say)
        except asyncio.CancelledError:
            self._end(
                master, None, "the daemon stopped, or its configuration changed; Sentinel goes on with what was ordered"
            )
            raise
        except (SwitchmasterError, OSError) as error:
            self._end(master, None, str(error))
            return
        self._end(master, conclusion, "")
        if conclusion.ending is Ending.DONE:
            await asyncio.to_thread(self._acknowledge, conclusion, by)

    async def _with_lease(self, request: FailoverRequest, say: Callable[[str], None]) -> Conclusion:
        if self._lease is None:
            return await self._carry_out(request, say)
        self._lease.start()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LEASE_SECONDS):
                    while not self._lease.held:
                        await asyncio.sleep(POLL_SECONDS)
            if not self._lease.held:
                raise UsageError("another daemon runs a planned failover of this deployment, or PostgreSQL is away")
            return await self._carry_out(request, say)
        finally:
            await asyncio.to_thread(self._lease.close)

    async def _carry_out(self, request: FailoverRequest, say: Callable[[str], None]) -> Conclusion:
        await put_back_left_over(self._watcher, request.master, self._folder, say, self._timeout)
        async with self._failover(request, say) as planned:
            plan = await planned.plan()
            self._status(replace(self._statuses[request.master], plan=plan))
            if not plan.needed:
                return Conclusion(Ending.NOT_NEEDED, f"{plan.old} is the master", plan, survey=planned.last_survey)
            if plan.refusals:
                return Conclusion(Ending.REFUSED, _reasons(plan), plan, survey=planned.last_survey)
            return await planned.carry_out(plan)

    def _end(self, master: str, conclusion: Conclusion | None, error: str) -> None:
        status = replace(self._statuses[master], running=False, ended=time.time(), conclusion=conclusion, error=error)
        self._status(status)
        if conclusion is None:
            self._record(master, f"the planned failover ended: {error}")
            return
        moved = f", {conclusion.plan.old} -> {conclusion.new}" if conclusion.new is not None else ""
        self._record(master, f"the planned failover is {conclusion.ending}{moved}: {conclusion.reason}")

    def _record(self, master: str, words: str) -> None:
        now, deployment = time.time(), self._watcher.deployment
        text = f"{master}: {words}"
        _log.info("%s", text)
        self._tell({"type": "daemon", "time": iso(now), "deployment": deployment, "master": master, "text": text})

    # -- in any thread ------------------------------------------------------------------------------

    @property
    def statuses(self) -> Mapping[str, PlannedStatus]:
        """The last planned failover of each master since the start, by name."""
        return self._statuses

    async def plan(self, request: FailoverRequest, by: str = "") -> PlannedStatus:
        """
        Return the plan of a failover; from any loop. Nothing is changed.

        Raises:
            UnknownMaster: no Sentinel monitors it.
            TimeoutError: the Watcher's loop is stuck.
        """
        return await self._there(lambda: self._plan(request, by))

    async def order(self, request: FailoverRequest, by: str = "") -> PlannedStatus:
        """
        Begin a planned failover, and do not wait for its end; from any loop.

        Args:
            request: what is wanted.
            by: who asks for it.

        Raises:
            UnknownMaster: no Sentinel monitors it.
            UsageError: one runs already.
            TimeoutError: the Watcher's loop is stuck.
        """
        return await self._there(lambda: self._order(request, by))

    async def _there(self, work: Callable[[], Coroutine[Any, Any, PlannedStatus]]) -> PlannedStatus:
        if self._loop is None:
            raise TimeoutError
        future: Future[PlannedStatus] = asyncio.run_coroutine_threadsafe(work(), self._loop)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await asyncio.wrap_future(future)


def _reasons(plan: Plan) -> str:
    return "; ".join(each.text for each in plan.refusals)
