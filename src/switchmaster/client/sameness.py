"""
Which arguments of a client say the same: those of equal value, however freshly they are built.

Lists, tables and sets are compared by what they hold; a ``Retry``, its backoff and the like by their class and
attributes, since some libraries compare them by identity. Anything else is compared as Python does, and what can't be
hashed by identity.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

__all__ = ["frozen"]


class _Same:
    """One very object; kept alive, so that no other takes its identity."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


def frozen(value: Any, values: tuple[type, ...]) -> Hashable:
    """
    Return what is equal for arguments that say the same.

    Args:
        value: an argument.
        values: the classes whose instances are what their attributes say.
    """
    if isinstance(value, Mapping):
        pairs = ((frozen(key, values), frozen(each, values)) for key, each in value.items())
        return (type(value), frozenset(pairs))
    if isinstance(value, list | tuple):
        return (type(value), tuple(frozen(each, values) for each in value))
    if isinstance(value, AbstractSet):
        return (type(value), frozenset(frozen(each, values) for each in value))
    if isinstance(value, values):
        return (type(value), frozen(vars(value), values))
    try:
        hash(value)
    except TypeError:
        return _Same(value)
    return value  # type: ignore[no-any-return]
