"""
A connection that follows a master: the part that threads and asyncio share.

It is mixed in before the library's own ``SentinelManagedConnection``. What may be done with it is decided by its
`switchmaster.follow.session.Session`; a command may be sent while ``Session.seen`` is the newest value of the gate, so
following costs one comparison. Otherwise a plan is carried out first: `switchmaster.follow.reach`, and within it one
attempt to connect, which is planned here, because it turns on the library's classes. `switchmaster.client.sync` and
`switchmaster.client.aio` carry out the effects.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self, TypeAlias

from ..errors import StaleMaster, SwitchmasterError
from ..follow.gate import UNKNOWN, Phase, WaitLimits
from ..follow.listen import ListenEffect, listen, ping
from ..follow.reach import Effect, HangUp, Reach
from ..follow.session import DIALLING, GREETING, LISTENING, LOOK_AGAIN, LOST, NOWHERE, READY, Session, Step
from ..model import Address
from ..wire.resp import plain
from .observable import Observable
from .route import Route

__all__ = ["ConnectWithin", "ConnectionEffect", "FollowingConnection"]

_SHOWN: Final = 100
"""Characters of a peer's text that are shown."""

_NOWHERE: Final[Observable[Any]] = Observable(UNKNOWN)
_Theirs: Any = object
"""The library's own class, before which ours is mixed in."""


class ConnectWithin(NamedTuple):
    """Have the library connect and greet; its error is raised in the plan."""

    host: str
    port: int
    seconds: float | None
    """How long it may take; None if it may take for ever."""


ConnectionEffect: TypeAlias = Effect | ListenEffect | ConnectWithin
"""What the plans of a connection yield, each carried out by threads and by asyncio in their own way."""


class FollowingConnection(_Theirs):
    """
    The part of a connection that needs neither thread nor loop; the `Movable` of a plan and the `Member` of a pool.

    A class that mixes it in sets `_route` and calls `_follow` once.
    """

    read_plainly: Any
    """How the library's connections without Sentinel read. Its class for Sentinel adds that READONLY counts as a lost
    connection; that is done here, which saves a layer for each answer. That class also stays open when a signal ends
    the reading: the next command would get this one's answer."""
    target: Address | None = None
    _route: Route
    _view: Observable[Any] = _NOWHERE
    _session: Session
    _retry: Any = None
    _welcomed: Callable[[], None]
    """What to call once it is greeted, in the attempt to connect that is under way."""
    _handled: BaseException | None = None
    """The exception that the caller was handling when the plan began, which is no cause of what the plan ends with."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        # Before `__init__`: the library's own asks for `retry`, and one that fails still disconnects.
        connection: Self = super().__new__(cls)
        connection._session = Session()
        return connection

    def _follow(self, route: Route) -> None:
        self._route, self._view = route, route.view

    # -- what a plan sees ---------------------------------------------------------------------------

    @property
    def at(self) -> Address | None:
        """The node to which it is connected; None if it is not connected, was cut, or can't be used as it is."""
        return self.target if self._session.usable(self._is_up()) else None

    @property
    def pinned(self) -> bool:
        """Whether the server holds something for it that can't move: WATCH, or an open MULTI."""
        return self._session.pinned

    @property
    def bound(self) -> bool:
        """
        Whether it must not move without its holder's noticing; see `Session.bound`.

        If it is lost already, the holder has noticed.
        """
        session = self._session
        return self._is_up() and session.bound(self._is_watched(), session.listens and self.restores)

    @property
    def ended(self) -> bool:
        """Whether the server has closed it, as far as that is known without reading."""
        return self._is_up() and self._is_closed_by_peer()

    def goes_ahead(self, phase: Phase) -> bool:
        """
        Whether it may greet the next master before the belief moves.

        Not if the server holds something for it, nor if callbacks send more than a greeting when it connects: that is
        for the master alone.
        """
        says_more = self._connect_callbacks or getattr(self, "redis_connect_func", None)
        session = self._session
        return not (session.pinned or session.listens or says_more or self.bound) and self._route.goes_ahead(phase)

    def order(self, usable: Sequence[Address]) -> Sequence[Address]:
        """Return these replicas, the least used first."""
        return self._route.order(usable)

    def crowded(self, usable: Sequence[Address]) -> bool:
        """Whether its replica has many more connections than another."""
        return self._route.crowded(self.target, usable)

    def may_pass(self, failure: Exception) -> bool:
        """Whether waiting may help after this failure; otherwise the caller must correct the configuration."""
        return self._route.library.may_pass(failure, self._handled)

    def _is_up(self) -> bool:
        raise NotImplementedError

    def _is_closed_by_peer(self) -> bool:
        raise NotImplementedError

    def _me(self) -> object:
        raise NotImplementedError

    def _is_watched(self) -> bool:
        """Whether the descriptor was taken, to be polled elsewhere."""
        return False

    def _condemn(self) -> object:
        """
        Mark what is connected or being dialled as cut, if it must not be where it is; callable from any thread.

        The order counts. An attempt that is seen here began after its target was set, so a connection that has moved
        to where it may be is not marked. One whose attempt begins later looks at the gate itself, after that.

        Returns:
            The attempt that was marked; None if the connection may stay, or has moved meanwhile.
        """
        attempt = self._session.attempt
        if not self._route.strays(self.target):
            return None
        self._session.cut_attempt = attempt
        return attempt

    def _dials(self) -> bool:
        """Whether the caller is the one that connects it now: what it sends belongs to the greeting."""
        session = self._session
        return session.dialler is not None and session.dials(self._me())

    # -- what is owed -------------------------------------------------------------------------------

    @property
    def retry(self) -> Any:
        """
        The library's ``Retry``.

        The library reads it whenever a client begins to send a command and to read the answer. A client that keeps its
        connection (a pipeline that watches, a ``single_connection_client``) comes here first after it was interrupted,
        so this is where a connection with old answers ends.
        """
        session = self._session
        if session.unanswered and session.dialler is None and not (session.listens or self._is_a_subscribers()):
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
            options: the arguments of that read.
            timeout: its seconds, if they are not among the options: asyncio's read returns None when time runs out.
        """
        if options.get("push_request"):
            return False
        return answer is not None or options.get("timeout", timeout) is None

    def _abandon(self) -> None:
        """End a connection that owes answers; it comes back with the next command, and owes nothing."""
        self._drop()
        self._session.unanswered = 0

    def _is_a_subscribers(self) -> bool:
        # Its PubSub is called back at each new connection. It may subscribe in one task and begin to listen in another;
        # and every message says what it is, whichever task reads it.
        return any(hasattr(getattr(callback(), "__self__", None), "subscribed") for callback in self._connect_callbacks)

    def finish(self) -> None:
        """End the connection if its last user left answers unread, or a transaction open."""
        self._session.returned()
        if self._session.unfinished:
            self._abandon()

    def _doubt(self, error: Exception) -> None:
        """
        Record that the connection was lost after EXEC was sent for a transaction that watches keys.

        The library turns that into a WatchError, and ``transaction()`` starts again; but the server may have carried
        the transaction out. If the caller's own ``Retry`` allows repeating commands, it is repeated.
        """
        if not self._session.lost_in_doubt(resends=self._retry._retries != 0):
            return
        library = self._route.library
        kind = library.lost if isinstance(error, library.exceptions.ConnectionError) else library.timeout
        self._session.doubt = kind(
            f"EXEC was sent to {self.target} and not answered ({_text(error)}): the transaction may have been carried "
            "out or not; look before you send it again"
        )

    def _tell_doubt(self) -> None:
        """
        Raise what `_doubt` recorded, when the library disconnects because a transaction failed.

        Raises:
            Exception: the library's ConnectionError or TimeoutError, instead of its WatchError.
        """
        session = self._session
        doubt, session.doubt = session.doubt, None
        if doubt is not None:
            raise doubt

    def _check_unanswered(self) -> None:
        """
        Check, before the connection moves, that no answer is still to come.

        Raises:
            Exception: the library's ConnectionError: a command was sent without reading the answer to the one before,
                and the master moved in between.
        """
        if self._session.must_answer and self._is_up():
            self._abandon()
            raise self._route.library.lost(
                f"the connection to {self.target} can't move while it owes answers to commands that were sent; "
                "they may have been carried out there or not, and this one was not sent"
            )

    def _drop(self) -> None:
        """Disconnect without waiting for anything."""
        raise NotImplementedError

    def pack_commands(self, commands: Any) -> Any:
        """Pack several commands, which are sent together and answered one by one."""
        several = list(commands)
        self._session.packed = len(several)
        return super().pack_commands(several)

    # -- before and after ---------------------------------------------------------------------------

    def _stays(self) -> bool:
        """Whether it may stay where it is, even if commands must wait."""
        newest = self._view.current
        # A reader is admitted to more nodes than it needs: after news it chooses again.
        content = self._route.to_master or self._session.listens
        admitted = content and self.at is not None and self._route.admits(self.target)
        return self._session.stays(newest, time.monotonic(), admitted)

    def _must_wait(self) -> bool:
        """Whether a plan must be carried out before anything is sent; called when the gate has news."""
        if self._dials():
            return False
        # A listener sends almost nothing, and must not stop listening while commands are held.
        return not (self._session.listens and self._stays())

    def _moves(self) -> bool:
        """Whether it must be connected, or connected elsewhere; if so, forget that an earlier wait ended in vain."""
        session = self._session
        if self._stays() or session.listens or self.bound:  # a listener comes back when it reads
            return False
        session.gave_up = None
        return True

    def _reaching(self, limits: WaitLimits | None) -> Generator[Effect, Exception | None, None]:
        """Plan how it gets to where its commands may go, count its waits, and turn errors into the library's."""
        route, session = self._route, self._session
        route.lease.open()
        if self.at is None:
            route.look_again()
        patient = session.gave_up is not self._view.current
        self._handled = sys.exception()
        reach = Reach(self, self._view, limits or route.limits, time.monotonic, route.master, patient)
        try:
            session.seen = yield from (reach.to_master() if route.to_master else reach.to_replica())
            session.attempts, session.gave_up = 0, None
            session.look_again_at = time.monotonic() + LOOK_AGAIN if reach.provisional else None
        except SwitchmasterError as error:
            raise route.library.error(error) from error.__cause__
        finally:
            self._handled = None
            if reach.ran_out:
                session.gave_up = self._view.current
            if reach.waited or reach.ran_out:
                route.tally.held(route.master, reach.waited, reach.ran_out)

    def _dialling(
        self, address: Address, master: bool, greeted: Callable[[], None], once: Any, users: float | None
    ) -> Generator[HangUp | ConnectWithin, None, Exception | None]:
        """
        Plan one attempt to connect, for the one caller whose turn it is; return the error that it ended with.

        Args:
            address: the node, as Sentinel announces it.
            master: whether it must be a master, or else a replica in step.
            greeted: called once others may use the connection.
            once: the library's ``Retry`` that tries once.
            users: the user's own limit for connecting, in seconds.
        """
        if self.at == address:  # another one was faster: a listener has a reader and a subscriber
            return None
        self._check_unanswered()
        yield HangUp()
        session, retry, me, whole = self._session, self._retry, self._me(), False
        seconds = session.attempt_limit(users, self._route.limits)
        try:
            session.dialler, self._retry, self._welcomed = me, once, greeted
            dialled = self._begin_dial(address, master)
            if dialled is not None:
                yield ConnectWithin(*dialled, seconds)
                whole = True
        except self._route.library.failures as error:
            yield HangUp()
            return error
        finally:  # without a call, so that nothing interrupts it
            session.dialler, self._retry = None, retry
            session.stage = READY if whole and session.stage is not LOST else LOST
        return None

    def _begin_dial(self, address: Address, master: bool) -> tuple[str, int] | None:
        """
        Record where it goes, and return what to connect to; None if the gate has news already.

        Raises:
            Exception: the library's MasterNotFoundError if too few Sentinels know each other; its ConnectionError if
                too few Sentinels list a node that would get a password.
        """
        self.target = address  # before the attempt begins: see `_condemn`
        self._session.dial(master)
        self._route.add(self)
        if not self._route.admits(address):
            return None
        self._route.check_peers()
        self._route.check_listed(address)
        self._route.name(address, master)
        host, port = self._route.dialled(address, master)
        return host, port

    def _greets(self) -> bool:
        """Whether the library is about to greet the node; inside of a greeting it may call the same again."""
        return self._dials() and self._session.stage is not GREETING

    @contextmanager
    def _greeting(self) -> Iterator[None]:
        """Let the library greet the node, and the node prove what it is; then others may use the connection."""
        session = self._session
        session.advance(Step.GREET)
        proved = False
        try:
            yield
            proved = True
        finally:
            if session.stage is GREETING and not proved:
                session.stage = DIALLING
        self._welcome()
        # The library's callbacks follow, which subscribe again; they may need a lock of a caller that waits for us.
        self._welcomed()

    def _welcome(self) -> None:
        """Record that the greeting is over: other threads and tasks may use the connection from now on."""
        newest = self._view.current
        self._session.welcome(newest, self._route.serves(self.target))

    def _attempt_limit(self, users: float | None) -> float | None:
        """Return the seconds for this attempt; None if the user's own limit, which is none, holds."""
        return self._session.attempt_limit(users, self._route.limits)

    def _forget_session(self) -> None:
        """Record that the connection is lost, however far its end gets."""
        session = self._session
        session.stage = LOST
        if session.seen is not NOWHERE:
            # The server no longer tells this connection when the keys that it read change.
            self._route.flush_cache()
        session.lose()

    def _judge(self, answer: Any) -> None:
        """
        Check what the node answered to ROLE.

        Raises:
            StaleMaster: it is not what it should be.
        """
        role = _text(answer[0]) if isinstance(answer, (list, tuple)) and answer else "nothing"
        needs_master = self._session.needs_master
        if needs_master and role == "master":
            return
        state = _text(answer[3]) if role == "slave" and len(answer) > 3 else ""
        if not needs_master and state == "connected":
            return
        if needs_master and self._route.serves(self.target):
            self._route.tally.not_master()
            self._route.shared.refresh()
        said = role if not state or needs_master else f"{role}, which is not in step with its master ({state})"
        raise StaleMaster(self._route.master, str(self.target), said)

    def _failed_read(self, error: Exception) -> Exception:
        """Record a failed read, and return the error to raise: the same one if there is nothing to add."""
        errors, route = self._route.library.exceptions, self._route
        if isinstance(error, errors.ResponseError):
            self._session.unanswered -= 1
            return self._demoted() if route.to_master and isinstance(error, errors.ReadOnlyError) else error
        self._doubt(error)
        return self.explain(error) if isinstance(error, errors.ConnectionError) else error

    def _demoted(self) -> Exception:
        """Return the error for a node that takes no writes, whatever it answered when it was dialled."""
        self._route.tally.not_master()
        self._route.shared.refresh()
        return self._route.library.lost(
            f"The previous master is now a slave: {self.target} takes no writes for {self._route.master!r}. This one "
            "was not carried out; the Sentinels are asked again, and the next command goes where they say"
        )

    @contextmanager
    def _role_may_be_refused(self) -> Iterator[None]:
        """Let the node refuse ROLE: it is used without that proof, which is logged once."""
        try:
            yield
        except self._route.library.exceptions.ResponseError as reason:
            self._route.tally.say_once(
                f"the nodes of {self._route.master!r} refuse ROLE ({_text(reason)}): whether a node is the master is "
                "taken from the Sentinels alone; grant the user +role"
            )

    # -- listeners ----------------------------------------------------------------------------------

    @property
    def restores(self) -> bool:
        """
        Whether a new connection in its place would be subscribed to the same, and read by the same reader.

        That is so if a PubSub of the library has asked to be called at each new connection. If the user took the
        connection from the pool directly, or polls its descriptor, it must end as the library shows it: a new one would
        have no subscription, or wake no one.
        """
        if self._is_watched():
            return False
        owners = (getattr(callback(), "__self__", None) for callback in self._connect_callbacks)
        return any(isinstance(owner, self._route.library.subscribers) and self._belongs_to(owner) for owner in owners)

    def is_whole_after(self, error: BaseException) -> bool:
        """Whether a read that ended with this error left no answer half read."""
        return isinstance(error, self._route.library.intact)

    def is_lost_by(self, error: BaseException) -> bool:
        """Whether this error says that the connection is lost."""
        return isinstance(error, self._route.library.exceptions.ConnectionError)

    def explain(self, error: Exception) -> Exception:
        """Return the error of a lost connection, with the reason if we ended it."""
        if not self._session.cut:
            return error
        return self._route.library.lost(
            f"the connection to {self.target} was cut, because {self._route.master!r} is at "
            f"{self._route.follower.phases.current.address} now; what was sent and not answered may have been carried "
            "out there or not"
        )

    def _belongs_to(self, owner: Any) -> bool:
        # redis-py's client-side cache wraps the connection that is ours.
        return getattr(owner.connection, "_conn", owner.connection) is self

    def _reads_as_listener(self) -> bool:
        """Whether what is read now is a listener's message; called for a session that is not idle."""
        return self._session.listens and not self._dials()

    def _pings_as_listener(self, words: Sequence[Any]) -> bool:
        """Whether this command is the PING of a listener that comes back by itself."""
        return self._session.listens and words[0] == "PING" and self.restores and not self._dials()

    def _listening(self, timeout: Any, failed: BaseException | None = None) -> Generator[ListenEffect, Any, Any]:
        """Plan a listener's read; `timeout` is what its reader said, `failed` what a first read ended with."""
        return listen(self, self._session, self._route.limits, timeout, time.monotonic, failed)

    def _pinging(self) -> Generator[ListenEffect, Any, None]:
        """Plan a listener's PING."""
        return ping(self, self._session, self._route.limits)

    @contextmanager
    def _remaining_a_listener(self) -> Iterator[None]:
        """Let it be disconnected, and remain a listener if it was one."""
        session = self._session
        listens, lost_at = session.listens, session.lost_at
        try:
            yield
        finally:
            if listens:
                session.use, session.lost_at = LISTENING, lost_at


def _text(value: Any) -> str:
    """Return a peer's text, made harmless: it is shown in errors and in the log."""
    return plain(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value), _SHOWN)
