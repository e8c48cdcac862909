"""The rows of actions as lines of JSON: what an action is to do, what it did, and which actions are paused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..line import Line, iso

if TYPE_CHECKING:
    from .reaction_rows import ActionPause

__all__ = ["pause_line", "reaction_line", "receipt_line"]


def reaction_line(row: Any) -> Line:
    """Return the line of a row of `schema.reactions`."""
    switch = None if row.wish is None else json.loads(row.wish)["switch"]
    return {
        "type": "reaction",
        "id": row.id,
        "action": row.action,
        "place": row.place,
        "deployment": row.deployment,
        "master": row.master,
        "state": row.state,
        "cause": row.cause,
        "wished": iso(row.wished),
        "attempts": row.attempts,
        "problem": row.problem,
        "checked": iso(row.checked) if row.checked else None,
        "holder": row.holder,
        "delivery": row.delivery,
        "new": None if switch is None else switch["new"],
        "epoch": None if switch is None else switch["epoch"],
    }


def receipt_line(row: Any) -> Line:
    """Return the line of a row of `schema.receipts`."""
    return {
        "type": "receipt",
        "id": row.id,
        "action": row.action,
        "place": row.place,
        "deployment": row.deployment,
        "master": row.master,
        "delivery": row.delivery,
        "cause": row.cause,
        "outcome": row.outcome,
        "started": iso(row.started),
        "ended": iso(row.ended),
        "attempts": row.attempts,
        "output": row.output,
        "observer": row.observer,
        "switch": json.loads(row.wish),
    }


def pause_line(pause: ActionPause) -> Line:
    """Return the line of a pause."""
    return {
        "type": "pause",
        "action": pause.action,
        "deployment": pause.deployment,
        "master": pause.master,
        "since": iso(pause.since),
        "until": iso(pause.until),
        "by": pause.by,
        "reason": pause.reason,
    }
