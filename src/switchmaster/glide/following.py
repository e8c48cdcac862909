"""
One master as a GLIDE client sees it: where commands may go, where they are, and what a ``GlideClient`` is made from.

It is the connection of the plan of `switchmaster.follow.reach`: one that nothing pins, and that never goes ahead, since
GLIDE checks by ``INFO replication`` that a node is a master before it is used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final, Protocol

from ..belief.topology import MasterState
from ..client.client_options import take_options
from ..client.observable import Observable
from ..errors import MissingDependency, SwitchmasterError, UnknownMaster, UsageError
from ..follow.gate import UNKNOWN, GateState, Phase, phase_of
from ..model import Address

__all__ = ["NOT_OPEN", "Following", "KnowsMasters", "import_glide", "named"]

PATIENCE: Final = 2.1
"""Seconds that a command waits for Sentinels that have not named the master yet."""

NOT_OPEN: Final = "the client is closed, or was not started"

_log = logging.getLogger("switchmaster.glide")


class KnowsMasters(Protocol):
    """What is asked of a Watcher, of asyncio or of threads."""

    def state(self, name: str) -> MasterState:
        """Return what is believed about a master."""

    def dialled(self, address: Address) -> Address:
        """Return what to connect to for an announced address."""

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after every change; return what ends that."""


def import_glide(name: str) -> Any:
    """
    Import the library.

    Args:
        name: ``glide`` or ``glide_sync``.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise MissingDependency("valkey-glide-sync" if name == "glide_sync" else "valkey-glide", "glide") from None


def named(client: object, library_class: type, name: str) -> Any:
    """
    Return what GLIDE's class has of this name.

    Args:
        client: ours, for the error.
        library_class: GLIDE's.
        name: of a command; neither a private one nor ``create``, since ours are made with a Watcher.

    Raises:
        AttributeError: there is none.
    """
    found = None if name.startswith("_") or name == "create" else getattr(library_class, name, None)
    if found is None:
        raise AttributeError(f"{type(client).__name__} has no attribute {name!r}")
    return found


class Following:
    """
    The master, and the node at which the client is.

    Args:
        watcher: what knows the master.
        master: its name.
        seconds: how long commands wait: `hold`, `failover_wait` and `drain`.
        library: GLIDE's module.
        arguments: those of its ``GlideClientConfiguration``.

    Raises:
        UsageError: seconds are below 0, or addresses are among the arguments.
    """

    def __init__(
        self,
        watcher: KnowsMasters,
        master: str,
        seconds: tuple[float, float, float],
        library: Any,
        arguments: dict[str, Any],
    ) -> None:
        if "addresses" in arguments:
            raise UsageError("addresses can't be given: the Watcher knows the master's")
        said = dict(zip(("hold", "failover_wait", "drain"), seconds, strict=True))
        self.master, self.limits = master, take_options(said).limits
        self.phases: Observable[Phase] = Observable(UNKNOWN)
        self.ready: Phase | None = None
        """The phase under which commands may go to where the client is."""
        self.at: Address | None = None
        """Where the client is connected; None if nowhere."""
        self.moving = False
        """Whether something is taking the client to the new master already."""
        self._watcher, self._library, self._arguments = watcher, library, arguments
        self._state: MasterState | None = None
        self._end: Callable[[], None] | None = None

    # -- what the Watcher knows ---------------------------------------------------------------------

    def begin(self, moved: Callable[[], None]) -> None:
        """
        Follow the Watcher.

        Args:
            moved: called when the master is elsewhere, in the Watcher's thread or loop; it ends `moving`.
        """

        def look() -> None:
            if self._look() and self.at is not None and not self.moving:
                self.moving = True
                moved()

        self._end = self._watcher.on_change(look)
        self._look()

    def end(self) -> None:
        """End following; safe to call twice."""
        self.at = self.ready = None
        if self._end is not None:
            self._end()
            self._end = None

    def _look(self) -> bool:
        """Take the newest belief; return whether the client must move now."""
        try:
            state: MasterState | None = self._watcher.state(self.master)
        except SwitchmasterError:  # not known yet, not any more, or the Watcher is closed
            state = None
        if state is self._state:
            return False
        self._state, phase = state, phase_of(state)
        if not phase.same(self.phases.current):
            self.phases.set(phase)
        return phase.gate is GateState.OPEN and phase.address != self.at

    def to_be_found(self) -> tuple[Phase, float]:
        """Return the phase while the master is not known, and until when to wait for another one."""
        return self.phases.current, time.monotonic() + PATIENCE

    def why_unknown(self) -> SwitchmasterError | None:
        """Return why the master is not known; None if it is."""
        if self.phases.current.address is not None:
            return None
        try:
            self._watcher.state(self.master)
        except SwitchmasterError as error:
            return error
        return UnknownMaster(self.master, (), ())

    # -- what GLIDE is told -------------------------------------------------------------------------

    def configuration(self, address: Address) -> Any:
        """Return the ``GlideClientConfiguration`` for a node."""
        host, port = self._watcher.dialled(address)
        node = self._library.NodeAddress(host, port)
        return self._library.GlideClientConfiguration([node], **self._arguments)

    def lost(self) -> str:
        """Return what a command hears that was under way when the client moved."""
        return f"the master {self.master!r} has moved: it is unknown whether the command was carried out"

    def not_followed(self, error: Exception) -> None:
        """Log that the new master could not be reached."""
        _log.warning("the client of %r could not move: %s", self.master, error)

    # -- as the connection of a plan ----------------------------------------------------------------

    pinned = bound = ended = False

    def goes_ahead(self, phase: Phase) -> bool:
        """It stays until the belief moves."""
        return False

    def may_pass(self, failure: Exception) -> bool:
        """GLIDE has one error for every failed connection, so waiting may always help."""
        return True

    def order(self, usable: Sequence[Address]) -> Sequence[Address]:
        """Return replicas as they come; this client is the master's."""
        return usable

    def crowded(self, usable: Sequence[Address]) -> bool:
        """No replica is left for another."""
        return False
