"""
Acknowledging a planned failover as soon as it is in the journal: nobody has to look into what somebody wanted.
"""

from __future__ import annotations

import time
from typing import Final

from ..render import host_port
from .reader import FailoverFilter, Reader

__all__ = ["acknowledge_when_recorded"]

RECORDED_SECONDS: Final = 15.0
"""Seconds in which a daemon records a failover that is verified."""
POLL_SECONDS: Final = 0.2


def acknowledge_when_recorded(reader: Reader, deployment: str, master: str, epoch: int | None, by: str) -> bool:
    """
    Wait until a failover is recorded, and acknowledge it; blocks.

    Args:
        reader: of the journal.
        deployment: the deployment's name.
        master: the master's.
        epoch: the config epoch that it led to.
        by: who ordered it.

    Returns:
        False if it was not recorded within `RECORDED_SECONDS`.

    Raises:
        JournalUnavailable: the database can't be used.
    """
    until = time.monotonic() + RECORDED_SECONDS
    while True:
        for line in reader.failovers(FailoverFilter(deployment, master), limit=5).items:
            if line["epoch"] == epoch and line["outcome"] == "completed":
                moved = f"planned: {host_port(line['old'])} -> {host_port(line['new'])}"
                return reader.acknowledge(str(line["id"]), by, moved)
        if time.monotonic() >= until:
            return False
        time.sleep(POLL_SECONDS)
