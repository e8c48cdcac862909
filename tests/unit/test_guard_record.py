"""What the guard did, in every account of a failover: chart, post-mortem, picture, sentences and JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rig.api_rig import A, B, FakeDeployment
from switchmaster.account.narrate import facts
from switchmaster.account.postmortem import postmortem
from switchmaster.account.record import FailoverRecord, Observation, RemarkRecord
from switchmaster.account.record_lines import failover_from_line, failover_to_line
from switchmaster.account.story import Story, sentences
from switchmaster.account.timeline import Incident, to_svg
from switchmaster.belief.decisions import Notice, NoticeKind
from switchmaster.cli.chart import chart
from switchmaster.journal.merge import merged

PROOF = f"{A} is dead: <b>it</b> refuses connections; a Sentinel is asked for a failover, to {B}"


@pytest.fixture
def record() -> FailoverRecord:
    """A failover that the guard ordered, as the journal gives it."""
    told = FakeDeployment()

    def say(kind: NoticeKind, text: str) -> None:
        told.entries += told.ledger.notice(Notice(kind, "kvdb", "mymaster1", None, text, told.now, told.now))

    say(NoticeKind.GUARD_ORDERED, PROOF)
    told.now += 0.05
    told.fail_over()
    say(NoticeKind.GUARD_VERIFIED, f"{B} is the master")
    seen = [one for one in told.entries if isinstance(one, Observation)][-1]
    return replace(failover_from_line(failover_to_line(merged([("here", seen)]))), id="x", kind="manual")


def test_json_keeps_what_the_guard_said(record: FailoverRecord) -> None:
    line = failover_to_line(record)
    assert [(one["from"], one["remark"], one["text"]) for one in line["remarks"]] == [
        ("guard", "guard-ordered", PROOF),
        ("guard", "guard-verified", f"{B} is the master"),
    ]
    assert failover_from_line(line).guarded == record.guarded


def test_chart_has_a_line_for_each(record: FailoverRecord) -> None:
    rows = ["".join(text for text, _ in row) for row in chart(record, [])]
    assert f"{'-0.050 s':>16}  ordered a failover: {PROOF}" in rows
    assert any(row.endswith(f"saw its failover come: {B} is the master") for row in rows)
    assert rows.index("  guard") < rows.index("  +switch-master")


def test_facts_say_who_ordered_the_failover(record: FailoverRecord) -> None:
    assert ("kind", "manual, ordered by the guard") in list(facts(record))
    assert ("kind", "manual") in list(facts(replace(record, remarks=())))


def test_post_mortem_has_a_section(record: FailoverRecord) -> None:
    rows = list(postmortem(record, []))
    at = rows.index("## The guard")
    assert rows[at + 4].startswith(r"| -0.050 s | ordered a failover | ")
    assert r"\<b\>it\</b\>" in rows[at + 4]
    assert "## The guard" not in list(postmortem(replace(record, remarks=()), []))


def test_picture_has_a_lane_of_its_own_beside_those_of_logs(record: FailoverRecord) -> None:
    started = RemarkRecord(record.started, str(B), False, "started", "ready to accept connections")
    whole = replace(record, remarks=(started, *record.remarks))
    svg = to_svg([Incident(whole, [], [])])
    assert svg.count(">the guard</text>") == 1
    assert svg.count(">data nodes</text>") == 1
    assert "the guard: ordered a failover: 10.0.1.1:6379 is dead: &lt;b&gt;it" in svg
    assert "elected" in to_svg([Incident(record, [], [])])


def test_sentences_name_the_guard_as_the_cause(record: FailoverRecord) -> None:
    told = list(sentences(Story([Incident(record, [], [])], [])))
    assert any("On the guard's SENTINEL FAILOVER, mymaster1 moved" in row for row in told)
    assert any("Cause: the guard ordered a failover at " in row and row.endswith(f"{PROOF}.") for row in told)
    assert not any("operator" in row for row in told)


def test_notice_of_a_newer_version_is_shown_by_its_own_name(record: FailoverRecord) -> None:
    remark = RemarkRecord(record.started, "guard", False, "guard-of-tomorrow", "why")
    rows = ["".join(text for text, _ in row) for row in chart(replace(record, remarks=(remark,)), [])]
    assert any(row.endswith("guard-of-tomorrow: why") for row in rows)
