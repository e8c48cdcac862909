"""
Types of the values in the file of ``--config``: what each accepts, the sentence for what it does not, its JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from ipaddress import ip_network
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from ...errors import UsageError
from ...guard.policy import Arming, Restart
from ...model import Address
from ...url import read_listen, read_sentinels

__all__ = [
    "AddressPairs",
    "AfterRestart",
    "Age",
    "Armed",
    "Day",
    "Listen",
    "Listens",
    "Pause",
    "RangedPairs",
    "Seconds",
    "Sentinels",
    "Size",
    "Table",
    "Text",
    "Texts",
    "wrong",
]

DAY: Final = 86_400
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
_BYTES: Final = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_TEXT: Final = {"type": "string", "minLength": 1}


def wrong(sentence: str) -> PydanticCustomError:
    """Return the problem of a value, as a sentence that follows the key's name."""
    return PydanticCustomError("wrong", "{sentence}", {"sentence": sentence})


def _text(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        raise wrong("must be a non-empty string")
    return value


def _texts(value: Any) -> Any:
    values = [value] if isinstance(value, str) else value
    if not (isinstance(values, (list, tuple)) and values and all(isinstance(one, str) and one for one in values)):
        raise wrong("must be an array of strings")
    return tuple(values)


def _sentinels(value: Any) -> Any:
    values = _texts(value)
    try:
        read_sentinels(values)
    except UsageError as error:
        raise wrong(f"is wrong: {error}") from None
    return values


def _seconds(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= DAY:
        raise wrong("must be a number of seconds above 0, such as 0.5")
    return float(value)


def _pause(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= DAY:
        raise wrong("must be a number of seconds, such as 0.25")
    return float(value)


def _armed(value: Any) -> Any:
    if isinstance(value, Arming):
        return value
    found = [arming for written, arming in _ARMINGS if value is written or (value == written and value == "dry-run")]
    if not found:
        raise wrong('must be true, false or "dry-run"')
    return found[0]


def _restart(value: Any) -> Any:
    try:
        return Restart(value)
    except ValueError:
        raise wrong("must be 'unknown', 'wipes' or 'keeps'") from None


def _address_map(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise wrong("must be a table")
    for pair in value.items():
        for address in pair:
            try:
                Address.parse(str(address))
            except UsageError as error:
                raise wrong(f"is wrong: {error}") from None
    return {str(announced): str(dialled) for announced, dialled in value.items()}


def _ranged_maps(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise wrong("must be a table")
    for one in value:
        try:
            ip_network(str(one))
        except ValueError:
            raise wrong(f"is wrong: {str(one)!r} is no range of addresses such as 10.1.0.0/16") from None
    return {str(one): _address_map(pairs) for one, pairs in value.items()}


def _age(value: Any) -> Any:
    found = re.fullmatch(r"(\d{1,9})([smhdw])", value) if isinstance(value, str) else None
    if found is None:
        raise wrong('must be a time such as "90d", in s, m, h, d or w')
    return float(int(found[1]) * _SECONDS[found[2]])


def _day(value: Any) -> Any:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        raise wrong("must be a date such as 2027-01-31")
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _size(value: Any) -> Any:
    found = re.fullmatch(r"(\d{1,12}) ?([kMGT]B|[KMG]iB|)", value) if isinstance(value, str) else None
    if found is None:
        raise wrong('must be a size such as "500MB" or "2GiB"')
    return int(found[1]) * _BYTES[found[2]]


def _listen(value: Any) -> Any:
    try:
        read_listen(_text(value))
    except UsageError as error:
        raise wrong(f"is wrong: {error}") from None
    return value


def _listens(value: Any) -> Any:
    if isinstance(value, Mapping):
        if not value:
            raise wrong("must name at least one master")
        return {str(master): _listen(at) for master, at in value.items()}
    return _listen(value)


_ARMINGS: Final = ((True, Arming.ARMED), (False, Arming.DISARMED), ("dry-run", Arming.DRY_RUN))
_texts_schema: Final = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
Text = Annotated[str, BeforeValidator(_text), WithJsonSchema(_TEXT)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), WithJsonSchema(_texts_schema)]
Sentinels = Annotated[tuple[str, ...], BeforeValidator(_sentinels), WithJsonSchema(_texts_schema)]
Seconds = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": DAY})
]
Pause = Annotated[float, BeforeValidator(_pause), WithJsonSchema({"type": "number", "minimum": 0, "maximum": DAY})]
Armed = Annotated[
    Arming, BeforeValidator(_armed), WithJsonSchema({"enum": [True, False, "dry-run"], "type": ["boolean", "string"]})
]
AfterRestart = Annotated[
    Restart, BeforeValidator(_restart), WithJsonSchema({"enum": [str(one) for one in Restart], "type": "string"})
]
AddressPairs = Annotated[
    dict[str, str],
    BeforeValidator(_address_map),
    WithJsonSchema({"type": "object", "additionalProperties": _TEXT}),
]
RangedPairs = Annotated[
    dict[str, dict[str, str]],
    BeforeValidator(_ranged_maps),
    WithJsonSchema(
        {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {**_TEXT}}},
    ),
]
Age = Annotated[float, BeforeValidator(_age), WithJsonSchema({"type": "string", "pattern": r"^\d{1,9}[smhdw]$"})]
Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,12} ?([kMGT]B|[KMG]iB)?$"}),
]
Day = Annotated[float, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Listens = Annotated[
    str | dict[str, str],
    BeforeValidator(_listens),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "object", "additionalProperties": {**_TEXT}, "minProperties": 1}]}),
]
Listen = Annotated[str, BeforeValidator(_listen), WithJsonSchema(_TEXT)]


class Table(BaseModel):
    """A table of the file; it takes no unknown key and no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
