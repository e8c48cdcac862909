"""
Connection, pool and Sentinel for threads, mixed into those of a client library.

Only what needs a thread is here: the library's verbs, how the effects of a plan are carried out with blocking sockets,
and shutting a socket down under a thread that waits for it. `aio` does the same in a loop: what is left alike in both
is so for the reason that `switchmaster.client` gives; change both.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import time
import weakref
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final, TypeVar

from ..follow.gate import WaitLimits
from ..follow.listen import CALL, ComeBack, ListenEffect
from ..follow.reach import Dial, FindMaster, HangUp, Wait
from ..follow.session import IDLE, MARKS
from ..model import Address
from ..net.threads import closed_by_peer, in_own_thread, lock, me, shut_down
from .connection import ConnectionEffect, ConnectWithin, FollowingConnection
from .packing import careful
from .pool import FollowingPool
from .route import AskAsLibrary, AskRole, QuestionEffect, Route
from .sentinel import ClientT, FollowingSentinel
from .shared import AwaitTurn
from .sockets import noticing

__all__ = ["Connection", "Pool", "Sentinel"]

COLLECTING: Final = 0.01
"""The share of time that a pool without a free connection may spend on collecting garbage."""

_Theirs: Any = object
"""The library's own class, before which ours is mixed in."""
EffectT = TypeVar("EffectT")
ResultT = TypeVar("ResultT")


class Connection(FollowingConnection, _Theirs):
    """A connection for threads."""

    socket_connect_timeout: float | None

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._follow(self.connection_pool.route)
        self._turn = lock()

    def _me(self) -> object:
        return me()

    def _is_up(self) -> bool:
        return self._sock is not None

    def _is_closed_by_peer(self) -> bool:
        return closed_by_peer(self._sock)

    def _drop(self) -> None:
        self.disconnect()

    def _construct_command_packer(self, packer: Any) -> Any:
        return careful(super()._construct_command_packer(packer))

    def _is_watched(self) -> bool:
        return getattr(self._sock, "taken", False)

    # -- the library's verbs ------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect to where commands may go, unless it is there; wait for a failover as `Options` say."""
        session = self._session
        if session.dialler is None and session.seen is self._view.current and session.look_again_at is None:
            return  # as `_stays`, without a call: the pool connects before every command
        if self._dials():
            super().connect()
        elif self._moves():
            if self._route.limits.failover_wait > 0:
                self._reach()
            else:  # only the caller's own Retry waits, as in the library
                self.retry.call_with_retry(self._reach, lambda error: None)

    def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Connect; the library's own attempt is made from inside ours."""
        if self._dials():
            super().connect_check_health(*arguments, **options)
        else:
            unanswered = self._session.unanswered
            self._reach()
            # Of what is about to be sent: the library found no connection there.
            self._session.unanswered = unanswered

    def on_connect(self) -> None:
        """Greet, and ask the node what it is (valkey-py)."""
        self._greet(super().on_connect)

    def on_connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Greet, and ask the node what it is (redis-py)."""
        self._greet(partial(super().on_connect_check_health, *arguments, **options))

    def disconnect(self, *arguments: Any, **options: Any) -> None:
        self._forget_session()
        super().disconnect(*arguments, **options)
        self._tell_doubt()

    def send_command(self, *words: Any, **options: Any) -> None:
        session = self._session
        if session.use is IDLE and words[0] not in MARKS:
            return self.send_packed_command(self._command_packer.pack(*words), options.get("check_health", True))
        if self._pings_as_listener(words):
            self._carry_out(self._pinging(), partial(super().send_command, *words, **options))
            return None
        if session.defers(words):
            session.defer(self.pack_command(*words))
            return None
        session.alone = True
        try:
            super().send_command(*words, **options)
        finally:
            session.alone = False
        if words[0] in MARKS:
            session.note(words, self._dials())
        return None

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        session = self._session
        packed, session.packed = session.packed, 1  # before a greeting and a PING, which are one command each
        if session.seen is not self._view.current:
            if self._must_wait():
                self._reach()
            command = session.with_deferred(command)
        if check_health and self.health_check_interval:
            self.check_health()  # may connect again: only after it can something be owed
        session.unanswered += packed
        super().send_packed_command(command, False)
        if session.use is not IDLE and not session.alone:
            session.transacted()  # if it pins: EXEC and all

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        session = self._session
        if session.deferred_reads:
            return session.read_deferred()
        if session.use is not IDLE and self._reads_as_listener():
            return self._listen(partial(self.read_plainly, *arguments, **options), options.get("timeout"))
        try:
            if session.unread:
                self._read_owed(*arguments, **options)
            answer = self.read_plainly(*arguments, **options)
            if not options or self._is_answer(answer, options):
                session.unanswered -= 1
            return answer
        except self._route.library.read_failures as error:
            failure = self._failed_read(error)
            if failure is error:
                raise
            if isinstance(error, self._route.library.exceptions.ReadOnlyError):
                self.disconnect()
            raise failure from error

    def can_read(self, timeout: float = 0) -> bool:
        if self._session.use is not IDLE and self._reads_as_listener():
            return bool(self._listen(partial(self._look, timeout), timeout))
        return self._look(timeout)

    def _look(self, timeout: float) -> bool:
        # The library uses the descriptor here too. The mark is removed before anything asks whether a listener comes
        # back, and from the socket that was used: a listener may have come back on another one in between.
        opened = self._sock
        taken = getattr(opened, "taken", True)
        try:
            return super().can_read(timeout)  # type: ignore[no-any-return]
        finally:
            if not taken:
                opened.taken = False

    def _connect(self) -> Any:
        return noticing(super()._connect())

    def _wrap_socket_with_ssl(self, opened: Any) -> Any:
        opened.settimeout(self._attempt_limit(self.socket_timeout))
        wrapped = super()._wrap_socket_with_ssl(opened)
        wrapped.settimeout(self.socket_timeout)
        return wrapped

    # -- following ----------------------------------------------------------------------------------

    def cut(self) -> bool:
        """Shut the socket down under the thread or greenlet that waits for it; callable from any thread."""
        attempt, opened = self._condemn(), self._sock
        if attempt is None or attempt is not self._session.attempt:
            return False  # it moved by itself, and the socket may be its new one
        if opened is not None:
            with contextlib.suppress(OSError):
                shut_down(opened)
        return True

    def _reach(self, limits: WaitLimits | None = None) -> None:
        carry_out(self._reaching(limits), self._do)

    def _listen(self, read: Callable[[], Any], timeout: Any) -> Any:
        """Read as a listener; a read on a connection that is up costs no plan."""
        plan = None
        if self.at is not None:
            try:
                return read()
            except BaseException as error:  # the plan raises it, or goes on
                plan = self._listening(timeout, error)
        return self._carry_out(plan or self._listening(timeout), read)

    def _carry_out(self, plan: Generator[ListenEffect, Any, Any], call: Callable[[], Any]) -> Any:
        """Carry out a listener's plan; `call` is what the library is to do in it."""
        return carry_out(plan, lambda effect: call() if effect is CALL else self._do(effect))

    def _do(self, effect: ConnectionEffect) -> Any:
        match effect:
            case Dial(address, master):
                return self._dial(address, master)
            case ConnectWithin(host, port, seconds):
                self._connect_within(host, port, seconds)
            case Wait(seen, until):
                if in_own_thread():
                    raise self._route.library.not_here(self._route.master)
                self._view.wait(seen, until)
                self._route.look_again()
            case HangUp():
                with self._remaining_a_listener():
                    self.disconnect()
            case FindMaster():
                return ask(self._route, self._route.patient_until)
            case ComeBack(limits):
                self._reach(limits)
        return None

    def _dial(self, address: Address, master: bool) -> Exception | None:
        held, once = self._turn, self._route.library.no_retry
        turn = _Turn(held)
        try:
            # Acquired and recorded in one step of the interpreter: an interrupt comes before both or after both.
            for turn.held in map(held.acquire, (True,)):
                plan = self._dialling(address, master, turn.end, once, self.socket_connect_timeout)
                return carry_out(plan, self._do)
        finally:
            if turn.held:
                turn.held = False
                held.release()
        return None

    def _connect_within(self, host: str, port: int, seconds: float | None) -> None:
        users = self.socket_connect_timeout
        try:
            self.socket_connect_timeout = seconds
            self.connect_to((host, port))
        finally:
            self.socket_connect_timeout = users

    def _greet(self, greet: Callable[[], None]) -> None:
        if not self._greets():
            return greet()
        if self._session.cut:
            raise self.explain(OSError())
        # A hung server accepts connections and then sends nothing: no greeting may take longer than an attempt.
        opened, users = self._sock, self.socket_timeout
        opened.settimeout(self._attempt_limit(users))
        with self._greeting():
            try:
                greet()
                self.send_command("ROLE", check_health=False)
                with self._role_may_be_refused():
                    self._judge(self.read_response())
            finally:
                with contextlib.suppress(OSError):
                    opened.settimeout(users)
        return None

    def _read_owed(self, *arguments: Any, **options: Any) -> None:
        session = self._session
        while session.unread:
            session.unread -= 1
            with contextlib.suppress(self._route.library.exceptions.ResponseError):
                self.read_plainly(*arguments, **options)


class _Turn:
    """
    A lock and whether this attempt to connect holds it; it may be released before the attempt is over.

    Args:
        lock: the connection's.
    """

    __slots__ = ("held", "lock")

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.held: object = False

    def end(self) -> None:
        """Release the lock, if it is still held."""
        if self.held:
            self.held = False
            self.lock.release()


class Pool(FollowingPool, _Theirs):
    """A pool of connections for threads."""

    _in_use_connections: set[Any]
    _collect_at = 0.0
    """When garbage may be collected again to find lost connections, in monotonic seconds."""

    def owns_connection(self, connection: Any) -> bool:
        """
        Whether a connection that is given back may return to the pool.

        It may, wherever it is connected: it moves before it sends anything. What the last user left unfinished ends
        here.
        """
        if connection.pid != self.pid:
            return False
        session = getattr(connection, "_session", None)
        if session is None or session.unanswered or session.use is not IDLE:
            self._finish(connection)
        return True

    def release(self, connection: Any) -> None:
        """Take a connection back; if that is interrupted, its user keeps it and the pool does not."""
        try:
            super().release(connection)
        except BaseException:
            with contextlib.suppress(ValueError):
                self._available_connections.remove(connection)
            raise

    def make_connection(self) -> Any:
        """Make another connection, after forgetting those that no one holds any longer."""
        self._forget_lost()
        if self._created_connections >= self.max_connections and self._may_collect():
            began = time.monotonic()
            self._forget_lost(gc.collect)
            ended = time.monotonic()
            self._collect_at = ended + (ended - began) / COLLECTING
        return super().make_connection()

    def _may_collect(self) -> bool:
        # A finalizer may give a connection back, which needs the lock that is held now; valkey-py's is not reentrant.
        return not isinstance(self._lock, type(threading.Lock())) and time.monotonic() >= self._collect_at

    def _forget_lost(self, collect: Callable[[], object] | None = None) -> None:
        """
        Forget connections in use that no one holds.

        A user that is interrupted between taking a connection and giving it back leaves it here for ever. So for a
        moment only its users hold each connection: those without one are garbage.

        Args:
            collect: finds those too that are part of a cycle, as redis-py's with maintenance notices are.
        """
        taken = [weakref.ref(connection) for connection in self._in_use_connections]
        self._in_use_connections = set()
        if collect is not None:
            collect()
        self._in_use_connections = {kept for one in taken if (kept := one()) is not None}
        self._created_connections = len(self._available_connections) + len(self._in_use_connections)

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(self._spared(inuse_connections))

    def get_master_address(self) -> tuple[str, int]:
        return discover(self.route)


class Sentinel(FollowingSentinel[ClientT], _Theirs):
    """A Sentinel for threads."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """
        Return where a master is: from memory while a Sentinel is connected, otherwise by asking all of them at once.

        Args:
            service_name: the master's name.

        Returns:
            Host and port, as they are dialled.

        Raises:
            MasterNotFoundError: of the library; `NoSentinelReachable`, `UnknownMaster` and `StaleMaster` say which.
        """
        return discover(self._route(service_name))

    def discover_slaves(self, service_name: str) -> list[tuple[str, int]]:
        """
        Return the replicas that may be read from: up, in step, and not about to be promoted.

        Args:
            service_name: the master's name.

        Returns:
            Pairs of host and port, as they are dialled; none if no Sentinel answers.
        """
        route = self._route(service_name)
        if not route.answers and ask(route, route.question_until) is not None:
            return []
        return list(super().discover_slaves(service_name)) if route.follower.by_hand else self._replicas(route)

    def discover_replicas(self, service_name: str) -> list[tuple[str, int]]:
        """Return the replicas that may be read from: another name of `discover_slaves`."""
        return self.discover_slaves(service_name)

    def close(self) -> None:
        """
        Close what belongs to this Sentinel; its clients stay open, and are closed by their users.

        The Watcher ends with the last Sentinel and the last client.
        """
        self._let_go()
        with contextlib.ExitStack() as all_of_them:  # even if one fails
            for client in self.sentinels:
                all_of_them.callback(client.close)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def carry_out(plan: Generator[EffectT, Any, ResultT], do: Callable[[EffectT], Any]) -> ResultT:
    """
    Carry out a plan, of `switchmaster.follow` or a `Route`: send it each effect's outcome, and raise errors in it.

    Args:
        plan: a generator of effects; it has ended when this returns, even if an interrupt comes in between.
        do: carries out one effect.

    Returns:
        What the plan returns.
    """
    try:
        effect = next(plan)
        while True:
            try:
                outcome = do(effect)
            except BaseException as error:  # the plan raises it, or goes on
                effect = plan.throw(error)
            else:
                effect = plan.send(outcome)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        plan.close()


def ask(route: Route, until: float) -> Exception | None:
    """Ask the Sentinels for a master; return None once it is known, or why it is not."""
    return carry_out(route.ask(until), partial(_do_question, route))


def discover(route: Route) -> tuple[str, int]:
    """Return what to connect to for a master; see `Sentinel.discover_master`."""
    return carry_out(route.discover(), partial(_do_question, route))


def _do_question(route: Route, question: QuestionEffect) -> Any:
    if in_own_thread():
        raise route.library.not_here(route.master)
    match question:
        case AwaitTurn(seen, until):
            return route.shared.turns.wait(seen, until)
        case AskRole(node, seconds):
            return route.shared.watcher.role(node, seconds=seconds)
        case AskAsLibrary(verb, master):
            return verb(master)
