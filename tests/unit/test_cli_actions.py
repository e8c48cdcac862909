"""`switchmaster actions`: what it asks the daemon, what it prints, and its exit codes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from switchmaster.cli.daemon_client import DaemonClient
from switchmaster.cli.group import cli
from switchmaster.errors import DaemonRefused

NEW = {"host": "10.0.1.2", "port": 6379}
CONFIGURED = {
    "type": "configured-action",
    "action": "act",
    "kind": "script",
    "summary": "/bin/act",
    "group": "point",
    "grade": "announced",
    "local": True,
    "every": False,
    "dry_run": False,
    "masters": [],
    "deployments": [],
    "states": {"done": 3, "pending": 1},
    "runs": {},
}
REACTION = {
    "type": "reaction",
    "action": "act",
    "deployment": "kvdb",
    "master": "m1\x1b[2J",
    "state": "pending",
    "wished": "2026-11-29T03:00:00Z",
    "attempts": 4,
    "problem": "refused",
    "new": NEW,
}
RECEIPT = {
    "type": "receipt",
    "started": "2026-11-29T03:00:00Z",
    "action": "act",
    "deployment": "kvdb",
    "master": "m1",
    "outcome": "gave-up",
    "cause": "switch",
    "attempts": 9,
    "observer": "here",
    "output": "no\nway",
    "switch": {"new": NEW},
}
PAUSE = {
    "type": "pause",
    "action": "",
    "deployment": "",
    "master": "m1",
    "until": None,
    "by": "ann",
    "reason": "moving",
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the daemon is asked; it answers with the lines above."""
    asked: list[tuple[str, Any]] = []
    lists = {"actions": CONFIGURED, "reactions": REACTION, "receipts": RECEIPT, "pauses": PAUSE}

    def get(self: DaemonClient, path: str, **query: str | None) -> Any:
        asked.append((path, {key: value for key, value in query.items() if value is not None}))
        found = lists[path.rpartition("/")[2]]
        failed = query.get("state") == "failed"
        return {"items": [] if failed else [found], "next": "more" if path.endswith("receipts") else None}

    def post(self: DaemonClient, path: str, body: Any, **query: str | None) -> Any:
        asked.append((path, body))
        if path.endswith("/test"):
            return {"action": "act", "passed": body["by"] == "ann", "text": "it answers"}
        if path.endswith("/run") and body["master"] == "none":
            raise DaemonRefused("http://x", 404, "unknown")
        return {"items": []} if path.endswith("resume") else PAUSE if path.endswith("pause") else REACTION

    monkeypatch.setattr(DaemonClient, "get", get)
    monkeypatch.setattr(DaemonClient, "post", post)
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    return asked


def call(*words: str, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["actions", *words], input=input)


def test_list_shows_what_is_configured_not_done_and_paused(asked: list[tuple[str, Any]]) -> None:
    found = call("list", "--format", "pretty")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert lines[0] == "act  script /bin/act  point, grade announced, local  3 done, 1 pending"
    assert "-> 10.0.1.2:6379  pending since 2026-11-29T03:00:00Z  4 attempts  refused" in lines[1]
    assert "\x1b" not in found.stdout
    assert lines[2] == "paused  master m1  until it is resumed, by ann: moving"
    assert [json.loads(line)["type"] for line in call("list", "--format", "json").stdout.splitlines()] == [
        "configured-action",
        "reaction",
        "pause",
    ]


def test_history_shows_receipts_and_how_to_see_more(asked: list[tuple[str, Any]]) -> None:
    found = call("history", "act", "--master", "m1", "--outcome", "gave-up", "--format", "pretty")
    assert "gave-up  switch, 9 attempts, here  no way" in found.stdout
    assert "add --cursor more" in found.stderr
    assert asked[0][1] == {"action": "act", "master": "m1", "outcome": "gave-up", "limit": "50"}
    assert call("history", "--format", "tsv").stdout.split("\t")[:3] == ["receipt", "2026-11-29T03:00:00Z", "act"]


def test_run_wants_a_confirmation(asked: list[tuple[str, Any]]) -> None:
    refused = call("run", "act", "--master", "m1")
    assert (refused.exit_code, asked) == (2, [])
    assert "add --yes" in refused.stderr
    assert call("run", "act", "--master", "m1", "--switch", "7", "--yes").exit_code == 0
    [(path, body)] = asked
    assert path == "/api/v1/actions/act/run"
    assert body == {"master": "m1", "deployment": None, "confirm": "act", "by": "ann", "switch": 7}
    assert call("run", "act", "--master", "none", "--yes").exit_code == 4
    assert call("run", "../pause", "--master", "m1", "--yes").exit_code == 2


def test_test_says_whether_the_target_was_reached(
    asked: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("test", "act", "--format", "pretty").stdout == "act  it answers\n"
    monkeypatch.setattr("getpass.getuser", lambda: "bob")
    assert call("test", "act").exit_code == 1


def test_pause_and_resume_name_the_same(asked: list[tuple[str, Any]]) -> None:
    assert call("pause", "act", "--master", "m1", "--for", "2h", "--reason", "moving").exit_code == 0
    assert call("pause").exit_code == 0
    assert call("resume", "act", "--master", "m1", "--format", "pretty").stdout == "nothing is paused\n"
    named = {"action": "act", "master": "m1", "deployment": "", "by": "ann"}
    assert [body for _, body in asked] == [
        named | {"reason": "moving", "seconds": 7200},
        {"action": "", "master": "", "deployment": "", "by": "ann", "reason": ""},
        named,
    ]
    assert call("pause", "--for", "soon").exit_code == 2
