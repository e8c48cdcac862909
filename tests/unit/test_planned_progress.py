"""From the order to the conclusion: every way in which a planned failover can end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rig.guard_cases import A, B, C
from rig.planned_cases import WANTED, is_master, is_replica, moved, plan, record, silent, survey, switched
from switchmaster.belief.decisions import Notice, NoticeKind
from switchmaster.belief.failover import Outcome, Stage
from switchmaster.model import Grade
from switchmaster.planned.progress import Conclusion, Ending, FailoverProgress
from switchmaster.planned.request import FailoverRequest
from switchmaster.planned.survey import Survey

ORDERED = 100.0
LATE = ORDERED + WANTED.timeout


def progress(request: FailoverRequest = WANTED, before: Survey | None = None) -> FailoverProgress:
    before = survey() if before is None else before
    return FailoverProgress(plan(request, before), ORDERED, before)


def ended(it: FailoverProgress, after: Survey, now: float) -> Conclusion:
    found = it.conclude(after, now)
    assert found is not None
    return found


def test_it_is_done_when_every_node_says_so() -> None:
    it = progress()
    assert it.conclude(survey(), 100.1) is None
    it.observe(switched(at=100.9))
    assert it.conclude(moved(is_master(A)), 101.0) is None, "the old master still takes itself for one"
    it.observe(record((Stage.ELECTED, 100.1), (Stage.SWITCHED, 101.2), outcome=Outcome.COMPLETED))
    found = ended(it, moved(), 103.0)
    assert (found.ending, found.new, found.ending.exit_code, found.advice) == (Ending.DONE, B, 0, "")
    assert [found.promoted_after, found.announced_after, found.verified_after] == pytest.approx([0.9, 1.2, 3.0])


def test_replicas_in_sync_are_awaited_only_if_asked_for() -> None:
    syncing = moved(is_replica(C, of=B, state="sync"))
    for request, waits in ((WANTED, False), (replace(WANTED, wait_replicas=True), True)):
        it = progress(request)
        it.observe(switched())
        assert (it.conclude(syncing, 102.0) is None) is waits


def test_node_that_was_silent_before_may_stay_silent() -> None:
    it = progress(before=survey(silent(C)))
    it.observe(switched())
    assert ended(it, moved(silent(C)), 102.0).ending is Ending.DONE


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (moved(is_master(A)), "10.0.1.1:6379 still takes itself for a master"),
        (moved(silent(C)), "10.0.1.3:6379 does not answer ROLE"),
        (moved(is_replica(C, of=A, state="connect")), "10.0.1.3:6379 follows 10.0.1.1:6379"),
        (moved(grade=Grade.PROMOTED), "the Sentinels do not agree yet"),
        (moved(is_replica(B, of=A)), "10.0.1.2:6379 does not answer that it is the master"),
    ],
)
def test_what_is_missing_when_the_time_is_up_is_named(after: Survey, words: str) -> None:
    it = progress()
    it.observe(switched())
    assert it.conclude(after, LATE - 0.1) is None
    found = ended(it, after, LATE)
    assert (found.ending, found.ending.exit_code) == (Ending.UNVERIFIED, 6)
    assert words in found.reason


def test_abort_is_believed_when_no_promotion_followed() -> None:
    it = progress()
    it.observe(
        record((Stage.ELECTED, 100.1), (Stage.ABORTED, 101.0), outcome=Outcome.ABORTED, reason="no good replica")
    )
    assert it.conclude(survey(), 102.0) is None
    found = ended(it, survey(), 103.0)
    assert (found.ending, found.ending.exit_code) == (Ending.ABORTED, 6)
    assert found.reason == "Sentinel gave it up: no good replica"
    assert found.advice.startswith("10.0.1.1:6379 is still the master")


def test_abort_while_the_chosen_replica_is_silent_is_believed_later_and_says_so() -> None:
    it = progress()
    it.observe(record((Stage.ELECTED, 100.1), (Stage.ABORTED, 101.0), outcome=Outcome.ABORTED))
    assert it.conclude(survey(silent(B)), 104.9) is None
    found = ended(it, survey(silent(B)), 105.0)
    assert found.ending is Ending.ABORTED
    assert "10.0.1.2:6379 does not answer, and may still carry out the promotion" in found.reason


def test_promotion_after_an_abort_is_a_rogue() -> None:
    it = progress()
    it.observe(record((Stage.ELECTED, 100.1), (Stage.ABORTED, 101.0), outcome=Outcome.ABORTED))
    found = ended(it, survey(is_master(B)), 103.0)
    assert (found.ending, found.ending.exit_code) == (Ending.ROGUE, 7)
    assert "REPLICAOF 10.0.1.1 6379 on 10.0.1.2:6379" in found.advice


def test_rogue_that_was_seen_stays_one_when_sentinel_demotes_it() -> None:
    it = progress()
    it.observe(record((Stage.ELECTED, 100.1), (Stage.ABORTED, 101.0), outcome=Outcome.ABORTED))
    assert it.conclude(survey(is_master(B)), 101.2) is None
    assert ended(it, survey(), 102.2).ending is Ending.ROGUE


def test_rogue_notice_of_the_watcher_counts() -> None:
    it = progress()
    it.observe(record((Stage.ELECTED, 100.1), (Stage.ABORTED, 101.0), outcome=Outcome.ABORTED))
    it.observe(Notice(NoticeKind.ROGUE, "default", "mymaster", None, "", 102.0, None))
    assert ended(it, survey(), 103.0).ending is Ending.ROGUE


def test_promotion_that_no_sentinel_announces_is_a_rogue_when_time_is_up() -> None:
    it = progress()
    assert it.conclude(survey(is_master(B)), LATE - 0.1) is None
    assert ended(it, survey(is_master(B)), LATE).ending is Ending.ROGUE


def test_nothing_until_the_time_is_up_says_how_far_it_came() -> None:
    it = progress()
    it.observe(record((Stage.ELECTED, 100.1), (Stage.SELECTED, 100.2)))
    found = ended(it, survey(), LATE)
    assert (found.ending, found.ending.exit_code) == (Ending.TIMED_OUT, 8)
    assert found.reason == "no new master within 60 s; the failover reached: selected"


def test_other_replica_than_the_wanted_one_is_told() -> None:
    it = progress(replace(WANTED, to=C))
    it.observe(switched(B))
    found = ended(it, moved(), 102.0)
    assert (found.ending, found.ending.exit_code, found.new) == (Ending.ELSEWHERE, 6, B)
    assert "--to 10.0.1.3:6379" in found.advice


def test_news_of_other_masters_and_of_before_the_order_is_ignored() -> None:
    it = progress()
    it.observe(replace(switched(), master="other"))
    it.observe(record((Stage.ELECTED, 90.0), (Stage.ABORTED, 99.0), outcome=Outcome.ABORTED))
    assert it.conclude(survey(), 110.0) is None


def test_who_stops_watching_is_told_that_it_goes_on() -> None:
    found = progress().interrupted(None)
    assert (found.ending, found.ending.exit_code) == (Ending.INTERRUPTED, 6)
    assert "Sentinel may still carry it out" in found.advice


@pytest.mark.parametrize(
    ("ending", "code"), [("done", 0), ("not-needed", 0), ("refused", 1), ("elsewhere", 6), ("rogue", 7)]
)
def test_exit_codes_are_those_of_the_contract(ending: str, code: int) -> None:
    assert Ending(ending).exit_code == code
