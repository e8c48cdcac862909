"""What a daemon watches where several share deployments: whatever becomes of PostgreSQL, never too little."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from switchmaster.errors import JournalUnavailable
from switchmaster.journal.claim_store import ClaimLook
from switchmaster.journal.claims import Claim, ClaimState, Sharer, decide_claims
from switchmaster.server import daemon_claims
from switchmaster.server.daemon_claims import DaemonClaims
from switchmaster.server.settings.share_settings import ShareSettings

NAMES = ("one", "two", "three", "four")
SHARED = ShareSettings(daemons=1, lease=3.0, kept=frozenset())


class Database:
    """What the claims of all daemons are kept in, and whether it can be reached."""

    def __init__(self) -> None:
        self.sharers: dict[str, Sharer] = {}
        self.away = False

    def store(self, url: str, run: str, name: str) -> Store:
        return Store(self, run)


class Store:
    def __init__(self, database: Database, run: str) -> None:
        self._database, self._run = database, run

    def look(self, offers: Mapping[str, Claim], daemons: int, lease: float, leaving: bool) -> ClaimLook:
        if self._database.away:
            raise JournalUnavailable("postgresql://db", "it is away")
        kept = self._database.sharers
        kept[self._run] = Sharer(self._run, self._run, 0.0, lease, daemons, leaving, dict(offers))
        moves = decide_claims(kept.values(), self._run, 0.0)
        changed = {name: Claim(ClaimState.STARTING) for name in moves.claim} | {name: Claim() for name in moves.release}
        kept[self._run] = Sharer(self._run, self._run, 0.0, lease, daemons, leaving, dict(offers) | changed)
        return ClaimLook(tuple(kept.values()), moves)

    def leave(self) -> None:
        if self._database.away:
            raise JournalUnavailable("postgresql://db", "it is away")
        self._database.sharers.pop(self._run, None)

    def close(self) -> None:
        """Nothing is open."""


class Heard:
    """A deployment that is heard."""

    def __init__(self) -> None:
        self.hearing = self.established = True
        self.size = 3


class Party:
    """One daemon's claims, which watches what it claims at once."""

    def __init__(self, run: str) -> None:
        self.watched: dict[str, Heard] = {}
        self.moved = 0
        self.told: list[str] = []
        self.claims = DaemonClaims("", run, run, lambda: self.watched, self._move, self.told.append)

    def _move(self) -> None:
        self.moved += 1
        self.watched = {name: Heard() for name in self.claims.held}

    async def start(self, settings: ShareSettings | None = SHARED) -> Party:
        await self.claims.apply(settings, NAMES)
        await self.claims.begin()
        self.watched = {name: Heard() for name in self.claims.held}
        return self


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()
    monkeypatch.setattr(daemon_claims, "ClaimStore", database.store)
    monkeypatch.setattr(daemon_claims, "LEAVING_LOOK_SECONDS", 0.0)
    return database


Story = Callable[[], Coroutine[Any, Any, None]]


def run(story: Story) -> None:
    asyncio.run(story())


async def settled(*parties: Party) -> None:
    for _ in range(4):
        for one in parties:
            await one.claims.look()


def test_nothing_is_shared_unless_it_is_configured(database: Database) -> None:
    async def story() -> None:
        alone = await Party("a").start(None)
        assert (alone.claims.held, alone.claims.decided) == (set(NAMES), True)
        await alone.claims.look()
        await alone.claims.leave()
        assert database.sharers == {}

    run(story)


def test_two_daemons_share_and_say_so(database: Database) -> None:
    async def story() -> None:
        one, other = await Party("a").start(), await Party("b").start()
        await settled(one, other)
        assert one.claims.held | other.claims.held == set(NAMES)
        assert len(one.claims.held) == len(other.claims.held) == 2
        assert one.moved == 1
        assert any(words.startswith("leaves to other daemons: ") for words in one.told)
        assert (other.claims.moves["claimed"], one.claims.moves["released"]) == (2, 2)

    run(story)


def test_daemon_keeps_what_it_has_while_postgresql_is_away(database: Database) -> None:
    async def story() -> None:
        one, other = await Party("a").start(), await Party("b").start()
        await settled(one, other)
        had = one.claims.held
        database.away = True
        database.sharers.clear()
        await settled(one)
        assert (one.claims.held, str(one.claims.trouble).endswith("it is away")) == (had, True)
        database.away = False
        await settled(one, other)
        assert one.claims.trouble is None
        assert had <= one.claims.held | other.claims.held

    run(story)


def test_daemon_that_starts_without_postgresql_watches_everything(database: Database) -> None:
    async def story() -> None:
        database.away = True
        one, other = await Party("a").start(), await Party("b").start()
        assert one.claims.held == other.claims.held == set(NAMES)
        database.away = False
        await settled(one, other)
        assert len(one.claims.held) == len(other.claims.held) == 2

    run(story)


def test_daemon_that_ends_hands_over_first(database: Database) -> None:
    async def story() -> None:
        one, other = await Party("a").start(), await Party("b").start()
        await settled(one, other)

        async def look_on() -> None:
            while True:
                await other.claims.look()
                await asyncio.sleep(0)

        looking = asyncio.create_task(look_on())
        await one.claims.leave()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        assert other.claims.held == set(NAMES)
        assert set(database.sharers) == {"b"}

    run(story)


def test_last_daemon_ends_at_once(database: Database) -> None:
    async def story() -> None:
        one = await Party("a").start()
        await one.claims.leave()
        assert database.sharers == {}

    run(story)


def test_deployment_that_is_not_heard_is_deaf_after_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        one = await Party("a").start()
        await one.claims.look()
        one.watched["two"].established = False
        await one.claims.look()
        assert database.sharers["a"].claims["two"] == Claim(ClaimState.STARTING, masters=3)
        monkeypatch.setattr(daemon_claims, "DEAF_SECONDS", -1.0)
        await one.claims.look()
        assert database.sharers["a"].claims["two"] == Claim(ClaimState.DEAF, masters=3)
        assert database.sharers["a"].claims["one"] == Claim(ClaimState.READY, masters=3)

    run(story)


def test_reload_begins_and_ends_sharing(database: Database) -> None:
    async def story() -> None:
        one, other = await Party("a").start(None), await Party("b").start()
        await one.claims.apply(SHARED, NAMES)
        assert one.claims.held == set(NAMES)
        one.watched = {name: Heard() for name in NAMES}
        await settled(one, other)
        assert len(one.claims.held) == 2
        await one.claims.apply(SHARED, NAMES[:1])
        assert one.claims.held <= {"one"}
        await one.claims.apply(None, NAMES)
        assert one.claims.held == set(NAMES)
        assert set(database.sharers) == {"b"}

    run(story)


def test_what_is_kept_is_watched_from_the_start(database: Database) -> None:
    async def story() -> None:
        other = await Party("b").start()
        await other.claims.look()
        one = Party("a")
        await one.claims.apply(ShareSettings(1, 3.0, frozenset({"one"})), NAMES)
        assert one.claims.held == {"one"}
        await one.claims.begin()
        assert one.claims.held >= {"one"}
        assert database.sharers["a"].claims["one"].kept

    run(story)
