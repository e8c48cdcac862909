"""The units for systemd start existing verbs, and systemd itself accepts them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from switchmaster.cli.group import VERBS

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
DAEMON, RELAY = DEPLOY / "switchmaster.service", DEPLOY / "switchmaster-relay.service"
each_unit = pytest.mark.parametrize("unit", [DAEMON, RELAY], ids=["daemon", "relay"])


def settings(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@each_unit
def test_unit_starts_an_existing_verb(unit: Path) -> None:
    [command] = settings(unit)["ExecStart"]
    assert shlex.split(command)[1] in VERBS


def test_unit_of_the_daemon_is_watched_and_reloads_it() -> None:
    unit = settings(DAEMON)
    assert (unit["Type"], unit["ExecReload"]) == (["notify"], ["/bin/kill -HUP $MAINPID"])
    assert unit["WatchdogSec"]


@each_unit
def test_unit_gives_no_privileges(unit: Path) -> None:
    found = settings(unit)
    for name in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "RestrictNamespaces"):
        assert found[name] == ["yes"], name
    assert found["CapabilityBoundingSet"] == found["AmbientCapabilities"] == [""]
    assert found["ProtectSystem"] == ["strict"]


# Not skipped without systemd: the tests above read the unit everywhere.
@pytest.mark.parametrize("words", [["verify"], ["security", "--offline=true", "--threshold=20"]])
@each_unit
def test_systemd_accepts_the_unit(unit: Path, words: list[str], tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    copy = tmp_path / unit.name
    text = unit.read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/switchmaster/bin/switchmaster", "/bin/true"), encoding="utf-8")
    done = subprocess.run([program, *words, str(copy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert words != ["verify"] or done.stderr == ""
