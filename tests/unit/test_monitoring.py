"""The files for monitoring the daemon: alerts that fire when they should, and a dashboard, both of existing metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from switchmaster.server.api.metric_families import FAMILIES, METRIC_PREFIX

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "switchmaster.rules.yml"
TESTS = DEPLOY / "prometheus" / "switchmaster.rules.test.yml"
BOARD = DEPLOY / "grafana" / "switchmaster.json"
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}

EXPOSED = {METRIC_PREFIX + name + ending for name, family in FAMILIES.items() for ending in ENDINGS[family.kind]}


def promtool(*arguments: str) -> str:
    """Run promtool and return its output; fail if it finds a problem."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run([path, *arguments], cwd=RULES.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expressions() -> list[str]:
    """Every query of the dashboard, with its variables filled in as Grafana would."""
    board: dict[str, Any] = json.loads(BOARD.read_text(encoding="utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    found += [each["expr"] for each in board["annotations"]["list"]]
    for variable, value in (("$__rate_interval", "5m"), ("$__range", "6h"), ("$deployment", ".*"), ("$master", ".*")):
        found = [one.replace(variable, value) for one in found]
    return found


def test_promtool_accepts_the_alerts() -> None:
    assert "31 rules found" in promtool("check", "rules", RULES.name)


def test_every_alert_fires_when_it_should_and_not_before() -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS.name)
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8")))
    for alert in alerts:
        tested = TESTS.read_text(encoding="utf-8").split(f"name: '{alert}:")[1].split("\n  - name:")[0]
        assert tested.count(f"alertname: {alert}") - tested.count("exp_alerts") >= 1, f"{alert} is never seen quiet"
        assert "exp_alerts" in tested, f"{alert} is never seen firing"


@pytest.mark.parametrize("path", [RULES, TESTS, BOARD], ids=lambda path: path.name)
def test_rules_and_dashboard_use_only_exposed_metrics(path: Path) -> None:
    named = set(re.findall(rf"\b{METRIC_PREFIX}[a-z_]+", path.read_text(encoding="utf-8")))
    assert named
    assert named <= EXPOSED


def test_every_family_of_masters_and_sentinels_is_on_the_dashboard_or_in_an_alert() -> None:
    shown = BOARD.read_text(encoding="utf-8") + RULES.read_text(encoding="utf-8")
    families = {name for name in FAMILIES if name.startswith(("master_", "sentinel_", "deployment_", "failover"))}
    # These are for users' own queries.
    wanted = families - {
        "master_grade",
        "master_sentinels",
        "deployment_established",
        "sentinel_disagreeing_masters",
        "sentinel_scripts_waiting",
    }
    assert {name for name in wanted if METRIC_PREFIX + name not in shown} == set()


def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": one} for number, one in enumerate(expressions())]
    assert len(rules) > 20
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(BOARD.read_text(encoding="utf-8"))["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
