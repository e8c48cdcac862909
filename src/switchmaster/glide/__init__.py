"""
Valkey GLIDE follows the master: clients of ``valkey-glide`` (here) and of ``valkey-glide-sync`` (`sync`).

::

    async with Watcher([("10.209.10.30", 46390), ("10.209.10.31", 46390)]) as watcher:
        async with MasterClient(watcher, "mymaster1", request_timeout=500) as client:
            await client.set("k", "v")

Theory of operation. GLIDE knows no Sentinel: a ``GlideClient`` keeps the addresses that it was made with. A
`MasterClient` has one ``GlideClient``, connected to the master that a Watcher knows, and every command of it. With a
switch it makes another one at the new address, by itself and at once, and closes the old one. Before a command it
compares the phase of the gate (`switchmaster.follow.gate`) under which its ``GlideClient`` was made ready with the
newest: while they are the same object, the command goes to GLIDE; otherwise it first carries out the plan of
`switchmaster.follow.reach`, as the connections of redis-py do. So commands wait in a planned failover, and from the
agreement that a master is down.

`following` is what both have in common: where the master is, and how a ``GlideClient`` for it is configured. What is
left here and in `sync` is carrying out a plan in a loop or in threads.

Invariants: a command is given to GLIDE once at most; commands go to no node that the newest phase does not name; only
GLIDE's public names are used. Needs the extra ``glide``.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

from ..client.aio import carry_out
from ..errors import SwitchmasterError
from ..follow.reach import Dial, Effect, FindMaster, Reach, Wait
from ..model import Address
from .following import NOT_OPEN, Following, KnowsMasters, import_glide, named

__all__ = ["MasterClient"]


class MasterClient:
    """
    Every command of a ``glide.GlideClient``, sent to a master wherever it is; for asyncio.

    Args:
        watcher: what knows the master, of asyncio or of threads. It is the caller's to start and to close; several
            clients may share it.
        master: the master's name.
        hold: seconds that commands wait in a planned failover at most.
        failover_wait: seconds that a command waits for a master while there is none.
        drain: seconds that commands under way at the old master may still take after a switch.
        configuration: arguments of ``GlideClientConfiguration`` except ``addresses``.

    Raises:
        UsageError: seconds are below 0, or ``addresses`` are given.
        MissingDependency: ``valkey-glide`` is not installed.
    """

    def __init__(
        self,
        watcher: KnowsMasters,
        master: str,
        *,
        hold: float = 2.0,
        failover_wait: float = 10.0,
        drain: float = 0.0,
        **configuration: Any,
    ) -> None:
        self._glide = import_glide("glide")
        self._following = Following(watcher, master, (hold, failover_wait, drain), self._glide, configuration)
        self._current: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dialling: asyncio.Lock | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<MasterClient of {self._following.master!r} at {self._following.at}>"

    async def start(self) -> None:
        """
        Connect to the master.

        Raises:
            ConnectionError: GLIDE's; it could not be reached within `failover_wait`, or no Sentinel knows it.
        """
        self._loop, self._dialling = asyncio.get_running_loop(), asyncio.Lock()
        self._following.begin(self._moved)
        await self._reach()

    async def close(self) -> None:
        """End every connection; commands under way end with GLIDE's ``ClosingError``. Safe to call twice."""
        self._closed = True
        self._following.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        current, self._current = self._current, None
        if current is not None:
            await current.close()

    aclose = close

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def address(self) -> Address | None:
        """The node at which commands are now, as Sentinel announces it; None before the start and after the end."""
        return self._following.at

    @property
    def glide_client(self) -> Any:
        """The ``GlideClient`` that is connected to the master now; it is closed with the next switch."""
        if self._current is None:
            raise self._glide.ClosingError(NOT_OPEN)
        return self._current

    def __getattr__(self, name: str) -> Any:
        """Return a command of GLIDE; kept, so that each is looked up once."""
        verb = named(self, self._glide.GlideClient, name)
        if not inspect.iscoroutinefunction(verb):
            return getattr(self.glide_client, name)
        command = self.__dict__[name] = self._command(name)
        return command

    def _command(self, name: str) -> Callable[..., Awaitable[Any]]:
        following = self._following

        async def command(*arguments: Any, **options: Any) -> Any:
            if following.ready is not following.phases.current or self._closed:
                await self._reach()
            client = self.glide_client
            try:
                return await getattr(client, name)(*arguments, **options)
            except self._glide.ClosingError as error:
                if self._closed or client is self._current:
                    raise
                raise self._glide.ConnectionError(following.lost()) from error

        command.__name__ = command.__qualname__ = name
        return command

    # -- following ----------------------------------------------------------------------------------

    def _moved(self) -> None:
        """Go to the new master, whether or not a command asks for it; called in the Watcher's thread or loop."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._begin, self._follow)

    def _begin(self, work: Callable[..., Any], *arguments: Any) -> None:
        if not self._closed:
            task = asyncio.get_running_loop().create_task(work(*arguments))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _follow(self) -> None:
        try:
            await self._reach()
        except self._glide.GlideError as error:
            # No command is waiting for it; the next one tries again, and is told.
            if not self._closed:
                self._following.not_followed(error)
        finally:
            self._following.moving = False

    def _check_open(self) -> None:
        if self._closed or self._dialling is None:
            raise self._glide.ClosingError(NOT_OPEN)

    async def _reach(self) -> None:
        self._check_open()
        following = self._following
        reach = Reach(following, following.phases, following.limits, time.monotonic, following.master)
        try:
            following.ready = await carry_out(reach.to_master(), self._do)
        except SwitchmasterError as error:
            raise self._glide.ConnectionError(str(error)) from error

    async def _do(self, effect: Effect) -> Exception | None:
        match effect:
            case Dial(address):
                return await self._dial(address)
            case Wait(seen, until):
                await self._following.phases.wait_in_loop(seen, until)  # type: ignore[arg-type]  # a Phase: no replicas
            case FindMaster():
                unknown, until = self._following.to_be_found()
                await self._following.phases.wait_in_loop(unknown, until)
                return self._following.why_unknown()
        return None

    async def _dial(self, address: Address) -> Exception | None:
        assert self._dialling is not None
        async with self._dialling:
            if self._following.at == address:
                return None
            self._check_open()
            try:
                made = await self._glide.GlideClient.create(self._following.configuration(address))
            except self._glide.GlideError as error:
                return error  # type: ignore[no-any-return]
            if self._closed:
                await made.close()
            self._check_open()
            old, self._current, self._following.at = self._current, made, address
        if old is not None:
            self._begin(self._retire, old)
        return None

    async def _retire(self, old: Any) -> None:
        try:
            await asyncio.sleep(self._following.limits.drain)
        finally:
            await old.close(self._following.lost())
