"""A guard on real servers: the failover at once after a death, once; and the wipe that it prevents."""

from __future__ import annotations

import time

import pytest

from rig.conditions import eventually
from rig.guarding import Guarding, guarding
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab, LabServer
from switchmaster.lab.lab_client import CommandRefused, ServerSilent

pytestmark = [pytest.mark.live, pytest.mark.slow]

DOWN_AFTER_MS = 30_000
BOUND = 5.0
"""Seconds in which the new master must be writable; Sentinel alone takes 30. `bench/` has the figures."""
KEYS = 2_000
SERVERS = ["valkey-9.1", "redis-7.0", "redis-6.2"]


def a_lab(server: str, **options: object) -> Lab:
    return Lab(
        binary=str(find_or_skip(server).path), down_after_ms=DOWN_AFTER_MS, failover_timeout_ms=60_000, **options
    )


def fill(master: LabServer) -> None:
    with master.client() as client:
        for number in range(KEYS):
            client.call("SET", f"key:{number}", "x")


def keys(node: LabServer) -> int:
    with node.client() as client:
        return int(client.call("DBSIZE"))


def writable(lab: Lab, old: LabServer) -> LabServer:
    """Return a node other than the old master that takes writes."""

    def found() -> LabServer | None:
        for node in lab.nodes("mymaster"):
            if node is not old and node.alive:
                try:
                    node.call("SET", "after", "1")
                except (CommandRefused, ServerSilent):  # a promotion ends its connections
                    continue
                return node
        return None

    return eventually(found, BOUND, interval=0.005, what="another node that takes writes")  # type: ignore[return-value]


def back_again(lab: Lab, old: LabServer) -> None:
    lab.restart(old)
    demoted(lab, old)


def demoted(lab: Lab, old: LabServer) -> None:
    """Demote a dead master that is back by hand, as Sentinel does some 10 s later, and wait until it has all data."""
    eventually(lambda: lab.master() is not old, 10, what="all to know another master")
    old.call("REPLICAOF", *lab.master().address)
    eventually(lambda: keys(old) >= KEYS, 40, what="the old master to have all data again")


def kill(lab: Lab, guard: Guarding) -> tuple[LabServer, float]:
    """Kill the master; return it, and the seconds until another one takes writes."""
    old = lab.master()
    begun = time.monotonic()
    lab.crash(old)
    writable(lab, old)
    return old, time.monotonic() - begun


@pytest.mark.parametrize("server", SERVERS)
def test_master_that_dies_is_replaced_at_once_and_once(server: str) -> None:
    with a_lab(server) as lab, guarding(lab.sentinel_addresses, "dry", arming="dry-run") as dry:
        fill(lab.master())
        eventually(lambda: len(dry.status.get("reports", ())) == 3 and dry.status["would_ask"], 30, what="its eyes")
        with guarding(lab.sentinel_addresses) as guard:  # the dry run is no rival
            guard.wait_until_ready(3)
            old, outage = kill(lab, guard)
            print(f"{server}: another master takes writes {outage:.3f} s after the kill")
            eventually(lambda: guard.notices("guard-verified"), BOUND, what="the failover to be known")
            back_again(lab, old)
            kinds = ("guard-ordered", "guard-verified")
            assert [len(guard.notices(kind)) for kind in kinds] == [1, 1], guard.notices()
            assert len(guard.of("switch")) == 1
            all_there = [KEYS + 1] * 3
            eventually(
                lambda: [keys(node) for node in lab.nodes("mymaster")] == all_there, 40, what="all keys on all nodes"
            )


@pytest.mark.parametrize("pause", [0.1, 1.0])
def test_master_that_restarts_empty_wipes_nothing(pause: float) -> None:
    """
    A master without persistence that a supervisor restarts at once has its replicas' data, not they its nothing.

    It has the server's own delay before it sends its data: in a lab there is none, and 0.1 s is a race.
    """
    with (
        a_lab("redis-7.0", node_lines=("repl-diskless-sync-delay 5",)) as lab,
        guarding(lab.sentinel_addresses) as guard,
    ):
        fill(lab.master())
        guard.wait_until_ready(3)
        old = lab.master()
        lab.crash(old)
        time.sleep(pause)  # the supervisor's own
        lab.restart(old)
        new = writable(lab, old)
        demoted(lab, old)
        assert keys(new) >= KEYS
        assert len(guard.orders) == 1, guard.notices()


def test_guard_of_a_dry_run_says_what_it_would_do_and_does_nothing() -> None:
    with a_lab("redis-7.0") as lab, guarding(lab.sentinel_addresses, arming="dry-run") as guard:
        eventually(lambda: len(guard.status.get("reports", ())) == 3 and guard.status["would_ask"], 30, what="its eyes")
        lab.crash(lab.master())
        eventually(lambda: guard.notices("guard-would-order"), BOUND, what="its word")
        eventually(lambda: guard.count("walks") > 2, BOUND, what="it to look again")
        assert guard.of("switch") == []
        assert [line["kind"] for line in guard.notices("guard-ordered", "guard-would-order")] == ["guard-would-order"]


def test_guard_without_the_right_says_so_and_stays_a_witness() -> None:
    rights = "+@all -sentinel|failover"
    users = (f"user watcher on >secret allchannels {rights}",)
    with (
        a_lab("redis-7.0", sentinel_users=users) as lab,
        guarding(lab.sentinel_addresses, options={"username": "watcher", "password": "secret"}) as guard,
    ):
        eventually(lambda: guard.status.get("may_order") is False, 30, what="it to know its rights")
        assert any("SENTINEL FAILOVER" in reason for reason in guard.status["outlook"])
        eventually(lambda: len(guard.status["reports"]) == 3 and guard.status["would_ask"], 30, what="its eyes")
        lab.crash(lab.master())
        eventually(lambda: guard.notices("guard-in-vain", "guard-refused"), BOUND, what="its word")
        assert guard.of("switch") == []


def test_two_armed_guards_without_a_lease_do_not_act() -> None:
    with (
        a_lab("redis-7.0") as lab,
        guarding(lab.sentinel_addresses, "one") as one,
        guarding(lab.sentinel_addresses, "two") as two,
    ):
        for guard in (one, two):
            eventually(
                lambda guard=guard: any("another guard" in reason for reason in guard.status.get("outlook", ())),
                30,
                what="it to see the other",
            )
        lab.crash(lab.master())
        for guard in (one, two):
            eventually(lambda guard=guard: guard.notices("guard-refused"), BOUND, what="its refusal")
            assert guard.orders == []
