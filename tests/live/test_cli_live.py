"""The command line against real Sentinels: its output for scripts, and its answers to wrong input."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import switchmaster
from rig.child import Child
from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster.cli.demo_daemon import demo_daemon
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

SRC = str(Path(switchmaster.__file__).parent.parent)
MASTER = "mymaster"
LIMIT = 60.0
STOPPED = "(Ctrl-C is not an error of a watch)"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "SWITCHMASTER" not in name}
    return {**kept, "PYTHONPATH": os.pathsep.join([SRC, kept.get("PYTHONPATH", "")]), **more}


def start(*arguments: str, **more: str) -> Child:
    return Child(
        [sys.executable, "-X", "faulthandler", "-m", "switchmaster", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
    )


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    with start(*arguments, **more) as process:
        out, err = process.communicate(timeout=LIMIT)
    assert "Traceback" not in err
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def words(lab: Lab) -> list[str]:
    return [f"{host}:{port}" for host, port in lab.sentinel_addresses]


def shown(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


@pytest.fixture
def lab(lab_factory: LabFactory) -> Lab:
    return lab_factory(masters=(MASTER,), down_after_ms=500)


@contextmanager
def watching(*arguments: str, **more: str) -> Iterator[tuple[Child, list[str]]]:
    """Run a watch, yield its lines as they arrive, and end it."""
    process = start("watch", *arguments, **more)
    lines: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")))
    reader.start()
    try:
        yield process, lines
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(LIMIT)
        reader.join(LIMIT)
        process.stdout.close()
        assert process.stderr is not None
        process.stderr.close()


def check_ended(process: Child) -> None:
    """Wait for the end of a watch; if it does not end, show where each of its threads is."""
    try:
        code = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        assert process.stderr is not None
        pytest.fail(f"^C did not end it:\n{process.stderr.read()}")
    assert code == 0, STOPPED


def listening(lab: Lab, lines: list[str]) -> None:
    """Wait until a watch prints events: SENTINEL SET makes each Sentinel publish one."""

    def heard() -> bool:
        lab.sentinel_set(MASTER, "parallel-syncs", 1)
        return bool(lines)

    eventually(heard, LIMIT, interval=0.5)


def test_watch_until_switch_prints_the_switch_of_a_crash(server: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(masters=(MASTER,), down_after_ms=500, binary=server)
    old = lab.master(MASTER)
    others = {replica.address for replica in lab.replicas(MASTER)}
    arguments = ["--until-switch", "--timeout", "40", "--format", "json", "--events"]
    with watching(*words(lab), *arguments) as (process, lines):
        listening(lab, lines)
        lab.crash(old)
        assert process.wait(LIMIT) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    told = [json.loads(line) for line in lines]
    switch = told[-1]
    assert (switch["type"], switch["master"], switch["grade"]) == ("switch", MASTER, "promoted")
    assert (switch["old"]["host"], switch["old"]["port"]) == old.address
    assert (switch["new"]["host"], switch["new"]["port"]) in others
    assert (switch["new"]["host"], switch["new"]["port"]) == lab.master(MASTER).address
    assert "+switch-master" not in {line.get("channel") for line in told}


def test_pretty_watch_reports_a_failover_and_a_lost_sentinel(lab: Lab) -> None:
    with watching(*words(lab), "--format", "pretty") as (process, lines):
        eventually(lambda: any("3 of 3 Sentinels agree" in line for line in lines), LIMIT)
        lab.crash(lab.sentinels[2])
        eventually(lambda: any("is lost" in line for line in lines), LIMIT)
        lab.restart(lab.sentinels[2])
        eventually(lambda: any("is heard again" in line for line in lines), LIMIT)
        lab.wait_until_settled()
        lab.failover(MASTER)
        eventually(lambda: any("completed" in line for line in lines), LIMIT)
        process.send_signal(signal.SIGINT)
        check_ended(process)
    text = "".join(lines)
    stages = ["electing", "elected", "selected", "promoting", "promoted", "SWITCH", "settled"]
    places = [text.index(f"  {stage} ") for stage in stages]
    assert places == sorted(places)
    assert "itself answers that it is a master" in text


def test_pattern_shows_only_what_it_matches(lab: Lab) -> None:
    with watching(*words(lab), "--format", "tsv", "--pattern", "+s[^w]t*") as (_, lines):
        listening(lab, lines)
    assert {line.split("\t")[3] for line in lines} == {"+set"}


def test_watch_that_hears_no_switch_is_code_1(lab: Lab) -> None:
    done = run("watch", *words(lab), "--until-switch", "--timeout", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("switchmaster: waited 1 s for a switch without success")


def test_watch_with_a_time_alone_ends_with_code_0(lab: Lab) -> None:
    begun = time.monotonic()
    assert run("watch", *words(lab), "--timeout", "1").returncode == 0
    assert time.monotonic() - begun >= 1


def test_master_prints_the_address_alone(lab: Lab) -> None:
    done = run("master", MASTER, *words(lab))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == shown(lab.master(MASTER).address) + "\n"


def test_master_takes_sentinels_from_the_environment_as_a_url(lab: Lab) -> None:
    url = f"redis+sentinel://{','.join(words(lab))}/{MASTER}"
    done = run("master", MASTER, SWITCHMASTER_SENTINELS=url)
    assert (done.returncode, done.stderr) == (0, "")


def test_unknown_master_is_code_4_and_names_the_known(lab: Lab) -> None:
    for verb in (["master", "nope\x1b[2J", *words(lab)], ["watch", *words(lab), "--master", "nope"]):
        done = run(*verb)
        assert (done.returncode, done.stdout) == (4, "")
        assert f"they monitor '{MASTER}'" in done.stderr
        assert "\x1b" not in done.stderr


def test_masters_and_topology_agree_with_the_nodes(lab: Lab) -> None:
    master = lab.master(MASTER).address
    [line] = [json.loads(line) for line in run("masters", words(lab)[0]).stdout.splitlines()]
    assert (line["master"], line["health"]) == (MASTER, "ok")
    assert (line["address"]["host"], line["address"]["port"]) == master
    found = json.loads(run("topology", words(lab)[0]).stdout)
    assert len(found["masters"][0]["replicas"]) == 2
    assert {s["state"] for s in found["sentinels"]} == {"live"}
    assert len(found["sentinels"]) == 3


def test_pretty_topology_is_a_tree_of_all_servers(lab: Lab) -> None:
    text = run("topology", *words(lab), "--format", "pretty").stdout
    for server in lab.servers:
        assert shown(server.address) in text
    assert "3 of 3 Sentinels agree" in text


def test_unreachable_sentinel_is_named_while_the_others_answer(lab: Lab) -> None:
    with dead_port() as port:
        done = run("masters", f"127.0.0.1:{port}", words(lab)[0])
    assert done.returncode == 0
    assert f"the Sentinel 127.0.0.1:{port} could not be reached: connection refused" in done.stderr
    assert MASTER in done.stdout


def test_passwords_come_from_a_file_and_the_environment(lab_factory: LabFactory, tmp_path: Path) -> None:
    lab = lab_factory(masters=(MASTER,), password="nodes-s3cret", sentinel_password="their-s3cret")
    secret = tmp_path / "secret"
    secret.write_text("their-s3cret\n", encoding="utf-8")
    good = run("master", MASTER, *words(lab), "--sentinel-password-file", str(secret))
    assert (good.returncode, good.stderr) == (0, "")
    for variables in ({}, {"SWITCHMASTER_SENTINEL_PASSWORD": "wr0ng-s3cret"}):
        bad = run("master", MASTER, *words(lab), **variables)
        assert (bad.returncode, bad.stdout) == (5, "")
        assert "password" in bad.stderr
        assert "s3cret" not in bad.stderr


def test_data_node_is_recognised_and_code_3(lab: Lab) -> None:
    done = run("masters", shown(lab.master(MASTER).address))
    assert done.returncode == 3
    assert "not a Sentinel" in done.stderr or "no Sentinel" in done.stderr.split("(", 1)[1]


@contextmanager
def dead_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def http_port() -> Iterator[int]:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(LIMIT)


@pytest.mark.parametrize("port", [dead_port, silent_port, http_port])
def test_peer_that_is_no_sentinel_is_code_3_within_the_timeout(port: Any) -> None:
    with port() as number:
        begun = time.monotonic()
        done = run("masters", f"127.0.0.1:{number}", "--timeout", "0.5")
        took = time.monotonic() - begun
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("switchmaster: no Sentinel could be reached")
    assert f"127.0.0.1:{number}: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert took < 5


def ports_in(text: str) -> set[int]:
    return {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", text)}


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except ConnectionRefusedError:
        return True
    return False


def test_demo_reports_a_crash_and_its_cost() -> None:
    find_or_skip(None)
    done = run("demo")
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("SWITCH", "settled", "outage", "acknowledged, then lost", "s more: an outage of"):
        assert part in done.stdout
    assert "A daemon shows it at http://127.0.0.1:" in done.stdout
    ports = ports_in(done.stdout)
    assert len(ports) == 7
    assert all(refuses(port) for port in ports)


def test_kept_demo_can_be_broken_further_and_its_daemon_reports_it() -> None:
    find_or_skip(None)
    with start("demo", "--keep") as process:
        assert process.stdout is not None
        text = ""
        while "switchmaster history" not in text:
            line = process.stdout.readline()
            assert line, text
            text += line
        [url] = re.findall(r"shows it at (http://[^\s/]+)", text)
        eventually(failed_over, LIMIT, what="the end of the first failover, which Sentinel has not reported yet")
        while "completed" not in text.partition("switchmaster history")[2]:
            line = process.stdout.readline()
            assert line, text
            text += line
        told = eventually(
            lambda: completed(f"{url}/api/v1/failovers"), LIMIT, what="the ordered failover in the journal"
        )
        # At a down-after of 1 s the Sentinels may find a new master down too (docs/topics/protocol.md, 5.4).
        *later, crash = (line["kind"] for line in told)
        assert (crash, later.count("manual")) == ("automatic", 1)
        [journal] = re.findall(r"--journal (\S+)", text)
        shown = [
            json.loads(line) for line in run("history", "--journal", journal, "--format", "json").stdout.splitlines()
        ]
        assert [line["id"] for line in shown][-len(told) :] == [line["id"] for line in told]
        assert run("lab", "down").returncode == 0
        _, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, err) == (0, "")
    assert all(refuses(port) for port in ports_in(text))


def failed_over() -> bool:
    """Order a failover of the lab; return whether Sentinel accepted it: the last one may still be running."""
    done = run("lab", "failover")
    assert done.returncode == 0 or "INPROG" in done.stderr or "NOGOODSLAVE" in done.stderr, done.stderr
    return done.returncode == 0


def completed(url: str) -> list[dict[str, object]]:
    """Return the completed failovers that a daemon serves, newest first, once one of them was ordered."""
    with urllib.request.urlopen(url, timeout=LIMIT) as answer:
        lines = [line for line in json.load(answer)["items"] if line["outcome"] == "completed"]
    return lines if any(line["kind"] == "manual" for line in lines) else []


def test_demo_without_the_daemons_libraries_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("switchmaster.cli.demo_daemon.SERVER_PACKAGES", ("no_such_library",))
    with demo_daemon(["127.0.0.1:1"], tmp_path) as beside:
        assert (beside.url, beside.pid) == ("", None)
        assert "pip install 'switchmaster[server]'" in beside.reason


def test_daemon_that_does_not_start_is_reported_with_its_last_line(tmp_path: Path) -> None:
    with demo_daemon(["127.0.0.1:0"], tmp_path) as beside:
        assert beside.pid is None
        assert "127.0.0.1:0" in beside.reason


def test_demo_leaves_nothing_behind_after_ctrl_c() -> None:
    find_or_skip(None)
    with start("demo") as process:
        assert process.stdout is not None
        text = ""
        while "kill -9" not in text:
            line = process.stdout.readline()
            assert line, text
            text += line
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, err) == (130, "")
    assert len(ports_in(text)) >= 4
    assert all(refuses(port) for port in ports_in(text))
