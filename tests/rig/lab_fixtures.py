"""
Fixtures that start real servers. A pytest plugin: ``pytest_plugins = ["rig.lab_fixtures"]`` in conftest.py.

A server that this machine lacks skips the test with the reason; with SWITCHMASTER_TEST_REQUIRE=all the test fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from switchmaster.errors import LabError
from switchmaster.lab import Lab, ServerBinary, find_binary

SERVERS = ("valkey-9.1", "redis-7.0", "redis-6.2")
LabFactory = Callable[..., Lab]


def find_or_skip(which: str | None) -> ServerBinary:
    """Find a server; if there is none, skip the test, or fail it if all are required."""
    try:
        return find_binary(which)
    except LabError as error:
        if os.environ.get("SWITCHMASTER_TEST_REQUIRE") == "all":
            pytest.fail(f"SWITCHMASTER_TEST_REQUIRE=all: {error}", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(params=SERVERS, ids=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """Return the path of each server version in turn, for `Lab(binary=...)`."""
    return str(find_or_skip(request.param).path)


@pytest.fixture
def lab_factory() -> Iterator[LabFactory]:
    """Yield a function that starts a Lab with these options; all are stopped at the end of the test."""
    with ExitStack() as stack:

        def start(**options: Any) -> Lab:
            find_or_skip(options.get("binary"))
            return stack.enter_context(Lab(**options))

        yield start
