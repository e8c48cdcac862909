"""
The engine: which rows are carried out now, and which targets are compared.

A thread of its own with its own event loop, so that nothing that an action or the database does holds up the loop that
listens to Sentinels. It looks whenever it is woken (a switch was committed, a run made progress) and once a second,
which finds what other daemons have written and what has become due.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol, TypeVar

import stamina.instrumentation

from ..errors import JournalUnavailable, UsageError
from ..journal.reaction_rows import ReactionRow, ReactionState, Target
from ..journal.reaction_store import ReactionStore
from ..journal.wishes import Wish
from ..model import Address, Grade
from .action_kinds import AttemptFailed, ConfiguredAction, GiveUp
from .carrying import Carrier, Finished
from .choosing import awaits, is_ripe, next_step
from .run_counters import RunCounters

__all__ = ["Beliefs", "Reactor"]

TURN_SECONDS: Final = 1.0
"""Seconds between two looks, if nothing wakes the engine."""
REST_SECONDS: Final = 0.002
"""Seconds between two looks, at least: what comes at once is done at once."""
SWEEP_SECONDS: Final = 10.0
"""Seconds between two searches for new masters, and for rows that were left behind."""
RUNS_AT_ONCE: Final = 32
CLOSE_SECONDS: Final = 5.0
"""Seconds that runs get to end with the daemon."""
TEST_SECONDS: Final = 10.0
ENDING: Final = ""
"""In place of the delivery of a run that was cancelled."""

T = TypeVar("T")
_log = logging.getLogger("switchmaster.react")


class Beliefs(Protocol):
    """What the engine asks of the belief, from its own thread."""

    def deployments(self) -> Collection[str]:
        """Return the names of the deployments that this daemon watches."""

    def place(self, deployment: str, master: str) -> tuple[Address, Grade] | None:
        """Return where a master is believed to be now, and how well that is supported; None if it is not known."""


class Reactor:
    """
    Carries out the actions of one daemon.

    Args:
        store: the journal's rows.
        beliefs: the belief of this daemon.
        actions: what is configured.
        finished: called in the engine's thread with how each run ended.
    """

    def __init__(
        self,
        store: ReactionStore,
        beliefs: Beliefs,
        actions: Sequence[ConfiguredAction],
        finished: Callable[[Finished], None],
    ) -> None:
        self.store = store
        self._beliefs = beliefs
        self._actions = {(one.name, one.place): one for one in actions}
        self.counters = RunCounters()
        self._carrier = Carrier(store, self._elsewhere, self.wake, finished, self.counters)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._main: asyncio.Task[None] | None = None
        self._running: dict[int, tuple[str, asyncio.Task[None]]] = {}
        """What is under way, by the row: the delivery and its task."""
        self._last_switch: int | None = None
        """The newest switch that was considered; None until the actions are registered."""
        self._known: set[tuple[str, str]] = set()
        """Masters whose rows have been looked at since the last change of the actions, or of what is watched."""
        self._watched: frozenset[str] = frozenset()
        """The deployments that were watched at the last look."""
        self._swept = 0.0
        self._away = False

    # -- from any thread ----------------------------------------------------------------------------

    @property
    def actions(self) -> tuple[ConfiguredAction, ...]:
        """What is configured, in the order of the file."""
        return tuple(self._actions.values())

    def start(self) -> None:
        """Start the thread."""
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), name="switchmaster reactions", daemon=True)
        self._thread.start()
        started.wait()

    def wake(self) -> None:
        """Let the engine look now."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    def apply(self, actions: Sequence[ConfiguredAction]) -> None:
        """Take a changed configuration: runs of actions that changed are interrupted, and begin again."""
        new = {(one.name, one.place): one for one in actions}
        self._call(self._change(new))

    async def test(self, name: str) -> str:
        """
        Prove that an action's target can be reached, without a change; from any loop.

        Raises:
            AttemptFailed: it can't be reached.
            UsageError: no action has that name.
        """
        return await asyncio.wrap_future(self._submit(self._test(self.action(name))))

    def action(self, name: str) -> ConfiguredAction:
        """
        Return an action.

        Raises:
            UsageError: none has that name.
        """
        found = next((one for one in self.actions if one.name == name), None)
        if found is None:
            known = ", ".join(repr(one.name) for one in self.actions) or "none"
            raise UsageError(f"no action is named {name!r}; configured: {known}")
        return found

    def target(self, action: ConfiguredAction, deployment: str, master: str) -> Target:
        """Return an action for one master."""
        standing = action.action.compares and not action.every
        return Target(action.name, action.place, deployment, master, action.every, standing)

    def close(self) -> None:
        """Interrupt all runs and end the thread; what is not done is carried out later, or by another daemon."""
        if self._loop is None or self._thread is None or self._main is None:
            return
        main = self._main
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(main.cancel)
        self._thread.join(2 * CLOSE_SECONDS)
        self.store.close()

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._submit(coroutine)

    # -- the thread ---------------------------------------------------------------------------------

    def _serve(self, started: threading.Event) -> None:
        # Attempts are in receipts; stamina's own log would repeat them.
        stamina.instrumentation.set_on_retry_hooks(())
        asyncio.run(self._live(started))

    async def _live(self, started: threading.Event) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        self._woken = asyncio.Event()
        started.set()
        try:
            while True:
                try:
                    await self._turn()
                    self._away = False
                except JournalUnavailable as error:
                    if not self._away:
                        _log.warning("no action can be carried out: %s", error)
                    self._away = True
                except Exception:
                    # The engine must go on: what failed is tried again with the next look. Logged.
                    _log.exception("the engine of the actions failed")
                await self._rest()
        except asyncio.CancelledError:
            await self._interrupt(list(self._running.values()))

    async def _rest(self) -> None:
        await asyncio.sleep(TURN_SECONDS if self._away else REST_SECONDS)
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _interrupt(self, runs: Iterable[tuple[str, asyncio.Task[None]]]) -> None:
        tasks = [task for _, task in runs]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)

    async def _change(self, new: dict[tuple[str, str], ConfiguredAction]) -> None:
        changed = {key for key, action in self._actions.items() if new.get(key) != action}
        rows = [
            one for one in self._running.values() if one[1].get_name() in {f"{name}@{place}" for name, place in changed}
        ]
        self._actions = new
        self._last_switch = None
        self._known.clear()
        await self._interrupt(rows)
        self._woken.set()

    async def _test(self, action: ConfiguredAction) -> str:
        try:
            async with asyncio.timeout(TEST_SECONDS):
                return await action.action.test()
        except GiveUp as error:
            raise AttemptFailed(error.output) from None
        except TimeoutError:
            raise AttemptFailed(f"no answer within {TEST_SECONDS:g} s") from None

    # -- one look -----------------------------------------------------------------------------------

    async def _turn(self) -> None:
        self._woken.clear()
        if not self._actions:
            return
        names = list(self._actions)
        await self._take_wishes(names)
        self._prune()
        pauses, now = await asyncio.to_thread(self.store.pauses)
        waiting = [
            (action, row)
            for row in await asyncio.to_thread(self.store.pending, names)
            if (action := self._actions.get((row.action, row.place))) is not None
            and self._covers(action, row.deployment, row.master)
        ]
        self.counters.wait((row for _, row in waiting), now)
        for action, row in waiting:
            if any(one.covers(row.action, row.deployment, row.master, now) for one in pauses):
                continue
            await self._consider(action, row, now)
        await self._compare_due(names, now)

    async def _take_wishes(self, names: list[tuple[str, str]]) -> None:
        watched = frozenset(self._beliefs.deployments())
        if watched != self._watched:
            self._watched = watched
            self._known.clear()  # another daemon may have left switches behind
        if self._last_switch is None:
            self._last_switch = await asyncio.to_thread(self.store.register, names)
            self._swept = 0.0
        last, masters = await asyncio.to_thread(self.store.new_switches, self._last_switch)
        if time.monotonic() >= self._swept + SWEEP_SECONDS or not self._known:
            self._swept = time.monotonic()
            there = set(await asyncio.to_thread(self.store.masters))
            masters |= (there - self._known) | await asyncio.to_thread(self.store.behind, names)
            self._known |= there
        await self._advance(masters)
        self._last_switch = last

    async def _advance(self, masters: Iterable[tuple[str, str]]) -> None:
        targets = [
            self.target(action, deployment, master)
            for deployment, master in masters
            for action in self._actions.values()
            if self._covers(action, deployment, master)
        ]
        if targets:
            await asyncio.to_thread(self.store.advance, targets, next_step)

    def _covers(self, action: ConfiguredAction, deployment: str, master: str) -> bool:
        if deployment not in self._beliefs.deployments():
            return False
        if action.deployments and deployment not in action.deployments:
            return False
        return not action.masters or any(fnmatchcase(master, one) for one in action.masters)

    def _prune(self) -> None:
        for id, (_, task) in list(self._running.items()):
            if task.done():
                del self._running[id]

    async def _consider(self, action: ConfiguredAction, row: ReactionRow, now: float) -> None:
        """Carry a row out, unless it must wait."""
        assert row.wish is not None
        under_way = self._running.get(row.id)
        if under_way is not None:
            delivery, task = under_way
            if delivery not in (ENDING, row.wish.delivery):
                self._running[row.id] = (ENDING, task)  # a second cancellation would cut off what ends it
                task.cancel()
            return
        if row.holder not in (None, self.store.holder) and row.held_until > now:
            return
        place = self._beliefs.place(row.deployment, row.master)
        if not is_ripe(row.wish, action.grade, *(place or (None, None))):
            return
        groups = {key: one.group for key, one in self._actions.items()}
        siblings = await asyncio.to_thread(self.store.siblings, row) if len(set(groups.values())) > 1 else []
        if awaits(row, groups, siblings, now) or len(self._running) >= RUNS_AT_ONCE:
            return
        self._spawn(row, self._carry_out(action, row))

    async def _carry_out(self, action: ConfiguredAction, row: ReactionRow) -> None:
        await self._carrier.carry_out(action, row)
        if action.every:
            await self._advance([(row.deployment, row.master)])

    async def _compare_due(self, names: list[tuple[str, str]], now: float) -> None:
        kept = [name for name in names if self._actions[name].action.compares and not self._actions[name].dry_run]
        if not kept:
            return
        for row in await asyncio.to_thread(self.store.settled, kept):
            action = self._actions[row.action, row.place]
            due = row.checked + action.check_every <= now and row.id not in self._running
            free = row.holder is None or row.held_until <= now
            if due and free and self._covers(action, row.deployment, row.master) and len(self._running) < RUNS_AT_ONCE:
                self._spawn(row, self._carrier.compare(action, row))

    def _spawn(self, row: ReactionRow, coroutine: Coroutine[Any, Any, None]) -> None:
        assert row.wish is not None
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{row.action}@{row.place}")
        task.add_done_callback(self._ended)
        self._running[row.id] = (row.wish.delivery, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._woken.set()
        if task.cancelled() or (error := task.exception()) is None:
            return
        level = logging.WARNING if isinstance(error, JournalUnavailable) else logging.ERROR
        _log.log(level, "%s was interrupted: %s: %s", task.get_name(), type(error).__name__, error)

    def _elsewhere(self, action: ConfiguredAction) -> list[Wish]:
        """Return the newest wishes of all masters of an action; blocks."""
        pauses, now = self.store.pauses()
        found = []
        for row in self.store.rows([(action.name, action.place)]):
            if row.wish is None or not self._covers(action, row.deployment, row.master):
                continue
            place = self._beliefs.place(row.deployment, row.master) or (None, None)
            waits = row.state is ReactionState.PENDING and (
                not is_ripe(row.wish, action.grade, *place)
                or any(one.covers(row.action, row.deployment, row.master, now) for one in pauses)
            )
            if not waits:
                found.append(row.wish)
            elif row.wish.old is not None:  # what must wait stays where it was
                found.append(replace(row.wish, new=row.wish.old))
        return found
