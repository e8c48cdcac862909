"""A journal that a test writes switches into, and an action whose target is a list."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from rig.conditions import eventually
from switchmaster.account.record import SwitchRecord
from switchmaster.journal.engine import connect, make_engine
from switchmaster.journal.entries import Sighting, SwitchSeen
from switchmaster.journal.migrate import upgrade
from switchmaster.journal.reaction_rows import ReactionRow, ReactionState, RunCause
from switchmaster.journal.reaction_store import ReactionStore
from switchmaster.journal.reader import Reader
from switchmaster.journal.store import Store
from switchmaster.journal.wishes import Wish, wish_from_line
from switchmaster.model import Address, Grade
from switchmaster.react.action_kinds import Action, ConfiguredAction, Run
from switchmaster.react.reactor import Reactor

LIMIT = 60.0
HOSTILE = "x; touch /tmp/owned `id` $(id) \n'\"{{7*7}}\r\n%0d\u202e\udcff"
"""A name that a shell, a template, a header or a terminal would act on."""
NODES = tuple(Address(f"10.0.1.{number}", 6379) for number in range(1, 10))


def switch(number: int, master: str = "m1", *, time: float = 0.0, grade: str = "promoted", **more: Any) -> SwitchRecord:
    """The switch of an epoch: from node N to node N + 1."""
    given = {
        "time": time or 1_790_000_000.0 + number,
        "deployment": "kvdb",
        "master": master,
        "old": NODES[number % 9 - 1],
        "new": NODES[number % 9],
        "epoch": number,
        "grade": grade,
        "cause": "failover",
        "witnesses": ("10.0.0.1:26379",),
        "why": "a test says so",
        "via": "role",
        "incarnation": 0,
    }
    return SwitchRecord(**{**given, **more})


def wish(number: int = 1, master: str = "m1", id: int = 0, **more: Any) -> Wish:
    """The wish for a switch of `switch`."""
    from switchmaster.account.record_lines import switch_to_line

    return wish_from_line(switch_to_line(switch(number, master, **more)), id or number)


def run(attempt: int = 1) -> Run:
    """What an attempt of the action ``act`` knows."""
    return Run("act", attempt, RunCause.SWITCH, list)


def reaction_row(master: str = "m1") -> ReactionRow:
    """The row of ``act`` for a master, whose wish waits."""
    waits = wish(1, master)
    row = ReactionRow(
        1,
        "act",
        "",
        "kvdb",
        master,
        1,
        waits,
        ReactionState.PENDING,
        RunCause.SWITCH,
        waits.time,
        0,
        0.0,
        "",
        None,
        0.0,
    )
    return row


class JournalOfSwitches:
    """A journal; by default in SQLite in a folder."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.url = url or f"sqlite:///{folder}/journal.db"
        self._engine = make_engine(self.url, writing=True)
        self._store = Store("0" * 32, "test")
        with connect(self._engine, self.url) as connection:
            upgrade(connection)
            self._store.begin(connection, 0.0)

    def write(self, *switches: SwitchRecord) -> None:
        """Commit switches, as a daemon that decided them."""
        with connect(self._engine, self.url) as connection:
            for one in switches:
                self._store.apply(connection, [SwitchSeen(one.time or 0.0, one)])
        self._store.commit()

    def sight(self, master: str, address: Address, epoch: int = 0) -> None:
        """Commit where a master is."""
        with connect(self._engine, self.url) as connection:
            self._store.apply(connection, [Sighting(1_790_000_000.0, "kvdb", master, address, epoch, 0, True)])
        self._store.commit()

    def close(self) -> None:
        self._engine.dispose()


@dataclass
class Listed(Action):
    """An action whose target is a list of addresses, and of what was applied."""

    kind: ClassVar[str] = "listed"

    applied: list[Wish] = field(default_factory=list)
    ended: list[int | None] = field(default_factory=list)
    """Epochs, in the order in which attempts ended."""
    shown: dict[str, Address] = field(default_factory=dict)
    """By the master's name."""
    before: Callable[[Wish, Run], Any] | None = None
    """Called, and awaited, by each attempt before it takes effect; may raise."""

    @property
    def summary(self) -> str:
        return "a list"

    async def apply(self, wish: Wish, run: Run) -> str:
        self.applied.append(wish)
        if self.before is not None and (waited := self.before(wish, run)) is not None:
            await waited
        self.ended.append(wish.epoch)
        self.shown[wish.master] = wish.new
        return "listed"

    async def test(self) -> str:
        await asyncio.sleep(0)
        return "the list is here"

    def plan(self, wish: Wish) -> str:
        return f"would list {wish.new}"


@dataclass
class Shown(Listed):
    """One whose target can be read back."""

    compares: ClassVar[bool] = True

    async def compare(self, wish: Wish, run: Run) -> str:
        found = self.shown.get(wish.master)
        return "" if found == wish.new else f"it shows {found}"


class Held(Action):
    """
    Another action, whose attempts for the first switch wait until it is opened.

    Args:
        action: what is carried out.
    """

    def __init__(self, action: Action) -> None:
        self.action = action
        self.kind = action.kind  # type: ignore[misc]
        self.compares = action.compares  # type: ignore[misc]
        self.began, self.opened = threading.Event(), threading.Event()

    @property
    def summary(self) -> str:
        return self.action.summary

    async def apply(self, wish: Wish, run: Run) -> str:
        if wish.epoch == 1:
            self.began.set()
            while not self.opened.is_set():
                await asyncio.sleep(0.01)
        return await self.action.apply(wish, run)

    async def compare(self, wish: Wish, run: Run) -> str:
        return await self.action.compare(wish, run)

    async def test(self) -> str:
        return await self.action.test()

    def plan(self, wish: Wish) -> str:
        return self.action.plan(wish)


def follow_two_switches(folder: Path, action: Action, **more: Any) -> list[tuple[int | None, str]]:
    """
    Let an engine carry out two switches in quick succession, of which the first one's attempt is slow.

    Args:
        folder: an empty one, for the journal.
        action: what is carried out.
        more: settings of the action.

    Returns:
        Epoch and outcome of the receipts, oldest first.
    """
    held = Held(action)
    with ExitStack() as stack:
        journal = JournalOfSwitches(folder)
        stack.callback(journal.close)
        reader = Reader(journal.url)
        stack.callback(reader.close)
        store = ReactionStore(journal.url, "1" * 32, "here")
        reactor = Reactor(store, Believed(), [configured(held, **{"check_every": 60.0, **more})], lambda _: None)
        reactor.start()
        stack.callback(reactor.close)
        eventually(lambda: reactor._last_switch is not None, LIMIT, what="the action to be registered")
        journal.write(switch(1))
        reactor.wake()
        eventually(held.began.is_set, LIMIT, what="the first attempt")
        journal.write(switch(2))
        reactor.wake()
        if more.get("every"):
            held.opened.set()

        def outcomes() -> list[tuple[int | None, str]]:
            lines = reader.receipts(action="act").items[::-1]
            return [(line["switch"]["epoch"], line["outcome"]) for line in lines]

        eventually(lambda: (2, "done") in outcomes(), LIMIT, what="the second switch to be carried out")
        held.opened.set()
        eventually(lambda: not reactor.counters.ages and "running" not in dict(outcomes()).values(), LIMIT)
        return outcomes()


def configured(action: Action, name: str = "act", **more: Any) -> ConfiguredAction:
    """An action with the settings that most tests want."""
    made = ConfiguredAction(
        name=name,
        action=action,
        group="point",
        grade=Grade.ANNOUNCED,
        place="",
        masters=(),
        deployments=(),
        every=False,
        correct=True,
        check_every=0.2,
        timeout=20.0,
        give_up=600.0,
        max_age=None,
        dry_run=False,
    )
    return replace(made, **more)


class Believed:
    """The belief that an engine asks."""

    def __init__(self, *deployments: str) -> None:
        self.watched = deployments or ("kvdb",)
        self.places: dict[str, tuple[Address, Grade]] = {}

    def deployments(self) -> tuple[str, ...]:
        return self.watched

    def place(self, deployment: str, master: str) -> tuple[Address, Grade] | None:
        return self.places.get(master)


class UnstartedActions:
    """What the API reads of a daemon's actions: one, ``act``, and an engine that does not run."""

    def __init__(self, url: str, *actions: ConfiguredAction) -> None:
        store = ReactionStore(url, "1" * 32, "here")
        self.reactor = Reactor(store, Believed(), actions or (configured(Listed()),), lambda _: None)
        self.runs: Counter[tuple[str, str]] = Counter({("act", "done"): 3})
