"""What operators decided about the doctor: how often the daemon inspects, which findings are known, where hosts are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...doctor.examine import Suppression
from .file import read_file
from .tables import DoctorTable

__all__ = ["DoctorSettings", "doctor_settings", "read_doctor_settings"]


@dataclass(frozen=True, slots=True)
class DoctorSettings:
    """The doctor of every deployment."""

    every: float | None = None
    """Seconds between two inspections of the daemon; None for none."""
    suppressions: tuple[Suppression, ...] = ()
    zones: Mapping[str, str] = field(default_factory=dict)
    """The zone of each host."""


def doctor_settings(table: DoctorTable) -> DoctorSettings:
    """Return the settings of ``[doctor]``, with one suppression for each rule and master."""
    return DoctorSettings(
        table.every,
        tuple(
            Suppression(rule, one.reason, one.until, master)
            for rule, one in table.suppress.items()
            for master in (one.masters or (None,))
        ),
        table.zones,
    )


def read_doctor_settings(path: Path) -> DoctorSettings:
    """
    Read ``[doctor]`` of a file.

    Args:
        path: the TOML file.

    Raises:
        UsageError: the file can't be read, or has a problem.
    """
    file = read_file(path)
    file.check()
    return doctor_settings(file.tables.doctor)
