"""
The daemon over real servers: its journal has each failover of the Sentinels' own logs once.

The truth comes from the lab: each Sentinel's log, read here by a few patterns, and the nodes' ROLE.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import LabFactory
from rig.postgres import Postgres
from rig.server_side import said_by
from switchmaster.journal import FailoverFilter, Reader, open_reader
from switchmaster.lab import Lab
from switchmaster.render import Line

pytestmark = pytest.mark.live

MASTERS = ("m1", "m2", "m3")
SERVER = "redis-7.0"
"""Valkey 9.1's Sentinels keep old opinions, and now and then fail a master over once more a second later."""
LIMIT = 60.0
KILLS = int(os.environ.get("SWITCHMASTER_TEST_KILLS", "4"))
"""How often the daemon is killed at a random moment; the full proof is 50."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    folder = tmp_path / "pg"
    folder.mkdir()
    cluster = Postgres(folder)
    cluster.make()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def words(lab: Lab) -> list[str]:
    return [f"{host}:{port}" for host, port in lab.sentinel_addresses]


def reader_of(stack: ExitStack, url: str) -> Reader:
    reader = open_reader(url)
    stack.callback(reader.close)
    return reader


def failovers(reader: Reader, **wanted: object) -> list[Line]:
    """Return all failovers, oldest first."""
    return reader.failovers(FailoverFilter(**wanted), limit=1000).items[::-1]  # type: ignore[arg-type]


def seconds(text: str | None) -> float:
    assert text is not None
    return datetime.fromisoformat(text).timestamp()


def shown(address: Line | None) -> tuple[str, int] | None:
    return None if address is None else (address["host"], address["port"])


def the_only(reader: Reader, master: str) -> Line | None:
    """Return the failover that took place; a slower Sentinel that tried too has its own aborted one."""
    found = [line for line in failovers(reader, master=master, outcome="completed") if line["closed"]]
    assert len(found) <= 1, found
    return found[0] if found else None


def abort(lab: Lab, master: str) -> None:
    """Crash a master that no replica can replace: its failover is aborted."""
    replicas = lab.replicas(master)
    for replica in replicas:
        lab.crash(replica)
    eventually(lambda: all(down_at(lab, index, master) for index in range(len(lab.sentinels))), LIMIT)
    lab.crash(lab.master(master))


def down_at(lab: Lab, sentinel: int, master: str) -> bool:
    rows = lab.sentinel_command(sentinel, "SENTINEL", "REPLICAS", master)
    return all("s_down" in dict(zip(row[::2], row[1::2], strict=True))["flags"] for row in rows)


def check_against_logs(lab: Lab, line: Line, old: tuple[str, int]) -> None:
    master = line["master"]
    assert shown(line["old"]) == old
    assert shown(line["new"]) == lab.master(master).address
    assert {line["leader"]} == set(said_by(lab, "+elected-leader", master))
    assert line["epoch"] == int(dict_of(lab.sentinel_command(0, "SENTINEL", "MASTER", master))["config-epoch"])
    announced = said_by(lab, "+switch-master", master)
    assert {one["sentinel"] for one in line["announcements"]} == set(announced)
    for one in line["announcements"]:
        assert abs(seconds(one["time"]) - announced[one["sentinel"]]) < 0.25
    spread = max(announced.values()) - min(announced.values())
    assert abs(line["durations"]["spread"] - spread) < 0.25
    [promoted] = said_by(lab, "+promoted-slave", master).values()
    assert abs(seconds(line["promotion"]["sentinel"]) - promoted) < 0.25
    assert seconds(line["promotion"]["node"]) < promoted
    assert all(replica["follows"] for replica in line["replicas"])
    assert len(line["replicas"]) == 1


def dict_of(fields: list[str]) -> dict[str, str]:
    return dict(zip(fields[::2], fields[1::2], strict=True))


def test_failovers_in_the_journal_match_the_sentinels_logs(
    lab_factory: LabFactory, tmp_path: Path, stack: ExitStack
) -> None:
    # 3 s: on a busy machine a shorter one gives false alarms, and a second real failover.
    lab = lab_factory(binary=SERVER, masters=MASTERS, sentinels=5, down_after_ms=3000, failover_timeout_ms=4000)
    url = f"sqlite:///{tmp_path}/journal.db"
    daemon = stack.enter_context(Daemon(tmp_path / "d", *words(lab), "--journal", url))
    reader = reader_of(stack, url)
    eventually(lambda: len(reader.masters()) == 3, LIMIT)
    old = {master: lab.master(master) for master in MASTERS}
    lab.crash(old["m1"])
    lab.failover("m2", sentinel=3)
    crashed = eventually(lambda: the_only(reader, "m1"), LIMIT)
    planned = eventually(lambda: the_only(reader, "m2"), LIMIT)
    eventually(lambda: len(said_by(lab, "+switch-master", "m1")) == 5, LIMIT)
    crashed, planned = (eventually(lambda m=m: told_by_five(reader, m), LIMIT) for m in ("m1", "m2"))
    assert (crashed["kind"], crashed["outcome"]) == ("automatic", "completed")
    assert (planned["kind"], planned["outcome"]) == ("manual", "completed")
    assert crashed["agreement"]["quorum"] == 3
    assert crashed["agreement"]["agreeing"] >= 3
    assert planned["agreement"] is None
    check_against_logs(lab, crashed, old["m1"].address)
    check_against_logs(lab, planned, old["m2"].address)

    abort(lab, "m3")
    aborted = eventually(lambda: next(iter(failovers(reader, master="m3", outcome="aborted")), None), LIMIT)
    assert aborted["reason"] == "no replica is fit to be promoted"
    assert aborted["leader"] in said_by(lab, "-failover-abort-no-good-slave", "m3")
    assert (aborted["new"], aborted["kind"]) == (None, "automatic")

    lab.restart(old["m1"])
    returned = eventually(lambda: (the_only(reader, "m1") or {}).get("returned"), LIMIT)
    assert returned["by"] == "-sdown"
    assert crashed["id"] in {line.get("failover") for line in daemon.lines(master="m1")}
    assert daemon.stop() == -signal.SIGTERM


def told_by_five(reader: Reader, master: str) -> Line | None:
    line = the_only(reader, master)
    return line if line is not None and len(line["announcements"]) == 5 else None


def stages_of(line: Line) -> set[str]:
    return {stage["stage"] for stage in line["stages"]}


def test_two_daemons_share_a_postgresql_and_one_is_killed_in_the_middle(
    lab_factory: LabFactory, postgres: Postgres, tmp_path: Path, stack: ExitStack
) -> None:
    lab = lab_factory(binary=SERVER, masters=MASTERS, sentinels=5, down_after_ms=1000)
    daemons = [
        stack.enter_context(
            Daemon(tmp_path / name, *words(lab), "--journal", postgres.url, SWITCHMASTER_JOURNAL_OBSERVER=name)
        )
        for name in ("one", "two")
    ]
    reader = reader_of(stack, postgres.url)
    eventually(lambda: len(reader.masters()) == 3, LIMIT)
    lab.crash(lab.master("m1"))
    eventually(lambda: seen_by_two(reader, "m1"), LIMIT)
    lab.failover("m2")
    daemons[0].wait_for("m2: selected")
    daemons[0].kill()
    lab.crash(lab.master("m3"))
    for master in MASTERS:
        # If a Sentinel fails over once more by a false alarm, its log has that too.
        eventually(lambda m=master: pairs(completed(reader), m) == pairs_in_logs(lab, m) != set(), LIMIT)
    # The leader ends it after the first announcements, by which it is complete.
    eventually(lambda: any("settled" in stages_of(line) for line in completed(reader) if line["master"] == "m2"), LIMIT)
    assert daemons[1].stop() == -signal.SIGTERM
    found = completed(reader)
    assert len({(line["master"], line["epoch"]) for line in found}) == len(found)
    assert sorted((one["master"], one["epoch"]) for one in switches(reader)) == sorted(
        (line["master"], line["epoch"]) for line in found
    )
    assert not [line for line in found if line["missed"]]
    [middle] = [line for line in found if line["master"] == "m2"]
    assert {"selected", "promoted", "switched", "settled"} <= stages_of(middle)


def pairs(lines: list[Line], master: str) -> set[tuple[object, object]]:
    return {(shown(line["old"]), shown(line["new"])) for line in lines if line["master"] == master}


def pairs_in_logs(lab: Lab, master: str) -> set[tuple[object, object]]:
    """Return all switches of a master in any Sentinel's own log."""
    said = "\n".join(lab.log(sentinel) for sentinel in lab.sentinels)
    found = re.findall(rf"\+switch-master {master} (\S+) (\d+) (\S+) (\d+)", said)
    return {((old, int(old_port)), (new, int(new_port))) for old, old_port, new, new_port in found}


def completed(reader: Reader) -> list[Line]:
    return failovers(reader, outcome="completed")


def seen_by_two(reader: Reader, master: str) -> bool:
    lines = failovers(reader, master=master, outcome="completed")
    return any(line["closed"] and len(line["observers"]) == 2 for line in lines)


def switches(reader: Reader) -> list[Line]:
    return reader.switches(limit=1000).items


def test_postgresql_that_restarts_loses_nothing(
    lab_factory: LabFactory, postgres: Postgres, tmp_path: Path, stack: ExitStack
) -> None:
    lab = lab_factory(binary=SERVER, masters=("m1",), down_after_ms=1500)
    daemon = stack.enter_context(Daemon(tmp_path / "d", *words(lab), "--journal", postgres.url))
    reader = reader_of(stack, postgres.url)
    eventually(lambda: len(reader.masters()) == 1, LIMIT)
    postgres.stop()
    lab.crash(lab.master("m1"))
    daemon.wait_for("m1: settled", journal="waiting")
    daemon.wait_for("entries wait in memory")
    postgres.start()
    line = eventually(lambda: the_only(reader, "m1"), LIMIT)
    assert (line["outcome"], line["missed"]) == ("completed", False)
    assert line["stages"][0]["stage"] == "suspected"
    assert [one["epoch"] for one in switches(reader)] == [line["epoch"]]
    daemon.wait_for("is back")


def test_failover_while_no_daemon_ran_is_recorded_as_missed(
    lab_factory: LabFactory, tmp_path: Path, stack: ExitStack
) -> None:
    lab = lab_factory(binary=SERVER, masters=("m1",), down_after_ms=1500)
    url = f"sqlite:///{tmp_path}/journal.db"
    daemon = stack.enter_context(Daemon(tmp_path / "d", *words(lab), "--journal", url))
    reader = reader_of(stack, url)
    eventually(lambda: len(reader.masters()) == 1, LIMIT)
    old = lab.master("m1").address
    daemon.kill()
    away = time.time()
    lab.failover("m1")
    eventually(lambda: len(said_by(lab, "+switch-master", "m1")) == 3, LIMIT)
    daemon.start()
    line = eventually(lambda: the_only(reader, "m1"), LIMIT)
    assert (line["missed"], line["outcome"], line["epoch"]) == (True, "completed", 1)
    assert (shown(line["old"]), shown(line["new"])) == (old, lab.master("m1").address)
    assert seconds(line["away"]["after"]) <= away <= seconds(line["away"]["before"])
    assert line["away"]["epochs"] == [0, 1]
    assert (line["stages"], line["kind"], line["leader"]) == ([], None, None)
    assert [one["via"] for one in switches(reader)] == ["missed"]
    assert daemon.stop() == -signal.SIGTERM


def epoch_of(lab: Lab, master: str) -> tuple[int, tuple[str, int]]:
    """Return a master's epoch and address as the first Sentinel has them, once it no longer leads a failover."""
    fields = dict_of(lab.sentinel_command(0, "SENTINEL", "MASTER", master))
    if "failover_in_progress" in fields["flags"]:  # a leader shows the new epoch beside the old address
        raise LookupError(f"{master} is failing over")
    return int(fields["config-epoch"]), (fields["ip"], int(fields["port"]))


def has_moved(lab: Lab, master: str, epoch: int, ordered: bool) -> bool:
    """Whether a failover has ended; one that was ordered and given up is ordered once more."""
    if epoch_of(lab, master)[0] > epoch:
        return True
    if ordered:
        lab.failover(master)
    return False


@pytest.mark.slow  # each kill needs a failover of its own
@pytest.mark.timeout(60 + 20 * KILLS)
def test_daemon_killed_at_random_moments_has_every_failover_once(
    lab_factory: LabFactory, tmp_path: Path, stack: ExitStack
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    # No Sentinel fails over a crashed master within two timeouts of the previous attempt.
    options = {"down_after_ms": 2000, "failover_timeout_ms": 3000}
    lab = lab_factory(binary=SERVER, masters=MASTERS, replicas=3, sentinels=3, **options)
    url = f"sqlite:///{tmp_path}/journal.db"
    daemon = stack.enter_context(Daemon(tmp_path / "d", *words(lab), "--journal", url))
    reader = reader_of(stack, url)
    eventually(lambda: len(reader.masters()) == 3, LIMIT)
    truth: set[tuple[str, int, tuple[str, int]]] = set()
    for number in range(KILLS):
        before = {master: epoch_of(lab, master)[0] for master in MASTERS}
        # In every other round one of them crashes.
        crashed = lab.master(chance.choice(MASTERS)) if number % 2 else None
        for master in MASTERS:
            if crashed is not None and master == crashed.master:
                lab.crash(crashed)
            else:
                eventually(lambda m=master: lab.failover(m) == "OK", LIMIT, interval=0.3)
            time.sleep(chance.uniform(0, 0.3))  # the moments are to be random
        time.sleep(chance.uniform(0, 5.0 if crashed else 2.5))
        daemon.kill()
        daemon.start(wait=False)
        ordered = [master for master in MASTERS if crashed is None or master != crashed.master]
        eventually(
            lambda b=before, o=ordered: all(has_moved(lab, m, b[m], m in o) for m in MASTERS), LIMIT, interval=0.3
        )
        if crashed is not None:
            lab.restart(crashed)
        truth = truth | {(master, *epoch_of(lab, master)) for master in MASTERS}
        # Of two failovers of one master while no daemon runs only the last can be known.
        eventually(lambda t=truth: kept(reader) >= t, LIMIT, what=f"the journal to hold {truth}")
    # A daemon that hears only the end of a failover keeps a separate record until it learns which one it was.
    eventually(lambda: told(reader) == sorted(truth), LIMIT, what=f"the journal to hold {truth} alone")
    assert len(truth) == KILLS * len(MASTERS)
    wanted = Counter(one[:2] for one in truth)
    # A daemon that was started in the middle reports a switch without its epoch until a Sentinel answers with it.
    eventually(lambda: Counter((one["master"], one["epoch"]) for one in settled(switches(reader))) == wanted, LIMIT)
    # A record that was begun before a kill joins its failover: no separate row is left open.
    eventually(lambda: not failovers(reader, outcome="in-progress"), LIMIT)


def settled(lines: list[Line]) -> list[Line]:
    """Leave out promotions that were given up, and the ways back: Sentinel may demote a node that was just promoted."""
    last: dict[str, int] = {}
    kept: dict[str, list[Line]] = {}
    for line in reversed(lines):  # they come newest first
        of = kept.setdefault(line["master"], [])
        if line["incarnation"] > last.get(line["master"], 0):
            of.pop()
        else:
            of.append(line)
        last[line["master"]] = line["incarnation"]
    return [line for of in kept.values() for line in of]


def told(reader: Reader) -> list[tuple[str, int, tuple[str, int] | None]]:
    """Return all completed failovers, in order; none while the epoch or the new master of one is not known."""
    lines = failovers(reader, outcome="completed")
    whole = all(line["epoch"] is not None and line["new"] is not None for line in lines)
    return sorted((line["master"], line["epoch"], shown(line["new"])) for line in lines) if whole else []


def kept(reader: Reader) -> set[tuple[str, int, tuple[str, int] | None]]:
    return {(line["master"], line["epoch"], shown(line["new"])) for line in failovers(reader, outcome="completed")}
