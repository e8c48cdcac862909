"""
One conversation with one Sentinel, without I/O, clock or chance.

Bytes and the time come in; bytes and facts go out, in the order in which the Sentinel said them. ``HELLO 3`` comes
first, then the subscription and the questions on the same connection: Sentinel is one thread, so an answer includes
every event before it. If HELLO is refused, the link speaks RESP2 and takes the events on a second connection. Whatever
the peer sends or omits, the link stays live or reaches `LinkState.DOWN` with a reason, in bounded time; it never raises
because of a peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from hiredis import PushNotification, ReplyError

from ..model import SentinelName
from ..wire.events import Event, Unrecognised
from ..wire.facts import Fact, LinkChange, LinkState, MasterSnapshot
from ..wire.grammar import parse_event
from ..wire.refusal import Refusal, explain
from ..wire.resp import Reply
from .backoff import Backoff
from .counters import LinkCounters
from .greeting import NOBODY, Credentials, Greeting, Login
from .request_stream import OnReply, RequestStream
from .rights import Rights
from .sentinel_stream import SentinelStream
from .snapshot import PARTS, Inquiry
from .subscription import Subscription

__all__ = ["Link"]

_GREETING: Final = 3
"""How many timeouts the greeting may take as a whole."""
_ANY_MASTER: Final = "mymaster"
"""A name to ask about when only the rights matter: Sentinel checks them before the name."""
_LARGE: Final = 200
"""The number of masters above which the reconcile interval grows in proportion, to keep the rate of requests even."""


class Link:
    """
    One conversation with one Sentinel.

    Args:
        name: how this Sentinel is named to people.
        rng: returns a number in [0, 1).
        client_name: what CLIENT LIST shows; without spaces.
        masters: the only masters to ask about; None for all. Events of others are still heard.
        timeout: seconds that a reply may take.
        ping_interval: seconds of silence after which a PING is sent.
        reconcile_interval: seconds between whole snapshots, give or take a fifth.
        stable_after: seconds that a conversation must have been live before the backoff restarts.
        poll_interval: seconds between whole snapshots of a Sentinel that allows this user no useful subscription; with
            None such a link goes down instead.
        subscribe: False only asks, and needs no right to subscribe: no event is heard.

    Raises:
        ValueError: a number is not positive, or the client name is not one word.
    """

    def __init__(
        self,
        name: SentinelName,
        *,
        rng: Callable[[], float],
        client_name: str = "switchmaster",
        masters: Sequence[str] | None = None,
        timeout: float = 1.0,
        ping_interval: float = 1.0,
        reconcile_interval: float = 10.0,
        stable_after: float = 5.0,
        poll_interval: float | None = None,
        subscribe: bool = True,
    ) -> None:
        if min(timeout, ping_interval, reconcile_interval, poll_interval or 1.0) <= 0:
            raise ValueError("timeout, ping_interval, reconcile_interval and poll_interval are seconds above 0")
        if not client_name or any(char.isspace() or not char.isprintable() for char in client_name):
            raise ValueError("client_name must be one word")
        self.name = name
        self.timeout = timeout
        self.counters = LinkCounters()
        self._client_name = client_name
        self._masters = tuple(masters) if masters else None
        self._rng = rng
        self._ping_interval = ping_interval
        self._reconcile_interval = reconcile_interval
        self._stable_after = stable_after
        self._poll_interval = poll_interval
        self._subscribes = subscribe
        self._backoff = Backoff()
        self._facts: list[Fact] = []
        self._state = LinkState.CONNECTING
        self._retry_at: float | None = None
        self._closed = False
        self._last_heard: float | None = None
        self._now = 0.0
        self._fleet = 0
        self._forget()

    def _forget(self) -> None:
        self._streams: dict[int, SentinelStream] = {}
        self._wanted = 1
        self._greeting: Greeting | None = None
        self._subscription: Subscription | None = None
        self._inquiry: Inquiry | None = None
        self._denied = ""
        self._rights = Rights()
        self._greeting_due: float | None = None
        self._round: tuple[float, int, float] | None = None
        """The last whole snapshot: when it ended, of how many masters, and the jitter of the next one."""
        self._reconcile_at: float | None = None
        self._live_since: float | None = None

    def __repr__(self) -> str:
        version = self._greeting.version if self._greeting is not None else ""
        return f"<Link {self.name} {self._state} {version or 'unknown version'}>"

    # What the shell sees.

    @property
    def state(self) -> LinkState:
        """Where the conversation stands."""
        return self._state

    @property
    def streams_wanted(self) -> int:
        """How many connections should be open: 0 (close all), 1, or 2 in RESP2."""
        return 0 if self._closed or self._state is LinkState.DOWN else self._wanted

    @property
    def last_heard(self) -> float | None:
        """When the last byte came, in monotonic seconds; None before the first one."""
        return self._last_heard

    @property
    def subscribed(self) -> str:
        """The patterns or channels subscribed to, for people: ``*``, ``+* -*``, or channels; empty unless live."""
        return self._subscription.subscribed if self._subscription is not None else ""

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called at the latest; None if the link waits for the shell."""
        if self._state is LinkState.DOWN:
            return self._retry_at
        # No list of them: this is read after every read from a socket.
        due = self._greeting_due
        if self._reconcile_at is not None and (due is None or self._reconcile_at < due):
            due = self._reconcile_at
        for stream in self._streams.values():
            at = stream.deadline
            if due is None or at < due:
                due = at
        return due

    def events_received(self) -> list[Fact]:
        """Return the facts since the last call, in order."""
        facts, self._facts = self._facts, []
        return facts

    def data_to_send(self) -> list[tuple[int, bytes]]:
        """Return the bytes to write now, as (stream, bytes)."""
        waiting: list[tuple[int, bytes]] = []
        for number, stream in self._streams.items():
            data = stream.data_to_send()
            if data:
                waiting.append((number, data))
        return waiting

    # What the shell reports.

    def connect(self, now: float, stream: int = 0, credentials: Credentials = NOBODY) -> None:
        """
        Record an open connection and send the greeting.

        Args:
            now: monotonic seconds.
            stream: 0, or 1 for the second connection of RESP2.
            credentials: what opens this connection; not kept once the greeting is over.

        Raises:
            ValueError: this stream is open already.
        """
        if stream in self._streams:
            raise ValueError(f"stream {stream} of {self.name} is open already")
        if stream >= self.streams_wanted:
            return
        self._now = now
        self.counters.connects += 1
        self._streams[stream] = SentinelStream(self.timeout, self._ping_interval, now)
        if stream == 0:
            self._greeting_due = now + _GREETING * self.timeout
            self._change(LinkState.GREETING)
            self._greet(credentials)
        else:
            current = self._streams[stream]
            Login(self._client_name, credentials).send(lambda *request: self._ask(current, *request), self._fail)
            self._subscribe(stream)

    def connect_failed(self, reason: str, now: float, stream: int = 0) -> None:
        """
        Record that no connection could be opened.

        Args:
            reason: why, as the end of a sentence.
            now: monotonic seconds.
            stream: which connection was tried.
        """
        self._now = now
        if stream < self.streams_wanted:
            self._go_down(reason, now)

    def lone_event(self, data: bytes, now: float, stream: int = 0) -> Event | None:
        """
        Read bytes that are one common event, if they are: the shortest way to whoever waits for it.

        Args:
            data: the bytes that came at once.
            now: monotonic seconds.
            stream: the connection that they came on.

        Returns:
            The event, which `events_received` does not return again. None if they are anything else, or facts wait
            there: then nothing was read, and the bytes belong to `receive_data`.
        """
        current = self._streams.get(stream)
        if current is None or self._facts:
            return None
        event = current.lone_event(data, now)
        if event is not None:
            self._now = self._last_heard = now
            self.counters.bytes_received += len(data)
            self.counters.events += 1
        return event

    def receive_data(self, data: bytes, now: float, stream: int = 0) -> None:
        """
        Read bytes from the Sentinel; how they are cut makes no difference.

        Args:
            data: the bytes.
            now: monotonic seconds.
            stream: the connection that they came on.
        """
        current = self._streams.get(stream)
        if current is None:
            return
        self._now = self._last_heard = now
        counters = self.counters
        counters.bytes_received += len(data)
        while data:
            heard = len(self._facts)
            frames, data = current.hear(data, now, self._facts)
            counters.events += len(self._facts) - heard
            if frames and not self._take_frames(current, stream, frames, now):
                return
        if current.broken:
            self._go_down(current.broken, now)

    def _take_frames(self, current: RequestStream, stream: int, frames: list[Reply], now: float) -> bool:
        """Take what is no common event; return whether the link is still up."""
        for frame in frames:
            if type(frame) is PushNotification or (stream == 1 and type(frame) is list):
                self._take_push(current, frame, now)
            else:
                self._take_reply(current, frame, now)
            if not self._streams:
                return False
        return True

    def receive_eof(self, now: float, stream: int = 0, reason: str = "the Sentinel closed the connection") -> None:
        """
        Record that a connection has ended.

        Args:
            now: monotonic seconds.
            stream: which connection.
            reason: why, as the end of a sentence.
        """
        self._now = now
        if stream in self._streams:
            self._go_down(reason, now)

    def tick(self, now: float) -> None:
        """Do what is due by now; harmless if nothing is."""
        self._now = now
        if self._closed:
            return
        if self._state is LinkState.DOWN:
            if self._retry_at is not None and now >= self._retry_at:
                self._change(LinkState.CONNECTING)
            return
        for stream in tuple(self._streams.values()):
            overdue = stream.overdue(now)
            if overdue:
                self._go_down(overdue, now)
                return
            if stream.ping_due(now):
                self.counters.pings += 1
                self.counters.requests += 1
                stream.ping(self._take_pong, now)
        if self._greeting_due is not None and now >= self._greeting_due:
            self._go_down(f"the greeting took longer than {_GREETING * self.timeout:g} s", now)
        elif self._reconcile_at is not None and now >= self._reconcile_at and self._inquiry is not None:
            self._reconcile_at = None
            self._inquiry.want()
            self._inquiry.pump()

    def ask(self, now: float, names: Iterable[str] | None = None) -> None:
        """
        Ask the Sentinel about masters as soon as possible.

        Does nothing before the link is live, since a whole snapshot follows then anyway. A name whose answer is under
        way is asked about once more, since that answer may be older than the reason to ask.

        Args:
            now: monotonic seconds.
            names: the masters; None for a whole snapshot.
        """
        self._now = now
        if self._state is LinkState.LIVE and self._inquiry is not None:
            self.counters.asked += 1
            self._inquiry.want(names)
            self._inquiry.pump()

    def hurry(self, now: float) -> None:
        """Dial at once if the link waits to dial again; ask about all masters if it is live."""
        if self._state is LinkState.DOWN and not self._closed:
            self._retry_at = now
            self.tick(now)
        else:
            self.ask(now)

    def spread(self, masters: int) -> None:
        """
        Spread the whole snapshots of a program with many links, so that the rate of its requests stays even.

        Args:
            masters: how many masters the whole program follows, this link's included. Above 200 the reconcile interval
                grows in proportion, also that of the round that is due next.
        """
        self._fleet = masters
        if self._reconcile_at is not None:
            self._reconcile_at = self._next_round()

    def close(self) -> None:
        """End the conversation for good; the shell closes the connections."""
        if self._closed:
            return
        self._closed = True
        self._leave()
        self._retry_at = None
        if self._state is not LinkState.DOWN:
            self._change(LinkState.DOWN, reason="it was closed by this program")

    # The greeting.

    def _greet(self, credentials: Credentials) -> None:
        stream = self._streams[0]
        self._greeting = Greeting(
            lambda command, on_reply: self._ask(stream, command, on_reply),
            Login(self._client_name, credentials),
            self._take_welcome,
            self._fail,
            waits_for_ids=not self._subscribes,
        )
        self._greeting.begin()

    def _take_welcome(self, now: float) -> None:
        assert self._greeting is not None
        if not self._subscribes:
            self._go_live(now)
            return
        if self._greeting.resp2:
            self._wanted = 2
            return
        self._subscribe(0)
        # The first question goes out with the subscription; if that is refused, the answer is void.
        self._inquire()

    def _subscribe(self, stream: int) -> None:
        current = self._streams[stream]
        self._subscription = Subscription(
            lambda command, on_reply, count: self._ask(current, command, on_reply, count),
            self._go_live,
            self._revoke_question,
            self._take_denial,
            self._go_down,
        )
        self._subscription.begin()

    def _take_denial(self, reason: str, now: float) -> None:
        if self._poll_interval is None:
            self._find_rights(reason)
        else:
            self._denied = f"{reason}{self._rights.advice}; until then it is polled every {self._poll_interval:g} s"
            self._go_live(now)

    def _find_rights(self, reason: str) -> None:
        """Send each command once to learn which rights are lacking, then go down with the reason and their names."""
        name = self._masters[0] if self._masters else _ANY_MASTER
        stream = self._streams[0]
        for part in PARTS[:-1]:
            self._ask(stream, ("SENTINEL", part, name), self._ignore)
        self._ask(stream, ("SENTINEL", PARTS[-1], name), lambda _, now: self._deny(reason, now))

    def _deny(self, reason: str, now: float) -> None:
        self._go_down(f"{reason}{self._rights.advice}", now, Refusal.PERMISSION)

    def _go_live(self, now: float) -> None:
        self._greeting_due = None
        self._live_since = now
        self._change(LinkState.LIVE, self._denied)
        if self._inquiry is None:
            self._inquire()

    # The questions.

    def _inquire(self) -> None:
        stream = self._streams[0]
        self._inquiry = Inquiry(
            lambda command, on_reply: self._ask(stream, command, on_reply),
            self._answer,
            self._end_round,
            self._refuse_questions,
            self.counters,
            self._masters,
        )
        self._inquiry.want()
        self._inquiry.pump()

    def _revoke_question(self) -> None:
        if self._inquiry is not None:
            self._inquiry.abandon()
            self._inquiry = None

    def _answer(self, fact: Fact) -> None:
        self.counters.snapshots += isinstance(fact, MasterSnapshot)
        self.counters.unrecognised += isinstance(fact, Unrecognised)
        self._facts.append(fact)

    def _end_round(self, now: float, masters: int) -> None:
        self.counters.rounds += 1
        self._round = (now, masters, 0.8 + 0.4 * self._rng())
        self._reconcile_at = self._next_round()

    def _next_round(self) -> float | None:
        """Return when the next whole snapshot is due; None before the first one."""
        if self._round is None:
            return None
        ended, masters, jitter = self._round
        asked_only = self._denied or not self._subscribes
        interval = self._poll_interval if asked_only and self._poll_interval else self._reconcile_interval
        return ended + interval * max(1.0, masters / _LARGE, self._fleet / _LARGE) * jitter

    def _refuse_questions(self) -> None:
        self._reconcile_at = None
        if self._denied:
            self._find_rights("the user may neither subscribe nor ask")
        elif not self._subscribes:
            self._find_rights("the user may not ask about masters")
        elif self._state is LinkState.LIVE:
            self._change(LinkState.LIVE)

    # Frames.

    def _ask(self, stream: RequestStream, command: tuple[str, ...], on_reply: OnReply, confirmations: int = 0) -> None:
        self.counters.requests += 1
        rights = self._rights

        def take(reply: Reply, now: float) -> None:
            rights.note(command, reply)
            on_reply(reply, now)

        stream.ask(command, take, self._now, confirmations)

    def _take_pong(self, reply: Reply, now: float) -> None:
        self._rights.note(("PING",), reply)

    def _ignore(self, reply: Reply, now: float) -> None:
        pass

    def _hear(self, channel: bytes, payload: bytes) -> None:
        event = parse_event(channel, payload)
        self.counters.events += 1
        if type(event) is Unrecognised:
            self.counters.unrecognised += 1
        self._facts.append(event)

    def _take_push(self, stream: RequestStream, frame: list[Reply], now: float) -> None:
        match frame:
            case [b"pmessage", _, channel, payload] | [b"message", channel, payload]:
                self._hear(channel, payload)
            case [b"psubscribe" | b"subscribe", *_] if stream.confirm(frame, now):
                pass
            case [b"pong", *_]:
                self._take_reply(stream, frame, now)
            case _:
                self.counters.unrecognised += 1

    def _take_reply(self, stream: RequestStream, frame: Reply, now: float) -> None:
        is_error = isinstance(frame, ReplyError)
        self.counters.resp_errors += is_error
        if not stream.reply(frame, now):
            self._go_down(explain(frame) if is_error else "it sent a reply to no request", now)

    # States.

    def _change(self, state: LinkState, reason: str = "", refusal: Refusal | None = None) -> None:
        self._state = state
        change = LinkChange(state, reason, refusal=refusal)
        if state is LinkState.LIVE and self._greeting is not None:
            can_ask = self._inquiry is None or self._inquiry.can_ask
            greeting = self._greeting
            change = LinkChange(state, reason, greeting.run_id, greeting.version, greeting.process, can_ask)
        self._facts.append(change)

    def _leave(self) -> None:
        if self._inquiry is not None:
            self._inquiry.abandon()
        self._forget()

    def _fail(self, reason: str, now: float, refused: bool = False) -> None:
        self._go_down(reason, now, Refusal.PASSWORD if refused else None)

    def _go_down(self, reason: str, now: float, refusal: Refusal | None = None) -> None:
        if self._state is LinkState.DOWN:
            return
        refused = refusal is Refusal.PASSWORD
        self.counters.failures += 1
        if self._live_since is not None and now - self._live_since >= self._stable_after:
            self._backoff.reset()
        delay = self._backoff.longest_delay(self._rng) if refused else self._backoff.next_delay(self._rng)
        self._retry_at = now + delay
        self._leave()
        self._change(LinkState.DOWN, reason, refusal)
