"""The command line as a process: exit codes, standard error, signals, what is imported."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

import switchmaster
from switchmaster._version import __version__
from switchmaster.cli.group import VERBS, cli

SRC = str(Path(switchmaster.__file__).parent.parent)
CAPTURES = Path(__file__).parent.parent / "recorded" / "captures"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "SWITCHMASTER" not in name}
    return {**kept, "PYTHONPATH": SRC, **more}


def run(*arguments: str, code: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    start = ["-c", code, *arguments] if code else ["-m", "switchmaster", *arguments]
    return subprocess.run(
        [sys.executable, *start],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(**more),
    )


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version_is_one_line(word: str) -> None:
    done = run(word)
    assert (done.returncode, done.stdout) == (0, f"switchmaster {__version__}\n")


def test_version_imports_nothing_that_costs() -> None:
    code = (
        "import sys; sys.argv = ['switchmaster', 'version']; from switchmaster.cli import main; "
        "main(); heavy = {'click', 'rich', 'hiredis', 'asyncio', 'dataclasses'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run(code=code).stdout.splitlines() == [f"switchmaster {__version__}", "[]"]


def best_of(times: int, command: Sequence[str]) -> float:
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment())
        found.append(time.perf_counter() - begun)
    return min(found)


def test_version_costs_no_more_than_four_empty_pythons() -> None:
    empty = best_of(5, [sys.executable, "-c", "pass"])
    assert best_of(5, [sys.executable, "-m", "switchmaster", "version"]) <= 4 * empty


def test_missing_click_is_a_sentence_with_the_pip_line() -> None:
    code = (
        "import sys; sys.modules['click'] = None; sys.argv = ['switchmaster', 'masters']; "
        "from switchmaster.cli import main; main()"
    )
    done = run(code=code)
    assert done.returncode == 2
    assert done.stderr == ("switchmaster: click is not installed; install it with: pip install 'switchmaster[cli]'\n")


@pytest.mark.parametrize(
    ("package", "words", "extra"),
    [
        ("sqlalchemy", ["serve", "h:1"], "server"),
        ("alembic", ["serve", "h:1", "--journal", "sqlite:////nowhere/j.db"], "server"),
        ("sqlalchemy", ["history", "--journal", "postgresql://127.0.0.1/journal"], "server"),
        ("pydantic", ["masters", "--config", "x.toml"], "cli"),
    ],
)
def test_missing_package_of_an_extra_is_a_sentence_with_the_pip_line(
    package: str, words: list[str], extra: str
) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = ['switchmaster', *{words!r}]; "
        "from switchmaster.cli import main; main()"
    )
    done = run(code=code)
    sentence = f"{package} is not installed; install it with: pip install 'switchmaster[{extra}]'"
    assert (done.returncode, done.stderr) == (2, f"switchmaster: {sentence}\n")


def test_verbs_that_watch_import_nothing_of_the_daemon() -> None:
    code = (
        "import sys; sys.argv = ['switchmaster', 'watch', '--help']\n"
        "from switchmaster.cli import main\n"
        "try: main()\n"
        "finally: sys.stderr.write(str({'sqlalchemy', 'pydantic', 'alembic', 'psycopg'} & set(sys.modules)))"
    )
    assert run(code=code).stderr == "set()"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    result = CliRunner().invoke(cli, [verb, "--help"])
    assert result.exit_code == 0
    assert f"Usage: cli {verb}" in result.stdout


def test_rich_is_not_imported_for_plain_output() -> None:
    code = (
        "import sys; sys.argv = ['switchmaster', 'replay', '--format', 'pretty', sys.argv[1]]\n"
        "from switchmaster.cli import main\n"
        "try: main()\n"
        "finally: sys.stderr.write(str('rich' in sys.modules))"
    )
    done = run(str(CAPTURES / "redis-7.0.15-crash500-run0.jsonl"), code=code)
    assert (done.returncode, done.stderr) == (0, "False")


@pytest.mark.parametrize("verb", ["watch", "masters", "topology"])
def test_verb_without_sentinels_is_a_sentence_and_code_2(verb: str) -> None:
    done = run(verb)
    assert done.returncode == 2
    assert done.stderr.startswith("switchmaster: no Sentinel was given")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["master"], ["watch", "h:1", "--timeout", "soon"], ["masters", "--nope"]],
)
def test_wrong_usage_is_code_2_without_a_traceback(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_address_is_a_sentence_and_code_2() -> None:
    done = run("masters", "10.0.0.1:99999")
    assert done.returncode == 2
    assert "port from 1 to 65535" in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_pipe_ends_quietly() -> None:
    command = f"{sys.executable} -m switchmaster replay {CAPTURES}/redis-7.0.15-main.jsonl"
    done = subprocess.run(
        ["sh", "-c", f"{command} | head -c 10 >/dev/null"],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(),
    )
    assert done.stderr == ""


def test_full_disk_is_a_sentence_and_code_1() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this machine has no /dev/full")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "switchmaster", "replay", str(CAPTURES / "redis-7.0.15-tilt.jsonl")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            env=environment(),
        )
    assert done.returncode == 1
    assert done.stderr.startswith("switchmaster: the system refused: No space left")
    assert "Traceback" not in done.stderr


def test_output_that_cannot_be_encoded_is_escaped() -> None:
    text = '{"ts": 1, "sentinel": "s:1", "channel": "+switch-master", "payload": "\u4e3b a 1 b 2"}\n'
    done = subprocess.run(
        [sys.executable, "-m", "switchmaster", "replay", "-", "--format", "pretty"],
        input=text.encode(),
        capture_output=True,
        timeout=30,
        env=environment(PYTHONIOENCODING="ascii"),
    )
    assert done.returncode == 0
    assert b"\\u4e3b" in done.stdout
