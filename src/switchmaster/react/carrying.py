"""
One run: the attempts of an action for one wish, while the row is held.

The hold is renewed each `RENEW_SECONDS`, beside the attempts. Where it can't be (the wish was superseded, the database
is away, another daemon holds the row), the run ends before the hold does: its process is killed, its request is
cancelled. An outcome that can't be written is tried again later by whoever holds the row then, with the same delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import stamina

from ..errors import JournalUnavailable
from ..journal.reaction_rows import ReactionRow, RunOutcome
from ..journal.reaction_store import ReactionStore
from ..journal.wishes import Wish
from .action_kinds import AttemptFailed, ConfiguredAction, GiveUp, Run
from .choosing import is_expired
from .run_counters import RunCounters

__all__ = ["HOLD_SECONDS", "Carrier", "Finished"]

HOLD_SECONDS: Final = 5.0
"""Seconds for which a row is held, unless the hold is renewed: how long a killed daemon's wishes wait for another."""
RENEW_SECONDS: Final = 1.0
MARGIN_SECONDS: Final = 2.0
"""Seconds before the end of a hold at which its run ends: a process gets one to tidy up before it is killed."""
FIRST_WAIT_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 60.0
JITTER_SECONDS: Final = 0.25
"""Of the backoff between attempts."""

T = TypeVar("T")
_log = logging.getLogger("switchmaster.react")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended."""

    action: ConfiguredAction
    row: ReactionRow
    outcome: RunOutcome
    attempts: int
    output: str
    seconds: float
    """From its beginning to its end."""


class Carrier:
    """
    Carries wishes out.

    Args:
        store: the journal's rows.
        elsewhere: returns the newest wishes of an action's masters.
        progressed: called when other rows may have to look again.
        finished: called with how each run ended.
        counters: counts what is done.
    """

    def __init__(
        self,
        store: ReactionStore,
        elsewhere: Callable[[ConfiguredAction], list[Wish]],
        progressed: Callable[[], None],
        finished: Callable[[Finished], None],
        counters: RunCounters,
    ) -> None:
        self._store = store
        self._elsewhere = elsewhere
        self._progressed = progressed
        self._finished = finished
        self._counters = counters

    async def carry_out(self, action: ConfiguredAction, row: ReactionRow) -> None:
        """Make attempts until one succeeds, none can, or the wish is no longer ours."""
        receipt = await asyncio.to_thread(self._store.take, row, HOLD_SECONDS, run=True)
        if receipt is None:
            return
        begun = time.monotonic()
        trying = _Attempts(action, row, self._run_of(action, row), self._record(row, receipt))
        outcome, output = await self._held(row, trying.run()) or (RunOutcome.INTERRUPTED, trying.output)
        took = await self._finish(row, receipt, outcome, trying.number, output)
        self._counters.ended(row, outcome if took else RunOutcome.INTERRUPTED)
        if took:
            self._finished(Finished(action, row, outcome, trying.number, output, time.monotonic() - begun))
        self._progressed()

    async def compare(self, action: ConfiguredAction, row: ReactionRow) -> None:
        """Compare a target with its wish, and let it be put right or reported."""
        assert row.wish is not None
        if await asyncio.to_thread(self._store.take, row, action.timeout + HOLD_SECONDS, run=False) is None:
            return
        begun, difference = time.monotonic(), ""
        try:
            async with asyncio.timeout(action.timeout):
                difference = await action.action.compare(row.wish, self._run_of(action, row)(0))
        except (AttemptFailed, GiveUp) as error:
            difference = f"it can't be read back: {error.output}"
        except TimeoutError:
            difference = f"it can't be read back within {action.timeout:g} s"
        except Exception as error:
            # A mistake in an action must not end the others. Logged.
            _log.exception("%s can't be compared", action.name)
            difference = f"internal error: {type(error).__name__}"
        new = await asyncio.to_thread(self._store.compared, row, difference, correct=action.correct)
        if new:
            self._counters.drifted(row)
        if new and not action.correct:
            seconds = time.monotonic() - begun
            self._finished(Finished(action, row, RunOutcome.DRIFTED, 0, difference, seconds))
        if difference:
            self._progressed()

    def _run_of(self, action: ConfiguredAction, row: ReactionRow) -> Callable[[int], Run]:
        def run(number: int) -> Run:
            if number:
                self._counters.attempted(row)
            return Run(action.name, number, row.cause, lambda: self._elsewhere(action))

        return run

    def _record(self, row: ReactionRow, receipt: int) -> Callable[[int, str], asyncio.Future[bool]]:
        def record(number: int, output: str) -> asyncio.Future[bool]:
            writing = asyncio.to_thread(self._store.failed_attempt, row, receipt, number, output)
            written = asyncio.ensure_future(writing)
            written.add_done_callback(lambda _: self._progressed())
            return written

        return record

    async def _held(
        self, row: ReactionRow, coroutine: Coroutine[Any, Any, tuple[RunOutcome, str]]
    ) -> tuple[RunOutcome, str] | None:
        """Return what a coroutine returns; None if the hold could not be renewed, or we are cancelled."""
        work: asyncio.Task[tuple[RunOutcome, str]] = asyncio.ensure_future(coroutine)
        until = time.monotonic() + HOLD_SECONDS - MARGIN_SECONDS
        try:
            while not work.done():
                await asyncio.wait((work,), timeout=RENEW_SECONDS)
                if work.done():
                    break
                asked = time.monotonic()
                renewed = await self._renew(row, until)
                if renewed:
                    until = asked + HOLD_SECONDS - MARGIN_SECONDS
                elif renewed is False or time.monotonic() >= until:
                    return None
            return work.result()
        except asyncio.CancelledError:
            return None
        finally:
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def _renew(self, row: ReactionRow, until: float) -> bool | None:
        """Return whether the row is still ours; None if the database does not say so in time."""
        renewal = asyncio.ensure_future(asyncio.to_thread(self._store.renew, row, HOLD_SECONDS))
        renewal.add_done_callback(lambda one: one.cancelled() or one.exception())
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                return await asyncio.shield(renewal)
        except (TimeoutError, JournalUnavailable):
            return None

    async def _finish(self, row: ReactionRow, receipt: int, outcome: RunOutcome, attempts: int, output: str) -> bool:
        writing = asyncio.to_thread(self._store.finish, row, receipt, outcome, attempts, output)
        try:
            # Also where we are cancelled: the row would stay held.
            return await asyncio.shield(asyncio.ensure_future(writing))
        except JournalUnavailable as error:
            _log.warning("%s for %s: the outcome is not recorded: %s", row.action, row.master, error)
            return False


class _Attempts:
    """
    The attempts of one run.

    Args:
        action: what to do.
        row: for which wish.
        run: returns what an attempt knows, by its number.
        record: writes an attempt that failed.
    """

    def __init__(
        self,
        action: ConfiguredAction,
        row: ReactionRow,
        run: Callable[[int], Run],
        record: Callable[[int, str], asyncio.Future[bool]],
    ) -> None:
        assert row.wish is not None
        self._action, self._wish, self._run, self._record = action, row.wish, run, record
        self._left = max(0.001, row.wished + action.give_up - time.time())
        self.number = row.attempts
        """Attempts that were made, those of earlier runs for this wish included."""
        self.output = ""
        """What the last one said."""

    async def run(self) -> tuple[RunOutcome, str]:
        """Make attempts; return how they ended."""
        action = self._action
        if is_expired(self._wish, action.max_age, time.time()):
            return RunOutcome.EXPIRED, f"the switch is older than {action.max_age:g} s"
        if action.dry_run:
            with contextlib.suppress(GiveUp):
                return RunOutcome.DRY_RUN, action.action.plan(self._wish)
        try:
            async for attempt in stamina.retry_context(
                on=_wait_after,
                attempts=None,
                timeout=self._left,
                wait_initial=FIRST_WAIT_SECONDS,
                wait_max=LONGEST_WAIT_SECONDS,
                wait_jitter=JITTER_SECONDS,
            ):
                with attempt:
                    return RunOutcome.DONE, await self._attempt()
        except GiveUp as error:
            return RunOutcome.GAVE_UP, error.output
        except AttemptFailed as error:
            return RunOutcome.GAVE_UP, f"given up after {action.give_up:g} s: {error.output}"
        raise AssertionError("the attempts end by a return or an exception")

    async def _attempt(self) -> str:
        action = self._action
        self.number += 1
        try:
            async with asyncio.timeout(action.timeout):
                run = self._run(self.number)
                self.output = await action.action.apply(self._wish, run)
                if action.action.compares and (difference := await action.action.compare(self._wish, run)):
                    raise AttemptFailed(f"it was applied, and reads back differently: {difference}")
                return self.output
        except GiveUp as error:
            self.output = error.output
            raise
        except (AttemptFailed, TimeoutError) as error:
            failed = error if isinstance(error, AttemptFailed) else AttemptFailed(f"no end within {action.timeout:g} s")
        except Exception as error:
            # A mistake in an action must not end the others. Logged.
            _log.exception("%s failed", action.name)
            failed = AttemptFailed(f"internal error: {type(error).__name__}; see the log")
        self.output = failed.output
        with contextlib.suppress(JournalUnavailable):  # the hold ends by itself if it stays away
            await asyncio.shield(self._record(self.number, failed.output))
        raise failed


def _wait_after(error: Exception) -> bool | float:
    """Tell stamina whether to try again, and after how many seconds if the target said so."""
    if not isinstance(error, AttemptFailed):
        return False
    return True if error.after is None else error.after
