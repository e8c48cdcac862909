"""
What an operator decides about the guard of one master, with the reason for each default.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Arming", "Policy", "Restart"]


class Arming(enum.StrEnum):
    """Whether the guard acts."""

    DISARMED = "disarmed"
    """It collects nothing and asks for nothing."""
    DRY_RUN = "dry-run"
    """It does everything but the order, and says what it would have ordered."""
    ARMED = "armed"


class Restart(enum.StrEnum):
    """What a restart of a dead master would come back with."""

    UNKNOWN = "unknown"
    """The guard decides by what the node says of its persistence."""
    WIPES = "wipes"
    """Nothing: the guard acts on the first sample."""
    KEEPS = "keeps"
    """Its data."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of the guard for one master. Times are seconds."""

    arming: Arming = Arming.DISARMED
    grace: float = 0.25
    """Between two samples that prove a death: enough for a supervisor's instant restart, a hundredth of 30 s."""
    evidence_timeout: float = 0.15
    """In which all witnesses are asked, in parallel. A round trip of 100 ms fits."""
    max_lag: float = 10.0
    """How old the last acknowledgement of the best replica may be: the writes after it are lost by any failover."""
    restart: Restart = Restart.UNKNOWN
    cool_down: float = 60.0
    """After a failover, ours or another's: a second death so soon is a matter for people."""
    orderly: bool = False
    """Whether to act after an announced shutdown (SHUTDOWN) too."""
