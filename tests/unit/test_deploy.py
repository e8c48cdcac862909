"""The unit for systemd starts an existing verb, and systemd itself accepts it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from switchmaster.cli.group import VERBS

UNIT = Path(__file__).parent.parent.parent / "deploy" / "switchmaster.service"


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_unit_starts_an_existing_verb_and_reloads_it() -> None:
    unit = settings()
    [command] = unit["ExecStart"]
    assert shlex.split(command)[1] in VERBS
    assert (unit["Type"], unit["ExecReload"]) == (["notify"], ["/bin/kill -HUP $MAINPID"])
    assert unit["WatchdogSec"]


def test_unit_gives_no_privileges() -> None:
    unit = settings()
    for name in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "RestrictNamespaces"):
        assert unit[name] == ["yes"], name
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == [""]
    assert unit["ProtectSystem"] == ["strict"]


# Not skipped without systemd: the tests above read the unit everywhere.
@pytest.mark.parametrize("words", [["verify"], ["security", "--offline=true", "--threshold=20"]])
def test_systemd_accepts_the_unit(words: list[str], tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    copy = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/switchmaster/bin/switchmaster", "/bin/true"), encoding="utf-8")
    done = subprocess.run([program, *words, str(copy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert words != ["verify"] or done.stderr == ""
