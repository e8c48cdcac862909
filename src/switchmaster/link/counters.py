"""What one link has counted since it was made; numbers only, for metrics and for the CLI."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LinkCounters"]


@dataclass(slots=True)
class LinkCounters:
    """Counts that only grow; they outlive the connections of their link."""

    connects: int = 0
    """Connections that were opened (two for one conversation in RESP2)."""
    failures: int = 0
    """Attempts and conversations that ended by anything but `Link.close`."""
    bytes_received: int = 0
    events: int = 0
    """Messages that were published to us, recognised or not."""
    unrecognised: int = 0
    """Messages and replies of another shape than protocol.md knows."""
    requests: int = 0
    """Commands that were written."""
    asked: int = 0
    """Calls of `Link.ask`."""
    snapshots: int = 0
    """Masters that were answered about."""
    rounds: int = 0
    """Whole snapshots, that is: of all masters."""
    resp_errors: int = 0
    """Error replies, of whatever kind."""
    pings: int = 0
    dropped: int = 0
    """Names beyond ``LIMITS.masters``, which were not asked about."""
