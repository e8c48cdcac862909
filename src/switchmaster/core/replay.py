"""
Replay: what was recorded of Sentinels, through the very core that hears them live.

`Said` in the order of `transcript.merge` goes in; switches, notices and the final record of each failover come out.
No node can be asked and no Sentinel answers, so every switch has the grade ``announced``, and epochs are those
that the events name. Where the input has no time, records have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .decisions import Notice, Switch
from .failover import Failover
from .grammar import parse_event
from .model import Grade, SentinelName
from .transcript import Said
from .watch import Watch

__all__ = ["replay"]


def replay(
    said: Iterable[Said], deployment: str = "default", watch: Watch | None = None
) -> Iterator[Switch | Failover | Notice]:
    """
    Decide again what was decided, or would have been.

    Args:
        said: what the Sentinels published, in order; see `transcript.merge`.
        deployment: the name that the records carry.
        watch: the watch to use, for those who want its Topology afterwards; one without questions by default.

    Yields:
        Each `Switch` and `Notice` when it is decided, each `Failover` once, when it has ended; those that have
        not ended come last. An attempt that remained a suspicion is left out.
    """
    if watch is None:
        watch = Watch(deployment=deployment, policy=Grade.ANNOUNCED, probing=False, asking=False)
    now, wall = 0.0, None
    for line in said:
        if line.time is not None:
            now, wall = max(now, line.time), line.time
            watch.tick(now, wall)
        event = parse_event(line.channel, line.payload)
        watch.observe(SentinelName(line.sentinel), event, now, wall)
        yield from _told(watch)
    watch.finish()
    yield from _told(watch)


def _told(watch: Watch) -> Iterator[Switch | Failover | Notice]:
    for decision in watch.decisions():
        if isinstance(decision, (Switch, Notice)) or (
            isinstance(decision, Failover) and decision.closed and decision.attempted
        ):
            yield decision
