"""
Ask all Sentinels for one master at once, each over a connection of its own that ends with the answer.

For callers that must know in bounded time, before the links of a Watcher are live. A silent Sentinel costs nothing: the
answers of the others count `settle` seconds after the first of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..link.location import Located, Question, newest
from ..model import SentinelName
from ..wire.resp import plain
from .dial import DialTarget, describe_error
from .shell import connect_options

__all__ = ["Location", "locate"]


@dataclass(slots=True)
class Location:
    """The outcome of one question to several Sentinels."""

    answers: dict[SentinelName, Located] = field(default_factory=dict)
    reasons: dict[SentinelName, str] = field(default_factory=dict)
    """Why a Sentinel gave no answer; those that were not waited for are left out."""

    @property
    def found(self) -> Located | None:
        """The answer that counts; None if no Sentinel names an address."""
        return newest(self.answers.values())


async def locate(
    master: str,
    sentinels: Mapping[SentinelName, Callable[[], DialTarget]],
    timeout: float,
    settle: float,
) -> Location:
    """
    Ask several Sentinels for one master, all at once.

    Args:
        master: its name.
        sentinels: what to dial for each.
        timeout: seconds for name, connection, TLS and answer together.
        settle: seconds that the others have once one has named an address.

    Returns:
        Their answers; it never raises for what a Sentinel does.
    """
    loop = asyncio.get_running_loop()
    asked = {loop.create_task(_ask(master, dial, timeout)): name for name, dial in sentinels.items()}
    location, waiting, until = Location(), set(asked), loop.time() + timeout
    try:
        while waiting and (left := until - loop.time()) > 0:
            done, waiting = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            unsettled = location.found is None
            for task in done:
                answer, name = task.result(), asked[task]
                if isinstance(answer, str):
                    location.reasons[name] = answer
                else:
                    location.answers[name] = answer
            if unsettled and location.found is not None:
                until = min(until, loop.time() + settle)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return location


async def _ask(master: str, dial: Callable[[], DialTarget], timeout: float) -> Located | str:
    """Ask one Sentinel; return its answer, or why there is none."""
    target, writer = None, None
    try:
        target = dial()
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(
                target.address.host, target.address.port, **connect_options(asyncio.get_running_loop(), target)
            )
            question = Question(master, await target.login())
            writer.write(question.data_to_send)
            while data := await reader.read(65536):
                if (answer := question.receive_data(data)) is not None:
                    return answer
        return "the Sentinel closed the connection"
    except Exception as error:
        # Whatever it is, also an error of the caller's `dial`: this Sentinel gave no answer.
        return plain(describe_error(error, target.address if target is not None else None, timeout))
    finally:
        if writer is not None:
            writer.transport.abort()
