"""The page of the actions: what each is to do and did, and pauses with the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.api_rig import FakeDeployment, FileJournal, served
from rig.dashboard import PHONE, Serving, inaccessible, watched
from rig.reactions import HOSTILE, JournalOfSwitches, Listed, Shown, UnstartedActions, configured, switch
from switchmaster.journal.reaction_rows import RunOutcome
from switchmaster.react.choosing import next_step
from switchmaster.server.api import HttpSettings, ServedState

pytestmark = pytest.mark.browser

TOKEN = "act-1234"


class Kept:
    """A journal with a switch of each master, which ``act`` has carried out or given up, and ``shown`` has not."""

    def __init__(self, folder: Path, *masters: str) -> None:
        self.journal = FileJournal(folder)
        self.actions = UnstartedActions(self.journal.url, configured(Listed()), configured(Shown(), "shown"))
        self.store = self.actions.reactor.store
        self.store.register([("act", ""), ("shown", "")])
        switches = JournalOfSwitches(folder)
        switches.write(*(switch(1, master) for master in masters))
        switches.close()
        reactor = self.actions.reactor
        targets = [reactor.target(one, "kvdb", master) for one in reactor.actions for master in masters]
        self.store.advance(targets, next_step)
        for row, outcome in zip(self.store.pending([("act", "")]), (RunOutcome.DONE, RunOutcome.GAVE_UP), strict=True):
            receipt = self.store.take(row, 60.0, run=True)
            assert receipt is not None
            self.store.finish(row, receipt, outcome, 2, f"it said {HOSTILE}")

    def make(self, http: HttpSettings) -> tuple[Any, ServedState]:
        """Return an API that shows it."""
        app, state = served(FakeDeployment(masters=("m1",)), kept=self.journal, settings=http)
        state.actions = self.actions
        return app, state

    def close(self) -> None:
        self.store.close()
        self.journal.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path, "m1", HOSTILE)
    yield kept
    kept.close()


def test_actions_are_shown_paused_and_resumed(browser: Any, kept: Kept) -> None:
    with Serving(kept.make, token=TOKEN) as daemon, watched(browser, daemon.url) as page:
        page.go()
        page.page.get_by_role("link", name="Actions").click()
        page.wait("listed a list", ".actions")
        page.wait("2 pending", ".actions")
        page.wait("it said x; touch", ".actions")
        assert page.overlaps() == []
        page.page.evaluate("token => sessionStorage.setItem('switchmaster.token', token)", TOKEN)
        page.page.get_by_label("Your name").fill("ada")
        page.page.get_by_label("Reason").fill("moving the rack")
        page.page.get_by_role("button", name="Pause shown").click()
        page.wait("moving the rack", ".actions")
        assert [(one.action, one.by) for one in kept.store.pauses()[0]] == [("shown", "ada")]
        assert inaccessible(page) == []
        page.page.get_by_role("button", name="Resume shown").click()
        page.page.wait_for_selector("button[data-resume]", state="detached")
        assert kept.store.pauses()[0] == []


def test_daemon_without_a_token_offers_no_pause_and_a_phone_shows_all(browser: Any, kept: Kept) -> None:
    with Serving(kept.make) as daemon, watched(browser, daemon.url, PHONE) as page:
        page.go("#/actions")
        page.wait("Pausing is disabled", ".actions")
        page.wait("gave-up", ".actions")
        assert page.page.locator("button[data-pause]").count() == 0
        assert page.overflow() <= 0
