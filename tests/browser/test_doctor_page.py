"""The doctor on the dashboard: what it found of a master, on that master's page; all of it on a page of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig.api_rig import FakeDeployment, FileJournal, served
from rig.dashboard import Serving, inaccessible, watched
from rig.inspected import HEALTHY, of_node, of_sentinel
from switchmaster.doctor.diagnosis_lines import report_of
from switchmaster.doctor.examine import Suppression, examine
from switchmaster.server.api import HttpSettings, ServedState

pytestmark = pytest.mark.browser


@contextmanager
def inspecting(browser: Any, folder: Path) -> Iterator[tuple[Any, Any]]:
    """Serve the dashboard of a daemon with a doctor; return the page, and the doctor, whose report is to be set."""
    kept = FileJournal(folder)
    doctor = SimpleNamespace(report=None)

    def make(http: HttpSettings) -> tuple[Any, ServedState]:
        app, state = served(FakeDeployment("kvdb", ["m"]), kept=kept, settings=http)
        state.doctors = lambda: {"kvdb": doctor}
        return app, state

    with Serving(make) as daemon, watched(browser, daemon.url) as page:
        yield page, doctor
    kept.close()


def test_page_of_a_master_shows_what_the_doctor_found(browser: Any, tmp_path: Path) -> None:
    with inspecting(browser, tmp_path) as (page, doctor):
        page.go("#/masters/kvdb/m")
        page.wait("Not inspected", ".doctor")
        doctor.report = report_of(HEALTHY, examine(HEALTHY))
        page.wait("Nothing that needs action", ".doctor")
        page.wait("5.45 s without a master", ".doctor")
        spoiled = of_sentinel(of_node(HEALTHY, 1, reason="<i>gone</i>", round_trip=None), 0, 1, dialled_ip="10.0.0.1")
        known = [Suppression("C07", "it is <b>moved</b>")]
        doctor.report = report_of(spoiled, examine(spoiled, known))
        page.wait("1 error", ".doctor")
        page.wait("if host 10.0.0.1 dies, 1 of 3 Sentinels are left", ".doctor")
        page.wait("Suppressed: C07 (it is <b>moved</b>)", ".doctor")
        assert inaccessible(page) == []
        page.page.click("text=All of the deployment")
        page.wait("if host 10.0.0.1 dies, 1 of 3 Sentinels are left", ".findings")
        page.wait("it is <b>moved</b>", ".doctor")


def test_page_of_the_doctor_shows_everything_and_since_when(browser: Any, tmp_path: Path) -> None:
    with inspecting(browser, tmp_path) as (page, doctor):
        page.go("#/doctor")
        page.wait("Nothing is inspected yet", ".doctor")
        spoiled = of_sentinel(of_node(HEALTHY, 1, reason="<i>gone</i>", round_trip=None), 0, 1, dialled_ip="10.0.0.1")
        doctor.report = report_of(
            spoiled, examine(spoiled, [Suppression("C07", "it is <b>moved</b>", 1_900_000_000.0)])
        )
        for line in doctor.report.lines:
            line["since"] = "2026-11-25T03:00:00.000000Z"
        page.wait("if host 10.0.0.1 dies, 1 of 3 Sentinels are left", ".findings")
        page.wait("found since", ".findings")
        page.wait("2030-03-17", ".doctor")
        page.page.click("text=Why it hurts, and how to mend it")
        page.wait("Applies to: ", ".findings")
        assert inaccessible(page) == []
        page.page.select_option("#severity", "warning")
        page.page.wait_for_function("() => !document.querySelector('.findings').textContent.includes('Error')")
        page.go("#/")
        page.wait("Doctor: ", ".deployment")
        page.page.click(".deployment p.about a")
        page.wait("Only of kvdb", ".page-doctor")
        assert inaccessible(page) == []
