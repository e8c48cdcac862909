"""The doctor of the daemon: what it reports when rules start and stop to fire, its API, its metrics, its settings."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rig.api_rig import FakeDeployment, asking, served
from rig.inspected import HEALTHY, in_settings, of_sentinel
from switchmaster.belief.decisions import Notice, NoticeKind
from switchmaster.doctor.diagnosis_lines import DoctorReport, report_of
from switchmaster.doctor.examine import Suppression, examine
from switchmaster.doctor.inspection import Inspection
from switchmaster.doctor.symptom import RULES
from switchmaster.errors import JournalUnavailable
from switchmaster.net.inspector import Inspector
from switchmaster.render import iso, notice_line
from switchmaster.server.api import Metrics
from switchmaster.server.deployment_doctor import DeploymentDoctor
from switchmaster.server.settings.configuration import read_configuration
from switchmaster.server.settings.doctor_settings import DoctorSettings

SMALL = in_settings(HEALTHY, 1, maxmemory="1000")
OFTEN = 0.01


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def inspections(monkeypatch: pytest.MonkeyPatch) -> list[Inspection]:
    """Return the inspections to come, one for each; the last stays."""
    coming: list[Inspection] = [HEALTHY]

    async def inspect(self: Inspector) -> Inspection:
        return coming.pop(0) if len(coming) > 1 else coming[0]

    monkeypatch.setattr(Inspector, "inspect", inspect)
    return coming


def test_rule_that_starts_and_stops_to_fire_is_a_notice_each(inspections: list[Inspection]) -> None:
    async def go() -> list[Notice]:
        inspections[:] = [HEALTHY, SMALL, SMALL, HEALTHY]
        said: list[Notice] = []
        doctor = DeploymentDoctor("kvdb", {"sentinels": ["10.0.0.1:1"]}, DoctorSettings(OFTEN), said.append)
        doctor.start()
        await until(lambda: len(said) == 2)
        assert doctor.report is not None
        await doctor.close()
        assert doctor.report is None
        return said

    found, mended = asyncio.run(go())
    assert (str(found.kind), found.deployment, found.master) == ("doctor-found", "kvdb", "m")
    assert found.text.startswith("R07 warning: 10.0.0.2:6379 has maxmemory 1000")
    assert (str(mended.kind), mended.master) == ("doctor-mended", "m")
    assert mended.text.startswith("R07 no longer: ")


def test_finding_has_the_time_of_the_first_inspection_in_a_row_that_found_it(inspections: list[Inspection]) -> None:
    at = [replace(one, wall=float(wall)) for wall, one in enumerate((SMALL, SMALL, HEALTHY, SMALL, SMALL))]
    known = (Suppression("Q06", "known"),)

    async def go() -> list[dict[str, str]]:
        inspections[:] = at
        dates: list[dict[str, str]] = []
        doctor = DeploymentDoctor(
            "kvdb", {"sentinels": ["10.0.0.1:1"]}, DoctorSettings(OFTEN, known), lambda said: None
        )
        doctor.start()

        def looked_at_all() -> bool:
            report = doctor.report
            if report is not None:
                dates.append({line["rule"]: line["since"] for line in report.lines if "since" in line})
            return report is not None and report.found.wall == 4.0

        await until(looked_at_all)
        await doctor.close()
        return dates

    dates = asyncio.run(go())
    first, again = iso(0.0), iso(3.0)
    # An inspection may be missed by this test, and none changes what a later one says.
    assert dates[-1] == {"R07": again}
    assert {each["R07"] for each in dates if "R07" in each} <= {first, again}


def noticed(kind: str, wall: float, text: str, master: str | None = "m") -> dict[str, Any]:
    return notice_line(Notice(NoticeKind(kind), "kvdb", master, None, text, 0.0, wall))


def test_restarted_doctor_goes_on_where_the_journal_ends(inspections: list[Inspection]) -> None:
    before = [
        noticed("doctor-found", 1.0, "R07 warning: an old sentence"),
        noticed("doctor-mended", 2.0, "R07 no longer: an old sentence"),
        noticed("doctor-found", 3.0, "R07 warning: 10.0.0.2:6379 has maxmemory 1000"),
        noticed("doctor-found", 4.0, "Q13 warning: the Sentinel s: it does not answer", None),
        noticed("doctor-found", 5.0, "R07 warning: told again"),
        noticed("stale", 6.0, "something else"),
    ]

    async def go() -> tuple[list[Notice], list[Any]]:
        inspections[:] = [replace(SMALL, wall=9.0)]
        said: list[Notice] = []
        doctor = DeploymentDoctor(
            "kvdb", {"sentinels": ["10.0.0.1:1"]}, DoctorSettings(OFTEN), said.append, lambda: before[::-1]
        )
        doctor.start()
        await until(lambda: doctor.report is not None)
        report = doctor.report
        await doctor.close()
        assert report is not None
        return said, [(line["rule"], line["since"]) for line in report.lines if "since" in line]

    said, since = asyncio.run(go())
    # What still fires is not reported anew; what was mended while no daemon ran is.
    assert [(str(one.kind), one.master, one.text) for one in said] == [
        ("doctor-mended", None, "Q13 no longer: the Sentinel s: it does not answer")
    ]
    assert since == [("R07", iso(3.0))]


def test_doctor_begins_afresh_if_the_journal_cannot_be_read(inspections: list[Inspection]) -> None:
    def unreadable() -> list[Any]:
        raise JournalUnavailable("sqlite:///j.db", "the disk is gone")

    async def go() -> list[Notice]:
        inspections[:] = [SMALL]
        said: list[Notice] = []
        doctor = DeploymentDoctor("kvdb", {"sentinels": ["10.0.0.1:1"]}, DoctorSettings(OFTEN), said.append, unreadable)
        doctor.start()
        await until(lambda: said)
        await doctor.close()
        return said

    assert [str(one.kind) for one in asyncio.run(go())] == ["doctor-found"]


def test_doctor_that_is_off_asks_nothing_and_a_reload_begins_it(inspections: list[Inspection]) -> None:
    async def go() -> None:
        doctor = DeploymentDoctor("kvdb", {"sentinels": ["10.0.0.1:1"]}, DoctorSettings(), lambda notice: None)
        doctor.start()
        for _ in range(20):  # turns of the loop in which a doctor at work would have begun and ended an inspection
            await asyncio.sleep(0)
        assert doctor.report is None
        inspections[:] = [SMALL]
        await doctor.apply(DoctorSettings(OFTEN, (Suppression("R07", "a test"),)))
        await until(lambda: doctor.report is not None)
        assert doctor.report is not None
        assert doctor.report.diagnosis.findings == ()
        assert len(doctor.report.diagnosis.suppressed) == 1
        await doctor.close()

    asyncio.run(go())


def test_inspection_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [ValueError("a bug"), OSError("another")]

    async def inspect(self: Inspector) -> Inspection:
        if failures:
            raise failures.pop()
        return HEALTHY

    monkeypatch.setattr(Inspector, "inspect", inspect)

    async def go() -> None:
        doctor = DeploymentDoctor("kvdb", {"sentinels": ["10.0.0.1:1"]}, DoctorSettings(OFTEN), lambda notice: None)
        doctor.start()
        await until(lambda: doctor.report is not None)
        await doctor.close()

    asyncio.run(go())


def test_inspection_under_way_ends_with_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = [], []

    async def inspect(self: Inspector) -> Inspection:
        begun.append(self)
        try:
            await asyncio.sleep(600)
        finally:
            ended.append(self)
        return HEALTHY

    monkeypatch.setattr(Inspector, "inspect", inspect)

    async def go() -> None:
        doctor = DeploymentDoctor("kvdb", {"sentinels": ["10.0.0.1:1"]}, DoctorSettings(OFTEN), lambda notice: None)
        doctor.start()
        await until(lambda: begun)
        await doctor.close()
        await until(lambda: ended)

    asyncio.run(go())


class FakeDoctor:
    """A doctor that has found something."""

    def __init__(self, found: Inspection | None) -> None:
        self.report: DoctorReport | None = None if found is None else report_of(found, examine(found))


def test_api_and_metrics_show_what_was_found() -> None:
    async def go() -> tuple[Any, Any, str]:
        app, state = served(FakeDeployment())
        state.doctors = lambda: {"kvdb": FakeDoctor(of_sentinel(SMALL, 2, dialled_ip="10.0.0.1"))}
        try:
            async with asking(app) as client:
                everything = (await client.get("/api/v1/doctor")).json()
                of_one = (await client.get("/api/v1/doctor?master=nosuch")).json()
                sums = (await client.get("/api/v1/doctor?type=diagnosis")).json()["items"]
                assert sums == everything["items"][-1:]
                rules = (await client.get("/api/v1/doctor/rules")).json()["items"]
                assert [one["rule"] for one in rules] == list(RULES)
                assert all(one["title"] and one["why"] and one["mend"] for one in rules)
            return everything, of_one, (await Metrics(state).exposition()).decode("utf-8")
        finally:
            state.close()

    everything, of_one, exposition = asyncio.run(go())
    assert [line["type"] for line in everything["items"]] == ["risk", "finding", "finding", "diagnosis"]
    assert [line.get("rule") for line in everything["items"][1:3]] == ["Q06", "R07"]
    assert everything["items"][0]["time"] == "2027-01-15T08:00:00.000000Z"
    assert of_one["items"] == []
    assert 'switchmaster_doctor_findings{deployment="kvdb",rule="Q06",severity="error"} 1.0' in exposition
    assert 'switchmaster_doctor_findings{deployment="kvdb",rule="Q07",severity="warning"} 1.0' in exposition
    assert 'switchmaster_doctor_last_inspection_timestamp_seconds{deployment="kvdb"} 1.8e+09' in exposition


def test_nothing_is_served_of_a_doctor_that_is_off() -> None:
    async def go() -> Any:
        app, state = served(FakeDeployment())
        state.doctors = lambda: {"kvdb": FakeDoctor(None)}
        try:
            async with asking(app) as client:
                return (await client.get("/api/v1/doctor")).json()
        finally:
            state.close()

    assert asyncio.run(go()) == {"items": [], "next": None}


def test_settings_are_read_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "switchmaster.toml"
    file.write_text(
        '[deployments.kvdb]\nsentinels = ["10.0.0.1:1"]\n[doctor]\nevery = 60\n'
        '[doctor.suppress.Q07]\nreason = "known"\nuntil = 2027-01-31\nmasters = ["a", "b"]\n',
        encoding="utf-8",
    )
    (deployment,) = read_configuration(file, environ={}).deployments
    until_wall = 1801353600.0
    assert deployment.doctor == DoctorSettings(
        60.0, tuple(Suppression("Q07", "known", until_wall, master) for master in ("a", "b"))
    )


def test_wrong_suppressions_are_named_with_their_line(tmp_path: Path) -> None:
    from switchmaster.server.settings.configuration import problems_of

    file = tmp_path / "switchmaster.toml"
    file.write_text(
        '[deployments.kvdb]\nsentinels = ["10.0.0.1:1"]\n[doctor.suppress.Q77]\nreason = "known"\n'
        "[doctor.suppress.Q07]\nuntil = 2027-01-31\n",
        encoding="utf-8",
    )
    assert problems_of(file, {}) == (f"{file}, line 5: doctor.suppress.Q07.reason is missing",)
    text = file.read_text(encoding="utf-8").replace("until = 2027-01-31", 'reason = "known"\nuntil = "soon"')
    file.write_text(text, encoding="utf-8")
    assert problems_of(file, {}) == (f"{file}, line 7: doctor.suppress.Q07.until must be a date such as 2027-01-31",)
    file.write_text(text.replace('until = "soon"\n', ""), encoding="utf-8")
    assert problems_of(file, {}) == (
        f"{file}, line 3: doctor.suppress.Q77 is no rule of the doctor; did you mean 'Q07'?",
    )
