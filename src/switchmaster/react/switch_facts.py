"""
A wish as arguments and variables of a program: bytes that no shell ever reads.

The arguments are those of Sentinel's ``client-reconfig-script`` (sentinel.conf): master name, role, state, from-ip,
from-port, to-ip, to-port.
"""

from __future__ import annotations

from ..journal.wishes import Wish
from ..render import to_json
from .action_kinds import GiveUp, Run

__all__ = ["arguments_of", "input_of", "variables_of"]


def arguments_of(wish: Wish) -> list[str]:
    """
    Return the arguments.

    Raises:
        GiveUp: one of them could be taken for an option, or can't be an argument.
    """
    old = wish.old
    before = ("", "0") if old is None else (old.host, str(old.port))
    found = [wish.master, "leader", "start", *before, wish.new.host, str(wish.new.port)]
    for word in found:
        if word.startswith("-"):
            raise GiveUp(f"{word!r} could be taken for an option; set arguments = false, and read the variables")
    return [_text(word) for word in found]


def variables_of(wish: Wish, run: Run) -> dict[str, str]:
    """
    Return the variables, such as ``SWITCHMASTER_NEW_HOST``; what is not known is empty.

    Raises:
        GiveUp: a value can't be a variable.
    """
    found = {
        "ACTION": run.action,
        "ATTEMPT": str(run.attempt),
        "RUN_CAUSE": str(run.cause),
        "DELIVERY": wish.delivery,
        "DEPLOYMENT": wish.deployment,
        "MASTER": wish.master,
        "OLD_HOST": "" if wish.old is None else wish.old.host,
        "OLD_PORT": "" if wish.old is None else str(wish.old.port),
        "NEW_HOST": wish.new.host,
        "NEW_PORT": str(wish.new.port),
        "EPOCH": "" if wish.epoch is None else str(wish.epoch),
        "INCARNATION": str(wish.incarnation),
        "GRADE": wish.line["grade"],
        "CAUSE": wish.line["cause"],
        "TIME": wish.line["time"] or "",
    }
    return {f"SWITCHMASTER_{name}": _text(value) for name, value in found.items()}


def input_of(wish: Wish, run: Run) -> bytes:
    """Return the standard input: the switch's line, with the delivery's id, as JSON in ASCII."""
    return to_json({**wish.line, "delivery": wish.delivery, "attempt": run.attempt}).encode("ascii") + b"\n"


def _text(value: str) -> str:
    if "\0" in value:
        raise GiveUp(f"{value!r} holds a NUL byte, which no argument and no variable can hold")
    return value
