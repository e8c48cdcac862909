"""Why a failover did not happen: how far each suspicion and attempt came, from what recordings leave in a journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from recorded.journals import RecordedJournal, entries_of
from recorded.recordings import said_in
from rig.viewpoints import NAMES, view
from switchmaster.account.record import FailoverRecord
from switchmaster.account.record_lines import failover_from_line
from switchmaster.explain.cooldown import attempt_of, cooling_seconds, took_part
from switchmaster.explain.past import PastReason, TiltSpan, Watched, findings, tilt_spans
from switchmaster.journal.reader import FailoverFilter
from switchmaster.journal.store import Store
from switchmaster.render import seconds_of

ALWAYS = [Watched(0.0, 1e11)]
EVER = (0.0, 1e11)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[RecordedJournal]:
    journal = RecordedJournal(tmp_path)
    yield journal
    journal.close()


def records(kept: RecordedJournal, name: str) -> list[FailoverRecord]:
    kept.write(Store("run", "one"), entries_of(said_in([name]), events=True))
    page = kept.reader.failovers(FailoverFilter(suspicions=True), None, 100)
    return sorted(map(failover_from_line, page.items), key=lambda one: one.started)


def tilts(kept: RecordedJournal) -> list[TiltSpan]:
    events = kept.reader.entries(limit=1000, types=("event",))
    return tilt_spans((seconds_of(line["time"]), line["sentinel"], line["channel"]) for _, line in events)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "redis-7.0.15-extras",
            {PastReason.NO_GOOD_REPLICA, PastReason.NOT_ELECTED, PastReason.REPLICA_TIMEOUT, PastReason.COMPLETED},
        ),
        ("valkey-9.1.2-coordinated", {PastReason.MASTER_TIMEOUT, PastReason.COMPLETED}),
        ("redis-7.0.15-tilt", {PastReason.COMPLETED}),
    ],
)
def test_what_stopped_each_attempt_of_a_recording_is_named(
    kept: RecordedJournal, name: str, expected: set[PastReason]
) -> None:
    found = findings(records(kept, name), [], tilts(kept), ALWAYS, EVER)
    assert expected <= {one.reason for one in found}
    assert [one.time for one in found] == sorted(one.time or 0.0 for one in found)
    for one in found:
        assert (one.new is not None) == (one.reason is PastReason.COMPLETED)


def test_sentinel_in_tilt_during_an_attempt_is_named(kept: RecordedJournal) -> None:
    told = records(kept, "redis-7.0.15-tilt")
    spans = tilts(kept)
    assert spans
    assert [span.begun for span in spans] == sorted(span.begun for span in spans)
    found = findings(told, [], spans, ALWAYS, EVER)
    assert {span.sentinel for one in found for span in one.tilt} <= {span.sentinel for span in spans}
    assert any(one.tilt for one in found)


def test_suspicion_without_agreement_and_agreement_without_attempt_differ(kept: RecordedJournal) -> None:
    told = records(kept, "redis-7.0.15-extras")
    aborted = next(one for one in told if one.attempted and one.outcome == "aborted")
    alone = replace(aborted, attempted=False, agreement=None, stages=aborted.stages[:1], votes=(), candidates=())
    (found,) = findings([alone], [], [], ALWAYS, EVER)
    assert found.reason is PastReason.NOT_AGREED
    assert found.suspected_by
    agreed = replace(
        aborted,
        attempted=False,
        started=attempt_of(aborted) + 20,
        stages=tuple(entry for entry in aborted.stages if entry.stage in ("suspected", "agreed-down")),
    )
    (found,) = findings([agreed], [aborted], [], ALWAYS, EVER)
    assert found.reason is PastReason.NOT_TRIED
    assert found.attempt_before == attempt_of(aborted)
    assert set(found.waited_for) == took_part(aborted)
    same_suspicion = replace(agreed, started=aborted.started, closed=False)
    both = findings([same_suspicion, aborted], [], [], ALWAYS, EVER)
    assert [one.reason for one in both][1] is PastReason.NOT_TRIED
    assert (both[1].attempt_before, both[1].ongoing) == (attempt_of(aborted), True)
    (late,) = findings([agreed], [aborted], [], ALWAYS, EVER, failover_timeout=5.0)
    assert late.attempt_before is None


def test_master_that_is_still_down_since_before_the_period_is_told(kept: RecordedJournal) -> None:
    told = records(kept, "redis-7.0.15-extras")
    aborted = replace(next(one for one in told if one.attempted and one.outcome == "aborted"), returned=None)
    later = (aborted.heard + 60, aborted.heard + 120)
    (found,) = findings([], [aborted], [], ALWAYS, later)
    assert (found.time, found.id) == (aborted.started, aborted.id)
    completed = replace(aborted, outcome="completed")
    for over in (completed, replace(aborted, attempted=False, closed=True), replace(aborted, missed=True)):
        (nothing,) = findings([], [over], [], ALWAYS, later)
        assert nothing.reason is PastReason.NOT_SUSPECTED


def test_where_nothing_was_recorded_it_matters_whether_anybody_watched() -> None:
    spans = [TiltSpan("s1", 10.0, 40.0), TiltSpan("s2", 200.0, None)]
    (seen,) = findings([], [], spans, [Watched(0.0, 50.0)], (20.0, 30.0))
    assert (seen.reason, seen.tilt) == (PastReason.NOT_SUSPECTED, (spans[0],))
    (unseen,) = findings([], [], [], [Watched(0.0, 10.0)], (20.0, 30.0))
    assert unseen.reason is PastReason.NOT_WATCHED


def test_tilt_spans_are_paired_by_sentinel_and_a_second_trigger_extends_them() -> None:
    events = [(5.0, "s1", "-tilt"), (1.0, "s1", "+tilt"), (2.0, "s1", "+tilt"), (3.0, "s2", "+tilt"), (4.0, "s2", "+x")]
    assert tilt_spans(events) == [TiltSpan("s1", 1.0, 5.0), TiltSpan("s2", 3.0, None)]


def test_aborted_attempt_makes_those_wait_that_took_part_and_were_not_restarted(kept: RecordedJournal) -> None:
    told = records(kept, "redis-7.0.15-extras")
    aborted = next(one for one in told if one.attempted and one.outcome == "aborted")
    last = replace(aborted, votes=(), candidates=tuple(NAMES[:2]))
    began = attempt_of(last)
    views = [view(0), view(1, uptime=5), view(2)]
    waits = cooling_seconds([last], views, began + 100)
    assert waits == {NAMES[0]: pytest.approx(261.0)}
    everyone = cooling_seconds([replace(last, candidates=())], views, began + 100)
    assert set(everyone) == {NAMES[0], NAMES[2]}
    assert cooling_seconds([last], views, began + 362) == {}


def test_completed_failover_makes_no_sentinel_wait(kept: RecordedJournal) -> None:
    told = records(kept, "redis-7.0.15-main")
    completed = [one for one in told if one.outcome == "completed"]
    assert completed
    assert cooling_seconds(completed, [view(0)], completed[-1].started + 1) == {}
    assert cooling_seconds([], [view(0)], 0.0) == {}
