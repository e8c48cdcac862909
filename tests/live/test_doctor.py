"""
The doctor on real servers: one lab is broken and mended rule by rule, and each rule fires where docs/topics/doctor.md
says so, with the values that were set. What breaks it is in `rig.doctor_scenes`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from rig.conditions import eventually
from rig.doctor_scenes import (
    ALONE,
    APART,
    AT_ONCE,
    LAB_ON_ONE_HOST,
    LOCKED,
    NAME,
    NOT_HERE,
    ODD,
    ONE_BY_ONE,
    Scenes,
    all_of,
    grave,
    unheard,
)
from rig.granted import USES, access, grant
from rig.lab_fixtures import SERVERS, find_or_skip
from switchmaster.cli.group import cli
from switchmaster.doctor.examine import RULE_IDS, Diagnosis, examine
from switchmaster.doctor.inspection import Inspection
from switchmaster.doctor.least_rights import lacking_rights
from switchmaster.doctor.risk import risk_of
from switchmaster.doctor.symptom import Finding, Severity
from switchmaster.lab import Lab
from switchmaster.model import Address
from switchmaster.net.inspector import Inspector

LIMIT: Final = 45.0
PATIENT: Final = 20.0
"""Seconds that a server has to answer where one look must do, however busy the machine is."""
EVERY, VALKEY, PROOFS = "each server", "Valkey", "`make proofs`"
"""Where the documentation says that a scene is played."""


@pytest.fixture(scope="module", params=SERVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Yield one lab for each server, which every test leaves as it found it."""
    lines = ("sentinel deny-scripts-reconfig no",)
    with Lab(binary=str(find_or_skip(request.param).path), down_after_ms=5000, sentinel_lines=lines) as lab:
        lab.wait_until_settled()
        yield lab


def inspect(lab: Lab, timeout: float = 1.0) -> Inspection:
    given = [Address(*address) for address in lab.sentinel_addresses]
    return asyncio.run(Inspector(given, timeout=timeout).inspect())


def diagnose(lab: Lab) -> Diagnosis:
    return examine(inspect(lab))


def found_in(lab: Lab) -> list[Finding]:
    return all_of(diagnose(lab))


def assert_fires(lab: Lab, scenes: Scenes) -> None:
    """Break the lab, look for all that must fire, mend it, and look that nothing else stays."""
    with ExitStack() as stack:
        for broken, _, _ in scenes.values():
            stack.enter_context(broken(lab))
        silent: list[str] = []

        def all_fire() -> bool:
            silent[:] = unheard(scenes, found_in(lab))
            return not silent

        try:
            eventually(all_fire, LIMIT, 0.2)
        except AssertionError as error:
            raise AssertionError(f"silent: {silent}") from error
    eventually(lambda: grave(found_in(lab)) == LAB_ON_ONE_HOST.keys(), LIMIT, 0.2, "a lab in order again")


def test_lab_in_order_has_only_what_is_true_of_a_lab(lab: Lab) -> None:
    eventually(lambda: grave(found_in(lab)) == LAB_ON_ONE_HOST.keys(), LIMIT, 0.2, f"only {sorted(LAB_ON_ONE_HOST)}")
    eventually(
        lambda: {*ODD["any lab"]} <= {one.rule for one in found_in(lab)}, LIMIT, 0.2, "also a remark on the user"
    )


def test_rules_on_settings_fire_where_a_real_server_has_them(lab: Lab) -> None:
    old = any(one.info is not None and one.version < (7,) for one in inspect(lab, PATIENT).sentinels)
    assert_fires(lab, {name: one for name, one in AT_ONCE.items() if not old or "7.0" not in name})


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_rule_fires_where_a_real_server_fails(lab: Lab, name: str) -> None:
    if (
        inspect(lab, PATIENT).sentinels[0].is_valkey
    ):  # on one server: it is the Sentinels' answers that count, and they are alike
        assert_fires(lab, {name: ONE_BY_ONE[name]})


def test_risk_says_that_a_lab_can_be_wiped_and_that_it_fails_over(lab: Lab) -> None:
    found = inspect(lab, PATIENT)
    losses = {one.kind: one for one in risk_of(found.of_master(NAME)).losses}
    assert losses["wipe"].severity is Severity.WARNING
    assert losses["failover"].severity is None
    seconds = {one.name: one.seconds for one in risk_of(found.of_master(NAME)).scenarios}
    assert seconds["process dies"] == pytest.approx(5.45)
    assert seconds["host dies"] is None


def run(lab: Lab, *more: str) -> tuple[int, list[dict[str, Any]]]:
    words = [
        "doctor",
        *(f"{host}:{port}" for host, port in lab.sentinel_addresses),
        "--format",
        "json",
        "--timeout",
        f"{PATIENT:g}",
    ]
    words += more
    result = CliRunner().invoke(cli, words)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_verb_exits_by_what_it_finds_and_suppresses_what_is_known(lab: Lab, tmp_path: Path) -> None:
    code, lines = run(lab)
    assert code == 1
    assert next(line["type"] for line in lines) == "risk"
    assert lines[-1]["type"] == "diagnosis"
    assert lines[-1]["errors"] == 1
    assert run(lab, "--fail-on", "never")[0] == 0
    known = "".join(f'[doctor.suppress.{rule}]\nreason = "{why}"\n' for rule, why in LAB_ON_ONE_HOST.items())
    file = tmp_path / "switchmaster.toml"
    file.write_text(f'{known}[deployments.lab]\nsentinels = ["127.0.0.1:1"]\n', encoding="utf-8")
    code, lines = run(lab, "--config", str(file), "--fail-on", "warning")
    assert code == 0, lines
    assert {line["rule"] for line in lines if line["type"] == "suppressed"} == LAB_ON_ONE_HOST.keys()
    assert run(lab, "--master", "nosuch")[0] == 4


def test_least_rights_are_valid_and_enough(lab: Lab) -> None:
    for use in USES:
        grant(lab, use)
    given = [Address(*address) for address in lab.sentinel_addresses]
    for user, may_failover in (("doctor", False), ("all", True)):
        found = asyncio.run(Inspector(given, **access(user), timeout=PATIENT).inspect())
        servers = (*found.sentinels, *found.nodes)
        assert [one.reason for one in servers] == [""] * 6
        assert [lacking_rights(one) for one in servers] == [()] * 6
        assert {one.may_failover for one in found.sentinels} == {may_failover}
        assert {one.user for one in servers} == {user}


def test_documentation_says_which_scene_shows_which_rule() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "topics" / "doctor.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ((?:[A-Z]\d\d(?:, )?)+) \| ([^|]+) \|$", page, re.MULTILINE)
    shown: list[tuple[str, tuple[str, ...], str]] = [("any lab", ODD["any lab"], EVERY)]
    for scenes, where in ((AT_ONCE, EVERY), (ONE_BY_ONE, VALKEY), (ALONE, PROOFS), (LOCKED, PROOFS)):
        shown += [(name, rules, where) for name, (_, rules, _) in scenes.items()]
    shown += [(name, rules, PROOFS) for name, rules in (ODD | APART).items() if name != "any lab"]
    assert rows == [(name, ", ".join(rules), where) for name, rules, where in shown]
    assert {*NOT_HERE} == {*re.findall(r"^\| ([A-Z]\d\d) \| [^|]+ \|$", page, re.MULTILINE)}
    # No rule is without a scene and without a word why.
    assert {rule for _, rules, _ in shown for rule in rules} == RULE_IDS - NOT_HERE.keys()
