"""
`install`: put our classes in the place of a library's own, for the whole process.

For frameworks that take neither a class nor a pool, and look ``redis.sentinel.Sentinel`` up by themselves. What was
looked up before the installation stays the library's, silently; so an installation that comes too late is refused, with
the modules that hold the library's classes. It can't see instances, nor classes that are kept in other objects than
modules and subclasses: call it first.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Self

from ..errors import UsageError

__all__ = ["Installation", "install"]

REPLACED: Final = (
    "Sentinel", "SentinelConnectionPool", "SentinelManagedConnection", "SentinelManagedSSLConnection",
)  # fmt: skip
"""The names that are replaced, in each of the library's modules that has them."""
NAMED: Final = 5
"""Users of the library's classes that a refusal names at most."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One name of one module of the library."""

    module: Any
    name: str
    theirs: type
    ours: type


@dataclass(eq=False, slots=True)
class Installation:
    """
    Our classes in the place of a library's; as a context manager, for the length of a block.

    Attributes:
        library: ``redis`` or ``valkey``.
    """

    library: str
    _places: list[_Place] = field(repr=False)

    def remove(self) -> None:
        """
        Put the library's own classes back.

        What was made from ours stays as it is. A name that someone else has replaced since is left alone. A second call
        does nothing.
        """
        with _lock:
            for place in self._places:
                if vars(place.module).get(place.name) is place.ours:
                    setattr(place.module, place.name, place.theirs)
            if _installed.get(self.library) is self:
                del _installed[self.library]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


_lock = threading.Lock()
_installed: dict[str, Installation] = {}


def install(library: str) -> Installation:
    """
    Replace a library's Sentinel, pool and connections by ours, for threads and for asyncio.

    Args:
        library: ``redis`` or ``valkey``.

    Returns:
        What `Installation.remove` reverses; the same one while it lasts, however often it is called.

    Raises:
        UsageError: other modules have imported the library's classes already; nothing is replaced then.
        MissingDependency: the library is not installed.
    """
    with _lock:
        if library in _installed:
            return _installed[library]
        places = list(_places(library))
        if users := sorted({user for place in places for user in _users(library, place.theirs)}):
            more = f" and {len(users) - NAMED} more" if len(users) > NAMED else ""
            raise UsageError(
                f"switchmaster.{library}.install() comes too late: {', '.join(users[:NAMED])}{more} already "
                f"{'uses' if len(users) == 1 else 'use'} the classes of {library}.sentinel, and would keep them. "
                "Nothing was replaced. Call it first in the program, before anything else is imported"
            )
        for place in places:
            setattr(place.module, place.name, place.ours)
        _installed[library] = Installation(library, places)
        return _installed[library]


def _places(library: str) -> Iterator[_Place]:
    for part in ("", ".asyncio"):
        ours = import_module(f"switchmaster.{library}{part}")
        home = import_module(f"{library}{part}.sentinel")
        for name in REPLACED:
            theirs: type = getattr(home, name)
            for module in (home, import_module(f"{library}{part}")):
                if vars(module).get(name) is theirs:
                    yield _Place(module, name, theirs, getattr(ours, name))


def _users(library: str, theirs: type) -> Iterator[str]:
    """Return the modules that hold one of the library's classes, and the classes that inherit it."""
    for name, module in list(sys.modules.items()):
        held = getattr(module, "__dict__", {})
        if not _belongs(name, library) and any(value is theirs for value in list(held.values())):
            yield name
    inheriting: list[type] = type.__subclasses__(theirs)
    for kind in inheriting:
        if not _belongs(kind.__module__, library):
            yield f"{kind.__module__}.{kind.__qualname__}"


def _belongs(module: str, library: str) -> bool:
    """Whether a module is the library's own, or ours."""
    return module.partition(".")[0] in (library, "switchmaster")
