"""
The guards of one deployment under asyncio: connections to all witnesses, samples when a master is lost, and the order.

It gives `switchmaster.guard.master_guard` its sockets, time and chance, and decides nothing. It lives in the loop of
its Watcher. A guard has a connection to every Sentinel that votes, and to each node of a master that is not disarmed;
the name of those connections tells other guards of it, and whether it acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from itertools import count
from typing import Any, Final

from ..belief.decisions import Notice, Switch
from ..doctor.questions import NO_SUCH_MASTER
from ..errors import UnknownMaster, UsageError, WatcherClosed
from ..guard.case import Case, OwnHealth, placed
from ..guard.evidence import Dialled, ProcessState, Sample
from ..guard.master_guard import MasterGuard, rehearse
from ..guard.orders import Collect, Order
from ..guard.policy import Arming, Policy
from ..guard.promotable import chosen
from ..guard.status import GuardStatus
from ..model import Address, Moment, SentinelName
from ..wire.facts import LinkState
from ..wire.refusal import Refusal, classify, explain
from .command_connection import CommandConnection
from .dial import DialTarget
from .kept_connection import KeptConnection, Loss
from .process_witness import ProcessWitness
from .watcher import Watcher
from .witnesses import ask_node, ask_save, client_names, collect

__all__ = ["CLIENT_NAME", "Guard"]

_log = logging.getLogger("switchmaster")

CLIENT_NAME: Final = "switchmaster-guard-"
"""What the names of an armed guard's connections begin with in CLIENT LIST; the guard's identity follows."""
DRY_NAME: Final = "switchmaster-dry-guard-"
"""The same of a guard that orders nothing, for any master: it is no rival."""
INFO_EVERY: Final = 1.0
"""Seconds between two reports of a node: so old may the lag be that a failover is decided with."""
REHEARSE_EVERY: Final = 5.0
"""Seconds between two rehearsals, and between two looks for other guards."""
REHEARSE_AGAIN: Final = 0.5
"""The same while no Sentinel has answered, as just after the start."""
ORDER_TIMEOUT: Final = 2.0
"""Seconds in which the Sentinel must answer the order."""
BEAT: Final = 0.1
"""Seconds between two measures of this loop's lateness."""
BEATS_PER_LOOK: Final = 10
"""After how many beats all masters are looked at."""
MEMORY: Final = 3.0
"""Seconds for which the loop's lateness is remembered: longer than the oldest word in a sample."""


class _Guarded:
    """One master, its guard, and the connections to its nodes."""

    def __init__(self, core: MasterGuard) -> None:
        self.core = core
        self.nodes: dict[Address, KeptConnection] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.process: ProcessWitness | None = None
        """Of the believed master, if it runs here."""
        self.rehearsal: Sample | None = None
        self.arming: Arming | None = None
        """What an operator has said since the start; None for what is configured."""
        self.suspended_until: float | None = None
        """Seconds since 1970."""


class Guard:
    """
    Guards the masters of one Watcher.

    Args:
        watcher: knows the masters; it is running.
        policy_of: returns the policy for a master, as configured.
        identity: tells this guard from others, without spaces.
        on_notice: takes what people should know.
        leased: whether this guard may act: holds the lease that it shares with others.
    """

    def __init__(
        self,
        watcher: Watcher,
        policy_of: Callable[[str], Policy],
        *,
        identity: str,
        on_notice: Callable[[Notice], None],
        leased: Callable[[], bool] = lambda: True,
    ) -> None:
        self._watcher, self._policy_of, self._leased = watcher, policy_of, leased
        self._identity = identity
        self._name = DRY_NAME + identity
        """What CLIENT LIST shows now."""
        self._on_notice = on_notice
        self._guarded: dict[str, _Guarded] = {}
        self._sentinels: dict[SentinelName, KeptConnection] = {}
        self._may_order: dict[SentinelName, bool] = {}
        self._rivals: dict[SentinelName, frozenset[str]] = {}
        self._lateness: deque[tuple[float, float]] = deque(maxlen=int(MEMORY / BEAT) + 1)
        """When the loop was how late."""
        self._tasks: dict[asyncio.Task[None], None] = {}
        """In order, so that the simulation ends them in one."""
        self._ends: list[Callable[[], None]] = []
        self._closed = False

    # -- life ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to guard, in the Watcher's loop."""
        self._ends = [self._watcher.on_switch(self._on_switch), self._watcher.on_change(self._look)]
        self._spawn(self._beat(), "guard's pulse")
        self._spawn(self._rehearse(), "guard's rehearsals")
        self._look_at_all()

    async def close(self) -> None:
        """End all connections; no task, timer or socket is left."""
        self._closed = True
        for end in self._ends:
            end()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        kept = list(self._sentinels.values())
        for guarded in self._guarded.values():
            kept += guarded.nodes.values()
            if guarded.timer is not None:
                guarded.timer.cancel()
            self._leave_process(guarded)
        await asyncio.gather(*(each.close() for each in kept))

    def apply(self) -> None:
        """Take the configured policies again; what an operator has said since the start is forgotten."""
        for guarded in self._guarded.values():
            guarded.arming = None
        self._look_at_all()

    def arm(self, master: str, arming: Arming) -> None:
        """
        Arm or disarm the guard of one master until the next start or reload.

        Raises:
            UnknownMaster: no Sentinel monitors it.
        """
        self._known(master).arming = arming
        self._look_at_all()

    def suspend(self, master: str, until_wall: float | None) -> None:
        """
        Suspend the guard of one master: it collects, and does not act.

        Args:
            master: its name.
            until_wall: until when, in seconds since 1970; None ends the suspension.

        Raises:
            UnknownMaster: no Sentinel monitors it.
        """
        self._known(master).suspended_until = until_wall

    def status(self) -> tuple[GuardStatus, ...]:
        """Return the state of each master's guard, in order of name."""
        return tuple(self._status(guarded) for _, guarded in sorted(self._guarded.items()))

    def _known(self, master: str) -> _Guarded:
        if master not in self._guarded:
            self._watcher.state(master)  # raises if it does not exist
            self._begin(master, self._policy_of(master))
        return self._guarded[master]

    # -- which connections there are ----------------------------------------------------------------

    def _look_at_all(self) -> None:
        """Guard the masters whose policy says so; called now and then, since its cost grows with all masters."""
        names = self._watcher.masters()
        for name in self._guarded.keys() - {*names}:
            self._forget(name)
        for name in names:
            guarded = self._guarded.get(name)
            policy = self._policy_of(name) if guarded is None else self._policy(name, guarded)
            if guarded is None and policy.arming is Arming.DISARMED:
                continue
            if guarded is None:
                guarded = self._begin(name, policy)
            guarded.core.policy = policy
            self._keep_nodes(guarded)
        self._keep_sentinels()

    def _begin(self, name: str, policy: Policy) -> _Guarded:
        guarded = self._guarded[name] = _Guarded(MasterGuard(self._watcher.deployment, name, policy))
        return guarded

    def _look(self) -> None:
        """Keep a connection to each node of the guarded masters; called after each turn of the Watcher."""
        if self._closed:
            return
        for name, guarded in list(self._guarded.items()):
            try:
                self._keep_nodes(guarded)
            except UnknownMaster:
                self._forget(name)
        self._keep_sentinels()

    def _policy(self, name: str, guarded: _Guarded) -> Policy:
        policy = self._policy_of(name)
        return policy if guarded.arming is None else replace(policy, arming=guarded.arming)

    def _keep_nodes(self, guarded: _Guarded) -> None:
        wanted: set[Address] = set()
        if guarded.core.policy.arming is not Arming.DISARMED:
            state = self._watcher.state(guarded.core.master)
            wanted = {each.address for each in state.replicas} | ({state.address} if state.address else set())
        for node in [node for node in guarded.nodes if node not in wanted]:
            self._spawn(guarded.nodes.pop(node).close(), f"leave {node}")
            guarded.core.forgotten(node)
        for node in sorted(wanted - guarded.nodes.keys()):
            guarded.nodes[node] = KeptConnection(
                partial(self._watcher.node_target, node, guarded.core.master),
                partial(self._follow_node, guarded, node),
                partial(self._on_loss, guarded, node),
                self._name,
                max(guarded.core.policy.evidence_timeout, 1.0),
            )

    def _take_name(self) -> None:
        """Take the name of a guard that acts, or of one that does not, on the connections to Sentinels."""
        acts = any(each.core.policy.arming is Arming.ARMED for each in self._guarded.values())
        name = (CLIENT_NAME if acts else DRY_NAME) + self._identity
        if name == self._name:
            return
        self._name = name
        for sentinel, kept in self._sentinels.items():
            kept.client_name = name
            if kept.connection is not None:
                self._spawn(self._look_around(sentinel, kept.connection), "guard's new name")

    def _keep_sentinels(self) -> None:
        self._take_name()
        armed = any(each.core.policy.arming is not Arming.DISARMED for each in self._guarded.values())
        states = self._watcher.sentinels if armed else {}
        wanted = {name for name, each in states.items() if each.state is LinkState.LIVE and self._watcher.votes(name)}
        # One that is lost keeps its connection: it may be the Watcher's link alone that has ended.
        for name in [name for name in self._sentinels if not armed or not self._watcher.votes(name)]:
            self._spawn(self._sentinels.pop(name).close(), f"leave {name}")
            self._may_order.pop(name, None)
            self._rivals.pop(name, None)
        for name in sorted(wanted - self._sentinels.keys()):
            self._sentinels[name] = KeptConnection(
                partial(self._watcher.sentinel_target, name),
                partial(self._follow_sentinel, name),
                lambda loss: None,
                self._name,
                1.0,
            )

    def _forget(self, name: str) -> None:
        guarded = self._guarded.pop(name)
        if guarded.timer is not None:
            guarded.timer.cancel()
        self._leave_process(guarded)
        for node, kept in guarded.nodes.items():
            self._spawn(kept.close(), f"leave {node}")

    # -- one witness each ---------------------------------------------------------------------------

    async def _follow_node(self, guarded: _Guarded, node: Address, connection: CommandConnection) -> None:
        timeout = max(guarded.core.policy.evidence_timeout, 1.0)
        first, save = True, None
        while True:
            report = await ask_node(node, connection, timeout, save)
            if report is not None:
                if first:
                    first, save = False, await ask_save(connection, timeout)
                    report = replace(report, snapshots=None if save is None else bool(save.strip()))
                    self._find_process(guarded, node, report.process_id)
                self._with_case(guarded, partial(guarded.core.reported, report))
            await asyncio.sleep(INFO_EVERY)

    def _find_process(self, guarded: _Guarded, node: Address, process_id: int | None) -> None:
        case = self._case(guarded)
        if case is not None and node == case.master and self._own_target(guarded, node) is not None:
            self._leave_process(guarded)
            guarded.process = ProcessWitness.find(node, process_id)

    def _leave_process(self, guarded: _Guarded) -> None:
        if guarded.process is not None:
            guarded.process.close()
            guarded.process = None

    def _on_loss(self, guarded: _Guarded, node: Address, loss: Loss) -> None:
        if loss is not Loss.FAILED and not self._closed:
            self._with_case(guarded, partial(guarded.core.lost, node))

    async def _follow_sentinel(self, name: SentinelName, connection: CommandConnection) -> None:
        while True:
            await self._look_around(name, connection)
            await asyncio.sleep(REHEARSE_EVERY)

    async def _look_around(self, name: SentinelName, connection: CommandConnection) -> None:
        """Say our name to a Sentinel, and ask for our right there and for the other guards."""
        asked = (
            ("CLIENT", "SETNAME", self._name),
            ("SENTINEL", "FAILOVER", NO_SUCH_MASTER),
            ("CLIENT", "LIST", "TYPE", "normal"),
        )
        with contextlib.suppress(OSError, TimeoutError):  # the connection has ended, then
            _, right, clients = await connection.ask(*asked, timeout=ORDER_TIMEOUT)
            self._may_order[name] = classify(right) is not Refusal.PERMISSION
            if isinstance(clients, bytes):
                self._rivals[name] = frozenset(client_names(clients, CLIENT_NAME)) - {CLIENT_NAME + self._identity}

    # -- the core, fed ------------------------------------------------------------------------------

    def _case(self, guarded: _Guarded, sample: Sample | None = None) -> Case | None:
        try:
            state = self._watcher.state(guarded.core.master)
        except (UnknownMaster, WatcherClosed):
            return None
        return Case(
            policy=guarded.core.policy,
            state=state,
            sentinels={name: each for name, each in self._watcher.sentinels.items() if self._watcher.votes(name)},
            reports=guarded.core.reports,
            now=asyncio.get_running_loop().time(),
            sample=sample,
            failed_over_at=guarded.core.failed_over_at,
            own=self._health(guarded),
        )

    def _health(self, guarded: _Guarded) -> OwnHealth:
        since = asyncio.get_running_loop().time() - MEMORY
        until = guarded.suspended_until
        leased = self._leased()
        return OwnHealth(
            late=max((late for at, late in self._lateness if at >= since), default=0.0),
            rivals=tuple(sorted(frozenset().union(*self._rivals.values()))) if leased else (),
            leased=leased,
            maintenance=until is not None and time.time() < until,
        )

    def _with_case(self, guarded: _Guarded, feed: Callable[[Case, Moment], None], sample: Sample | None = None) -> None:
        case = self._case(guarded, sample)
        if case is not None:
            feed(case, self._moment())
            self._carry_out(guarded)

    def _moment(self) -> Moment:
        return Moment(asyncio.get_running_loop().time(), time.time())

    def _carry_out(self, guarded: _Guarded) -> None:
        for decision in guarded.core.decisions():
            match decision:
                case Notice():
                    self._tell(decision)
                case Collect():
                    self._spawn(self._collect(guarded, decision), "guard's sample")
                case Order():
                    self._spawn(self._order(guarded, decision), "guard's order")
        self._arm_timer(guarded)

    def _tell(self, notice: Notice) -> None:
        try:
            self._on_notice(notice)
        except Exception:
            # An error of the caller's code must not end the walk of a guard.
            _log.exception("the callback for notices of %s failed", notice.master)

    def _arm_timer(self, guarded: _Guarded) -> None:
        if guarded.timer is not None:
            guarded.timer.cancel()
            guarded.timer = None
        due = guarded.core.deadline
        if due is not None and not self._closed:
            guarded.timer = asyncio.get_running_loop().call_at(due, self._ring, guarded)

    def _ring(self, guarded: _Guarded) -> None:
        guarded.timer = None
        guarded.core.tick(self._moment())
        self._carry_out(guarded)

    async def _collect(self, guarded: _Guarded, wanted: Collect) -> None:
        def suffices(sample: Sample) -> bool:
            case = self._case(guarded, sample)
            return case is None or guarded.core.suffices(case)

        sample = await self._sample(guarded, wanted.node, wanted.timeout, suffices)
        if sample.dialled is Dialled.ACCEPTED and wanted.node in guarded.nodes:
            guarded.nodes[wanted.node].hurry()  # what a restart brought back is in its INFO
        self._with_case(guarded, guarded.core.sampled, sample)

    async def _sample(
        self,
        guarded: _Guarded,
        master: Address,
        timeout: float,
        suffices: Callable[[Sample], bool] | None = None,
    ) -> Sample:
        nodes = {node: kept.connection for node, kept in guarded.nodes.items() if node != master}
        sentinels = {name: kept.connection for name, kept in self._sentinels.items()}

        def process() -> ProcessState:
            return ProcessState.UNKNOWN if guarded.process is None else guarded.process.state

        target = self._own_target(guarded, master)
        return await collect(master, guarded.core.master, target, sentinels, nodes, process, timeout, suffices)

    def _own_target(self, guarded: _Guarded, node: Address) -> DialTarget | None:
        """
        Return what to dial at the node's own address; None if the way there leads through something else.

        That is an ``address_map``, a host name (which may be a service's), or a port on which the node itself, by its
        INFO, does not listen.
        """
        with contextlib.suppress(UsageError, ValueError):
            target = self._watcher.node_target(node, guarded.core.master)
            ip_address(node.host)
            report = guarded.core.reports.get(node)
            own = report is None or report.port is None or report.port == node.port or target.context is not None
            return target if target.address == node and own else None
        return None

    async def _order(self, guarded: _Guarded, order: Order) -> None:
        kept = self._sentinels.get(order.sentinel)
        refusal = "there is no connection to it"
        if kept is not None and kept.connection is not None:
            try:
                (reply,) = await kept.connection.ask(("SENTINEL", "FAILOVER", order.master), timeout=ORDER_TIMEOUT)
                refusal = "" if classify(reply) is None else explain(reply)
            except TimeoutError:
                refusal = f"no answer within {ORDER_TIMEOUT:g} s"
            except OSError:
                refusal = "it ended the connection"
        guarded.core.ordered(refusal, self._moment())
        self._carry_out(guarded)

    def _on_switch(self, switch: Switch) -> None:
        guarded = self._guarded.get(switch.master)
        if guarded is not None:
            self._leave_process(guarded)
            guarded.core.switched(switch, self._moment())
            self._carry_out(guarded)

    # -- in the background --------------------------------------------------------------------------

    async def _beat(self) -> None:
        """Measure how late this loop is, and look for masters that are new, or gone."""
        loop = asyncio.get_running_loop()
        for number in count(1):
            wanted = loop.time() + BEAT
            await asyncio.sleep(BEAT)
            self._lateness.append((loop.time(), loop.time() - wanted))
            if number % BEATS_PER_LOOK == 0:
                self._look_at_all()

    async def _rehearse(self) -> None:
        """Ask the witnesses of each living master now and then, so that `status` can say what would be done."""
        while True:
            pause = REHEARSE_EVERY
            for guarded in list(self._guarded.values()):
                case = self._case(guarded)
                if case is None or case.master is None or guarded.core.policy.arming is Arming.DISARMED:
                    continue
                guarded.rehearsal = await self._sample(guarded, case.master, guarded.core.policy.evidence_timeout)
                if not guarded.rehearsal.sentinels:
                    pause = REHEARSE_AGAIN
            await asyncio.sleep(pause)

    def _status(self, guarded: _Guarded) -> GuardStatus:
        case, core = self._case(guarded, guarded.rehearsal), guarded.core
        word = placed(case) if case is not None else None
        rights = [self._may_order[name] for name in self._may_order]
        outlook = () if case is None else rehearse(case)
        if rights and not any(rights):
            outlook = (*outlook, "no Sentinel lets this user send SENTINEL FAILOVER")
        until = guarded.suspended_until
        return GuardStatus(
            deployment=core.deployment,
            master=core.master,
            address=case.master if case is not None else None,
            policy=core.policy,
            phase=core.phase,
            outlook=outlook if case is not None else ("the master is not known",),
            would_ask=word.sentinel if word is not None else None,
            would_promote=chosen(word.master, word.replicas) if word is not None else None,
            may_order=any(rights) if rights else None,
            reports=dict(core.reports),
            counts=dict(core.counts),
            objected=dict(core.objected),
            suspended_until=until if until is not None and time.time() < until else None,
        )

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=f"switchmaster: {name}")
        self._tasks[task] = None
        task.add_done_callback(lambda task: self._tasks.pop(task, None))
