"""
A planned failover under asyncio: it gives `switchmaster.planned` its sockets, time and files, and decides nothing.

It lives in the loop of its Watcher. `plan` changes nothing. `carry_out` checks again, acts, follows and verifies; what
it has changed is put back when it ends, also if its task is cancelled, and by the next run if its process dies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ..belief.failover import Failover
from ..errors import UsageError
from ..model import Grade
from ..planned.plan import Plan, make_plan
from ..planned.preference import KeptWish, shows_preference
from ..planned.progress import Conclusion, Ending, FailoverProgress
from ..planned.request import FailoverRequest
from ..planned.survey import Survey
from ..wire.facts import LinkState
from ..wire.refusal import classify, explain
from .priorities import change_priorities, put_priorities_back
from .surveying import Surveyor, operator_name
from .watcher import Watcher
from .wish_files import WishFile

__all__ = ["PlannedFailover", "put_back_left_over"]

LOOK_SECONDS: Final = 0.2
"""Seconds between two surveys while something is awaited."""
PASSING_SECONDS: Final = 1.0
"""Seconds between two plans while something that refuses is to pass by itself."""
SEEN_SECONDS: Final = 25.0
"""Seconds in which every Sentinel must see a changed priority: each asks every node every 10 s."""
HOLD_AFTER: Final = 0.03
"""Seconds from the selection of the replica until writes are held back; its promotion follows after 0.05 to 0.1 s."""
PAUSE_SECONDS: Final = 5.0
"""For how long the old master holds writes back, unless it is told again: so long it does if we die."""
DEMOTE_AFTER: Final = 3.0
"""Seconds from the promotion after which the old master is demoted even if the leader has not finished."""
PUT_BACK_SECONDS: Final = 5.0
"""Seconds that a cancelled run takes to put back what it has changed."""


class PlannedFailover:
    """
    One planned failover of one master.

    Args:
        watcher: knows the master; it is running.
        request: what is wanted.
        folder: where a changed priority is kept until it is put back.
        say: takes sentences about what is being done.
        timeout: seconds in which a server must answer.
    """

    def __init__(
        self, watcher: Watcher, request: FailoverRequest, folder: Path, say: Callable[[str], None], timeout: float
    ) -> None:
        self._watcher, self.request, self._folder, self._say = watcher, request, folder, say
        self._timeout = timeout
        self._surveyor = self._new_surveyor(None)
        self.last_survey: Survey | None = None
        """What `plan` was made from; None before."""
        self._progress: FailoverProgress | None = None
        self._ends: list[Callable[[], None]] = []
        self._pausing: asyncio.Task[None] | None = None
        self._paused: float | None = None
        """When the old master was last told to hold writes back, in monotonic seconds; None if it was not."""
        self._demoted: float | None = None
        """When the old master was told to follow the new one."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        for end in self._ends:
            end()
        self._ends = []
        await self._surveyor.close()

    @property
    def ordered(self) -> bool:
        """Whether the failover was ordered."""
        return self._progress is not None

    # -- before -------------------------------------------------------------------------------------

    async def plan(self, wait: float = 0.0) -> Plan:
        """
        Plan it: nothing is changed.

        Args:
            wait: seconds to wait for what refuses to pass by itself, such as another failover.

        Raises:
            UnknownMaster: no Sentinel monitors the master.
        """
        loop = asyncio.get_running_loop()
        until, said = loop.time() + wait, ""
        await self._links_settled()
        while True:
            self.last_survey = await self._surveyor.take()
            plan = make_plan(self.request, self.last_survey)
            if not plan.needed or not plan.refusals or not plan.may_pass or loop.time() >= until:
                return plan
            if plan.refusals[0].id != said:
                said = plan.refusals[0].id
                self._say(f"waiting: {plan.refusals[0].text}")
            await asyncio.sleep(PASSING_SECONDS)

    async def _links_settled(self) -> None:
        """Wait until every Sentinel, discovered ones included, has answered or failed; twice its timeout at most."""
        loop = asyncio.get_running_loop()
        until = loop.time() + 2 * self._timeout
        while loop.time() < until:
            states = self._watcher.sentinels.values()
            if all(each.answered if each.state is LinkState.LIVE else bool(each.reason) for each in states):
                return
            await asyncio.sleep(0.02)

    def _new_surveyor(self, name: str | None) -> Surveyor:
        return Surveyor(
            self._watcher, self.request.master, self._timeout, name, asks_rights=self.request.to is not None
        )

    # -- the failover -------------------------------------------------------------------------------

    async def carry_out(self, agreed: Plan) -> Conclusion:
        """
        Check again, order the failover, follow it, and verify it.

        Args:
            agreed: the plan that the operator has agreed to.

        Returns:
            What came of it.

        Raises:
            UnknownMaster: no Sentinel monitors the master any longer.
            asyncio.CancelledError: the task was cancelled; what was changed has been put back.
        """
        await self._surveyor.close()
        # From here on other operators can see that somebody is about to act.
        self._surveyor = self._new_surveyor(operator_name(self.request.master))
        survey, plan, refused = await self._check(agreed)
        if refused is not None or not plan.needed:
            return refused or Conclusion(
                Ending.NOT_NEEDED, f"{agreed.old} is no longer the master", plan, survey=survey
            )
        if self.request.to is None:
            return await self._order(plan, survey, None)
        if not plan.changes:
            return await self._prefer(agreed, plan, survey, None)
        wish = KeptWish(self.request.master, plan.changes)
        file = WishFile.write(self._folder, self._watcher.sentinels, wish)
        try:
            return await self._prefer(agreed, plan, survey, file)
        finally:
            await self._put_back(file)

    async def _check(self, agreed: Plan) -> tuple[Survey, Plan, Conclusion | None]:
        survey = await self._surveyor.take()
        plan = make_plan(self.request, survey)
        if plan.needed and plan.refusals:
            reason = "; ".join(each.text for each in plan.refusals)
            return survey, plan, Conclusion(Ending.REFUSED, reason, plan, survey=survey)
        if plan.needed and plan.old != agreed.old:
            reason = f"the master has changed since: it was {agreed.old}, and is {plan.old}"
            return survey, plan, Conclusion(Ending.REFUSED, reason, plan, survey=survey)
        return survey, plan, None

    async def _prefer(self, agreed: Plan, plan: Plan, survey: Survey, file: WishFile | None) -> Conclusion:
        """Make every Sentinel prefer the wanted replica, then order the failover."""
        failed = await change_priorities(self._surveyor, plan.changes)
        if failed:
            return Conclusion(Ending.REFUSED, failed, plan, survey=survey)
        wanted, priorities = self.request.to, plan.priorities
        self._say(f"waiting until every Sentinel has seen that {wanted} is preferred (up to 10 s)")
        loop = asyncio.get_running_loop()
        until = loop.time() + SEEN_SECONDS
        while True:
            survey, plan, refused = await self._check(agreed)
            if refused is not None:
                return refused
            if not plan.needed:
                return Conclusion(Ending.NOT_NEEDED, f"{plan.old} is the master already", plan, survey=survey)
            words = survey.case.words
            # Without the change another may be chosen a moment later: offsets decide between equal priorities.
            blind = [each.sentinel for each in words if not shows_preference(each, priorities, wanted)]
            if words and not blind:
                return await self._order(plan, survey, file)
            if loop.time() >= until:
                reason = f"{', '.join(sorted(blind))} would still promote another replica after {SEEN_SECONDS:g} s"
                return Conclusion(Ending.REFUSED, reason, plan, survey=survey)
            await asyncio.sleep(LOOK_SECONDS)

    async def _order(self, plan: Plan, survey: Survey, file: WishFile | None) -> Conclusion:
        assert plan.sentinel is not None
        loop = asyncio.get_running_loop()
        progress = FailoverProgress(plan, loop.time(), survey)
        follow = (self._watcher.on_switch, self._watcher.on_failover, self._watcher.on_notice)
        self._ends = [begin(progress.observe) for begin in follow]
        if file is not None:
            file.order()
        words = ("SENTINEL", "FAILOVER", self.request.master, *(("COORDINATED",) if self.request.coordinated else ()))
        self._say(f"{' '.join(words)} to {plan.sentinel}")
        self._progress = progress
        if not self.request.coordinated:  # there the server does it
            self._ends.append(self._watcher.on_failover(self._on_failover))
        try:
            reply = await self._surveyor.ask_sentinel(plan.sentinel, *words)
        except (OSError, TimeoutError, UsageError) as error:
            # It may have got the order all the same: what happens next decides.
            why = str(error) or "no answer in time"
            self._say(f"{plan.sentinel} did not answer the order ({why}); following what happens")
        else:
            if classify(reply) is not None:
                self._progress = None
                reason = f"{plan.sentinel} refuses: {explain(reply)}"
                return Conclusion(Ending.REFUSED, reason, plan, survey=survey)
        return await self._follow(progress)

    async def _follow(self, progress: FailoverProgress) -> Conclusion:
        try:
            while True:
                survey = await self._surveyor.take()
                conclusion = progress.conclude(survey, asyncio.get_running_loop().time())
                if conclusion is not None:
                    return conclusion
                await self._demote(progress, survey)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if self._pausing is not None:
                self._pausing.cancel()
            if self._paused is not None:
                # Not awaited for long: without an answer the pause ends by itself.
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(self._tell_old(("CLIENT", "UNPAUSE")))

    # -- the old master -----------------------------------------------------------------------------

    def _on_failover(self, record: Failover) -> None:
        progress = self._progress
        if self._pausing is None and progress is not None and progress.record is record and record.new is not None:
            self._pausing = asyncio.ensure_future(self._hold_writes())

    async def _hold_writes(self) -> None:
        """
        Hold writes back on the old master, just before the promotion: one that it acknowledges after that is lost.

        Not sooner, because clients that follow the failover hold theirs back as soon as the replica is selected: what
        they have sent is answered before.
        """
        await asyncio.sleep(HOLD_AFTER)
        await self._pause()

    async def _pause(self) -> None:
        why = await self._tell_old(("CLIENT", "PAUSE", str(int(PAUSE_SECONDS * 1000)), "WRITE"))
        if not why:
            self._paused = asyncio.get_running_loop().time()
        elif self._paused is None:
            self._say(f"the old master does not hold writes back ({why}): a client that does not follow may lose some")

    async def _tell_old(self, *commands: tuple[str, ...]) -> str:
        """Send commands to the old master; return why the last one failed, or an empty text."""
        assert self._progress is not None
        old = self._progress.plan.old
        assert old is not None
        try:
            *_, reply = await self._surveyor.ask_node(old, *commands)
        except (OSError, TimeoutError, UsageError) as error:
            return str(error) or "no answer in time"
        return explain(reply) if classify(reply) is not None else ""

    def interrupted(self) -> Conclusion | None:
        """Return the conclusion after a cancelled `carry_out`; None if nothing had been ordered."""
        return None if self._progress is None else self._progress.interrupted(None)

    async def _demote(self, progress: FailoverProgress, survey: Survey) -> None:
        """
        Make the old master follow the new one when the Sentinels agree: Sentinel itself does so after 11 s, and until
        then clients that stay on it write into the void. As sentinelSendSlaveOf() does, but clients are ended a moment
        later: those whose writes were held back get READONLY, which says that nothing was done.
        """
        old, switch, state = progress.plan.old, progress.switch, survey.case.state
        now = asyncio.get_running_loop().time()
        word = survey.nodes.get(old) if old is not None else None
        if self._demoted is not None or old is None or switch is None or word is None or not word.is_master:
            return
        if self._paused is not None and now >= self._paused + PAUSE_SECONDS / 2:
            await self._pause()
        agreed = state.address == switch.new and state.grade is Grade.AGREED and not state.disagreeing
        finished = progress.record is not None and progress.record.closed
        if not agreed or switch.new == old or not (finished or now >= switch.at + DEMOTE_AFTER):
            return
        self._demoted = now
        unpause = (("CLIENT", "UNPAUSE"),) if self._paused is not None else ()
        follow = ("REPLICAOF", switch.new.host, str(switch.new.port))
        why = await self._tell_old(("MULTI",), follow, ("CONFIG", "REWRITE"), *unpause, ("EXEC",))
        if why:
            self._say(
                f"{old} was not told to follow {switch.new} ({why}); Sentinel does so about 11 s after the promotion"
            )
            return
        self._paused = None
        self._say(f"{old} was told to follow {switch.new}")
        await asyncio.sleep(LOOK_SECONDS)
        await self._tell_old(("CLIENT", "KILL", "TYPE", "normal"), ("CLIENT", "KILL", "TYPE", "pubsub"))

    # -- what was changed ---------------------------------------------------------------------------

    async def _put_back(self, file: WishFile) -> None:
        wish = replace(file.wish, ordered=self._progress is not None)
        task = asyncio.ensure_future(put_priorities_back(self._surveyor, wish))
        try:
            failed = await asyncio.shield(task)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PUT_BACK_SECONDS):
                    _settle(file, await task, self._say)
            raise
        _settle(file, failed, self._say)


def _settle(file: WishFile, failed: list[str], say: Callable[[str], None]) -> None:
    for sentence in failed:
        say(f"{sentence}; the next run tries again, or `switchmaster failover {file.wish.master} --put-back`")
    if failed:
        file.close()
    else:
        file.remove()


async def put_back_left_over(
    watcher: Watcher, master: str, folder: Path, say: Callable[[str], None], timeout: float
) -> int:
    """
    Put back what runs that died have changed for one master.

    Args:
        watcher: knows the master; it is running.
        master: its name.
        folder: where those runs have kept it.
        say: takes sentences about what is being done.
        timeout: seconds in which a server must answer.

    Returns:
        How many runs have left something that could not be put back.
    """
    left = 0
    surveyor = Surveyor(watcher, master, timeout)
    try:
        for file in WishFile.find(folder, master, watcher.sentinels):
            failed = await put_priorities_back(surveyor, file.wish)
            if not failed:
                nodes = ", ".join(f"{each.before} on {each.node}" for each in file.wish.changes)
                say(f"put back the replica priorities that an interrupted failover had changed: {nodes}")
            _settle(file, failed, say)
            left += bool(failed)
    finally:
        await surveyor.close()
    return left
