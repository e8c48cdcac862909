"""
Replay: recorded events through the very belief that listens live.

`Said` in the order of `transcript.merge` goes in; switches, notices and the final record of each failover come out. No
node and no Sentinel can be asked, so every switch has the grade ``announced``, and epochs are those that the events
name. If the input has no times, records have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..belief.decisions import Decision, Notice, Switch
from ..belief.failover import Failover
from ..belief.watch import Watch
from ..model import Grade, Moment, SentinelName
from ..wire.events import Event
from ..wire.grammar import parse_event
from ..wire.hello import HELLO_CHANNEL, parse_published_hello
from .transcript import Said

__all__ = ["Chapter", "chapters", "chapters_of", "decided", "replay"]


@dataclass(slots=True)
class Chapter:
    """A failover with its switch, a switch alone, or a notice: one place in an account."""

    failover: Failover | None = None
    """As it stood at the end."""
    switch: Switch | None = None
    notice: Notice | None = None


def replay(
    said: Iterable[Said], deployment: str = "default", watch: Watch | None = None
) -> Iterator[Switch | Failover | Notice]:
    """
    Decide on recorded events again.

    Args:
        said: what the Sentinels published, in order; see `transcript.merge`.
        deployment: the name that the records carry.
        watch: the watch to use, for callers that need its Topology afterwards; by default one that asks nothing.

    Yields:
        Each `Switch` and `Notice` when it is decided, and each `Failover` once, when it has ended; those that have not
        ended come last. Suspicions without a failover are left out.
    """
    for decision in decided(said, deployment, watch):
        if isinstance(decision, (Switch, Notice)) or (
            isinstance(decision, Failover) and decision.closed and decision.attempted
        ):
            yield decision


def chapters(said: Iterable[Said], deployment: str = "default") -> list[Chapter]:
    """
    Decide on recorded events again, and order the decisions by when they began.

    A failover may end after the next one has begun, if its leader is heard late or not at all. So each stands where its
    first stage was reported, with the switch that it led to.

    Args:
        said: what the Sentinels published, in order.
        deployment: the name that the records carry.
    """
    return chapters_of(decided(said, deployment))


def chapters_of(decisions: Iterable[Decision]) -> list[Chapter]:
    """
    Order decisions by when they began; see `chapters`.

    Args:
        decisions: as `decided` yields them.
    """
    told = list[Chapter]()
    attempts = dict[tuple[str, int], Chapter]()
    for decision in decisions:
        match decision:
            case Failover():
                chapter = attempts.get((decision.master, decision.number))
                if chapter is None:
                    chapter = attempts[decision.master, decision.number] = Chapter()
                    told.append(chapter)
                chapter.failover = decision
            case Switch():
                led = [one for one in attempts.values() if _led_to(one, decision)]
                if led:
                    led[-1].switch = decision
                else:
                    told.append(Chapter(switch=decision))
            case Notice():
                told.append(Chapter(notice=decision))
    return [one for one in told if one.failover is None or one.failover.attempted or one.switch is not None]


def _led_to(chapter: Chapter, switch: Switch) -> bool:
    record = chapter.failover
    if record is None or chapter.switch is not None or record.master != switch.master:
        return False
    return record.new == switch.new and record.old == switch.old


def decided(
    said: Iterable[Said],
    deployment: str = "default",
    watch: Watch | None = None,
    before: Callable[[SentinelName, Event, Moment], None] | None = None,
    after: Callable[[Moment], None] | None = None,
) -> Iterator[Decision]:
    """
    Decide on recorded events again, and yield every decision: failovers with every stage, too.

    Args:
        said: what the Sentinels published, in order.
        deployment: the name that the records carry.
        watch: the watch to use; by default one that asks nothing.
        before: called with each event before the watch observes it, with its moment.
        after: called with the moment of an event after everything that follows from it is decided.

    Yields:
        The decisions, in order.
    """
    if watch is None:
        watch = Watch(deployment=deployment, policy=Grade.ANNOUNCED, probing=False, asking=False)
    moment = Moment(0.0)
    for line in said:
        if line.time is not None:
            moment = Moment(max(moment.now, line.time), line.time)
            watch.tick(moment)
        if line.channel != HELLO_CHANNEL:
            sentinel, event = SentinelName(line.sentinel), parse_event(line.channel, line.payload)
            if before is not None:
                before(sentinel, event, moment)
            watch.observe(sentinel, event, moment)
        elif hello := parse_published_hello(line.payload):
            watch.greeted(hello, moment)
        yield from watch.decisions()
        if after is not None:
            after(moment)
    watch.finish()
    yield from watch.decisions()
    if after is not None:
        after(moment)
