"""
Events that a terminal's width, a pager or a copy cut off, completed if only one complete event is possible.

The entries of some files go in; the same entries come out, with cut ones completed or marked as unreadable. A payload
is completed from the masters, nodes and addresses that other lines name in full: of everything that can be made of
them, exactly one must begin with what is left. A line that ends where the widest lines of its file end may be cut too,
though it reads as complete (a port with one digit less): it counts only if another line says the same.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from ...model import Address
from ...wire.events import EVENTS, Form, InstanceEvent, Kind, SwitchedMaster
from ...wire.grammar import parse_event
from .log_reader import LogEntry
from .messages import LoggedEvent, Remark, Unreadable
from .origins import LogFile

__all__ = ["complete_cuts"]

_WIDTHS: Final = range(60, 512)
"""Columns that a terminal may have."""
_ALIKE: Final = 3
"""Lines that must end at a column before it counts as the terminal's width."""
_NAMED: Final = re.compile(r"(?<!\S)(\S{1,255}):(\d{1,5}) ")
"""A replica's name, which is its address, and the space after it: it is complete."""
COMBINATIONS: Final = 20_000
"""Events that may be made of what is known; with more names, nothing is completed."""
_MARK: Final = re.compile(r"(?:…|\.\.\.|>|\\)\Z")
"""What pagers and people write where they cut."""
_FORMS: Final = {spec.channel: spec.form for spec in EVENTS}
_OF_INSTANCE: Final = (Form.INSTANCE, Form.QUORUM, Form.MONITOR, Form.ROLE)


def complete_cuts(files: Sequence[LogFile]) -> list[LogFile]:
    """
    Complete the cut events of some files.

    Args:
        files: as they were read.

    Returns:
        The same files, entry by entry; what can't be completed is `Unreadable`, with the reason.
    """
    whole = _Whole()
    suspects = [_suspects(file) for file in files]
    for file, cut in zip(files, suspects, strict=True):
        for index, entry in enumerate(file.entries):
            if index in cut:
                whole.learn_part(entry.said)
            elif isinstance(entry.said, LoggedEvent):
                whole.learn(entry.said)
    return [
        replace(file, entries=_completed(file.entries, cut, whole)) if cut else file
        for file, cut in zip(files, suspects, strict=True)
    ]


class _Whole:
    """What complete events name: everything that a cut one may contain."""

    def __init__(self) -> None:
        self._masters: set[str] = set()
        self._owners: set[str] = set()
        """``slave NAME HOST PORT @ MASTER``: an instance without its master's address, which may have changed."""
        self._addresses: set[str] = set()
        self._said: dict[str, set[str]] = defaultdict(set)
        self._made: dict[str, list[str]] = {}

    def learn(self, said: LoggedEvent) -> None:
        """Remember what an event names."""
        event = parse_event(said.channel, said.payload)
        self._said[said.channel].add(said.payload)
        if isinstance(event, SwitchedMaster):
            self._masters.add(event.name)
            self._addresses.update(map(_spaced, (event.old, event.new)))
        elif isinstance(event, InstanceEvent):
            instance = event.instance
            self._masters.add(instance.master)
            self._addresses.add(_spaced(instance.master_address))
            if instance.kind is not Kind.MASTER:
                self._owners.add(_instance_text(said.payload, _FORMS[said.channel]).rsplit(" ", 2)[0])
            if instance.kind is Kind.REPLICA:
                self._addresses.add(_spaced(instance.address))

    def learn_part(self, said: LoggedEvent | Remark | Unreadable) -> None:
        """Remember the complete addresses in a cut event: it may be the only one that names that node."""
        if not isinstance(said, Remark):
            self._addresses.update(f"{found[1].strip('[]')} {found[2]}" for found in _NAMED.finditer(said.payload))

    def has(self, channel: str, payload: str) -> bool:
        """Return whether another line says the same in full."""
        return payload in self._said[channel]

    def instances(self) -> list[str]:
        """Return every possible instance, as events write it."""
        return self._once("instance", lambda: [f"master {name}" for name in self._masters] + list(self._owners))

    def switches(self) -> list[str]:
        """Return every possible switch."""
        return self._once("switch", lambda: [f"{name} {old}" for name in self._masters for old in self._addresses])

    def _once(self, what: str, beginnings: Callable[[], list[str]]) -> list[str]:
        if what not in self._made:
            # No master switches to the address that it has.
            made = (f"{one} {to}" for one in beginnings() for to in self._addresses if not one.endswith(f" {to}"))
            self._made[what] = list(islice(made, COMBINATIONS + 1))
        return self._made[what]


def _spaced(address: Address) -> str:
    return f"{address.host} {address.port}"


def _suspects(file: LogFile) -> set[int]:
    """Return the indexes of the entries that are cut, or may be."""
    widths = Counter(entry.width for entry in file.entries)
    widest = max(widths, default=0)
    is_edge = widest in _WIDTHS and widths[widest] >= _ALIKE
    found = set()
    for index, entry in enumerate(file.entries):
        match entry.said:
            case Unreadable(channel) if channel in _FORMS:
                found.add(index)
            case LoggedEvent() if is_edge and entry.width == widest:
                found.add(index)
    return found


def _instance_text(payload: str, form: Form) -> str:
    separator = {Form.QUORUM: " #quorum ", Form.MONITOR: " quorum ", Form.ROLE: " new reported role is "}.get(form)
    return payload.rpartition(separator)[0] if separator else payload


def _completed(entries: Sequence[LogEntry], cut: set[int], whole: _Whole) -> list[LogEntry]:
    return [
        replace(entry, said=_complete(entry.said, whole))
        if index in cut and isinstance(entry.said, LoggedEvent | Unreadable)
        else entry
        for index, entry in enumerate(entries)
    ]


def _complete(said: LoggedEvent | Unreadable, whole: _Whole) -> LoggedEvent | Unreadable:
    if isinstance(said, LoggedEvent) and whole.has(said.channel, said.payload):
        return said
    left, form = _MARK.sub("", said.payload).rstrip(), _FORMS.get(said.channel)
    if form is Form.SWITCH:
        return _only(said, left, whole.switches())
    if form is Form.INSTANCE:
        return _only(said, left, whole.instances())
    if form is Form.QUORUM:
        # How many agreed is lost; that they did is not.
        instance = next((text for text in whole.instances() if left.startswith(f"{text} ")), None)
        found = LoggedEvent(said.channel, instance) if instance else _only(said, left, whole.instances())
        return LoggedEvent(said.channel, f"{found.payload} #quorum 0/0") if isinstance(found, LoggedEvent) else found
    return Unreadable(said.channel, said.payload, "cut short")


def _only(said: LoggedEvent | Unreadable, left: str, possible: Sequence[str]) -> LoggedEvent | Unreadable:
    """Return the event that begins so, if there is exactly one."""
    fitting = [text for text in possible if text.startswith(left)] if len(possible) <= COMBINATIONS and left else []
    if len(fitting) == 1:
        return LoggedEvent(said.channel, fitting[0])
    reason = f"cut short: it may be any of {len(fitting)} events" if fitting else "cut short"
    return Unreadable(said.channel, said.payload, reason)
