"""
The same for threads: every command of a ``glide_sync.GlideClient``, sent to a master wherever it is.

::

    with Watcher([("10.209.10.30", 46390)]) as watcher, MasterClient(watcher, "mymaster1") as client:
        client.set("k", "v")

A command that is under way at the old master when the client moves ends as GLIDE ends it: with its answer, or after its
``request_timeout``. Only then the old connection is closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

from ..client.sync import carry_out
from ..errors import SwitchmasterError
from ..follow.reach import Dial, Effect, FindMaster, Reach, Wait
from ..model import Address
from ..net.threads import Thread, lock
from .following import NOT_OPEN, Following, KnowsMasters, import_glide, named

__all__ = ["MasterClient"]


class MasterClient:
    """
    Every command of a ``glide_sync.GlideClient``, sent to a master wherever it is; for threads, which may share it.

    Args:
        watcher: what knows the master, a `switchmaster.sync.Watcher`. It is the caller's to start and to close; several
            clients may share it.
        master: the master's name.
        hold: seconds that commands wait in a planned failover at most.
        failover_wait: seconds that a command waits for a master while there is none.
        configuration: arguments of ``GlideClientConfiguration`` except ``addresses``.

    Raises:
        UsageError: seconds are below 0, or ``addresses`` are given.
        MissingDependency: ``valkey-glide-sync`` is not installed.
    """

    def __init__(
        self,
        watcher: KnowsMasters,
        master: str,
        *,
        hold: float = 2.0,
        failover_wait: float = 10.0,
        **configuration: Any,
    ) -> None:
        self._glide = import_glide("glide_sync")
        self._following = Following(watcher, master, (hold, failover_wait, 0.0), self._glide, configuration)
        self._current: Any = None
        self._dialling = lock()
        self._closed = True

    def __repr__(self) -> str:
        return f"<MasterClient of {self._following.master!r} at {self._following.at}>"

    def start(self) -> None:
        """
        Connect to the master.

        Raises:
            ConnectionError: GLIDE's; it could not be reached within `failover_wait`, or no Sentinel knows it.
        """
        self._closed = False
        self._following.begin(self._moved)
        self._reach()

    def close(self) -> None:
        """End the connection, once the commands under way have ended. Safe to call twice."""
        self._closed = True
        self._following.end()
        with _Held(self._dialling):
            current, self._current = self._current, None
        if current is not None:
            current.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> Address | None:
        """The node at which commands are now, as Sentinel announces it; None before the start and after the end."""
        return self._following.at

    @property
    def glide_client(self) -> Any:
        """The ``GlideClient`` that is connected to the master now; it is closed with the next switch."""
        current = self._current
        if current is None:
            raise self._glide.ClosingError(NOT_OPEN)
        return current

    def __getattr__(self, name: str) -> Any:
        """Return a command of GLIDE; kept, so that each is looked up once."""
        verb = named(self, self._glide.GlideClient, name)
        if not callable(verb):
            return getattr(self.glide_client, name)
        command = self.__dict__[name] = self._command(name)
        return command

    def _command(self, name: str) -> Callable[..., Any]:
        following = self._following

        def command(*arguments: Any, **options: Any) -> Any:
            while True:
                if following.ready is not following.phases.current or self._closed:
                    self._reach()
                client = self.glide_client
                try:
                    return getattr(client, name)(*arguments, **options)
                except self._glide.ClosingError:
                    # GLIDE raises it before anything is sent, and ends no command that is under way.
                    if self._closed or client is self._current:
                        raise

        command.__name__ = command.__qualname__ = name
        return command

    # -- following ----------------------------------------------------------------------------------

    def _moved(self) -> None:
        """Go to the new master, whether or not a command asks for it; called in the Watcher's thread."""
        if not self._closed:
            Thread(self._follow, "switchmaster glide")

    def _follow(self) -> None:
        try:
            self._reach()
        except self._glide.GlideError as error:
            # No command is waiting for it; the next one tries again, and is told.
            if not self._closed:
                self._following.not_followed(error)
        finally:
            self._following.moving = False

    def _check_open(self) -> None:
        if self._closed:
            raise self._glide.ClosingError(NOT_OPEN)

    def _reach(self) -> None:
        self._check_open()
        following = self._following
        reach = Reach(following, following.phases, following.limits, time.monotonic, following.master)
        try:
            following.ready = carry_out(reach.to_master(), self._do)
        except SwitchmasterError as error:
            raise self._glide.ConnectionError(str(error)) from error

    def _do(self, effect: Effect) -> Exception | None:
        match effect:
            case Dial(address):
                return self._dial(address)
            case Wait(seen, until):
                self._following.phases.wait(seen, until)  # type: ignore[arg-type]  # a Phase: no replicas
            case FindMaster():
                self._following.phases.wait(*self._following.to_be_found())
                return self._following.why_unknown()
        return None

    def _dial(self, address: Address) -> Exception | None:
        with _Held(self._dialling):
            if self._following.at == address:
                return None
            self._check_open()
            try:
                made = self._glide.GlideClient.create(self._following.configuration(address))
            except self._glide.GlideError as error:
                return error  # type: ignore[no-any-return]
            if self._closed:
                made.close()
            self._check_open()
            old, self._current, self._following.at = self._current, made, address
        if old is not None:
            old.close()
        return None


class _Held:
    """A lock of `switchmaster.net.threads` for a ``with`` block."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
