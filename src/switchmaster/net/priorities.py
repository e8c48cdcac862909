"""
Changing replica priorities for one failover, and putting them back, on the nodes themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import UsageError
from ..model import Address
from ..planned.preference import PRIORITY, KeptWish, PriorityChange
from ..wire.refusal import classify, explain
from ..wire.resp import Reply
from .surveying import Surveyor

__all__ = ["change_priorities", "put_priorities_back"]


async def change_priorities(nodes: Surveyor, changes: Iterable[PriorityChange]) -> str:
    """
    Carry out changes, one after the other.

    Args:
        nodes: asks them.
        changes: what to set.

    Returns:
        Why one of them failed; empty if all are done.
    """
    for change in changes:
        said = await _ask(nodes, change.node, ("CONFIG", "SET", PRIORITY, str(change.during)))
        if isinstance(said, str):
            return f"{change.node} did not take {PRIORITY} {change.during}: {said}"
    return ""


async def put_priorities_back(nodes: Surveyor, wish: KeptWish) -> list[str]:
    """
    Put back what a failover has changed, as far as the nodes can be reached.

    A value that is no longer ours was changed by somebody else, and is left alone.

    Args:
        nodes: asks them.
        wish: what was changed.

    Returns:
        Why it failed, for each node on which it did; empty if nothing is left to do.
    """
    failed = []
    for change in wish.changes:
        said = await _put_back(nodes, change, wish.ordered)
        if said:
            failed.append(f"{PRIORITY} of {change.node} is still {change.during} and was {change.before}: {said}")
    return failed


async def _put_back(nodes: Surveyor, change: PriorityChange, ordered: bool) -> str:
    told = await _ask(nodes, change.node, ("CONFIG", "GET", PRIORITY))
    if isinstance(told, str):
        return told
    [found] = told
    now = found[1] if isinstance(found, list) and len(found) == 2 else None
    if now is not None and now not in (str(change.during).encode(), str(change.before).encode()):
        return ""
    said = await _ask(nodes, change.node, ("CONFIG", "SET", PRIORITY, str(change.before)))
    if isinstance(said, str):
        return said
    if ordered:
        # Sentinel's own transaction has written the changed value into the file, if the node has one.
        await _ask(nodes, change.node, ("CONFIG", "REWRITE"))
    return ""


async def _ask(nodes: Surveyor, node: Address, command: tuple[str, ...]) -> list[Reply] | str:
    """Return the reply in a list, or why there is none."""
    try:
        replies = await nodes.ask_node(node, command)
    except TimeoutError:
        return "no answer in time"
    except (OSError, UsageError) as error:
        return str(error) or "the connection has ended"
    refused = [explain(reply) for reply in replies if classify(reply) is not None]
    return refused[0] if refused else replies
