"""
A planned failover in the foreground: a Watcher of its own, news printed as it comes, and an orderly end by signals.

SIGTERM and SIGHUP (a closed terminal) end it like ^C: the work is cancelled, and puts back what it has changed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..belief.decisions import Notice, Switch
from ..belief.failover import Failover
from ..errors import UnknownMaster
from .deployment_options import DeploymentOptions
from .narrator import Narrator
from .output import Output, Words, complain

if TYPE_CHECKING:
    from pathlib import Path

    from ..net.planned_failover import PlannedFailover
    from ..net.watcher import Watcher
    from ..planned.request import FailoverRequest

__all__ = ["Operation", "run_until_signalled"]

_Answer = TypeVar("_Answer")
SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


def run_until_signalled(work: Coroutine[Any, Any, _Answer]) -> _Answer:
    """
    Run a coroutine in a loop of its own; ^C, SIGTERM and SIGHUP cancel it.

    Raises:
        KeyboardInterrupt: one of them came; the coroutine has ended.
    """

    async def guarded() -> _Answer:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for number in SIGNALS:
            loop.add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


class Operation:
    """
    Runs planned failovers of one master.

    Args:
        deployment: the Sentinels and their credentials.
        name: the master's.
        output: where news is printed.
    """

    def __init__(self, deployment: DeploymentOptions, name: str, output: Output) -> None:
        self.deployment, self.name = deployment, name
        self._output, self._narrator = output, Narrator([name])

    @property
    def folder(self) -> Path:
        """Where a changed priority is kept until it is put back."""
        from ..net.wish_files import state_folder

        return state_folder(os.environ)

    @asynccontextmanager
    async def watcher(self) -> AsyncIterator[Watcher]:
        """
        Run a Watcher of the master for the length of a block.

        Raises:
            NoSentinelReachable: no Sentinel answered in time.
            AccessRefused: they refuse us.
            UnknownMaster: they monitor no such master.
        """
        from ..net.watcher import Watcher

        arguments = self.deployment.watcher_arguments([self.name])
        async with Watcher(arguments.pop("sentinels"), **arguments) as watcher:
            try:
                watcher.master(self.name)
            except UnknownMaster as error:
                raise UnknownMaster(self.name, await self._others(), error.sentinels) from None
            yield watcher

    async def _others(self) -> tuple[str, ...]:
        from ..net.watcher import Watcher

        arguments = {**self.deployment.watcher_arguments(), "masters": None}
        more = {"discover": False, "probe": False, "subscribe": False}
        async with Watcher(arguments.pop("sentinels"), **{**arguments, **more}) as watcher:
            return watcher.masters()

    def failover(self, watcher: Watcher, request: FailoverRequest) -> PlannedFailover:
        """Return a planned failover; it is a context manager."""
        from ..net.planned_failover import PlannedFailover

        return PlannedFailover(watcher, request, self.folder, self.say, self.deployment.timeout)

    def narrate(self, watcher: Watcher) -> None:
        """Print each stage of a failover as it comes, for people."""
        if self._output.form == "pretty":
            watcher.on_failover(lambda record: self._print(self._failover(record)))
            watcher.on_switch(lambda switch: self._print(self._switch(switch)))
            watcher.on_notice(lambda notice: self._print(self._notice(notice)))

    def say(self, sentence: str) -> None:
        """Say what is being done."""
        if self._output.form == "pretty":
            self._print([((sentence, "dim"),)])
        else:
            complain(sentence)

    def _failover(self, record: Failover) -> list[Words]:
        return self._narrator.failover(record) if record.attempted else []

    def _switch(self, switch: Switch) -> list[Words]:
        return self._narrator.switch(switch)

    def _notice(self, notice: Notice) -> list[Words]:
        return self._narrator.notice(notice)

    def _print(self, lines: list[Words]) -> None:
        with suppress(OSError):  # the terminal is gone, and the work goes on
            self._output.all_words(lines)
