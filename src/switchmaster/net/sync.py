"""
The Watcher for threads: a facade over the asyncio one, which runs in a loop on a thread of its own.

Nothing is decided or kept here. Methods that only read memory do so directly; those that touch the loop run there and
wait. Callbacks are called in the loop's thread, so they must be quick and thread-safe. The thread is a daemon, and ends
with `Watcher.close`, or with the interpreter.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import time
import weakref
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, Unpack

from ..belief.decisions import Notice, Switch
from ..belief.failover import Failover
from ..belief.topology import MasterState, Topology
from ..errors import WaitTimeout, WatcherClosed
from ..model import Address
from ..wire.facts import Probe
from . import watcher as asynchronous
from .arguments import check_several
from .at_exit import close_at_exit, exiting
from .feeds import Feed
from .heard import Heard
from .locate import Location
from .loop_result import LoopResult
from .threads import Future, Loop, RLock, Thread, lock
from .watcher import AddressLike, WatcherOptions

__all__ = ["Stream", "Watcher"]

T = TypeVar("T")

FORKED: Final = (
    "this was opened before the process forked, and belongs to the parent; open it again in this process: "
    "its Watcher starts with the first use"
)


class LoopThread:
    """
    An event loop on a daemon thread.

    Args:
        name: the thread's.
    """

    def __init__(self, name: str) -> None:
        self._loop = Loop()
        # Reentrant: the garbage collector may end a client's last lease, and with it this loop, under the lock.
        self._lock = RLock()
        # Read and acted upon under the lock, so that no work is given to a loop that ends.
        self._open = True
        self.forked = False
        """Whether it belongs to the process from which this one was forked."""
        self._pending: set[Future[Any] | LoopResult[Any]] = set()
        self._ending: asyncio.Task[None] | None = None
        self._thread = Thread(self._run, name, start=False)

    def start(self) -> None:
        """
        Start the thread; safe to call again, also after it was interrupted.

        Raises:
            WatcherClosed: the interpreter is ending.
        """
        if exiting() and self._thread.is_new:
            raise WatcherClosed
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether the caller is in the loop's own thread."""
        return self._thread.is_current

    def begin(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """
        Begin a coroutine in the loop; the future ends with it.

        Raises:
            WatcherClosed: the loop has ended.
        """
        with self._lock:
            if not self._open:
                work.close()
                raise WatcherClosed(FORKED if self.forked else "")
            future: Future[T] = Future()
            self._pending.add(future)
            future.add_done_callback(self._pending.discard)
            self._loop.call_soon_threadsafe(self._launch, work, future)
            return future

    def run(self, work: Coroutine[Any, Any, T], hard: bool = False, seconds: float | None = None) -> T:
        """
        Run a coroutine in the loop and return what it returns.

        Args:
            work: the coroutine.
            hard: whether no other greenlet may run meanwhile, for work that takes one turn of the loop.
            seconds: how long it may take; None for no limit.

        Raises:
            WatcherClosed: the loop has ended, or ended meanwhile.
            RuntimeError: the caller is in the loop's own thread, which would wait for itself.
        """
        if self.is_current:
            work.close()
            raise RuntimeError("a callback of the Watcher runs in its loop: it must not wait for the loop")
        self.start()  # an earlier start may have been interrupted
        answer = LoopResult[T](hard)
        until = None if seconds is None else time.monotonic() + seconds
        with self._lock:
            if not self._open:
                work.close()
                raise WatcherClosed(FORKED if self.forked else "")
            self._pending.add(answer)
            self._loop.call_soon_threadsafe(answer.begin, work, self._loop)
        try:
            return answer.result(until)
        except asyncio.CancelledError:
            raise WatcherClosed(FORKED if self.forked else "") from None
        except BaseException:
            self.soon(answer.cancel)
            raise
        finally:
            self._pending.discard(answer)

    def read(self, look: Callable[[], T]) -> T:
        """Read what belongs to the loop, between two of its turns; from a callback at once."""
        if self.is_current:
            return look()

        async def looking() -> T:
            return look()

        return self.run(looking())

    def soon(self, callback: Callable[[], None]) -> bool:
        """Call something in the loop, soon; return False if the loop has ended, and nothing will happen."""
        with self._lock:
            if self._open:
                self._loop.call_soon_threadsafe(callback)
            return self._open

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]], wait: bool = True) -> None:
        """
        Run one last coroutine, then end the loop and its thread, with everything that still runs there.

        A second call waits for the same end. From the loop's own thread it does not wait: a thread can't wait for
        itself.

        Args:
            last: makes the coroutine.
            wait: False does not wait for the end.
        """
        with self._lock:
            if self._open:
                if not exiting():
                    self.start()  # a loop that never ran could not end
                self._loop.call_soon_threadsafe(self._begin_end, last)
                self._open = False
        if wait:
            self.join()

    def join(self) -> None:
        """Wait until the thread has ended; from the loop's own thread do nothing."""
        if not (self.is_current or self._thread.is_new):
            self._thread.join()

    def forget(self) -> None:
        """Record in a forked child that the thread does not exist here: using it raises at once."""
        self._lock = RLock()
        self._open, self.forked = False, True
        self._thread.forget()
        for future in list(self._pending):
            future.abandon()

    def _begin_end(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._ending is None:
            self._ending = self._loop.create_task(last())
            self._ending.add_done_callback(lambda _: self._loop.stop())

    def _launch(self, work: Coroutine[Any, Any, T], future: Future[T]) -> None:
        task = self._loop.create_task(work)
        task.add_done_callback(lambda _: _settle(future, task))

        def ended(_: object) -> None:
            if future.cancelled():
                self.soon(partial(_cancel, task))

        future.add_done_callback(ended)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(_cancel_all())
        finally:
            self._loop.close()


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def _settle(future: Future[T], task: asyncio.Task[T]) -> None:
    """Pass a task's outcome to its waiter, unless that has gone."""
    if task.cancelled():
        future.cancel()
        return
    error = task.exception()
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


async def _cancel_all() -> None:
    """Cancel all tasks, so that their waiters are woken."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # The waiting threads get their outcomes one turn later.
    await asyncio.sleep(0)


class Stream(Generic[T]):
    """
    A plain iterator over one of the Watcher's feeds; it ends when the Watcher is closed.

    Args:
        thread: the thread of the feed's loop.
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
        return self.next()

    def next(self, timeout: float | None = None) -> T:
        """
        Wait for the next item.

        Args:
            timeout: seconds to wait; None for ever.

        Raises:
            WaitTimeout: none came in time.
            StopIteration: the Stream or the Watcher was closed, and no item is left.
            WatcherClosed: it was opened before this process was forked.
        """

        async def wait() -> T:
            async with asyncio.timeout(timeout):
                return await self._feed.__anext__()

        try:
            return self._thread.run(wait())
        except TimeoutError:
            raise WaitTimeout("news from the Sentinels", timeout or 0.0) from None
        except StopAsyncIteration:
            raise StopIteration from None
        except WatcherClosed:
            if self._thread.forked:
                raise
            return self._left()

    def _left(self) -> T:
        """Return an item that is left after the loop's end: a closed feed never suspends."""
        self._thread.join()
        try:
            self._feed.__anext__().send(None)
        except StopIteration as done:
            item: T = done.value
            return item
        except StopAsyncIteration:
            pass
        raise StopIteration

    def close(self) -> None:
        """End the iteration, after the items that wait. Safe to call twice, and after the Watcher's end."""
        with contextlib.suppress(WatcherClosed):
            self._thread.read(self._feed.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Watcher:
    """
    Listens to every Sentinel of a deployment, and knows its masters; for threads.

    Args:
        sentinels: some of the Sentinels; the others are discovered.
        options: those of `switchmaster.Watcher`, by name.

    Every method may be called from any thread. A callback runs in the loop's thread: it may read the belief and close
    the Watcher (which then ends after the callback), but not wait for the next item of a `Stream`.

    In a forked child a Watcher that ran in the parent starts again with its first use, which waits as `start` does and
    may raise `NoSentinelReachable`; nothing of the parent's belief is kept. Callbacks stay; a `Stream` that was opened
    in the parent raises `WatcherClosed`.
    """

    def __init__(self, sentinels: Sequence[AddressLike], **options: Unpack[WatcherOptions]) -> None:
        sentinels = check_several(sentinels)
        self._watcher = asynchronous.Watcher(sentinels, **options)
        self._make = partial(asynchronous.Watcher, tuple(sentinels), **options)
        self._thread: LoopThread | None = None
        self._lock = RLock()
        self._closed = False
        self._callbacks: dict[object, tuple[str, Callable[[Any], None] | Callable[[], None], Callable[[], None]]] = {}
        """By token: the method that registers it, the callback, and the function that ends it."""
        self._forked = False
        """Whether the Watcher ran in the parent process, and has not started here yet."""
        self._restarting = lock()

    def __repr__(self) -> str:
        return f"<sync {self._watcher!r}>"

    # -- life ---------------------------------------------------------------------------------------

    def start(self, wait: bool = True) -> None:
        """
        Start the thread, connect, and wait until it is known where the masters are.

        Args:
            wait: False returns at once; the links come up in the background.

        If it is interrupted it is closed; with ``wait=False`` it may be started again.

        Raises:
            NoSentinelReachable: none of the Sentinels answered.
            WatcherClosed: it was closed before, or meanwhile.
        """
        self._here()
        with self._lock:
            if self._closed:
                raise WatcherClosed
            _started.add(self)
            if self._thread is None:
                self._thread = LoopThread("switchmaster watcher")
            thread = self._thread
        try:
            thread.run(self._watcher.start(wait), hard=not wait)
        except BaseException:
            if wait:
                self.close()
            raise

    def close(self, wait: bool = True) -> None:
        """
        End all links, iterators and the thread; safe to call twice, and from any thread.

        Args:
            wait: False does not wait for the end.
        """
        with self._lock:
            self._closed = True
        if self._thread is not None:
            self._thread.stop(self._watcher.close, wait)

    def soon(self, callback: Callable[[], None]) -> bool:
        """Call something in the loop's thread, soon; return False if that thread does not run."""
        return self._thread is not None and self._thread.soon(callback)

    def _leave_behind(self) -> None:
        """
        Drop everything in a forked child, where the thread does not exist: the sockets are the parent's too.

        Their descriptors are pointed to the null device, so that no peer takes the child for the parent, and nothing
        is removed from the parent's selector, which the child shares.
        """
        self._lock, self._restarting = RLock(), lock()
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.forget()
        self._forked = True
        _left_behind.append((self._watcher, thread))
        null = os.open(os.devnull, os.O_RDWR)
        try:
            for opened in self._watcher.sockets():
                os.dup2(null, opened, inheritable=False)
        finally:
            os.close(null)

    def _here(self) -> asynchronous.Watcher:
        """Return the Watcher of this process; in a forked child it may have to start first."""
        if self._forked and not (self._thread is not None and self._thread.is_current):
            if self._closed:
                raise WatcherClosed
            acquire, held = self._restarting.acquire, False
            try:
                # Acquired and recorded in one step of the interpreter: an interrupt comes before both or after both.
                for held in map(acquire, (True,)):
                    if held and self._forked:
                        self._restart()
            finally:
                if held:
                    self._restarting.release()
        return self._watcher

    def _restart(self) -> None:
        self._watcher = self._make()
        for token, (method, callback, _) in list(self._callbacks.items()):
            self._callbacks[token] = (method, callback, getattr(self._watcher, method)(callback))
        thread = self._thread = LoopThread("switchmaster watcher")
        try:
            thread.run(self._watcher.start())
        except BaseException:
            self._thread = None
            thread.stop(self._watcher.close)
            raise
        self._forked = False

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
        """Everything that is believed now, or was at the end, as one immutable value."""
        return self._read(lambda: self._watcher.topology)

    def masters(self) -> tuple[str, ...]:
        """Return the names of the masters that are known, in order."""
        return self._here().masters()

    def master(self, name: str) -> Address:
        """
        Return where a master is, from memory, without waiting for the loop.

        Args:
            name: the master's name.

        Raises:
            UnknownMaster: no Sentinel that answered monitors it.
            WatcherClosed: the watcher does not run.
        """
        return self._here().master(name)

    def state(self, name: str) -> MasterState:
        """
        Return everything that is believed about one master.

        Args:
            name: the master's name.

        Raises:
            UnknownMaster: no Sentinel that answered monitors it.
            WatcherClosed: the watcher does not run.
        """
        return self._running().read(lambda: self._watcher.state(name))

    def dialled(self, address: Address) -> Address:
        """Return what to connect to for an announced address, by ``address_map``."""
        return self._watcher.dialled(address)

    @property
    def hearing(self) -> bool:
        """Whether at least one Sentinel is connected now, and subscribed to or answering."""
        return self._read(lambda: self._watcher.hearing)

    @property
    def idle(self) -> bool:
        """Whether no Sentinel is connected or being dialled: all wait for their next attempt."""
        return self._read(lambda: self._watcher.idle)

    @property
    def established(self) -> bool:
        """Whether enough Sentinels have answered since the start to believe them."""
        return self._here().established

    def refresh(self) -> None:
        """Ask all Sentinels again, and dial at once those that wait for their next attempt; does not wait."""
        self._running().read(self._watcher.refresh)

    def role(self, node: Address, master: str | None = None, seconds: float | None = None) -> Probe:
        """
        Ask a data node for its ROLE, once, over a connection of its own.

        Args:
            node: its address, as Sentinel announces it.
            master: the master whose node it is, if ``node_access`` may name that master.
            seconds: how long the caller waits, if that is less than ``timeout``.

        Returns:
            What it answered, or the reason why it did not answer in time.

        Raises:
            WatcherClosed: the watcher does not run.
        """
        thread = self._running()
        try:
            return thread.run(self._watcher.role(node, master), seconds=seconds)
        except TimeoutError:
            return Probe(node, None, f"no answer within {seconds or 0.0:.3g} s")

    def begin_role(self, node: Address, master: str | None = None) -> concurrent.futures.Future[Probe]:
        """Ask as `role` does, without waiting; the future gets its outcome."""
        return self._running().begin(self._watcher.role(node, master))

    def begin_locate(self, name: str, settle: float) -> concurrent.futures.Future[Location]:
        """Ask the Sentinels for one master without waiting for links, nor for the answer; see `locate`."""
        return self._running().begin(self._watcher.locate(name, settle))

    @property
    def counters(self) -> dict[str, int]:
        """Everything that was counted since the start, including limits that were hit."""
        return self._read(lambda: self._watcher.counters)

    # -- readers ------------------------------------------------------------------------------------

    def switches(self) -> Stream[Switch]:
        """Return an iterator over switches from now on."""
        return self._stream(self._watcher.switches)

    def events(self) -> Stream[Heard]:
        """Return an iterator over every event of every Sentinel from now on."""
        return self._stream(self._watcher.events)

    def failovers(self) -> Stream[Failover]:
        """Return an iterator over failovers' records, again with every stage, from the first suspicion on."""
        return self._stream(self._watcher.failovers)

    def notices(self) -> Stream[Notice]:
        """Return an iterator over notices: what is worth knowing, but needs no reaction from clients."""
        return self._stream(self._watcher.notices)

    def changes(self) -> Stream[Topology]:
        """Return an iterator over the Topology, now and whenever it changes; a slow reader gets the newest."""
        return self._stream(self._watcher.changes)

    def on_switch(self, callback: Callable[[Switch], None]) -> Callable[[], None]:
        """Call back with each switch, in the loop's thread; return a function that ends that. Must not block."""
        return self._on("on_switch", callback)

    def on_event(self, callback: Callable[[Heard], None]) -> Callable[[], None]:
        """Call back with each event, in the loop's thread; return a function that ends that. Must not block."""
        return self._on("on_event", callback)

    def on_failover(self, callback: Callable[[Failover], None]) -> Callable[[], None]:
        """Call back with each failover's record as it grows; return a function that ends that. Must not block."""
        return self._on("on_failover", callback)

    def on_notice(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        """Call back with each notice, in the loop's thread; return a function that ends that. Must not block."""
        return self._on("on_notice", callback)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after every turn that may have changed something, in the loop's thread. Must not block."""
        return self._on("on_change", callback)

    def _stream(self, make: Callable[[], Feed[T]]) -> Stream[T]:
        thread = self._running()
        return Stream(thread, thread.read(make))

    def _on(self, method: str, callback: Callable[[Any], None] | Callable[[], None]) -> Callable[[], None]:
        token = object()
        self._callbacks[token] = (method, callback, getattr(self._watcher, method)(callback))

        def end() -> None:
            if token in self._callbacks:
                self._callbacks.pop(token)[2]()

        return end

    def _read(self, look: Callable[[], T]) -> T:
        self._here()
        if self._thread is not None:
            with contextlib.suppress(WatcherClosed):
                return self._thread.read(look)
        return look()

    def _running(self) -> LoopThread:
        self._here()
        if self._thread is None or self._closed:
            raise WatcherClosed
        return self._thread


_started: weakref.WeakSet[Watcher] = weakref.WeakSet()
_left_behind: list[object] = []
"""Loops of a parent process: kept, because their end would touch the selector that both processes share."""


def _close_all() -> None:
    """Close what is still open when the interpreter ends, so that no Sentinel sees a broken connection."""
    for watcher in list(_started):
        watcher.close()


close_at_exit(_close_all)


def _begin_again() -> None:
    """In a forked child."""
    for watcher in list(_started):
        watcher._leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_again)
