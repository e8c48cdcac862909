"""The API's routes of actions: what is configured, what was done, and orders that need the token and a confirmation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rig.api_rig import LOOPBACK, FakeDeployment, FileJournal, asking, served
from rig.reactions import JournalOfSwitches, Listed, Shown, UnstartedActions, configured, switch
from switchmaster.journal.reaction_rows import RunOutcome
from switchmaster.react.choosing import next_step
from switchmaster.server.api import HttpSettings
from switchmaster.server.api import action_shapes as shapes

TOKEN = "act-1234"
ORDER = {"confirm": "act", "master": "m1", "by": "ann"}


class Rig:
    """An API over a journal with one switch, which ``act`` has carried out and ``shown`` has not."""

    def __init__(self, folder: Path) -> None:
        self.kept = FileJournal(folder)
        self.actions = UnstartedActions(self.kept.url, configured(Listed()), configured(Shown(), "shown"))
        reactor = self.actions.reactor
        reactor.store.register([("act", ""), ("shown", "")])
        journal = JournalOfSwitches(folder)
        journal.write(switch(1))
        journal.close()
        targets = [reactor.target(reactor.action(name), "kvdb", "m1") for name in ("act", "shown")]
        reactor.store.advance(targets, next_step)
        [row] = reactor.store.pending([("act", "")])
        receipt = reactor.store.take(row, 60.0, run=True)
        assert receipt is not None
        reactor.store.finish(row, receipt, RunOutcome.DONE, 2, "listed")

    def ask(self, method: str, path: str, json: Any = None, token: str | None = TOKEN) -> httpx.Response:
        async def go() -> httpx.Response:
            told = FakeDeployment(masters=("m1", "other"))
            app, state = served(told, kept=self.kept, settings=HttpSettings(LOOPBACK, token=TOKEN))
            state.actions = self.actions
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            try:
                async with asking(app, **headers) as client:
                    return await client.request(method, path, json=json)
            finally:
                state.close()

        return asyncio.run(go())


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.actions.reactor.store.close()
    rig.kept.close()


def test_lists_have_the_shapes_of_the_document(rig: Rig) -> None:
    actions = shapes.ActionPage.model_validate_json(rig.ask("GET", "/api/v1/actions").content, strict=True)
    assert [(one.action, one.states, one.runs) for one in actions.items] == [
        ("act", {"done": 1}, {"done": 3}),
        ("shown", {"pending": 1}, {}),
    ]
    found = shapes.ReactionPage.model_validate_json(
        rig.ask("GET", "/api/v1/reactions?state=pending").content, strict=True
    )
    assert [(one.action, one.state, one.epoch, one.attempts) for one in found.items] == [("shown", "pending", 1, 0)]
    receipts = shapes.ReceiptPage.model_validate_json(
        rig.ask("GET", "/api/v1/receipts?action=act").content, strict=True
    )
    assert [(one.outcome, one.attempts, one.output) for one in receipts.items] == [("done", 2, "listed")]
    assert rig.ask("GET", "/api/v1/receipts?outcome=gave-up").json()["items"] == []
    [line] = rig.ask("GET", "/api/v1/switches").json()["items"]
    assert line["id"] == 1


def test_action_is_carried_out_again_with_token_and_confirmation(rig: Rig) -> None:
    assert rig.ask("POST", "/api/v1/actions/act/run", ORDER, token=None).status_code == 401
    assert rig.ask("POST", "/api/v1/actions/act/run", {**ORDER, "confirm": "m1"}).status_code == 409
    assert rig.ask("POST", "/api/v1/actions/none/run", {**ORDER, "confirm": "none"}).status_code == 404
    assert rig.ask("POST", "/api/v1/actions/act/run", {**ORDER, "master": "none"}).status_code == 404
    refused = rig.ask("POST", "/api/v1/actions/act/run", {**ORDER, "switch": 99})
    assert (refused.status_code, "no switch 99" in refused.json()["detail"]) == (409, True)
    found = rig.ask("POST", "/api/v1/actions/act/run", ORDER)
    line = shapes.ReactionLine.model_validate_json(found.content, strict=True)
    assert (found.status_code, line.action, line.state, line.cause) == (200, "act", "pending", "run")


def test_pauses_are_made_listed_and_ended(rig: Rig) -> None:
    order = {"action": "act", "seconds": 60, "by": "ann", "reason": "moving"}
    assert rig.ask("POST", "/api/v1/actions/pause", order, token=None).status_code == 401
    made = shapes.PauseLine.model_validate_json(rig.ask("POST", "/api/v1/actions/pause", order).content, strict=True)
    assert (made.action, made.master, made.by) == ("act", "", "ann")
    assert [one["reason"] for one in rig.ask("GET", "/api/v1/pauses").json()["items"]] == ["moving"]
    assert rig.ask("POST", "/api/v1/actions/resume", {"action": "other"}).status_code == 409
    assert rig.ask("POST", "/api/v1/actions/resume", {"action": "act"}).json()["items"] == []


def test_target_is_tested_over_the_api(rig: Rig) -> None:
    rig.actions.reactor.start()
    try:
        found = rig.ask("POST", "/api/v1/actions/act/test", {"by": "ann"}).json()
    finally:
        rig.actions.reactor.close()
    assert found == {"action": "act", "passed": True, "text": "the list is here"}


def test_daemon_without_actions_says_so(rig: Rig) -> None:
    actions, rig.actions = rig.actions, None  # type: ignore[assignment]
    found = rig.ask("GET", "/api/v1/actions")
    assert (found.status_code, found.json()["detail"]) == (503, "this daemon carries out no actions")
    rig.actions = actions  # the fixture closes it
