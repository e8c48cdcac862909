"""The reference of the configuration file, from `tables`: the JSON Schema, and the rows of the page in docs/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .tables import File

__all__ = ["Key", "json_schema", "keys"]

PLACEHOLDERS: Final = {"deployments": "NAME", "nodes": "MASTER", "guards": "MASTER", "suppress": "RULE"}
"""The placeholder for a table name of the user's own, by the table around it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file."""

    table: str
    """Such as ``deployments.NAME.sentinel``; empty for the top level."""
    name: str
    kind: str
    """The type of its value, in words."""
    default: str
    description: str


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **File.model_json_schema(),
        "title": "The configuration of switchmaster",
    }


def keys() -> Iterator[Key]:
    """Yield every key of the file, in the order of the page."""
    schema = File.model_json_schema()
    yield from _keys(schema, schema, "")


def _keys(schema: dict[str, Any], table: dict[str, Any], place: str) -> Iterator[Key]:
    below = []
    for name, one in table["properties"].items():
        inner = _table_in(schema, one)
        alone = inner is not None and "anyOf" not in one  # always a table
        if inner is not None:
            named = f"{name}.{PLACEHOLDERS[name]}" if name in PLACEHOLDERS else name
            below.append((inner, f"{place}.{named}" if place else named))
        if not alone:
            yield Key(place, name, _kind(one), _default(one), one["description"])
    for inner, nested in below:
        yield from _keys(schema, inner, nested)


def _table_in(schema: dict[str, Any], one: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of the table that a value may be, or of each value if the user chooses the keys."""
    for option in (one, one.get("additionalProperties"), *one.get("anyOf", ()), *one.get("oneOf", ())):
        if not isinstance(option, dict):
            continue
        if "$ref" in option:
            found: dict[str, Any] = schema["$defs"][option["$ref"].rpartition("/")[2]]
            return found
        if ("anyOf" in option or "oneOf" in option) and option is not one:
            within = _table_in(schema, option)
            if within is not None:
                return within
    return None


def _kind(one: dict[str, Any]) -> str:
    if "enum" in one:
        return " or ".join(
            f"`{json.dumps(value)}`" if isinstance(value, bool) else f"`{value}`" for value in one["enum"]
        )
    options = [option for option in one.get("anyOf", one.get("oneOf", ())) if option.get("type") != "null"]
    if options:
        return " or ".join(dict.fromkeys(_kind(option) for option in options))
    match one:
        case {"$ref": _}:
            return "table"
        case {"type": "string", "format": "date"}:
            return "date, such as `2027-01-31`"
        case {"type": "string", "pattern": pattern}:
            return "time, such as `90d`" if "smhdw" in pattern else "size, such as `2GB`"
        case {"type": "array"}:
            return "array of strings"
        case {"type": "object"}:
            return "table"
        case {"type": "boolean"}:
            return "`true` or `false`"
        case {"type": "number"}:
            return "seconds"
        case _:
            return str(one["type"])


def _default(one: dict[str, Any]) -> str:
    default = one.get("default")
    if isinstance(default, bool):
        return "`true`" if default else "`false`"
    return "" if default is None else f"`{default}`"
