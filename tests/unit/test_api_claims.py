"""The API of shared deployments: who watches which, and what a daemon says of what it does not watch."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from rig.api_rig import FakeDeployment, request_once
from switchmaster.errors import JournalUnavailable
from switchmaster.journal.claims import Claim, ClaimState, Sharer
from switchmaster.server.api import shapes
from switchmaster.server.api.claim_shapes import ClaimPage
from switchmaster.server.settings.share_settings import ShareSettings

READY, FREE = Claim(ClaimState.READY, masters=3), Claim()


def sharer(run: str, name: str, **claims: Claim) -> Sharer:
    return Sharer(run, name, 0.0, 3.0, 1, False, claims)


def source(*sharers: Sharer, **more: Any) -> SimpleNamespace:
    given = {
        "run": "r1",
        "settings": ShareSettings(1, 3.0, frozenset()),
        "sharers": sharers,
        "held": frozenset({"kvdb"}),
        "trouble": None,
        "decided": True,
        "moves": Counter(),
    }
    return SimpleNamespace(**(given | more))


CLAIMS = source(sharer("r1", "here", kvdb=READY, cache=FREE), sharer("r2", "there", cache=READY, kvdb=FREE))


def request(path: str, claims: object = CLAIMS) -> Any:
    return request_once("GET", path, FakeDeployment(), claims=claims)


def test_claims_are_a_list_by_deployment() -> None:
    found = request("/api/v1/claims")
    assert found.status_code == 200
    page = ClaimPage.model_validate_json(found.content, strict=True)
    assert [(one.deployment, one.here, one.wanted, one.ready) for one in page.items] == [
        ("cache", False, 1, 1),
        ("kvdb", True, 1, 1),
    ]
    assert [one.daemon for line in page.items for one in line.daemons] == ["there", "here"]
    [one] = request("/api/v1/claims?deployment=cache").json()["items"]
    assert (one["deployment"], one["daemons"][0]["state"]) == ("cache", "ready")
    assert request("/api/v1/claims?deployment=none").status_code == 404


def test_without_sharing_the_list_is_empty_and_the_status_says_so() -> None:
    assert request("/api/v1/claims", None).json() == {"items": [], "next": None}
    alone = source(settings=None)
    assert request("/api/v1/claims", alone).json() == {"items": [], "next": None}
    assert request("/api/v1/status", alone).json()["share"] is None


def test_status_names_the_living_daemons_and_the_trouble() -> None:
    away = source(*CLAIMS.sharers, trouble=JournalUnavailable("postgresql://db", "it is away"))
    found = request("/api/v1/status", away)
    status = shapes.Status.model_validate_json(found.content, strict=True)
    assert status.share is not None
    assert (status.share.living, status.share.available) == (["here", "there"], False)
    assert "it is away" in str(status.share.reason)


def test_other_daemon_is_named_for_what_is_not_watched_here() -> None:
    found = request("/api/v1/masters?deployment=cache")
    assert found.status_code == 404
    assert "the deployment 'cache' is watched by there, not by this daemon" in found.json()["detail"]


def test_daemon_is_not_ready_before_it_knows_what_to_watch() -> None:
    undecided = source(decided=False)
    found = request("/readyz", undecided)
    assert (found.status_code, found.json()["waiting_for"]) == (503, ["claims"])
    assert request("/readyz").status_code == 200
