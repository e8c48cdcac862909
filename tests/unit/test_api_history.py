"""Queries of the journal: bounded in time and number, whatever the database does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from switchmaster.errors import UsageError
from switchmaster.journal import JournalUnavailable
from switchmaster.server.api import journal_queries
from switchmaster.server.api.answers import ProblemError
from switchmaster.server.api.journal_queries import JournalQueries

READER: Any = object()


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """A database that answers once the event is set."""
    answered = threading.Event()
    yield answered
    answered.set()


def test_hanging_query_is_abandoned_and_live_work_continues(hanging: threading.Event) -> None:
    async def go() -> None:
        asked = JournalQueries(READER, time=0.1)
        questions = [asyncio.create_task(asked.ask(lambda _: hanging.wait(30))) for _ in range(10)]
        begun = time.monotonic()
        assert await asyncio.to_thread(lambda: 7) == 7
        assert time.monotonic() - begun < 5
        answers = await asyncio.gather(*questions, return_exceptions=True)
        assert {type(one) for one in answers} == {ProblemError}
        assert {(one.status, one.retry) for one in answers if isinstance(one, ProblemError)} == {
            (503, journal_queries.QUERY_RETRY_SECONDS)
        }
        assert "no answer within 0.1 s" in str(answers[0].args[1])
        assert asked.failed == 10
        hanging.set()
        asked.close()

    asyncio.run(go())


def test_query_beyond_the_limit_is_refused_until_a_thread_is_free(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_queries, "QUERIES_MAX", 2)

    async def go() -> None:
        asked = JournalQueries(READER, time=0.05)
        held = [asyncio.create_task(asked.ask(lambda _: hanging.wait(30))) for _ in range(2)]
        await asyncio.gather(*held, return_exceptions=True)
        # No request waits for them any longer, but the database still holds their threads.
        with pytest.raises(ProblemError) as refused:
            await asked.ask(lambda _: 1)
        assert refused.value.status == 503
        assert asked.refused == 1
        hanging.set()
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await asked.ask(lambda _: 1) == 1
                    break
                except ProblemError:
                    await asyncio.sleep(0.01)
        asked.close()

    asyncio.run(go())


def test_unavailable_or_missing_journal_is_reported_in_a_sentence() -> None:
    def away(_: object) -> None:
        raise JournalUnavailable("sqlite:///j.db", "it is locked", "end that one")

    def wrong(_: object) -> None:
        raise UsageError("that is no cursor")

    async def go() -> None:
        asked = JournalQueries(READER)
        with pytest.raises(ProblemError, match="it is locked"):
            await asked.ask(away)
        with pytest.raises(UsageError, match="no cursor"):
            await asked.ask(wrong)
        none = JournalQueries(None)
        with pytest.raises(ProblemError, match="keeps no journal"):
            await none.ask(lambda _: 1)
        asked.close()
        none.close()

    asyncio.run(go())


def test_query_of_a_stopping_daemon_is_refused_with_a_sentence(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_queries, "QUERY_THREADS", 1)

    async def go() -> None:
        asked = JournalQueries(READER)
        under_way = asyncio.create_task(asked.ask(lambda _: hanging.wait(30)))
        waiting = asyncio.create_task(asked.ask(lambda _: 1))
        left = asyncio.create_task(asked.ask(lambda _: 1))
        await asyncio.sleep(0)
        left.cancel()
        asked.close()
        for late in (waiting, asked.ask(lambda _: 1)):
            with pytest.raises(ProblemError, match="this daemon is stopping") as refused:
                await late
            assert refused.value.status == 503
        with pytest.raises(asyncio.CancelledError):
            await left
        hanging.set()
        assert await under_way is True

    asyncio.run(go())
