"""The lab itself, on real servers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster.errors import LabError, UsageError
from switchmaster.lab import (
    CommandRefused,
    Lab,
    ServerSilent,
    deployment,
    find_binaries,
    find_binary,
)
from switchmaster.lab.lab_client import LabClient, LabCredentials
from switchmaster.lab.processes import process_facts

pytestmark = pytest.mark.live

WATCHER = "user watcher on >pw resetchannels &* -@all +ping +hello +psubscribe +info +role"


def gone(pid: int | None) -> bool:
    facts = process_facts(pid) if pid else None
    return facts is None or not facts.alive


def test_lab_leaves_nothing_when_it_stops(server: str) -> None:
    threads = threading.active_count()
    with Lab(binary=server) as lab:
        assert lab.folder is not None
        folder, pids = lab.folder, [one.pid for one in lab.servers]
        assert len(pids) == 6
        assert not any(map(gone, pids))
        assert lab.lacking() == ""
        assert lab.master().name == "mymaster-1"
        assert [one.name for one in lab.replicas()] == ["mymaster-2", "mymaster-3"]
        lab.hang(lab.sentinels[0])
        assert lab.sentinels[0].state == "hung"
    assert all(map(gone, pids))
    assert not folder.exists()
    assert threading.active_count() == threads
    lab.stop()


def test_crash_of_the_master_gives_a_failover(server: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=server, sentinels=3)
    old = lab.master()
    lab.crash(old)
    assert old.state == "dead"
    new = eventually(lab.master, 20, what="a new master")
    assert new is not old
    lab.wait_until_settled()
    assert "+switch-master mymaster" in lab.log(lab.sentinels[0])


def test_planned_failover_has_two_masters_and_the_lab_knows_the_newer(server: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=server, masters=("one", "two"))
    old = lab.master("one")
    assert lab.failover("one", sentinel=1) == "OK"
    with pytest.raises(LabError, match="INPROG"):
        lab.failover("one", sentinel=1)
    eventually(lambda: lab.master("one") is not old, 20, what="the promotion")
    assert old in lab.masters("one")
    assert lab.master("two").name == "two-1"


def test_failover_is_refused_with_the_words_of_sentinel(lab_factory: LabFactory) -> None:
    lab = lab_factory(replicas=0, sentinels=1)
    with pytest.raises(CommandRefused, match=r"s1 .* refused the failover of 'mymaster': NOGOODSLAVE"):
        lab.failover()


def test_coordinated_failover_leaves_one_master(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("valkey-9").path), down_after_ms=3000)
    old = lab.master()
    lab.failover(coordinated=True)
    eventually(lambda: lab.master() is not old, 20, what="the promotion")
    eventually(lambda: len(lab.masters()) == 1)


def test_lab_speaks_tls_alone(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), tls=True, tls_client_auth=True)
    sentinel = lab.sentinels[0]
    assert sentinel.call("PING") == "PONG"
    with pytest.raises(ServerSilent), LabClient(sentinel.address) as plain:
        plain.call("PING")
    lab.crash(lab.master())
    eventually(lab.master, 20, what="a new master over TLS")


def test_lab_reports_a_server_without_tls() -> None:
    binary = str(find_or_skip("redis-6.2").path)
    with pytest.raises(LabError, match="built without TLS"):
        Lab(binary=binary, tls=True).start()


def test_passwords_and_users_are_demanded(server: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=server, password="np", sentinel_password="sp", sentinel_users=(WATCHER,))
    for one in (lab.sentinels[0], lab.master()):
        with LabClient(one.address) as stranger, pytest.raises(CommandRefused, match="NOAUTH"):
            stranger.call("ROLE")
    with LabClient(lab.sentinel_addresses[0], credentials=LabCredentials("pw", "watcher")) as watcher:
        assert watcher.call("ROLE") == ["sentinel", ["mymaster"]]
    lab.crash(lab.master())
    eventually(lab.master, 20, what="a new master with passwords")


@pytest.mark.parametrize("options", [{"host": "::1"}, {"hostnames": True}], ids=["ipv6", "names"])
def test_lab_announces_the_host_that_was_asked_for(
    server: str, lab_factory: LabFactory, options: dict[str, object]
) -> None:
    lab = lab_factory(binary=server, **options)
    address = lab.sentinel_command(0, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
    assert address == [lab.options.announced_host, str(lab.master().port)]


def test_hung_server_answers_again_when_it_is_resumed(lab_factory: LabFactory) -> None:
    lab = lab_factory(replicas=1, sentinels=1, down_after_ms=60000)
    node = lab.master()
    lab.hang(node)
    with pytest.raises(ServerSilent, match=r"no answer within 0.2 s"):
        node.call("PING", timeout=0.2)
    lab.resume(node)
    assert node.call("PING") == "PONG"
    lab.terminate(node)
    with pytest.raises(LabError, match="not running"):
        lab.hang(node)


def test_restarted_sentinel_keeps_its_id_or_forgets_it(server: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=server, replicas=1)
    before = lab.sentinel_command(0, "SENTINEL", "MYID")
    lab.restart_sentinel(0)
    assert lab.sentinel_command(0, "SENTINEL", "MYID") == before
    lab.restart_sentinel(0, keep_config=False)
    assert lab.sentinel_command(0, "SENTINEL", "MYID") != before


def test_added_sentinel_is_discovered_and_a_removed_one_is_not_listed(
    lab_factory: LabFactory,
) -> None:
    lab = lab_factory(replicas=1, sentinels=2)
    added = lab.add_sentinel()
    assert [one.name for one in lab.sentinels] == ["s1", "s2", "s3"]
    lab.wait_until_settled()
    lab.sentinel_set("mymaster", "quorum", 3)
    assert "quorum" in added.call("SENTINEL", "MASTER", "mymaster")
    lab.remove_sentinel(2)
    assert not added.alive
    assert [one.name for one in lab.sentinels] == ["s1", "s2"]


def test_start_takes_other_ports_when_one_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with Lab(replicas=0, sentinels=1) as first:
        taken = [one.port for one in first.servers]
        free = deployment.free_ports
        answers = iter([taken])
        monkeypatch.setattr(deployment, "free_ports", lambda *a: next(answers, None) or free(*a))
        with Lab(replicas=0, sentinels=1) as second:
            assert not set(taken) & {one.port for one in second.servers}
        assert first.lacking() == ""


def test_start_ends_with_the_last_words_of_a_server_and_without_its_secrets(server: str) -> None:
    lab = Lab(binary=server, replicas=0, sentinels=1, node_users=("user x on >hidden +nonsense",))
    with pytest.raises(LabError, match=r"mymaster-1 .* exited right after its start") as caught:
        lab.start()
    assert "hidden" not in str(caught.value)
    assert not any(one.alive for one in lab.servers)
    assert lab.folder is None


def test_start_says_which_folder_can_not_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(LabError, match=f"the lab can't write {file}"):
        Lab(directory=file / "lab").start()


def test_given_folder_stays_and_is_used_again(tmp_path: Path) -> None:
    folder = tmp_path / 'with blank and "quote"'
    for _ in range(2):
        with Lab(replicas=0, sentinels=1, directory=folder) as lab:
            assert lab.sentinels[0].log.parent == folder
    assert (folder / "s1.log").exists()


def test_unknown_names_are_refused_with_the_existing_ones(lab_factory: LabFactory) -> None:
    lab = lab_factory(masters=("one", "two"), replicas=0, sentinels=1)
    with pytest.raises(UsageError, match=r"no master 'three'.*'one', 'two'"):
        lab.master("three")
    with pytest.raises(UsageError, match="name a master"):
        lab.master()
    with pytest.raises(UsageError, match="it has one-1, two-1, s1"):
        lab.server("nobody")
    with pytest.raises(UsageError, match="none at index 5"):
        lab.sentinel_command(5, "PING")


def test_binary_is_found_by_kind_version_and_path() -> None:
    newest = find_binaries()[0]
    assert find_binary(str(newest.path)).version == newest.version
    assert find_binary(newest.kind).kind == newest.kind
    with pytest.raises(LabError, match=r"found no server 'redis-1.0'.*install"):
        find_binary("redis-1.0")
    with pytest.raises(LabError, match="/bin/sh is not a redis-server"):
        find_binary("/bin/sh")


KILLED = """
from switchmaster.lab import Lab
lab = Lab(replicas=0, sentinels=1).start()
print(lab.folder, *(one.pid for one in lab.servers), flush=True)
input()
"""


def test_servers_and_folder_are_gone_when_the_lab_is_killed() -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        folder, *pids = child.stdout.readline().split()
        assert not any(gone(int(pid)) for pid in pids)
        child.kill()
    eventually(lambda: all(gone(int(pid)) for pid in pids), what="the end of the servers")
    eventually(lambda: not Path(folder).exists(), what="the end of the folder")


class Terminal:
    """`switchmaster lab` in a user's terminals, with a state directory of its own."""

    MAIN = """
import sys
from switchmaster.cli.verbs.lab import lab
from switchmaster.errors import SwitchmasterError
try:
    lab()
except SwitchmasterError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""

    def __init__(self, runtime: Path) -> None:
        self.env = os.environ | {"XDG_RUNTIME_DIR": str(runtime)}

    def start(self, *args: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", self.MAIN, *args]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *args: str, code: int = 0) -> str:
        with self.start(*args) as child:
            out, err = child.communicate(timeout=30)
        assert child.returncode == code, err
        return out if code == 0 else err


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    find_or_skip(None)
    return Terminal(tmp_path)


def read_up(child: subprocess.Popen[str]) -> list[dict[str, object]]:
    assert child.stdout is not None
    records = []
    for line in child.stdout:
        records.append(json.loads(line))
        if records[-1].get("done") == "up":
            return records
    raise AssertionError(f"`lab up` ended: {child.communicate()[1]}")


def test_cli_steers_a_lab_of_another_terminal(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    files = ["--password-file", str(tmp_path / "secret")]
    files += ["--sentinel-password-file", str(tmp_path / "secret")]
    with terminal.start("up", "--replicas", "1", "--sentinels", "3", *files) as up:
        try:
            records = read_up(up)
            watch = str(records[-1]["watch"])
            assert re.fullmatch(r"switchmaster watch( 127\.0\.0\.1:\d+){3}", watch)
            state = tmp_path / "switchmaster-lab" / "lab.json"
            assert "hidden" not in state.read_text()
            assert "already" in terminal.run("up", code=1)
            assert json.loads(terminal.run("crash"))["server"] == "mymaster-1"
            lines = terminal.run("status", "--format", "pretty").splitlines()
            assert re.match(r"mymaster-1 .*node +dead", lines[0])
            assert json.loads(terminal.run("resume"))["done"] == "started"
            assert json.loads(terminal.run("hang", "s2"))["done"] == "hung"
            assert json.loads(terminal.run("resume", "s2"))["done"] == "resumed"
            assert "no server 'nobody'" in terminal.run("crash", "nobody", code=2)
            pids = [int(str(json.loads(line)["pid"])) for line in terminal.run("status").splitlines()]
            assert json.loads(terminal.run("down"))["servers"] == 5
            assert up.wait(10) == 0
        finally:
            up.kill()
    assert all(map(gone, pids))
    assert not state.exists()
    assert "no lab is up" in terminal.run("down", code=1)


def test_cli_fails_over_and_ends_on_interrupt(terminal: Terminal) -> None:
    with terminal.start("up", "--masters", "2", "--replicas", "1") as up:
        try:
            pids = [int(str(one["pid"])) for one in read_up(up) if "pid" in one]
            assert "name a master" in terminal.run("failover", code=2)
            assert json.loads(terminal.run("failover", "mymaster2"))["master"] == "mymaster2"
            # A command may come when the failover before it has ended; or just then, and no replica is fit.
            refused = ""
            for _ in range(20):
                with terminal.start("failover", "mymaster2") as child:
                    _, refused = child.communicate(timeout=30)
                if child.returncode != 0:
                    break
            assert child.returncode == 1
            assert "refused the failover of 'mymaster2': " in refused
            assert "INPROG" in refused or "NOGOODSLAVE" in refused
            up.send_signal(signal.SIGINT)
            assert up.wait(10) == 0
        finally:
            up.kill()
    assert all(map(gone, pids))


def test_cli_refuses_a_state_directory_that_others_can_write(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "switchmaster-lab").mkdir(mode=0o777)
    (tmp_path / "switchmaster-lab").chmod(0o777)
    assert "not a directory that only you can access" in terminal.run("status", code=1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for next to nothing; mounting one takes root."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small file system can't be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_full_disk_is_one_sentence_and_leaves_no_process(small_disk: Path) -> None:
    lab = Lab(binary=str(find_or_skip("redis-7.0").path), directory=small_disk / "lab")
    try:
        with pytest.raises(LabError) as caught:
            lab.start()
    finally:
        lab.stop()
    assert str(small_disk) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(server.alive for server in lab.servers)
