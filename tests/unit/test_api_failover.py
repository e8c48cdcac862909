"""The API's routes of planned failovers: an order needs the token and the master's name, a dry run changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from rig.api_rig import TOKEN, FakeDeployment, request_once
from rig.failover_rig import FakeFailovers, ended
from rig.guard_cases import B, C
from switchmaster.errors import UnknownMaster, UsageError
from switchmaster.model import Address
from switchmaster.planned.request import FailoverRequest
from switchmaster.server.api import shapes

PATH = "/api/v1/masters/mymaster/planned-failover"
ORDER = {"confirm": "mymaster", "by": "ada"}


def request(
    method: str, failovers: FakeFailovers | None, json: object = None, token: str | None = TOKEN, path: str = PATH
) -> httpx.Response:
    """Send one request to an API with one deployment."""
    told = FakeDeployment(masters=("mymaster", "other"))
    source = None if failovers is None else lambda: {"kvdb": failovers}
    return request_once(method, path, told, token=token, json=json, failovers=source)


def test_failover_that_has_ended_has_the_shape_of_the_document() -> None:
    found = request("GET", FakeFailovers(ended()))
    assert found.status_code == 200
    line = shapes.PlannedFailoverLine.model_validate_json(found.content, strict=True)
    assert (line.running, line.by, line.error) == (False, "ada", None)
    assert line.conclusion is not None
    assert (line.conclusion.ending, line.conclusion.new) == ("done", shapes.Node(host=B.host, port=B.port))
    assert line.plan is not None
    assert {check.result for check in line.plan.checks} == {"passed"}


def test_master_that_was_never_moved_is_not_found() -> None:
    for failovers in (None, FakeFailovers()):
        assert request("GET", failovers).status_code == 404


def test_order_begins_with_what_was_asked_for() -> None:
    failovers = FakeFailovers()
    more = {"to": "10.0.1.3:6379", "coordinated": True, "wait_replicas": True, "if_master": "10.0.1.1:6379"}
    found = request("POST", failovers, ORDER | more)
    assert (found.status_code, found.json()["running"]) == (200, True)
    wanted = FailoverRequest("mymaster", C, Address("10.0.1.1", 6379), coordinated=True, wait_replicas=True)
    assert failovers.asked == [("order", wanted, "ada")]


def test_dry_run_needs_no_confirmation_and_begins_nothing() -> None:
    failovers = FakeFailovers()
    found = request("POST", failovers, {"dry_run": True})
    assert (found.status_code, found.json()["running"], found.json()["plan"]["possible"]) == (200, False, True)
    assert [asked[0] for asked in failovers.asked] == ["plan"]


@pytest.mark.parametrize(
    ("json", "status", "sentence"),
    [
        ({"confirm": "yes"}, 409, "confirm must be the master's name"),
        ({}, 409, "confirm must be the master's name"),
        (ORDER | {"to": "nowhere"}, 422, "HOST:PORT"),
        (ORDER | {"force": True}, 422, "force"),
    ],
)
def test_order_that_is_not_whole_begins_nothing(json: Any, status: int, sentence: str) -> None:
    failovers = FakeFailovers()
    found = request("POST", failovers, json)
    assert (found.status_code, failovers.asked) == (status, [])
    assert sentence in found.json()["detail"]


@pytest.mark.parametrize("token", [None, "wrong"])
def test_order_without_the_token_is_refused(token: str | None) -> None:
    failovers = FakeFailovers()
    assert (request("POST", failovers, ORDER, token).status_code, failovers.asked) == (401, [])


@pytest.mark.parametrize(
    ("error", "status"),
    [(UsageError("busy"), 409), (TimeoutError(), 503), (UnknownMaster("mymaster"), 404)],
)
def test_order_that_nothing_can_take_is_answered_with_a_sentence(error: Exception, status: int) -> None:
    failovers = FakeFailovers()
    failovers.error = error
    found = request("POST", failovers, ORDER)
    assert (found.status_code, set(found.json())) == (status, {"status", "title", "detail"})
    assert request("POST", None, ORDER).status_code == 503


def test_failover_that_ended_without_a_conclusion_says_why() -> None:
    found = request("GET", FakeFailovers(replace(ended(), conclusion=None, error="the daemon stopped")))
    assert shapes.PlannedFailoverLine.model_validate_json(found.content).error == "the daemon stopped"


def test_planned_failovers_are_a_list_by_name() -> None:
    path = "/api/v1/planned-failovers"
    failovers = FakeFailovers(replace(ended(), master="other"), ended())
    found = shapes.PlannedFailoverPage.model_validate_json(request("GET", failovers, path=path).content, strict=True)
    assert [line.master for line in found.items] == ["mymaster", "other"]
    [one] = request("GET", failovers, path=f"{path}?master=other").json()["items"]
    assert one["master"] == "other"
    assert request("GET", None, path=path).json() == {"items": [], "next": None}
