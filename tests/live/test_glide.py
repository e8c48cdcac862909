"""Valkey GLIDE follows the master, with threads and with asyncio; a crash: tests/soak/glide_failovers.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.errors import UsageError
from switchmaster.lab import Lab
from switchmaster.sync import Watcher as WatcherInThread

pytest.importorskip("glide")
pytest.importorskip("glide_sync")

import glide_sync

import switchmaster.glide
import switchmaster.glide.sync
from rig.glide_work import SLOW, GlideWork

pytestmark = pytest.mark.live

LIMIT = 60.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), replicas=2, down_after_ms=700) as lab:
        yield lab


def test_planned_failover_fails_and_loses_no_command_of_glide(lab: Lab) -> None:
    with GlideWork(lab) as work:
        work.go_on()
        old = lab.master()
        lab.failover()
        eventually(lambda: lab.master() is not old, LIMIT, what="another master")
        work.go_on(lab.master().address)
    assert work.failed() == []
    assert work.lost() == []
    make_ready(lab, old)


def test_both_clients_refuse_what_is_wrong(lab: Lab) -> None:
    with WatcherInThread(lab.sentinel_addresses) as watcher:
        for kind in (switchmaster.glide.MasterClient, switchmaster.glide.sync.MasterClient):
            make: Callable[..., Any] = kind
            with pytest.raises(UsageError, match="the Watcher knows"):
                make(watcher, "mymaster", addresses=[])
            with pytest.raises(UsageError, match="hold"):
                make(watcher, "mymaster", hold=-1)
            client = make(watcher, "mymaster")
            with pytest.raises(AttributeError):
                client.no_such_command  # noqa: B018
        with (
            pytest.raises(glide_sync.ConnectionError, match="nobody"),
            switchmaster.glide.sync.MasterClient(watcher, "nobody"),
        ):
            raise AssertionError
        with switchmaster.glide.sync.MasterClient(watcher, "mymaster", **SLOW) as working:
            assert working.set("k", "v") == "OK"
            assert working.get("k") == b"v"
        with pytest.raises(glide_sync.ClosingError):
            working.get("k")
