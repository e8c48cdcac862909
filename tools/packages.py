"""
Build the sdist and the wheel, and try them in clean environments, where no source is near: ``make packages``.

The sources are copied, built there (the wheel from the sdist, so that the sdist is whole), and the copy is removed.
Then each Python from 3.11 to 3.14 that is found gets an environment for each extra, with the wheel and nothing else, in
which the extra does what it is for, and one with a wheel of its own whose core is compiled. On the first of them pipx
and uvx run the wheel, and two type checkers read a user's program. It needs a package index and a C compiler, and takes
minutes; a failure ends it with what was run and what it said.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import compiled_wheel

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
FOR_USERS = [name for name in PROJECT["optional-dependencies"] if name not in ("dev", "docs", "fuzz")]
TOOLS = ("build", "pipx", "twine", "uv")
CHECKERS = ("mypy", "basedpyright")
"""The latter brings its own node; ``pyright`` would fetch one."""

PROMOTED = 'Pattern: *\n1) "pmessage"\n2) "*"\n3) "+switch-master"\n4) "m1 127.0.0.1 1 127.0.0.1 2"\n'
TRIES = {
    "": """
from importlib import metadata, resources
import re, switchmaster, switchmaster.sync, sys
switchmaster.Watcher([("127.0.0.1", 26379)])
assert resources.files("switchmaster").joinpath("py.typed").is_file()
assert (__import__("pathlib").Path(sys.prefix) / "share/man/man1/switchmaster.1").is_file()
assert {re.split("[<>]", need)[0] for need in metadata.requires("switchmaster") if "extra" not in need} == {"hiredis"}
""",
    "cli": "from switchmaster.cli.group import VERBS, cli; [cli.get_command(None, verb) for verb in VERBS]",
    "redis": "from switchmaster.redis import Sentinel, from_url; import switchmaster.redis.asyncio",
    "valkey": "from switchmaster.valkey import Sentinel, from_url; import switchmaster.valkey.asyncio",
    "glide": "import switchmaster.glide, switchmaster.glide.sync",
    "lab": """
from switchmaster.lab import Lab
from switchmaster.sync import Watcher
with Lab(replicas=1) as lab, Watcher(lab.sentinel_addresses) as watcher:
    assert watcher.master("mymaster").port == lab.master().port
""",
    "lab-tls": "import trustme; from switchmaster.lab import Lab",
    "notify": "import apprise",
    "server": """
from importlib import resources
import switchmaster.server.daemon, switchmaster.server.api
assert resources.files("switchmaster.server").joinpath("web").is_dir()
assert any(resources.files("switchmaster.journal").joinpath("migrations").iterdir())
""",
    "all": """
import switchmaster.redis, switchmaster.valkey, switchmaster.glide, switchmaster.server.daemon, switchmaster.proxy
""",
}
"""What each extra is tried with, in an environment that has the wheel and that extra alone."""
COMPILED = """
import pickle
from switchmaster import model
from switchmaster.belief import watch
from switchmaster.link import link
from switchmaster.wire import grammar
for module in (watch, link, model, grammar):
    assert module.__file__.endswith(".so"), module.__file__
event = grammar.parse_event(b"+switch-master", b"m 127.0.0.1 1 127.0.0.1 2")
assert pickle.loads(pickle.dumps(event)) == event and event.new == ("127.0.0.1", 2)
"""
USER = """
import redis
import switchmaster.redis
import switchmaster.redis.asyncio
import switchmaster.sync
from switchmaster import Switch, Watcher


def moved(switch: Switch) -> None:
    print(switch.master, switch.new.host, switch.new.port, switch.grade)


sentinel = switchmaster.redis.Sentinel([("127.0.0.1", 26379)], on_switch=moved)
client: redis.Redis = sentinel.master_for("mymaster")
print(client.set("k", "v"))
with switchmaster.sync.Watcher([("127.0.0.1", 26379)]) as watcher:
    for switch in watcher.switches():
        moved(switch)
"""


class Workshop:
    """
    A folder for everything that is built and tried.

    Args:
        folder: empty, outside of the sources.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources, self.built, self.tools = folder / "sources", folder / "dist", folder / "tools"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SWITCHMASTER"))}
        homes = {"PIPX_HOME": "pipx", "PIPX_BIN_DIR": "pipx/bin", "PIPX_MAN_DIR": "pipx/man", "UV_TOOL_DIR": "uv"}
        self.environment = kept | {name: str(folder / place) for name, place in homes.items()}

    def run(self, *words: object, code: int = 0) -> str:
        """Run a program away from the sources; return what it printed. Another exit code ends everything."""
        done = subprocess.run(
            [str(word) for word in words], cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        if done.returncode != code:
            said = done.stdout[-4000:] + done.stderr[-4000:]
            sys.exit(f"{' '.join(map(str, words))}\nended with {done.returncode} instead of {code}:\n{said}")
        return done.stdout

    def try_compiled(self, version: str, python: str) -> None:
        """Build the wheel with the compiled core from the sdist for one Python, and try it with the command line."""
        [sdist] = self.built.glob("*.tar.gz")
        shutil.unpack_archive(sdist, self.folder / "unpacked")
        [sources] = (self.folder / "unpacked").iterdir()
        builder = self.environment_for(python, ["pip"], "builder")  # Debian's Python has none
        wheel = compiled_wheel.build(sources, self.folder / f"compiled-{version}", str(builder / "bin/python"))
        shutil.rmtree(self.folder / "unpacked")
        shutil.rmtree(builder)
        place = self.environment_for(python, [f"{wheel}[cli]"], "try-compiled")
        self.run(place / "bin/python", "-I", "-W", "error", "-c", COMPILED)
        self.replay(place / "bin/switchmaster")
        shutil.rmtree(place)

    def replay(self, program: Path) -> None:
        """Have the command line read a transcript."""
        transcript = self.folder / "transcript.txt"
        transcript.write_text(PROMOTED, encoding="utf-8")
        assert '"type":"switch"' in self.run(program, "replay", transcript, "--format", "json")

    def build(self, python: str) -> Path:
        """Build both, check their metadata, remove the sources, and return the wheel."""
        made = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "build", "dist", ".*_cache", ".hypothesis")
        shutil.copytree(ROOT, self.sources, ignore=made)
        self.run(python, "-m", "venv", self.tools)
        self.run(self.tools / "bin/python", "-m", "pip", "install", "-q", *TOOLS)
        self.run(self.tools / "bin/python", "-m", "build", "--outdir", self.built, self.sources)
        self.build_image(python)
        shutil.rmtree(self.sources)
        [wheel], [sdist] = self.built.glob("*.whl"), self.built.glob("*.tar.gz")
        self.run(self.tools / "bin/twine", "check", "--strict", wheel, sdist)
        return wheel

    def build_image(self, python: str) -> None:
        """Do what the first stage of the Containerfile does, with what it copies and no other file."""
        text, context = (self.sources / "deploy/Containerfile").read_text(encoding="utf-8"), self.folder / "context"
        context.mkdir()
        for words in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE):
            for name in words.split():
                copy = shutil.copytree if (self.sources / name).is_dir() else shutil.copy
                copy(self.sources / name, context / name)
        place = self.environment_for(python, ["--no-compile", f"{context}[cli,server]"], "image")
        self.run(place / "bin/switchmaster", "serve", "--help")
        shutil.rmtree(place)
        shutil.rmtree(context)

    def environment_for(self, python: str, needs: Sequence[object], name: str) -> Path:
        """Make an environment with some packages, and return its folder."""
        place = self.folder / name
        self.run(python, "-m", "venv", "--without-pip", place)
        pip = (self.tools / "bin/python", "-m", "pip", "--python", place / "bin/python")
        self.run(*pip, "install", "-q", *needs)
        self.run(*pip, "check")
        return place

    def try_extra(self, python: str, wheel: Path, extra: str) -> None:
        """Try the wheel with one extra in an environment of its own."""
        place = self.environment_for(python, [f"{wheel}[{extra}]" if extra else wheel], f"try-{extra or 'core'}")
        program, interpreter = place / "bin/switchmaster", place / "bin/python"
        self.run(interpreter, "-I", "-W", "error", "-c", TRIES[extra])
        version = self.run(program, "version").split()
        assert version == self.run(program, "--version").split() == ["switchmaster", wheel.name.split("-")[1]]
        if extra in ("cli", "all"):
            self.run(program, "--help")
            assert "_SWITCHMASTER_COMPLETE" in self.run(program, "completion", "bash")
            self.replay(program)
        if extra == "":
            self.run(program, "masters", code=2)  # one sentence: click is not installed
        shutil.rmtree(place)

    def run_as_tool(self, wheel: Path) -> None:
        """Run and install the wheel with pipx, and run it with uvx."""
        pipx, wanted = self.tools / "bin/pipx", f"switchmaster[cli] @ file://{wheel}"
        for words in (["run", "--spec", wanted, "switchmaster"], ["run", "--spec", wanted, "switchmaster", "masters"]):
            self.run(pipx, *words, "--help")
        self.run(pipx, "install", wanted)
        assert (self.folder / "pipx/man/man1/switchmaster.1").exists(), "pipx did not link the man page"
        self.run(self.folder / "pipx/bin/switchmaster", "completion", "zsh")
        self.run(self.tools / "bin/uvx", "--from", f"{wheel}[cli]", "switchmaster", "masters", "--help")

    def check_types(self, python: str, wheel: Path) -> None:
        """Have type checkers read a user's program against the installed wheel."""
        place = self.environment_for(python, [f"{wheel}[redis]", *CHECKERS], "types")
        (self.folder / "user.py").write_text(USER, encoding="utf-8")
        self.run(place / "bin/mypy", "--strict", "user.py")
        self.run(place / "bin/basedpyright", "--level", "error", "--pythonpath", place / "bin/python", "user.py")


def pythons() -> Iterator[tuple[str, str]]:
    """Yield the versions that are found, from PATH or from pyenv, with their paths."""
    for version in PYTHONS:
        candidates = [shutil.which(f"python{version}") or ""]
        candidates += sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")))
        for candidate in filter(None, candidates):
            # pyenv puts a program for each of its versions into PATH, which fails where the version is not chosen.
            if subprocess.run([candidate, "-c", "import ensurepip"], capture_output=True).returncode == 0:
                yield version, candidate
                break


def main() -> None:
    """Do all of it, and say how long each part took."""
    parser = argparse.ArgumentParser(description="Build the packages, and try them in clean environments.")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="only this version; repeatable")
    only = parser.parse_args().python
    found = [(version, path) for version, path in pythons() if only is None or version in only]
    if not found:
        sys.exit("no Python from 3.11 on was found")
    missing = sorted({extra for extra in FOR_USERS if extra not in TRIES})
    assert missing == [], f"say in TRIES what these extras are for: {missing}"
    with tempfile.TemporaryDirectory() as folder:
        workshop, begun = Workshop(Path(folder)), time.monotonic()

        def told(what: str) -> None:
            print(f"{time.monotonic() - begun:6.1f} s  {what}", flush=True)

        wheel = workshop.build(found[0][1])
        told(f"built {wheel.name} ({wheel.stat().st_size // 1024} KiB) and the sdist; the sources are removed")
        for version, python in found:
            for extra in ("", *FOR_USERS):
                workshop.try_extra(python, wheel, extra)
                told(f"Python {version}: {'no extra' if not extra else f'[{extra}]'}")
            workshop.try_compiled(version, python)
            told(f"Python {version}: compiled")
        workshop.run_as_tool(wheel)
        told("pipx run, pipx install, uvx")
        workshop.check_types(found[0][1], wheel)
        told(f"types of a user's program: {', '.join(CHECKERS)}")
    untried = [version for version in PYTHONS if version not in dict(found) and (only is None or version in only)]
    if untried:
        print(f"not tried, because it is not installed here: Python {', '.join(untried)}")


if __name__ == "__main__":
    main()
