"""The stream, over real sockets: each commit is sent once, in order, to every client, also one that comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from peers.faulty_peer import run, until
from rig.api_rig import FakeDeployment, FileJournal, listening, served
from switchmaster.journal.entries import Seen
from switchmaster.server.api import HttpServer, ServedState


@dataclass
class Block:
    id: int | None = None
    event: str = ""
    data: dict[str, Any] = field(default_factory=dict)


async def blocks(answer: httpx.Response) -> AsyncIterator[Block]:
    """Read server-sent events as a browser does."""
    block = Block()
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if not line:
            if block.data:
                yield block
            block = Block()
        elif name == "id":
            block.id = int(value)
        elif name == "event":
            block.event = value
        elif name == "data":
            block.data = json.loads(value)


class Listener:
    """A client of the stream that records its lines."""

    def __init__(self, server: HttpServer, query: str = "", **headers: str) -> None:
        self.heard: list[Block] = []
        self.text = ""
        self.status: int | None = None
        self._url = f"{server.url}api/v1/stream{query}"
        self._headers = headers
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async with (
            httpx.AsyncClient(timeout=60) as client,
            client.stream("GET", self._url, headers=self._headers) as got,
        ):
            self.status = got.status_code
            if got.status_code == 200:
                async for block in blocks(got):
                    self.heard.append(block)

    @property
    def ids(self) -> list[int | None]:
        return [block.id for block in self.heard]

    @property
    def done(self) -> bool:
        return self._task.done()

    async def leave(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, httpx.HTTPError):
            await self._task


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[FileJournal]:
    kept = FileJournal(tmp_path)
    yield kept
    kept.close()


def told_lines(count: int, text: str = "x", deployment: str = "kvdb") -> list[Seen]:
    line = {"type": "notice", "deployment": deployment, "master": "mymaster1", "text": text}
    return [Seen(1.0 + number, {**line, "number": number}) for number in range(count)]


async def commit(kept: FileJournal, state: ServedState, count: int, **more: str) -> list[int]:
    ids = await asyncio.to_thread(kept.write, told_lines(count, **more))
    state.stream.wake()
    return ids


def test_client_gets_new_commits_in_order(kept: FileJournal) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        async with listening(app, state) as server:
            await commit(kept, state, 5)
            listener = Listener(server)
            await until(lambda: state.stream.clients == 1 and listener.status == 200)
            ids = [id for _ in range(4) for id in await commit(kept, state, 3)]
            await until(lambda: len(listener.heard) == 12)
            assert listener.ids == ids
            assert {block.event for block in listener.heard} == {"notice"}
            assert listener.heard[0].data["number"] == 0
            await listener.leave()
            await until(lambda: state.stream.clients == 0)

    run(go)


@pytest.mark.parametrize("by", ["header", "query"])
def test_returning_client_misses_nothing_and_gets_nothing_twice(kept: FileJournal, by: str) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        async with listening(app, state) as server:
            ids = await commit(kept, state, 2)
            first = Listener(server, "?after=0")
            await until(lambda: len(first.heard) == 2)
            ids += await commit(kept, state, 1_200)
            await until(lambda: len(first.heard) > 100)
            await first.leave()
            ids += await commit(kept, state, 800)
            last = first.ids[-1]
            second = (
                Listener(server, **{"Last-Event-ID": str(last)})
                if by == "header"
                else Listener(server, f"?after={last}")
            )
            await until(lambda: second.heard)
            ids += await commit(kept, state, 7)
            await until(lambda: len(first.heard) + len(second.heard) >= len(ids))
            assert first.ids + second.ids == ids
            await second.leave()

    run(go)


def test_clients_far_behind_read_the_journal_and_the_others_the_tail(kept: FileJournal) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        state.stream._length = 50
        async with listening(app, state) as server:
            ids = await commit(kept, state, 300)
            front = Listener(server)
            await until(lambda: front.status == 200)  # it is counted before it has its place
            behind = Listener(server, "?after=0")
            for _ in range(5):
                ids += await commit(kept, state, 120)
            await until(lambda: len(behind.heard) == len(ids) and len(front.heard) == 600)
            assert behind.ids == ids
            assert front.ids == ids[300:]
            assert len(state.stream._tail) <= 50
            for listener in (front, behind):
                await listener.leave()

    run(go)


def test_commits_of_another_daemon_are_found_without_a_wake(kept: FileJournal) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        state.stream._poll = 0.05
        async with listening(app, state) as server:
            listener = Listener(server)
            await until(lambda: listener.status == 200)
            ids = await asyncio.to_thread(kept.write, told_lines(3))
            await until(lambda: listener.ids == ids)
            await listener.leave()

    run(go)


def test_client_gets_the_lines_that_it_selects_and_its_id_passes_the_others(kept: FileJournal) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        state.stream._keep_alive = 0.05
        async with listening(app, state) as server:
            wanted = Listener(server, "?after=0&deployment=other&type=notice&type=switch&master=mymaster1")
            nothing = Listener(server, "?after=0&type=switch")
            await commit(kept, state, 5)
            ids = await commit(kept, state, 2, deployment="other")
            await until(lambda: wanted.ids == ids)
            async with (
                httpx.AsyncClient() as client,
                client.stream("GET", f"{server.url}api/v1/stream?after=0&type=switch") as answer,
            ):
                places = []
                async for line in answer.aiter_lines():
                    places += [line] if line.startswith("id: ") else []
                    if len(places) > 1:
                        break
                assert places == ["id: 0", "id: 7"]
            assert not nothing.heard
            for listener in (wanted, nothing):
                await listener.leave()

    run(go)


def test_id_of_another_journal_is_answered_with_a_reset(kept: FileJournal) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        async with listening(app, state) as server:
            [*_, last] = await commit(kept, state, 4)
            listener = Listener(server, **{"Last-Event-ID": "999999"})
            await until(lambda: listener.heard)
            assert listener.heard[0].event == "reset"
            assert listener.heard[0].id is None
            assert "load everything again" in listener.heard[0].data["why"]
            [new] = await commit(kept, state, 1)
            await until(lambda: len(listener.heard) == 2)
            assert listener.ids[1] == new == last + 1
            await listener.leave()

    run(go)


def test_stream_beyond_the_limit_is_refused_and_counted(kept: FileJournal) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        state.stream._limit = 2
        async with listening(app, state) as server:
            listeners = [Listener(server) for _ in range(2)]
            await until(lambda: state.stream.clients == 2)
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"{server.url}api/v1/stream")
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
            assert state.stream.refused == 1
            await listeners[0].leave()
            await until(lambda: state.stream.clients == 1)
            listeners.append(Listener(server))
            await until(lambda: state.stream.clients == 2)
            for listener in listeners[1:]:
                await listener.leave()

    run(go)


def test_client_that_reads_nothing_is_cut_off_and_harms_no_other(kept: FileJournal) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        async with listening(app, state, stall_time=0.3) as server:
            assert server.address is not None
            reader, writer = await asyncio.open_connection(*server.address, limit=1)
            writer.write(b"GET /api/v1/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda: state.stream.clients == 1)
            listener = Listener(server, "?after=0")
            ids: list[int] = []
            while not server.connections.cut["stalled"]:
                ids += await commit(kept, state, 100, text="x" * 10_000)
                assert len(ids) < 5_000
            await until(lambda: state.stream.clients == 1)
            await until(lambda: listener.ids == ids, timeout=60)  # tens of megabytes
            assert server.connections.cut == {"stalled": 1}
            assert len(state.stream._tail) <= 5_000
            writer.transport.abort()
            await listener.leave()
            assert reader is not None

    run(go)


def test_internal_error_in_reading_is_logged_and_ends_no_stream(
    kept: FileJournal, caplog: pytest.LogCaptureFixture
) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        state.stream._poll = 0.05
        whole = state.stream._entries

        async def broken(after: int) -> Any:
            raise RuntimeError("a mistake of ours")

        state.stream._entries = broken  # type: ignore[method-assign]
        async with listening(app, state) as server:
            listener = Listener(server)
            # On a busy machine there are asyncio's own warnings too.
            await until(lambda: any(record.name == "switchmaster.api" for record in caplog.records))
            state.stream._entries = whole  # type: ignore[method-assign]
            ids = await commit(kept, state, 2)
            await until(lambda: listener.ids == ids)
            await listener.leave()

    run(go)
    assert "could not be read" in caplog.text


def test_end_of_the_daemon_ends_all_streams_at_once(kept: FileJournal) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        async with listening(app, state) as server:
            listeners = [Listener(server) for _ in range(3)]
            await until(lambda: state.stream.clients == 3)
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < 2
        await until(lambda: all(listener.done for listener in listeners))
        for listener in listeners:
            await listener.leave()

    run(go)


def test_stream_goes_on_when_the_journal_is_back(kept: FileJournal, tmp_path: Path) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=kept)
        state.stream._poll = 0.05
        async with listening(app, state) as server:
            listener = Listener(server)
            await until(lambda: listener.status == 200)
            file, away = tmp_path / "journal.db", tmp_path / "away.db"
            file.rename(away)
            await until(lambda: state.history.failed > 1)
            away.rename(file)
            ids = await asyncio.to_thread(kept.write, told_lines(2))
            await until(lambda: listener.ids == ids)
            await listener.leave()

    run(go)
