"""A planned failover on the page of its master: checked, ordered with the master's name typed once more, and shown."""

from __future__ import annotations

from typing import Any

import pytest

from rig.api_rig import FakeDeployment, FileJournal, served
from rig.dashboard import Serving, inaccessible, watched
from rig.failover_rig import FakeFailovers
from switchmaster.server.api import HttpSettings, ServedState

pytestmark = pytest.mark.browser

MASTER = "mymaster"
TOKEN = "act-1234"


def test_master_is_moved_from_its_page(browser: Any, kept: FileJournal) -> None:
    told, failovers = FakeDeployment("kvdb", [MASTER]), FakeFailovers()

    def make(http: HttpSettings) -> tuple[Any, ServedState]:
        app, state = served(told, kept=kept, settings=http)
        state.failovers = lambda: {"kvdb": failovers}
        return app, state

    with Serving(make, token=TOKEN) as daemon, watched(browser, daemon.url) as page:
        page.go(f"#/masters/kvdb/{MASTER}")
        page.page.evaluate("token => sessionStorage.setItem('switchmaster.token', token)", TOKEN)
        page.page.get_by_role("button", name="Check").click()
        page.wait("Nothing speaks against it", ".planned")
        page.wait("SENTINEL FAILOVER mymaster", ".planned")
        page.page.get_by_role("button", name="Move the master").click()
        page.wait("Type the master's name first", ".planned")
        assert [asked[0] for asked in failovers.asked] == ["plan"]
        page.page.get_by_label("Your name").fill("ada")
        page.page.get_by_label("Type the master's name to move it").fill(MASTER)
        page.page.get_by_role("button", name="Move the master").click()
        page.wait("It is under way", ".planned")
        assert [(asked[0], asked[2]) for asked in failovers.asked] == [("plan", ""), ("order", "ada")]
        failovers.end(MASTER)
        page.wait("Done: every node says so", ".planned")
        page.wait("10.0.1.1:6379 → 10.0.1.2:6379", ".planned")
        assert inaccessible(page) == []


def test_daemon_without_a_token_offers_no_order(browser: Any, kept: FileJournal) -> None:
    def make(http: HttpSettings) -> tuple[Any, ServedState]:
        return served(FakeDeployment("kvdb", [MASTER]), kept=kept, settings=http)

    with Serving(make) as daemon, watched(browser, daemon.url) as page:
        page.go(f"#/masters/kvdb/{MASTER}")
        page.wait("Moving a master is disabled", ".planned")
