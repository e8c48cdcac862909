"""The overview that the daemon digests for the dashboard: numbers, urgent masters, and the part of the list."""

from __future__ import annotations

import pytest

from recorded.answers import snapshot
from rig.api_rig import S1, S2, S3, A, B, C, FakeDeployment, node_id
from switchmaster.render import Line
from switchmaster.server.api.overview import DISAGREE, Overviews
from switchmaster.wire.facts import LinkChange, LinkState


def overview(*told: FakeDeployment, find: str = "", state: str | None = None, limit: int = 100) -> Line:
    return Overviews().line([one.topology for one in told], find.split(), state, limit)


def names(line: Line) -> list[str]:
    return [master["master"] for part in line["deployments"] for master in part["items"]]


@pytest.fixture
def fleet() -> list[FakeDeployment]:
    """Return two deployments of three masters; one of the first is suspected, another one disputed."""
    first, second = FakeDeployment("east", ["a", "b", "c"]), FakeDeployment("west", ["a", "d", "e"])
    first.say(S1, f"+sdown master b {A.host} {A.port}")
    first.tell(S2, snapshot(B, 0, name="c", replicas=[A, C], run_ids=node_id))
    return [first, second]


def test_every_master_is_counted_by_its_state(fleet: list[FakeDeployment]) -> None:
    line = overview(*fleet)
    assert (line["masters"], line["found"], line["troubled"]) == (6, 6, 2)
    assert {state: number for state, number in line["states"].items() if number} == {
        "suspected": 1,
        "ok": 5,
        "disagree": 1,
    }
    assert [(part["deployment"], part["masters"]) for part in line["deployments"]] == [("east", 3), ("west", 3)]


def test_masters_in_trouble_come_first_then_the_others_by_name(fleet: list[FakeDeployment]) -> None:
    assert names(overview(*fleet)) == ["b", "c", "a", "a", "d", "e"]
    assert [master["master"] for master in overview(*fleet)["urgent"]] == ["b", "c"]


def test_the_limit_holds_for_all_deployments_together(fleet: list[FakeDeployment]) -> None:
    line = overview(*fleet, limit=4)
    assert names(line) == ["b", "c", "a", "a"]
    assert line["found"] == 6


@pytest.mark.parametrize(
    ("find", "state", "found"),
    [
        ("west", None, ["a", "d", "e"]),
        ("WEST D", None, ["d"]),
        (str(A), None, ["b", "c", "a", "a", "d", "e"]),
        ("nothing", None, []),
        ("", "suspected", ["b"]),
        ("", DISAGREE, ["c"]),
        ("west", "suspected", []),
    ],
)
def test_masters_are_found_by_words_and_by_state(
    fleet: list[FakeDeployment], find: str, state: str | None, found: list[str]
) -> None:
    line = overview(*fleet, find=find, state=state)
    assert names(line) == found
    assert line["found"] == len(found)
    assert line["masters"] == 6, "the numbers are of all masters"


def test_masters_of_a_deployment_that_is_not_heard_are_not_urgent_one_by_one(fleet: list[FakeDeployment]) -> None:
    for name in (S1, S2, S3):
        fleet[0].tell(name, LinkChange(LinkState.DOWN, reason="connection refused"))
    line = overview(*fleet)
    assert line["urgent"] == []
    assert line["states"]["ok"] == 3


def test_a_failover_counts_until_its_leader_has_finished() -> None:
    told = FakeDeployment("kvdb", ["m"])
    of = f"m {A.host} {A.port}"
    told.say(S1, f"+try-failover master {of}")
    told.promote("m")
    line = overview(told)
    assert line["states"]["failing-over"] == 1
    assert names(overview(told, state="failing-over")) == ["m"]
    assert names(overview(told, state="ok")) == []
