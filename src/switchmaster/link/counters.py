"""What one link has counted since it was created: numbers, for the metrics and the CLI."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LinkCounters"]


@dataclass(slots=True)
class LinkCounters:
    """Counts that only grow; they outlive the link's connections."""

    connects: int = 0
    """Connections that were opened (two for one conversation in RESP2)."""
    failures: int = 0
    """Attempts and conversations that ended for any reason but `Link.close`."""
    bytes_received: int = 0
    events: int = 0
    """Published messages received, recognised or not."""
    unrecognised: int = 0
    """Messages and replies of a shape that protocol.md does not know."""
    requests: int = 0
    """Commands written."""
    asked: int = 0
    """Calls of `Link.ask`."""
    snapshots: int = 0
    """Answers about one master each."""
    rounds: int = 0
    """Whole snapshots: of all masters."""
    resp_errors: int = 0
    """Error replies of any kind."""
    pings: int = 0
    dropped: int = 0
    """Names beyond ``LIMITS.masters``, which were not asked about."""
