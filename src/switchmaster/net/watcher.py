"""
The Watcher for asyncio: it gives the pure core its sockets, time and randomness.

It has one `SentinelConnection` for each Sentinel, one `NodeConnection` for each node that is asked, one `Watch` that
decides, and one timer. Everything happens in the loop in which `start` was called; callbacks and feeds get a decision
in the turn in which the deciding bytes arrived. `close` leaves no task, timer or socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypedDict

from ..belief.decisions import Ask, Connect, Decision, Disconnect, Notice, StartProbe, StopProbe, Switch
from ..belief.failover import Failover
from ..belief.topology import MasterState, SentinelState, Topology, Whereabouts
from ..belief.watch import Watch
from ..errors import AccessRefused, UnknownMaster, UsageError, WatcherClosed
from ..link.counters import LinkCounters
from ..link.link import Link
from ..model import Address, Grade, Moment, SentinelName
from ..wire.events import Event
from ..wire.facts import Fact, LinkState, Probe
from .address_map import AddressMap, map_address
from .arguments import AddressLike, check_several, read_address, read_grade
from .credentials import CredentialProvider
from .dial import DialTarget
from .diallers import AnyTls, Dialler, NodeAccess, NodeDiallers
from .feeds import Feed
from .heard import NOT_PUBLISHED, FactsHeard, Heard
from .link_totals import LinkTotals, copied, numbers_of
from .locate import Location, locate
from .node_connection import NodeConnection
from .patience import Patience
from .probes import Probes
from .readers import Readers, Turn
from .sentinel_connection import SentinelConnection

__all__ = ["AddressLike", "Watcher", "WatcherOptions"]


class WatcherOptions(TypedDict, total=False):
    """The arguments of a `Watcher` beside the Sentinels, for code that passes them on; `Watcher` documents them."""

    deployment: str
    masters: Sequence[str] | None
    username: str | None
    password: str | None
    credentials: CredentialProvider | None
    tls: AnyTls
    node_username: str | None
    node_password: str | None
    node_credentials: CredentialProvider | None
    node_tls: AnyTls
    node_access: Mapping[str, NodeAccess] | None
    address_map: AddressMap | None
    timeout: float
    grade: Grade | str
    discover: bool
    probe: bool
    queue: int
    reconcile: float
    poll: float | None
    subscribe: bool


def _new_link(
    name: SentinelName, masters: Sequence[str] | None, seconds: tuple[float, float, float | None], subscribe: bool
) -> Link:
    timeout, reconcile, poll = seconds
    return Link(
        name,
        masters=masters,
        rng=random.random,
        timeout=timeout,
        reconcile_interval=reconcile,
        poll_interval=poll,
        subscribe=subscribe,
    )


class Watcher:
    """
    Listens to every Sentinel of a deployment, and knows its masters.

    Args:
        sentinels: some of the Sentinels; the others are discovered. These are never dropped, and their names are
            resolved again with every attempt.
        deployment: a name of your own, for records.
        masters: the masters to follow; None for all that the Sentinels monitor.
        username: ACL user for the Sentinels.
        password: password for the Sentinels.
        credentials: a provider of both, called for each connection to a Sentinel, instead of the two: an object with
            ``get_credentials()``, such as redis-py's ``CredentialProvider``.
        tls: TLS for the Sentinels; None for none.
        node_username: ACL user for data nodes, which needs no more than ROLE.
        node_password: password for data nodes.
        node_credentials: as `credentials`, for data nodes.
        node_tls: TLS for data nodes; None for none.
        node_access: the credentials and TLS for the data nodes of one master, by the master's name. A `NodeAccess`
            replaces these four as a whole: what it leaves out is not taken from them. Names of masters that are not
            followed do no harm.
        address_map: what Sentinel announces -> what can be dialled; identity stays the announced address.
        timeout: seconds in which a Sentinel or a node must answer.
        grade: the least evidence that a Switch must have.
        discover: whether to connect to Sentinels that the others know.
        probe: whether to ask data nodes for their ROLE; without it no switch is known before Sentinel announces it.
        queue: items that wait for a slow reader of `switches`, `events`, `failovers` or `notices`.
        reconcile: seconds between two rounds of questions beside the events.
        poll: seconds between two rounds of questions to a Sentinel that allows no useful subscription; None leaves such
            a Sentinel alone, and its state says why.
        subscribe: False only asks, when it starts and every `poll` (or else `reconcile`) seconds: enough for one
            question, without the right to subscribe. No events arrive, so a switch is known late.
    """

    def __init__(
        self,
        sentinels: Sequence[AddressLike],
        *,
        deployment: str = "default",
        masters: Sequence[str] | None = None,
        username: str | None = None,
        password: str | None = None,
        credentials: CredentialProvider | None = None,
        tls: AnyTls = None,
        node_username: str | None = None,
        node_password: str | None = None,
        node_credentials: CredentialProvider | None = None,
        node_tls: AnyTls = None,
        node_access: Mapping[str, NodeAccess] | None = None,
        address_map: AddressMap | None = None,
        timeout: float = 1.0,
        grade: Grade | str = Grade.PROMOTED,
        discover: bool = True,
        probe: bool = True,
        queue: int = 10_000,
        reconcile: float = 10.0,
        poll: float | None = None,
        subscribe: bool = True,
    ) -> None:
        if not timeout > 0 or queue < 1 or not reconcile > 0 or (poll is not None and not poll > 0):
            raise UsageError("timeout, queue, reconcile and poll must be more than 0")
        self._seeds = {SentinelName(str(a)): a for a in map(read_address, check_several(sentinels))}
        of_sentinels = NodeAccess(username, password, tls, credentials)
        self._dialler = Dialler.opened_by(of_sentinels, address_map, "the Sentinels")
        of_nodes = NodeAccess(node_username, node_password, node_tls, node_credentials)
        self._address_map, self._timeout = address_map, timeout
        self._new_link = partial(_new_link, masters=masters, seconds=(timeout, reconcile, poll), subscribe=subscribe)
        self._watch = Watch(
            self._seeds,
            deployment=deployment,
            masters=masters,
            policy=read_grade(grade),
            probing=probe,
            discover=discover,
            timeout=timeout,
        )
        self._connections: dict[SentinelName, SentinelConnection] = {}
        self._strangers: set[SentinelName] = set()  # dialled without credentials: no majority names them
        self._probes = Probes(
            NodeDiallers(of_nodes, node_access, address_map),
            timeout,
            self._watch.lists,
            self._on_probes,
            self._close_later,
        )
        self._ended = LinkTotals()
        self._fleet = 0
        """How many masters the whole program follows, as far as it has said so."""
        self._closing: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()
        self._closed = False
        self._readers = Readers(queue)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "new" if self._loop is None else "running"
        return f"<Watcher {self._watch.deployment!r} of {', '.join(self._seeds)} ({state})>"

    # -- life ---------------------------------------------------------------------------------------

    async def start(self, wait: bool = True) -> None:
        """
        Connect to the Sentinels, and wait until it is known where the masters are.

        A majority of the Sentinels is enough to know. A silent one costs at most ``timeout``, and the whole start at
        most twice that; more only while the Sentinels go on answering about further masters, as with thousands of them.

        Args:
            wait: False returns at once; the links come up in the background.

        Raises:
            NoSentinelReachable: none of them answered; nothing is left running then.
            WatcherClosed: it was closed before.
        """
        if self._closed:
            raise WatcherClosed
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        for name, address in self._seeds.items():
            self._connect(name, address)
        self._turn()
        if wait:
            try:
                await self._settled()
            except BaseException:
                await self.close()
                raise

    async def _settled(self) -> None:
        assert self._loop is not None
        patience = Patience(self._watch, self._timeout, self._loop.time())
        while (left := patience.left(self._loop.time())) > 0:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
            if self._closed:
                raise WatcherClosed
        if not self._watch.answering:
            raise patience.unreachable(self._loop.time())

    async def close(self) -> None:
        """End all links, feeds and timers; safe to call twice."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        shells = [*self._connections.values(), *self._probes.shells()]
        self._connections.clear()
        self._probes.clear()
        await asyncio.gather(*(shell.close() for shell in shells), *self._closing)
        self._readers.close()
        self._news.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # -- the belief ---------------------------------------------------------------------------------

    @property
    def deployment(self) -> str:
        """The deployment's name."""
        return self._watch.deployment

    @property
    def topology(self) -> Topology:
        """Everything that is believed now, as one immutable value."""
        return self._watch.topology

    @property
    def sentinels(self) -> dict[SentinelName, SentinelState]:
        """All Sentinels and our links to them, now; costs less than `topology`."""
        return self._watch.sentinels

    @property
    def roster_changes(self) -> int:
        """A number that grows when a Sentinel is connected or lost, or TILT begins or ends: read `sentinels` then."""
        return self._watch.roster_changes

    def changed(self, most: int) -> Topology:
        """
        Return the masters that changed since they were last returned here, for one reader that keeps a copy.

        Call it after `on_change`: its cost grows with what changed, that of `topology` with all masters.

        Args:
            most: the most masters to return; the others come with the next call.

        Returns:
            Those masters, and all Sentinels.
        """
        return self._watch.changed(most)

    def masters(self) -> tuple[str, ...]:
        """Return the names of the masters that are known, in order."""
        return self._watch.names

    def master(self, name: str) -> Address:
        """
        Return where a master is, from memory.

        Args:
            name: the master's name.

        Returns:
            Its address, as Sentinel announces it; see `dialled` for where to connect to.

        Raises:
            UnknownMaster: no Sentinel that answered monitors it.
            WatcherClosed: the watcher does not run.
        """
        self._check_running()
        address = self._watch.address(name)
        if address is None:
            raise self._unknown(name)
        return address

    def address(self, name: str) -> Address | None:
        """Return where a master is, from memory; None if it is not known. For code that asks about every master."""
        return self._watch.address(name)

    def whereabouts(self, name: str) -> Whereabouts | None:
        """Return where a master is believed to be, from memory; None if it is not known. Costs less than `state`."""
        return self._watch.whereabouts(name)

    def _unknown(self, name: str) -> UnknownMaster | AccessRefused:
        """Return the error for an unknown master; if no Sentinel may be asked, it may exist all the same."""
        live = [state for state in self._watch.sentinels.values() if state.state is LinkState.LIVE]
        if live and not any(state.can_ask for state in live):
            why = "its events are heard, but the user may not ask about masters"
            return AccessRefused({state.name: why for state in live}, 0.0, [state.name for state in live])
        return UnknownMaster(name, self.masters(), tuple(self._connections))

    def state(self, name: str) -> MasterState:
        """
        Return everything that is believed about one master.

        Args:
            name: the master's name.

        Raises:
            UnknownMaster: no Sentinel that answered monitors it.
            WatcherClosed: the watcher does not run.
        """
        self.master(name)
        state = self._watch.state(name)
        assert state is not None
        return state

    @property
    def hearing(self) -> bool:
        """Whether at least one Sentinel is connected now, and subscribed to or answering."""
        return self._watch.hearing

    @property
    def idle(self) -> bool:
        """Whether no Sentinel is connected or being dialled: all wait for their next attempt."""
        return self._watch.idle

    @property
    def is_behind(self) -> bool:
        """Whether Sentinels have said more than was read yet: what can wait should, because decisions may follow."""
        return any(connection.is_behind for connection in self._connections.values())

    @property
    def established(self) -> bool:
        """Whether enough Sentinels have answered since the start to believe them."""
        return self._watch.established

    def refresh(self) -> None:
        """Ask all Sentinels again, and dial at once those that wait for their next attempt; does not wait."""
        for connection in list(self._connections.values()):
            connection.hurry()

    def spread(self, masters: int) -> None:
        """
        Ask the less often about all masters, the more masters a program follows with all its Watchers.

        A Watcher with more than 200 masters spreads its questions by itself; this counts those of other Watchers too.
        Answers to events are not affected.

        Args:
            masters: how many masters the whole program follows, this Watcher's included.
        """
        if masters != self._fleet:
            self._fleet = masters
            for connection in self._connections.values():
                connection.link.spread(masters)

    def sockets(self) -> list[int]:
        """Return the descriptors of all connections."""
        shells = [*self._connections.values(), *self._probes.shells()]
        return [number for shell in shells for number in shell.sockets()]

    async def role(self, node: Address, master: str | None = None) -> Probe:
        """
        Ask a data node for its ROLE, once, over a connection of its own.

        Args:
            node: its address, as Sentinel announces it.
            master: the master whose node it is, if ``node_access`` may name that master.

        Returns:
            What it answered, or the reason why it did not answer within ``timeout``.

        Raises:
            WatcherClosed: the watcher does not run.
        """
        self._check_running()
        return await self._probes.ask_once(node, master)

    async def locate(self, name: str, settle: float) -> Location:
        """Ask the Sentinels that the user named for one master, without waiting for links; see `locate`."""
        self._check_running()
        dialler = self._dialler
        asked = {sentinel: partial(dialler.target, address) for sentinel, address in self._seeds.items()}
        return await locate(name, asked, self._timeout, settle)

    def dialled(self, address: Address) -> Address:
        """Return what to connect to for an announced address, by ``address_map``."""
        return map_address(self._address_map, address)

    def votes(self, sentinel: SentinelName) -> bool:
        """Return whether a Sentinel's word is a vote: the user named it, or a majority vouches for it."""
        return self._watch.vouched(sentinel)

    def sentinel_target(self, sentinel: SentinelName) -> DialTarget:
        """Return what to dial for another connection to a Sentinel, with credentials only if it votes."""
        return self._dialler.target(Address.parse(sentinel), self._watch.vouched(sentinel))

    def node_target(self, node: Address, master: str) -> DialTarget:
        """Return what to dial for another connection to a master's node, with credentials only if it is listed."""
        return self._probes.target(node, master)

    def node_tls(self, master: str | None) -> AnyTls:
        """Return TLS for a master's nodes as the user gave it; None for none."""
        return self._probes.tls(master)

    @property
    def counters(self) -> dict[str, int]:
        """Everything that was counted since the start, including limits that were hit."""
        links = self._ended.of(connection.link.counters for connection in self._connections.values())
        return {
            **numbers_of(self._watch.counters),
            **links,
            "probes_refused": self._probes.refused,
            "callback_errors": self._readers.callback_errors,
            "feeds_missed": self._readers.missed,
        }

    def links(self) -> dict[SentinelName, tuple[float | None, LinkCounters]]:
        """
        Return the seconds since each Sentinel's last byte (None before the first), and a copy of its counters.

        Any thread may call it: each number is set by one assignment, and the connections are copied by one call.
        """
        return {name: (shell.silence, copied(shell.link.counters)) for name, shell in self._connections.copy().items()}

    # -- readers ------------------------------------------------------------------------------------

    def switches(self) -> Feed[Switch]:
        """Return a feed of switches from now on."""
        return self._readers.feed(Switch)

    def events(self) -> Feed[Heard]:
        """Return a feed of every event of every Sentinel from now on."""
        return self._readers.feed(Heard)

    def failovers(self) -> Feed[Failover]:
        """Return a feed of failovers' records, again with every stage, from the first suspicion on."""
        return self._readers.feed(Failover)

    def notices(self) -> Feed[Notice]:
        """Return a feed of notices: what is worth knowing, but needs no reaction from clients."""
        return self._readers.feed(Notice)

    def changes(self) -> Feed[Topology]:
        """Return a feed of the Topology, now and whenever it changes; a slow reader gets the newest."""
        return self._readers.latest(lambda: self._watch.topology)

    def on_switch(self, callback: Callable[[Switch], None]) -> Callable[[], None]:
        """Call back with each switch, in the loop; return a function that ends that. Must not block."""
        return self._readers.on(Switch, callback)

    def on_event(self, callback: Callable[[Heard], None]) -> Callable[[], None]:
        """Call back with each event, in the loop; return a function that ends that. Must not block."""
        return self._readers.on(Heard, callback)

    def on_facts(self, callback: Callable[[FactsHeard], None]) -> Callable[[], None]:
        """
        Call back with everything that a Sentinel says, before it counts for the belief; for code that serves it on.

        Must not block. Returns a function that ends it.
        """
        return self._readers.on(FactsHeard, callback)

    def on_failover(self, callback: Callable[[Failover], None]) -> Callable[[], None]:
        """Call back with each failover's record as it grows; return a function that ends that. Must not block."""
        return self._readers.on(Failover, callback)

    def on_notice(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        """Call back with each notice, in the loop; return a function that ends that. Must not block."""
        return self._readers.on(Notice, callback)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """
        Call back after every turn that may have changed the belief or a link, in the loop.

        For code that follows a few masters closely: `state` costs a look-up if nothing has changed, while `changes`
        makes a whole Topology. Must not block. Returns a function that ends it.
        """
        return self._readers.on(Turn, lambda _: callback())

    # -- facts in, decisions out --------------------------------------------------------------------

    def _on_facts(self, sentinel: SentinelName, facts: list[Fact], now: float) -> None:
        readers, moment = self._readers, Moment(now, time.time())
        tell_events = readers.wants(Heard)
        if readers.wants(FactsHeard):
            readers.tell(FactsHeard, FactsHeard(sentinel, tuple(facts), now))
        for fact in facts:
            # Callbacks first; what it means for the belief comes afterwards.
            if tell_events and type(fact) not in NOT_PUBLISHED:
                readers.tell(Heard, Heard(sentinel, fact, moment.wall))  # type: ignore[arg-type]  # it is an event
            self._watch.observe(sentinel, fact, moment)
        self._turn()

    def _on_event(self, sentinel: SentinelName, event: Event, now: float) -> None:
        """Do what `_on_facts` does, for one event and with fewer steps until its callbacks."""
        readers, wall = self._readers, time.time()
        readers.tell(Heard, Heard(sentinel, event, wall))
        if readers.wants(FactsHeard):
            readers.tell(FactsHeard, FactsHeard(sentinel, (event,), now))
        self._watch.observe(sentinel, event, Moment(now, wall))
        self._turn()

    def _on_probes(self, probes: list[Probe], now: float) -> None:
        moment = Moment(now, time.time())
        for probe in probes:
            self._watch.observe(None, probe, moment)
        self._turn()

    def _ring(self) -> None:
        assert self._loop is not None
        self._timer = None
        self._watch.tick(Moment(self._loop.time(), time.time()))
        self._turn()

    def _turn(self) -> None:
        """Carry out the decisions, report them, and set the timer."""
        if self._closed:
            return
        for decision in self._watch.decisions():
            self._do(decision)
        if self._strangers:
            self._welcome_strangers()
        self._news.set()
        self._readers.touch()
        self._arm()

    def _do(self, decision: Decision) -> None:
        match decision:
            case Switch() | Failover() | Notice():
                self._readers.tell(type(decision), decision)
            case Ask(sentinel, masters):
                if sentinel in self._connections:
                    self._connections[sentinel].ask(masters or None)
            case StartProbe(node, master):
                self._probes.start(node, master)
            case StopProbe(node, master):
                self._probes.stop(node, master)
            case Connect(sentinel, address):
                self._connect(sentinel, address)
            case Disconnect(sentinel):
                connection = self._connections.pop(sentinel, None)
                if connection is not None:
                    connection.mute()
                    self._ended.end(connection.link.counters)
                    self._close_later(connection)

    def _arm(self) -> None:
        assert self._loop is not None
        due = self._watch.deadline
        if self._timer is not None:
            if due is not None and self._timer.when() <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._ring)

    # -- connections --------------------------------------------------------------------------------

    def _connect(self, name: SentinelName, address: Address) -> None:
        if name in self._connections:
            return
        link = self._new_link(name)
        link.spread(self._fleet)
        connection = SentinelConnection(link, partial(self._target, name, address), self._on_facts, self._on_event)
        self._connections[name] = connection
        connection.start()

    def _target(self, name: SentinelName, address: Address) -> DialTarget:
        vouched = self._watch.vouched(name)
        (self._strangers.discard if vouched else self._strangers.add)(name)
        return self._dialler.target(address, vouched)

    def _welcome_strangers(self) -> None:
        """Dial at once those Sentinels that got no credentials until a majority named them, which it does now."""
        for name in [name for name in self._strangers if name not in self._connections or self._watch.vouched(name)]:
            connection = self._connections.get(name)
            if connection is None:
                self._strangers.discard(name)
            elif connection.link.state is LinkState.DOWN:
                self._strangers.discard(name)
                connection.hurry()

    def _close_later(self, shell: SentinelConnection | NodeConnection) -> None:
        assert self._loop is not None
        task = self._loop.create_task(shell.close(), name=f"switchmaster: leave {shell.name}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _check_running(self) -> None:
        if self._loop is None or self._closed:
            raise WatcherClosed
