"""What happened to the clients of one `Sentinel`: counted, reported to a hook, and logged once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..model import Address
from ..net.threads import RLock
from .client_options import Hook

if TYPE_CHECKING:
    import asyncio

    from ..belief.decisions import Switch
    from .delivery import Delivery

__all__ = ["ClientCounters", "Tally"]

_log = logging.getLogger("switchmaster.client")


@dataclass(slots=True)
class ClientCounters:
    """Numbers since the start."""

    switches: int = 0
    """Changes of a master's address that connections were sent to follow."""
    connections_cut: int = 0
    """Connections that were shut down from outside because commands must no longer go there."""
    cut_errors: int = 0
    """Connections that should have been shut down but could not be."""
    commands_held: int = 0
    """Commands, pipelines and connection attempts that waited for a failover before anything was sent."""
    held_seconds: float = 0.0
    """How long all of those waited, in seconds."""
    longest_hold: float = 0.0
    """How long the longest of them waited, in seconds."""
    waits_ran_out: int = 0
    """Waits that reached their limit."""
    asked: int = 0
    """Times that a client had to ask the Sentinels, because the master was not known."""
    not_master: int = 0
    """Connections that were given up because the node did not answer ROLE master."""
    hook_errors: int = 0
    """Exceptions that the hook and `Options.on_switch` raised."""
    switches_dropped: int = 0
    """Switches that `Options.on_switch` was not called with, because it was too slow."""


class Tally:
    """
    Counts and reports; safe for threads.

    Args:
        hook: the user's hook; None for none.
        on_switch: the user's callback for switches; None for none.
        in_loop: whether that is called in an event loop, not in a thread.
    """

    def __init__(
        self, hook: Hook | None = None, on_switch: Callable[[Switch], Any] | None = None, in_loop: bool = False
    ) -> None:
        self.hook, self.on_switch = hook, on_switch
        self._delivery: Delivery | None = None
        if on_switch is not None:
            from .delivery import Delivery

            self._delivery = Delivery(on_switch, in_loop, self._add)
        self._counters = ClientCounters()
        self._lock = RLock()  # see `Shared`: garbage is collected under it too
        self._said: set[str] = set()
        self._switches: dict[str, Switch] = {}
        """The last switch of each master."""

    def read(self) -> dict[str, float]:
        """Return the numbers by name."""
        with self._lock:
            return asdict(self._counters)

    def switched(self, switch: Switch) -> None:
        """Count a switch, once, however many pools follow that master."""
        with self._lock:
            if self._switches.get(switch.master) is switch:
                return
            self._switches[switch.master] = switch
            self._counters.switches += 1
        self._tell("on_switch", switch)
        if self._delivery is not None:
            self._delivery.put(switch)

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call the callback for switches in this loop, unless one that was used before still runs."""
        if self._delivery is not None:
            self._delivery.use(loop)

    def cut(self, master: str, address: Address, connections: int) -> None:
        """Count connections to a node that were shut down."""
        self._add("connections_cut", connections)
        self._tell("on_cut", master, address, connections)

    def cut_failed(self, master: str, address: Address, error: Exception) -> None:
        """Count a connection that could not be shut down."""
        self._add("cut_errors")
        self.say_once(
            f"a connection to {address} that {master!r} has left could not be cut ({error!r}): a command that waits "
            "for an answer there waits until its own timeout"
        )

    def held(self, master: str, seconds: float, ran_out: bool) -> None:
        """Count a command that waited, in seconds, before it was sent or until its time ran out."""
        with self._lock:
            self._counters.commands_held += 1
            self._counters.held_seconds += seconds
            self._counters.longest_hold = max(self._counters.longest_hold, seconds)
            self._counters.waits_ran_out += ran_out
        self._tell("on_held", master, seconds)
        if ran_out:
            self._tell("on_wait_ran_out", master, seconds)

    def asked(self) -> None:
        """Count a question to the Sentinels."""
        self._add("asked")

    def not_master(self) -> None:
        """Count a node that was named as master and is not one."""
        self._add("not_master")

    def say_once(self, text: str) -> None:
        """Log a warning, unless the same was logged before."""
        with self._lock:
            if text in self._said or len(self._said) >= _SAID:
                return
            self._said.add(text)
        _log.warning("%s", text)

    def renew(self) -> None:
        """Start over in a forked child: the parent's lock may be held for ever."""
        self._lock = RLock()
        if self._delivery is not None:
            self._delivery.renew()

    def _add(self, name: str, count: int = 1) -> None:
        with self._lock:
            setattr(self._counters, name, getattr(self._counters, name) + count)

    def _tell(self, name: str, *what: object) -> None:
        method: Callable[..., None] | None = getattr(self.hook, name, None)
        if method is None:
            return
        try:
            method(*what)
        except Exception:
            # The user's own code: it must not break the client.
            self._add("hook_errors")
            _log.exception("the hook's %s failed", name)


_SAID = 100
"""Different warnings that are remembered; further ones are not logged."""
