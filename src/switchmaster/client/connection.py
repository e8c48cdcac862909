"""
What a connection that follows a master is, whether it belongs to a thread or to a loop.

It is mixed in before the library's own ``SentinelManagedConnection``. A command may be sent while `_seen` is the newest
value of the gate: one comparison, nothing else, is what following costs. Otherwise the plan of
`switchmaster.follow.reach` is carried out first, by `switchmaster.client.sync` or `switchmaster.client.aio`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from ..errors import StaleMaster, SwitchmasterError
from ..follow.gate import UNKNOWN, Phase, WaitLimits
from ..follow.reach import Reach
from ..model import Address
from ..wire.resp import plain
from .observable import Observable
from .route import Route

__all__ = ["COMEBACKS", "MARKS", "FollowingConnection"]

FIRST_ATTEMPT: Final = 1.0
"""Seconds for the first attempt to connect and to greet; nothing wakes a thread that waits for a TCP handshake."""
LONGEST_ATTEMPT: Final = 2.0
"""Seconds for any further attempt; a user's own shorter timeouts hold as they are."""


COMEBACKS: Final = 3
"""Connections in a row that a listener may lose before it is told."""


_SHOWN: Final = 100
"""Characters of a peer's words that are shown."""

LOOK_AGAIN: Final = 5.0
"""Seconds after which a reader tries anew the replicas that it had to do without."""


def _spellings(*names: str) -> frozenset[str | bytes]:
    return frozenset(form for name in names for text in (name, name.lower()) for form in (text, text.encode()))


_PINS: Final = _spellings("WATCH", "MULTI")
_UNPINS: Final = _spellings("EXEC", "DISCARD", "UNWATCH")
_SUBSCRIBES: Final = _spellings("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE")
_INTRODUCES: Final = _spellings("CLIENT")
_KEPT: Final = _spellings("MONITOR", "SELECT", "CLIENT TRACKING", "CLIENT REPLY")
_KEPT_OF_CLIENT: Final = _spellings("TRACKING", "REPLY")
MARKS: Final = _PINS | _UNPINS | _SUBSCRIBES | _INTRODUCES | _KEPT
"""The commands that change what a connection means to its server, or belong to its greeting: they must be noted."""

_NOWHERE: Final[Observable[Any]] = Observable(UNKNOWN)
_NOTHING: Final = object()
_Theirs: Any = object
"""The library's own class, before which ours is mixed in."""


class FollowingConnection(_Theirs):
    """
    The part of a connection that needs neither thread nor loop; the `Movable` of a plan and the `Member` of a pool.

    A class that mixes it in sets `_route` and calls `_follow` once.
    """

    read_plainly: Any
    """How the library's connections read that know of no Sentinel. What its own class for Sentinel adds to that, to
    take READONLY for a lost connection, is done here: a layer less for each answer. Nor does it stay open, as that one
    does, where a signal or the like ends the reading: the next command would get this one's answer."""
    target: Address | None = None
    _route: Route
    _view: Observable[Any] = _NOWHERE
    _seen: object = _NOTHING
    """The value of the gate under which commands may be sent here; `_NOTHING` while it is not connected."""
    _gave_up: object = None
    """The value of the gate in which this command waited in vain already."""
    _look_again_at: float | None = None
    """When a reader tries anew the replicas that it had to do without; None where it had to do without none."""
    _cut = False
    """Ended from outside, because commands must not go where it was."""
    _dialler: object = None
    """The thread or the task that connects it now; a listener's may be another than the one that subscribes."""
    _to_master = True
    """Whether the node that is being dialled has to be a master."""
    _greets = False
    """The greeting is under way."""
    _unsaid: tuple[bytes, ...] = ()
    """CLIENT SETINFO, which is sent with the next command of the greeting, and its reply read with that one's: the
    library does nothing with it, and it would cost two round trips in the midst of a failover."""
    _introduced = 0
    """Replies to it that the library is about to read."""
    _owed = 0
    """Replies that the library believes to have read, and that are still to come."""
    _owes = 0
    """Answers to commands that may have been sent and are not parsed yet. It grows before the first byte is sent and
    shrinks after an answer is parsed, so that whatever interrupts in between leaves a number other than 0. Nobody may
    send on such a connection: its next user would read the answers of the last one. A subscriber's number means
    nothing. Disconnecting does not touch it, because another thread may do that in the midst of a command."""
    _packed = 1
    """Commands in what is sent next."""
    _torn = False
    """It must not be used as it is: an attempt to connect or a subscriber's reading was interrupted, or its end has
    begun."""
    _retry: Any = None
    _single = False
    """A command that is sent alone is on its way, not a whole transaction."""
    _pinned = False
    _decides = False
    """The EXEC of a transaction that watches keys was sent; until the connection is given back, or lost."""
    _in_doubt: Exception | None = None
    """Why nobody knows whether such a transaction was carried out; raised when the library disconnects for it."""
    _listens = False
    """The server has a subscription for it. `_restores` says whether it comes back by itself when it is lost."""
    _session = False
    """The server keeps something for it that no greeting sets up again: MONITOR, another database, key tracking."""
    _calls_back = False
    """The greeting is over, and the library's callbacks set up what belongs to the new connection."""
    _lost_at: float | None = None
    """When a listener lost its connection, in monotonic seconds; None while it has one."""
    _handled: BaseException | None = None
    """The exception that the caller was handling when the plan began, which is no cause of what the plan ends with."""
    _attempts = 0
    """Attempts to connect since the last one that came through."""

    def _follow(self, route: Route) -> None:
        self._route, self._view = route, route.view

    # -- what a plan sees ---------------------------------------------------------------------------

    @property
    def at(self) -> Address | None:
        """The node to which it is connected; None where it is not, was cut, or can't be used as it is."""
        return self.target if self._is_up() and not (self._cut or self._torn) else None

    @property
    def pinned(self) -> bool:
        """Whether the server keeps something for it that can't move: WATCH, or an open MULTI."""
        return self._pinned

    @property
    def bound(self) -> bool:
        """
        Whether it must not move without its holder's seeing it.

        A new connection would not be what he holds: he watches the descriptor of this one, or the server keeps for it
        what nobody sets up again. Where it is lost already, he has seen that.
        """
        return self._is_up() and (self._session or self._is_watched() or (self._listens and not self._restores()))

    def goes_ahead(self, phase: Phase) -> bool:
        """
        Whether it may greet the next master before the belief has moved.

        Not where the server keeps something for it, nor where more is said than a greeting when it connects: that is
        for the master alone.
        """
        says_more = self._connect_callbacks or getattr(self, "redis_connect_func", None)
        return not (self._pinned or self._listens or says_more or self.bound) and self._route.goes_ahead(phase)

    def order(self, usable: Sequence[Address]) -> Sequence[Address]:
        """Return these replicas with the least used first."""
        return self._route.order(usable)

    def crowded(self, usable: Sequence[Address]) -> bool:
        """Whether its replica bears much more than another."""
        return self._route.crowded(self.target, usable)

    def may_pass(self, failure: Exception) -> bool:
        """Whether waiting may help after this failure; else the configuration is wrong, and the caller must know."""
        return self._route.library.may_pass(failure, self._handled)

    def _is_up(self) -> bool:
        raise NotImplementedError

    def _me(self) -> object:
        raise NotImplementedError

    def _is_watched(self) -> bool:
        """Whether somebody took the descriptor, to wait for it by himself."""
        return False

    def _dials(self) -> bool:
        """Whether the caller is the one that connects it now: what he sends belongs to the greeting."""
        return self._dialler is not None and self._dialler == self._me()

    # -- what is owed -------------------------------------------------------------------------------

    @property
    def retry(self) -> Any:
        """
        The library's ``Retry``.

        The library asks for it whenever a client begins to send something and to read the answer. So this is where a
        client that keeps its connection (a pipeline that watches, a ``single_connection_client``) comes back after it
        was interrupted, and where the connection with the old answers ends.
        """
        if self._owes and self._dialler is None and not (self._listens or self._is_a_subscribers()):
            self._abandon()
        return self._retry

    @retry.setter
    def retry(self, retry: Any) -> None:
        self._retry = retry

    @staticmethod
    def _is_answer(answer: Any, options: Mapping[str, Any], _decoding: object = None, timeout: object = None) -> bool:
        """
        Whether what was read is an answer to a command.

        Args:
            answer: what was read.
            options: by which it was read.
            timeout: seconds for it, where they are not among the options: where time runs out asyncio's reads None.
        """
        if options.get("push_request"):
            return False
        return answer is not None or options.get("timeout", timeout) is None

    def _abandon(self) -> None:
        """End a connection that owes answers; it comes back with the next command, and owes nothing."""
        self._drop()
        self._owes = 0

    def _is_a_subscribers(self) -> bool:
        # Its PubSub is called back at each new connection. It may subscribe in one task and begin to listen in another;
        # and every message says what it is, whoever reads it.
        return any(hasattr(getattr(callback(), "__self__", None), "subscribed") for callback in self._connect_callbacks)

    def finish(self) -> None:
        """End the connection if its last user left answers unread, or the server still keeps something for him."""
        self._decides, self._in_doubt = False, None
        if self._owes or self._pinned:
            self._abandon()

    def _doubt(self, error: Exception) -> None:
        """
        Note that a connection was lost under the EXEC of a transaction that watches keys.

        The library takes that for a WatchError, upon which ``transaction()`` begins again; but the server may have
        carried it out. Where the caller's own Retry says that such a thing may be sent again, it may.
        """
        decides, self._decides = self._decides, False
        if not decides or self._retry._retries != 0:
            return
        library = self._route.library
        kind = library.lost if isinstance(error, library.exceptions.ConnectionError) else library.timeout
        self._in_doubt = kind(
            f"EXEC was sent to {self.target} and not answered ({_text(error)}): the transaction may have been carried "
            "out or not; look before you send it again"
        )

    def _tell_doubt(self) -> None:
        """
        Raise what was noted, where the library disconnects because a transaction failed.

        Raises:
            Exception: the library's ConnectionError or TimeoutError, instead of its WatchError.
        """
        doubt, self._in_doubt = self._in_doubt, None
        if doubt is not None:
            raise doubt

    def _check_unanswered(self) -> None:
        """
        See that nobody waits for an answer here, before the connection moves.

        Raises:
            Exception: the library's ConnectionError: two commands were sent one after the other, and the master moved
                in between.
        """
        if self._owes and self._is_up() and not (self._torn or self._listens):
            self._abandon()
            raise self._route.library.lost(
                f"the connection to {self.target} can't move while it owes answers to commands that were sent; "
                "they may have been carried out there or not, and this one was not sent"
            )

    def _drop(self) -> None:
        """Disconnect without waiting for anything."""
        raise NotImplementedError

    def pack_commands(self, commands: Any) -> Any:
        """Pack several commands, which are sent at once and answered one by one."""
        several = list(commands)
        self._packed = len(several)
        return super().pack_commands(several)

    # -- before and after ---------------------------------------------------------------------------

    def _stays(self) -> bool:
        """Whether it may stay where it is, whatever stands in the way of sending."""
        if self._seen is self._view.current:
            return self._look_again_at is None or time.monotonic() < self._look_again_at
        # A reader is admitted to more nodes than it should be content with: after news it chooses anew.
        content = self._route.to_master or self._listens
        return content and self.at is not None and self._route.admits(self.target)

    def _must_wait(self) -> bool:
        """Whether the plan has to be carried out before anything is sent; the gate has news."""
        if self._dials():
            return False
        # A listener sends next to nothing, and must not stop listening while commands are held.
        return not (self._listens and self._stays())

    @contextmanager
    def _reaching(self, limits: WaitLimits | None) -> Iterator[Reach]:
        """Make a plan, keep its tally, and give its errors the library's names."""
        route = self._route
        limits = limits or route.limits
        route.lease.open()
        if self.at is None:
            route.look_again()
        patient = self._gave_up is not self._view.current
        self._handled = sys.exception()
        reach = Reach(self, self._view, limits, time.monotonic, route.master, patient)
        try:
            yield reach
            self._gave_up = None
            self._look_again_at = time.monotonic() + LOOK_AGAIN if reach.provisional else None
        except SwitchmasterError as error:
            raise route.library.error(error) from error.__cause__
        finally:
            self._handled = None
            if reach.ran_out:
                self._gave_up = self._view.current
            if reach.waited or reach.ran_out:
                route.tally.held(route.master, reach.waited, reach.ran_out)

    def _plan(self, reach: Reach) -> Any:
        return reach.to_master() if self._route.to_master else reach.to_replica()

    def _begin_dial(self, address: Address, master: bool) -> tuple[str, int] | None:
        """
        Note where it goes; None where the gate has news already.

        Raises:
            Exception: the library's MasterNotFoundError, where too few Sentinels know each other.
        """
        self._cut = self._torn = self._greets = False
        self.target, self._to_master, self._owes = address, master, 0
        self._attempts += 1
        self._route.add(self)
        if not self._route.admits(address):
            return None
        self._route.check_peers()
        self._route.check_listed(address)
        self._route.name(address, master)
        host, port = self._route.dialled(address, master)
        return host, port

    def _welcome(self) -> None:
        """Note that the greeting is over: whoever waits for this connection may use it from now on."""
        self._dialler, self._calls_back = None, True
        current = self._view.current
        if not self._cut and self._route.serves(self.target):
            self._seen = current

    def _attempt_limit(self, users: float | None) -> float | None:
        """Return the seconds for this attempt; None for no limit but the user's own (which is for ever)."""
        if self._route.limits.failover_wait <= 0:
            return users
        ours = FIRST_ATTEMPT if self._attempts <= 1 else LONGEST_ATTEMPT
        return ours if users is None else min(ours, users)

    def _forget_session(self) -> None:
        """Note that there is no connection any more, however far its end gets."""
        self._torn = True
        if self._seen is not _NOTHING:
            # Nobody tells this connection any more what has become of the keys that it read.
            self._route.flush_cache()
        self._seen = _NOTHING
        self._pinned = self._listens = self._session = False
        self._unsaid, self._introduced, self._owed = (), 0, 0
        self._lost_at = None

    def _mark(self, words: Sequence[Any]) -> None:
        """Note what a command that was sent means for the connection."""
        name = words[0]
        if name in _SUBSCRIBES:
            self._listens = True
        elif name in _KEPT or name in _INTRODUCES:
            kept = name in _KEPT or (words[1:2] and words[1] in _KEPT_OF_CLIENT)
            if kept and not (self._dials() or self._calls_back):
                self._session = True
        else:
            self._pinned = name in _PINS

    def _says_later(self, words: Sequence[Any]) -> bool:
        """Whether a command is one that is sent with the next one."""
        if not (self._greets and words[0] in _INTRODUCES and words[1] == "SETINFO"):
            return False
        self._unsaid = (*self._unsaid, *self.pack_command(*words))
        self._introduced += 1
        return True

    def _with_unsaid(self, command: Any) -> Any:
        """Return what is to be sent: this command, and before it what was to be sent with it."""
        if not self._unsaid:
            return command
        said, self._unsaid = self._unsaid, ()
        return [b"".join((*said, *command))]

    def _reads_later(self) -> bytes:
        """Take that the library reads the reply to such a command; return what it makes of it."""
        self._introduced -= 1
        self._owed += 1
        return b"OK"

    def _judge(self, answer: Any) -> None:
        """
        Take what the node answered to ROLE.

        Raises:
            StaleMaster: it is not what it should be.
        """
        role = _text(answer[0]) if isinstance(answer, (list, tuple)) and answer else "nothing"
        if self._to_master and role == "master":
            return
        state = _text(answer[3]) if role == "slave" and len(answer) > 3 else ""
        if not self._to_master and state == "connected":
            return
        if self._to_master and self._route.serves(self.target):
            self._route.tally.not_master()
            self._route.shared.refresh()
        said = role if not state or self._to_master else f"{role}, which is not in step with its master ({state})"
        raise StaleMaster(self._route.master, str(self.target), said)

    def _demoted(self) -> Exception:
        """Say that the node takes no writes (any more), whatever it said when it was dialled."""
        self._route.tally.not_master()
        self._route.shared.refresh()
        return self._route.library.lost(
            f"The previous master is now a slave: {self.target} takes no writes for {self._route.master!r}. This one "
            "was not carried out; the Sentinels are asked anew, and the next command goes where they say"
        )

    def _unasked(self, reason: Exception) -> None:
        """Take that the node refuses ROLE: it is used without that proof."""
        self._route.tally.say_once(
            f"the nodes of {self._route.master!r} refuse ROLE ({_text(reason)}): whether a node is the master is taken "
            "from the Sentinels alone; grant the user +role"
        )

    # -- listeners ----------------------------------------------------------------------------------

    def _restores(self) -> bool:
        """
        Whether another connection in its place would be subscribed to the same, and be read by the same reader.

        So it is where a PubSub of the library's has asked to be called at each new connection. Who took the connection
        from the pool by himself, or watches its descriptor, must see it end as the library shows it: another one would
        be subscribed to nothing, or wake nobody.
        """
        if self._is_watched():
            return False
        owners = (getattr(callback(), "__self__", None) for callback in self._connect_callbacks)
        return any(isinstance(owner, self._route.library.subscribers) and self._belongs_to(owner) for owner in owners)

    def _belongs_to(self, owner: Any) -> bool:
        # redis-py's client-side cache wraps the connection that is ours.
        return getattr(owner.connection, "_conn", owner.connection) is self

    def _comes_back(self, error: Exception) -> bool:
        """Whether a listener that got this error comes back by itself."""
        return self._route.limits.failover_wait > 0 and self.may_pass(error) and self._restores()

    def _limits_to_come_back(self, timeout: Any) -> WaitLimits:
        """
        Return for how long a listener without a connection may wait for another now.

        Args:
            timeout: the seconds that its reader has; anything but a finite number is for ever.
        """
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
        left = max(0.0, self._lost_at + self._route.limits.failover_wait - now)
        if isinstance(timeout, (int, float)) and timeout < left:
            left = max(0.0, float(timeout))
        return WaitLimits(hold=min(left, self._route.limits.hold), failover_wait=left)

    def _may_be_silent(self) -> bool:
        """Whether a listener that did not come back yet says nothing of it: its time is not over."""
        return self._lost_at is not None and time.monotonic() < self._lost_at + self._route.limits.failover_wait

    def _lost(self, error: Exception) -> Exception:
        """Say why the connection ended, where it was we who ended it."""
        if not self._cut:
            return error
        return self._route.library.lost(
            f"the connection to {self.target} was cut, because {self._route.master!r} is at "
            f"{self._route.follower.phases.current.address} now; what was sent and not answered may have been carried "
            "out there or not"
        )


def _text(value: Any) -> str:
    """Return a word of a peer's, made harmless: it reaches sentences of errors and the log."""
    return plain(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value), _SHOWN)
