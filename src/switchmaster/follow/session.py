"""
One connection of a client as a state machine: what its server holds for it, and what may be done with it now.

A `Session` knows two things, each a small table. `STAGES` says how far the connection is: lost, dialling, greeting,
restoring, ready. `USES` says what the server holds for it: nothing (idle), watched keys or an open MULTI (pinned), a
transaction that was sent and may have been carried out (deciding), a subscription (listening). Both are needed: a
listener that lost its connection is still a listener, and is dialled again as one.

Threads and asyncio drive the same session. They report what happened (`advance`, `note`, `lose`), and ask it what
follows: whether a command may be sent, whether the connection may move, whether a listener comes back by itself, what
a lost connection means for the command that was sent. Sessions do no I/O and read no clock.

Signals interrupt threads between statements and in calls, but never an assignment. So the drivers assign some fields
without a call: ``cut_attempt``, which any thread may set; ``unanswered``; and ``stage`` when an attempt or a greeting
ends, by an error, an interrupt or success (`Step.FINISH`, `Step.FAIL`). A connection that is cut, that is `LOST`, or
whose answers are missing when its next use begins is never used as it is, whatever the other fields say.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .gate import WaitLimits

__all__ = [
    "COMEBACKS",
    "DECIDING",
    "DIALLING",
    "GREETING",
    "IDLE",
    "LISTENING",
    "LOOK_AGAIN",
    "LOST",
    "MARKS",
    "PINNED",
    "PINNED_LISTENER",
    "READY",
    "RESTORING",
    "STAGES",
    "USES",
    "ConnectionStage",
    "Meaning",
    "Session",
    "Step",
    "Use",
    "meaning_of",
]  # fmt: skip

FIRST_ATTEMPT: Final = 1.0
"""Seconds for the first attempt to connect and to greet; nothing wakes a thread that waits for a TCP handshake."""
LONGEST_ATTEMPT: Final = 2.0
"""Seconds for any further attempt; a user's own shorter timeouts hold as they are."""
COMEBACKS: Final = 3
"""Connections in a row that a listener may lose before its reader gets the error."""
LOOK_AGAIN: Final = 5.0
"""Seconds after which a reader tries again the replicas that it could not use."""


class ConnectionStage(enum.Enum):
    """How far a connection is."""

    LOST = "lost"
    """There is none, or it must not be used: its end has begun, or an attempt to connect or a listener's read was
    interrupted."""
    DIALLING = "dialling"
    GREETING = "greeting"
    """Connected; only the thread or task that dials may send, and what it sends belongs to the greeting."""
    RESTORING = "restoring"
    """Greeted; the library's callbacks set up what belongs to the new connection, such as subscriptions."""
    READY = "ready"


class Step(enum.Enum):
    """What happens to a connection."""

    DIAL = "dial"
    GREET = "greet"
    """The transport is there, and the library begins its greeting."""
    WELCOME = "welcome"
    """The greeting is over, and ROLE has proved what the node is."""
    FAIL = "fail"
    """The greeting ended with an error; a ``redis_connect_func`` of the user's may catch it and greet again."""
    FINISH = "finish"
    """The attempt to connect came to its end without an error."""
    LOSE = "lose"


LOST, DIALLING, GREETING, RESTORING, READY = ConnectionStage
# As globals: reading a member from its class calls a function in Python 3.11.

STAGES: Final[Mapping[ConnectionStage, Mapping[Step, ConnectionStage]]] = {
    LOST: {
        Step.DIAL: DIALLING,
        # Another thread disconnected it during an attempt, which must not revive it.
        Step.GREET: LOST,
        Step.WELCOME: LOST,
        Step.FAIL: LOST,
        Step.FINISH: LOST,
        Step.LOSE: LOST,
    },
    DIALLING: {
        Step.GREET: GREETING,
        Step.FINISH: READY,  # a ``redis_connect_func`` of the user's greets in a way of its own
        Step.LOSE: LOST,
    },
    GREETING: {Step.WELCOME: RESTORING, Step.FAIL: DIALLING, Step.LOSE: LOST},
    RESTORING: {Step.FINISH: READY, Step.LOSE: LOST},
    READY: {Step.LOSE: LOST},
}
"""What each step leads to. A step that is missing can't happen: a connection is lost before it is dialled again, and
greeted once."""


class Use(enum.Enum):
    """What a server holds for a connection that no greeting sets up again, as far as it decides what may be done."""

    IDLE = "idle"
    PINNED = "pinned"
    """Watched keys, or an open MULTI: it can't move."""
    DECIDING = "deciding"
    """A transaction that watches keys was sent as a whole, EXEC included. Until the connection is given back, its loss
    leaves it unknown whether the transaction was carried out."""
    LISTENING = "listening"
    """A subscription; it stays a listener when its connection is lost, until it is disconnected."""
    PINNED_LISTENER = "pinned listener"
    """Both, which RESP3 allows."""


class Meaning(enum.Enum):
    """What a command that was sent means for the connection."""

    PINS = "pins"
    """WATCH, MULTI"""
    UNPINS = "unpins"
    """EXEC, DISCARD, UNWATCH, each sent alone"""
    SUBSCRIBES = "subscribes"
    TRANSACTS = "transacts"
    """A whole transaction, packed: MULTI to EXEC"""
    RETURNS = "returns"
    """The connection is given back to its pool."""


IDLE, PINNED, DECIDING, LISTENING, PINNED_LISTENER = Use

USES: Final[Mapping[Use, Mapping[Meaning, Use]]] = {
    IDLE: {
        Meaning.PINS: PINNED,
        Meaning.UNPINS: IDLE,
        Meaning.SUBSCRIBES: LISTENING,
        Meaning.TRANSACTS: IDLE,  # no key is watched: the library never takes its loss for a WatchError
        Meaning.RETURNS: IDLE,
    },
    PINNED: {
        Meaning.PINS: PINNED,
        Meaning.UNPINS: IDLE,
        Meaning.SUBSCRIBES: PINNED_LISTENER,
        Meaning.TRANSACTS: DECIDING,
        Meaning.RETURNS: PINNED,  # the pool ends it: see `Session.unfinished`
    },
    DECIDING: {
        Meaning.PINS: PINNED,
        Meaning.UNPINS: IDLE,
        Meaning.SUBSCRIBES: LISTENING,
        Meaning.TRANSACTS: DECIDING,
        Meaning.RETURNS: IDLE,
    },
    LISTENING: {
        Meaning.PINS: PINNED_LISTENER,
        Meaning.UNPINS: LISTENING,
        Meaning.SUBSCRIBES: LISTENING,
        Meaning.TRANSACTS: LISTENING,
        Meaning.RETURNS: LISTENING,
    },
    PINNED_LISTENER: {
        Meaning.PINS: PINNED_LISTENER,
        Meaning.UNPINS: LISTENING,
        Meaning.SUBSCRIBES: PINNED_LISTENER,
        Meaning.TRANSACTS: LISTENING,
        Meaning.RETURNS: PINNED_LISTENER,
    },
}
"""What each meaning leads to. Once the connection is lost (`Session.lose`) every use becomes IDLE, but for DECIDING,
which lasts until the error is judged."""


def _spellings(*names: str) -> frozenset[str | bytes]:
    return frozenset(form for name in names for text in (name, name.lower()) for form in (text, text.encode()))


_INTRODUCES: Final = _spellings("CLIENT")
_ALTERS: Final = _spellings("MONITOR", "SELECT", "CLIENT TRACKING", "CLIENT REPLY")
_ALTERS_BY_CLIENT: Final = _spellings("TRACKING", "REPLY")
_MEANINGS: Final[Mapping[Any, Meaning]] = {
    name: meaning
    for meaning, names in {
        Meaning.PINS: _spellings("WATCH", "MULTI"),
        Meaning.UNPINS: _spellings("EXEC", "DISCARD", "UNWATCH"),
        Meaning.SUBSCRIBES: _spellings("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"),
    }.items()
    for name in names
}
MARKS: Final = frozenset(_MEANINGS) | _INTRODUCES | _ALTERS
"""The commands that change what a server holds for a connection, or belong to its greeting: the session notes them."""

NOWHERE: Final = object()
"""The value of `Session.seen` while nothing may be sent."""


def meaning_of(words: Sequence[Any]) -> Meaning | None:
    """Return what a command means for `Session.use`; None if nothing."""
    return _MEANINGS.get(words[0])


@dataclass(slots=True, eq=False)
class Session:
    """The session of one connection, over all the nodes to which it is connected one after the other."""

    stage: ConnectionStage = LOST
    use: Use = IDLE
    altered: bool = False
    """The server holds something else that no greeting sets up again: MONITOR, another database, key tracking.
    Beside any `use`: it binds the connection to its holder, and forbids nothing."""
    seen: object = NOWHERE
    """The value of the gate under which commands may be sent. While it is the newest, nothing else is asked: this one
    comparison is what following costs a command. Never the newest unless the connection is greeted."""
    attempt: object = field(default_factory=object)
    """The newest attempt to connect, and the connection that came of it: another object for each."""
    cut_attempt: object = None
    """The attempt that was ended from outside, because commands must not go where it was. Whoever ends it may be late:
    the connection may have moved meanwhile, and what it is now is not ended."""
    dialler: object = None
    """The thread or task that connects it now; a listener's may be another than the one that subscribes. None from the
    welcome on: the callbacks' commands are like any others."""
    needs_master: bool = True
    """Whether the node that is dialled has to be a master; else a replica in step."""
    attempts: int = 0
    """Attempts to connect since the last one that succeeded."""
    gave_up: object = None
    """The value of the gate in which this command waited in vain already: it does not wait there a second time."""
    look_again_at: float | None = None
    """When a reader tries again the replicas that it could not use, in monotonic seconds; None if it need not."""
    lost_at: float | None = None
    """When a listener lost its connection, in monotonic seconds; None while it has one."""
    unanswered: int = 0
    """Answers to commands that may have been sent and are not parsed yet. It grows before the first byte is sent and
    shrinks after an answer is parsed, so that whatever interrupts in between leaves a number other than 0. Nothing
    may be sent on such a connection: its next user would read the answers of the last one. A subscriber's number means
    nothing. Losing the connection does not touch it, because another thread may do that during a command."""
    packed: int = 1
    """Commands in what is sent next."""
    alone: bool = False
    """The command that is being sent is a single one, not a whole transaction."""
    deferred: tuple[bytes, ...] = ()
    """CLIENT SETINFO, which is sent with the next command of the greeting, and its reply read with that one's: the
    library does nothing with it, and it would cost two round trips during a failover."""
    deferred_reads: int = 0
    """Replies to it that the library is about to read."""
    unread: int = 0
    """Replies that the library believes to have read, and that are still to come."""
    doubt: Exception | None = None
    """Why it is unknown whether a transaction was carried out; raised when the library disconnects for that."""

    # -- what may be done ---------------------------------------------------------------------------

    @property
    def cut(self) -> bool:
        """Whether it was ended from outside where it is now."""
        return self.cut_attempt is self.attempt

    @property
    def pinned(self) -> bool:
        """Whether the server holds something for it that can't move: WATCH, or an open MULTI."""
        return self.use is PINNED or self.use is PINNED_LISTENER

    @property
    def listens(self) -> bool:
        """Whether the server has, or had, a subscription for it."""
        return self.use is LISTENING or self.use is PINNED_LISTENER

    @property
    def unfinished(self) -> bool:
        """Whether it must end when it is given back: answers are unread, or the server still holds a transaction."""
        return self.unanswered != 0 or self.pinned

    @property
    def must_answer(self) -> bool:
        """Whether it must not move, because answers to commands are still to come where it is."""
        return self.unanswered != 0 and self.stage is not LOST and not self.listens

    def usable(self, up: bool) -> bool:
        """
        Whether it is connected to its node, and may be used as it is.

        Args:
            up: whether the library has a transport.
        """
        return up and not (self.cut or self.stage is LOST)

    def dials(self, me: object) -> bool:
        """Whether this thread or task is the one that connects it now: what it sends belongs to the greeting."""
        return self.dialler is not None and self.dialler == me

    def bound(self, watched: bool, restores: bool) -> bool:
        """
        Whether a connection that is up must not move without its holder's noticing.

        A new connection would not be what the holder has: it waits for the descriptor of this one, or the server holds
        something for it that nothing sets up again.

        Args:
            watched: whether the holder took the descriptor, to wait for it.
            restores: whether a new connection would be subscribed to the same, and read by the same reader.
        """
        return self.altered or watched or (self.listens and not restores)

    def stays(self, newest: object, now: float, content: bool) -> bool:
        """
        Whether it may stay where it is, even if commands must wait.

        Args:
            newest: the newest value of the gate.
            now: monotonic seconds.
            content: whether it is where the newest value admits it, and a better place would not change that.
        """
        if self.seen is newest:
            return self.look_again_at is None or now < self.look_again_at
        return content

    # -- connecting ---------------------------------------------------------------------------------

    def advance(self, step: Step) -> None:
        """
        Record a step of the connection.

        Raises:
            AssertionError: it can't happen at this stage.
        """
        following = STAGES[self.stage].get(step)
        if following is None:
            raise AssertionError(f"{step.value} while {self.stage.value}")
        self.stage = following

    def dial(self, needs_master: bool) -> None:
        """Record that an attempt to connect begins, to a node that has to be a master, or else a replica in step."""
        self.attempt = object()
        self.advance(Step.DIAL)
        self.needs_master, self.unanswered = needs_master, 0
        if self.use is DECIDING:  # on another connection
            self.use = IDLE
        self.attempts += 1

    def welcome(self, newest: object, serves: bool) -> None:
        """
        Record that the greeting is over: other threads and tasks may use the connection from now on.

        Args:
            newest: the newest value of the gate, read before `serves` was found out.
            serves: whether commands may go to its node; not if it went ahead of the belief.
        """
        self.dialler = None
        self.advance(Step.WELCOME)
        if serves and not self.cut:
            self.seen = newest

    def lose(self) -> None:
        """Record that the connection is lost, however far its end gets; what was sent and not answered is kept."""
        self.stage = LOST
        self.seen = NOWHERE
        self.altered = False
        if self.use is not DECIDING:  # the library disconnects first, and asks `lost_in_doubt` with the error
            self.use = IDLE
        self.deferred, self.deferred_reads, self.unread = (), 0, 0
        self.lost_at = None

    def attempt_limit(self, users: float | None, limits: WaitLimits) -> float | None:
        """
        Return the seconds that this attempt to connect may take; None if the user's own limit is to hold: for ever.

        Args:
            users: the user's own timeout.
            limits: how long commands wait; without any wait the user's timeout holds as it is.
        """
        if limits.failover_wait <= 0:
            return users
        ours = FIRST_ATTEMPT if self.attempts <= 1 else LONGEST_ATTEMPT
        return ours if users is None else min(ours, users)

    # -- what is sent and read ----------------------------------------------------------------------

    def note(self, words: Sequence[Any], greeting: bool) -> None:
        """
        Record what a command that was sent means; only those of `MARKS` mean anything.

        Args:
            words: the command.
            greeting: whether it belongs to the greeting, which any new connection repeats.
        """
        meaning = meaning_of(words)
        if meaning is not None:
            self.use = USES[self.use][meaning]
        elif not (greeting or self.stage is RESTORING):
            alters = words[0] in _ALTERS or (words[0] in _INTRODUCES and words[1:2] and words[1] in _ALTERS_BY_CLIENT)
            self.altered = self.altered or bool(alters)

    def transacted(self) -> None:
        """Record that a whole transaction was sent."""
        self.use = USES[self.use][Meaning.TRANSACTS]

    def returned(self) -> None:
        """Record that the connection is given back: no answer is in doubt any longer."""
        self.use, self.doubt = USES[self.use][Meaning.RETURNS], None

    def lost_in_doubt(self, resends: bool) -> bool:
        """
        Return, once, whether a connection that is lost now leaves it unknown whether a transaction was carried out.

        Args:
            resends: whether the caller's own ``Retry`` says that commands may be sent again.
        """
        if self.use is not DECIDING:
            return False
        self.use = IDLE
        return not resends

    def defers(self, words: Sequence[Any]) -> bool:
        """Whether a command is to be sent with the next one."""
        return self.stage is GREETING and words[0] in _INTRODUCES and words[1] == "SETINFO"

    def defer(self, packed: Sequence[bytes]) -> None:
        """Keep such a command for the next one."""
        self.deferred = (*self.deferred, *packed)
        self.deferred_reads += 1

    def with_deferred(self, command: Any) -> Any:
        """Return what is to be sent, in chunks: this command, and before it those that were deferred."""
        if not self.deferred:
            return command
        deferred, self.deferred = self.deferred, ()
        return [b"".join((*deferred, *command))]

    def read_deferred(self) -> bytes:
        """Record that the library reads the reply to a deferred command; return what it takes for that reply."""
        self.deferred_reads -= 1
        self.unread += 1
        return b"OK"

    # -- listeners ----------------------------------------------------------------------------------

    def limits_to_come_back(self, timeout: Any, limits: WaitLimits, now: float) -> WaitLimits:
        """
        Return for how long a listener without a connection may wait for another now.

        Args:
            timeout: the seconds that its reader has; anything but a finite number is for ever.
            limits: what the user chose.
            now: monotonic seconds.
        """
        if self.lost_at is None:
            self.lost_at = now
        left = max(0.0, self.lost_at + limits.failover_wait - now)
        if isinstance(timeout, (int, float)) and timeout < left:
            left = max(0.0, float(timeout))
        return WaitLimits(hold=min(left, limits.hold), failover_wait=left)

    def may_be_silent(self, limits: WaitLimits, now: float) -> bool:
        """Whether a listener that is not back yet hides that from its reader: the time to come back is not over."""
        return self.lost_at is not None and now < self.lost_at + limits.failover_wait
