"""Type checking of code that uses the drop-in and the Watchers: the library's own types, and every typing error."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from switchmaster.net import sync, watcher

CODE = """
from typing import Any

import redis
import redis.asyncio
import valkey
import valkey.asyncio

import switchmaster.redis
import switchmaster.redis.asyncio
import switchmaster.sync
import switchmaster.valkey
import switchmaster.valkey.asyncio


class Mine(redis.Redis):
    pass


SENTINELS = [("127.0.0.1", 26379)]
one: redis.Redis = switchmaster.redis.Sentinel(SENTINELS).master_for("x")
two: redis.Redis = switchmaster.redis.Sentinel(SENTINELS).slave_for("x", decode_responses=True)
three: Mine = switchmaster.redis.Sentinel(SENTINELS).replica_for("x", Mine)
four: redis.asyncio.Redis = switchmaster.redis.asyncio.Sentinel(SENTINELS).master_for("x")
five: valkey.Valkey = switchmaster.valkey.Sentinel(SENTINELS).master_for("x")
six: valkey.asyncio.Valkey = switchmaster.valkey.asyncio.Sentinel(SENTINELS).slave_for("x")
seven: redis.Redis = switchmaster.redis.from_url("redis+sentinel://h/x")
eight: redis.asyncio.Redis = switchmaster.redis.asyncio.from_url("redis+sentinel://h/x")
nine = switchmaster.sync.Watcher(SENTINELS, timeout=3, masters=["x"], grade="agreed")
"""
WRONG = [
    'switchmaster.redis.Sentinel(SENTINELS).master_for("x").no_such_command()',
    'switchmaster.redis.asyncio.Sentinel(SENTINELS).slave_for("x").no_such_command()',
    'switchmaster.valkey.Sentinel(SENTINELS).master_for("x").no_such_command()',
    'switchmaster.valkey.asyncio.Sentinel(SENTINELS).master_for("x").no_such_command()',
    'switchmaster.redis.from_url("redis+sentinel://h/x").no_such_command()',
    "switchmaster.sync.Watcher(SENTINELS, tiemout=3)",
    'switchmaster.sync.Watcher(SENTINELS, timeout="3")',
]


def lines_found(name: str, output: str) -> set[int]:
    """Return the lines of the users' code in which a checker found an error."""
    if name == "mypy":
        said = [line.split(":") for line in output.splitlines() if ": error:" in line]
        return {int(parts[1]) for parts in said if parts[0].endswith("code.py")}
    found = json.loads(output)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}


@pytest.mark.slow  # a type checker reads the client libraries
@pytest.mark.parametrize("name", ["mypy", "basedpyright"])
def test_checkers_know_the_clients_and_find_every_error(tmp_path: Path, name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    options = {
        "mypy": ["--strict", "--no-incremental"],
        "basedpyright": ["--outputjson", "--level", "error", "--pythonpath", sys.executable],
    }[name]
    file = tmp_path / "code.py"
    file.write_text(CODE + "\n".join(WRONG) + "\n")
    (tmp_path / "pyproject.toml").write_text('[tool.basedpyright]\ntypeCheckingMode = "standard"\n')
    ran = subprocess.run(
        [sys.executable, "-m", name, *options, "code.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    first = CODE.count("\n") + 1
    assert lines_found(name, ran.stdout) == set(range(first, first + len(WRONG))), ran.stdout + ran.stderr


@pytest.mark.parametrize("name", ["redis", "redis.asyncio", "valkey", "valkey.asyncio"])
def test_type_checkers_see_a_drop_in_as_it_is(name: str) -> None:
    module = importlib.import_module(f"switchmaster.{name}")
    stub = ast.parse(Path(str(module.__file__)).with_suffix(".pyi").read_text())
    listed = [
        ast.literal_eval(each.value)
        for each in stub.body
        if isinstance(each, ast.Assign) and "__all__" in ast.dump(each)
    ]
    assert listed == [module.__all__]
    classes = {
        each.name: [ast.unparse(base) for base in each.bases] for each in stub.body if isinstance(each, ast.ClassDef)
    }
    for kind, bases in classes.items():
        made, home = getattr(module, kind), f"{name}.sentinel.{kind}"
        assert (made.__module__, made.__qualname__, bases[1]) == (module.__name__, kind, home)
        assert [base.__name__ for base in made.__bases__] == [bases[0].split("[")[0].split(".")[1], kind]


def test_options_of_the_watcher_for_threads_are_those_of_the_other() -> None:
    parameters = inspect.signature(watcher.Watcher).parameters
    named = {name: one.annotation for name, one in parameters.items() if name != "sentinels"}
    options = {name: one.__forward_arg__ for name, one in watcher.WatcherOptions.__annotations__.items()}
    assert options == named
    assert "options" in inspect.signature(sync.Watcher).parameters
