"""
The daemon: the only place where the parts of the program are put together.

`Daemon.run` watches all deployments and keeps the journal until a signal: SIGTERM and SIGINT drain the journal and are
then raised again, SIGHUP reads the configuration again, SIGUSR1 prints the belief on standard output. What did not
change in the configuration keeps its connections.

Threads: this loop listens to Sentinels; one thread writes the journal; one serves HTTP from values that this loop hands
over.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from ..errors import SwitchmasterError
from ..journal.entries import Alive, RelayPlace, Seen
from ..journal.guard_lease import FAILOVERS, open_lease
from ..journal.reader import Reader, open_reader
from ..journal.recorded import acknowledge_when_recorded
from ..journal.retention import Retention
from ..journal.writer import Writer, WriterCallbacks, Written
from ..model import Address
from ..planned.progress import Conclusion
from ..render import Line, iso, to_json, topology_line
from .api import HttpConnections, HttpServer, HttpThread, Metrics, ServedState, create_app
from .daemon_actions import DaemonActions
from .daemon_claims import DaemonClaims
from .deployment_doctor import DeploymentDoctor
from .deployment_failover import DeploymentFailover
from .deployment_guard import DeploymentGuard
from .deployment_proxy import DeploymentProxy
from .deployment_relay import DeploymentRelay
from .deployment_watch import DeploymentWatch
from .journal_log import JournalLog
from .log_format import set_up
from .loop_load import is_busy
from .published_belief import PublishedBelief
from .settings.configuration import Configuration, DeploymentSettings, JournalSettings
from .systemd import Systemd

__all__ = ["Daemon"]

_log = logging.getLogger("switchmaster.daemon")

HEARTBEAT_SECONDS: Final = 10.0
"""Seconds between two journal entries that record which deployments are heard."""
CHECK_SECONDS: Final = 1.0
"""Seconds between two checks of the daemon's own state."""
DRAIN_SECONDS: Final = 10.0
"""Seconds that the journal has to write what waits when the daemon ends."""
NOTICES: Final = 1_000
"""Notices of a deployment from which its doctor learns what it found before a restart."""


class Daemon:
    """
    Everything that runs in one process.

    Args:
        read: reads the configuration, at the start and at each reload.

    Raises:
        UsageError: the configuration is wrong.
    """

    def __init__(self, read: Callable[[], Configuration]) -> None:
        self._read = read
        self.configuration = read()
        """As last read."""
        self.watchings: dict[str, DeploymentWatch] = {}
        """By the deployment's name."""
        self.run_id = uuid.uuid4().hex
        """This run's id in the journal."""
        self.started = time.time()
        """Seconds since 1970."""
        self.reloads = 0
        self._watched = 0
        """How many times watching a deployment was started."""
        self._narrator = JournalLog()
        self._listeners: list[Callable[[Sequence[Written]], None]] = [self._narrator.written]
        journal, http = self.configuration.journal, self.configuration.http
        self._journal_url = journal.url
        """As of the start: another one takes effect when the daemon restarts."""
        self.writer = self._make_writer(journal)
        self.reader: Reader = open_reader(journal.url)
        self.actions = DaemonActions(journal.url, self.run_id, journal.observer, self._beliefs, self.writer.put)
        """What follows a switch."""
        self.claims = DaemonClaims(
            journal.url, self.run_id, journal.observer, self._beliefs, self._follow_claims, self._tell
        )
        """Which deployments this daemon watches."""
        self._published: Mapping[str, PublishedBelief] = {}
        """For other threads: a new mapping with every change."""
        # So are these.
        self._guards: Mapping[str, DeploymentGuard] = {}
        self._relays: Mapping[str, DeploymentRelay] = {}
        self._proxies: Mapping[str, DeploymentProxy] = {}
        self._planned: Mapping[str, DeploymentFailover] = {}
        self._doctors: Mapping[str, DeploymentDoctor] = {}
        self.served = ServedState(
            self._beliefs,
            self.reader,
            self.writer,
            guards=lambda: self._guards,
            relays=lambda: self._relays,
            proxies=lambda: self._proxies,
            failovers=lambda: self._planned,
            doctors=lambda: self._doctors,
            actions=self.actions,
            claims=self.claims,
            connections=HttpConnections(http.connections, http.connections_per_peer),
        )
        """What the HTTP thread serves."""
        self.metrics = Metrics(self.served)
        server = HttpServer(create_app(self.served, http, self.metrics), http, self.served.connections)
        self.http = HttpThread(server, self.served)
        self._listeners += [lambda _: self.served.stream.wake(), self.metrics.committed, self.actions.written]
        self._systemd = Systemd(os.environ)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Future[int] | None = None
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def _make_writer(self, journal: JournalSettings) -> Writer:
        callbacks = WriterCallbacks(
            self._written,
            self._narrator.waiting,
            self._doubted,
            relays=self._relays_read,
            busy=lambda: self._loop is not None and is_busy(self._loop),
        )
        kept = _kept(journal)
        return Writer(journal.url, self.run_id, journal.observer, queue=journal.queue, kept=kept, callbacks=callbacks)

    def _beliefs(self) -> Mapping[str, PublishedBelief]:
        return self._published

    def on_written(self, callback: Callable[[Sequence[Written]], None]) -> Callable[[], None]:
        """Call back in the writer's thread with what each commit adds to the stream; return what stops it."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    async def run(self) -> int:
        """
        Run until a signal.

        Returns:
            The signal; the caller raises it again.

        Raises:
            UsageError: a later version made the journal, or a deployment's arguments are wrong.
        """
        self._loop = asyncio.get_running_loop()
        self._stop = self._loop.create_future()
        set_up(self.configuration.log.format, self.configuration.log.level)
        await self._serve()
        try:
            await asyncio.to_thread(self.writer.open)
            await self.claims.apply(self.configuration.share, (one.name for one in self.configuration.deployments))
            await self.claims.begin()
            watched = (one.name for one in self.configuration.deployments if one.name in self.claims.held)
            self._tell(f"started, watching {', '.join(watched) or 'nothing yet'}")
            self._spawn(self.claims.live(), "claims")
            await self._watch_claimed()
            await self.actions.apply(self.configuration.actions)
            self._catch_signals()
            self._spawn(self._live(), "live")
            self._systemd.ready(self._status())
            return await self._stop
        finally:
            await self._end()

    async def _serve(self) -> None:
        await self.http.start()
        _log.info("serving HTTP", extra={"fields": {"url": self.http.url}})
        for warning in self.configuration.http.warnings():
            _log.warning("%s", warning)

    def _publish(self) -> None:
        self._published = {name: one.published for name, one in self.watchings.items()}
        self._guards = {name: one.guard for name, one in self.watchings.items()}
        self._relays = {name: one.relay for name, one in self.watchings.items()}
        self._proxies = {name: one.proxy for name, one in self.watchings.items()}
        self._planned = {name: one.planned for name, one in self.watchings.items()}
        self._doctors = {name: one.doctor for name, one in self.watchings.items()}

    # -- deployments --------------------------------------------------------------------------------

    async def _watch(self, deployment: DeploymentSettings) -> None:
        self._watched += 1
        events = self.configuration.journal.events
        watching = DeploymentWatch(
            deployment,
            self.writer.put,
            events,
            self._watched,
            self.run_id,
            open_lease(self._journal_url, deployment.name),
            open_lease(self._journal_url, deployment.name, FAILOVERS),
            partial(self._acknowledge, deployment.name),
            partial(self._noticed, deployment.name),
        )
        self.watchings[deployment.name] = watching
        self._publish()
        self.metrics.follow(watching.watcher)
        watching.on_guard_notice(self.metrics.noticed)
        watching.pulse.on_answer = partial(self.metrics.answered, deployment.name)
        await watching.start()

    async def _watch_claimed(self) -> None:
        """Watch what this daemon is to watch, and nothing else."""
        failed: SwitchmasterError | None = None
        async with self._reloading:
            for deployment in self.configuration.deployments:
                if deployment.name in self.claims.held and deployment.name not in self.watchings:
                    try:
                        await self._watch(deployment)
                    except SwitchmasterError as error:
                        failed = failed or error
            for name, watching in list(self.watchings.items()):
                if name not in self.claims.held:
                    del self.watchings[name]
                    self._publish()
                    await watching.close()
        if failed is not None:
            raise failed

    def _follow_claims(self) -> None:
        async def follow() -> None:
            try:
                await self._watch_claimed()
            except SwitchmasterError as error:
                _log.error("not every deployment that was claimed is watched: %s", error)

        self._spawn(follow(), "claimed")

    def _noticed(self, deployment: str) -> list[Line]:
        return self.reader.newest_entries(("notice",), deployment, limit=NOTICES).items

    def _acknowledge(self, deployment: str, conclusion: Conclusion, by: str) -> None:
        """Acknowledge a planned failover, in a thread of its own: nobody has to look into it."""
        master = conclusion.plan.request.master
        try:
            if acknowledge_when_recorded(self.reader, deployment, master, conclusion.epoch, by or "switchmaster"):
                return
            why = "it was not recorded"
        except SwitchmasterError as error:
            why = str(error)
        _log.warning("the planned failover of %s was not acknowledged: %s", master, why)

    async def reload(self) -> None:
        """
        Read the configuration again and apply what changed.

        A wrong configuration is logged, and the old one stays. A deployment that changed gets a new Watcher before its
        old connections are closed; one that did not change keeps its connections.
        """
        async with self._reloading:
            self._systemd.reloading()
            try:
                new = self._read()
            except SwitchmasterError as error:
                _log.error("the configuration was not reloaded: %s", error)
            else:
                try:
                    await self._change(new)
                except SwitchmasterError as error:
                    _log.error("the configuration was reloaded in part: %s", error)
            self._systemd.ready(self._status())

    async def _change(self, new: Configuration) -> None:
        old, self.configuration = self.configuration, new
        set_up(new.log.format, new.log.level)
        self.writer.kept = _kept(new.journal)
        if (old.journal.url, old.journal.observer, old.journal.queue) != (
            new.journal.url,
            new.journal.observer,
            new.journal.queue,
        ):
            _log.warning("journal.url, journal.observer and journal.queue take effect when the daemon restarts")
        if old.http != new.http:
            _log.warning("changes in [http] take effect when the daemon restarts")
        await self.http.renew_certificate()
        wanted = {one.name: one for one in new.deployments}
        await self.claims.apply(new.share, wanted)
        for name, watching in list(self.watchings.items()):
            if name not in wanted:
                del self.watchings[name]
                self._publish()
                await watching.close()
        changed = []
        for name, deployment in wanted.items():
            current = self.watchings.get(name)
            if name not in self.claims.held:
                continue
            if current is not None and current.deployment.fingerprint == deployment.fingerprint:
                current.keep_events(new.journal.events)
                await current.apply(deployment)
                continue
            changed.append(name)
            if current is not None:
                await current.guard.close()  # two guards of one daemon must not act on one death
                await current.relay.close()  # the new one listens at the same address
                await current.proxy.release()  # the new one finds its HAProxy
            await self._watch(deployment)
            if current is not None:
                await current.close()
        await self.actions.apply(new.actions)
        self.reloads += 1
        self._tell(f"reloaded; new connections for: {', '.join(changed) or 'no deployment'}")

    # -- the journal's callbacks, in its thread ------------------------------------------------------

    def _written(self, news: Sequence[Written]) -> None:
        for listener in list(self._listeners):
            listener(news)

    def _doubted(self, masters: set[tuple[str, str]]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._look_again, masters)

    def _look_again(self, masters: set[tuple[str, str]]) -> None:
        for deployment, master in masters:
            if deployment in self.watchings:
                self.watchings[deployment].look_again([master])

    def _relays_read(self, relays: Mapping[str, tuple[Address, ...]]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._name_relays, relays)

    def _name_relays(self, relays: Mapping[str, tuple[Address, ...]]) -> None:
        for deployment, watching in self.watchings.items():
            watching.relay.found(relays.get(deployment, ()))

    # -- life ---------------------------------------------------------------------------------------

    def _tell(self, text: str) -> None:
        now = time.time()
        self.writer.put(Seen(now, {"type": "daemon", "time": iso(now), "text": text}))

    async def _live(self) -> None:
        """Report that the daemon is alive, to the journal and, from this very loop, to systemd."""
        every = min(CHECK_SECONDS, (self._systemd.watchdog or 2 * CHECK_SECONDS) / 2)
        due, status = 0.0, ""
        told: tuple[tuple[str, ...], tuple[RelayPlace, ...]] = ((), ())
        wanted = time.monotonic()
        while True:
            self._systemd.alive()
            now = time.monotonic()
            self.served.turn(now - wanted)
            late, masters = max(0.0, now - wanted), self._masters
            for watching in self.watchings.values():
                watching.watcher.spread(masters)
                watching.beat(late)
            heard = tuple(name for name, one in self.watchings.items() if one.watcher.hearing)
            relays = tuple(
                RelayPlace(name, one.relay.announced)
                for name, one in self.watchings.items()
                if one.relay.announced is not None
            )
            if now >= due or (heard, relays) != told:
                due, told = now + HEARTBEAT_SECONDS, (heard, relays)
                self.writer.put(Alive(time.time(), heard, relays))
            if (words := self._status_of(len(heard), masters)) != status:
                status = words
                self._systemd.status(status)
            wanted = time.monotonic() + every
            await asyncio.sleep(every)

    @property
    def _masters(self) -> int:
        """How many masters are known."""
        return sum(one.published.known for one in self.watchings.values())

    def _status(self) -> str:
        return self._status_of(sum(one.watcher.hearing for one in self.watchings.values()), self._masters)

    def _status_of(self, heard: int, masters: int) -> str:
        words = f"hearing {heard} of {len(self.watchings)} deployments, {masters} masters"
        if self.claims.trouble is not None:
            words += "; claims can't be renewed"
        return f"{words}; journal unavailable, {self.writer.waiting} waiting" if self.writer.trouble else words

    def _catch_signals(self) -> None:
        assert self._loop is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop_by, number)
        self._loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self.reload(), "reload"))
        self._loop.add_signal_handler(signal.SIGUSR1, self.print_belief)

    def _stop_by(self, number: int) -> None:
        assert self._loop is not None
        assert self._stop is not None
        # A second signal ends the process at once.
        for one in (signal.SIGTERM, signal.SIGINT):
            self._loop.remove_signal_handler(one)
        if not self._stop.done():
            self._stop.set_result(number)

    def print_belief(self) -> None:
        """Print the belief on standard output, one line of JSON for each deployment."""
        for _, watching in sorted(self.watchings.items()):
            sys.stdout.write(to_json(topology_line(watching.topology)) + "\n")
        sys.stdout.flush()

    def _spawn(self, coroutine: object, name: str) -> None:
        assert self._loop is not None
        task: asyncio.Task[None] = self._loop.create_task(coroutine, name=f"switchmaster: {name}")  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self) -> None:
        self._systemd.stopping()
        await self.claims.leave()
        if self.claims.settings is not None:
            async with self._reloading:  # what was claimed last is not left half begun
                pass
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.http.close()
        await self.actions.close()
        for watching in self.watchings.values():
            await watching.close()
        self._tell("stopped")
        left = await asyncio.to_thread(self.writer.close, DRAIN_SECONDS)
        if left:
            _log.error("%d entries are lost, the journal was unavailable until the end: %s", left, self.writer.trouble)
        self.reader.close()


def _kept(journal: JournalSettings) -> Retention:
    return Retention(journal.keep, journal.keep_events, journal.max_size)
