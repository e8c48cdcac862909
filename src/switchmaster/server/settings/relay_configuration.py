"""
The relay of a deployment from the tables of the file: a complete `RelaySettings`, or none.

A key of ``[deployments.NAME.relay]`` wins over that of ``[relay]``. With one deployment, ``[relay]`` alone begins its
relay; with several, each relay needs its own table, because each needs an address of its own.
"""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...model import Address, Grade
from ...relay.relay_settings import RelaySettings
from ...relay.served_masters import RelayPolicy
from ...url import DEFAULT_PORT, parse_address_map, read_listen
from ..watcher_arguments import read_secret
from .tables import RelayTable

__all__ = ["check_apart", "relay_settings"]


def relay_settings(
    common: RelayTable | None, own: RelayTable | None, alone: bool, folder: Path
) -> RelaySettings | None:
    """
    Return the settings of one deployment's relay.

    Args:
        common: ``[relay]``; None if the file has none.
        own: ``[deployments.NAME.relay]``; None if the file has none.
        alone: whether there is no other deployment.
        folder: of the configuration file.

    Returns:
        None if this deployment has no relay.

    Raises:
        UsageError: a file can't be read, or the settings are unsafe.
    """
    if own is None and (common is None or not alone):
        return None
    table = _given(common) | _given(own)
    given: dict[str, Any] = {key: table[key] for key in ("maxclients", "output_bytes") if key in table}
    if "listen" in table:
        given["listen"] = read_listen(table["listen"])
    if "announce" in table:
        given["announce"] = read_listen(table["announce"])
    if "tls" in table:
        given |= {key: str(_place(folder, value)) for key, value in table["tls"] if value is not None}
    if "password_file" in table:
        given["password"] = read_secret(_place(folder, table["password_file"]), "relay's clients")
    for name, file in table.get("users", {}).items():
        given.setdefault("users", {})[name] = read_secret(_place(folder, file), f"relay's user {name!r}")
    grade = Grade[table.get("grade", "announced").upper()]
    return RelaySettings(
        policy=RelayPolicy(grade, table.get("planned") != "announced", table.get("stale_for", 60.0)),
        peers=tuple(Address.parse(peer, DEFAULT_PORT) for peer in table.get("peers", ())),
        address_map=_addresses(table.get("address_map", {})),
        address_maps={ip_network(one): _addresses(pairs) for one, pairs in table.get("address_maps", {}).items()},
        **given,
    )


def check_apart(settings: dict[str, RelaySettings]) -> None:
    """
    Refuse two relays at one address.

    Args:
        settings: by the deployment's name.

    Raises:
        UsageError: two have the same.
    """
    seen: dict[Address, str] = {}
    for name, one in settings.items():
        if one.listen.port and one.listen in seen:
            raise UsageError(f"the relays of {seen[one.listen]!r} and {name!r} both listen on {one.listen}")
        seen[one.listen] = name


def _given(table: RelayTable | None) -> dict[str, Any]:
    return {} if table is None else {key: value for key, value in table if value is not None}


def _addresses(pairs: dict[str, str]) -> dict[Address, Address]:
    return dict(parse_address_map(f"{one}={other}" for one, other in pairs.items()) or {})


def _place(folder: Path, file: str) -> Path:
    return folder / os.path.expanduser(file)
