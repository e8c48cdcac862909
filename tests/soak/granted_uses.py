"""
The rights that `switchmaster doctor --acl` prints are enough: each use works on real servers as a user that has exactly
those, and no server refuses it anything.

A proof on demand, ``make proofs``: pytest does not collect this file by itself.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig.conditions import eventually
from rig.granted import PASSWORD, USES, access, grant, refused, rights_of
from rig.guarding import guarding
from rig.lab_fixtures import find_or_skip
from switchmaster import Watcher
from switchmaster.doctor.least_rights import lacking_rights
from switchmaster.lab import Lab
from switchmaster.model import Address, Grade
from switchmaster.net.inspector import Inspector

pytestmark = [pytest.mark.live, pytest.mark.slow]

NAME = "mymaster"
LIMIT = 100.0
OF_DOCTOR_ALONE = {*rights_of(USES["doctor"].sentinels + " " + USES["doctor"].nodes)}
"""A planned failover shows what the doctor finds, as far as it may ask."""


def words(lab: Lab) -> list[str]:
    return [f"{host}:{port}" for host, port in lab.sentinel_addresses]


def fail_over(lab: Lab, to: str, folder: Path) -> None:
    """Move the master by the command line, as the user for it."""
    password = folder / "password"
    password.write_text(PASSWORD, encoding="utf-8")
    users = [word for kind in ("sentinel", "node") for word in (f"--{kind}-user", "failover")]
    passwords = [word for kind in ("sentinel", "node") for word in (f"--{kind}-password-file", str(password))]
    command = [sys.executable, "-m", "switchmaster", "failover", NAME, *words(lab), *users, *passwords]
    done = subprocess.run(
        [*command, "--yes", "--wait", "--wait-replicas", "--to", to, "--timeout", "60", "--answer-timeout", "10"],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env=os.environ | {"SWITCHMASTER_STATE": str(folder / "state")},
    )
    assert done.returncode == 0, done.stderr
    # Whatever it was refused, it says so here.
    assert not [line for line in done.stderr.splitlines() if "NOPERM" in line or "may not" in line], done.stderr


async def watch_a_planned_failover(lab: Lab, folder: Path) -> None:
    wanted = lab.replicas(NAME)[-1]
    async with Watcher(lab.sentinel_addresses, **access("watching")) as watcher:
        async with asyncio.timeout(LIMIT):
            switches = watcher.switches()
            await asyncio.to_thread(fail_over, lab, f"{wanted.host}:{wanted.port}", folder)
            switch = await anext(switches)
        assert (switch.new.port, switch.grade >= Grade.PROMOTED) == (wanted.port, True), switch


def inspect(lab: Lab, user: str) -> None:
    given = [Address(*address) for address in lab.sentinel_addresses]
    found = asyncio.run(Inspector(given, **access(user), timeout=20.0).inspect())
    servers = (*found.sentinels, *found.nodes)
    assert ([one.reason for one in servers], [lacking_rights(one) for one in servers]) == ([""] * 6, [()] * 6)
    assert {one.may_failover for one in found.sentinels} == {"sentinel|failover" in USES[user].sentinels}


@pytest.mark.parametrize("server", ["valkey-9.1", "redis-7.0"])
def test_each_use_works_with_exactly_its_rights(server: str, tmp_path: Path) -> None:
    # Long enough that Sentinel itself does nothing while the guard has something to do.
    with Lab(binary=str(find_or_skip(server).path), down_after_ms=60_000, failover_timeout_ms=120_000) as lab:
        lab.wait_until_settled()
        for use in USES:
            grant(lab, use)
        for sentinel in lab.sentinels:
            sentinel.call("SENTINEL", "DEBUG", "INFO-PERIOD", "500")

        for user in ("doctor", "all"):
            inspect(lab, user)
        asyncio.run(watch_a_planned_failover(lab, tmp_path))

        as_guard = access("guard")
        with guarding(lab.sentinel_addresses, options=as_guard, evidence_timeout=5.0) as guard:
            guard.wait_until_ready(3)
            assert guard.status["may_order"]
            lab.crash(lab.master(NAME))
            eventually(lambda: guard.notices("guard-verified"), 50.0, what="the guard's failover")

        denied = {user: refused(lab, user) for user in USES}
        # The right that it must not have is asked for; that is how it is found.
        assert denied.pop("doctor") == {"sentinel|failover"}
        assert denied.pop("failover") <= OF_DOCTOR_ALONE
        assert denied == {"watching": set(), "guard": set(), "all": set()}
