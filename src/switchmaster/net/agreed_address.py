"""
The address of a master on which most Sentinels agree, asked once, without a loop and without a belief.

For a program that asks and ends: it needs neither asyncio nor the belief, whose modules take longer to import than the
Sentinels take to answer. It settles nothing. Where it finds anything but agreement, the caller asks a `Watcher`.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Iterable
from typing import Final, Self

from ..link.greeting import Credentials
from ..link.location import Located, Question
from ..model import Address, is_ip

__all__ = ["agreed_address"]

_UNDER_WAY: Final = (0, errno.EINPROGRESS)
_READ: Final = 65_536
"""Bytes that one read of a socket returns at most."""


def agreed_address(
    master: str, sentinels: Iterable[Address], credentials: Credentials, timeout: float, settle: float
) -> Address | None:
    """
    Ask all Sentinels for one master, at once.

    Args:
        master: its name.
        sentinels: what to dial.
        credentials: user and password for all of them.
        timeout: seconds for all of it.
        settle: seconds that the others have once a majority agrees.

    Returns:
        The address that more than half of the Sentinels give, if none of them says anything else. None otherwise: they
        disagree, refuse, are silent or away, know no such master, or are not given as IP addresses.
    """
    places = list(dict.fromkeys(sentinels))
    if not all(is_ip(place.host) for place in places):
        return None  # to resolve a name may take long
    with _Round(master, places, credentials) as asked:
        until = time.monotonic() + timeout
        while asked.waiting and not asked.differs and (left := until - time.monotonic()) > 0:
            had = asked.agreed
            asked.wait(left)
            if asked.agreed and not had:
                until = min(until, time.monotonic() + settle)
        return None if asked.differs else asked.agreed


class _Round:
    """One question to each of several Sentinels."""

    def __init__(self, master: str, places: list[Address], credentials: Credentials) -> None:
        self._count = len(places)
        self._answers: list[Located] = []
        self.differs = False
        """Whether a Sentinel has said anything but one address."""
        self._selector = selectors.DefaultSelector()
        for place in places:
            self._dial(place, Question(master, credentials))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            self._leave(key)
        self._selector.close()

    @property
    def waiting(self) -> bool:
        """Whether any Sentinel may still answer."""
        return bool(self._selector.get_map())

    @property
    def agreed(self) -> Address | None:
        """The address that more than half of the Sentinels give; None if there is none."""
        return self._answers[0].address if 2 * len(self._answers) > self._count else None

    def wait(self, seconds: float) -> None:
        """Go on until something happens, some seconds at most."""
        for key, events in self._selector.select(seconds):
            opened, question = key.fileobj, key.data
            assert isinstance(opened, socket.socket)
            try:
                if events & selectors.EVENT_WRITE:
                    opened.sendall(question.data_to_send)  # a few hundred bytes, into an empty buffer
                    self._selector.modify(opened, selectors.EVENT_READ, question)
                    continue
                data = opened.recv(_READ)
            except OSError:  # it is away, or went away
                data = b""
            said = question.receive_data(data) if data else ""
            if said is not None:
                self._take(said)
                self._leave(key)

    def _take(self, said: Located | str) -> None:
        if isinstance(said, str):
            self.differs = self.differs or bool(said)  # a refusal; nothing if it is away
            return
        self._answers.append(said)
        self.differs = self.differs or said.address is None or said.address != self._answers[0].address

    def _dial(self, place: Address, question: Question) -> None:
        family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setblocking(False)
        try:
            begun = opened.connect_ex((place.host, place.port)) in _UNDER_WAY
        except OSError:
            begun = False
        if begun:
            self._selector.register(opened, selectors.EVENT_WRITE, question)
        else:
            opened.close()

    def _leave(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()
