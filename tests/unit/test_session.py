"""The session of a client's connection: every stage and use with every input."""

from __future__ import annotations

import pytest

from switchmaster.follow.gate import WaitLimits
from switchmaster.follow.session import (
    DECIDING,
    DIALLING,
    GREETING,
    IDLE,
    LISTENING,
    LOST,
    MARKS,
    NOWHERE,
    PINNED,
    PINNED_LISTENER,
    READY,
    RESTORING,
    STAGES,
    USES,
    ConnectionStage,
    Meaning,
    Session,
    Step,
    Use,
    meaning_of,
)

SETINFO = ("CLIENT", "SETINFO", "LIB-NAME", "redis-py")

IMPOSSIBLE = None
EXPECTED_STAGES = {
    # step:        LOST      DIALLING    GREETING    RESTORING   READY
    Step.DIAL: (DIALLING, IMPOSSIBLE, IMPOSSIBLE, IMPOSSIBLE, IMPOSSIBLE),
    Step.GREET: (LOST, GREETING, IMPOSSIBLE, IMPOSSIBLE, IMPOSSIBLE),
    Step.WELCOME: (LOST, IMPOSSIBLE, RESTORING, IMPOSSIBLE, IMPOSSIBLE),
    Step.FAIL: (LOST, IMPOSSIBLE, DIALLING, IMPOSSIBLE, IMPOSSIBLE),
    Step.FINISH: (LOST, READY, IMPOSSIBLE, READY, IMPOSSIBLE),
    Step.LOSE: (LOST, LOST, LOST, LOST, LOST),
}
EXPECTED_USES = {
    # meaning:             IDLE       PINNED           DECIDING   LISTENING        PINNED_LISTENER
    Meaning.PINS: (PINNED, PINNED, PINNED, PINNED_LISTENER, PINNED_LISTENER),
    Meaning.UNPINS: (IDLE, IDLE, IDLE, LISTENING, LISTENING),
    Meaning.SUBSCRIBES: (LISTENING, PINNED_LISTENER, LISTENING, LISTENING, PINNED_LISTENER),
    Meaning.TRANSACTS: (IDLE, DECIDING, DECIDING, LISTENING, LISTENING),
    Meaning.RETURNS: (IDLE, PINNED, IDLE, LISTENING, PINNED_LISTENER),
}


def test_every_stage_has_an_answer_to_every_step() -> None:
    assert set(EXPECTED_STAGES) == set(Step)
    assert set(STAGES) == set(ConnectionStage)
    for step, expected in EXPECTED_STAGES.items():
        for before, after in zip(ConnectionStage, expected, strict=True):
            session = Session(stage=before)
            if after is IMPOSSIBLE:
                with pytest.raises(AssertionError, match=f"{step.value} while {before.value}"):
                    session.advance(step)
                assert session.stage is before
            else:
                session.advance(step)
                assert session.stage is after, (step, before)


def test_every_use_has_an_answer_to_every_meaning() -> None:
    assert set(EXPECTED_USES) == set(Meaning)
    assert set(USES) == set(Use)
    for meaning, expected in EXPECTED_USES.items():
        for before, after in zip(Use, expected, strict=True):
            assert USES[before][meaning] is after, (meaning, before)


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("WATCH", Meaning.PINS), ("multi", Meaning.PINS), (b"EXEC", Meaning.UNPINS), (b"discard", Meaning.UNPINS),
        ("UNWATCH", Meaning.UNPINS), ("SUBSCRIBE", Meaning.SUBSCRIBES), ("PSUBSCRIBE", Meaning.SUBSCRIBES),
        (b"SSUBSCRIBE", Meaning.SUBSCRIBES), ("UNSUBSCRIBE", None), ("GET", None), ("SELECT", None),
    ],
)  # fmt: skip
def test_command_is_noted_however_it_is_spelled(word: str | bytes, meaning: Meaning | None) -> None:
    assert meaning_of((word, "key")) is meaning
    assert (word in MARKS) is (meaning is not None or word == "SELECT")


@pytest.mark.parametrize(
    ("words", "alters"),
    [
        (("SELECT", 1), True), (("MONITOR",), True), (("CLIENT TRACKING", "ON"), True), (("CLIENT", "TRACKING"), True),
        ((b"client", b"reply", b"off"), True), (("CLIENT", "ID"), False), (("CLIENT",), False),
    ],
)  # fmt: skip
def test_settings_that_no_greeting_repeats_bind_unless_they_belong_to_it(words: tuple[str, ...], alters: bool) -> None:
    session = Session(stage=READY)
    session.note(words, greeting=False)
    assert session.altered is alters
    assert session.bound(watched=False, restores=True) is alters
    session.note(("CLIENT", "ID"), greeting=False)
    assert session.altered is alters
    for stage, greeting in ((GREETING, True), (RESTORING, False)):
        session = Session(stage=stage)
        session.note(words, greeting=greeting)
        assert not session.altered


def test_lost_connection_forgets_what_its_server_held_but_not_the_answers_to_come() -> None:
    doubt = Exception()
    for use in Use:
        session = Session(READY, use, altered=True, seen=1, unanswered=2, doubt=doubt, lost_at=1.0)
        session.deferred, session.deferred_reads, session.unread = (b"x",), 1, 1
        session.lose()
        assert (session.stage, session.altered, session.seen) == (LOST, False, NOWHERE)
        assert session.use is (DECIDING if use is DECIDING else IDLE)
        assert (session.deferred, session.deferred_reads, session.unread, session.lost_at) == ((), 0, 0, None)
        assert (session.unanswered, session.doubt) == (2, doubt)


def test_new_attempt_to_connect_awaits_no_answers_and_is_not_cut() -> None:
    session = Session(use=DECIDING, unanswered=3)
    session.cut_attempt = session.attempt
    assert session.cut
    session.dial(needs_master=False)
    assert session.use is IDLE
    assert (session.stage, session.cut, session.unanswered, session.attempts) == (DIALLING, False, 0, 1)
    assert not session.needs_master


@pytest.mark.parametrize("serves", [True, False])
@pytest.mark.parametrize("cut", [True, False])
def test_welcome_lets_commands_through_only_where_they_may_go(serves: bool, cut: bool) -> None:
    newest = object()
    session = Session(GREETING, dialler=1)
    session.cut_attempt = session.attempt if cut else None
    session.welcome(newest, serves)
    assert (session.stage, session.dialler) == (RESTORING, None)
    assert (session.seen is newest) is (serves and not cut)


@pytest.mark.parametrize("stage", ConnectionStage)
@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("up", [True, False])
def test_connection_is_usable_while_it_is_up_and_neither_lost_nor_cut(
    stage: ConnectionStage, cut: bool, up: bool
) -> None:
    session = Session(stage)
    session.cut_attempt = session.attempt if cut else None
    assert session.usable(up) is (up and not cut and stage is not LOST)


def test_only_the_dialler_greets() -> None:
    assert not Session().dials(None)
    assert Session(dialler=1).dials(1)
    assert not Session(dialler=1).dials(2)


@pytest.mark.parametrize("use", Use)
def test_listeners_and_pinned_connections(use: Use) -> None:
    session = Session(READY, use)
    assert session.pinned is (use in (PINNED, PINNED_LISTENER))
    assert session.listens is (use in (LISTENING, PINNED_LISTENER))
    assert session.unfinished is session.pinned
    assert session.bound(watched=False, restores=False) is session.listens
    assert not session.bound(watched=False, restores=True)
    assert session.bound(watched=True, restores=True)


@pytest.mark.parametrize("use", Use)
@pytest.mark.parametrize("stage", ConnectionStage)
def test_connection_that_owes_answers_ends_instead_of_moving(stage: ConnectionStage, use: Use) -> None:
    session = Session(stage, use, unanswered=1)
    assert session.unfinished
    assert session.must_answer is (stage is not LOST and not session.listens)
    assert not Session(stage, use).must_answer


@pytest.mark.parametrize("use", Use)
@pytest.mark.parametrize("resends", [True, False])
def test_only_a_transaction_that_was_sent_is_in_doubt_and_only_once(use: Use, resends: bool) -> None:
    session = Session(READY, use)
    session.lose()
    assert session.lost_in_doubt(resends) is (use is DECIDING and not resends)
    assert not session.lost_in_doubt(resends)


def test_transaction_is_not_in_doubt_once_its_connection_was_given_back() -> None:
    session = Session(READY)
    session.note(("WATCH", "key"), greeting=False)
    session.transacted()
    session.doubt = Exception()
    session.returned()
    assert session.doubt is None
    assert not session.lost_in_doubt(resends=False)


def test_connection_stays_under_the_newest_value_until_it_is_time_to_look_again() -> None:
    newest = object()
    assert Session(seen=newest).stays(newest, 100.0, content=False)
    assert Session(seen=newest, look_again_at=101.0).stays(newest, 100.0, content=False)
    assert not Session(seen=newest, look_again_at=100.0).stays(newest, 100.0, content=True)
    for content in (True, False):
        assert Session(seen=object()).stays(newest, 100.0, content) is content


def test_introduction_is_sent_and_read_with_the_next_command_of_the_greeting() -> None:
    assert not any(Session(stage).defers(SETINFO) for stage in ConnectionStage if stage is not GREETING)  # a user's own
    session = Session(GREETING)
    assert not session.defers(("CLIENT", "ID"))
    assert session.defers(SETINFO)
    session.defer([b"CLIENT SETINFO ", b"LIB-NAME redis-py"])
    assert session.deferred_reads == 1
    assert session.read_deferred() == b"OK"
    assert (session.deferred_reads, session.unread) == (0, 1)
    assert session.with_deferred([b" RO", b"LE"]) == [b"CLIENT SETINFO LIB-NAME redis-py ROLE"]
    assert session.with_deferred([b"GET"]) == [b"GET"]


def test_later_attempts_take_longer_but_never_beyond_the_users_timeout() -> None:
    limits, session = WaitLimits(), Session()
    session.dial(needs_master=True)
    assert [session.attempt_limit(users, limits) for users in (None, 0.5, 5.0)] == [1.0, 0.5, 1.0]
    session.lose()
    session.dial(needs_master=True)
    assert [session.attempt_limit(users, limits) for users in (None, 0.5, 5.0)] == [2.0, 0.5, 2.0]
    assert [session.attempt_limit(users, WaitLimits(failover_wait=0.0)) for users in (None, 5.0)] == [None, 5.0]


def test_listener_comes_back_in_its_readers_time_and_is_silent_meanwhile() -> None:
    limits, session = WaitLimits(hold=2.0, failover_wait=10.0), Session(use=LISTENING)
    assert not session.may_be_silent(limits, 100.0)
    assert session.limits_to_come_back(None, limits, 100.0) == WaitLimits(hold=2.0, failover_wait=10.0)
    assert session.limits_to_come_back(0.5, limits, 101.0) == WaitLimits(hold=0.5, failover_wait=0.5)
    assert session.limits_to_come_back(-1, limits, 101.0) == WaitLimits(hold=0.0, failover_wait=0.0)
    assert session.limits_to_come_back(float("inf"), limits, 109.0) == WaitLimits(hold=1.0, failover_wait=1.0)
    assert [session.may_be_silent(limits, now) for now in (109.9, 110.0)] == [True, False]
    assert session.limits_to_come_back(None, limits, 111.0).failover_wait == 0.0
