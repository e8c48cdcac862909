"""
The hello by which Sentinels find each other: each publishes it on every data node, every 2 s.

``PSUBSCRIBE *`` on a data node, instead of a Sentinel, hears this and no event. It names the master's address and its
config epoch as that Sentinel believes them, so a change of master shows, but no stage of its failover.

Source: sentinelSendHello() and sentinelProcessHelloMessage() in sentinel.c; the same in Redis 6.2 to 8.2, Valkey 9.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..model import LIMITS, Address, RunId

__all__ = ["HELLO_CHANNEL", "Hello", "parse_published_hello"]

HELLO_CHANNEL: Final = "__sentinel__:hello"
"""The channel, on the data nodes."""

_PARTS: Final = 8
_EPOCH_DIGITS: Final = 20


@dataclass(frozen=True, slots=True)
class Hello:
    """One Sentinel's statement about itself and about one master."""

    sentinel: Address
    run_id: RunId
    current_epoch: int
    """The highest epoch that this Sentinel has seen."""
    master: str
    address: Address
    config_epoch: int
    """The epoch of the failover that made `address` the master."""


def parse_published_hello(payload: str) -> Hello | None:
    """
    Read ``ip,port,runid,current-epoch,master,master-ip,master-port,master-config-epoch``.

    Args:
        payload: the published message.

    Returns:
        The hello; None if the payload has another shape.
    """
    parts = payload.split(",")
    if len(parts) != _PARTS or any(len(part) > LIMITS.text for part in parts):
        return None
    host, port, run_id, current, master, master_host, master_port, config = parts
    numbers = [_number(text) for text in (port, current, master_port, config)]
    if not (host and run_id and master and master_host) or None in numbers:
        return None
    own, current_epoch, its, config_epoch = (number or 0 for number in numbers)
    if not (0 < own < 65536 and 0 < its < 65536):
        return None
    return Hello(Address(host, own), RunId(run_id), current_epoch, master, Address(master_host, its), config_epoch)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _EPOCH_DIGITS else None
