"""
The drop-in with other versions of the client libraries: one lab, and one process for each that uses every feature.

All other tests run with the installed version. The others are fetched by pip, without their dependencies, into a folder
that is removed after the session.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from rig.client_lab import make_ready
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

VERSIONS = {"redis": ("6.0.0", "6.4.0", "7.0.1", "7.4.1", "8.0.1"), "valkey": ("6.0.0", "6.1.0")}
OTHERS = [(library, version) for library, versions in VERSIONS.items() for version in versions]
ALL = [*OTHERS, *((library, metadata.version(library)) for library in VERSIONS)]
TESTS = Path(__file__).parent.parent
CHECK = TESTS / "rig" / "drop_in_check.py"
FETCH_LIMIT, CHECK_LIMIT = 60.0, 60.0


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path | str]:
    """Fetch all other versions at once; return a folder for each, or the reason why it is missing."""
    base = tmp_path_factory.mktemp("versions")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--only-binary=:all:"]
    running = {
        (library, version): subprocess.Popen(
            [*pip, "--target", str(base / f"{library}-{version}"), f"{library}=={version}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for library, version in OTHERS
    }
    found: dict[tuple[str, str], Path | str] = {}
    for (library, version), fetching in running.items():
        try:
            said = fetching.communicate(timeout=FETCH_LIMIT)[0]
        except subprocess.TimeoutExpired:
            fetching.kill()
            said = f"no answer within {FETCH_LIMIT:g} s: {fetching.communicate()[0]}"
        words = said.strip().splitlines()[-1:] or ["it says nothing"]
        found[library, version] = words[0] if fetching.returncode else base / f"{library}-{version}"
    return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), down_after_ms=2000, failover_timeout_ms=5000) as lab:
        yield lab


@pytest.mark.parametrize(("library", "version"), ALL, ids=[f"{library}-{version}" for library, version in ALL])
def test_everything_works_through_a_planned_failover(
    lab: Lab, folders: dict[tuple[str, str], Path | str], library: str, version: str
) -> None:
    folder = folders.get((library, version), TESTS)
    if isinstance(folder, str):
        pytest.skip(f"pip can't get {library} {version}: {folder}")
    old = lab.master()
    command = [sys.executable, "-P", "-W", "error", str(CHECK), library, version]
    done = subprocess.run(
        [*command, *(f"{host}:{port}" for host, port in lab.sentinel_addresses)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(TESTS)])},
        capture_output=True, text=True, timeout=CHECK_LIMIT, check=False,
    )  # fmt: skip
    make_ready(lab, old)
    assert not done.returncode, done.stderr
    assert not done.stderr, done.stderr
    assert done.stdout.startswith(f"{library} {version} from ")
    assert (library, version) not in folders or str(folder) in done.stdout
    assert lab.master() is not old
