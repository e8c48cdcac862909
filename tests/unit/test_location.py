"""The question about one master that waits for no link, and which of several answers counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.scripted import NOPERM, VERSIONS, ScriptedSentinel, one_by_one
from switchmaster.link.greeting import NOBODY, Credentials
from switchmaster.link.location import Located, Question, listed_by, newest
from switchmaster.model import Address

A, B = Address("10.0.0.1", 6379), Address("10.0.0.2", 6379)


def asked(
    sentinel: ScriptedSentinel, name: str = "mymaster", credentials: Credentials = NOBODY
) -> Located | str | None:
    question = Question(name, credentials)
    return question.receive_data(sentinel.answer(question.data_to_send))


@pytest.mark.parametrize("version", VERSIONS)
def test_answer_of_a_real_server_is_read_however_it_is_cut(version: str) -> None:
    sentinel = ScriptedSentinel(version)
    question = Question("mymaster")
    data = sentinel.answer(question.data_to_send)
    whole = question.receive_data(data)
    assert isinstance(whole, Located)
    assert [whole.address.host, str(whole.address.port)] == sentinel.replies[  # type: ignore[union-attr]
        "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster"
    ]
    assert whole.others == 2
    assert whole.address not in whole.replicas
    again = Question("mymaster")
    answers = [again.receive_data(piece) for piece in one_by_one(data)]
    assert answers[-1] == whole
    assert answers[:-1] == [None] * (len(data) - 1)


def test_unmonitored_master_has_no_address() -> None:
    assert asked(ScriptedSentinel(), "other") == Located(None)
    assert asked(ScriptedSentinel(refuse={"SENTINEL": b"-ERR No such master with that name\r\n"})) == Located(None)


def test_address_alone_is_enough() -> None:
    refused = ScriptedSentinel(refuse={"SENTINEL MASTER": NOPERM, "SENTINEL REPLICAS": NOPERM})
    found = asked(refused)
    assert isinstance(found, Located)
    assert found.address is not None
    assert (found.config_epoch, found.others, found.replicas) == (0, 0, ())


@pytest.mark.parametrize(
    ("beginning", "reply", "reason"),
    [
        ("SENTINEL GET", NOPERM, "grant it"),
        ("SENTINEL GET", b"*1\r\n$1\r\nx\r\n", "it does not answer as a Sentinel does"),
        ("SENTINEL", b"-ERR unknown command `SENTINEL`\r\n", "does not know the command"),
        ("SENTINEL MASTER", b"HTTP/1.1 400 Bad Request\r\n", "HTTP server"),
    ],
)
def test_refusal_or_odd_reply_has_a_reason(beginning: str, reply: bytes, reason: str) -> None:
    answer = asked(ScriptedSentinel(refuse={beginning: reply}))
    assert isinstance(answer, str)
    assert reason in answer


def test_password_goes_first_and_its_refusal_is_reported() -> None:
    sentinel = ScriptedSentinel()
    assert isinstance(asked(sentinel, credentials=Credentials("u", "p")), Located)
    assert sentinel.commands[0] == (0, "AUTH u p")
    refusing = ScriptedSentinel(refuse={"AUTH": b"-WRONGPASS invalid username-password pair\r\n"})
    answer = asked(refusing, credentials=Credentials(None, "p"))
    assert isinstance(answer, str)
    assert "refuses the username or the password" in answer


def test_password_is_for_nodes_that_a_majority_lists_not_the_first_answer() -> None:
    one, two, false = (Address("10.0.0.1", port) for port in (1, 2, 3))
    honest, lying = (Located(node, nodes=frozenset({node, two})) for node in (one, false))
    assert listed_by([lying], 0) == {false, two}
    assert listed_by([lying], 1) == frozenset()
    assert listed_by([lying, honest], 0) == {two}
    assert listed_by([lying, honest, honest], 0) == {one, two}
    assert listed_by([honest, Located(None)], 0) == {one, two}


@given(st.binary(max_size=60))
def test_no_bytes_break_a_question(data: bytes) -> None:
    Question("mymaster").receive_data(data)


def test_highest_epoch_counts_and_then_the_address_that_most_name() -> None:
    assert newest([]) is None
    assert newest([Located(None)]) is None
    assert newest([Located(None), Located(A, 1)]) == Located(A, 1)
    assert newest([Located(A, 1), Located(A, 1), Located(B, 2)]) == Located(B, 2)
    assert newest([Located(B, 1), Located(A, 1), Located(A, 1)]) == Located(A, 1)
