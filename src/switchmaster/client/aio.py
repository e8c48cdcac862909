"""
Connection, pool and Sentinel for asyncio, mixed into those of a client library.

Only what needs a loop is here: the library's verbs, how the effects of a plan are carried out without blocking, and
aborting a transport in its own loop. The Watcher runs in a thread of its own, shared with all loops and threads of the
process. `sync` does the same in threads: what is left alike in both is so for the reason that `switchmaster.client`
gives; change both.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..follow.gate import WaitLimits
from ..follow.listen import CALL, ComeBack, ListenEffect
from ..follow.reach import Dial, FindMaster, HangUp, Wait
from ..follow.session import IDLE, MARKS
from ..model import Address
from .alerts import hearing_alerts
from .connection import ConnectionEffect, ConnectWithin, FollowingConnection
from .pool import FollowingPool
from .route import AskAsLibrary, AskRole, QuestionEffect, Route
from .sentinel import ClientT, FollowingSentinel
from .shared import AwaitTurn

if TYPE_CHECKING:
    from ..wire.facts import Probe

__all__ = ["Connection", "Pool", "Sentinel"]

_Theirs: Any = object
"""The library's own class, before which ours is mixed in."""
EffectT = TypeVar("EffectT")
ResultT = TypeVar("ResultT")


class Connection(FollowingConnection, _Theirs):
    """A connection for asyncio."""

    _loop: asyncio.AbstractEventLoop | None = None
    """The loop in which it was dialled last."""
    _attempt: asyncio.Timeout | None = None
    """The attempt to connect that is under way."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._follow(self.connection_pool.route)
        self._turn = asyncio.Lock()

    def _me(self) -> object:
        return asyncio.current_task()

    def _is_up(self) -> bool:
        return self._writer is not None

    def _is_closed_by_peer(self) -> bool:
        return self._writer.is_closing() or self._reader is None or self._reader.at_eof()

    def is_whole_after(self, error: BaseException) -> bool:
        # After a cancelled read the next one continues where it was.
        return isinstance(error, asyncio.CancelledError) or super().is_whole_after(error)

    def _drop(self) -> None:
        self._forget_session()
        self._parser.on_disconnect()
        if self._writer is not None:
            self._writer.transport.abort()
        self._close()

    # -- the library's verbs ------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect to where commands may go, unless it is there; wait for a failover as `Options` say."""
        session = self._session
        if session.dialler is None and session.seen is self._view.current and session.look_again_at is None:
            return  # as `_stays`, without a call: the pool connects before every command
        if self._dials():
            await super().connect()
        elif self._moves():
            if self._route.limits.failover_wait > 0:
                await self._reach()
            else:  # only the caller's own Retry waits, as in the library
                await self.retry.call_with_retry(self._reach, lambda error: asyncio.sleep(0))

    async def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Connect; the library's own attempt is made from inside ours."""
        if self._dials():
            await super().connect_check_health(*arguments, **options)
        else:
            unanswered = self._session.unanswered
            await self._reach()
            # Of what is about to be sent: the library found no connection there.
            self._session.unanswered = unanswered

    async def on_connect(self) -> None:
        """Greet, and ask the node what it is (valkey-py)."""
        await self._greet(super().on_connect)

    async def on_connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Greet, and ask the node what it is (redis-py)."""
        await self._greet(partial(super().on_connect_check_health, *arguments, **options))

    async def disconnect(self, *arguments: Any, **options: Any) -> None:
        self._forget_session()
        writer = self._writer
        try:
            await super().disconnect(*arguments, **options)
        finally:
            if writer is not None:
                # TLS waits for the peer's close: from a hung peer, or if this wait is cancelled, it never comes.
                with contextlib.suppress(RuntimeError):  # its loop was closed
                    writer.transport.abort()
        self._tell_doubt()

    # These two are on the path of every command. If there is nothing to do they return the library's own coroutine,
    # with the command packed: two coroutines less to resume.

    def send_command(self, *words: Any, **options: Any) -> Coroutine[Any, Any, None]:
        if self._session.use is not IDLE or words[0] in MARKS:
            return self._send_marked(words, options)
        return self.send_packed_command(self.pack_command(*words), options.get("check_health", True))

    def send_packed_command(self, command: Any, check_health: bool = True) -> Coroutine[Any, Any, None]:
        session = self._session
        if session.use is not IDLE or session.seen is not self._view.current or self.health_check_interval:
            return self._send_in_time(command, check_health)
        session.unanswered += session.packed
        session.packed = 1
        return super().send_packed_command(command, False)  # type: ignore[no-any-return]

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        session = self._session
        if session.deferred_reads:
            return session.read_deferred()
        if session.use is not IDLE and self._reads_as_listener():
            timeout = arguments[1] if len(arguments) > 1 else options.get("timeout")
            return await self._listen(partial(self.read_plainly, *arguments, **options), timeout)
        try:
            if session.unread:
                await self._read_owed(*arguments, **options)
            answer = await self.read_plainly(*arguments, **options)
            if not (arguments or options) or self._is_answer(answer, options, *arguments):
                session.unanswered -= 1
            return answer
        except self._route.library.read_failures as error:
            failure = self._failed_read(error)
            if failure is error:
                raise
            if isinstance(error, self._route.library.exceptions.ReadOnlyError):
                await self.disconnect()
            raise failure from error

    # -- following ----------------------------------------------------------------------------------

    async def _send_marked(self, words: tuple[Any, ...], options: dict[str, Any]) -> None:
        session = self._session
        if self._pings_as_listener(words):
            await self._carry_out(self._pinging(), partial(super().send_command, *words, **options))
            return None
        if session.defers(words):
            session.defer(self.pack_command(*words))
            return None
        session.alone = True
        try:
            await super().send_command(*words, **options)
        finally:
            session.alone = False
        if words[0] in MARKS:
            session.note(words, self._dials())
        return None

    async def _send_in_time(self, command: Any, check_health: bool) -> None:
        session = self._session
        packed, session.packed = session.packed, 1  # before a greeting and a PING, which are one command each
        if session.seen is not self._view.current:
            if self._must_wait():
                await self._reach()
            command = session.with_deferred(command)
        if check_health and self.health_check_interval:
            await self.check_health()  # may connect again: only after it can something be owed
        session.unanswered += packed
        await super().send_packed_command(command, False)
        if session.use is not IDLE and not session.alone:
            session.transacted()  # if it pins: EXEC and all

    def cut(self) -> bool:
        """Abort the transport under the task that waits for it; callable from any thread."""
        if self._condemn() is None:
            return False
        if self._loop is not None:
            # A closed loop has closed its transports.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._abort)
        return True

    def _abort(self) -> None:
        # By the time the loop gets here the connection may have moved to where it should be.
        if not self._session.cut:
            return
        if self._attempt is not None and not self._attempt.expired():
            self._attempt.reschedule(asyncio.get_running_loop().time())
        elif self._writer is not None:
            self._writer.transport.abort()

    async def _reach(self, limits: WaitLimits | None = None) -> None:
        await carry_out(self._reaching(limits), self._do)

    async def _listen(self, read: Callable[[], Awaitable[Any]], timeout: Any) -> Any:
        """Read as a listener; a read on a connection that is up costs no plan."""
        plan = None
        if self.at is not None:
            try:
                return await read()
            except BaseException as error:  # the plan raises it, or goes on
                plan = self._listening(timeout, error)
        return await self._carry_out(plan or self._listening(timeout), read)

    async def _carry_out(self, plan: Generator[ListenEffect, Any, Any], call: Callable[[], Awaitable[Any]]) -> Any:
        """Carry out a listener's plan; `call` is what the library is to do in it."""
        return await carry_out(plan, lambda effect: call() if effect is CALL else self._do(effect))

    async def _do(self, effect: ConnectionEffect) -> Any:
        match effect:
            case Dial(address, master):
                return await self._dial(address, master)
            case ConnectWithin(host, port, seconds):
                await self._connect_within(host, port, seconds)
            case Wait(seen, until):
                await self._view.wait_in_loop(seen, until)
                self._route.look_again()
            case HangUp():
                with self._remaining_a_listener():
                    await self.disconnect(nowait=True)
            case FindMaster():
                return await ask(self._route, self._route.patient_until)
            case ComeBack(limits):
                await self._reach(limits)
        return None

    async def _dial(self, address: Address, master: bool) -> Exception | None:
        self._loop, once = asyncio.get_running_loop(), self._route.library.no_retry_in_loop
        self._route.tally.use(self._loop)
        async with _Turn(self._turn) as turn:
            return await carry_out(self._dialling(address, master, turn.end, once, None), self._do)

    async def _connect_within(self, host: str, port: int, seconds: float | None) -> None:
        # The library limits the time to connect; a hung server that never greets is ours to end.
        try:
            async with asyncio.timeout(seconds) as self._attempt:
                await self.connect_to((host, port))
        except TimeoutError:
            late = self._route.library.timeout(f"Timeout connecting to server {self.target}")
            raise self.explain(late) from None
        finally:
            self._attempt = None

    async def _greet(self, greet: Callable[[], Awaitable[None]]) -> None:
        if not self._greets():
            return await greet()
        with self._greeting():
            async with hearing_alerts(self._reader, self._writer):
                await greet()
                await self.send_command("ROLE", check_health=False)
                with self._role_may_be_refused():
                    self._judge(await self.read_response())
        return None

    async def _read_owed(self, *arguments: Any, **options: Any) -> None:
        session = self._session
        while session.unread:
            session.unread -= 1
            with contextlib.suppress(self._route.library.exceptions.ResponseError):
                await self.read_plainly(*arguments, **options)


class _Turn:
    """A lock for an `async with` block, which may be released before the block ends."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._held = False

    async def __aenter__(self) -> Self:
        await self._lock.acquire()
        self._held = True
        return self

    def end(self) -> None:
        """Release the lock, if it is still held."""
        if self._held:
            self._held = False
            self._lock.release()

    async def __aexit__(self, *_: object) -> None:
        self.end()


class Pool(FollowingPool, _Theirs):
    """A pool of connections for asyncio."""

    in_loop = True

    def release(self, connection: Any) -> Coroutine[Any, Any, None]:
        """Take a connection back; what its last user left unfinished ends here."""
        session = connection._session
        if session.unanswered or session.use is not IDLE:
            self._finish(connection)
        return super().release(connection)  # type: ignore[no-any-return]

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(self._spared(inuse_connections))

    async def get_master_address(self) -> tuple[str, int]:
        return await discover(self.route)


class Sentinel(FollowingSentinel[ClientT], _Theirs):
    """A Sentinel for asyncio."""

    in_loop = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, Any]] = (
            weakref.WeakKeyDictionary()
        )

    def _kept(self) -> dict[Any, Any]:
        # A pool belongs to the loop that uses it; outside of a loop it is not known which that will be.
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return {}
        return self._kept_by_loop.setdefault(loop, {})

    def _all_kept(self) -> list[dict[Any, Any]]:
        return list(self._kept_by_loop.values())

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return where a master is; see `sync.Sentinel.discover_master`."""
        return await discover(self._route(service_name))

    async def discover_slaves(self, service_name: str) -> list[tuple[str, int]]:
        """Return the replicas that may be read from; see `sync.Sentinel.discover_slaves`."""
        route = self._route(service_name)
        if not route.answers and await ask(route, route.question_until) is not None:
            return []
        return list(await super().discover_slaves(service_name)) if route.follower.by_hand else self._replicas(route)

    async def discover_replicas(self, service_name: str) -> list[tuple[str, int]]:
        """Return the replicas that may be read from: another name of `discover_slaves`."""
        return await self.discover_slaves(service_name)

    async def aclose(self) -> None:
        """Close what belongs to this Sentinel; see `sync.Sentinel.close`."""
        self._let_go()
        async with contextlib.AsyncExitStack() as all_of_them:  # even if one fails
            for client in self.sentinels:
                all_of_them.push_async_callback(client.aclose)

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def carry_out(plan: Generator[EffectT, Any, ResultT], do: Callable[[EffectT], Awaitable[Any]]) -> ResultT:
    """Carry out a plan, as `sync.carry_out` does."""
    try:
        effect = next(plan)
        while True:
            try:
                outcome = await do(effect)
            except BaseException as error:  # the plan raises it, or goes on
                effect = plan.throw(error)
            else:
                effect = plan.send(outcome)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        plan.close()


async def ask(route: Route, until: float) -> Exception | None:
    """Ask the Sentinels for a master; return None once it is known, or why it is not."""
    return await carry_out(route.ask(until), partial(_do_question, route))


async def discover(route: Route) -> tuple[str, int]:
    """Return what to connect to for a master; see `Sentinel.discover_master`."""
    return await carry_out(route.discover(), partial(_do_question, route))


async def _do_question(route: Route, question: QuestionEffect) -> Any:
    match question:
        case AwaitTurn(seen, until):
            return await route.shared.turns.wait_in_loop(seen, until)
        case AskRole(node, seconds):
            return await _role(route, node, seconds)
        case AskAsLibrary(verb, master):
            return await verb(master)


async def _role(route: Route, node: Address, seconds: float) -> Probe:
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.wrap_future(route.shared.watcher.begin_role(node))
    except TimeoutError:
        from ..wire.facts import Probe

        return Probe(node, None, f"no answer within {seconds:.3g} s")
