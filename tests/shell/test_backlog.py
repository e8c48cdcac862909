"""Work that follows from turns: done at once, or put off while there is more to read, and always in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest

from switchmaster.journal.entries import Entry, WatchStarted
from switchmaster.server import backlog
from switchmaster.server.backlog import Backlog


class Loop:
    """A backlog, what it has put, and whether its loop is behind."""

    def __init__(self) -> None:
        self.behind, self.looks = False, 0
        self.put: list[list[str]] = []
        self.backlog = Backlog(self._put, self._look)

    def _look(self) -> bool:
        self.looks += 1
        return self.behind

    def _put(self, *entries: Entry) -> None:
        self.put.append([entry.deployment for entry in entries if isinstance(entry, WatchStarted)])

    def turn(self, *names: str) -> None:
        """Go through a turn with these pieces of work."""
        for name in names:
            self.backlog.add(work, name)
        self.backlog.end_turn()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)


def work(name: str) -> Iterable[Entry]:
    if name == "fails":
        raise ValueError(name)
    return [WatchStarted(name)] if name else []


def run(test: Callable[[Loop], object]) -> None:
    async def go() -> None:
        result = test(Loop())
        assert asyncio.iscoroutine(result)
        await result

    asyncio.run(go())


def test_turn_is_put_whole_and_at_once_if_nothing_waits_to_be_read() -> None:
    async def go(loop: Loop) -> None:
        loop.turn("a", "b")
        loop.turn()
        loop.turn("")
        loop.turn("c")
        assert loop.put == [["a", "b"], ["c"]]

    run(go)


def test_work_waits_while_there_is_more_to_read_and_keeps_its_order() -> None:
    async def go(loop: Loop) -> None:
        loop.behind = True
        loop.turn("a")
        loop.turn("b", "c")
        await loop.until(lambda: loop.looks > 3)
        assert loop.put == []
        loop.behind = False
        loop.turn("d")  # after those that wait, although nothing is more urgent now
        assert loop.put == []
        await loop.until(lambda: len(loop.put) == 3)
        assert loop.put == [["a"], ["b", "c"], ["d"]]
        loop.turn("e")
        assert loop.put[3:] == [["e"]]
        assert loop.backlog.forced == {"full": 0, "late": 0}

    run(go)


def test_work_waits_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "PUT_OFF_SECONDS", 0.05)

    async def go(loop: Loop) -> None:
        loop.behind = True
        loop.turn("a")
        await loop.until(lambda: loop.put == [["a"]])
        assert loop.backlog.forced == {"full": 0, "late": 1}

    run(go)


def test_loop_comes_round_between_two_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "SLICE_SECONDS", 0.0)

    async def go(loop: Loop) -> None:
        loop.behind = True
        for name in "abc":
            loop.turn(name)
        loop.behind = False
        seen = set()
        async with asyncio.timeout(10):
            while len(loop.put) < 3:
                seen.add(len(loop.put))
                await asyncio.sleep(0)
        assert seen == {0, 1, 2}

    run(go)


def test_more_than_may_wait_is_done_with_the_turns_that_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST", 3)

    async def go(loop: Loop) -> None:
        loop.behind = True
        loop.turn("a", "b")
        loop.turn("c")
        assert loop.put == []
        loop.turn("d")
        assert loop.put == [["a", "b"]]
        loop.turn("e", "f", "g", "h")
        assert loop.put == [["a", "b"], ["c"], ["d"], ["e", "f", "g", "h"]]
        assert loop.backlog.forced == {"full": 4, "late": 0}
        loop.behind, loop.looks = False, 0
        await loop.until(lambda: loop.looks)  # it finds nothing left
        loop.turn("i")
        assert loop.put[4:] == [["i"]]

    run(go)


def test_work_that_fails_costs_none_but_its_own_turn() -> None:
    async def go(loop: Loop) -> None:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        loop.behind = True
        loop.turn("a")
        loop.turn("fails")
        loop.turn("b")
        loop.behind = False
        await loop.until(lambda: len(loop.put) == 2)
        assert loop.put == [["a"], ["b"]]
        assert [str(error) for error in told] == ["fails"]

    run(go)


def test_end_leaves_nothing() -> None:
    async def go(loop: Loop) -> None:
        loop.behind = True
        loop.turn("a")
        loop.turn("b")
        loop.backlog.add(work, "c")
        loop.backlog.finish()
        assert loop.put == [["a"], ["b"], ["c"]]
        assert loop.backlog.forced == {"full": 0, "late": 0}
        loop.behind = False
        loop.turn("d")
        assert loop.put[3:] == [["d"]]

    run(go)
