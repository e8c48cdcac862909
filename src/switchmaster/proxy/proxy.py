"""
One proxy: HAProxy, kept by a Watcher's belief.

`Proxy` listens to a running Watcher, in its loop. Each turn goes to the lanes, which tell HAProxy; one task sees to the
rest: that HAProxy runs, with the right configuration, and has what it should have.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from ..belief.topology import MasterState
from ..errors import SwitchmasterError, UsageError
from ..model import Address
from ..net.dial import DialTarget
from ..net.watcher import Watcher
from .companion import Companion
from .haproxy_config import HaproxyPlan, ProxiedMaster, configuration, occupy_path, slots_for, structure
from .haproxy_process import HaproxyProgram
from .master_contact import MasterContact
from .master_lane import MasterLane
from .node_places import NodePlaces
from .proxy_settings import MasterPorts, ProxySettings, prepare_folder
from .tls_files import TlsFiles, check_node_tls

__all__ = ["Proxy"]

_log = logging.getLogger("switchmaster.proxy")

LOOK_SECONDS: Final = 2.0
"""Seconds between two comparisons of what HAProxy has with what it should have."""
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
"""Seconds until HAProxy is started again, at most."""
DEAF_SECONDS: Final = 15.0
"""Seconds without a connection to any Sentinel after which HAProxy goes by its own checks: it then knows more."""
OTHER_FILES: Final = 500
"""Files that HAProxy opens for other things than clients; its head room of 100 connections included."""
LOGIN_SECONDS: Final = 10.0
"""Seconds after which the nodes' password is read again for HAProxy's checks."""


def _nothing(master: str, old: Address, new: Address) -> None:
    """Take no note of a move."""


class Proxy:
    """
    Runs HAProxy for the masters of a Watcher.

    Args:
        watcher: of the deployment; it need not run yet.
        settings: which ports, for which masters.
        on_move: called with a master's name, its old and its new address, once HAProxy leads to the new one.
    """

    def __init__(
        self, watcher: Watcher, settings: ProxySettings, on_move: Callable[[str, Address, Address], None] = _nothing
    ) -> None:
        self._watcher, self.settings, self._on_move = watcher, settings, on_move
        self._news = asyncio.Event()
        self.program = HaproxyProgram(settings.program, settings.folder, self._on_end)
        """The HAProxy."""
        self.lanes: dict[str, MasterLane] = {}
        """By the master's name."""
        self._contacts: dict[str, MasterContact] = {}
        """By the master's name; none if nothing waits for a master that is down."""
        self.drifts = 0
        """How often HAProxy had something else than it should have had."""
        self.trouble = ""
        """Why HAProxy does not run as it should; empty if it does."""
        self.connections: dict[str, int] = {}
        """Of each frontend of HAProxy, when it was last asked."""
        self.ready = asyncio.Event()
        """Set once HAProxy runs."""
        self._places = NodePlaces(watcher.dialled)
        self._companion = Companion(settings.folder, self._alive)
        self._tls = TlsFiles(settings.folder)
        self._structure = ""
        """Of the configuration that HAProxy runs with; empty before the first."""
        self._serving = False
        """Whether HAProxy has a configuration of ours."""
        self._slots: dict[str, int] = {}
        self._logins: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._heard_at: float | None = None
        self._endings: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Proxy in {self.settings.folder}>"

    async def start(self) -> None:
        """
        Follow the Watcher; HAProxy starts once enough Sentinels have answered.

        Raises:
            UsageError: the folder can't be used, another process uses it, or HAProxy can't speak the nodes' TLS.
        """
        for name in self.settings.ports or (None,):
            check_node_tls(self._watcher.node_tls(name))
        prepare_folder(self.settings.folder)
        self.program.claim()
        try:
            await self._companion.start()
        except OSError as error:
            await self.program.close(end=False)
            raise UsageError(f"the proxy's folder {self.settings.folder} can't be used: {error}") from None
        self._endings = [self._watcher.on_change(self._on_turn)]
        self._task = asyncio.create_task(self._keep(), name="switchmaster: proxy")

    async def close(self, end: bool = True) -> None:
        """
        Stop following.

        Args:
            end: whether HAProxy ends; else it goes on by its own checks.
        """
        for stop in self._endings:
            stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for contact in self._contacts.values():
            await contact.close()
        for lane in self.lanes.values():
            await lane.close()
        await self.program.close(end)
        await self._companion.close()

    @property
    def in_sync(self) -> bool:
        """Whether HAProxy had what it should have, for all masters, when it was last asked."""
        return self.ready.is_set() and not self.trouble and all(lane.in_sync for lane in self.lanes.values())

    # -- the belief ---------------------------------------------------------------------------------

    def _on_turn(self) -> None:
        if not self._watcher.established:
            return
        for name, lane in self.lanes.items():
            known = lane.announced
            lane.look(self._state(name))
            if name in self._contacts:
                self._contacts[name].follow(lane.address)
            if lane.announced != known:
                self._news.set()
        if not self.ready.is_set():
            self._news.set()

    def _state(self, name: str) -> MasterState | None:
        try:
            return self._watcher.state(name)
        except SwitchmasterError:
            return None

    def _alive(self) -> bool:
        """Whether HAProxy should go by us: it has what we believe, and we hear a Sentinel."""
        now = asyncio.get_running_loop().time()
        if self._watcher.hearing:
            self._heard_at = now
        return self._serving and self._heard_at is not None and now < self._heard_at + DEAF_SECONDS

    def _target(self, name: str, node: Address) -> DialTarget:
        """
        Return what to dial for a connection of our own to a node: the very address at which HAProxy dials it.

        Raises:
            UsageError: HAProxy can't dial it.
        """
        place = self._places.at(node)
        if place is None:
            raise UsageError(f"the address of {node} is not known")
        target = self._watcher.node_target(node, name)
        return replace(target, address=place, server_name=target.server_name or target.address.host)

    def _ports(self) -> dict[str, MasterPorts]:
        """
        Return the ports of each master.

        Raises:
            UsageError: there is one port for several masters.
        """
        only = self.settings.only
        if only is None:
            return dict(self.settings.ports)
        if self.lanes:
            return dict.fromkeys(self.lanes, only)
        names = self._watcher.masters()
        if len(names) > 1:
            raise UsageError(
                f"the Sentinels monitor {len(names)} masters ({', '.join(map(repr, names[:5]))}): give the proxy a "
                "port for each that clients need, or name one"
            )
        return dict.fromkeys(names, only)

    # -- HAProxy ------------------------------------------------------------------------------------

    def _on_end(self) -> None:
        _log.warning("the HAProxy of %s ended; it is started again", self._watcher.deployment)
        for lane in self.lanes.values():
            lane.pause()
        self._news.set()

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            self._news.clear()
            wait = LOOK_SECONDS
            try:
                if self._watcher.established:
                    await self._look()
                pause, self.trouble = FIRST_PAUSE, ""
            except (SwitchmasterError, OSError, TimeoutError) as error:
                why = str(error) or "HAProxy did not answer in time"
                if why != self.trouble:
                    _log.error("the proxy of %s: %s; it is tried again", self._watcher.deployment, why)
                self.trouble, wait = why, pause
                pause = min(2 * pause, LONGEST_PAUSE)
                await asyncio.sleep(wait)
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _look(self) -> None:
        """Have HAProxy run with the right configuration, and compare what it has with what it should have."""
        ports = self._ports()
        if not ports:
            return
        for name in ports.keys() - self.lanes.keys():
            limits, after = self.settings.limits, self.program.end_old_workers
            lane = MasterLane(name, self.program.runtime, self._places, limits, after, self._on_move)
            lane.look(self._state(name))
            self.lanes[name] = lane
            lane.start()
            if limits.failover_wait > 0:
                contact = MasterContact(partial(self._target, name), lane.refuse, limits.failover_wait)
                self._contacts[name] = contact
                contact.follow(lane.address)
        await self._places.learn(node for lane in self.lanes.values() for node in lane.announced)
        plan = await self._plan(ports)
        text, shape = configuration(plan), structure(plan)
        if shape != self._structure or not await self.program.running():
            await self._apply(text, shape)
        else:
            self.program.write(text)
        attempts = {name: lane.attempts for name, lane in self.lanes.items()}
        rows = await self.program.runtime.servers()
        right = [lane.check(rows, attempts[name]) for name, lane in self.lanes.items()]
        if self.ready.is_set():
            self.drifts += right.count(False)
        self.ready.set()
        self.connections = await self.program.runtime.connections()

    async def _apply(self, text: str, shape: str) -> None:
        # First: a configuration that HAProxy refuses must not keep it from being moved.
        await self.program.check(text)
        for lane in self.lanes.values():
            lane.pause()
        adopted = not self._serving
        # One that an earlier run left must not take our word before it has our configuration.
        self._serving = self._serving or not await self.program.running()
        self._structure = ""
        await self.program.apply(text)
        self._structure, self._serving = shape, True
        self._tls.forget_others()
        self._companion.fill(occupy_path(self.settings.folder, name) for name in self.lanes)
        if adopted:
            # Sessions of an earlier run's HAProxy may be anywhere.
            await self.program.end_old_workers()

    async def _plan(self, ports: dict[str, MasterPorts]) -> HaproxyPlan:
        masters = []
        for name, pair in sorted(ports.items()):
            lane = self.lanes[name]
            wanted = lane.wanted()
            nodes = max(len(wanted.nodes), len(wanted.readable))
            self._slots[name] = slots = slots_for(nodes, self._slots.get(name, 0))
            login = await self._login(name, lane.address)
            tls = self._tls.for_nodes(self._watcher.node_tls(name))
            one = ProxiedMaster(
                name, pair.writes, pair.reads, login, wanted.at, wanted.nodes, wanted.readable, slots, tls
            )
            masters.append(one)
        settings = self.settings
        return HaproxyPlan(
            settings.folder,
            tuple(masters),
            settings.health,
            settings.max_lag,
            settings.queue_seconds,
            min(settings.maxconn, _room(sum(1 + (pair.reads is not None) for pair in ports.values()))),
            self._tls.for_clients(settings.cert, settings.key, settings.client_ca),
        )

    async def _login(self, name: str, node: Address | None) -> tuple[str, ...]:
        """Return what HAProxy's checks say after AUTH; the last known while none can be had."""
        now = asyncio.get_running_loop().time()
        read_at, login = self._logins.get(name, (-LOGIN_SECONDS, ()))
        if node is None or now < read_at + LOGIN_SECONDS:
            return login
        given = await self._watcher.node_target(node, name).login()
        if given.withheld:
            return login  # no majority lists the node yet
        if given.password is None:
            login = ()
        else:
            login = (given.password,) if given.username is None else (given.username, given.password)
        self._logins[name] = (now, login)
        return login


def _room(ports: int) -> int:
    """Return how many connections to each port HAProxy may have, by the most files that it can open: two for each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 100_000 if hard == resource.RLIM_INFINITY else max(1, (hard - OTHER_FILES) // (2 * ports))
