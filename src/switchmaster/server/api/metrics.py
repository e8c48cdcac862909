"""
The exposition for Prometheus: events are counted as they happen, states are read when Prometheus scrapes.

`Metrics.follow` counts what a Watcher decides. `Metrics.exposition` reads the belief in the loop and writes the text in
a thread: for 10,000 masters that takes a while.

Names from the network become labels: `stored` makes each of them valid UTF-8, and distinct names stay distinct. At most
`MASTERS_MAX` masters are counted by name; a Sentinel that invents more has them counted under ``(others)``.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from ...belief.decisions import Notice, NoticeKind, Switch
from ...belief.failover import Failover, FailoverKind
from ...belief.topology import Topology
from ...guard.policy import Arming
from ...journal.stored_names import stored
from ...journal.writer import Written
from ...link.counters import LinkCounters
from ...model import Address, SentinelName, Via
from ...wire.facts import LinkState
from .claim_lines import claim_lines
from .metric_families import FAMILIES, METRIC_PREFIX
from .served_state import LinkReadings, ServedState

__all__ = ["CONTENT_TYPE", "Decisions", "Metrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MASTERS_MAX: Final = 10_000
OTHER_MASTERS: Final = "(others)"
FAILOVERS_REMEMBERED: Final = 10_000
"""Failovers that are remembered, so that none is counted twice; the oldest are forgotten first."""
UNCOUNTED_MAX: Final = 10_000
"""Switches and failovers that wait to be counted, at most; then they are counted at once."""
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)
PING_BUCKETS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

Sample = tuple[tuple[str, ...], float]
"""The values of the labels, and the value."""


class Decisions(Protocol):
    """The source of decisions (`switchmaster.Watcher`)."""

    def on_switch(self, callback: Callable[[Switch], None]) -> Callable[[], None]:
        """Call back with each switch."""

    def on_failover(self, callback: Callable[[Failover], None]) -> Callable[[], None]:
        """Call back with each failover's record as it grows."""

    def on_notice(self, callback: Callable[[Notice], None]) -> Callable[[], None]:
        """Call back with each notice."""


@dataclass(frozen=True, slots=True)
class _Look:
    """The state of one deployment at a scrape."""

    topology: Topology
    links: LinkReadings
    hearing: bool
    established: bool
    counters: dict[str, int]
    forced: Mapping[str, int]


class Metrics:
    """
    The metrics of one daemon.

    Args:
        state: what is read at each scrape.
    """

    def __init__(self, state: ServedState) -> None:
        self._state = state
        # They double the number of series, and Prometheus does not read them from text.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._switches = self._counter("switches")
        self._failovers = self._counter("failovers")
        self._suspicions = self._counter("suspicions")
        self._missed = self._counter("missed")
        self._notices = self._counter("notices")
        self._beyond = self._counter("metrics_masters_beyond")
        self._phases = self._histogram("failover_phase_seconds", BUCKETS)
        self._pings = self._histogram("node_ping_seconds", PING_BUCKETS)
        self._masters: set[tuple[str, str]] = set()
        self._asked: dict[tuple[str, str], Address] = {}
        """Where a master is being moved because somebody has asked for it."""
        self._planned: dict[tuple[str, str], float] = {}
        """When a master last moved because of that, in seconds since 1970."""
        self._writing = asyncio.Lock()
        self._uncounted: deque[Switch | Failover] = deque()
        """What is counted when metrics are read: in a storm the loop that decides has no time for it."""
        self._away: OrderedDict[str, None] = OrderedDict()
        """Failovers that no daemon heard, by id."""

    def _counter(self, name: str) -> Counter:
        family = FAMILIES[name]
        return Counter(METRIC_PREFIX + name, family.text, family.labels, registry=self._registry)

    def _histogram(self, name: str, buckets: Sequence[float]) -> Histogram:
        family = FAMILIES[name]
        return Histogram(METRIC_PREFIX + name, family.text, family.labels, registry=self._registry, buckets=buckets)

    # -- what happens -------------------------------------------------------------------------------

    def follow(self, watcher: Decisions) -> None:
        """Count what a Watcher decides, as long as it lives."""
        counted: OrderedDict[tuple[str, int], None] = OrderedDict()

        def on_failover(record: Failover) -> None:
            self._follow_request(record)
            key = (record.master, record.number)
            if record.closed and key not in counted:
                counted[key] = None
                if len(counted) > FAILOVERS_REMEMBERED:
                    counted.popitem(last=False)
                self._count_later(record)

        watcher.on_switch(self._switched)
        watcher.on_failover(on_failover)
        watcher.on_notice(self.noticed)

    def committed(self, news: Sequence[Written]) -> None:
        """Count failovers of a commit that no daemon heard; called in the writer's thread."""
        for one in news:
            if one.failover is None or one.type != "failover" or not one.missed:
                continue
            if one.failover not in self._away:
                self._away[one.failover] = None
                if len(self._away) > FAILOVERS_REMEMBERED:
                    self._away.popitem(last=False)
                self._missed.labels(stored(one.line["deployment"]), "away").inc()

    def _follow_request(self, record: Failover) -> None:
        moved = (record.deployment, record.master)
        if record.kind in _ASKED_FOR and record.new is not None and not record.closed:
            self._asked[moved] = record.new
        elif record.closed:
            self._asked.pop(moved, None)

    def _switched(self, switch: Switch) -> None:
        if self._asked.get((switch.deployment, switch.master)) == switch.new and switch.time is not None:
            self._planned[self._of(switch.deployment, switch.master)] = switch.time
        self._count_later(switch)

    def _count_later(self, decision: Switch | Failover) -> None:
        self._uncounted.append(decision)
        if len(self._uncounted) >= UNCOUNTED_MAX:
            self._count()

    def _count(self) -> None:
        """Count what was put off; in any thread, also in two at once."""
        while self._uncounted:
            try:
                decision = self._uncounted.popleft()
            except IndexError:
                return
            if isinstance(decision, Switch):
                self._moved(decision)
            else:
                self._ended(decision)

    def _moved(self, switch: Switch) -> None:
        of = self._of(switch.deployment, switch.master)
        self._switches.labels(*of, str(switch.grade), str(switch.cause)).inc()
        if switch.via is Via.SNAPSHOT:
            self._missed.labels(of[0], "switch").inc()

    def _ended(self, record: Failover) -> None:
        of = self._of(record.deployment, record.master)
        if not record.attempted:
            self._suspicions.labels(*of).inc()
            return
        self._failovers.labels(*of, str(record.outcome), "unknown" if record.kind is None else str(record.kind)).inc()
        for phase, seconds in record.durations.items():
            self._phases.labels(of[0], phase).observe(seconds)

    def noticed(self, notice: Notice) -> None:
        """Count a notice."""
        self._notices.labels(stored(notice.deployment), str(notice.kind)).inc()
        if notice.kind is NoticeKind.MISSED:
            self._missed.labels(stored(notice.deployment), "epoch").inc()

    def answered(self, deployment: str, master: str, seconds: float) -> None:
        """Count a node's answer to PING."""
        self._pings.labels(*self._of(deployment, master)).observe(seconds)

    def _of(self, deployment: str, master: str) -> tuple[str, str]:
        of = (stored(deployment), stored(master))
        if of not in self._masters:
            if len(self._masters) >= MASTERS_MAX:
                self._beyond.inc()
                return of[0], OTHER_MASTERS
            self._masters.add(of)
        return of

    # -- how things stand ---------------------------------------------------------------------------

    async def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        now = time.time()
        self._count()
        looks = [
            _Look(one.topology, one.links(), one.hearing, one.established, one.counters, one.forced)
            for one in self._state.chosen(None).values()
        ]
        scrape = _Scrape(self._registry, looks, self._state, now, dict(self._planned))
        async with self._writing:
            return await asyncio.to_thread(lambda: generate_latest(scrape))


@dataclass(frozen=True, slots=True)
class _Scrape:
    """The result of one scrape, with the interface of a prometheus_client registry."""

    registry: CollectorRegistry
    looks: list[_Look]
    state: ServedState
    now: float
    planned: dict[tuple[str, str], float]

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        yield from self.registry.collect()
        samples: dict[str, list[Sample]] = {"build_info": [((self.state.version,), 1)]}
        for look in self.looks:
            for name, labels, value in (*_deployment(look), *_masters(look), *_sentinels(look, self.now)):
                samples.setdefault(name, []).append((labels, value))
        for name, labels, value in (
            *_guards(self.state),
            *_doctors(self.state),
            *_relays(self.state),
            *_actions(self.state),
            *_proxies(self.state),
            *_journal(self.state),
            *_claims(self.state),
            *_served(self.state),
        ):
            samples.setdefault(name, []).append((labels, value))
        samples["master_last_planned_switch_timestamp_seconds"] = list(self.planned.items())
        for name, found in samples.items():
            yield _family(name, found)


def _family(name: str, samples: Iterable[Sample]) -> Metric:
    family = FAMILIES[name]
    make: Any = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric: Metric = make(METRIC_PREFIX + name, family.text, labels=family.labels)
    for labels, value in samples:
        metric.add_metric(labels, value)  # type: ignore[attr-defined]
    return metric


_ASKED_FOR: Final = (FailoverKind.MANUAL, FailoverKind.COORDINATED)

Found = Iterator[tuple[str, tuple[str, ...], float]]
"""Family, values of the labels, value."""


def _deployment(look: _Look) -> Found:
    of = stored(look.topology.deployment)
    yield "deployment_hearing", (of,), look.hearing
    yield "deployment_established", (of,), look.established
    for what, count in look.counters.items():
        yield "watcher", (of, what), count
    for limit, count in look.forced.items():
        yield "journal_forced_turns", (of, limit), count


def _masters(look: _Look) -> Found:
    deployment = stored(look.topology.deployment)
    for name, state in look.topology.masters.items():
        of = (deployment, stored(name))
        if state.address is not None:
            yield "master_info", (*of, stored(str(state.address))), 1
        yield "master_health", (*of, str(state.health)), 1
        if state.epoch is not None:
            yield "master_config_epoch", of, state.epoch
        yield "master_grade", of, state.grade
        yield "master_replicas", of, len(state.replicas)
        yield "master_replicas_down", of, sum(bool(replica.down_by) for replica in state.replicas)
        yield "master_disagreeing_sentinels", of, len(state.disagreeing)
        yield "master_failover_in_progress", of, state.failing_over
        yield "master_sentinels", of, state.electorate.known
        yield "master_unaware_sentinels", of, len(state.electorate.unaware)
        if state.electorate.possible is not None:
            yield "master_failover_possible", of, state.electorate.possible
        if state.switch is not None and state.switch.time is not None:
            yield "master_last_switch_timestamp_seconds", of, state.switch.time


def _sentinels(look: _Look, now: float) -> Found:
    deployment = stored(look.topology.deployment)
    disagreeing: dict[SentinelName, int] = {}
    for state in look.topology.masters.values():
        for opinion in state.disagreeing:
            disagreeing[opinion.sentinel] = disagreeing.get(opinion.sentinel, 0) + 1
    for name, sentinel in look.topology.sentinels.items():
        of = (deployment, stored(name))
        silence, counters = look.links.get(name, (None, LinkCounters()))
        yield "sentinel_connected", of, sentinel.state is LinkState.LIVE
        yield "sentinel_tilt", of, sentinel.tilt
        yield "sentinel_shares_id", of, bool(sentinel.shares_id_with)
        yield "sentinel_scripts_waiting", of, sentinel.scripts_waiting
        yield "sentinel_messages", of, counters.events
        yield "sentinel_disagreeing_masters", of, disagreeing.get(name, 0)
        if silence is not None:
            yield "sentinel_last_message_timestamp_seconds", of, now - silence


_GUARD_COUNTS: Final = {
    **{name: f"guard_{name}" for name in ("walks", "samples", "orders", "verified", "in_vain")},
    "restarts": "master_restarts",
    "empty": "master_came_back_empty",
}
"""The family of each of `GuardStatus.counts`."""


def _guards(state: ServedState) -> Found:
    for deployment, guard in state.guards().items():
        statuses = guard.statuses
        if statuses and guard.leased is not None:
            yield "guard_leased", (stored(deployment),), guard.leased
        for name, status in statuses.items():
            of = (stored(deployment), stored(name))
            yield "guard_armed", (*of, str(status.policy.arming)), 1
            if status.policy.arming is Arming.DISARMED and not any(status.counts.values()):
                continue  # there may be thousands beside one that is guarded
            yield "guard_would_act", of, not status.outlook
            if status.may_order is not None:
                yield "guard_may_order", of, status.may_order
            for count, family in _GUARD_COUNTS.items():
                yield family, of, status.counts.get(count, 0)
            for objection, times in status.objected.items():
                yield "guard_objections", (*of, objection), times


def _doctors(state: ServedState) -> Found:
    for deployment, doctor in state.doctors().items():
        report, of = doctor.report, stored(deployment)
        if report is None:
            continue
        yield "doctor_last_inspection_timestamp_seconds", (of,), report.found.wall
        yield "doctor_inspection_seconds", (of,), report.found.seconds
        firing: dict[tuple[str, str], int] = {}
        for one in report.diagnosis.findings:
            for each in (one, *one.also):
                key = (each.rule, str(each.severity))
                firing[key] = firing.get(key, 0) + 1 + len(each.same_in)
        for (rule, severity), count in firing.items():
            yield "doctor_findings", (of, rule, severity), count


_RELAY_NUMBERS: Final = (
    *("clients", "subscribers", "stale", "connections", "rejected", "commands", "errors", "auth_failures"),
    *("messages", "switches", "handovers"),
)
"""The readings of a relay that are families of their own."""


def _relays(state: ServedState) -> Found:
    for deployment, relay in state.relays().items():
        readings, of = relay.readings, stored(deployment)
        if not readings:
            continue
        for name in _RELAY_NUMBERS:
            yield f"relay_{name}", (of,), readings[name]
        for reason, name in (("slow", "cut"), ("stranger", "timed_out"), ("protocol", "broken")):
            yield "relay_cut", (of, reason), readings[name]
        for what in ("passed", "withheld"):
            yield "relay_events", (of, what), readings[what]


def _actions(state: ServedState) -> Found:
    if state.actions is None:
        return
    counters = state.actions.reactor.counters
    # Copies: the engine's thread goes on counting.
    for (action, *master), count in counters.attempts.copy().items():
        yield "action_attempts", (action, *map(stored, master)), count
    for ((action, *master), outcome), count in counters.outcomes.copy().items():
        yield "action_runs", (action, *map(stored, master), outcome), count
    for (action, *master), count in counters.drifts.copy().items():
        yield "action_drifts", (action, *map(stored, master)), count
    for (action, *master), seconds in counters.ages.items():
        yield "action_wish_age_seconds", (action, *map(stored, master)), seconds


def _proxies(state: ServedState) -> Found:
    for deployment, proxy in state.proxies().items():
        of = stored(deployment)
        for name, value in proxy.readings.items():
            yield f"proxy_{name}", (of,), value
        for master, readings in proxy.masters.items():
            for name, value in readings.items():
                yield f"proxy_{name}", (of, stored(master)), value


def _journal(state: ServedState) -> Found:
    writer = state.writer
    if writer is None:
        return
    yield "journal_available", (), writer.trouble is None
    yield "journal_waiting", (), writer.waiting
    yield "journal_written", (), writer.counters.written
    yield "journal_dropped", (), writer.counters.dropped
    yield "journal_refused", (), writer.counters.refused
    yield "journal_failures", (), writer.counters.failures
    yield "journal_removed", (), writer.counters.removed
    if writer.size is not None:
        yield "journal_size_bytes", (), writer.size


def _claims(state: ServedState) -> Found:
    claims = state.claims
    if claims is None or claims.settings is None:
        return
    yield "share_available", (), claims.trouble is None
    yield "share_daemons", (), len(claims.sharers)
    lines = claim_lines(claims)
    for standing in ("starting", "ready", "deaf"):
        own = [one for line in lines for one in line["daemons"] if one["run"] == claims.run]
        yield "share_deployments", (standing,), sum(one["state"] == standing for one in own)
    yield "share_short", (), sum(line["ready"] < line["wanted"] for line in lines)
    for move in ("claimed", "released"):
        yield "share_moves", (move,), claims.moves[move]


def _served(state: ServedState) -> Found:
    yield "history_failed", (), state.history.failed
    yield "history_refused", (), state.history.refused
    yield "stream_clients", (), state.stream.clients
    yield "stream_refused", (), state.stream.refused
    yield "stream_sent", (), state.stream.sent
    for status, count in state.responses.items():
        yield "http_responses", (str(status),), count
    for reason in ("header", "host", "origin", "token", "body"):
        yield "http_refused", (reason,), state.refused[reason]
    for reason in ("busy", "peer", "health", "descriptors"):
        yield "http_refused", (reason,), state.connections.refused[reason]
    for reason in ("header", "stalled", "idle", "peer"):
        yield "http_cut", (reason,), state.connections.cut[reason]
    for phase, count in state.connections.counts().items():
        yield "http_connections", (phase,), count
    yield "listening_late_seconds", (), state.late
