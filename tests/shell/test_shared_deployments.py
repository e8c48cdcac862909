"""Daemons that share deployments through a PostgreSQL of our own: claims by its clock, a killed daemon, a restart."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from peers.sentinel_thread import SentinelThread
from rig.conditions import eventually
from rig.daemons import Daemon
from rig.postgres import Postgres, running_postgres
from switchmaster.errors import JournalUnavailable
from switchmaster.journal import engine
from switchmaster.journal.claim_store import ClaimLook, ClaimStore
from switchmaster.journal.claims import Claim, ClaimState
from switchmaster.journal.migrate import upgrade

pytestmark = pytest.mark.live

LIMIT = 60.0
NAMES = ("one", "two", "three", "four")
LEASE = 3_600.0
"""Of the tests that no lease ends in, unless it is made to."""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("pg")) as cluster:
        made = engine.make_engine(cluster.url, writing=True)
        with engine.connect(made, cluster.url) as connection:
            upgrade(connection)
        made.dispose()
        yield cluster


def execute(postgres: Postgres, sentence: str) -> None:
    made = engine.make_engine(postgres.url, writing=False)
    with engine.connect(made, postgres.url) as connection:
        connection.execute(text(sentence))
    made.dispose()


class Run:
    """One run of a daemon that watches at once what it claims."""

    def __init__(self, url: str, run: str) -> None:
        self.store = ClaimStore(url, run, run)
        self.offers = dict.fromkeys(NAMES, Claim())

    def look(self, leaving: bool = False) -> ClaimLook:
        found = self.store.look(self.offers, 1, LEASE, leaving)
        for name in found.moves.claim:
            self.offers[name] = Claim(ClaimState.READY, masters=1)
        for name in found.moves.release:
            self.offers[name] = Claim()
        return found

    @property
    def held(self) -> set[str]:
        return {name for name, claim in self.offers.items() if claim.held}


@pytest.fixture
def runs(postgres: Postgres) -> Iterator[tuple[Run, Run]]:
    """Two runs, the first of which has claimed everything."""
    execute(postgres, "DELETE FROM sharers")
    made = Run(postgres.url, "a"), Run(postgres.url, "b")
    made[0].look()
    yield made
    for one in made:
        one.store.close()


def settle(one: Run, other: Run) -> None:
    for _ in range(3):
        other.look()
        one.look()


def test_two_runs_see_each_others_claims_and_share(runs: tuple[Run, Run]) -> None:
    one, other = runs
    assert one.held == set(NAMES)
    settle(one, other)
    assert one.held | other.held == set(NAMES)
    assert len(one.held) == len(other.held) == 2
    seen = other.look()
    assert [sharer.id for sharer in seen.sharers] == ["a", "b"]
    assert {name for name, claim in seen.sharers[0].claims.items() if claim.held} == one.held


def test_what_a_dead_run_had_is_claimed_when_its_lease_is_over(postgres: Postgres, runs: tuple[Run, Run]) -> None:
    one, other = runs
    settle(one, other)
    had = one.held
    assert len(had) == 2
    execute(postgres, f"UPDATE sharers SET renewed = renewed - {LEASE} WHERE run = 'a'")
    seen = other.look()
    assert set(seen.moves.claim) == had
    assert [sharer.id for sharer in seen.sharers] == ["b"]
    # It was only slow: what the other one has now is not taken back at once.
    assert one.look().moves.claim == ()


def test_after_an_outage_nothing_is_taken_from_those_that_come_back(postgres: Postgres, runs: tuple[Run, Run]) -> None:
    one, other = runs
    settle(one, other)
    execute(postgres, f"UPDATE sharers SET renewed = renewed - {LEASE}")
    assert one.look().moves.claim == ()
    assert other.look().moves.claim == ()
    assert [sharer.id for sharer in one.look().sharers] == ["a", "b"]


def test_run_that_leaves_is_forgotten(runs: tuple[Run, Run]) -> None:
    one, other = runs
    one.store.leave()
    assert set(other.look().moves.claim) == set(NAMES)


def test_names_of_any_kind_and_deployments_that_go(runs: tuple[Run, Run]) -> None:
    one, other = runs
    one.offers = {name: Claim(ClaimState.READY, True, 7) for name in ("nul\0", "\udcff", "'; --")}
    one.look()
    assert other.look().sharers[0].claims == one.offers
    del one.offers["nul\0"]
    one.look()
    assert other.look().sharers[0].claims == one.offers


def test_a_lost_connection_costs_one_look_at_most(postgres: Postgres, runs: tuple[Run, Run]) -> None:
    one, other = runs
    ours = "application_name = 'switchmaster-claims'"
    execute(postgres, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
    for run in runs:
        with suppress(JournalUnavailable):
            run.look()
    one.look()
    assert other.look().sharers[0].claims == one.offers


# -- whole daemons ---------------------------------------------------------------------------------


class Shared:
    """Daemons whose files have the same deployments."""

    def __init__(self, folder: Path, url: str, sentinel: str, stack: ExitStack) -> None:
        self._folder, self._url, self._sentinel, self._stack = folder, url, sentinel, stack

    def start(self, name: str) -> Daemon:
        file = self._folder / f"{name}.toml"
        tables = "".join(f'[deployments.{one}]\nsentinels = ["{self._sentinel}"]\n' for one in NAMES)
        file.write_text(
            f'{tables}[share]\ndaemons = 1\nlease = 2\n[journal]\nurl = "{self._url}"\nobserver = "{name}"\n',
            encoding="utf-8",
        )
        daemon = Daemon(self._folder / name, "--config", str(file))
        self._stack.callback(daemon.close)
        return daemon.start(wait=False)


def asked(daemon: Daemon, path: str) -> Any:
    answer = httpx.get(daemon.url + path, timeout=LIMIT)
    answer.raise_for_status()
    return answer.json()


def refusals(daemon: Daemon) -> set[str]:
    """Return what a daemon says of the deployments that it does not watch."""
    answers = [httpx.get(f"{daemon.url}api/v1/masters?deployment={name}", timeout=LIMIT) for name in NAMES]
    told = [answer.json()["detail"] for answer in answers if answer.status_code == 404]
    return {text.removesuffix(", not by this daemon").partition("' ")[2] for text in told}


def watchers(daemon: Daemon) -> dict[str, list[str]]:
    """Return the daemons that know each deployment's masters, as one daemon sees it."""
    return {
        line["deployment"]: [one["daemon"] for one in line["daemons"] if one["state"] == "ready"]
        for line in asked(daemon, "api/v1/claims")["items"]
    }


def spread(daemon: Daemon, *names: str) -> bool:
    """Return whether each deployment has one watcher, and these daemons watch equally many."""
    found = watchers(daemon)
    counts = [sum(watching == [name] for watching in found.values()) for name in names]
    return len(found) == len(NAMES) and sum(counts) == len(NAMES) and max(counts) - min(counts) <= 1


def test_deployments_move_when_a_daemon_dies_or_leaves_and_stay_without_postgresql(
    postgres: Postgres, tmp_path: Path
) -> None:
    if not postgres.runs:
        postgres.start()  # an earlier try has left it stopped
    execute(postgres, "DELETE FROM sharers")
    with ExitStack() as stack:
        sentinel = SentinelThread()
        stack.callback(sentinel.close)
        shared = Shared(tmp_path, postgres.url, str(sentinel.peer.address), stack)
        one, other, last = (shared.start(name) for name in ("one", "other", "last"))
        eventually(lambda: spread(last, "one", "other", "last"), LIMIT, what="three to share four deployments")
        eventually(lambda: refusals(last) == {"is watched by one", "is watched by other"}, LIMIT, what="others' names")

        one.kill()
        eventually(lambda: spread(last, "other", "last"), LIMIT, what="two to watch what three watched")
        assert other.stop() == -signal.SIGTERM
        eventually(lambda: spread(last, "last"), LIMIT, what="the last one to watch everything")
        assert set(asked(last, "api/v1/status")["deployments"]) == set(NAMES)

        postgres.stop()
        eventually(lambda: not asked(last, "api/v1/status")["share"]["available"], LIMIT, what="the outage to be told")
        assert set(asked(last, "api/v1/status")["deployments"]) == set(NAMES)
        postgres.start()
        eventually(lambda: asked(last, "api/v1/status")["share"]["available"], LIMIT, what="the claims to be back")
        assert set(asked(last, "api/v1/status")["deployments"]) == set(NAMES)
        assert last.stop() == -signal.SIGTERM
