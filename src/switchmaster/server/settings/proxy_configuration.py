"""
The proxy of a deployment from the tables of the file: a complete `ProxySettings`, or none.

As with the relay, a key of ``[deployments.NAME.proxy]`` wins over that of ``[proxy]``; with one deployment ``[proxy]``
alone begins its proxy, with several each needs its own table.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...errors import UsageError
from ...follow.gate import WaitLimits
from ...model import Address
from ...proxy.proxy_settings import MasterPorts, ProxySettings, default_folder
from ...url import read_listen
from .tables import ProxyTable

__all__ = ["check_ports_apart", "proxy_settings"]

LIMITS: Final = WaitLimits()


def proxy_settings(
    name: str,
    common: ProxyTable | None,
    own: ProxyTable | None,
    alone: bool,
    environ: Mapping[str, str],
    beside: Path,
) -> ProxySettings | None:
    """
    Return the settings of one deployment's proxy.

    Args:
        name: the deployment's name.
        common: ``[proxy]``; None if the file has none.
        own: ``[deployments.NAME.proxy]``; None if the file has none.
        alone: whether there is no other deployment.
        environ: the environment, for the folder.
        beside: the folder of the configuration file.

    Returns:
        None if this deployment has no proxy.

    Raises:
        UsageError: the settings contradict each other.
    """
    if own is None and (common is None or not alone):
        return None
    table = _given(common) | _given(own)
    if "writes" not in table:
        raise UsageError('the proxy has no port: add writes = "127.0.0.1:6379"')
    folder = table.get("folder")
    given: dict[str, Any] = {key: table[key] for key in ("max_lag", "maxconn", "program") if key in table}
    if "tls" in table:
        given |= {key: str(beside / os.path.expanduser(file)) for key, file in table["tls"] if file is not None}
    return ProxySettings(
        folder=Path(folder) if folder is not None else default_folder(_word(name), environ),
        health=read_listen(table["health"]) if "health" in table else None,
        limits=WaitLimits(table.get("hold", LIMITS.hold), table.get("failover_wait", LIMITS.failover_wait)),
        **_ports(table["writes"], table.get("reads")),
        **given,
    )


def check_ports_apart(settings: Mapping[str, ProxySettings]) -> None:
    """
    Refuse two proxies with one port or one folder.

    Args:
        settings: by the deployment's name.

    Raises:
        UsageError: two have the same.
    """
    seen: dict[Address | Path, str] = {}
    for name, one in settings.items():
        pairs = (one.only,) if one.only is not None else tuple(one.ports.values())
        for place in (one.folder, one.health, *(at for pair in pairs for at in (pair.writes, pair.reads))):
            if place is None:
                continue
            if seen.setdefault(place, name) != name:
                raise UsageError(f"the proxies of {seen[place]!r} and {name!r} both have {place}")


def _ports(writes: str | Mapping[str, str], reads: str | Mapping[str, str] | None) -> dict[str, Any]:
    if isinstance(writes, str):
        if isinstance(reads, Mapping):
            raise UsageError("the proxy's reads must be one address, as its writes")
        return {"only": MasterPorts(read_listen(writes), None if reads is None else read_listen(reads))}
    if isinstance(reads, str):
        raise UsageError("the proxy's reads must be a table by master, as its writes")
    of_reads = reads or {}
    if strangers := of_reads.keys() - writes.keys():
        raise UsageError(f"the proxy has a port for reads of {min(strangers)!r}, and none for writes")
    return {
        "ports": {
            master: MasterPorts(read_listen(at), read_listen(of_reads[master]) if master in of_reads else None)
            for master, at in writes.items()
        }
    }


def _given(table: ProxyTable | None) -> dict[str, Any]:
    return {} if table is None else {key: value for key, value in table if value is not None}


def _word(name: str) -> str:
    """Return a deployment's name as a word of a path."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name):
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
