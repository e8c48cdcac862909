"""Error replies as values: those of real servers; no other wording decides anything."""

from __future__ import annotations

import hiredis
import pytest

from peers.scripted import ScriptedSentinel, exchange, link_of
from switchmaster.wire.facts import LinkChange, LinkState
from switchmaster.wire.refusal import Refusal, classify, explain

SAID = [
    ("NOAUTH Authentication required.", Refusal.PASSWORD),
    ("WRONGPASS invalid username-password pair or user is disabled.", Refusal.PASSWORD),
    ("ERR invalid password", Refusal.PASSWORD),
    (
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?",
        Refusal.NEEDLESS_PASSWORD,
    ),
    ("DENIED Redis is running in protected mode because protected mode is enabled", Refusal.PROTECTED),
    ("ERR max number of clients reached", Refusal.FULL),
    ("NOPERM this user has no permissions to run the 'role' command", Refusal.PERMISSION),
    ("NOPROTO unsupported protocol version", Refusal.UNKNOWN_PROTOCOL),
    ("ERR unknown command 'SENTINEL', with args beginning with: 'MYID' ", Refusal.UNKNOWN_COMMAND),
    ("ERR unknown command `HELLO`, with args beginning with: `3`, ", Refusal.UNKNOWN_COMMAND),
    ("ERR unknown subcommand 'MYID'. Try SENTINEL HELP.", Refusal.UNKNOWN_SUBCOMMAND),
    ("ERR Unknown sentinel subcommand 'MYID'", Refusal.UNKNOWN_SUBCOMMAND),
    ("ERR No such master with that name", Refusal.NO_SUCH_MASTER),
    ("LOADING Redis is loading the dataset in memory", Refusal.OTHER),
]
DECEPTIVE = [
    "ERR this emigrant proxy is closed",
    "ERR grant it: +sentinel|masters",
    "ERR called without any password",
    "ERR the password is NOPERM",
    "ERR it is in protected mode and refuses other hosts",
]
"""Sentences that contain words of ours or of a server, without their meaning."""


@pytest.mark.parametrize(("text", "kind"), SAID)
def test_error_of_a_real_server_has_its_kind(text: str, kind: Refusal) -> None:
    assert kind is classify(hiredis.ReplyError(text))


@pytest.mark.parametrize("text", DECEPTIVE)
def test_words_within_an_error_decide_nothing(text: str) -> None:
    reply = hiredis.ReplyError(text)
    assert Refusal.OTHER is classify(reply)
    assert explain(reply) == f'it said "{text}"'


@pytest.mark.parametrize("text", DECEPTIVE)
def test_odd_sentence_of_a_peer_ends_the_link_without_a_refusal(text: str) -> None:
    facts = exchange(link_of(), ScriptedSentinel(refuse={"HELLO": f"-{text}\r\n".encode()}), 0.0)
    last = facts[-1]
    assert isinstance(last, LinkChange)
    assert last.state is LinkState.DOWN
    assert text in last.reason
    assert last.refusal is None


def test_reply_that_is_no_error_is_no_refusal() -> None:
    assert classify(b"NOPERM") is None


def test_commands_that_will_never_be_answered_are_unavailable() -> None:
    unavailable = {kind for kind in Refusal if kind.unavailable}
    assert unavailable == {
        Refusal.PERMISSION,
        Refusal.UNKNOWN_COMMAND,
        Refusal.UNKNOWN_SUBCOMMAND,
        Refusal.UNKNOWN_PROTOCOL,
    }
