"""Options for labs that listen beyond loopback, in networks that a test has made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from switchmaster.lab import LabOptions

__all__ = ["RoutableOptions"]


@dataclass(frozen=True)
class RoutableOptions(LabOptions):
    """Options for servers that listen on any address and announce another."""

    announced: str = ""
    """The host that configurations give for masters."""

    def _checks(self) -> Iterable[tuple[bool, str]]:
        return ()

    @property
    def announced_host(self) -> str:
        return self.announced
