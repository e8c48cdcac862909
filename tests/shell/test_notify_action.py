"""The notify action with Apprise's JSON service: storms are one message, nobody is told twice, and no URL is shown."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rig.reactions import HOSTILE, follow_two_switches, run, wish
from switchmaster.errors import UsageError
from switchmaster.journal.reaction_rows import RunCause
from switchmaster.journal.wishes import Wish
from switchmaster.react import notify_action
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.notify_action import DEFAULT_BODY, DEFAULT_TITLE, NotifyAction, read_services

SECRET = "s3cret-of-the-service"


class Receiver:
    """Two services at one server; those in `failing` answer 500."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.failing: set[str] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                which = self.path.strip("/")
                if which not in receiver.failing:
                    receiver.got.append((which, body))
                self.send_response(500 if which in receiver.failing else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.place = f"127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture(autouse=True)
def _nothing_told() -> Iterator[None]:
    notify_action._TOLD.clear()
    yield
    notify_action._TOLD.clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def of(receiver: Receiver, folder: Path, *names: str, **more: Any) -> NotifyAction:
    file = folder / "urls"
    lines = [f"json://ann:{SECRET}@{receiver.place}/{name}" for name in names or ("one",)]
    file.write_text("# people\n\n" + "\n".join(lines) + "\n")
    given = {"title": DEFAULT_TITLE, "body": DEFAULT_BODY, "fold": 0.05}
    return NotifyAction(**{"urls_file": str(file), **given, **more})


def applied(action: NotifyAction, *wishes: Wish) -> list[str]:
    async def together() -> list[str]:
        return list(await asyncio.gather(*(action.apply(one, run()) for one in wishes)))

    return asyncio.run(together())


def test_storm_of_switches_is_one_message(receiver: Receiver, tmp_path: Path) -> None:
    storm = [wish(1, f"m{number}") for number in range(20)]
    said = applied(of(receiver, tmp_path), *storm)
    assert set(said) == {"taken by JSON, 20 switches together"}
    [(_, message)] = receiver.got
    assert message["title"] == "m0 has moved, and 19 more"
    assert message["message"].count("10.0.1.1:6379 -> 10.0.1.2:6379 (failover, promoted)") == 20
    applied(of(receiver, tmp_path), wish(2))
    assert receiver.got[1][1]["title"] == "m1 has moved"


def test_service_that_fails_is_tried_again_and_the_other_not_told_twice(receiver: Receiver, tmp_path: Path) -> None:
    action = of(receiver, tmp_path, "one", "two")
    receiver.failing.add("two")
    with pytest.raises(AttemptFailed, match="not taken by JSON"):
        applied(action, wish(1))
    receiver.failing.clear()
    applied(action, wish(1), wish(2))
    assert [(name, message["message"].count("->")) for name, message in receiver.got] == [
        ("one", 1),
        ("one", 1),
        ("two", 2),
    ]


def test_person_can_have_a_switch_told_again(receiver: Receiver, tmp_path: Path) -> None:
    action = of(receiver, tmp_path)
    applied(action, wish(1))
    asyncio.run(action.apply(wish(1), replace(run(), cause=RunCause.RUN)))
    assert len(receiver.got) == 2


def test_hostile_name_is_text_of_a_message(receiver: Receiver, tmp_path: Path) -> None:
    applied(of(receiver, tmp_path), wish(1, HOSTILE))
    [(_, message)] = receiver.got
    assert "\n" not in message["title"] + message["message"]
    assert "{{7*7}}" in message["message"]
    assert "\u202e" not in message["message"]


def test_no_url_of_a_service_is_shown(receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    action = of(receiver, tmp_path)
    receiver.failing.add("one")
    with pytest.raises(AttemptFailed) as failed:
        applied(action, wish(1))
    shown = str(failed.value) + repr(action) + action.summary + action.plan(wish(1)) + caplog.text
    assert SECRET not in shown + repr(read_services(Path(action.urls_file).read_text()))
    with pytest.raises(UsageError, match="line 2 is no URL") as refused:
        read_services(f"json://localhost/\nnone://{SECRET}@x")
    assert SECRET not in str(refused.value) + caplog.text
    with pytest.raises(UsageError, match="there is no URL"):
        read_services("# none\n")


def test_template_can_not_leave_its_sandbox(receiver: Receiver, tmp_path: Path) -> None:
    for body in ("{{ ''.__class__.__mro__ }}", "{{ unknown }}", "{% for", "{{ 1 / 0 }}"):
        with pytest.raises(GiveUp, match="its template"):
            applied(of(receiver, tmp_path, body=body), wish(1))
    assert receiver.got == []


def test_services_are_tested_without_a_message(receiver: Receiver, tmp_path: Path) -> None:
    action = of(receiver, tmp_path)
    assert "JSON reached; nothing was sent" in asyncio.run(action.test())
    (tmp_path / "urls").write_text("json://127.0.0.1:1/\n")
    with pytest.raises(AttemptFailed, match=r"JSON: 127\.0\.0\.1:1"):
        asyncio.run(action.test())
    with pytest.raises(AttemptFailed, match="can't read"):
        asyncio.run(replace(action, urls_file=str(tmp_path / "none")).test())
    assert receiver.got == []


def test_newest_switch_comes_last_although_the_first_was_slow(receiver: Receiver, tmp_path: Path) -> None:
    action = of(receiver, tmp_path)
    assert follow_two_switches(tmp_path, action, every=True) == [(1, "done"), (2, "done")]
    assert ["-> 10.0.1.2" in receiver.got[0][1]["message"], "-> 10.0.1.3" in receiver.got[1][1]["message"]] == [
        True
    ] * 2
