"""The command line with users of few rights: what it queries, and how it names the missing rights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

LIMIT = 60.0
# The user that Redis' own documentation gives to clients (Sentinel, "Access Control List authentication").
CLIENT = (
    "user asker on >pw resetchannels -@all +auth +client|getname +client|id +client|setname +command +hello +ping "
    "+role +sentinel|get-master-addr-by-name +sentinel|master +sentinel|myid +sentinel|replicas +sentinel|sentinels "
    "+sentinel|masters"
)
LISTENER = "user listener on >pw &* -@all +ping +hello +auth +subscribe +psubscribe"
NOBODY = "user nobody on >pw resetchannels -@all +auth +hello"
SERVERS = ("redis-6.2", "redis-7.0", "valkey-9.1")


@pytest.fixture(scope="module", params=SERVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    binary = find_or_skip(request.param)
    with Lab(binary=str(binary.path), sentinel_users=(CLIENT, LISTENER, NOBODY)) as lab:
        yield lab


@pytest.fixture(scope="module")
def other_lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), masters=("other",), replicas=1, sentinels=1, quorum=1) as lab:
        yield lab


def seeds(lab: Lab) -> list[str]:
    return [f"{host}:{port}" for host, port in lab.sentinel_addresses]


@pytest.fixture
def password(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text("pw\n", encoding="utf-8")
    return str(file)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "switchmaster", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert "Traceback" not in done.stderr
    return done


def as_user(user: str, password: str) -> list[str]:
    return ["--sentinel-user", user, "--sentinel-password-file", password]


def granted(stderr: str) -> set[str]:
    """Return the rules that a complaint about the first Sentinel advises."""
    return set(stderr.split("grant it: ")[1].split(";")[0].split(")")[0].split())


def test_documented_client_user_may_ask_for_a_master(lab: Lab, password: str) -> None:
    done = run("master", "mymaster", *seeds(lab), *as_user("asker", password))
    host, port = lab.master().address
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{host}:{port}\n", "")


def test_documented_client_user_may_list_all_masters_and_replicas(lab: Lab, password: str) -> None:
    masters = run("masters", *seeds(lab), *as_user("asker", password), "--format", "tsv")
    topology = run("topology", *seeds(lab), *as_user("asker", password), "--format", "tsv")
    assert (masters.returncode, masters.stdout.count("\n"), masters.stderr) == (0, 1, "")
    assert (topology.returncode, topology.stdout.count("replica\t"), topology.stderr) == (0, 2, "")


def test_watching_needs_to_subscribe_and_names_every_missing_right(lab: Lab, password: str) -> None:
    done = run("watch", *seeds(lab), *as_user("asker", password), "--timeout", "5")
    assert done.returncode == 5
    assert "the user may subscribe to none of Sentinel's channels; grant it: " in done.stderr
    assert granted(done.stderr) == {"+info", "+psubscribe", "&*"}


def test_poll_of_the_file_lets_the_same_user_watch(lab: Lab, password: str, tmp_path: Path) -> None:
    file = tmp_path / "switchmaster.toml"
    access = f'[deployments.one.sentinel]\nusername = "asker"\npassword_file = "{password}"\n'
    file.write_text(f"[deployments.one]\nsentinels = {seeds(lab)}\npoll = 0.5\n{access}".replace("'", '"'), "utf-8")
    done = run("watch", "--config", str(file), "--timeout", "2", "--format", "json")
    assert (done.returncode, "refuse us" in done.stderr) == (0, False)
    assert run("master", "mymaster", "--config", str(file)).returncode == 0


@pytest.mark.parametrize("verb", [["master", "mymaster"], ["masters"], ["topology"]])
def test_user_without_query_rights_is_refused_and_told_which_are_missing(
    lab: Lab, password: str, verb: list[str]
) -> None:
    done = run(*verb, *seeds(lab), *as_user("listener", password))
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("switchmaster: the Sentinels refuse us (")
    assert done.stderr.count("\n") == 1
    needed = {"+sentinel|master", "+sentinel|get-master-addr-by-name", "+sentinel|replicas", "+sentinel|sentinels"}
    assert needed <= granted(done.stderr)
    assert "monitor none" not in done.stderr


def test_advised_rights_are_sufficient(lab: Lab, password: str) -> None:
    seed = seeds(lab)[0]
    refused = run("masters", seed, *as_user("nobody", password))
    for number in range(len(lab.sentinels)):
        lab.sentinel_command(number, "ACL", "SETUSER", "nobody", *sorted(granted(refused.stderr)))
    done = run("masters", seed, *as_user("nobody", password), "--format", "tsv")
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")


def test_wrong_password_is_a_refusal(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "wrong"
    file.write_text("wrong", encoding="utf-8")
    done = run("master", "mymaster", *seeds(lab), *as_user("asker", str(file)))
    assert (done.returncode, done.stdout) == (5, "")
    assert "refuses the username or the password" in done.stderr


def test_unmonitored_master_is_unknown_and_no_refusal(lab: Lab, password: str) -> None:
    done = run("master", "elsewhere", *seeds(lab), *as_user("asker", password))
    assert done.returncode == 4
    assert "they monitor 'mymaster'" in done.stderr


def test_sentinels_of_two_deployments_are_distinguished(lab: Lab, other_lab: Lab) -> None:
    stranger = seeds(other_lab)[0]
    host, port = lab.master().address
    said = f"the Sentinel {stranger} does not monitor 'mymaster': does it belong to another deployment?"

    def named() -> bool:
        # The answer waits at most 0.1 s for a Sentinel that is later than the others.
        done = run("master", "mymaster", *seeds(lab), stranger)
        assert (done.returncode, done.stdout) == (0, f"{host}:{port}\n")
        return said in done.stderr

    eventually(named, what="the stranger to be named")


def test_sentinel_without_masters_is_reported(other_lab: Lab) -> None:
    other_lab.sentinel_command(0, "SENTINEL", "REMOVE", "other")
    done = run("masters", *seeds(other_lab))
    assert (done.returncode, done.stdout) == (0, "")
    assert f"the Sentinels that answer ({seeds(other_lab)[0]}) monitor no master" in done.stderr
