"""Units and manifests start existing verbs with arguments that they take; systemd itself accepts its units."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import switchmaster
from switchmaster.cli.group import VERBS, cli
from switchmaster.cli.verbs.relay import relay

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
DAEMON, RELAY = DEPLOY / "switchmaster.service", DEPLOY / "switchmaster-relay.service"
PROXY = DEPLOY / "switchmaster-proxy.service"
KUBERNETES = (Path(switchmaster.__file__).parent / "react" / "kubernetes_action.py").read_text(encoding="utf-8")
each_unit = pytest.mark.parametrize("unit", [DAEMON, RELAY, PROXY], ids=["daemon", "relay", "proxy"])


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


def manifests() -> list[Path]:
    return sorted((DEPLOY / "kubernetes").glob("relay*.yaml"))


def containers(manifest: Path) -> list[dict[str, Any]]:
    """Return all containers of the Pods in a manifest."""
    found = []
    for document in yaml.safe_load_all(manifest.read_text(encoding="utf-8")):
        assert {"apiVersion", "kind", "metadata"} <= document.keys()
        pod = document.get("spec", {}).get("template", {}).get("spec", {})
        found += [*pod.get("initContainers", ()), *pod.get("containers", ())]
    return found


@pytest.mark.parametrize("manifest", manifests(), ids=lambda path: path.stem)
def test_manifest_gives_the_relay_arguments_that_it_takes(manifest: Path) -> None:
    [container] = [one for one in containers(manifest) if one["image"] == "RELAY-IMAGE"]
    verb, *words = container["args"]
    assert verb == relay.name
    with relay.make_context(verb, words) as context:
        assert len(context.params["sentinels"]) == 3
        assert context.params["listen"].endswith(":26379")
        loopback = context.params["listen"].startswith("127.")
        assert loopback or context.params["password_file"], "beyond loopback it needs a password"
    assert container["securityContext"]["runAsNonRoot"] is True


def test_example_configuration_is_one_that_the_daemon_accepts() -> None:
    done = CliRunner().invoke(cli, ["config", "check", str(DEPLOY / "switchmaster.toml")])
    assert (done.exit_code, done.stderr) == (0, "")


def test_examples_in_comments_of_the_configuration_are_valid_too(tmp_path: Path) -> None:
    text = (DEPLOY / "switchmaster.toml").read_text(encoding="utf-8")
    _, _, examples = text.partition("\n\n")
    for name in ("sentinel", "node", "token"):
        (tmp_path / name).write_text("a-secret-of-enough-characters\n", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    examples = re.sub(r"^# ", "", examples, flags=re.MULTILINE).replace("/run/credentials/switchmaster.service", ".")
    whole = tmp_path / "switchmaster.toml"
    whole.write_text(re.sub("^tls = .*$", "", examples, flags=re.MULTILINE), encoding="utf-8")
    done = CliRunner().invoke(cli, ["config", "check", str(whole)])
    assert (done.exit_code, done.stderr) == (0, "")


def test_image_runs_without_root_and_with_what_it_copies() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert [re.search(r" AS (\w+)", stage)[1] for stage in stages] == ["build", "runtime", "proxy", "switchmaster"]  # type: ignore[index]
    for stage in stages[2:]:
        assert stage.rstrip().endswith("USER 65532:65532")
    copied = {word for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for word in line.split()}
    root = DEPLOY.parent
    assert [] == [word for word in copied if not (root / word).exists()]
    kept = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == kept
    assert set(re.findall(r"EXTRAS=([a-z,]+)", text)) == {"cli,server", "cli"}


def test_charts_have_the_version_and_the_values_that_they_use() -> None:
    charts = DEPLOY / "helm"
    chart = yaml.safe_load((charts / "switchmaster" / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == switchmaster.__version__
    [needed] = yaml.safe_load((charts / "example-application" / "Chart.yaml").read_text("utf-8"))["dependencies"]
    assert (needed["name"], needed["version"]) == (chart["name"], chart["version"])
    values = yaml.safe_load((charts / "switchmaster" / "values.yaml").read_text(encoding="utf-8"))
    for template in (charts / "switchmaster" / "templates").iterdir():
        text = re.sub(r"\{\{/\*.*?\*/\}\}", "", template.read_text(encoding="utf-8"), flags=re.DOTALL)
        for place, scope in ((r"(?:\.Values|\$values)", values), (r"\$daemon", values["daemon"])):
            for dotted in re.findall(place + r"\.([A-Za-z.]+)", text):
                found: Any = scope
                for name in dotted.split("."):
                    assert name in found, f"{template.name}: {dotted}"
                    found = found[name]


def test_manifest_of_the_actions_gives_what_the_action_asks_for_and_no_more() -> None:
    text = (DEPLOY / "kubernetes" / "actions-rbac.yaml").read_text(encoding="utf-8")
    [role] = [one for one in yaml.safe_load_all(text) if one["kind"] == "Role"]
    given = {(rule["resources"][0], *rule["verbs"]) for rule in role["rules"]}
    assert given == {("endpointslices", "get", "create", "update", "delete"), ("pods", "list", "patch")}
    for resource, *verbs in given:
        for verb in verbs:
            assert f'"{verb}"' in KUBERNETES, (resource, verb)


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
