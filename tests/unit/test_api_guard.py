"""The API's routes of guards: what each would do, and that an order needs the token and the master's name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from rig.api_rig import S1, TOKEN, A, B, FakeDeployment, request_once
from rig.guard_rig import FakeGuard, guard_status
from switchmaster.guard.policy import Arming
from switchmaster.server.api import shapes

PATH = "/api/v1/masters/mymaster1/guard"


def request(
    method: str, path: str, guard: FakeGuard | None, token: str | None = TOKEN, json: object = None
) -> httpx.Response:
    """Send one request to an API with one deployment, guarded or not."""
    told = FakeDeployment(masters=("mymaster1", "other"))
    source = None if guard is None else lambda: {"kvdb": guard}
    return request_once(method, path, told, token=token, json=json, guards=source)


def test_guard_tells_what_it_would_do_in_the_shape_of_the_document() -> None:
    found = request("GET", PATH, FakeGuard(guard_status(), leased=True))
    assert found.status_code == 200
    line = shapes.GuardLine.model_validate_json(found.content, strict=True)
    assert (line.arming, line.would_act, line.outlook, line.leased) == ("armed", True, [], True)
    assert (line.would_ask, line.would_promote) == (S1, shapes.Node(host=B.host, port=B.port))
    assert [(row.host, row.keys, row.comes_back_empty) for row in line.reports] == [
        (A.host, 20_000, True),
        (B.host, 20_000, True),
    ]
    assert "ETag" in found.headers


def test_guard_that_would_not_act_says_why() -> None:
    status = replace(guard_status(), outlook=("in TILT: a", "no Sentinel answered"), would_ask=None, may_order=False)
    line = request("GET", PATH, FakeGuard(status)).json()
    assert (line["would_act"], line["outlook"]) == (False, ["in TILT: a", "no Sentinel answered"])
    assert (line["would_ask"], line["may_order"]) == (None, False)


@pytest.mark.parametrize("guard", [None, FakeGuard()], ids=["no guard", "another master's"])
def test_master_without_a_guard_is_disarmed(guard: FakeGuard | None) -> None:
    found = request("GET", "/api/v1/masters/other/guard", guard)
    line = shapes.GuardLine.model_validate_json(found.content, strict=True)
    assert (line.arming, line.would_act, line.outlook) == ("disarmed", False, ["the guard is disarmed"])
    assert line.address == shapes.Node(host=A.host, port=A.port)


def test_guards_are_a_list_by_name() -> None:
    guard = FakeGuard(guard_status(master="other", arming=Arming.DRY_RUN), guard_status())
    found = request("GET", "/api/v1/guard", guard)
    page = shapes.GuardPage.model_validate_json(found.content, strict=True)
    assert [(line.master, line.arming) for line in page.items] == [("mymaster1", "armed"), ("other", "dry-run")]
    [one] = request("GET", "/api/v1/guard?master=other", guard).json()["items"]
    assert one["master"] == "other"
    assert request("GET", "/api/v1/guard", None).json() == {"items": [], "next": None}
    assert request("GET", "/api/v1/guard?deployment=none", guard).status_code == 404


@pytest.mark.parametrize("arming", list(Arming))
def test_guard_is_armed_by_the_token_and_the_masters_name(arming: Arming) -> None:
    guard = FakeGuard(guard_status())
    found = request("POST", PATH, guard, json={"arming": str(arming), "confirm": "mymaster1", "by": "ada"})
    assert (found.status_code, found.json()["arming"]) == (200, str(arming))
    assert guard.orders == [("mymaster1", arming, "ada")]


@pytest.mark.parametrize(("seconds", "ordered"), [(900, 900.0), (0, None)])
def test_guard_is_suspended_and_set_going_again(seconds: float, ordered: float | None) -> None:
    guard = FakeGuard(guard_status())
    found = request("POST", PATH, guard, json={"suspend": seconds, "confirm": "mymaster1"})
    assert (found.status_code, guard.orders) == (200, [("mymaster1", ordered, "")])


@pytest.mark.parametrize(
    ("json", "status", "sentence"),
    [
        ({"arming": "armed", "confirm": "yes"}, 409, "confirm must be the master's name"),
        ({"arming": "armed"}, 422, "confirm"),
        ({"arming": "on", "confirm": "mymaster1"}, 422, "arming"),
        ({"suspend": -1, "confirm": "mymaster1"}, 422, "suspend"),
        ({"suspend": 1, "arming": "armed", "confirm": "mymaster1"}, 422, "body"),
        ({"confirm": "mymaster1"}, 422, "body"),
    ],
)
def test_order_that_is_not_whole_changes_nothing(json: Any, status: int, sentence: str) -> None:
    guard = FakeGuard(guard_status())
    found = request("POST", PATH, guard, json=json)
    assert (found.status_code, guard.orders) == (status, [])
    assert sentence in found.json()["detail"]


@pytest.mark.parametrize("token", [None, "wrong"])
def test_order_without_the_token_is_refused(token: str | None) -> None:
    guard = FakeGuard(guard_status())
    found = request("POST", PATH, guard, token=token, json={"arming": "armed", "confirm": "mymaster1"})
    assert (found.status_code, guard.orders) == (401, [])


def test_order_that_nothing_can_take_is_answered_with_a_sentence() -> None:
    order = {"arming": "armed", "confirm": "mymaster1"}
    stuck = FakeGuard(guard_status())
    stuck.stuck = True
    for guard, status in ((None, 503), (stuck, 503), (FakeGuard(), 404)):
        found = request("POST", PATH, guard, json=order)
        assert (found.status_code, set(found.json())) == (status, {"status", "title", "detail"})
    unknown = request("POST", "/api/v1/masters/none/guard", stuck, json=order | {"confirm": "none"})
    assert (unknown.status_code, "mymaster1" in unknown.json()["detail"]) == (404, True)
