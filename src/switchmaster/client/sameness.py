"""
Which arguments of a client are the same: those of equal value, even if built anew for each call.

Lists, tables and sets are compared by their contents; a ``Retry``, its backoff and the like by class and attributes,
since some libraries compare them by identity. Anything else is compared as Python does, and unhashable values by
identity.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

__all__ = ["frozen"]


class _Same:
    """One object, compared by identity; kept alive, so that no other gets its id."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


def frozen(value: Any, values: tuple[type, ...]) -> Hashable:
    """
    Return a hashable value that is equal for arguments that are the same.

    Args:
        value: an argument.
        values: the classes whose instances are compared by their attributes.
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
