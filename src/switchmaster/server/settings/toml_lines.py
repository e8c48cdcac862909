"""
The line of each key in a TOML file, for error messages.

`tomllib` reads the file and forgets the lines. `lines_of` cuts the text into statements (the fewest lines that are TOML
by themselves) and lets `tomllib` say what each of them sets, so there is no second grammar.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["KeyPath", "line_of", "lines_of"]

KeyPath = tuple[str, ...]
"""For example ``("deployments", "kvdb", "sentinels")``, and ``("actions[1]", "argv")`` for the second ``[[actions]]``;
other array indexes are left out."""

STATEMENT_LINES: Final = 2_000
"""Most lines of one value; keys after a longer one get no line."""


def lines_of(text: str) -> dict[KeyPath, int]:
    """
    Return the line, from 1, on which each key and each table of a valid TOML text first appears.

    Args:
        text: what `tomllib.loads` accepts.
    """
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, statement, values in _statements(text.splitlines()):
        if statement.lstrip().startswith("["):
            table = _header(values)
            if statement.lstrip().startswith("[["):
                counts[table] = counts.get(table, -1) + 1
                found.setdefault(table, number)
            table = _numbered(table, counts)
            for depth in range(1, len(table) + 1):
                found.setdefault(table[:depth], number)
        else:
            for path in _paths(values):
                found.setdefault((*table, *path), number)
    return found


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """Return the line of a key, or of the nearest table around it; None if neither is known."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None


def _statements(lines: list[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    number = 0
    while number < len(lines):
        if not lines[number].strip() or lines[number].lstrip().startswith("#"):
            number += 1
            continue
        for end in range(number + 1, min(number + STATEMENT_LINES, len(lines)) + 1):
            statement = "\n".join(lines[number:end])
            try:
                values = tomllib.loads(statement)
            except tomllib.TOMLDecodeError:
                continue
            yield number + 1, statement, values
            number = end
            break
        else:
            return


def _header(values: Any) -> KeyPath:
    path: list[str] = []
    while values:
        values = values[0] if isinstance(values, list) else values
        if not values:
            break
        [(key, values)] = values.items()
        path.append(key)
    return tuple(path)


def _numbered(table: KeyPath, counts: Mapping[KeyPath, int]) -> KeyPath:
    """Return a table's path with the number of each table of an array in it."""
    parts = (table[: depth + 1] for depth in range(len(table)))
    return tuple(part[-1] if part not in counts else f"{part[-1]}[{counts[part]}]" for part in parts)


def _paths(values: Any) -> Iterator[KeyPath]:
    if isinstance(values, list):
        for value in values:
            yield from _paths(value)
    elif isinstance(values, dict):
        for key, value in values.items():
            yield (key,)
            yield from ((key, *path) for path in _paths(value))
