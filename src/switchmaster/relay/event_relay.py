"""
Which events clients get: the stream of one Sentinel, in its order, each once.

`EventRelay.heard` takes what every Sentinel publishes; `EventRelay.turn` returns what is to be published now. One
Sentinel is chosen, and kept until it is lost. The invariants:

1. ``+switch-master`` is published for a move of `served_masters` alone, once. That of the stream is dropped; if the
   move is due in the same turn, it takes that event's place in the order. As after a Sentinel's, a ``+slave`` for each
   replica follows; the chosen Sentinel's own are not repeated later.
2. When the chosen Sentinel is lost, another takes its place: what it has published since the last sign of life of the
   lost one, and the lost one had not, is made up for; what the lost one had published already is not repeated.
3. No event names an address that the belief does not hold for that master, nor a Sentinel: clients must not learn to go
   around the relay. What can't be read is dropped, for the same reason. A new replica's ``+slave`` waits until a
   majority lists it.

Pure: time is an argument, in monotonic seconds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeGuard

from ..model import Address, SentinelName
from ..wire.events import Event, Instance, InstanceEvent, Kind, SwitchedMaster, Tilt, Unrecognised
from ..wire.facts import Condition, Fact, LinkChange, LinkState, MasterSnapshot, Probe, SnapshotEnd
from .served_masters import Move

__all__ = ["EventRelay", "KnownAddresses", "payload_of", "replica_events", "switch_event"]

OVERLAP_SECONDS: Final = 10.0
"""How far apart two Sentinels publish what they both see: beyond it, a repeated event is a new one."""
DYING_SECONDS: Final = 1.0
"""A Sentinel may have missed what happened so long before its last sign of life."""
PATIENCE_SECONDS: Final = 30.0
"""How long the ``+slave`` of an unlisted replica waits: a Sentinel learns of replicas by INFO, every 10 s."""
ANNOUNCED_SECONDS: Final = 180.0
"""How long after a move the chosen Sentinel may repeat its replicas: a leader announces a switch up to its
failover-timeout later."""
KEPT_EVENTS: Final = 2000
"""Events that are kept of each Sentinel, and of what was published: a flood must not fill the memory."""

KnownAddresses = Callable[[str], Container[Address] | None]
"""Returns the addresses that an event about a master may name; None if nothing is told of that master."""


def switch_event(move: Move) -> SwitchedMaster:
    """Return the ``+switch-master`` that tells clients of a move, as a Sentinel publishes it."""
    payload = f"{move.master} {move.old.host} {move.old.port} {move.new.host} {move.new.port}"
    return SwitchedMaster("+switch-master", payload, move.master, move.old, move.new)


def replica_events(move: Move) -> list[InstanceEvent]:
    """Return the ``+slave`` of each replica of a new master, as a Sentinel publishes them after ``+switch-master``."""
    found = []
    for one in move.replicas:
        text = f"slave {one} {one.host} {one.port} @ {move.master} {move.new.host} {move.new.port}"
        found.append(InstanceEvent("+slave", text, Instance(Kind.REPLICA, str(one), one, move.master, move.new)))
    return found


def payload_of(event: Event, translate: Callable[[Address], Address] | None = None) -> str | None:
    """
    Return an event's payload with translated addresses.

    Args:
        event: what is published.
        translate: returns what a client can dial for an address; None to translate nothing.

    Returns:
        The payload; None if its addresses can't be found in it again, so that they would go out untranslated.
    """
    if translate is None or not isinstance(event, (InstanceEvent, SwitchedMaster)):
        return event.payload
    if isinstance(event, SwitchedMaster):
        old, new = translate(event.old), translate(event.new)
        return f"{event.name} {old.host} {old.port} {new.host} {new.port}"
    instance = event.instance
    of_master = f"{instance.master_address.host} {instance.master_address.port}"
    own, master = translate(instance.address), translate(instance.master_address)
    if instance.kind is Kind.MASTER:
        written, wanted = f"master {instance.name} {of_master}", f"master {instance.name} {master.host} {master.port}"
    else:
        written = f"slave {instance.name} {instance.address.host} {instance.address.port} @ {instance.master} "
        wanted = f"slave {own} {own.host} {own.port} @ {instance.master} {master.host} {master.port}"
        written += of_master
    if not event.payload.startswith(written):
        return None
    return wanted + event.payload[len(written) :]


_Key = tuple[str, str]


@dataclass(slots=True)
class _Source:
    """One Sentinel, as a source of events."""

    live: bool = False
    """Whether its events are heard."""
    tilt: bool = False
    recent: deque[tuple[float, Event]] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    """Its last events, with their time."""

    def trim(self, now: float) -> None:
        while self.recent and self.recent[0][0] < now - 2 * OVERLAP_SECONDS:
            self.recent.popleft()


class EventRelay:
    """
    The events of one deployment, on their way to clients.

    Args:
        addresses: what an event may name.
        trusted: returns whether a Sentinel may be chosen: the user or a majority of the others names it.
        last_heard: returns when a Sentinel's last byte came, in monotonic seconds; None before the first.
    """

    def __init__(
        self,
        addresses: KnownAddresses,
        trusted: Callable[[SentinelName], bool] = lambda _: True,
        last_heard: Callable[[SentinelName], float | None] = lambda _: None,
    ) -> None:
        self._addresses, self._trusted, self._last_heard = addresses, trusted, last_heard
        self._sources: dict[SentinelName, _Source] = {}
        self._incoming: list[Event] = []
        """The chosen Sentinel's events of this turn."""
        self._published: deque[tuple[float, _Key]] = deque(maxlen=KEPT_EVENTS)
        """What the chosen Sentinel and its predecessor said lately."""
        self._repeats: Counter[_Key] = Counter()
        """What the predecessor had published and the chosen Sentinel has yet to say: it is not repeated."""
        self._repeats_until = 0.0
        self._announced: dict[_Key, float] = {}
        """``+slave`` that was published after a move, and until when the chosen Sentinel's own is a repetition."""
        self._waiting: deque[tuple[float, InstanceEvent]] = deque(maxlen=KEPT_EVENTS)
        """``+slave`` of replicas that no majority lists yet, and until when they wait."""
        self.chosen: SentinelName | None = None
        """The Sentinel whose stream is passed on; None while none is heard."""
        self.handovers = 0
        """How often another Sentinel took a lost one's place."""
        self.withheld = 0
        """Events that were not passed on: unreadable, about Sentinels, or with an address that is not believed."""
        self.passed = 0
        """Events that were passed on."""

    # -- what comes in ------------------------------------------------------------------------------

    def heard(self, sentinel: SentinelName, facts: Iterable[Fact], now: float) -> None:
        """
        Record what a Sentinel said.

        Args:
            sentinel: which.
            facts: what, in order.
            now: monotonic seconds.
        """
        source = self._sources.setdefault(sentinel, _Source())
        for fact in facts:
            if isinstance(fact, LinkChange):
                # A live link with a reason is not subscribed: it is only asked.
                source.live = fact.state is LinkState.LIVE and not fact.reason
            elif isinstance(fact, Condition):
                source.tilt = fact.tilt
            elif not isinstance(fact, (MasterSnapshot, SnapshotEnd, Probe)):
                if isinstance(fact, Tilt):
                    source.tilt = fact.channel == "+tilt"
                source.trim(now)
                source.recent.append((now, fact))
                if sentinel == self.chosen:
                    self._incoming.append(fact)

    def forget(self, sentinels: Container[SentinelName]) -> None:
        """Forget all Sentinels but these."""
        for name in [name for name in self._sources if name not in sentinels]:
            del self._sources[name]

    # -- what goes out ------------------------------------------------------------------------------

    def turn(self, moves: Iterable[Move], now: float) -> list[Event]:
        """
        Return what is to be published now, in order.

        Args:
            moves: the moves that clients must be told of in this turn.
            now: monotonic seconds.
        """
        due = {move.master: move for move in moves}
        out: list[Event] = []
        incoming, self._incoming = self._incoming, []
        for event in incoming:
            self._pass(event, due, out, now)
        if self.chosen is None or not self._usable(self.chosen):
            self._choose(due, out, now)
        if due:
            self._announced = {key: until for key, until in self._announced.items() if now < until}
        for move in due.values():
            replicas = replica_events(move)
            out += [switch_event(move), *replicas]
            self._announced |= dict.fromkeys(map(_key, replicas), now + ANNOUNCED_SECONDS)
        self._release(out, now)
        return out

    def _usable(self, sentinel: SentinelName) -> bool:
        source = self._sources.get(sentinel)
        return source is not None and source.live and self._trusted(sentinel)

    def _choose(self, due: dict[str, Move], out: list[Event], now: float) -> None:
        usable = [name for name in self._sources if self._usable(name)]
        if not usable:
            return
        # One in TILT sees no deaths. Among the others the name decides, so that several relays choose alike.
        chosen = min(usable, key=lambda name: (self._sources[name].tilt, name))
        lost, self.chosen = self.chosen, chosen
        if lost is None or lost == chosen:
            # It was lost and came back: what it published meanwhile is lost, and it repeats nothing.
            return
        self.handovers += 1
        self._take_over(self._sources[chosen], self._life_of(lost, now) - DYING_SECONDS, due, out, now)

    def _life_of(self, lost: SentinelName, now: float) -> float:
        last = self._last_heard(lost)
        source = self._sources.get(lost)
        if source is not None and source.recent:
            last = max(last or 0.0, source.recent[-1][0])
        return now if last is None else min(last, now)

    def _take_over(self, source: _Source, since: float, due: dict[str, Move], out: list[Event], now: float) -> None:
        """Make up for what was missed, and remember what must not be repeated."""
        source.trim(now)
        said = Counter(key for at, key in self._published if at >= now - 2 * OVERLAP_SECONDS)
        lately = Counter(key for at, key in self._published if at >= now - OVERLAP_SECONDS)
        missed = []
        for at, event in source.recent:
            key = _key(event)
            if said[key] > 0:
                said[key] -= 1
            elif at >= since:
                missed.append(event)
        self._repeats = said & lately
        self._repeats_until = now + OVERLAP_SECONDS
        for event in missed:
            self._publish(event, due, out, now)

    def _pass(self, event: Event, due: dict[str, Move], out: list[Event], now: float) -> None:
        """Pass on an event of the chosen Sentinel, unless its predecessor said the same."""
        if self._repeats and now < self._repeats_until:
            key = _key(event)
            if self._repeats[key] > 0:
                self._repeats[key] -= 1
                return
        elif self._repeats:
            self._repeats.clear()
        self._publish(event, due, out, now)

    def _publish(self, event: Event, due: dict[str, Move], out: list[Event], now: float) -> None:
        self._published.append((now, _key(event)))
        if isinstance(event, SwitchedMaster):
            move = due.get(event.name)
            if move is not None and move.new == event.new:
                out.append(switch_event(due.pop(event.name)))
        elif self._announced and now < self._announced.pop(_key(event), 0.0):
            return
        elif self._may_pass(event):
            out.append(event)
            self.passed += 1
        elif _is_new_replica(event) and self._addresses(event.instance.master) is not None:
            self._waiting.append((now + PATIENCE_SECONDS, event))
        else:
            self.withheld += 1

    def _may_pass(self, event: Event) -> bool:
        if isinstance(event, Unrecognised):
            return False
        if not isinstance(event, InstanceEvent):
            return True
        instance = event.instance
        known = self._addresses(instance.master)
        # +sentinel-address-switch names a Sentinel though it is about a master.
        if known is None or instance.kind is Kind.SENTINEL or event.channel.startswith("+sentinel"):
            return False
        return instance.address in known and instance.master_address in known

    def _release(self, out: list[Event], now: float) -> None:
        """Pass on the replicas that a majority lists now."""
        for _ in range(len(self._waiting)):
            until, event = self._waiting.popleft()
            if self._may_pass(event):
                out.append(event)
                self.passed += 1
            elif now < until:
                self._waiting.append((until, event))
            else:
                self.withheld += 1


def _key(event: Event) -> _Key:
    return event.channel, event.payload


def _is_new_replica(event: Event) -> TypeGuard[InstanceEvent]:
    return isinstance(event, InstanceEvent) and event.channel == "+slave" and event.instance.kind is Kind.REPLICA
