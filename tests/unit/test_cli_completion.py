"""Completion in shells, and the man page: made from the parser, so that they name what exists."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import switchmaster
from switchmaster.cli.group import VERBS, cli

SRC = str(Path(switchmaster.__file__).parent.parent)
MAN = Path(__file__).parent.parent.parent / "man" / "switchmaster.1"


def completed(words: str, shell: str = "bash") -> list[str]:
    """Return what the program offers for the last word of a command line."""
    asked = {"_SWITCHMASTER_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "switchmaster"],
        env={**os.environ, "PYTHONPATH": SRC, **asked}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell_asks_the_program(shell: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert f"_SWITCHMASTER_COMPLETE={shell}_complete" in done.stdout


def test_unknown_shell_is_wrong_usage() -> None:
    assert CliRunner().invoke(cli, ["completion", "csh"]).exit_code == 2


def test_verbs_options_and_choices_are_completed() -> None:
    assert completed("switchmaster wat") == ["watch"]
    assert completed("switchmaster ") == list(VERBS)
    assert "--until-switch" in completed("switchmaster watch --")
    assert completed("switchmaster completion ") == ["bash", "zsh", "fish"]
    assert "crash" in completed("switchmaster lab ")


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:  # not skipped: the tests above ask the program everywhere
        return
    program = tmp_path / "switchmaster"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={SRC} exec {sys.executable} -m switchmaster "$@"\n')
    program.chmod(0o755)
    script = CliRunner().invoke(cli, ["completion", "bash"]).stdout
    ask = "COMP_WORDS=(switchmaster topo); COMP_CWORD=1; _switchmaster_completion switchmaster; echo ${COMPREPLY[@]}"
    path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([bash, "-c", script + ask], env=path, capture_output=True, text=True, timeout=30)
    assert (done.stdout.strip(), done.stderr) == ("topology", "")


def test_man_page_names_every_verb() -> None:
    text = MAN.read_text(encoding="utf-8")
    assert [] == [verb for verb in VERBS if f"\n.SS {verb}" not in text]


def test_man_accepts_its_page() -> None:
    groff = shutil.which("groff")
    if groff is None:  # not skipped: the test above reads the page everywhere
        return
    done = subprocess.run([groff, "-man", "-Tascii", "-ww", "-z", str(MAN)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
