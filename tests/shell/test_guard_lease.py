"""The lease of the guards in a PostgreSQL of our own: one holder at a time, another within a second of its death."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

import switchmaster
from rig.child import Child
from rig.conditions import eventually
from rig.postgres import Postgres, running_postgres
from switchmaster.journal import engine
from switchmaster.journal.guard_lease import CHECK_SECONDS, VALID_SECONDS, GuardLease, open_lease

pytestmark = pytest.mark.live

LIMIT = 30.0
TAKE_OVER_SECONDS = 1.0
HOLDER = """
import sys, time
from switchmaster.journal.guard_lease import GuardLease
lease = GuardLease(sys.argv[1], "kvdb")
lease.start()
while not lease.held:
    time.sleep(0.01)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("pg")) as cluster:
        yield cluster


@pytest.fixture
def leases(postgres: Postgres) -> Iterator[list[GuardLease]]:
    """Three competitors for one lease, the first of which holds it."""
    made = [GuardLease(postgres.url, "kvdb") for _ in range(3)]
    with ExitStack() as stack:
        for lease in made:
            stack.callback(lease.close)
            lease.start()
            eventually(lambda: made[0].held, LIMIT, what="the first to hold the lease")
        yield made


def holders(leases: list[GuardLease]) -> list[int]:
    return [number for number, lease in enumerate(leases) if lease.held]


def watched(leases: list[GuardLease], seconds: float) -> list[list[int]]:
    """Return each set of holders that was seen within a time."""
    seen: list[list[int]] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen.append(holders(leases))
        time.sleep(0.002)
    return seen


def end_sessions(url: str) -> None:
    made = engine.make_engine(url, writing=False)
    with made.connect() as connection:
        holding = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        connection.execute(text(holding))
    made.dispose()


def test_one_of_many_holds_the_lease_until_it_gives_it_up(leases: list[GuardLease]) -> None:
    assert {tuple(one) for one in watched(leases, 1.0)} == {(0,)}
    leases[0].close()
    begun = time.monotonic()
    eventually(lambda: holders(leases), LIMIT, what="another holder")
    assert time.monotonic() - begun < TAKE_OVER_SECONDS
    assert len(holders(leases)) == 1
    assert 0 not in holders(leases)


def test_one_that_gave_up_may_compete_again(leases: list[GuardLease]) -> None:
    for lease in leases[1:]:
        lease.close()
    leases[0].close()
    leases[0].start()
    eventually(lambda: leases[0].held, LIMIT, what="the lease to be held again")


def test_another_takes_over_within_a_second_of_the_death_of_the_holders_process(postgres: Postgres) -> None:
    took = []
    lease = GuardLease(postgres.url, "kvdb")
    source = str(Path(switchmaster.__file__).parent.parent)
    for _ in range(3):  # the machine may be late once, not thrice
        command = [sys.executable, "-c", HOLDER, postgres.url]
        environment = {**os.environ, "PYTHONPATH": source}
        with Child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            lease.start()
            time.sleep(2 * CHECK_SECONDS)
            assert not lease.held
            process.kill()
            begun = time.monotonic()
            eventually(lambda: lease.held, LIMIT, what="the other to take over")
            took.append(time.monotonic() - begun)
        lease.close()
        if took[-1] < TAKE_OVER_SECONDS:
            return
    raise AssertionError(took)


def test_holder_whose_session_is_ended_gives_up_before_another_takes_over(
    postgres: Postgres, leases: list[GuardLease]
) -> None:
    for _ in range(3):
        before = holders(leases)
        # While they are watched: another may take over before this returns.
        ending = threading.Thread(target=end_sessions, args=(postgres.url,))
        ending.start()
        seen = watched(leases, 2.5)
        ending.join()
        assert all(len(one) <= 1 for one in seen), seen
        # A moment without a holder may be shorter than the time between two looks: then another one is seen at once.
        assert any(one != before for one in seen), "it never gave up"
        assert len(seen[-1]) == 1, "nobody took over"
        assert before


def test_nobody_holds_it_while_the_database_is_away(postgres: Postgres, leases: list[GuardLease]) -> None:
    postgres.stop()
    eventually(lambda: not holders(leases), LIMIT, what="the holder to give up")
    assert {tuple(one) for one in watched(leases, 1.0)} == {()}
    postgres.start()
    if engine.parse_url(leases[0]._url).port == postgres.port:
        eventually(lambda: len(holders(leases)) == 1, LIMIT, what="one of them to hold it again")


def test_each_deployment_has_a_lease_of_its_own(postgres: Postgres) -> None:
    made = [GuardLease(postgres.url, name) for name in ("kvdb", "other", "kv\udcff")]
    try:
        for lease in made:
            lease.start()
        eventually(lambda: holders(made) == [0, 1, 2], LIMIT, what="all of them to be held")
    finally:
        for lease in made:
            lease.close()
    assert len({lease.name for lease in made}) == 3


def test_answer_of_the_database_counts_for_a_second_only() -> None:
    """A holder that is stopped (SIGSTOP) and resumed does not hold it, whatever it thought before."""
    lease = GuardLease("postgresql://u@db/x", "kvdb")
    lease._until = time.monotonic() + VALID_SECONDS
    assert lease.held
    eventually(lambda: not lease.held, LIMIT, what="its answer to be too old")


def test_journal_in_a_file_has_no_lease(tmp_path: Path) -> None:
    assert open_lease(f"sqlite:///{tmp_path}/journal.db", "kvdb") is None
    lease = open_lease("postgresql://u@db/x", "kvdb")
    assert lease is not None
    same = open_lease("postgresql+psycopg://other:pw@db:5432/x", "kvdb")
    assert same is not None
    assert (lease.name, lease.held) == (same.name, False)
    assert " " not in lease.name
