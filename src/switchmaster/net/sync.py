"""
The Watcher for threads: a facade over the asyncio one, which runs in a loop on a thread of its own.

Nothing is decided or kept here. What only reads memory does so directly; what has to touch the loop hops to it and
waits. Callbacks are called in the loop's thread, so they must be quick and thread-safe. The thread is a daemon, and
ends with `Watcher.close`, or with the interpreter.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ..core.decisions import Notice, Switch
from ..core.failover import Failover
from ..core.model import Address
from ..core.topology import MasterState, Topology
from ..errors import WaitTimeout, WatcherClosed
from . import watcher as asynchronous
from .feeds import Feed
from .watcher import AddressLike, Heard

__all__ = ["Stream", "Watcher"]

T = TypeVar("T")


class LoopThread:
    """An event loop on a daemon thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine in the loop; from the loop's own thread that would wait for itself."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a callback of the Watcher runs in its loop: it must not wait for the loop")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and return what it returns."""
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop and its thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()


class Stream(Generic[T]):
    """
    A plain iterator over one of the Watcher's feeds; it ends when the Watcher is closed.

    Args:
        thread: where the feed lives.
        feed: the feed.
    """

    def __init__(self, thread: LoopThread, feed: Feed[T]) -> None:
        self._thread = thread
        self._feed = feed

    @property
    def missed(self) -> int:
        """Items that were dropped because the reader was too slow."""
        return self._feed.missed

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        try:
            return self._thread.run(self._feed.__anext__())
        except (StopAsyncIteration, concurrent.futures.CancelledError):
            raise StopIteration from None
        except RuntimeError as error:
            if "closed" in str(error):
                raise StopIteration from None
            raise

    def next(self, timeout: float | None = None) -> T:
        """
        Wait for the next item.

        Args:
            timeout: seconds to wait; None for ever.

        Raises:
            WaitTimeout: none came in time.
            StopIteration: the Watcher was closed.
        """
        if timeout is None:
            return next(self)

        async def wait() -> T:
            async with asyncio.timeout(timeout):
                return await self._feed.__anext__()

        try:
            return self._thread.run(wait())
        except TimeoutError:
            raise WaitTimeout("news from the Sentinels", timeout) from None
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """End the iteration: what waits is still given."""

        async def close() -> None:
            self._feed.close()

        with contextlib.suppress(RuntimeError):
            self._thread.run(close())


class Watcher:
    """
    Hears every Sentinel of a deployment, and knows its masters; for threads.

    Args:
        sentinels: some of the Sentinels; the others are discovered.
        options: as those of `switchmaster.Watcher`, by name.

    Every method may be called from any thread, but not from a callback where it has to wait for the loop.
    """

    def __init__(self, sentinels: Sequence[AddressLike], **options: Any) -> None:
        self._watcher = asynchronous.Watcher(sentinels, **options)
        self._thread: LoopThread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"<sync {self._watcher!r}>"

    # -- life ---------------------------------------------------------------------------------------

    def start(self, wait: bool = True) -> None:
        """
        Start the thread, connect, and wait until it is known where the masters are.

        Args:
            wait: False returns at once and lets the links come up by themselves.

        Raises:
            NoSentinelReachable: none of the Sentinels answered.
            WatcherClosed: it was closed before.
        """
        with self._lock:
            if self._closed:
                raise WatcherClosed
            if self._thread is not None:
                return
            self._thread = LoopThread("switchmaster watcher")
            _running.add(self)
        try:
            self._thread.run(self._watcher.start(wait))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all links, iterators and the thread; safe to call twice, and from any thread but its own."""
        with self._lock:
            thread, self._thread, self._closed = self._thread, None, True
        _running.discard(self)
        if thread is not None:
            thread.run(self._watcher.close())
            thread.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- the belief, from memory --------------------------------------------------------------------

    @property
    def topology(self) -> Topology:
        """Everything that is believed now, as one immutable value."""
        thread = self._thread
        return self._watcher.topology if thread is None else thread.run(self._topology())

    async def _topology(self) -> Topology:
        return self._watcher.topology

    def masters(self) -> tuple[str, ...]:
        """Return the names of the masters that are known, in order."""
        return tuple(sorted(self.topology.masters))

    def master(self, name: str) -> Address:
        """Return where a master is, from memory, without a hop to the loop; see `switchmaster.Watcher.master`."""
        return self._watcher.master(name)

    def state(self, name: str) -> MasterState:
        """Return all that is believed of one master. Raises as `switchmaster.Watcher.state`."""

        async def state() -> MasterState:
            return self._watcher.state(name)

        return self._running().run(state())

    def dialled(self, address: Address) -> Address:
        """Return what to connect to for an announced address, by ``address_map``."""
        return self._watcher.dialled(address)

    @property
    def counters(self) -> dict[str, int]:
        """What was counted since the start, limits that were hit included."""
        return self._watcher.counters

    # -- readers ------------------------------------------------------------------------------------

    def switches(self) -> Stream[Switch]:
        """Return the switches from now on."""
        return self._stream(self._watcher.switches)

    def events(self) -> Stream[Heard]:
        """Return every event of every Sentinel from now on."""
        return self._stream(self._watcher.events)

    def failovers(self) -> Stream[Failover]:
        """Return the record of each failover, anew with every stage, from the first suspicion on."""
        return self._stream(self._watcher.failovers)

    def notices(self) -> Stream[Notice]:
        """Return what is worth knowing though nobody has to follow it."""
        return self._stream(self._watcher.notices)

    def changes(self) -> Stream[Topology]:
        """Return the Topology now, and again whenever it changes; a slow reader gets the newest."""
        return self._stream(self._watcher.changes)

    def on_switch(self, callback: Callable[[Switch], None]) -> Callable[[], None]:
        """Call back with each switch, in the loop's thread; returns what ends that. Must not block."""
        return self._watcher.on_switch(callback)

    def on_event(self, callback: Callable[[Heard], None]) -> Callable[[], None]:
        """Call back with each event, in the loop's thread; returns what ends that. Must not block."""
        return self._watcher.on_event(callback)

    def on_failover(self, callback: Callable[[Failover], None]) -> Callable[[], None]:
        """Call back with each failover's record as it grows; returns what ends that. Must not block."""
        return self._watcher.on_failover(callback)

    def on_notice(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        """Call back with each notice, in the loop's thread; returns what ends that. Must not block."""
        return self._watcher.on_notice(callback)

    def _stream(self, make: Callable[[], Feed[T]]) -> Stream[T]:
        async def made() -> Feed[T]:
            return make()

        thread = self._running()
        return Stream(thread, thread.run(made()))

    def _running(self) -> LoopThread:
        thread = self._thread
        if thread is None:
            raise WatcherClosed
        return thread


_running: weakref.WeakSet[Watcher] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Close what is still open when the interpreter ends, so that no Sentinel sees a torn connection."""
    for watcher in list(_running):
        watcher.close()
