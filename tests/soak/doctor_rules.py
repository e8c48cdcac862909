"""
Rules of the doctor on real servers that take long, or need passwords, certificates or a second network. Which scene
shows which rule: docs/topics/doctor.md.

A proof on demand, ``make proofs``: pytest does not collect this file by itself.
"""

from __future__ import annotations

import asyncio
import datetime
import ssl
import time
from typing import Any, Final

import pytest

from rig.conditions import eventually
from rig.doctor_scenes import (
    ALONE,
    APART,
    LAB_ON_ONE_HOST,
    LOCKED,
    NAME,
    ODD,
    PASSWORD,
    Scenes,
    all_of,
    grave,
    unheard,
)
from rig.lab_fixtures import find_or_skip
from rig.netns import FAR, NEAR, lacking
from rig.separated_lab import FIRST_NODE, separated_lab
from switchmaster.doctor.examine import examine
from switchmaster.doctor.symptom import Finding
from switchmaster.lab import Lab, Steering
from switchmaster.model import Address
from switchmaster.net.inspector import Inspector

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(1200)]

LIMIT: Final = 120.0


def found_in(lab: Steering, **access: Any) -> list[Finding]:
    given = [Address(*address) for address in lab.sentinel_addresses]
    return all_of(examine(asyncio.run(Inspector(given, timeout=2.0, **access).inspect())))


def assert_each_fires(lab: Lab, scenes: Scenes, in_order: set[str], **access: Any) -> None:
    """Play one scene after the other."""
    for name, scene in scenes.items():
        began = time.monotonic()
        silent: list[str] = []
        with scene[0](lab):

            def fires(name: str = name, scene: Any = scene, silent: list[str] = silent) -> bool:
                silent[:] = unheard({name: scene}, found_in(lab, **access))
                return not silent

            try:
                eventually(fires, LIMIT, 0.1)
            except AssertionError as error:
                raise AssertionError(f"silent: {silent}") from error
        eventually(lambda: grave(found_in(lab, **access)) == in_order, LIMIT, 0.1, f"order again after {name}")
        print(f"{name}: {time.monotonic() - began:.1f} s")


def test_rules_fire_where_servers_fail_and_hands_do_wrong() -> None:
    with Lab(binary=str(find_or_skip("valkey-9.1").path), down_after_ms=5000) as lab:
        lab.wait_until_settled()
        assert_each_fires(lab, ALONE, {*LAB_ON_ONE_HOST})


def test_rules_fire_where_passwords_are_wrong_and_servers_few() -> None:
    access = {"node_password": PASSWORD}
    always = {*LAB_ON_ONE_HOST, *ODD["four Sentinels and one replica"]}
    binary = str(find_or_skip("valkey-9.1").path)
    with Lab(binary=binary, replicas=1, sentinels=4, down_after_ms=1000, password=PASSWORD) as lab:
        lab.wait_until_settled()
        eventually(lambda: grave(found_in(lab, **access)) == always, LIMIT, 0.1, "a lab in order")
        assert_each_fires(lab, LOCKED, always, **access)


def test_certificates_that_expire_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    trustme = pytest.importorskip("trustme")
    issue, soon = trustme.CA.issue_cert, datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=10, hours=12)
    monkeypatch.setattr(trustme.CA, "issue_cert", lambda self, *names: issue(self, *names, not_after=soon))
    with Lab(binary=str(find_or_skip("redis-7.0").path), replicas=0, sentinels=1, tls=True) as lab:
        assert lab.certificates is not None
        context: ssl.SSLContext = lab.certificates.client_context()
        found = [one for one in found_in(lab, tls=context, node_tls=context) if one.rule == "S08"]
    assert {one.symptom.sentence.partition(" expires ")[2] for one in found} == {"in 10 days"}
    assert len(found) == 2


def test_rules_fire_where_servers_are_on_several_hosts() -> None:
    if why := lacking():
        pytest.skip(why)
    with separated_lab(find_or_skip("valkey-9.1"), down_after_ms=60_000) as lab:

        def shown(rule: str) -> set[str]:
            found = [one for one in found_in(lab) if one.rule == rule]
            return {f"{seen.where} {seen.value}" for one in found for seen in one.symptom.seen}

        [no_password, loopback, protected] = APART.values()
        sentinels = {f"{NEAR}:{one.port} user default, no password sent" for one in lab.sentinels}
        eventually(lambda: shown(*no_password) == sentinels, LIMIT)
        assert not shown(*loopback)
        assert not shown(*protected)

        with lab.client_behind() as master:
            master.call("CONFIG", "SET", "protected-mode", "yes")
            eventually(lambda: any(one.startswith(f"{FAR}:{FIRST_NODE} ") for one in shown(*protected)), LIMIT)
            master.call("CONFIG", "SET", "protected-mode", "no")
        eventually(lambda: not shown(*protected), LIMIT)

        lab.sentinel_command(2, "SENTINEL", "REMOVE", NAME)
        lab.sentinel_command(2, "SENTINEL", "MONITOR", NAME, "127.0.0.1", FIRST_NODE, 2)
        name = f"{NEAR}:{lab.sentinels[2].port} 127.0.0.1:{FIRST_NODE}"
        eventually(lambda: name in shown(*loopback), LIMIT)
