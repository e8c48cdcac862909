"""
What the documents tell people to type is typed, on real servers: the tutorial as a whole, and the Python programs of
README and of the pages about clients.

A proof on demand, ``make proofs``: pytest does not collect this file by itself. That every other block is at least well
formed, tests/unit/test_document_blocks.py proves each time.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis

from rig.client_lab import make_ready, wait_for_subscribers
from rig.conditions import eventually
from rig.document_blocks import Block, blocks, typed
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab
from switchmaster.model import Address

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(600)]

LIMIT = 60.0
TUTORIAL = "docs/tutorial.md"
RUNS_ON = ("switchmaster lab up", "switchmaster watch", "python write.py", "switchmaster serve")
"""Commands that the tutorial leaves running in a terminal."""
ELSEWHERE = ("python3 -m venv", ".venv/bin/pip", ". .venv/bin/activate", "make demo")
"""Commands that CI runs in its other steps: the installation, and the demo."""
PAGES = ("README.md", "docs/how-to/moving-from-redis-py.md", "docs/how-to/follow-in-python.md")


class LineFailed(Exception):
    """A line that was typed ended with an error; `eventually` tries it again."""


class Terminals:
    """The reader's terminals: one folder, the same variables in each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = folder / "variables"
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "XDG_RUNTIME_DIR": str(folder), "TMPDIR": str(folder)}

    def script(self, line: str) -> list[str]:
        known = f". {self.variables}; " if self.variables.exists() else ""
        return ["bash", "-c", f"{known}{line}"]

    def run(self, line: str) -> str:
        """Type a line and wait until the prompt is back."""
        done = subprocess.run(
            self.script(f"{line}\ncode=$?; export -p > {self.variables}; exit $code"),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT * 2,
            check=False,
        )
        if done.returncode:
            raise LineFailed(f"{line}: {done.stdout}{done.stderr}")
        return done.stdout

    def leave_running(self, line: str) -> None:
        name = next(one for one in RUNS_ON if line.startswith(one))
        with self.printed(name).open("wb") as output:
            self.running[name] = subprocess.Popen(
                self.script(f"exec {line}"), cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )

    def printed(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '-')}.output"

    def text(self, name: str) -> str:
        return self.printed(name).read_text(encoding="utf-8")

    def interrupt(self, name: str) -> None:
        process = self.running.pop(name)
        process.send_signal(signal.SIGINT)
        process.wait(LIMIT)

    def close(self) -> None:
        for name in list(self.running)[::-1]:
            self.interrupt(name)


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    find_or_skip(None)
    found = Terminals(tmp_path)
    yield found
    found.close()


def test_tutorial_works_as_it_stands(terminals: Terminals) -> None:
    crashed, moves = "", 0
    for block in blocks():
        if block.path != TUTORIAL or block.language == "text":
            continue
        if block.language == "python":
            (terminals.folder / "write.py").write_text(block.text, encoding="utf-8")
            continue
        for line in typed(block):
            if line.startswith(ELSEWHERE):
                continue
            if line.startswith(RUNS_ON):
                # The reader ends what stands in this terminal with ^C before.
                for name in [one for one in ("python write.py",) if line.startswith("switchmaster serve")]:
                    terminals.interrupt(name)
                terminals.leave_running(line)
                wait_until_it_runs(terminals, line)
                continue
            if line.startswith("switchmaster lab down"):
                terminals.interrupt("switchmaster serve")
            if line.startswith("switchmaster explain"):  # its answer is no until the replicas follow again
                eventually(partial(terminals.run, line), LIMIT, what=line)
                continue
            printed = terminals.run(line)
            if line.startswith("switchmaster lab crash"):
                crashed = re.search(r'"address": "([^"]+)"', printed)[1]
                moves += 1
                wait_until_it_moved(terminals, crashed)
            if line.startswith("switchmaster history"):
                assert "completed" in printed
    assert moves == 3
    assert '"type":"switch"' in terminals.text("switchmaster watch")
    assert "after the one before" in terminals.text("python write.py")
    assert terminals.running.pop("switchmaster lab up").wait(LIMIT) == 0


def wait_until_it_runs(terminals: Terminals, line: str) -> None:
    process = terminals.running[next(one for one in RUNS_ON if line.startswith(one))]
    signs = {
        "switchmaster lab up": lambda: '"done": "up"' in terminals.text("switchmaster lab up"),
        "switchmaster serve": lambda: succeeds("curl -sf http://127.0.0.1:8370/readyz"),
        "python write.py": lambda: all_listen(terminals),
        "switchmaster watch": lambda: all_listen(terminals),
    }
    sign = next(found for name, found in signs.items() if line.startswith(name))
    eventually(lambda: process.poll() is None and sign(), LIMIT, what=f"{line} to run")


def all_listen(terminals: Terminals) -> bool:
    """Whether each Sentinel of the lab has as many subscribers as programs run that listen."""
    wanted = len(terminals.running) - 1  # without the lab
    rows = [row.split("\t") for row in terminals.run("switchmaster lab status --format tsv").splitlines()]
    sentinels = [Address.parse(row[2]) for row in rows if "sentinel" in row]
    return bool(sentinels) and all(subscribers_at(each) >= wanted for each in sentinels)


def subscribers_at(sentinel: Address) -> int:
    with redis.Redis(*sentinel, socket_timeout=LIMIT) as client:
        return len(client.client_list(_type="pubsub"))


def wait_until_it_moved(terminals: Terminals, crashed: str) -> None:
    master = "switchmaster master mymaster"
    eventually(lambda: terminals.run(master).strip() not in ("", crashed), LIMIT, what="a switch")
    if "switchmaster serve" in terminals.running:
        history = "switchmaster history --journal sqlite:///journal.db --outcome completed"
        eventually(lambda: terminals.run(history), LIMIT, what="the record to be complete")


def succeeds(line: str) -> bool:
    return subprocess.run(line, shell=True, capture_output=True, check=False).returncode == 0


# -- programs --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip(None).path), masters=("mymaster1",)) as lab:
        yield lab


@pytest.mark.parametrize("block", [one for one in blocks("python") if one.path in PAGES], ids=str)
def test_program_of_a_page_runs(block: Block, shared: Lab, tmp_path: Path) -> None:
    make_ready(shared, master="mymaster1")
    first, second = (f'("{host}", {port})' for host, port in shared.sentinel_addresses[:2])
    text = block.text.replace('("10.209.10.30", 46390)', first).replace('("10.209.10.31", 46390)', second)
    output = tmp_path / "output"
    with output.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-u", "-c", text], stdout=stream, stderr=stream)
        try:
            if " in watcher." in text:
                wait_for_subscribers(shared, 1)
                before = len(output.read_text(encoding="utf-8").splitlines())
                shared.failover()
                follows = lambda: len(output.read_text(encoding="utf-8").splitlines()) > before  # noqa: E731
                eventually(follows, LIMIT, what=f"{block} to print the failover")
                process.send_signal(signal.SIGINT)
                process.wait(LIMIT)
            else:
                assert process.wait(LIMIT) == 0, output.read_text(encoding="utf-8")
        finally:
            process.kill()
            process.wait(LIMIT)
