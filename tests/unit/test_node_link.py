"""One conversation with one data node: until it is the master, and what an end of file means."""

from __future__ import annotations

import pytest

from peers.scripted import node_of, resp
from switchmaster.link.greeting import NOBODY, Credentials
from switchmaster.link.node_link import SLOW_POLL, NodeLink
from switchmaster.model import Address
from switchmaster.wire.facts import Probe

NODE = Address("10.0.0.1", 6379)
ROLE = b"*1\r\n$4\r\nROLE\r\n"
MASTER = resp(["master", 42, []])
REPLICA = resp(["slave", "10.0.0.2", 6379, "connected", 42])
CUT_OFF = resp(["slave", "10.0.0.2", 6379, "connect", 42])


def asking(node: NodeLink, reply: bytes, now: float) -> list[Probe]:
    assert node.data_to_send()[-1].endswith(ROLE)
    node.receive_data(reply, now)
    return node.events_received()


def connected(credentials: Credentials = NOBODY, **options: object) -> NodeLink:
    node = node_of(**options)
    node.connect(0.0, credentials)
    return node


def test_node_is_asked_at_once_and_again_after_the_poll_interval_until_it_is_master() -> None:
    node = connected(poll_interval=0.02)
    following = Address("10.0.0.2", 6379)
    assert asking(node, REPLICA, 0.0) == [Probe(NODE, "slave", "", following, True)]
    node.tick(0.01)
    assert [] == node.data_to_send()
    node.tick(0.02)
    assert [] == asking(node, REPLICA, 0.03)
    node.tick(0.05)
    assert asking(node, CUT_OFF, 0.05) == [Probe(NODE, "slave", "", following, False)]
    node.tick(0.07)
    assert asking(node, MASTER, 0.07) == [Probe(NODE, "master")]


def test_master_is_asked_rarely_so_that_a_demotion_is_seen() -> None:
    node = connected()
    asking(node, MASTER, 0.0)
    assert node.deadline == pytest.approx(SLOW_POLL)
    node.tick(SLOW_POLL)
    assert asking(node, REPLICA, SLOW_POLL)[0].role == "slave"


def test_answer_for_a_new_consumer_is_requested_at_once_and_reported_again() -> None:
    node = connected()
    assert asking(node, MASTER, 0.0) == [Probe(NODE, "master")]
    node.report_again(0.1)
    assert asking(node, MASTER, 0.1) == [Probe(NODE, "master")]
    node.tick(0.1 + SLOW_POLL)
    node.report_again(0.1 + SLOW_POLL)  # the question under way is not asked twice
    assert asking(node, MASTER, 0.2 + SLOW_POLL) == [Probe(NODE, "master")]
    assert node.data_to_send() == []


def test_refusal_is_reported_again_to_a_new_consumer_until_the_link_is_closed() -> None:
    node = connected()
    refusal = asking(node, b"-NOAUTH Authentication required.\r\n", 0.0)
    node.report_again(0.1)
    assert node.events_received() == refusal
    node.close()
    node.report_again(0.2)
    assert node.events_received() == []


def test_end_of_file_after_an_answer_is_followed_by_a_new_connection_at_once() -> None:
    node = connected()
    asking(node, REPLICA, 0.0)
    node.receive_eof(0.4)
    assert node.wants_connection
    assert node.deadline is None
    assert node.events_received() == [Probe(NODE, None, "the node closed the connection", ended=True)]
    node.connect(0.401)
    assert asking(node, MASTER, 0.402) == [Probe(NODE, "master")]


def test_node_that_hangs_up_each_time_is_not_hammered() -> None:
    node = connected()
    asking(node, REPLICA, 0.0)
    node.receive_eof(0.1)
    node.connect(0.11)
    asking(node, REPLICA, 0.11)
    node.receive_eof(0.12)
    assert not node.wants_connection
    assert node.deadline is not None
    assert 0.17 <= node.deadline <= 0.37


def test_end_of_file_before_any_answer_waits() -> None:
    node = connected()
    node.receive_eof(0.0)
    assert not node.wants_connection
    assert [Probe(NODE, None, "the node closed the connection")] == node.events_received()


def test_failed_attempts_are_reported_once_for_each_reason_and_continue() -> None:
    node, now, told = node_of(), 0.0, []
    for reason in ["connection refused"] * 3 + ["timed out after 1 s"] * 2:
        node.connect_failed(reason, now)
        told += node.events_received()
        assert node.deadline is not None
        assert 0.05 <= node.deadline - now <= 0.25
        now = node.deadline
        node.tick(now)
        assert node.wants_connection
    assert [probe.reason for probe in told] == ["connection refused", "timed out after 1 s"]


@pytest.mark.parametrize(
    "reply",
    [
        b"-NOAUTH Authentication required.\r\n",
        b"-NOPERM this user has no permissions to run the 'role' command\r\n",
    ],
)
def test_refusal_is_reported_once_and_retried_slowly(reply: bytes) -> None:
    node = connected()
    (probe,) = asking(node, reply, 0.0)
    assert probe.role is None
    assert probe.reason
    assert node.deadline is not None
    assert not node.wants_connection
    assert 1.0 <= node.deadline <= 2.0
    node.tick(node.deadline)
    node.connect(node.deadline or 0.0)
    assert asking(node, reply, 2.0) == []


def test_wrong_password_is_not_shown_and_the_next_attempt_takes_another() -> None:
    node = connected(Credentials("app", "s3cret"))
    assert b"AUTH" in node.data_to_send()[0]
    node.receive_data(b"-WRONGPASS invalid username-password pair\r\n" + REPLICA, 0.0)
    (probe,) = node.events_received()
    assert "s3cret" not in probe.reason
    assert node.deadline is not None
    node.tick(node.deadline)
    node.connect(2.0, Credentials("app", "s3cret2"))
    assert b"s3cret2" in node.data_to_send()[0]
    node.receive_data(b"+OK\r\n" + MASTER, 2.0)
    assert node.events_received() == [Probe(NODE, "master")]


def test_needless_password_is_harmless() -> None:
    node = connected(Credentials(None, "pw"))
    error = b"-ERR AUTH <password> called without any password configured for the default user.\r\n"
    node.receive_data(error + MASTER, 0.0)
    assert [Probe(NODE, "master")] == node.events_received()


@pytest.mark.parametrize("reply", [b"-LOADING Redis is loading\r\n", b"-MASTERDOWN Link down\r\n"])
def test_node_that_is_not_ready_is_asked_again_soon(reply: bytes) -> None:
    node = connected(poll_interval=0.02)
    (probe,) = asking(node, reply, 0.0)
    assert probe.role is None
    node.tick(0.02)
    assert asking(node, MASTER, 0.02) == [Probe(NODE, "master")]


def test_sentinel_is_not_taken_for_a_data_node() -> None:
    (probe,) = asking(connected(), resp(["sentinel", ["mymaster"]]), 0.0)
    assert "it is a Sentinel" in probe.reason


def test_silent_node_is_abandoned_and_dialled_again() -> None:
    node = connected(timeout=0.5)
    assert node.deadline == pytest.approx(0.5)
    node.tick(0.5)
    (probe,) = node.events_received()
    assert probe.reason == "silent for 0.5 s"
    assert not node.wants_connection
    node.tick(1.0)
    assert node.wants_connection


def test_dripping_node_is_abandoned_in_bounded_time() -> None:
    node, now = connected(timeout=0.5), 0.0
    while node.wants_connection:
        now += 0.04
        node.receive_data(b"$" if now < 0.05 else b"1", now)
        node.tick(now)
    assert now <= 0.6


def test_http_server_is_recognised() -> None:
    node = connected()
    node.receive_data(b"HTTP/1.1 400 Bad Request\r\n", 0.0)
    assert "HTTP" in node.events_received()[0].reason


def test_closed_link_wants_nothing() -> None:
    node = connected()
    node.close()
    node.receive_data(MASTER, 0.0)
    node.receive_eof(0.0)
    node.tick(100.0)
    assert (False, None, []) == (node.wants_connection, node.deadline, node.events_received())


def test_shell_must_not_connect_twice() -> None:
    node = connected()
    with pytest.raises(ValueError, match="open already"):
        node.connect(0.0)


def test_node_link_refuses_a_timeout_of_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        node_of(timeout=0)
