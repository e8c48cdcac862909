"""
The doctor on real servers: one lab is broken and mended rule by rule, and each rule fires where docs/topics/doctor.md
says so, with the values that were set. `AT_ONCE` and `ONE_BY_ONE` are the table of that page.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from rig.conditions import eventually
from rig.granted import USES, access, grant
from rig.lab_fixtures import SERVERS, find_or_skip
from switchmaster.cli.group import cli
from switchmaster.doctor.examine import Diagnosis, examine
from switchmaster.doctor.inspection import Inspection
from switchmaster.doctor.least_rights import lacking_rights
from switchmaster.doctor.risk import risk_of
from switchmaster.doctor.symptom import Finding, Severity
from switchmaster.lab import Lab, LabServer
from switchmaster.model import Address
from switchmaster.net.inspector import Inspector

LIMIT: Final = 45.0
PATIENT: Final = 20.0
"""Seconds that a server has to answer where one look must do, however busy the machine is."""
NAME: Final = "mymaster"
LAB_ON_ONE_HOST: Final = {
    "Q06": "all Sentinels are on one host",
    "Q07": "all Sentinels are on one host",
    "Q08": "all nodes are on one host",
    "C13": "a lab lives in a temporary folder",
    "R17": "a lab keeps nothing on disk",
}
"""What is true of every lab."""


@pytest.fixture(scope="module", params=SERVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Yield one lab for each server, which every test leaves as it found it."""
    with Lab(binary=str(find_or_skip(request.param).path), down_after_ms=5000) as lab:
        lab.wait_until_settled()
        yield lab


def inspect(lab: Lab, timeout: float = 1.0) -> Inspection:
    given = [Address(*address) for address in lab.sentinel_addresses]
    return asyncio.run(Inspector(given, timeout=timeout).inspect())


def diagnose(lab: Lab) -> Diagnosis:
    return examine(inspect(lab))


def all_of(diagnosis: Diagnosis) -> list[Finding]:
    return [each for one in diagnosis.findings for each in (one, *one.also)]


def grave(lab: Lab) -> set[str]:
    return {one.rule for one in all_of(diagnose(lab)) if one.severity >= Severity.WARNING}


# What breaks a lab: each yields while it is broken ------------------------------------------------


@contextmanager
def node_setting(lab: Lab, name: str, value: str, on_master: bool = False) -> Iterator[None]:
    server = lab.master(NAME) if on_master else lab.replicas(NAME)[0]
    before = server.call("CONFIG", "GET", name)
    assert isinstance(before, list)
    server.call("CONFIG", "SET", name, value)
    try:
        yield
    finally:
        server.call("CONFIG", "SET", name, str(before[1]))


@contextmanager
def right_taken(lab: Lab, command: str) -> Iterator[None]:
    replica = lab.replicas(NAME)[1]
    replica.call("ACL", "SETUSER", "default", f"-{command}")
    try:
        yield
    finally:
        replica.call("ACL", "SETUSER", "default", f"+{command}")


@contextmanager
def sentinel_option(lab: Lab, index: int, option: str, value: int) -> Iterator[None]:
    row = lab.sentinel_command(index, "SENTINEL", "MASTER", NAME)
    assert isinstance(row, list)
    before = dict(zip(row[::2], row[1::2], strict=True))[option]
    lab.sentinel_command(index, "SENTINEL", "SET", NAME, option, value)
    try:
        yield
    finally:
        lab.sentinel_command(index, "SENTINEL", "SET", NAME, option, str(before))


@contextmanager
def sentinel_setting(lab: Lab, name: str, value: str) -> Iterator[None]:
    lab.sentinel_command(0, "SENTINEL", "CONFIG", "SET", name, value)
    try:
        yield
    finally:
        lab.sentinel_command(0, "SENTINEL", "CONFIG", "SET", name, "no")


@contextmanager
def failure_simulated(lab: Lab) -> Iterator[None]:
    lab.sentinel_command(2, "SENTINEL", "SIMULATE-FAILURE", "crash-after-election")
    try:
        yield
    finally:
        lab.sentinel_command(2, "SENTINEL", "SIMULATE-FAILURE", "help")


@contextmanager
def hung(lab: Lab, servers: Sequence[LabServer]) -> Iterator[None]:
    for one in servers:
        lab.hang(one)
    try:
        yield
    finally:
        for one in servers:
            lab.resume(one)


@contextmanager
def forgotten(lab: Lab) -> Iterator[None]:
    host, port = lab.master(NAME).address
    lab.sentinel_command(1, "SENTINEL", "REMOVE", NAME)
    try:
        yield
    finally:
        lab.sentinel_command(1, "SENTINEL", "MONITOR", NAME, host, port, 2)
        for option, value in (("down-after-milliseconds", 5000), ("failover-timeout", 10000), ("parallel-syncs", 1)):
            lab.sentinel_command(1, "SENTINEL", "SET", NAME, option, value)


@contextmanager
def chained(lab: Lab) -> Iterator[None]:
    first, second = lab.replicas(NAME)
    second.call("REPLICAOF", *map(str, first.address))
    try:
        yield
    finally:
        second.call("REPLICAOF", *map(str, lab.master(NAME).address))


@contextmanager
def promoted(lab: Lab) -> Iterator[None]:
    address = lab.master(NAME).address
    replica = lab.replicas(NAME)[0]
    replica.call("REPLICAOF", "NO", "ONE")
    try:
        yield
    finally:
        replica.call("REPLICAOF", *map(str, address))


Broken = Callable[[Lab], AbstractContextManager[None]]
Scenario = tuple[Broken, tuple[str, ...], str]
"""What breaks the lab, the rules that must fire, and a value that one of them must show."""

AT_ONCE: Final[dict[str, Scenario]] = {
    "quorum 4 of 3 Sentinels": (lambda lab: sentinel_option(lab, 0, "quorum", 4), ("Q03", "Q15"), "quorum 4"),
    "quorum 1": (lambda lab: sentinel_option(lab, 1, "quorum", 1), ("Q04",), "quorum 1"),
    "down-after 500 ms on one Sentinel": (
        lambda lab: sentinel_option(lab, 0, "down-after-milliseconds", 500),
        ("C01", "C04", "C16"),
        "down-after-milliseconds 500",
    ),
    "failover-timeout below down-after": (
        lambda lab: sentinel_option(lab, 0, "failover-timeout", 400),
        ("C02",),
        "failover-timeout 400",
    ),
    "parallel-syncs differs": (lambda lab: sentinel_option(lab, 0, "parallel-syncs", 3), ("C16",), "parallel-syncs 3"),
    "host names on one Sentinel": (
        lambda lab: sentinel_setting(lab, "announce-hostnames", "yes"),
        ("C06",),
        "announce-hostnames yes",
    ),
    "SIMULATE-FAILURE left on": (failure_simulated, ("C10",), "sentinel_simulate_failure_flags 1"),
    "maxmemory below the master's": (
        lambda lab: node_setting(lab, "maxmemory", "10mb"),
        ("R07",),
        "maxmemory 10485760",
    ),
    "a replica that takes writes": (
        lambda lab: node_setting(lab, "replica-read-only", "no"),
        ("R08",),
        "replica-read-only no",
    ),
    "a master with priority 0": (
        lambda lab: node_setting(lab, "replica-priority", "0", on_master=True),
        ("R03",),
        "replica-priority 0",
    ),
    "as many replicas demanded as there are": (
        lambda lab: node_setting(lab, "min-replicas-to-write", "2", on_master=True),
        ("R12",),
        "min-replicas-to-write 2",
    ),
    "a lag of 60 s allowed": (
        lambda lab: node_setting(lab, "min-replicas-max-lag", "60", on_master=True),
        ("R13",),
        "min-replicas-max-lag 60",
    ),
    "an output buffer below the backlog": (
        lambda lab: node_setting(lab, "client-output-buffer-limit", "replica 1mb 1mb 60"),
        ("R15",),
        "1048576",
    ),
    "the Sentinels' user may not SLAVEOF (7.0 and later)": (
        lambda lab: right_taken(lab, "slaveof"),
        ("S05",),
        "ACL DRYRUN default SLAVEOF NO ONE: no",
    ),
    "our user may not ROLE": (lambda lab: right_taken(lab, "role"), ("S01",), "lacks +role"),
}
"""Settings: all are broken at once, the right to ROLE last, since the lab asks for it too."""
ONE_BY_ONE: Final[dict[str, Scenario]] = {
    "a Sentinel that stands still": (lambda lab: hung(lab, lab.sentinels[2:]), ("Q13",), "timed out"),
    "a Sentinel that forgot the master": (forgotten, ("Q14",), "monitors nothing"),
    "replicas that stand still": (lambda lab: hung(lab, lab.replicas(NAME)), ("R02", "C07"), "s_down"),
    "a chained replica": (chained, ("A06",), "ROLE slave of"),
    "a replica promoted by hand": (promoted, ("A04",), "ROLE master"),
}


def assert_fires(lab: Lab, scenarios: Mapping[str, Scenario]) -> None:
    """Break the lab, look for all that must fire, mend it, and look that nothing else stays."""
    with ExitStack() as stack:
        for broken, _, _ in scenarios.values():
            stack.enter_context(broken(lab))

        def unheard() -> list[str]:
            found = all_of(diagnose(lab))
            return [
                f"{name}: {rule}"
                for name, (_, rules, value) in scenarios.items()
                for rule in rules
                if not any(one.rule == rule for one in found)
                or not any(value in seen.value for one in found if one.rule in rules for seen in one.symptom.seen)
            ]

        assert eventually(lambda: not unheard(), LIMIT, 0.2, "all rules fire"), unheard()
    assert eventually(lambda: grave(lab) == LAB_ON_ONE_HOST.keys(), LIMIT, 0.2, "the lab is in order again")


def test_lab_in_order_has_only_what_is_true_of_a_lab(lab: Lab) -> None:
    assert eventually(lambda: grave(lab) == LAB_ON_ONE_HOST.keys(), LIMIT, 0.2, f"only {sorted(LAB_ON_ONE_HOST)}")


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


def test_documentation_has_the_table_of_these_scenarios() -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "topics" / "doctor.md"
    rows = re.findall(r"^\| ([^|]+) \| ((?:[A-Z]\d\d(?:, )?)+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows) == {name: ", ".join(rules) for name, (_, rules, _) in (AT_ONCE | ONE_BY_ONE).items()}
