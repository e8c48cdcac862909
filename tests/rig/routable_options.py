"""Options for labs that are not on loopback alone: in networks that a test has made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from switchmaster.lab import LabOptions

__all__ = ["RoutableOptions"]


@dataclass(frozen=True)
class RoutableOptions(LabOptions):
    """Options for servers that listen on any address, and name another one to each other."""

    announced: str = ""
    """The host by which configurations name masters."""

    def _checks(self) -> Iterable[tuple[bool, str]]:
        return ()

    @property
    def announced_host(self) -> str:
        return self.announced
