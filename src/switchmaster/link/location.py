"""
One question to one Sentinel about one master, and which of several answers counts; without I/O, clock or chance.

For a client that cannot wait until a `Link` is live and its first snapshot has come, which takes longer the more
masters there are: one write, one answer of bounded size. The address and its config epoch are the pair to trust (see
`switchmaster.link.snapshot`). It uses RESP2, so that no greeting is needed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from ..model import LIMITS, Address
from ..wire.nouns import Unrecognised
from ..wire.refusal import Refusal, classify, explain
from ..wire.replies import MasterReply, parse_address, parse_master, parse_replicas
from ..wire.resp import FrameReader, Reply, encode, plain
from .greeting import NOBODY, Credentials, Login
from .majority import majority_listed
from .request_stream import OnReply

__all__ = ["Located", "Question", "listed_by", "newest"]

_PARTS = ("MASTER", "GET-MASTER-ADDR-BY-NAME", "REPLICAS")
"""In this order in one write: if a switch falls between the first two, the epoch is too low, never too high."""


@dataclass(frozen=True, slots=True)
class Located:
    """What one Sentinel says of one master."""

    address: Address | None
    """None if it monitors no such master."""
    config_epoch: int = 0
    """0 if SENTINEL MASTER is refused."""
    others: int = 0
    """How many other Sentinels it knows."""
    replicas: tuple[Address, ...] = ()
    """The replicas that it considers up and in sync, in order of address; empty if it does not list them."""
    nodes: frozenset[Address] = frozenset()
    """The master and all replicas that it lists."""


class Question:
    """
    One question to one Sentinel.

    Args:
        name: the master's name.
        credentials: user and password.
    """

    def __init__(self, name: str, credentials: Credentials = NOBODY) -> None:
        self._waiting: list[OnReply] = []
        self._replies: dict[str, Reply] = {}
        self._reader = FrameReader()
        self._failed = ""
        self._data: list[bytes] = []
        Login("switchmaster", credentials).authenticate(self._ask, self._fail)
        for part in _PARTS:
            self._ask(("SENTINEL", part, name), partial(self._keep, part))

    @property
    def data_to_send(self) -> bytes:
        """The bytes to write, once."""
        return b"".join(self._data)

    def receive_data(self, data: bytes) -> Located | str | None:
        """
        Read bytes from the Sentinel.

        Args:
            data: the bytes, however cut.

        Returns:
            The answer; or the reason why there is none, as the end of a sentence; None while more is to come.
        """
        for frame in self._reader.read(data):
            if self._waiting:
                self._waiting.pop(0)(frame, 0.0)
        if self._failed or self._reader.broken:
            return self._failed or self._reader.broken
        return None if self._waiting else self._read()

    def _ask(self, command: tuple[str, ...], on_reply: OnReply) -> None:
        self._data.append(encode(command))
        self._waiting.append(on_reply)

    def _keep(self, part: str, reply: Reply, now: float) -> None:
        self._replies[part] = reply

    def _fail(self, reason: str, now: float, refused: bool = False) -> None:
        self._failed = reason

    def _read(self) -> Located | str:
        master, address, replicas = (self._replies[part] for part in _PARTS)
        refusal = classify(address)
        if refusal is Refusal.NO_SUCH_MASTER:
            return Located(None)
        if refusal is not None:
            return explain(address)
        announced = parse_address(address)
        if isinstance(announced, Unrecognised):
            return f"it does not answer as a Sentinel does: {plain(announced.reason)}"
        row = parse_master(master) if classify(master) is None else None
        rows = parse_replicas(replicas) if classify(replicas) is None else ()
        well = () if isinstance(rows, Unrecognised) else rows
        up = {row.address for row in well if row.master_link_up and not row.flags & {"s_down", "o_down"}}
        known = row if isinstance(row, MasterReply) else None
        return Located(
            announced,
            known.config_epoch if known else 0,
            known.num_other_sentinels if known else 0,
            tuple(sorted(up - {announced})),
            frozenset(one for one in (announced, *(row.address for row in well[: LIMITS.replicas])) if one),
        )


def newest(answers: Collection[Located]) -> Located | None:
    """
    Return the answer that counts: the highest config epoch, and among equals the address that most Sentinels name.

    Args:
        answers: one for each Sentinel that has answered.

    Returns:
        None if no answer names an address.
    """
    naming = [answer for answer in answers if answer.address is not None]
    addresses = [answer.address for answer in naming]
    return max(naming, key=lambda each: (each.config_epoch, addresses.count(each.address), each.others), default=None)


def listed_by(answers: Collection[Located], silent: int) -> frozenset[Address]:
    """
    Return the nodes that may be given a password, by the Sentinels' answers.

    Args:
        answers: one for each Sentinel that has answered; those that monitor no such master do not count.
        silent: how many Sentinels may still answer. They count as listing nothing, so that the first answer alone is no
            majority.
    """
    return majority_listed([answer.nodes for answer in answers if answer.address is not None] + [frozenset()] * silent)
