"""The claims of daemons that share deployments, as JSON. Pure."""

from __future__ import annotations

from ...journal.claims import ClaimState, Sharer, watchers_of
from ...render import Line
from .served_state import ClaimSource

__all__ = ["claim_lines", "share_line"]


def share_line(claims: ClaimSource | None) -> Line | None:
    """Return how deployments are shared; None if they are not."""
    if claims is None or (settings := claims.settings) is None:
        return None
    trouble = claims.trouble
    return {
        "daemons": settings.daemons,
        "living": [one.name for one in sorted(claims.sharers, key=lambda one: (one.name, one.id))],
        "available": trouble is None,
        "reason": None if trouble is None else str(trouble),
    }


def claim_lines(claims: ClaimSource) -> list[Line]:
    """Return a line for each deployment that any living daemon offers, by name."""
    sharers, held = claims.sharers, claims.held
    names = sorted({name for one in sharers for name in one.claims})
    daemons = max((one.daemons for one in sharers), default=0)
    return [_claim_line(name, sharers, daemons, name in held) for name in names]


def _claim_line(name: str, sharers: tuple[Sharer, ...], daemons: int, here: bool) -> Line:
    watchers = watchers_of(sharers, name)
    offering = sum(name in one.claims and not one.leaving for one in sharers)
    return {
        "type": "claim",
        "deployment": name,
        "here": here,
        "wanted": min(daemons, offering),
        "ready": sum(claim.state is ClaimState.READY for _, claim in watchers),
        "daemons": [
            {
                "daemon": one.name,
                "run": one.id,
                "state": str(claim.state),
                "kept": claim.kept,
                "masters": claim.masters,
            }
            for one, claim in watchers
        ],
    }
