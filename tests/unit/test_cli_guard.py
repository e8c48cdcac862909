"""`switchmaster guard`: what it says of guards, what it orders of a daemon, and what it says where none answers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rig.api_rig import ANY_PORT, S1, A, B, FakeDeployment, listening, served
from rig.guard_rig import FakeGuard, guard_status
from switchmaster.cli.group import cli
from switchmaster.guard.policy import Arming
from switchmaster.server.api import HttpSettings

TOKEN = "act-1234"


class Served:
    """A daemon's API in a thread, with one guarded master and one that is not."""

    def __init__(self) -> None:
        self.guard = FakeGuard(guard_status())
        self.url = ""
        self._ready, self._end = threading.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        settings = HttpSettings(ANY_PORT, token=TOKEN)
        app, state = served(FakeDeployment(masters=("mymaster1", "other")), settings=settings)
        state.guards = lambda: {"kvdb": self.guard}
        async with listening(app, state, settings) as server:
            self.url = server.url
            self._ready.set()
            await self._end.wait()

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)


@pytest.fixture
def daemon() -> Iterator[Served]:
    with Served() as daemon:
        yield daemon


def run(daemon: Served, *words: str, token: str | None = TOKEN, stdin: str | None = None) -> Result:
    verb, *others = words
    environment = {"SWITCHMASTER_HTTP_TOKEN": token, "SWITCHMASTER_URL": daemon.url}
    return CliRunner().invoke(cli, ["guard", verb, *others], env=environment, input=stdin)


def test_status_says_of_each_master_what_its_guard_would_do(daemon: Served) -> None:
    daemon.guard.by_name["other"] = replace(
        guard_status(master="other", arming=Arming.DRY_RUN), outlook=("in TILT: a",), suspended_until=1.8e9
    )
    found = run(daemon, "status", "--format", "pretty")
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines() == [
        f"kvdb/mymaster1  {A}  armed  would ask {S1} to promote {B}",
        f"kvdb/other  {A}  dry-run  suspended until 2027-01-15T08:00:00.000000Z  would not act: in TILT: a",
    ]
    rows = [line.split("\t") for line in run(daemon, "status", "--format", "tsv").stdout.splitlines()]
    assert [(row[0], row[2], row[4], row[5]) for row in rows] == [
        ("guard", "mymaster1", "armed", "yes"),
        ("guard", "other", "dry-run", "no"),
    ]
    assert [json.loads(line)["master"] for line in run(daemon, "status").stdout.splitlines()] == ["mymaster1", "other"]


def test_status_where_nothing_is_guarded_says_so(daemon: Served) -> None:
    daemon.guard.by_name.clear()
    assert "no master is guarded" in run(daemon, "status", "--format", "pretty").stdout
    assert "disarmed" in run(daemon, "status", "other", "--format", "pretty").stdout


def test_explain_says_whom_it_would_ask_and_whom_it_would_promote(daemon: Served) -> None:
    found = run(daemon, "explain", "mymaster1", "--format", "pretty")
    assert found.exit_code == 0, found.output
    for part in (
        "the guard would order a failover",
        "one sample: a restart would bring back nothing",
        f"{S1} (SENTINEL FAILOVER mymaster1)",
        f"promote  {B}",
        "20,000 keys, offset 4711",
    ):
        assert part in found.stdout


def test_explain_of_a_guard_that_would_not_act_says_why_and_is_code_1(daemon: Served) -> None:
    daemon.guard.by_name["mymaster1"] = replace(guard_status(), outlook=("in TILT: a", "another"), objected={"tilt": 2})
    found = run(daemon, "explain", "mymaster1", "--format", "pretty")
    assert found.exit_code == 1
    for part in ("would not order", "  - in TILT: a", "  - another", "kept back by tilt 2"):
        assert part in found.stdout
    assert run(daemon, "explain", "other", "--format", "json").exit_code == 1


@pytest.mark.parametrize(
    ("words", "ordered"),
    [
        (("arm", "mymaster1", "--yes"), Arming.ARMED),
        (("arm", "mymaster1", "--dry-run"), Arming.DRY_RUN),
        (("disarm", "mymaster1"), Arming.DISARMED),
        (("suspend", "mymaster1", "--for", "2h"), 7200.0),
        (("resume", "mymaster1"), None),
    ],
)
def test_order_reaches_the_daemon(daemon: Served, words: tuple[str, ...], ordered: object) -> None:
    found = run(daemon, *words, "--deployment", "kvdb")
    assert found.exit_code == 0, found.output
    [(master, what, by)] = daemon.guard.orders
    assert (master, what) == ("mymaster1", ordered)
    assert by
    assert json.loads(found.stdout)["type"] == "guard"


def test_arming_without_a_confirmation_does_nothing(daemon: Served) -> None:
    found = run(daemon, "arm", "mymaster1", stdin="mymaster1\n")
    assert (found.exit_code, daemon.guard.orders) == (2, [])
    assert "--yes" in found.stderr


@pytest.mark.parametrize(("typed", "code", "orders"), [("mymaster1", 0, 1), ("yes", 2, 0), ("", 2, 0)])
def test_name_is_typed_once_more_to_arm(
    daemon: Served, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, orders: int
) -> None:
    monkeypatch.setattr("switchmaster.cli.confirmation.is_interactive", lambda: True)
    found = run(daemon, "arm", "mymaster1", stdin=f"{typed}\n")
    assert (found.exit_code, len(daemon.guard.orders)) == (code, orders), found.output


@pytest.mark.parametrize(
    ("words", "token", "code", "sentence"),
    [
        (("status", "none"), TOKEN, 4, "no master named 'none'"),
        (("disarm", "none"), TOKEN, 4, "no master named 'none'"),
        (("disarm", "mymaster1"), None, 5, "name its file with --token-file"),
        (("disarm", "mymaster1"), "wrong", 5, "wrong token"),
        (("status", "--deployment", "x"), TOKEN, 4, "no deployment is named 'x'"),
        (("suspend", "mymaster1", "--for", "long"), TOKEN, 2, "expected such as 90s, 15m or 2h"),
        (("status", "--url", "kv:8370"), TOKEN, 2, "is not the URL of a daemon"),
        (("status", "--url", "http://127.0.0.1:1"), TOKEN, 3, "no daemon answers at http://127.0.0.1:1"),
        (("status", "--token-file", "/none"), TOKEN, 2, "can't read"),
    ],
)
def test_what_fails_is_one_sentence(
    daemon: Served, words: tuple[str, ...], token: str | None, code: int, sentence: str
) -> None:
    found = run(daemon, *words, token=token)
    assert (found.exit_code, found.stdout) == (code, ""), found.output
    assert sentence in found.stderr
    assert found.stderr.count("\n") == 1
    assert daemon.guard.orders == []


def test_token_comes_from_its_file(daemon: Served, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n", encoding="utf-8")
    assert run(daemon, "disarm", "mymaster1", "--token-file", str(file), token=None).exit_code == 0
