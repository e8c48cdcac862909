"""Our own arguments beside those of the client library, with their defaults, and the hook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import UsageError
from ..follow.gate import WaitLimits
from ..model import Address
from ..net.address_map import AddressMap

if TYPE_CHECKING:
    from ..belief.decisions import Switch

__all__ = ["Hook", "Options", "take_options"]


class Hook(Protocol):
    """
    An object that is called with what happens to the clients of a `Sentinel`; every method is optional.

    The methods are called in the thread where it happens (for a switch and a cut that is the Watcher's), must be quick
    and must not block. What they raise is logged and counted.
    """

    def on_switch(self, switch: Switch) -> None:
        """Called with a switch of a followed master, after its clients were sent to the new one."""

    def on_cut(self, master: str, address: Address, connections: int) -> None:
        """Called with the number of connections to a node that were shut down because commands must not go there."""

    def on_held(self, master: str, seconds: float) -> None:
        """Called with the seconds that a command was held before it was sent."""

    def on_wait_ran_out(self, master: str, seconds: float) -> None:
        """Called with the seconds that a command waited in vain."""


@dataclass(frozen=True, slots=True)
class Options:
    """Our own arguments of a `Sentinel`, of `master_for` and of `slave_for`."""

    hold: float = 2.0
    """Seconds that commands wait in a planned failover at most; 0 turns holding off."""
    failover_wait: float = 10.0
    """Seconds that a command that was not sent yet waits for a master; with 0 it fails at once, as in redis-py."""
    drain: float = 0.0
    """Seconds that commands in flight on the old master may still take after a switch."""
    address_map: AddressMap | None = None
    """What Sentinel announces -> what can be dialled, for nodes and Sentinels alike."""
    hook: Hook | None = None
    on_switch: Callable[[Switch], Any] | None = None
    """Called with each switch of a followed master, after its clients were sent to the new one; it may take its time.
    With threads it runs in a thread of its own; with asyncio in the loop, and may be a coroutine function."""

    @property
    def limits(self) -> WaitLimits:
        """The same, as `switchmaster.follow` takes it."""
        return WaitLimits(self.hold, self.failover_wait, self.drain)


_NAMES = tuple(field.name for field in fields(Options))
_SECONDS = ("hold", "failover_wait", "drain")


def take_options(arguments: dict[str, Any], defaults: Options | None = None) -> Options:
    """
    Take our own arguments out of keyword arguments.

    Args:
        arguments: those of a Sentinel or a pool; ours are removed.
        defaults: the values of those that are not given.

    Raises:
        UsageError: seconds are below 0 or no number; an address map is neither a table nor a function; `on_switch`
            can't be called.
    """
    said = {name: arguments.pop(name) for name in _NAMES if name in arguments}
    for name in _SECONDS:
        if name in said:
            said[name] = _seconds(name, said[name])
    table = said.get("address_map")
    if table is not None and not isinstance(table, Mapping) and not callable(table):
        raise UsageError("address_map is a table or a function from what Sentinel announces to what can be dialled")
    if said.get("on_switch") is not None and not callable(said["on_switch"]):
        raise UsageError("on_switch is a function that takes a Switch")
    return replace(defaults or Options(), **said)


def _seconds(name: str, value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # what is no number ends below
    except (TypeError, ValueError):
        raise UsageError(f"{name} is a number of seconds, not {value!r}") from None
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"{name} is a number of seconds from 0 on, not {value!r}")
    return seconds
