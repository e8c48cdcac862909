"""The length of an outage: with down-after if it is known, else from the first suspicion, and labelled so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rig.scenario import S1, B, Scenario
from switchmaster.account.narrate import lasted
from switchmaster.account.postmortem import postmortem
from switchmaster.account.record import FailoverRecord, Observation, stage_record
from switchmaster.account.record_lines import failover_from_line, failover_to_line
from switchmaster.belief.failover import Failover
from switchmaster.cli.chart import chart
from switchmaster.cli.narrator import Narrator
from switchmaster.journal.merge import merged
from switchmaster.model import Stage
from switchmaster.render import failover_line
from switchmaster.wire.facts import Probe


def failed_over() -> Failover:
    """Return the record of a crash: suspected after 1 s of silence, promoted 0.25 s later."""
    told = Scenario()
    told.say(S1, "+sdown master mymaster 127.0.0.1 27001")
    told.now += 0.25
    told.fail_over()
    told.tell(None, Probe(B, "master"))
    return [one for one in told.decisions if isinstance(one, Failover)][-1]


def observation_of(record: Failover) -> Observation:
    return Observation(
        deployment="d",
        master="m",
        number=1,
        incarnation=0,
        old=record.old,
        new=record.new,
        epoch=1,
        kind=None,
        outcome="completed",
        attempted=True,
        closed=True,
        missed=False,
        started=0.0,
        heard=1.0,
        stages=tuple(map(stage_record, record.stages)),
        down_after=record.down_after,
        durations=record.durations,
    )


def merged_of(record: Failover) -> FailoverRecord:
    return replace(merged([("one", observation_of(record))]), id="x")


def test_outage_counts_from_the_last_answer_that_the_suspecting_sentinel_had() -> None:
    record = failed_over()
    assert record.down_after == 1.0
    assert record.durations["outage"] == pytest.approx(1.25)
    line = failover_line(record)
    assert (line["down_after"], line["durations"]["outage"]) == (1.0, pytest.approx(1.25))


def test_outage_counts_from_the_suspicion_if_down_after_is_not_known() -> None:
    record = replace(failed_over(), down_after=None)
    assert record.durations["outage"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("down_after", "told", "short", "noted"),
    [
        (
            1.0,
            "1.250 s without a master: 1.000 s until it was suspected (down-after), 0.250 s until",
            "outage 1.250 s",
            "1.000 s of down-after",
        ),
        (
            None,
            "a new master 0.250 s after the first suspicion",
            "outage 0.250 s from the first suspicion",
            "from the first suspicion;",
        ),
    ],
)
def test_every_output_says_what_an_outage_counts(down_after: float | None, told: str, short: str, noted: str) -> None:
    record = replace(failed_over(), down_after=down_after, closed=True)
    words = ["".join(text for text, _ in line) for line in Narrator().failover(record)]
    assert any(told in text for text in words)
    whole = merged_of(record)
    assert lasted(whole) == short
    assert any(noted in "".join(text for text, _ in row) for row in chart(whole, []))
    assert any(noted in row for row in postmortem(whole, []))


def test_record_of_an_older_version_counts_from_the_suspicion() -> None:
    line = failover_to_line(merged_of(replace(failed_over(), down_after=None)))
    del line["down_after"]
    assert lasted(failover_from_line(line)) == "outage 0.250 s from the first suspicion"


@pytest.mark.parametrize("order", [1, -1])
def test_observer_that_knows_down_after_is_believed_over_one_that_does_not(order: int) -> None:
    knowing = observation_of(failed_over())
    other = observation_of(replace(failed_over(), down_after=None))
    whole = merged([("a", knowing), ("b", other)][::order])
    assert (whole.down_after, whole.durations["outage"]) == (1.0, pytest.approx(1.25))


def test_planned_failover_has_no_outage() -> None:
    told = Scenario()
    told.say(S1, "+new-epoch 1", "+try-failover master mymaster 127.0.0.1 27001")
    told.promote()
    record = [one for one in told.decisions if isinstance(one, Failover)][-1]
    assert record.entry(Stage.PROMOTED) is not None
    assert (record.down_after, "outage" in record.durations) == (None, False)
