"""
Replay: what was recorded of Sentinels, through the very core that hears them live.

`Said` in the order of `transcript.merge` goes in; switches, notices and the final record of each failover come out.
No node can be asked and no Sentinel answers, so every switch has the grade ``announced``, and epochs are those
that the events name. Where the input has no time, records have none.
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
    """A failover with its switch, a switch alone, or a notice: what is told at one place of an account."""

    failover: Failover | None = None
    """As it stood at the end."""
    switch: Switch | None = None
    notice: Notice | None = None


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
    for decision in decided(said, deployment, watch):
        if isinstance(decision, (Switch, Notice)) or (
            isinstance(decision, Failover) and decision.closed and decision.attempted
        ):
            yield decision


def chapters(said: Iterable[Said], deployment: str = "default") -> list[Chapter]:
    """
    Decide again what was decided, and put it in the order in which it began.

    A failover ends after what follows it has begun, where its leader is heard late or not at all; so each stands where
    its first stage was heard, with the switch that it led to.

    Args:
        said: what the Sentinels published, in order.
        deployment: the name that the records carry.
    """
    return chapters_of(decided(said, deployment))


def chapters_of(decisions: Iterable[Decision]) -> list[Chapter]:
    """
    Put what was decided into the order in which it began; see `chapters`.

    Args:
        decisions: as `decided` gives them.
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
    Decide again, and give every decision: each record of a failover, as far as it had come, too.

    Args:
        said: what the Sentinels published, in order.
        deployment: the name that the records carry.
        watch: the watch to use; one without questions by default.
        before: called with each event before the core takes it, with the time.
        after: called when everything that follows from what was said at once is decided, with the time.

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
