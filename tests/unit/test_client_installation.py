"""`switchmaster.redis.install`: in programs of their own, since it is for a whole process."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

LIBRARIES = ["redis", "valkey"]


def run(library: str, program: str) -> list[str]:
    """Run a program that may name its library ``LIB``; return the lines that it prints."""
    source = textwrap.dedent(program).replace("LIB", library)
    done = subprocess.run([sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_name_is_replaced_and_put_back(library: str) -> None:
    said = run(
        library,
        """
        import switchmaster.LIB
        installation = switchmaster.LIB.install()
        assert switchmaster.LIB.install() is installation
        print(installation)
        from importlib import import_module
        homes = [import_module(name) for name in ("LIB", "LIB.sentinel", "LIB.asyncio", "LIB.asyncio.sentinel")]
        names = [(home, name) for home in homes for name in dir(home) if name.startswith("Sentinel")]
        kinds = [getattr(*each) for each in names]
        ours = [kind for kind in kinds if kind.__module__.startswith("switchmaster.LIB")]
        print(len(ours), sorted({kind.__name__ for kind in kinds if kind not in ours}))
        client = import_module("LIB.sentinel").Sentinel([("127.0.0.1", 1)]).master_for("mymaster")
        print(type(client.connection_pool).__module__, client.connection_pool.connection_class.__module__)
        installation.remove()
        installation.remove()
        print({getattr(*each).__module__.partition(".")[0] for each in names})
        """,
    )
    assert said == [
        f"Installation(library='{library}')",
        # SentinelCommands sends SENTINEL's commands, and the proxy chooses replicas inside a pool: they stay.
        "16 ['SentinelCommands', 'SentinelConnectionPoolProxy']",
        f"switchmaster.{library} switchmaster.{library}",
        str({library}),
    ]


@pytest.mark.parametrize("library", LIBRARIES)
def test_installation_that_comes_too_late_is_refused_and_replaces_nothing(library: str) -> None:
    said = run(
        library,
        """
        import sys, types
        from LIB.sentinel import Sentinel
        import LIB.asyncio
        class Own(LIB.asyncio.sentinel.SentinelConnectionPool): ...
        for number in range(6):
            module = sys.modules[f"held{number}"] = types.ModuleType(f"held{number}")
            module.theirs = Sentinel
        import switchmaster.LIB
        try:
            switchmaster.LIB.install()
        except switchmaster.UsageError as error:
            print(error)
        print(LIB.sentinel.Sentinel is Sentinel, LIB.asyncio.Sentinel.__module__)
        """,
    )
    assert said == [
        f"switchmaster.{library}.install() comes too late: __main__, __main__.Own, held0, held1, held2 and 3 more "
        f"already use the classes of {library}.sentinel, and would keep them. Nothing was replaced. Call it first in "
        "the program, before anything else is imported",
        f"True {library}.asyncio.sentinel",
    ]


def test_removal_leaves_alone_what_somebody_else_has_replaced_since() -> None:
    said = run(
        "redis",
        """
        import switchmaster.redis
        with switchmaster.redis.install():
            import redis.sentinel
            redis.sentinel.Sentinel = mine = type("Mine", (redis.sentinel.Sentinel,), {})
        print(redis.sentinel.Sentinel is mine, redis.Sentinel.__module__)
        """,
    )
    assert said == ["True redis.sentinel"]
