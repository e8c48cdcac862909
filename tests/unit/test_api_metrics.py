"""The exposition: its families, names and labels; no name from the network breaks it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from rig.api_rig import LOOPBACK, NOW, S1, S2, SENTINELS, A, B, C, FakeDeployment, FileJournal, asking, served
from rig.guard_rig import FakeGuard, guard_status
from rig.inspected import HEALTHY, of_sentinel
from rig.reactions import reaction_row
from switchmaster.belief.decisions import Notice, NoticeKind, Switch
from switchmaster.belief.failover import Failover
from switchmaster.doctor.diagnosis_lines import report_of
from switchmaster.doctor.examine import examine
from switchmaster.guard.policy import Arming
from switchmaster.journal.claims import Claim, ClaimState, Sharer
from switchmaster.journal.reaction_rows import RunOutcome
from switchmaster.journal.stored_names import stored
from switchmaster.journal.writer import Written
from switchmaster.model import Cause, Grade, Via
from switchmaster.react import run_counters
from switchmaster.react.run_counters import RunCounters
from switchmaster.relay.relay_state import RelayCounters
from switchmaster.server.api import HttpSettings, Metrics, ServedState, create_app, metrics
from switchmaster.server.api.metric_families import FAMILIES, METRIC_PREFIX
from switchmaster.wire.facts import LinkChange, LinkState

PROXY_READINGS = ("up", "drifts", "starts", "reloads")
OF_A_MASTER = ("in_sync", "moves", "holds", "last_move_seconds")
RELAY_READINGS = {
    *(field.name for field in fields(RelayCounters)),
    *("clients", "subscribers", "stale", "switches", "passed", "withheld", "handovers"),
}
HOSTILE = 'evil"} 1\nswitchmaster_up{x="\udcff\\\x00'


class Measured:
    """Deployments and their metrics."""

    def __init__(self, *told: FakeDeployment) -> None:
        self.told = {one.watch.deployment: one for one in told}
        self.state = ServedState(lambda: self.told)
        self.metrics = Metrics(self.state)
        for one in told:
            self.metrics.follow(one)

    def text(self) -> str:
        return asyncio.run(self.metrics.exposition()).decode("utf-8")

    def families(self) -> dict[str, Metric]:
        return {
            family.name.removeprefix(METRIC_PREFIX): family for family in text_string_to_metric_families(self.text())
        }

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the samples of a family, by the values of its labels in the table's order."""
        family = self.families().get(name)
        samples = () if family is None else family.samples
        return {
            tuple(sample.labels[label] for label in FAMILIES[name].labels): sample.value
            for sample in samples
            if sample.name in (METRIC_PREFIX + name, f"{METRIC_PREFIX}{name}_total", f"{METRIC_PREFIX}{name}_count")
            and set(FAMILIES[name].labels) == set(sample.labels)
        }


@pytest.fixture
def measured() -> Iterator[Measured]:
    measured = Measured(FakeDeployment())
    yield measured
    measured.state.close()


@pytest.fixture
def told(measured: Measured) -> FakeDeployment:
    return measured.told["kvdb"]


def writer() -> SimpleNamespace:
    counters = SimpleNamespace(written=7, dropped=1, refused=2, failures=3, removed=4)
    return SimpleNamespace(trouble=None, waiting=5, size=4096, counters=counters)


def counted(*masters: str) -> SimpleNamespace:
    """Return actions whose engine has tried ``act`` twice for each master, and waits for 5 s."""
    counters = RunCounters()
    rows = [reaction_row(master) for master in masters]
    for row in rows:
        counters.attempted(row)
        counters.attempted(row)
        counters.drifted(row)
        counters.ended(row, RunOutcome.DONE)
    counters.wait(rows, rows[0].wished + 5.0)
    return SimpleNamespace(reactor=SimpleNamespace(counters=counters))


def shared() -> SimpleNamespace:
    """Return the claims of two daemons, one of which misses a second watcher of ``cache``."""
    claims = {"kvdb": Claim(ClaimState.READY), "cache": Claim(ClaimState.DEAF)}
    other = {"kvdb": claims["kvdb"]}
    sharers = tuple(Sharer(run, run, 0.0, 3.0, 2, False, of) for run, of in (("us", claims), ("b", other)))
    told = {"sharers": sharers, "held": frozenset(claims), "trouble": None, "moves": Counter(claimed=2)}
    return SimpleNamespace(run="us", settings=object(), decided=True, **told)


def test_claims_are_counted_by_how_this_daemon_stands_to_them(measured: Measured) -> None:
    measured.state.claims = shared()  # type: ignore[assignment]
    assert measured.values("share_deployments") == {("starting",): 0, ("ready",): 1, ("deaf",): 1}
    assert measured.values("share_short") == {(): 1}
    assert measured.values("share_daemons") == {(): 2}
    assert measured.values("share_moves") == {("claimed",): 2, ("released",): 0}


def test_every_family_of_the_table_is_exposed_with_its_labels_and_no_other(
    measured: Measured, told: FakeDeployment
) -> None:
    told.fail_over()
    told.say(S2, f"+sdown master mymaster1 {B.host} {B.port}", f"-sdown master mymaster1 {B.host} {B.port}")
    measured.metrics.noticed(Notice(NoticeKind.MISSED, "kvdb", "mymaster1", S1, "x", 1.0, NOW))
    measured.state.writer = writer()  # type: ignore[assignment]
    measured.state.guards = lambda: {"kvdb": FakeGuard(replace(guard_status(), objected={"tilt": 1}), leased=True)}
    measured.state.relays = lambda: {"kvdb": SimpleNamespace(readings=dict.fromkeys(RELAY_READINGS, 1.0))}
    proxy = SimpleNamespace(readings=dict.fromkeys(PROXY_READINGS, 1.0), masters={"m": dict.fromkeys(OF_A_MASTER, 1.0)})
    measured.state.proxies = lambda: {"kvdb": proxy}
    spoiled = of_sentinel(HEALTHY, 2, dialled_ip="10.0.0.1")
    doctor = SimpleNamespace(report=report_of(spoiled, examine(spoiled)))
    measured.state.doctors = lambda: {"kvdb": doctor}
    measured.state.actions = counted("m1")  # type: ignore[assignment]
    measured.state.claims = shared()  # type: ignore[assignment]
    measured.state.responses[200] += 1
    found = {
        name: family for name, family in measured.families().items() if not name.startswith(("process_", "python_"))
    }
    assert set(found) == set(FAMILIES)
    for name, family in found.items():
        assert family.type == FAMILIES[name].kind, name
        assert family.documentation == FAMILIES[name].text
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(FAMILIES[name].labels), sample


def test_guard_is_told_with_what_it_did_and_why_it_did_not_act(measured: Measured) -> None:
    status = guard_status()
    told = replace(status, outlook=("in TILT: a",), counts={**status.counts, "orders": 2, "empty": 1})
    disarmed = guard_status(master="other", arming=Arming.DISARMED)
    guard = FakeGuard(replace(told, objected={"tilt": 3}, may_order=None), disarmed)
    measured.state.guards = lambda: {"kvdb": guard}
    of = ("kvdb", "mymaster1")
    assert measured.values("guard_armed") == {(*of, "armed"): 1, ("kvdb", "other", "disarmed"): 1}
    assert measured.values("guard_would_act") == {of: 0}
    assert measured.values("guard_orders") == {of: 2}
    assert measured.values("guard_in_vain") == {of: 0}
    assert measured.values("guard_objections") == {(*of, "tilt"): 3}
    assert measured.values("master_came_back_empty") == {of: 1}
    assert measured.values("guard_may_order") == measured.values("guard_leased") == {}


def test_failover_is_counted_once_with_its_phases(measured: Measured, told: FakeDeployment) -> None:
    told.fail_over()
    told.fail_over(old=B, new=A, epoch=2)
    of = ("kvdb", "mymaster1")
    assert measured.values("failovers") == {(*of, "completed", "automatic"): 2}
    assert measured.values("switches") == {(*of, "announced", "failover"): 2}
    phases = measured.values("failover_phase_seconds")
    assert phases["kvdb", "detection"] == phases["kvdb", "outage"] == phases["kvdb", "total"] == 2
    assert measured.values("master_config_epoch") == {of: 2}
    assert measured.values("master_last_switch_timestamp_seconds")[of] == pytest.approx(NOW, abs=10)
    assert measured.values("suspicions") == {}


def test_answers_of_nodes_are_counted_by_how_long_they_took(measured: Measured) -> None:
    for seconds in (0.0004, 0.3):
        measured.metrics.answered("kvdb", "mymaster1", seconds)
    assert measured.values("node_ping_seconds") == {("kvdb", "mymaster1"): 2}


def test_switch_that_somebody_asked_for_has_a_time_of_its_own(measured: Measured, told: FakeDeployment) -> None:
    planned, last = "master_last_planned_switch_timestamp_seconds", "master_last_switch_timestamp_seconds"
    told.fail_over()
    assert measured.values(planned) == {}
    told.fail_over(old=B, new=A, epoch=2, asked_for=True)
    assert measured.values("failovers")["kvdb", "mymaster1", "completed", "manual"] == 1
    moved = measured.values(planned)
    assert moved == measured.values(last) != {}
    told.fail_over(epoch=3)
    assert measured.values(planned) == moved != measured.values(last)


def test_record_that_comes_again_after_its_end_is_counted_once(measured: Measured, told: FakeDeployment) -> None:
    told.fail_over()
    record = next(one for one in reversed(told.decisions) if isinstance(one, Failover))
    assert record.closed
    for callback in told._callbacks[type(record)]:
        callback(record)
    assert list(measured.values("failovers").values()) == [1]


def test_suspicion_that_is_taken_back_is_no_failover(measured: Measured, told: FakeDeployment) -> None:
    told.say(S2, f"+sdown master mymaster1 {A.host} {A.port}")
    assert measured.values("master_health") == {("kvdb", "mymaster1", "suspected"): 1}
    told.say(S2, f"-sdown master mymaster1 {A.host} {A.port}")
    assert measured.values("suspicions") == {("kvdb", "mymaster1"): 1}
    assert measured.values("failovers") == {}
    assert measured.values("master_health") == {("kvdb", "mymaster1", "ok"): 1}


def test_aborted_failover_is_counted_as_such(measured: Measured, told: FakeDeployment) -> None:
    of = f"mymaster1 {A.host} {A.port}"
    told.say(S1, f"+sdown master {of}", f"+odown master {of} #quorum 2/2", "+new-epoch 1", f"+try-failover master {of}")
    assert measured.values("master_failover_in_progress") == {("kvdb", "mymaster1"): 1}
    told.say(S1, f"-failover-abort-not-elected master {of}")
    assert measured.values("failovers") == {("kvdb", "mymaster1", "aborted", "automatic"): 1}
    assert measured.values("failover_phase_seconds")["kvdb", "total"] == 1


def test_switch_that_only_a_reconcile_found_is_counted_as_missed(measured: Measured) -> None:
    switch = Switch(
        "kvdb", "mymaster1", A, B, 1, 0, Grade.AGREED, Cause.FAILOVER, Via.SNAPSHOT, (S1,), "asked", 1.0, NOW
    )
    measured.metrics._switched(switch)
    assert measured.values("missed") == {("kvdb", "switch"): 1}


def test_failover_that_was_missed_while_away_is_counted_once(measured: Measured) -> None:
    line = {"type": "failover", "deployment": "kvdb", "missed": True}
    news = [Written(1, line, "a"), Written(2, line, "a"), Written(3, {**line, "missed": False}, "b")]
    news += [Written(4, {**line, "type": "switch"}, "c"), Written(5, {"type": "daemon"})]
    measured.metrics.committed(news)
    assert measured.values("missed") == {("kvdb", "away"): 1}


def test_links_and_disagreement_are_exposed_for_each_sentinel(measured: Measured, told: FakeDeployment) -> None:
    told.fail_over()
    told.answer(S2, C, epoch=1)
    told.tell(S1, LinkChange(LinkState.DOWN, "refused"))
    assert measured.values("sentinel_connected") == {("kvdb", name): name != S1 for name in SENTINELS}
    assert measured.values("sentinel_disagreeing_masters")["kvdb", S2] == 1
    assert measured.values("master_disagreeing_sentinels") == {("kvdb", "mymaster1"): 1}
    ages = measured.values("sentinel_last_message_timestamp_seconds")
    assert all(value > 0 for value in ages.values())
    assert set(ages) == {("kvdb", name) for name in SENTINELS}


def test_address_of_a_master_is_a_label_of_its_info_only(measured: Measured, told: FakeDeployment) -> None:
    told.fail_over()
    assert measured.values("master_info") == {("kvdb", "mymaster1", str(B)): 1}
    holding = [line for line in measured.text().splitlines() if str(B) in line]
    assert len(holding) == 1


def test_any_name_from_the_network_is_one_label() -> None:
    names = [HOSTILE, stored(HOSTILE), "x\udc80", "x\\udc80", "", "\u2028\r"]
    told = FakeDeployment("kvdb", names)
    measured = Measured(told)
    told.fail_over(HOSTILE)
    found = {labels[1] for labels in measured.values("master_health")}
    assert found == {stored(name) for name in names}
    assert len(found) == len(names)
    assert "up" not in measured.families()
    measured.state.close()


def test_names_beyond_the_limit_are_counted_together(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MASTERS_MAX", 2)
    for number in range(5):
        switch = Switch(
            "kvdb", f"m{number}", A, B, 1, 0, Grade.AGREED, Cause.UNKNOWN, Via.SWITCH, (S1,), "said", 1.0, NOW
        )
        measured.metrics._switched(switch)
        measured.metrics._switched(switch)
    assert {labels[1]: value for labels, value in measured.values("switches").items()} == {
        "m0": 2,
        "m1": 2,
        metrics.OTHER_MASTERS: 6,
    }
    assert measured.values("metrics_masters_beyond") == {(): 6}


def test_actions_are_counted_for_each_master_up_to_a_limit(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_counters, "COUNTED_MAX", 2)
    measured.state.actions = counted("m1", HOSTILE, "m3", "m4")  # type: ignore[assignment]
    names = ("m1", stored(HOSTILE), run_counters.OTHER)
    of = [("act", "kvdb", name) for name in names]
    assert measured.values("action_attempts") == dict(zip(of, (2, 2, 4), strict=True))
    assert measured.values("action_runs") == {(*one, "done"): count for one, count in zip(of, (1, 1, 2), strict=True)}
    assert measured.values("action_drifts") == dict(zip(of, (1, 1, 2), strict=True))
    ages = measured.values("action_wish_age_seconds")
    assert list(ages) == of
    assert min(ages.values()) >= 5.0


def test_journal_and_refused_requests_are_exposed(measured: Measured) -> None:
    assert measured.values("journal_available") == {}
    measured.state.writer = writer()  # type: ignore[assignment]
    measured.state.refused["host"] += 2
    assert measured.values("journal_waiting") == {(): 5}
    assert measured.values("journal_dropped") == {(): 1}
    assert measured.values("http_refused")[("host",)] == 2
    measured.state.writer.trouble = OSError("away")  # type: ignore[union-attr]
    assert measured.values("journal_available") == {(): 0}


def test_bounds_that_the_backlog_hit_are_exposed_for_each_deployment(measured: Measured, told: FakeDeployment) -> None:
    told.forced["late"] += 3
    assert measured.values("journal_forced_turns") == {("kvdb", "full"): 0, ("kvdb", "late"): 3}


def test_metrics_are_served_as_text(tmp_path: Path) -> None:
    kept = FileJournal(tmp_path)
    app, state = served(FakeDeployment(), kept=kept)

    async def go() -> None:
        async with asking(app) as client:
            answer = await client.get("/metrics")
            assert answer.headers["content-type"].startswith("text/plain; version=")
            assert (
                'switchmaster_master_health{deployment="kvdb",health="ok",master_name="mymaster1"} 1.0' in answer.text
            )
            again = await client.get("/metrics")
            assert 'switchmaster_http_responses_total{status="200"} 1.0' in again.text

    asyncio.run(go())
    state.close()
    kept.close()


def test_promtool_accepts_the_exposition(measured: Measured, told: FakeDeployment) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    told.fail_over()
    measured.state.writer = writer()  # type: ignore[assignment]
    ours = [line for line in measured.text().splitlines(keepends=True) if METRIC_PREFIX in line]
    done = subprocess.run(
        [promtool, "check", "metrics"], input="".join(ours), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_application_without_metrics_of_its_own_makes_some() -> None:
    state = ServedState(dict)
    assert create_app(state, HttpSettings(LOOPBACK)) is not None
    state.close()
