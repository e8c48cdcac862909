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
    """Such as ``deployments.NAME.sentinel``; ``[actions]`` for an array of tables, followed by its type for what only
    that type has."""
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
    arrays = []
    for name, one in table["properties"].items():
        if variants := _variants(schema, one):
            arrays.append((name, variants))
            continue
        inner = _table_in(schema, one)
        alone = inner is not None and "anyOf" not in one  # always a table
        if inner is not None:
            named = f"{name}.{PLACEHOLDERS[name]}" if name in PLACEHOLDERS else name
            below.append((inner, f"{place}.{named}" if place else named))
        if not alone:
            yield Key(place, name, _kind(one), _default(one), one["description"])
    for inner, nested in below:
        yield from _keys(schema, inner, nested)
    for name, variants in arrays:
        yield from _keys_of_array(schema, name, variants)


def _variants(schema: dict[str, Any], one: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the schemas of the tables that an array may hold, by their type; none if it is no such array."""
    found = one.get("items", {}).get("discriminator", {}).get("mapping", {})
    return {kind: schema["$defs"][place.rpartition("/")[2]] for kind, place in found.items()}


def _keys_of_array(schema: dict[str, Any], name: str, variants: dict[str, dict[str, Any]]) -> Iterator[Key]:
    """Yield the keys that all tables of an array have, then those of each type."""
    properties = [one["properties"] for one in variants.values()]
    shared = set.intersection(*(set(one) for one in properties)) - {"type"}
    common = {key: value for key, value in properties[0].items() if key in shared}
    yield from _keys(schema, {"properties": common}, f"[{name}]")
    for kind, one in variants.items():
        own = {key: value for key, value in one["properties"].items() if key not in shared}
        yield from _keys(schema, {"properties": own}, f"[{name}] of type `{kind}`")


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
        case {"type": "string", "pattern": pattern} if "smhdw" in pattern:
            return "time, such as `90d`"
        case {"type": "string", "pattern": pattern} if "kMGT" in pattern:
            return "size, such as `2GB`"
        case {"const": value}:
            return f"`{value}`"
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
