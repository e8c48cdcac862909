"""
Failovers through the clients, as an application sees them: acknowledged writes are kept, and only commands in flight
    fail.

Threads and tasks write at the same time, through the same failover. One lab of each server goes through all kinds in
turn; for the partition there is another one, in networks of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from rig.application import LIMIT, MASTER, Application, Switches, application
from rig.conditions import eventually
from rig.lab_fixtures import SERVERS, find_or_skip
from rig.netns import lacking as lacking_networks
from rig.separated_lab import separated_lab
from rig.server_side import clients_of, commands_at, connections_to, lists_at, refusals_at
from rig.traffic import Traffic, Waiting, put
from switchmaster.lab import Lab, LabClient, LabServer
from switchmaster.lab.servers import wait_for

pytestmark = pytest.mark.live

HOLD = 2.0
"""Seconds that commands wait in a planned failover at most, if the user does not say otherwise."""
COORDINATED_HOLD = 5.0
"""The server hands over once a second, and its Sentinel checks once a second: together that may exceed `HOLD`."""
TOO_LATE = 0.03
"""Seconds after which a selection is heard too late for commands in flight to end: Sentinel continues 50 to 100 ms
after it, and they take 20 ms on a busy machine."""
RECOVERY = 5.0
"""Seconds from the switch to the first command of every client; it takes milliseconds on an idle machine."""
SLACK = 0.1
"""Seconds in which a thread notes an answer that had come before its connection was ended."""
BEFORE, AFTER = 0.1, 0.5
"""Seconds around the moment at which a master is stopped; its successor follows 0.5 s later at the earliest."""
FAILOVER_TIMEOUT_MS = 3000
COMPLAINTS = {"s_down", "o_down", "disconnected", "failover_in_progress"}

only_valkey = pytest.mark.parametrize("deployment", ["valkey-9.1"], indirect=True)


@pytest.fixture(scope="module", params=SERVERS, ids=SERVERS)
def deployment(request: pytest.FixtureRequest) -> Iterator[Lab]:
    binary = find_or_skip(request.param)
    options = {"down_after_ms": down_after(binary.kind), "failover_timeout_ms": FAILOVER_TIMEOUT_MS}
    with Lab(binary=str(binary.path), **options) as lab:
        yield lab


@pytest.fixture
def lab(deployment: Lab) -> Lab:
    """Yield the lab of one server after another, restored after the last test."""
    wait_for(lambda: failover_at(deployment), LIMIT)
    master = deployment.master()
    for server in deployment.servers:
        if not server.alive:
            deployment.restart(server)
    for server in deployment.masters():
        if server is not master:
            demote(deployment, server)
    deployment.sentinel_set(MASTER, "failover-timeout", FAILOVER_TIMEOUT_MS)
    wait_for(lambda: discord_in(deployment), LIMIT)
    return deployment


def down_after(kind: str) -> int:
    # Valkey 9.1 keeps old opinions, which may start a second failover if this is short.
    return 3000 if kind == "valkey" else 1000


def demote(lab: Lab, old: LabServer) -> None:
    """Make an old master that keeps running a replica: Sentinel does the same some 10 s later."""
    wait_for(lambda: failover_at(lab), LIMIT)
    new = lab.master()
    with old.client() as client:
        client.call("REPLICAOF", new.host, new.port)
        client.call("CONFIG", "REWRITE")


def failover_at(lab: Lab) -> str:
    """Return which Sentinel has not finished a failover; interfering before that may cause another one."""
    master = lab.master()
    for sentinel in lab.sentinels:
        fields = fields_of(sentinel.call("SENTINEL", "MASTER", MASTER))
        if fields["port"] != str(master.port) or "failover_in_progress" in fields["flags"]:
            return f"{sentinel.name} names {fields['port']}, {fields['flags']}; the master is {master.describe()}"
    return ""


def discord_in(lab: Lab) -> str:
    """
    Return what prevents another failover, in words.

    Sentinel's view of replication links is left out: it asks for that only every 10 s.
    """
    for report in lab.reports():
        if report.role == "slave" and not (report.linked and report.follows == lab.master().address):
            return f"{report.name} is not linked to the master"
    for sentinel in lab.sentinels:
        with sentinel.client() as client:
            rows = [client.call("SENTINEL", "MASTER", MASTER), *client.call("SENTINEL", "REPLICAS", MASTER)]
        complaints = {flag for row in rows for flag in fields_of(row)["flags"].split(",")} & COMPLAINTS
        if complaints or len(rows) != len(lab.nodes()):
            return f"{sentinel.name} knows {len(rows)} nodes, and complains of {complaints}"
    return ""


def fields_of(reply: list[str]) -> dict[str, str]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


def wait_in_vain(node: LabServer, waiting: int) -> None:
    with node.client() as server:
        eventually(lambda: len(clients_of(server, "blpop")) == waiting, what=f"{waiting} clients that wait in BLPOP")


def check_woken(waiting: Waiting, plain: Application) -> None:
    """Check that both clients that waited at the old master got an error at once: it would let them wait for ever."""
    for _, outcome in waiting.wait_for_both(RECOVERY):
        assert plain.is_loss(outcome), outcome


def check_left_alone(
    address: tuple[str, int], ask: Callable[[], AbstractContextManager[LabClient]], *several: Traffic
) -> int:
    """Check that nothing is sent to an old master that still takes everything; return what it has taken."""
    check_disconnected(address)
    with ask() as server:
        eventually(lambda: not clients_of(server), LIMIT, what="the old master to have no client left")
        before = commands_at(server)
        for traffic in several:
            traffic.wait_until_going_on()
        assert commands_at(server) == before
    return before


def check_disconnected(address: tuple[str, int]) -> None:
    # The Watcher itself asks nodes now and then, for a short time.
    eventually(lambda: connections_to(address) == 0, what=f"no connection to {address} to be left")


def check_stays_away(old: LabServer, *several: Traffic) -> None:
    """The same for an old master that has become a replica, which repeats its master's commands."""
    for traffic in several:
        traffic.wait_until_going_on()
    with old.client() as server:
        assert clients_of(server) == []
        assert refusals_at(server) == 0
    check_disconnected(old.address)


def check_kept(new: LabServer, traffic: Traffic, but: tuple[float, float] = (0.0, 0.0), story: str = "") -> None:
    """
    Check that each acknowledged write is kept, once, in order.

    Args:
        new: the master.
        traffic: what was written.
        but: what was acknowledged between these two moments may be missing: about when the old master was stopped,
            because a server answers the client and the replica one after the other; or until it was left.
        story: what was reported and when, for the message.
    """
    with new.client() as server:
        lists = lists_at(server, [writer.key for writer in traffic.writers])
    missing = traffic.missing(lists, but)
    assert missing == [], f"acknowledged and not kept: {missing}\n{story}"
    assert [key for key, numbers in lists.items() if numbers != sorted(set(numbers))] == []


def check_planned(lab: Lab, library: str) -> None:
    """Check that a planned failover costs nothing."""
    until_heard_in_time(lab, f"planned-{library}", lambda name: costs_nothing(lab, library, name))


def until_heard_in_time(lab: Lab, name: str, fail_over: Callable[[str], bool]) -> None:
    """Fail over; up to three times, if this process learned of it too late to hold anything."""
    for attempt in range(3):
        if fail_over(f"{name}-{attempt}"):
            return
        lab.wait_until_settled()
    raise AssertionError("in three failovers the selection was never reported in time")


def costs_nothing(lab: Lab, library: str, name: str) -> bool:
    """Check what a planned failover cost; return whether it was known in time."""
    old = lab.master()
    with application(lab, library) as plain, application(lab, library, retries=3) as patient:
        switches = Switches(plain)
        traffic, cut, moved = Traffic(name, plain), Waiting(f"{name}-cut", plain), Waiting(f"{name}-moved", patient)
        with traffic, cut, moved:
            wait_in_vain(old, 4)
            begin = time.monotonic()
            lab.failover()
            switched = switches.wait_for_one()
            traffic.wait_until_going_on(switched, RECOVERY)
            end = time.monotonic()
            check_woken(cut, plain)
            new = lab.master()
            assert lab.masters() != [new]
            for key in moved.keys:
                new.call("RPUSH", key, "moved")
            moved.wait_for_both(RECOVERY)
            check_left_alone(old.address, old.client, traffic)
            demote(lab, old)
            check_stays_away(old, traffic)
        assert [outcome for _, outcome in moved.outcomes.values()] == [
            (key.encode(), b"moved") for key in moved.outcomes
        ]
        assert plain.sentinel.counters["switches"] == len(switches.heard) == 1
        # Where the selection was heard too late, nothing was held back: the old master acknowledged writes meanwhile.
        unheld = (0.0, 0.0) if switches.warned else (begin, switched + SLACK)
        check_kept(new, traffic, unheld, switches.story())
        if not switches.warned:
            check_in_flight_only(traffic, plain, switches)
            return False
        assert traffic.errors == [], f"{traffic.mishaps()}\n{switches.story()}"
        assert traffic.longest_gap(begin, end) < HOLD
        assert plain.counted("waits_ran_out") == 0 < plain.counted("commands_held")
        return True


def few_puts(name: str, patient: Application) -> Traffic:
    """Write commands that may be sent again, in addition to the others."""
    return Traffic(name, patient, put, threads=2, tasks=20)


def check_in_flight_only(traffic: Traffic, plain: Application, switches: Switches) -> None:
    """Check that each writer lost at most the one command that it had sent; commands not yet sent waited."""
    # One for each switch: Valkey 9.1 may let another failover follow by itself.
    assert len(traffic.unluckiest.errors) <= max(1, len(switches.heard)), (traffic.unluckiest.errors, switches.heard)
    assert all(plain.is_loss(error) for error in traffic.errors), traffic.errors


def test_planned_failover_costs_no_write_and_no_error(lab: Lab) -> None:
    check_planned(lab, "redis")


@only_valkey
def test_planned_failover_costs_nothing_with_valkey_py_either(lab: Lab) -> None:
    check_planned(lab, "valkey")


@only_valkey
@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_coordinated_failover_costs_no_write_and_no_error(lab: Lab, library: str) -> None:
    until_heard_in_time(lab, f"coordinated-{library}", lambda name: coordinated_costs_nothing(lab, library, name))


def coordinated_costs_nothing(lab: Lab, library: str, name: str) -> bool:
    """Check what a coordinated failover cost; return whether it was known in time."""
    old = lab.master()
    with application(lab, library, hold=COORDINATED_HOLD) as plain:
        switches = Switches(plain)
        with Traffic(name, plain) as traffic:
            begin = time.monotonic()
            lab.failover(coordinated=True)
            switched = switches.wait_for_one()
            traffic.wait_until_going_on(switched, RECOVERY)
            end = time.monotonic()
            eventually(lambda: old not in lab.masters(), LIMIT, what="the old master to step back")
            check_stays_away(old, traffic)
        check_kept(lab.master(), traffic)
        # The old master stops taking writes a tick after the selection, and ends the connections that it kept waiting.
        if traffic.errors and (late := switches.late(lab)) > TOO_LATE:
            print(f"the selection was reported {late:.3f} s late, and {len(traffic.errors)} commands failed")
            check_in_flight_only(traffic, plain, switches)
            return False
        assert traffic.errors == [], f"{traffic.mishaps()}\n{switches.story()}"
        assert traffic.longest_gap(begin, end) < COORDINATED_HOLD
        return True


def test_hung_master_costs_only_sent_commands_and_gets_none_when_it_resumes(lab: Lab) -> None:
    old = lab.master()
    with application(lab, "redis") as plain, application(lab, "redis", retries=3) as patient:
        switches = Switches(plain)
        with (
            Traffic("hang", plain) as traffic,
            few_puts("hang-put", patient) as puts,
            Waiting("hang-cut", plain) as cut,
        ):
            wait_in_vain(old, 2)
            begin = time.monotonic()
            lab.hang(old)
            stopped = (begin - BEFORE, time.monotonic() + AFTER)
            switched = switches.wait_for_one()
            for each in (traffic, puts):
                each.wait_until_going_on(switched, RECOVERY)
            check_woken(cut, plain)
            check_disconnected(old.address)
            new = lab.master()
            lab.resume(old)
            eventually(lambda: len(lab.masters()) == 2, what="the old master, which still thinks it is one")
            check_left_alone(old.address, old.client, traffic, puts)
            demote(lab, old)
            check_stays_away(old, traffic, puts)
        check_in_flight_only(traffic, plain, switches)
        assert puts.errors == []
        check_kept(new, traffic, stopped)


def test_crash_costs_only_commands_in_flight_and_none_with_a_retry(lab: Lab) -> None:
    assert lab.binary is not None
    libraries = ("redis", "valkey") if lab.binary.kind == "valkey" else ("redis",)
    old = lab.master()
    with ExitStack() as stack:
        plain = {each: stack.enter_context(application(lab, each)) for each in libraries}
        patient = {each: stack.enter_context(application(lab, each, retries=3)) for each in libraries}
        switches = Switches(plain["redis"])
        with ExitStack() as writing:
            traffic = {each: writing.enter_context(Traffic(f"crash-{each}", plain[each])) for each in libraries}
            puts = [writing.enter_context(few_puts(f"crash-put-{each}", patient[each])) for each in libraries]
            begin = time.monotonic()
            lab.crash(old)
            stopped = (begin - BEFORE, time.monotonic() + AFTER)
            switched = switches.wait_for_one()
            for each in (*traffic.values(), *puts):
                each.wait_until_going_on(switched, RECOVERY)
            check_disconnected(old.address)
        for library in libraries:
            check_in_flight_only(traffic[library], plain[library], switches)
            check_kept(lab.master(), traffic[library], stopped)
        assert [error for each in puts for error in each.errors] == []


def test_commands_continue_with_the_old_master_after_an_abort(lab: Lab) -> None:
    old, replicas = lab.master(), lab.replicas()
    lab.sentinel_set(MASTER, "failover-timeout", 1000)
    # The hold is so long that only the abort can end it.
    with application(lab, "redis", hold=LIMIT) as plain:
        switches = Switches(plain)
        with Traffic("aborted", plain) as traffic:
            # Their loss is not noticed yet, so whichever is chosen will not answer.
            for replica in replicas:
                lab.hang(replica)
            try:
                lab.failover()
                switches.wait_for_event("+selected-slave")
                switches.wait_for_event("-failover-abort-slave-timeout")
                traffic.wait_until_going_on(limit=RECOVERY)
            finally:
                # The promotion that was sent to it must not be executed when it resumes.
                for replica in replicas:
                    lab.crash(replica)
        assert traffic.errors == []
        assert plain.counted("waits_ran_out") == 0 < plain.counted("commands_held")
        assert plain.sentinel.discover_master(MASTER) == old.address
        assert switches.heard == []
        check_kept(old, traffic)


def test_isolated_master_is_left_for_the_newly_elected_one(server: str) -> None:
    if reason := lacking_networks():
        pytest.skip(reason)
    binary = find_or_skip(server)
    options = {"down_after_ms": down_after(binary.kind), "failover_timeout_ms": FAILOVER_TIMEOUT_MS}
    with (
        separated_lab(binary, **options) as servers,
        application(servers, "redis") as plain,
        application(servers, "redis", retries=3) as patient,
    ):
        old, switches = servers.alone, Switches(plain)
        with (
            Traffic("apart", plain) as traffic,
            few_puts("apart-put", patient) as puts,
            Waiting("apart-cut", plain) as cut,
        ):
            wait_in_vain(old, 2)
            servers.cable.cut()
            switched = switches.wait_for_one()
            for each in (traffic, puts):
                each.wait_until_going_on(switched, RECOVERY)
            check_woken(cut, plain)
            check_disconnected(old.address)
            with servers.client_behind() as witness:
                before = commands_at(witness)
            servers.cable.mend()
            eventually(lambda: len(servers.masters()) == 2, LIMIT, what="the old master, which still thinks it is one")
            # The kernel still delivers bytes that were on their way when the cable was cut, and the ends of
            # connections.
            after = check_left_alone(old.address, servers.client_behind, traffic, puts)
            assert after - before <= len(traffic.errors) + len(puts.writers)
        check_in_flight_only(traffic, plain, switches)
        assert puts.errors == []
