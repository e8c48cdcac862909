"""
Real threads, locks and sockets, and how threads and greenlets wait for a real thread.

gevent and eventlet replace those of the standard library by others for greenlets, which share one thread. The
Watcher's loop needs a thread of its own: everything that it uses comes from here, and is real whatever is patched,
before or after. Its waiters may be greenlets: in a `GreenCondition` they let their hub go on, and are woken from the
real thread. If nothing is patched, all of this is the standard library's.

Real locks belong to threads, not to greenlets: code that holds one must not yield.
"""

from __future__ import annotations

import _socket
import asyncio
import concurrent.futures
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

from .green import REAL, DefaultSelector, ThreadWaker, Waker, get_ident, me, patching, speaking, voice, waker

__all__ = [
    "Future",
    "GreenCondition",
    "GreenEvent",
    "Loop",
    "RLock",
    "Thread",
    "Waiters",
    "closed_by_peer",
    "lock",
    "me",
    "shut_down",
]

T = TypeVar("T")

_ESTABLISHED: Final = 1
"""``TCP_ESTABLISHED`` in the kernel's ``tcp_states.h``: the first byte of ``struct tcp_info`` is the state."""

RLock: Final[Callable[[], Any]] = REAL.RLock
"""A real lock, which a thread may take again; never held while anything yields."""
_start_new_thread: Final = REAL.start_new_thread

NAMES_AT_ONCE: Final = 4
"""Names that one loop resolves at the same time; nothing can interrupt getaddrinfo(), so further ones wait."""


class GreenCondition:
    """
    A condition with a real lock, in which greenlets wait without blocking others; a part of `threading.Condition`.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._waiting: list[Waker] = []

    def renew(self) -> None:
        """
        Start over in a forked child: a thread of the parent may hold the lock for ever.

        No thread waits here, but the child may have copies of the parent's greenlets: they are woken.
        """
        self._lock = RLock()
        self.notify_all()

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def acquire(self) -> bool:
        """Take the lock."""
        return bool(self._lock.acquire())

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """
        Release the lock, wait until `notify_all`, and take the lock again.

        Args:
            timeout: seconds to wait at most; None for no limit.

        Returns:
            Whether it was notified.
        """
        mine = waker()
        self._waiting.append(mine)
        held = self._lock._release_save()
        try:
            return mine.wait(timeout)
        finally:
            self._lock._acquire_restore(held)
            if mine in self._waiting:
                self._waiting.remove(mine)
            mine.close()

    def notify_all(self) -> None:
        """Wake all waiters; the caller holds the lock."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.set()


class Waiters:
    """
    Threads and greenlets that wait until something is true, and that may be interrupted.

    An exception of a signal handler, or of Celery's soft time limit, is raised in a waiting thread after any call. In a
    condition it could lose the lock, or keep it for ever. Here each waiter has its own waker; the lock is held by a
    bare ``with``, which the interpreter does not interrupt between taking the lock and recording that.

    Args:
        hard: whether no other greenlet of the thread may run meanwhile.
    """

    def __init__(self, hard: bool = False) -> None:
        self._lock = RLock()
        self._waiting: set[Waker] = set()
        self._waker: Callable[[], Waker] = ThreadWaker if hard else waker

    def renew(self) -> None:
        """Start over in a forked child, as `GreenCondition.renew` does."""
        self._lock = RLock()
        self.wake()

    def wake(self) -> None:
        """Wake all; what they wait for must be true by now."""
        with self._lock:
            while self._waiting:
                self._waiting.pop().set()

    def wait(self, over: Callable[[], bool], until: float | None = None) -> bool:
        """
        Wait until something is true.

        Args:
            over: returns whether it is; called again after each `wake`.
            until: how long at most, in monotonic seconds; None for no limit.

        Returns:
            Whether it is true.
        """
        while not over():
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return False
            mine = self._waker()
            try:
                self._waiting.add(mine)
                if not over():
                    mine.wait(left)
            finally:
                with self._lock:
                    self._waiting.discard(mine)
                    mine.close()
        return True


class GreenEvent:
    """An event that happens once, for which threads and greenlets wait."""

    def __init__(self) -> None:
        self._waiters = Waiters()
        self._happened = False

    def set(self) -> None:
        """Let it happen."""
        self._happened = True
        self._waiters.wake()

    def wait(self) -> None:
        """Wait until it has happened."""
        self._waiters.wait(lambda: self._happened)


class _GreenLock:
    """A lock that may be held while its holder yields: greenlets of one thread wait for each other."""

    def __init__(self) -> None:
        self._changed = GreenCondition()
        self._held = False

    def acquire(self, blocking: bool = True) -> bool:
        with self._changed:
            while self._held and blocking:
                self._changed.wait()
            taken, self._held = not self._held, True
        return taken

    def release(self) -> None:
        with self._changed:
            self._held = False
            self._changed.notify_all()


def lock() -> Any:
    """Return a lock that a thread or greenlet may hold while it yields; it has `acquire` and `release`."""
    return _GreenLock() if patching() else REAL.allocate_lock()


class Future(concurrent.futures.Future[T]):
    """A future that a real thread resolves, and that greenlets may wait for."""

    def __init__(self) -> None:
        super().__init__()
        # The base class does everything through this one; its own would be patched.
        self._condition: Any = GreenCondition()

    def abandon(self) -> None:
        """Cancel it in a forked child: the thread that would resolve it is the parent's."""
        self._condition.renew()
        self.cancel()


class Thread:
    """
    A real daemon thread.

    Args:
        work: what it does.
        name: its name, for lists of threads.
        start: whether it is started at once.
    """

    def __init__(self, work: Callable[[], None], name: str, start: bool = True) -> None:
        self._work = work
        self._ended = GreenEvent()
        self._voice = voice()
        self._ident: int | None = None
        self._starting = RLock()
        self._starter: int | None = None
        # If something is patched, threading's own would be a greenlet, or wait for one in vain: so there is none.
        self._listed = None if patching() else threading.Thread(target=self._run, name=name, daemon=True)
        if start:
            self.start()

    @property
    def is_new(self) -> bool:
        """Whether it was never started."""
        return self._starter is None

    def start(self) -> None:
        """
        Start it; safe to call again, also after it was interrupted.

        `threading.Thread.start` must not be interrupted: the thread would end before it began. So another thread, which
        no signal interrupts, calls it; that this was done is recorded in the same step of the interpreter.
        """
        run = self._run if self._listed is None else self._listed.start
        with self._starting:
            if self._starter is None:
                for self._starter in map(_start_new_thread, (run,), ((),)):
                    break

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return bool(self._ident == get_ident())

    def forget(self) -> None:
        """Record in a forked child that it does not exist here."""
        _own.discard(self._ident or 0)
        self._ident = self._listed = None
        self._starting, self._starter = RLock(), 0
        self._ended = GreenEvent()
        self._ended.set()

    def join(self) -> None:
        """Wait until it has ended."""
        self._ended.wait()
        if self._listed is not None:
            self._listed.join()

    def _run(self) -> None:
        self._ident = get_ident()
        _own.add(self._ident)
        try:
            with speaking(self._voice):
                self._work()
        finally:
            _own.discard(self._ident)
            self._ended.set()


_own: Final[set[int]] = set()
"""The identities of the threads of ours that run."""


def in_own_thread() -> bool:
    """
    Whether the caller runs in a thread of ours.

    A finalizer may: the garbage collector runs in any thread. So may a callback.
    """
    return get_ident() in _own


class Loop(asyncio.SelectorEventLoop):
    """
    An event loop with a real selector, real sockets and real threads for names.

    asyncio takes sockets from the module `socket`, also while it runs. The methods here are those in which it does;
    tests/shell/test_threads.py checks that it still calls them.
    """

    def __init__(self) -> None:
        self._resolving = 0
        self._names_wanted: asyncio.Semaphore = asyncio.Semaphore(NAMES_AT_ONCE)
        super().__init__(DefaultSelector())

    def _make_self_pipe(self) -> None:
        self._ssock, self._csock = _socket.socketpair()
        self._ssock.setblocking(False)
        self._csock.setblocking(False)
        self._internal_fds = 1
        self._add_reader(self._ssock.fileno(), self._read_from_self)  # type: ignore[attr-defined]

    async def _connect_sock(self, exceptions: list[list[OSError]], addr_info: Any, *_: object) -> Any:
        family, kind, protocol, _, address = addr_info
        opened = None
        try:
            opened = _socket.socket(family, kind, protocol)
            opened.setblocking(False)
            await self.sock_connect(opened, address)  # type: ignore[arg-type]
        except BaseException as error:
            if opened is not None:
                opened.close()
            if isinstance(error, OSError):
                exceptions.append([error])
            raise
        return opened

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """Resolve a name in a real thread."""
        answer: asyncio.Future[Any] = self.create_future()
        await self._names_wanted.acquire()

        def take(found: Any) -> None:
            self._names_wanted.release()
            if answer.done():
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def resolve() -> None:
            try:
                found: Any = _socket.getaddrinfo(host, port, family, type, proto, flags)
            except Exception as error:
                # Raised again in the waiter.
                found = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self.call_soon_threadsafe(take, found)

        Thread(resolve, "switchmaster watcher: names")
        return await answer


def shut_down(opened: Any) -> None:
    """
    Shut a socket down while another thread or greenlet reads it.

    Args:
        opened: a socket of the standard library, TLS or not, of gevent or of eventlet. The plain socket inside is shut
            down: TLS would destroy its own state under the reader, and eventlet's has no such method.

    Raises:
        OSError: it was not open, or no longer.
    """
    plain = _plain(opened)
    if isinstance(plain, _socket.socket):
        _socket.socket.shutdown(plain, socket.SHUT_RDWR)
    else:
        plain.shutdown(socket.SHUT_RDWR)


def closed_by_peer(opened: Any) -> bool:
    """
    Return whether the peer has closed a connection; nothing is read.

    Args:
        opened: a socket as for `shut_down`, connected by TCP; None, and one that is closed here, count as closed.

    Returns:
        False on a system whose kernel does not report it (Linux does).
    """
    if not hasattr(socket, "TCP_INFO"):
        return False
    try:
        state: bytes = _plain(opened).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except (OSError, AttributeError):
        return True
    return state[0] != _ESTABLISHED


def _plain(opened: Any) -> Any:
    plain = opened
    for inside in ("_sock", "fd"):
        if not isinstance(plain, _socket.socket):
            plain = getattr(opened, inside, opened)
    return plain
