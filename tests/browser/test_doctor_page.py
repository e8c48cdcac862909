"""The doctor on the dashboard: what it found of a master, on that master's page."""

from __future__ import annotations

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


def test_page_of_a_master_shows_what_the_doctor_found(browser: Any, tmp_path: Path) -> None:
    kept = FileJournal(tmp_path)
    doctor = SimpleNamespace(report=None)

    def make(http: HttpSettings) -> tuple[Any, ServedState]:
        app, state = served(FakeDeployment("kvdb", ["m"]), kept=kept, settings=http)
        state.doctors = lambda: {"kvdb": doctor}
        return app, state

    with Serving(make) as daemon, watched(browser, daemon.url) as page:
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
    kept.close()
