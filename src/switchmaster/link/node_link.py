"""
One conversation with one data node, without I/O, clock or chance: is it the master yet?

AUTH if there is a password, then ROLE, again and again: every `poll_interval` while the node is a replica, every
`SLOW_POLL` seconds once it is the master. An end of file is news too: the MULTI that promotes a replica kills its
clients (sentinelSendSlaveOf() in sentinel.c), so the node is dialled again at once. A `Probe` is emitted only when the
answer differs from the last one. Whatever the node sends or omits, each attempt ends in bounded time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from hiredis import PushNotification

from ..model import Address
from ..wire.facts import Probe
from ..wire.nouns import Kind, Unrecognised
from ..wire.refusal import Refusal, classify, explain
from ..wire.replies import parse_role
from ..wire.resp import Reply, plain
from .greeting import NOBODY, Credentials, Login
from .request_stream import RequestStream

__all__ = ["SLOW_POLL", "NodeLink"]


class Pause(NamedTuple):
    """The range in seconds from which a pause is drawn."""

    shortest: float
    longest: float


SLOW_POLL: Final = 1.0
"""Seconds between two questions to a node that is the master, or can never become one."""
_RETRY: Final = Pause(0.05, 0.25)
"""After a failed attempt."""
_AFTER_REFUSAL: Final = Pause(1.0, 2.0)
"""After a refusal, which lasts until credentials or rights change."""
_AT_ONCE: Final = 0.05
"""The least number of seconds between two reconnects without delay, so that no node is hammered."""


class NodeLink:
    """
    Asks one data node for its role.

    Args:
        node: the node as Sentinel announces it; the dialled address may differ.
        rng: returns a number in [0, 1).
        timeout: seconds that a reply may take.
        poll_interval: seconds between an answer and the next question.

    Raises:
        ValueError: a number is not positive.
    """

    def __init__(
        self,
        node: Address,
        *,
        rng: Callable[[], float],
        timeout: float = 1.0,
        poll_interval: float = 0.02,
    ) -> None:
        if min(timeout, poll_interval) <= 0:
            raise ValueError("timeout and poll_interval are seconds above 0")
        self.node = node
        self.timeout = timeout
        self._rng = rng
        self._poll_interval = poll_interval
        self._login = Login("switchmaster", NOBODY)
        """The identity of the connection, without the password."""
        self._stream: RequestStream | None = None
        self._answered = False
        self._ask_at: float | None = None
        self._retry_at: float | None = None
        self._last_at_once: float | None = None
        self._last: Probe | None = None
        self._probes: list[Probe] = []
        self._closed = False

    def __repr__(self) -> str:
        role = self._last.role if self._last is not None else None
        return f"<NodeLink {self.node} {role or 'no answer'}>"

    # What the shell sees.

    @property
    def wants_connection(self) -> bool:
        """Whether a connection should be open or be opened; if False it should be closed."""
        return not self._closed and self._retry_at is None

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called at the latest; None if the link waits for the shell."""
        if self._retry_at is not None or self._stream is None:
            return self._retry_at
        return self._stream.deadline if self._ask_at is None else self._ask_at

    def events_received(self) -> list[Probe]:
        """Return the answers since the last call that differ from the ones before them."""
        probes, self._probes = self._probes, []
        return probes

    def data_to_send(self) -> list[bytes]:
        """Return the bytes to write now."""
        data = b"" if self._stream is None else self._stream.data_to_send()
        return [data] if data else []

    # What the shell reports.

    def connect(self, now: float, credentials: Credentials = NOBODY) -> None:
        """
        Record an open connection, log in and ask.

        Args:
            now: monotonic seconds.
            credentials: the login of this connection; not kept.

        Raises:
            ValueError: a connection is open already.
        """
        if self._stream is not None:
            raise ValueError(f"the connection to {self.node} is open already")
        if not self.wants_connection:
            return
        self._answered = False
        stream = self._stream = RequestStream(self.timeout, SLOW_POLL, now)
        login = Login("switchmaster", credentials)
        login.authenticate(lambda command, on_reply: stream.ask(command, on_reply, now), self._take_login_failure)
        self._login = login.without_password()
        self._ask(now)

    def connect_failed(self, reason: str, now: float) -> None:
        """
        Record that no connection could be opened.

        Args:
            reason: why, as the end of a sentence.
            now: monotonic seconds.
        """
        if self.wants_connection:
            self._give_up(reason, now)

    def receive_data(self, data: bytes, now: float) -> None:
        """
        Read bytes from the node; how they are cut makes no difference.

        Args:
            data: the bytes.
            now: monotonic seconds.
        """
        stream = self._stream
        if stream is None:
            return
        for frame in stream.read(data, now):
            # A data node pushes nothing to a client without a subscription; anything that it invents is ignored.
            if type(frame) is not PushNotification and not stream.reply(frame, now):
                self._give_up(explain(frame) if classify(frame) else "it sent a reply to no request", now)
            if self._stream is not stream:
                return
        if stream.broken:
            self._give_up(stream.broken, now)

    def receive_eof(self, now: float, reason: str = "the node closed the connection") -> None:
        """
        Record that the connection has ended, which may be the promotion itself: dial again at once.

        Args:
            now: monotonic seconds.
            reason: why, as the end of a sentence.
        """
        if self._stream is None:
            return
        recent = self._last_at_once is not None and now < self._last_at_once + _AT_ONCE
        if not self._answered or recent:
            self._give_up(reason, now)
            return
        self._last_at_once = now
        self._drop()
        self._report(Probe(self.node, None, reason, ended=True))

    def tick(self, now: float) -> None:
        """Do what is due by now; harmless if nothing is."""
        if self._retry_at is not None:
            if now >= self._retry_at:
                self._retry_at = None
        elif self._stream is not None:
            overdue = self._stream.overdue(now)
            if overdue:
                self._give_up(overdue, now)
            elif self._ask_at is not None and now >= self._ask_at:
                self._ask(now)

    def report_again(self, now: float) -> None:
        """
        Ask at once, and report the next answer even if it equals the last: a new consumer has heard none.

        Args:
            now: monotonic seconds.
        """
        last, self._last = self._last, None
        if self._retry_at is not None and last is not None:
            self._report(last)
        elif self._ask_at is not None:
            self._ask(now)

    def close(self) -> None:
        """Stop asking; the shell closes the connection."""
        self._closed = True
        self._drop()
        self._retry_at = None

    # Questions and answers.

    def _ask(self, now: float) -> None:
        assert self._stream is not None
        self._ask_at = None
        self._stream.ask(("ROLE",), self._take_role, now)

    def _take_login_failure(self, reason: str, now: float, refused: bool = False) -> None:
        self._give_up(reason, now, refused)

    def _take_role(self, reply: Reply, now: float) -> None:
        self._answered = True
        refusal = classify(reply)
        if refusal in (Refusal.PASSWORD, Refusal.PERMISSION):
            self._give_up(self._login.explain(reply), now, refused=True)
        elif refusal in (Refusal.PROTECTED, Refusal.FULL):
            self._give_up(explain(reply), now)
        elif refusal is not None:
            # LOADING, MASTERDOWN, BUSY: the node is not ready yet, and may be in a moment.
            self._report(Probe(self.node, None, f"it is not ready ({explain(reply)})"))
            self._ask_at = now + self._poll_interval
        else:
            probe = self._read(reply)
            self._report(probe)
            is_replica = probe.role == "slave"
            self._ask_at = now + (self._poll_interval if is_replica else SLOW_POLL)

    def _read(self, reply: Reply) -> Probe:
        role = parse_role(reply)
        if isinstance(role, Unrecognised):
            return Probe(self.node, None, f"it does not answer ROLE as a data node does: {plain(role.reason)}")
        if role.role is Kind.SENTINEL:
            return Probe(self.node, "sentinel", "it is a Sentinel, not a data node")
        if role.role is Kind.MASTER:
            return Probe(self.node, "master")
        return Probe(self.node, "slave", "", role.master, role.state == "connected")

    def _report(self, probe: Probe) -> None:
        if probe != self._last:
            self._last = probe
            self._probes.append(probe)

    # Ends.

    def _drop(self) -> None:
        self._stream = None
        self._ask_at = None

    def _give_up(self, reason: str, now: float, refused: bool = False) -> None:
        self._drop()
        pause = _AFTER_REFUSAL if refused else _RETRY
        self._retry_at = now + pause.shortest + (pause.longest - pause.shortest) * self._rng()
        self._report(Probe(self.node, None, reason))
