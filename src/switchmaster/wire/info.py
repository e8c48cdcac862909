"""
From the reply of INFO to one typed value.

The text comes in as hiredis returns it, with any sections, of any of our servers; an `InfoReply` goes out, or
`Unrecognised`. It never raises. Names in INFO are not escaped: they may hold commas, ``=`` and a LF.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ..model import LIMITS, Address
from .nouns import Unrecognised
from .reply_parts import Misfit, address_of, number_of, text_of, total

__all__ = ["InfoMaster", "InfoReply", "parse_info"]


@dataclass(frozen=True, slots=True)
class InfoMaster:
    """
    One ``masterN`` line of INFO sentinel. Shape:
    ``name=…,status=…,address=ip:port,slaves=N,sentinels=N``.
    """

    name: str
    status: str
    """``ok``, ``sdown`` or ``odown``."""
    address: Address
    """The old one on the leader, between the promotion and its ``+switch-master``."""
    replicas: int
    sentinels: int
    """The answering one included."""


@dataclass(frozen=True, slots=True)
class InfoReply:
    """
    The content of INFO, whichever sections were asked for.

    Fields of missing sections are None; `masters` is empty then.
    """

    server: str | None
    """``redis`` or ``valkey``."""
    version: str | None
    """The server's own: ``valkey_version`` before ``redis_version``, which stays 7.2.4 on Valkey."""
    mode: str | None
    run_id: str | None
    """The id of the process; not that of SENTINEL MYID."""
    tilt: bool | None
    tilt_since_seconds: int | None
    """-1 outside of TILT; None before Redis 7.0."""
    total_tilt: int | None
    """How often it was in TILT; None before Redis 8.2 and Valkey 9."""
    running_scripts: int | None
    scripts_queue_length: int | None
    simulate_failure_flags: int | None
    masters: tuple[InfoMaster, ...]
    sections: Mapping[str, Mapping[str, str]] = field(hash=False, repr=False)
    """All fields as text, by the section's name in lower case, then by field."""


_MASTER_KEY: Final = re.compile(r"master[0-9]+")
_MASTER_LINE: Final = re.compile(
    # Greedy: a name that holds ",status=" keeps it, and of an IPv6 address the last colon splits.
    r"name=(?P<name>.*),status=(?P<status>[a-z]+),address=(?P<host>.*):(?P<port>[0-9]+)"
    r",slaves=(?P<slaves>[0-9]+),sentinels=(?P<sentinels>[0-9]+)",
    re.DOTALL,
)


def parse_info(reply: object) -> InfoReply | Unrecognised:
    """
    Read the reply of INFO: any sections, of a Sentinel or a data node.

    Args:
        reply: what hiredis returned.

    Returns:
        The fields; `Unrecognised` if a ``masterN`` line or a number of the Sentinel's section is bad.

    Shape: ``# Section``, then ``field:value`` lines, ended by CRLF, since a master's name may hold a LF.
    """
    return total("INFO", reply, _info)


def _info(value: object) -> InfoReply:
    sections = _sections(text_of(value, "the reply", LIMITS.reply_bytes))
    server = sections.get("server", {})
    sentinel = sections.get("sentinel", {})
    tilt = _info_number(sentinel, "sentinel_tilt")
    version = server.get("valkey_version") or server.get("redis_version")
    return InfoReply(
        server=server.get("server_name", "redis") if version else None,
        version=version,
        mode=server.get("server_mode") or server.get("redis_mode"),
        run_id=server.get("run_id"),
        tilt=None if tilt is None else tilt != 0,
        tilt_since_seconds=_info_number(sentinel, "sentinel_tilt_since_seconds"),
        total_tilt=_info_number(sentinel, "sentinel_total_tilt"),
        running_scripts=_info_number(sentinel, "sentinel_running_scripts"),
        scripts_queue_length=_info_number(sentinel, "sentinel_scripts_queue_length"),
        simulate_failure_flags=_info_number(sentinel, "sentinel_simulate_failure_flags"),
        masters=tuple(_info_master(k, v) for k, v in sentinel.items() if _MASTER_KEY.fullmatch(k)),
        sections=sections,
    )


def _sections(text: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    current = sections.setdefault("", {})
    for line in text.split("\r\n"):
        if line.startswith("# "):
            current = sections.setdefault(line[2:].lower(), {})
        elif ":" in line:
            key, _, rest = line.partition(":")
            current[key] = rest
    if not sections[""]:
        del sections[""]
    return sections


def _info_number(section: Mapping[str, str], key: str) -> int | None:
    return number_of(section[key], key) if key in section else None


def _info_master(key: str, line: str) -> InfoMaster:
    match = _MASTER_LINE.fullmatch(line)
    if match is None:
        raise Misfit("name, status, address, slaves and sentinels in a master line", f"{key}:{line}")
    return InfoMaster(
        name=match["name"],
        status=match["status"],
        address=address_of(match["host"], match["port"]),
        replicas=number_of(match["slaves"], f"slaves of {key}"),
        sentinels=number_of(match["sentinels"], f"sentinels of {key}"),
    )
