"""
A pytest plugin that lets redis-py's own tests, unmodified, reach their server through a Sentinel.

Reads `Setup` as JSON from the environment. Each client that redis-py's fixtures build gets the pool of
`Sentinel(...).master_for(...)`, with the fixture's arguments; the names of redis-py's Sentinel classes are bound to
those in `Setup`; excluded tests must fail. Writes a `Report` as JSON.

It is loaded with ``-p`` in a separate pytest, never in ours.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import os
import socket
import sys
import tracemalloc
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

VARIABLE = "SWITCHMASTER_UPSTREAM"
MASTER = "redis-py-test"
"""The name that redis-py's tests expect."""
CLASSES = ("Sentinel", "SentinelConnectionPool", "SentinelManagedConnection", "SentinelManagedSSLConnection")
OF_THE_URL = ("host", "port", "connection_class")
"""Arguments that a URL gives a pool, and that a Sentinel gives instead."""
EXCLUDED = "excluded: "


@dataclass(frozen=True)
class Setup:
    """The plugin's task."""

    packages: tuple[str, str]
    """Modules of `Sentinel`, for threads and for loops."""
    sentinels: list[tuple[str, int]]
    ports: dict[int, int]
    """Ports that redis-py's tests name, and their targets."""
    options: dict[str, Any]
    """Further arguments of the Sentinel."""
    hiredis: bool
    """Whether redis-py may find hiredis."""
    excluded: dict[str, tuple[str, bool]]
    """By test id without parameters: why it must fail, and whether it can be run."""
    report: str
    """The file to write."""

    def to_environment(self) -> dict[str, str]:
        """Return the environment variable that carries this."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Setup:
        """Read it."""
        given = json.loads(os.environ[VARIABLE])
        ports = {int(port): real for port, real in given["ports"].items()}
        return cls(**{**given, "ports": ports, "sentinels": [tuple(each) for each in given["sentinels"]]})


@dataclass
class Report:
    """The outcome of a run."""

    passed: int = 0
    skipped: int = 0
    excluded: int = 0
    failed: list[str] = field(default_factory=list)
    """Failures, including excluded tests that passed."""
    unused: list[str] = field(default_factory=list)
    """Exclusions that match no test in the files that were run."""
    made: dict[str, int] = field(default_factory=dict)
    """How many pools of each class were made by `master_for`, for redis-py's fixtures."""
    hiredis: bool = False
    """Whether redis-py parses with hiredis."""


class Plugin:
    """The hooks of one run."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        # What our clients import with their first Sentinel: it needs hiredis, which is to be hidden from redis-py.
        importlib.import_module("switchmaster.sync")
        _import_redis(setup.hiredis)
        self.packages = {
            theirs: importlib.import_module(chosen)
            for theirs, chosen in zip(("redis", "redis.asyncio"), setup.packages, strict=True)
        }
        self.report = Report(hiredis=sys.modules["redis.utils"].HIREDIS_AVAILABLE)
        self._kept: list[Any] = []
        for theirs, chosen in self.packages.items():
            _rename(theirs, chosen)
        _lead(setup.ports)
        # redis-py's conftest traces every allocation, which no test here uses.
        tracemalloc.start = lambda *_: None  # type: ignore[assignment]
        tracemalloc.stop = lambda: None

    def pool(self, package: Any, **arguments: Any) -> Any:
        """Make a client as a program does, and return its pool."""
        sentinel = package.Sentinel(self.setup.sentinels, **self.setup.options)
        kwargs = {name: value for name, value in arguments.items() if name not in OF_THE_URL}
        client = sentinel.master_for(MASTER, **kwargs)
        pool = client.connection_pool
        kind = f"{type(pool).__module__}.{type(pool).__qualname__}"
        self.report.made[kind] = self.report.made.get(kind, 0) + 1
        # The fixture makes a client of its own on this pool, which would be closed with the one that made it.
        self._kept.append(client)
        return pool

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Let the fixtures build their clients on our pools, and expect excluded tests to fail."""
        for conftest in filter(None, map(sys.modules.get, ("tests.conftest", "tests.test_asyncio.conftest"))):
            instead = {"ConnectionPool": functools.partial(self.pool, self.packages[conftest.redis.__name__])}
            conftest.redis = SimpleNamespace(**vars(conftest.redis) | instead)
        for module in {item.module for item in items if isinstance(item, pytest.Function)}:
            if (stub := getattr(module, "SentinelTestClient", None)) is not None:
                stub.connection_pool = property(_pool_of_stub)
        unused = set(self.setup.excluded)
        for item in items:
            name = item.nodeid.partition("[")[0]
            if name in self.setup.excluded:
                unused.discard(name)
                reason, run = self.setup.excluded[name]
                item.add_marker(pytest.mark.xfail(reason=EXCLUDED + reason, strict=True, run=run))
        files = {item.nodeid.split("::")[0] for item in items}
        self.report.unused = sorted(name for name in unused if name.split("::")[0] in files)
        if not self.setup.hiredis:  # for tests that look it up themselves
            sys.modules["hiredis"] = None  # type: ignore[assignment]

    def pytest_runtest_logfinish(self) -> None:
        """Release the clients of a test; their Watcher ends with them."""
        self._kept.clear()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the outcomes."""
        if report.failed:
            self.report.failed.append(f"{report.nodeid} ({report.when})")
        elif report.skipped:
            # To pytest an expected failure is skipped too; redis-py has some of its own.
            excluded = EXCLUDED in getattr(report, "wasxfail", "")
            self.report.excluded += excluded
            self.report.skipped += not excluded
        elif report.when == "call":
            self.report.passed += 1

    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        Path(self.setup.report).write_text(json.dumps(asdict(self.report)), encoding="utf-8")


def _import_redis(hiredis: bool) -> None:
    # redis-py looks for hiredis when it is imported, and works without it. Ours always needs it.
    if not hiredis:
        sys.modules["hiredis"] = None  # type: ignore[assignment]
    for name in ("redis", "redis.asyncio", "redis.sentinel", "redis.asyncio.sentinel"):
        importlib.import_module(name)
    if not hiredis:
        del sys.modules["hiredis"]


def _rename(theirs: str, chosen: Any) -> None:
    # Before any test imports these names; ours have been derived from theirs by now.
    for name in CLASSES:
        for module in (sys.modules[theirs], sys.modules[f"{theirs}.sentinel"]):
            setattr(module, name, getattr(chosen, name))


def _lead(ports: dict[int, int]) -> None:
    # The addresses that clients report stay as the tests expect; only the sockets go elsewhere.
    getaddrinfo, open_connection = socket.getaddrinfo, asyncio.open_connection

    def ask(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        return getaddrinfo(host, ports.get(port, port), *args, **kwargs)

    async def connect(host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        return await open_connection(host, ports.get(port, port), **kwargs)

    socket.getaddrinfo, asyncio.open_connection = ask, connect


def _pool_of_stub(stub: Any) -> Any:
    # redis-py's fake client of a Sentinel has no pool; it tells us where that Sentinel is.
    host, port = stub.id
    return SimpleNamespace(connection_kwargs={"host": host, "port": port}, connection_class=object)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start before redis-py's conftest imports redis."""
    early_config.pluginmanager.register(Plugin(Setup.from_environment()), "through_sentinel_hooks")
