"""
A master's place as a value of a key-value store, which says which switch led to it.

The value is what fences: a writer replaces it only while it is still the one that it has compared, and never by an
older switch. `switchmaster actions run` overwrites also a newer one: the journal that knew that switch may be lost.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ..journal.reaction_rows import RunCause
from ..journal.wishes import Wish
from ..render import to_json
from .action_kinds import GiveUp, Run

__all__ = ["key_of", "place_json", "refuse_older", "shows"]


def key_of(template: str, deployment: str, master: str) -> str:
    """Return a key from its template; what is no letter, digit or ``_.-~`` in a name is percent-encoded."""
    for name, value in (("{deployment}", deployment), ("{master}", master)):
        template = template.replace(name, quote(value, safe="", errors="surrogateescape"))
    return template


def place_json(wish: Wish) -> str:
    """Return the value, as JSON in ASCII."""
    return to_json(
        {
            "deployment": wish.deployment,
            "master": wish.master,
            "host": wish.new.host,
            "port": wish.new.port,
            "incarnation": wish.incarnation,
            "epoch": wish.epoch,
            "time": wish.line["time"],
            "delivery": wish.delivery,
        }
    )


def shows(stored: str | None, wish: Wish) -> str:
    """Return what a stored value shows instead of a wish; empty if it shows its place."""
    if stored is None:
        return "nothing is there"
    found = _fields(stored)
    if (found.get("host"), found.get("port")) == tuple(wish.new):
        return ""
    return f"it shows {found.get('host')}:{found.get('port')}" if found else "it shows no place"


def refuse_older(stored: str | None, wish: Wish, run: Run) -> None:
    """
    Let a wish go on only if no newer one is stored.

    Raises:
        GiveUp: a newer one is, and no person asked for this one.
    """
    found = _fields(stored or "")
    incarnation, epoch = found.get("incarnation"), found.get("epoch")
    if not isinstance(incarnation, int) or run.cause is RunCause.RUN:
        return
    newer = incarnation > wish.incarnation
    if incarnation == wish.incarnation and isinstance(epoch, int) and wish.epoch is not None:
        newer = epoch > wish.epoch
    if newer:
        raise GiveUp(
            f"a newer switch is there already (incarnation {incarnation}, epoch {epoch}); if that is wrong, "
            "`switchmaster actions run` overwrites it"
        )


def _fields(stored: str) -> dict[str, Any]:
    try:
        found = json.loads(stored)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
