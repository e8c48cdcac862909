"""What operators decided about the doctor: findings that are known, from ``[doctor.suppress.RULE]``."""

from __future__ import annotations

from pathlib import Path

from ...doctor.examine import Suppression
from .file import read_file
from .tables import DoctorTable

__all__ = ["doctor_suppressions", "read_suppressions"]


def read_suppressions(path: Path) -> tuple[Suppression, ...]:
    """
    Read the suppressions of a file.

    Args:
        path: the TOML file.

    Raises:
        UsageError: the file can't be read, or has a problem.
    """
    file = read_file(path)
    file.check()
    return doctor_suppressions(file.tables.doctor)


def doctor_suppressions(table: DoctorTable) -> tuple[Suppression, ...]:
    """Return the suppressions of ``[doctor]``: one for each rule and master."""
    return tuple(
        Suppression(rule, one.reason, one.until, master)
        for rule, one in table.suppress.items()
        for master in (one.masters or (None,))
    )
