"""
gevent and eventlet: whether they patch the standard library, what was there before, and how a greenlet waits.

The only module that knows them. Neither is needed, and neither is imported unless the application imported it.
"""

from __future__ import annotations

import _socket
import _thread
import contextlib
import logging
import os
import selectors
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, Final, Protocol

__all__ = ["REAL", "DefaultSelector", "Waker", "me", "patching", "speaking", "voice", "waker"]

LOGGERS: Final = ("switchmaster", "switchmaster.client", "asyncio")
"""The loggers of the Watcher's thread."""
KEPT_RECORDS: Final = 1000
"""Log records that may wait for a blocked hub; further ones are lost."""


def patching() -> str:
    """Return the framework that has patched sockets or threads by now: ``gevent``, ``eventlet`` or nothing."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and any(map(gevent.is_module_patched, ("socket", "threading"))):
        return "gevent"
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and any(map(eventlet.is_monkey_patched, ("socket", "thread"))):
        return "eventlet"
    return ""


def _fresh(name: str) -> Any:
    """Return a copy of a module of the standard library, as it was before it was patched."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _fresh_selectors() -> Any:
    """Return `selectors` as it was: when it is imported it looks at what `select` offers."""
    patched: ModuleType = sys.modules["select"]
    sys.modules["select"] = _fresh("select")
    try:
        return _fresh("selectors")
    finally:
        sys.modules["select"] = patched


# Taken here, once: later patches do not reach these.
REAL: Final[Any] = _fresh("_thread") if patching() else _thread
"""The real `_thread`; ask it for its functions at import only."""
DefaultSelector: Final[type[selectors.BaseSelector]] = (
    _fresh_selectors().DefaultSelector if patching() else selectors.DefaultSelector
)
get_ident: Final = REAL.get_ident
_allocate_lock: Final = REAL.allocate_lock


def me() -> object:
    """Return the identity of the caller: a thread, or a greenlet in it."""
    greenlet = sys.modules.get("greenlet")
    return get_ident(), 0 if greenlet is None else id(greenlet.getcurrent())


class Waker(Protocol):
    """Wakes one waiter, once; from any thread."""

    def set(self) -> None:
        """Wake the waiter, now or as soon as it waits."""

    def wait(self, timeout: float | None) -> bool:
        """Wait until it is woken, some seconds at most; return whether it was."""

    def close(self) -> None:
        """End it; it is not woken after that."""


class ThreadWaker:
    """For a thread; it blocks the greenlets in it."""

    def __init__(self) -> None:
        self._lock = _allocate_lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake the thread, now or as soon as it waits."""
        self._lock.release()

    def wait(self, timeout: float | None) -> bool:
        """Block until it is woken, some seconds at most; return whether it was."""
        limit = -1 if timeout is None else min(max(0.0, timeout), threading.TIMEOUT_MAX)
        return bool(self._lock.acquire(True, limit))

    def close(self) -> None:
        """Do nothing: there is nothing to end."""


class _GeventWaker:
    def __init__(self, gevent: Any) -> None:
        hub = gevent.get_hub()
        self._gevent, self._waiter, self._woken = gevent, gevent.hub.Waiter(hub), False
        self._loop, self._thread = hub.loop, get_ident()
        self._bell = hub.loop.async_()
        self._bell.start(self._waiter.switch, None)

    def set(self) -> None:
        self._woken = True
        if self._thread == get_ident():  # also in a forked child, whose loop does not hear the bell yet
            self._loop.run_callback(self._waiter.switch, None)
        else:
            self._bell.send()

    def wait(self, timeout: float | None) -> bool:
        with self._gevent.Timeout(timeout, False):
            self._waiter.get()
        return self._woken

    def close(self) -> None:
        self._bell.stop()
        self._bell.close()


class _EventletWaker:
    def __init__(self, eventlet: Any) -> None:
        self._bell, self._event, self._woken = _bell_of(eventlet), eventlet.event.Event(), False

    def set(self) -> None:
        self._woken = True
        self._bell.ring(self._event)

    def wait(self, timeout: float | None) -> bool:
        self._event.wait(timeout)
        return self._woken

    def close(self) -> None:
        pass


class _Bell:
    """Wakes the greenlets of one of eventlet's hubs from other threads, for which eventlet has nothing itself."""

    def __init__(self, eventlet: Any) -> None:
        self._near, self._far = _socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self.rung: deque[Any] = deque()
        self._trampoline = eventlet.hubs.trampoline
        eventlet.spawn(self._answer)

    def ring(self, event: Any) -> None:
        self.rung.append(event)
        with contextlib.suppress(OSError):  # so many bytes wait that one more makes no difference; or forked
            self._far.send(b"!")

    def _answer(self) -> None:
        while True:
            self._trampoline(self._near.fileno(), read=True)
            with contextlib.suppress(BlockingIOError):
                self._near.recv(4096)
            while self.rung:
                with contextlib.suppress(Exception):  # of a log handler, which logging has reported
                    self.rung.popleft().send()

    def close(self) -> None:
        self._near.close()
        self._far.close()


_bells: weakref.WeakKeyDictionary[Any, _Bell] = weakref.WeakKeyDictionary()


def _bell_of(eventlet: Any) -> _Bell:
    hub = eventlet.hubs.get_hub()
    bell = _bells.get(hub)
    if bell is None:
        bell = _bells[hub] = _Bell(eventlet)
    return bell


def _forget_bells() -> None:
    """Close them in a forked child, which would take the parent's wake-ups."""
    for bell in list(_bells.values()):
        bell.close()
    _bells.clear()
    _voices.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_bells)


@dataclass(slots=True)
class _Line:
    """A log record on its way to a greenlet."""

    record: logging.LogRecord

    def send(self) -> None:
        logging.getLogger(self.record.name).handle(self.record)


class _Handed(logging.Filter):
    """Passes a real thread's log records to a greenlet: eventlet's locks, logging's too, know only one thread."""

    def filter(self, record: logging.LogRecord) -> bool:
        bell = _voices.get(get_ident())
        if bell is not None and len(bell.rung) < KEPT_RECORDS:
            bell.ring(_Line(record))
        return bell is None


_voices: dict[int, _Bell] = {}
"""By real thread: the bell through which it logs."""
_handed: Final = _Handed()


def voice() -> Any:
    """Return what a real thread that the caller starts must log through; None if it may log directly."""
    if patching() != "eventlet":
        return None
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_handed)
    return _voices.get(get_ident()) or _bell_of(sys.modules["eventlet"])


@contextlib.contextmanager
def speaking(through: Any) -> Iterator[None]:
    """In a real thread, log through a `voice`."""
    if through is not None:
        _voices[get_ident()] = through
    try:
        yield
    finally:
        _voices.pop(get_ident(), None)


def waker() -> Waker:
    """Return what wakes the caller, which may be a greenlet."""
    framework = patching()
    if framework == "gevent":
        return _GeventWaker(sys.modules["gevent"])
    if framework == "eventlet":
        return _EventletWaker(sys.modules["eventlet"])
    return ThreadWaker()
