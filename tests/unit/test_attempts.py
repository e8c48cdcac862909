"""Which attempt an event belongs to, and how attempts end, by recorded events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from recorded.recordings import NAMES, said_in
from switchmaster.account.replay import replay
from switchmaster.belief.attempts import SILENCE, Attempts
from switchmaster.belief.failover import FOLLOWS, Failover, FailoverKind, Outcome, Stage
from switchmaster.model import LIMITS, Address, Moment, SentinelName
from switchmaster.wire.events import Voted
from switchmaster.wire.grammar import parse_event

S1, S2, S3 = (SentinelName(f"127.0.0.1:2701{number}") for number in (1, 2, 3))
MASTER = "master mymaster 127.0.0.1 27001"
REPLICA = "slave 127.0.0.1:27002 127.0.0.1 27002 @ mymaster 127.0.0.1 27001"
SWITCH = "mymaster 127.0.0.1 27001 127.0.0.1 27002"


def tell(attempts: Attempts, lines: Sequence[tuple[SentinelName, str, str]], epoch: int = 1) -> list[Failover]:
    for name, channel, payload in lines:
        attempts.observe(name, parse_event(channel, payload), epoch, Moment(1.0, 1.0))
    return attempts.records()


def test_attempts_call_a_failover_manual_after_a_late_switch_of_its_leader() -> None:
    """A failover is manual when its leader switched late in the one before."""
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+sdown", MASTER), (S1, "+odown", f"{MASTER} #quorum 2/2")])
    led = [(S2, "+try-failover", MASTER), (S2, "+elected-leader", MASTER), (S2, "+promoted-slave", REPLICA)]
    tell(
        attempts, [*led, (S2, "+failover-end", MASTER), (S2, "+switch-master", SWITCH), (S1, "+switch-master", SWITCH)]
    )
    assert attempts.current is None
    back = MASTER.replace("27001", "27002")
    [record] = tell(attempts, [(S1, "+try-failover", back)], epoch=2)
    assert record.kind is FailoverKind.MANUAL


def test_attempts_open_none_for_a_late_vote_in_a_failover_that_has_ended() -> None:
    attempts = Attempts("default", "mymaster")
    led = [(S2, "+try-failover", MASTER), (S2, "+elected-leader", MASTER), (S2, "+promoted-slave", REPLICA)]
    tell(attempts, [*led, (S2, "+failover-end", MASTER), (S2, "+switch-master", SWITCH)])
    tell(attempts, [(S1, "+sdown", MASTER.replace("27001", "27002"))], epoch=1)
    vote = parse_event("+vote-for-leader", f"{'a' * 40} 1")
    assert isinstance(vote, Voted)
    assert attempts.vote(S3, vote, None, True, Moment(2.0, 2.0)) is None
    assert attempts.current is not None
    assert attempts.current.epoch is None


def test_attempts_close_one_whose_beginning_and_end_were_missed() -> None:
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+slave-reconf-sent", REPLICA)])
    attempts.tick(Moment(1.0 + SILENCE, 1.0 + SILENCE))
    assert attempts.deadline is None
    [record] = attempts.records()
    assert record.closed
    # Replicas are reconfigured after the promotion: which node was promoted was missed.
    assert (record.outcome, record.new) == (Outcome.COMPLETED, None)


def test_attempts_call_a_lost_election_without_odown_coordinated() -> None:
    attempts = Attempts("default", "mymaster")
    attempts.agreed_down(S1, False)
    [record] = tell(attempts, [(S1, "+try-failover", MASTER), (S1, "-failover-abort-not-elected", MASTER)])
    assert (record.kind, record.outcome) == (FailoverKind.COORDINATED, Outcome.ABORTED)
    assert record.reason == "no Sentinel won the election in time"


def test_attempts_give_no_epoch_to_a_switch_learned_from_another() -> None:
    attempts = Attempts("default", "mymaster")
    first = [(S2, "+try-failover", MASTER), (S2, "+elected-leader", MASTER), (S2, "+promoted-slave", REPLICA)]
    tell(attempts, [*first, (S2, "+failover-end", MASTER), (S2, "+switch-master", SWITCH)], epoch=7)
    tell(attempts, [(S1, "+try-failover", MASTER), (S1, "+elected-leader", MASTER)], epoch=9)
    switched = parse_event("+switch-master", SWITCH)
    assert attempts.observe(S1, switched, 9, Moment(1.0, 1.0)) is None
    assert attempts.led_by(S1) is None
    assert attempts.current is None


def test_attempts_open_another_for_an_unheard_attempt_of_a_leader() -> None:
    """A switch that a leader learned from an unheard attempt opens another record."""
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+try-failover", MASTER), (S1, "+elected-leader", MASTER)], epoch=9)
    attempt = attempts.observe(S1, parse_event("+switch-master", SWITCH), 9, Moment(1.0, 1.0))
    assert attempt is not None
    assert (attempt.number, attempt.epoch) == (2, None)
    assert attempts.open == (attempt,)


def test_attempts_begin_again_when_a_leader_selects_another_replica() -> None:
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+try-failover", MASTER), (S1, "+selected-slave", REPLICA)], epoch=1)
    other = REPLICA.replace("27002", "27003")
    attempt = attempts.observe(S1, parse_event("+promoted-slave", other), 2, Moment(1.0, 1.0))
    assert attempt is not None
    assert (attempt.number, attempt.epoch, attempt.new) == (2, None, Address("127.0.0.1", 27003))


def test_attempts_go_on_when_one_that_was_not_elected_tries_again() -> None:
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+try-failover", MASTER), (S2, "+try-failover", MASTER), (S2, "+elected-leader", MASTER)])
    tell(attempts, [(S2, "+selected-slave", REPLICA)])
    tell(attempts, [(S1, "+try-failover", MASTER)], epoch=2)
    first, second = attempts.open
    assert (first.epoch, first.stage, first.leader) == (1, Stage.SELECTED, S2)
    assert (second.epoch, second.stage, second.leader) == (2, Stage.ELECTING, None)


def test_attempts_join_no_leader_to_an_election_that_it_did_not_stand_in() -> None:
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+try-failover", MASTER)], epoch=4)
    attempt = attempts.observe(S2, parse_event("+elected-leader", MASTER), 3, Moment(1.0, 1.0))
    assert attempt is not None
    assert (attempt.number, attempt.epoch) == (2, None)


def test_attempts_join_no_leader_to_an_election_whose_votes_are_for_another() -> None:
    """A leader whose beginning was missed may be one of an earlier epoch that goes on."""
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S2, "+sdown", MASTER)])
    vote = parse_event("+vote-for-leader", f"{'3' * 40} 4")
    assert isinstance(vote, Voted)
    assert attempts.vote(S2, vote, S3, True, Moment(1.0, 1.0)) is attempts.current
    behind = attempts.observe(S1, parse_event("+promoted-slave", REPLICA), 4, Moment(2.0, 2.0))
    assert behind is not None
    assert (behind.number, behind.epoch, behind.leader) == (2, None, S1)
    ahead = attempts.observe(S3, parse_event("+elected-leader", MASTER), 4, Moment(3.0, 3.0))
    assert ahead is not None
    assert (ahead.number, ahead.epoch, ahead.leader) == (1, 4, S3)


def test_attempts_give_no_epoch_of_votes_for_another_to_a_leader() -> None:
    """A leader whose own epoch was missed is not known by that of an election which others stand in."""
    attempts = Attempts("default", "mymaster")
    attempts.observe(S1, parse_event("+try-failover", MASTER), None, Moment(1.0, 1.0))
    vote = parse_event("+vote-for-leader", f"{'3' * 40} 4")
    assert isinstance(vote, Voted)
    attempt = attempts.vote(S2, vote, S3, True, Moment(1.5, 1.5))
    assert attempt is not None
    assert attempt.epoch == 4
    assert attempts.observe(S1, parse_event("+elected-leader", MASTER), None, Moment(2.0, 2.0)) is attempt
    assert (attempt.leader, attempt.epoch) == (S1, None)
    tell(attempts, [(S1, "+promoted-slave", REPLICA)])
    attempts.name_epoch(attempt.old, Address("127.0.0.1", 27002), 3)
    tell(attempts, [(S1, "+failover-state-reconf-slaves", MASTER)])
    assert attempt.epoch == 3


def test_attempts_forget_the_epoch_of_a_leader_that_was_not_heard_for_a_while() -> None:
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+try-failover", MASTER), (S1, "+elected-leader", MASTER)], epoch=1)
    attempts.lost(S1, Moment(2.0, None))
    attempt = attempts.observe(S1, parse_event("+selected-slave", REPLICA), 1, Moment(3.0, 3.0))
    assert attempt is not None
    assert (attempt.number, attempt.epoch) == (1, None)


def test_attempts_give_no_epoch_of_votes_to_a_leader_that_was_lost_since() -> None:
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+sdown", MASTER), (S2, "+sdown", MASTER)])
    vote = parse_event("+vote-for-leader", f"{'2' * 40} 1")
    assert isinstance(vote, Voted)
    assert attempts.vote(S1, vote, None, True, Moment(1.0, None)) is attempts.current
    attempts.lost(S2, Moment(2.0, None))
    attempt = attempts.observe(S2, parse_event("+elected-leader", MASTER), None, Moment(3.0, 3.0))
    assert attempt is not None
    assert (attempt.number, attempt.epoch, attempt.leader) == (1, None, S2)


def test_attempts_end_a_suspicion_when_every_sentinel_took_it_back() -> None:
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+sdown", MASTER), (S2, "+sdown", MASTER), (S1, "-sdown", MASTER)])
    assert attempts.current is not None
    [record] = tell(attempts, [(S2, "-sdown", MASTER)])
    assert (record.stage, record.attempted, attempts.current) == (Stage.ABORTED, False, None)


def test_attempts_give_up_one_without_news() -> None:
    attempts = Attempts("default", "mymaster")
    tell(attempts, [(S1, "+try-failover", MASTER)])
    assert attempts.deadline == 1.0 + SILENCE
    attempts.tick(Moment(1.0 + SILENCE, None))
    [record] = attempts.records()
    assert record.closed
    assert "nothing more was heard" in record.reason


def test_attempts_keep_no_more_open_than_their_limit() -> None:
    attempts = Attempts("default", "mymaster")
    for number in range(3 * LIMITS.failovers_open):
        tell(attempts, [(SentinelName(f"s{number}"), "+try-failover", f"master mymaster 127.0.0.1 {100 + number}")])
    assert len(attempts.open) == LIMITS.failovers_open
    assert attempts.ending_at(Address("127.0.0.1", 1)) is None


@pytest.mark.parametrize("name", NAMES)
def test_recorded_failovers_walk_the_table_and_end_as_their_outcome_says(name: str) -> None:
    records = [value for value in replay(said_in([name])) if isinstance(value, Failover)]
    assert records
    assert len({(record.master, record.number) for record in records}) == len(records)
    for record in records:
        entries = sorted(record.stages, key=lambda entry: entry.at)
        stages = [entry.stage for entry in entries]
        for before, after in pairwise(stages):
            assert (
                after is before
                or after in FOLLOWS[before]
                or {before, after}
                <= {
                    Stage.SWITCHED,
                    Stage.RECONFIGURING,
                }
            ), (record, before, after)
        assert (Stage.ABORTED in stages) is (record.outcome is Outcome.ABORTED)
        assert bool(record.reason) is (record.outcome is Outcome.ABORTED)
        assert (record.outcome is Outcome.COMPLETED) is bool({Stage.PROMOTED, Stage.SWITCHED} & set(stages))
