"""Which rules a user lacks, by the refused commands: error codes decide, never the words after them."""

from __future__ import annotations

import pytest
from hiredis import ReplyError

from switchmaster.link.rights import Rights

REFUSED = ReplyError("NOPERM whatever a server says in whatever language")


def lacking(*commands: tuple[str, ...]) -> str:
    rights = Rights()
    for command in commands:
        rights.note(command, REFUSED)
    return rights.advice


@pytest.mark.parametrize(
    ("command", "rules"),
    [
        (("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "m"), "+sentinel|get-master-addr-by-name"),
        (("CLIENT", "SETNAME", "x"), "+client|setname"),
        (("INFO", "sentinel"), "+info"),
        (("PSUBSCRIBE", "*"), "+psubscribe &*"),
    ],
)
def test_refused_command_is_a_rule_of_acl_setuser(command: tuple[str, ...], rules: str) -> None:
    assert lacking(command) == f"; grant it: {rules}"


def test_every_rule_is_named_once() -> None:
    asked = [("SENTINEL", "MASTER", name) for name in "abc"]
    assert lacking(*asked, ("ROLE",), ("SUBSCRIBE", "+sdown")) == "; grant it: +sentinel|master +role"


def test_right_granted_after_the_login_is_not_lacking() -> None:
    rights = Rights()
    rights.note(("HELLO", "3", "AUTH", "user", "secret"), REFUSED)
    assert rights.advice == "; grant it: +hello"
    rights.note(("HELLO", "3"), [b"server", b"redis"])
    assert rights.advice == ""


@pytest.mark.parametrize(
    "reply", [b"OK", ReplyError("ERR No such master with that name"), ReplyError("NOAUTH no NOPERM")]
)
def test_other_answers_are_no_missing_right(reply: object) -> None:
    rights = Rights()
    rights.note(("ROLE",), reply)  # type: ignore[arg-type]
    assert rights.advice == ""
