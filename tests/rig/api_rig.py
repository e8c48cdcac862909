"""
The API without a daemon: deployments to which a test plays Sentinels, and a journal that it fills.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from recorded.answers import snapshot
from switchmaster.belief.decisions import Notice, Switch
from switchmaster.belief.failover import Failover
from switchmaster.belief.topology import MasterState, Topology
from switchmaster.belief.watch import Watch
from switchmaster.errors import UnknownMaster
from switchmaster.journal.engine import connect, make_engine
from switchmaster.journal.entries import Entry
from switchmaster.journal.ledger import Ledger
from switchmaster.journal.migrate import upgrade
from switchmaster.journal.reader import Reader, open_reader
from switchmaster.journal.store import Store
from switchmaster.link.counters import LinkCounters
from switchmaster.model import Address, Moment, RunId, SentinelName
from switchmaster.server.api import HttpServer, HttpSettings, ServedState, create_app
from switchmaster.wire.facts import Fact, LinkChange, LinkState, Probe, SnapshotEnd
from switchmaster.wire.grammar import parse_event

LOOPBACK = Address("127.0.0.1", 8370)
ANY_PORT = Address("127.0.0.1", 0)
SENTINELS = S1, S2, S3 = tuple(SentinelName(f"10.0.0.{number}:26379") for number in (1, 2, 3))
A, B, C = (Address(f"10.0.1.{number}", 6379) for number in (1, 2, 3))
TOKEN = "act-1234"
"""For orders, in `request_once`."""
NOW = 1_790_000_000.0
"""When a failover begins; a test that needs another time adds to it."""


def node_id(node: Address) -> str:
    """Return the run id of a node; the nodes here differ only by host."""
    return hashlib.sha1(str(node).encode()).hexdigest()


class FakeDeployment:
    """A deployment of three Sentinels whose events and answers come from a test; to the API it is a Watcher."""

    def __init__(
        self,
        deployment: str = "kvdb",
        masters: Iterable[str] = ("mymaster1",),
        up: bool = True,
        probing: bool = False,
    ) -> None:
        self.names = tuple(masters)
        self.watch = Watch(SENTINELS, deployment=deployment, probing=probing)
        self.decisions: list[object] = []
        self.entries: list[Entry] = []
        self.ledger = Ledger(deployment, self.watch.whereabouts)
        self.now = NOW
        self.address_map: dict[Address, Address] = {}
        self.counters: dict[str, int] = {"events": 0}
        self.forced = {"full": 0, "late": 0}
        self._callbacks: dict[type, list[Callable[[Any], None]]] = {}
        self._links = {name: (0.5, LinkCounters()) for name in SENTINELS}
        if up:
            for name in SENTINELS:
                self.answer(name)

    # Read by the API.

    @property
    def topology(self) -> Topology:
        return self.watch.topology

    @property
    def hearing(self) -> bool:
        return self.watch.hearing

    @property
    def established(self) -> bool:
        return self.watch.established

    def masters(self) -> tuple[str, ...]:
        return self.watch.names

    def state(self, name: str) -> MasterState:
        state = self.watch.state(name)
        if state is None:
            raise UnknownMaster(name, self.watch.names)
        return state

    def links(self) -> dict[SentinelName, tuple[float | None, LinkCounters]]:
        return dict(self._links)

    def dialled(self, address: Address) -> Address:
        return self.address_map.get(address, address)

    def on_switch(self, callback: Callable[[Switch], None]) -> Callable[[], None]:
        return self._on(Switch, callback)

    def on_failover(self, callback: Callable[[Failover], None]) -> Callable[[], None]:
        return self._on(Failover, callback)

    def on_notice(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        return self._on(Notice, callback)

    def _on(self, kind: type, callback: Callable[[Any], None]) -> Callable[[], None]:
        callbacks = self._callbacks.setdefault(kind, [])
        callbacks.append(callback)
        return lambda: callbacks.remove(callback)

    # Fed by a test.

    def tell(self, source: SentinelName | None, *facts: Fact) -> None:
        for fact in facts:
            self.watch.observe(source, fact, Moment(self.now, self.now))
            for decision in self.watch.decisions():
                self.decisions.append(decision)
                for callback in self._callbacks.get(type(decision), ()):
                    callback(decision)
                match decision:
                    case Switch():
                        self.entries += self.ledger.switch(decision)
                    case Failover():
                        self.entries += self.ledger.failover(decision)
                    case Notice():
                        self.entries += self.ledger.notice(decision)

    def answer(self, name: SentinelName, address: Address = A, epoch: int = 0) -> None:
        self.tell(
            name, LinkChange(LinkState.LIVE, run_id=RunId(f"{SENTINELS.index(name):040x}"), version="redis 7.0.15")
        )
        replicas = [node for node in (A, B, C) if node != address]
        self.tell(
            name, *(snapshot(address, epoch, name=master, replicas=replicas, run_ids=node_id) for master in self.names)
        )
        self.tell(name, SnapshotEnd(self.names))

    def say(self, name: SentinelName, *lines: str) -> None:
        for line in lines:
            channel, _, payload = line.partition(" ")
            event = parse_event(channel, payload)
            self.entries += self.ledger.event(name, event, self.now, self.now)
            self.tell(name, event)
            self.now += 0.01

    def fail_over(
        self, master: str = "mymaster1", old: Address = A, new: Address = B, epoch: int = 1, asked_for: bool = False
    ) -> None:
        """Feed a whole failover, led by the first Sentinel, because the master is down or somebody has asked for it."""
        of, at = f"{master} {old.host} {old.port}", f"@ {master} {old.host} {old.port}"
        replica = f"slave {new} {new.host} {new.port} {at}"
        if not asked_for:
            self.say(S2, f"+sdown master {of}")
            self.say(S1, f"+sdown master {of}", f"+odown master {of} #quorum 2/2")
        self.say(S1, f"+new-epoch {epoch}")
        self.say(S1, f"+try-failover master {of}", f"+elected-leader master {of}", f"+selected-slave {replica}")
        self.say(S1, f"+failover-state-wait-promotion {replica}", f"+promoted-slave {replica}")
        switched = f"+switch-master {of} {new.host} {new.port}"
        for name in (S2, S3):
            self.say(name, switched)
        self.say(S1, f"+failover-end master {of}", switched)

    def promote(self, master: str = "mymaster1", old: Address = A, new: Address = B) -> None:
        """Feed a failover from `elected` on; the promoted node then answers that it is a master."""
        of = f"{master} {old.host} {old.port}"
        self.say(S1, f"+elected-leader master {of}", f"+selected-slave slave {new} {new.host} {new.port} @ {of}")
        self.tell(None, Probe(new, "master"))

    def give_up(self, old: Address = A, new: Address = B) -> None:
        """Make a promoted node a replica again, and its predecessor the master."""
        self.now += 1
        self.tell(None, Probe(new, "slave"), Probe(old, "master"))


class FileJournal:
    """A journal in a file."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/journal.db"
        self._engine = make_engine(self.url, writing=True)
        self._store = Store("0" * 32, "here")
        with connect(self._engine, self.url) as connection:
            upgrade(connection)
            self._store.begin(connection, NOW)
        self.reader: Reader = open_reader(self.url)

    def write(self, entries: Iterable[Entry]) -> list[int]:
        """Commit entries, and return their ids in the stream."""
        with connect(self._engine, self.url) as connection:
            written = [one.id for one in self._store.apply(connection, list(entries))]
        self._store.commit()
        return written

    def close(self) -> None:
        self.reader.close()
        self._engine.dispose()


def served(
    *told: FakeDeployment, kept: FileJournal | None = None, settings: HttpSettings | None = None, **more: Any
) -> tuple[Any, ServedState]:
    """Return the API application of these deployments, and its state."""
    named = {one.watch.deployment: one for one in told}
    state = ServedState(lambda: named, None if kept is None else kept.reader)
    return create_app(state, settings or HttpSettings(LOOPBACK), **more), state


@asynccontextmanager
async def listening(
    app: Any, state: ServedState, settings: HttpSettings | None = None, **limits: Any
) -> AsyncIterator[HttpServer]:
    """Serve an application on a free port of loopback."""
    server = HttpServer(app, settings or HttpSettings(ANY_PORT), state.connections, **limits)
    await server.start()
    try:
        yield server
    finally:
        state.close()
        await server.close()


@asynccontextmanager
async def asking(app: Any, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that calls the application in this process."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8370", headers=headers) as client:
        yield client


def request_once(
    method: str, path: str, *told: FakeDeployment, token: str | None = TOKEN, json: object = None, **sources: Any
) -> httpx.Response:
    """
    Send one request to an API that orders need `TOKEN` for.

    Args:
        method: of HTTP.
        path: what to ask for.
        told: the deployments.
        token: the client's; None for none.
        json: the body.
        sources: attributes of the state that the API serves, such as ``guards``; None leaves it as it is.
    """

    async def go() -> httpx.Response:
        app, state = served(*told, settings=HttpSettings(LOOPBACK, token=TOKEN))
        for name, source in sources.items():
            if source is not None:
                setattr(state, name, source)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            async with asking(app, **headers) as client:
                return await client.request(method, path, json=json)
        finally:
            state.close()

    return asyncio.run(go())
