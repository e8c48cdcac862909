"""The guard on the dashboard: how it stands on its master's page, and its lane in a failover's timeline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rig.api_rig import NOW, S1, A, B, FakeDeployment, FileJournal, served
from rig.dashboard import DESKTOP, PHONE, Serving, inaccessible, watched
from rig.guard_rig import FakeGuard, guard_status
from switchmaster.belief.decisions import Notice, NoticeKind
from switchmaster.guard.policy import Arming
from switchmaster.journal import FailoverFilter
from switchmaster.server.api import HttpSettings, ServedState

pytestmark = pytest.mark.browser

MASTER = "orders"
PROOF = f"{A} is dead: <b>it</b> refuses connections; {S1} is asked for a failover, to {B}"


def guarded(told: FakeDeployment, guard: FakeGuard, kept: FileJournal) -> Serving:
    """Serve a deployment with a guard."""

    def make(http: HttpSettings) -> tuple[Any, ServedState]:
        app, state = served(told, kept=kept, settings=http)
        state.guards = lambda: {"kvdb": guard}
        return app, state

    return Serving(make)


def notice(told: FakeDeployment, kind: NoticeKind, text: str, at: float) -> None:
    told.entries += told.ledger.notice(Notice(kind, "kvdb", MASTER, None, text, at, at))


def test_page_of_a_master_says_how_its_guard_stands(browser: Any, kept: FileJournal) -> None:
    told = FakeDeployment("kvdb", [MASTER, "other"])
    notice(told, NoticeKind.GUARD_REFUSED, "it is too late", NOW)
    notice(told, NoticeKind.LIMIT, "not the guard's", NOW)
    kept.write(told.entries)
    guard = FakeGuard(guard_status(master=MASTER))
    with guarded(told, guard, kept) as daemon, watched(browser, daemon.url) as page:
        page.go(f"#/masters/kvdb/{MASTER}")
        page.wait("Armed", ".guard .state")
        page.wait("the guard would order a failover", ".guard")
        for part in (S1, str(B), "did not order a failover: it is too late"):
            page.wait(part, ".guard")
        assert "not the guard's" not in page.text(".guard")
        guard.by_name[MASTER] = replace(guard_status(master=MASTER), outlook=("in TILT: <i>a</i>",), may_order=False)
        page.wait("Armed, and would not act now", ".guard .state")
        page.wait("in TILT: <i>a</i>", ".guard")
        assert inaccessible(page) == []
        guard.by_name[MASTER] = guard_status(master=MASTER, arming=Arming.DISARMED)
        page.wait("Disarmed", ".guard .state")
        page.go("#/masters/kvdb/other")
        page.wait("Disarmed", ".guard .state")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_guard_has_a_lane_in_the_timeline_of_a_failover(browser: Any, kept: FileJournal, size: dict[str, int]) -> None:
    told = FakeDeployment("kvdb", [MASTER])
    notice(told, NoticeKind.GUARD_ORDERED, PROOF, told.now + 0.001)
    told.fail_over(MASTER)
    notice(told, NoticeKind.GUARD_VERIFIED, f"{B} is the master", told.now - 0.05)
    kept.write(told.entries)
    [line] = kept.reader.failovers(FailoverFilter(), limit=10).items
    with (
        guarded(told, FakeGuard(), kept) as daemon,
        watched(browser, daemon.url, size=size) as page,
    ):
        page.go(f"#/failovers/{line['id']}")
        marks = page.page.locator(".timeline .mark-guard")
        marks.first.wait_for()
        assert marks.count() == 2
        assert page.page.locator(".timeline .lane-name").first.text_content() == "the guard"
        titles = page.page.locator(".timeline .mark-guard title").all_text_contents()
        assert [PROOF in titles[0], f"{B} is the master" in titles[1]] == [True, True]
        assert "the guard" in page.text(".legend")
        assert page.overflow() == 0
        assert inaccessible(page) == []
