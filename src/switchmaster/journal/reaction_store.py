"""
Wishes, receipts and pauses in the journal's database: what makes an action happen once, in order, whoever is killed.

A row is held by one daemon at a time: it is taken with ``SELECT ... FOR UPDATE SKIP LOCKED``, and for a time that the
holder must renew, by the database's clock, so that daemons with other clocks agree. Whatever a holder writes names the
wish that it carries out: what it says of an older one changes no row.

In PostgreSQL these transactions take no lock of the whole journal, because they write nothing to its stream. In SQLite
there is only one lock, and one daemon.

All methods block, and may be called from several threads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from ..errors import UsageError
from ..render import iso, to_json
from .engine import connect, make_engine, parse_url
from .reaction_rows import ActionPause, Decide, ReactionRow, ReactionState, RunCause, RunOutcome, Target, WishStep
from .schema import action_starts, masters, pauses, reactions, receipts, switches
from .wishes import Wish, is_newer, wish_from_line

__all__ = ["ReactionStore"]

CANDIDATES: Final = 100
"""Switches that are considered at once."""
TARGETS: Final = 200
"""Targets of one transaction."""
OUTPUT_CHARACTERS: Final = 4_000
"""Characters of an action's output that are kept."""


class ReactionStore:
    """
    What one run of one daemon reads and writes of actions.

    Args:
        url: of the journal; its tables must be there.
        holder: the run's id.
        name: the name that people know the daemon by.
    """

    def __init__(self, url: str, holder: str, name: str) -> None:
        self.holder, self.name = holder, name
        self._url = url
        sqlite = parse_url(url).get_backend_name() == "sqlite"
        self._reading = make_engine(url, writing=False)
        self._engine = make_engine(url, writing=True) if sqlite else self._reading

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        self._reading.dispose()

    @contextmanager
    def _begin(self) -> Iterator[tuple[Connection, float]]:
        """Open a transaction; yield it with the time by the database's clock."""
        with connect(self._engine, self._url) as connection:
            if connection.dialect.name == "sqlite":
                yield connection, time.time()
            else:
                yield connection, float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)

    def _look(self) -> AbstractContextManager[Connection]:
        """Open a transaction that only reads."""
        return connect(self._reading, self._url)

    # -- wishes -------------------------------------------------------------------------------------

    def register(self, names: Iterable[tuple[str, str]]) -> int:
        """
        Record actions (name, place) that were not configured before: they start with the next switch.

        Returns:
            The newest switch.
        """
        with self._begin() as (connection, now):
            last = int(connection.scalar(select(func.max(switches.c.id))) or 0)
            for action, place in names:
                _insert_once(connection, action_starts, {"action": action, "place": place, "switch": last, "time": now})
            return last

    def new_switches(self, after: int) -> tuple[int, set[tuple[str, str]]]:
        """Return the newest switch, and the masters (deployment, name) with switches after one."""
        asked = select(switches.c.id, switches.c.deployment, switches.c.master).where(switches.c.id > after)
        with self._look() as connection:
            found = connection.execute(asked.order_by(switches.c.id)).all()
        return (found[-1].id if found else after), {(row.deployment, row.master) for row in found}

    def masters(self) -> list[tuple[str, str]]:
        """Return all masters (deployment, name) of the journal."""
        with self._look() as connection:
            return [(row.deployment, row.master) for row in connection.execute(select(masters))]

    def behind(self, names: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return the masters (deployment, name) that have switches which rows of these actions have not seen."""
        wanted = set(names)
        later = (
            switches.c.deployment == reactions.c.deployment,
            switches.c.master == reactions.c.master,
            switches.c.id > reactions.c.seen,
        )
        asked = select(reactions).where(select(switches.c.id).where(*later).exists())
        with self._look() as connection:
            found = connection.execute(asked).all()
        return {(row.deployment, row.master) for row in found if (row.action, row.place) in wanted}

    def advance(self, targets: Sequence[Target], decide: Decide) -> None:
        """Let each target's row take the wish that `decide` chooses; one transaction for many."""
        for begin in range(0, len(targets), TARGETS):
            with self._begin() as (connection, now):
                for target in targets[begin : begin + TARGETS]:
                    self._advance(connection, target, decide, now)

    def _advance(self, connection: Connection, target: Target, decide: Decide, now: float) -> None:
        row = _locked(connection, target) or self._new_row(connection, target, now)
        of = (switches.c.deployment == target.deployment, switches.c.master == target.master)
        unseen = select(switches.c.id, switches.c.line).where(*of, switches.c.id > row.seen)
        found = connection.execute(unseen.order_by(switches.c.id).limit(CANDIDATES)).all()
        candidates = [wish_from_line(json.loads(one.line), one.id) for one in found]
        place = _standing(connection, target) if target.standing else None
        step = decide(target, row, candidates, place)
        if step is None:
            return
        waits = row.state is ReactionState.PENDING and not row.attempts and (row.holder is None or row.held_until < now)
        if step.wish is not None and row.wish is not None and waits:
            self._close_open(connection, row, now)
            self._receipt(connection, row, row.wish, RunOutcome.SUPERSEDED, now, "")
        _change(connection, row, step, now)

    def _new_row(self, connection: Connection, target: Target, now: float) -> ReactionRow:
        own = (action_starts.c.action == target.action, action_starts.c.place == target.place)
        seen = connection.scalar(select(action_starts.c.switch).where(*own)) or 0
        values = {
            "action": target.action,
            "place": target.place,
            "deployment": target.deployment,
            "master": target.master,
            "seen": seen,
            "state": ReactionState.IDLE,
            "cause": RunCause.STANDING,
            "wished": now,
            "attempts": 0,
            "checked": 0.0,
            "problem": "",
            "held_until": 0.0,
        }
        _insert_once(connection, reactions, values)
        row = _locked(connection, target)
        assert row is not None
        return row

    def rows(self, names: Iterable[tuple[str, str]], *where: ColumnElement[bool]) -> list[ReactionRow]:
        """Return the rows of actions (name, place), by their ids."""
        wanted = set(names)
        asked = select(reactions).where(reactions.c.action.in_({action for action, _ in wanted}), *where)
        with self._look() as connection:
            found = [_row(one) for one in connection.execute(asked.order_by(reactions.c.id))]
        return [row for row in found if (row.action, row.place) in wanted]

    def pending(self, names: Iterable[tuple[str, str]]) -> list[ReactionRow]:
        """Return the rows of actions (name, place) whose wish is to be carried out."""
        return self.rows(names, reactions.c.state == ReactionState.PENDING)

    def settled(self, names: Iterable[tuple[str, str]]) -> list[ReactionRow]:
        """Return the rows whose wish was carried out or given up."""
        return self.rows(names, reactions.c.state.in_((ReactionState.DONE, ReactionState.FAILED)))

    def siblings(self, row: ReactionRow) -> list[ReactionRow]:
        """Return the rows of all actions of a row's master."""
        of = (reactions.c.deployment == row.deployment, reactions.c.master == row.master)
        with self._look() as connection:
            return [_row(one) for one in connection.execute(select(reactions).where(*of))]

    def order_run(self, target: Target, switch: int | None) -> Wish:
        """
        Let an action be carried out again.

        Args:
            target: the action and the master.
            switch: the id of the switch; None for the newest wish.

        Raises:
            UsageError: there is nothing to carry out, or it is older than what was carried out.
        """
        with self._begin() as (connection, now):
            row = _locked(connection, target) or self._new_row(connection, target, now)
            wish = _chosen(connection, target, row, switch)
            if target.every and row.state is ReactionState.PENDING and row.wish != wish:
                raise UsageError(f"{target.action} is carrying out another switch of {target.master}; try again later")
            if not target.every and row.wish is not None and is_newer(row.wish, wish):
                raise UsageError(
                    f"switch {switch} is older than what {target.action} has carried out for {target.master}: its "
                    "target would show an old master"
                )
            _change(connection, row, WishStep(row.seen, wish, RunCause.RUN), now)
            return wish

    # -- one run ------------------------------------------------------------------------------------

    def take(self, row: ReactionRow, seconds: float, *, run: bool) -> int | None:
        """
        Hold a row, so that no other daemon carries its wish out.

        Args:
            row: as it was read; if its wish changed since, it is not taken.
            seconds: for how long.
            run: whether a run begins, which gets a receipt; else the target is only compared.

        Returns:
            The receipt's id (0 without one); None if another daemon holds the row or its wish is another.
        """
        assert row.wish is not None
        asked = select(reactions).where(reactions.c.id == row.id).with_for_update(skip_locked=True)
        with self._begin() as (connection, now):
            found = connection.execute(asked).first()
            if found is None or found.delivery != row.wish.delivery or found.state != row.state:
                return None
            if found.holder not in (None, self.holder) and found.held_until >= now:
                return None
            holds = {"holder": self.holder, "held_until": now + seconds}
            connection.execute(update(reactions).where(reactions.c.id == row.id).values(**holds))
            if not run:
                return 0
            self._close_open(connection, row, now)
            return self._receipt(connection, row, row.wish, RunOutcome.RUNNING, now, "")

    def renew(self, row: ReactionRow, seconds: float) -> bool:
        """Hold a row for longer; return False if it is not ours any more, or has another wish."""
        with self._begin() as (connection, now):
            changed = connection.execute(update(reactions).where(*self._ours(row)).values(held_until=now + seconds))
            return changed.rowcount > 0

    def failed_attempt(self, row: ReactionRow, receipt: int, attempts: int, output: str) -> bool:
        """Record an attempt without success after which more follow; return False as `renew` does."""
        with self._begin() as (connection, now):
            problem = {"attempts": attempts, "problem": output[:OUTPUT_CHARACTERS]}
            changed = connection.execute(update(reactions).where(*self._ours(row)).values(**problem))
            mine = update(receipts).where(receipts.c.id == receipt)
            connection.execute(mine.values(attempts=attempts, ended=now, output=output[:OUTPUT_CHARACTERS]))
            return changed.rowcount > 0

    def finish(self, row: ReactionRow, receipt: int, outcome: RunOutcome, attempts: int, output: str) -> bool:
        """
        End a run, and let the row go.

        Returns:
            Whether the row took the outcome; False if it has a newer wish, or another holder.
        """
        state = _STATES.get(outcome)
        with self._begin() as (connection, now):
            values: dict[str, Any] = {"holder": None, "held_until": 0.0}
            if state is not None:
                problem = "" if state is ReactionState.DONE else output[:OUTPUT_CHARACTERS]
                values |= {"state": state, "problem": problem, "checked": now, "attempts": attempts}
            took = connection.execute(update(reactions).where(*self._ours(row)).values(**values)).rowcount > 0
            known = outcome
            if not took:
                release = update(reactions).where(reactions.c.id == row.id, reactions.c.holder == self.holder)
                connection.execute(release.values(holder=None, held_until=0.0))
                delivery = connection.scalar(select(reactions.c.delivery).where(reactions.c.id == row.id))
                same = row.wish is not None and delivery == row.wish.delivery
                known = RunOutcome.INTERRUPTED if same else RunOutcome.SUPERSEDED
            mine = update(receipts).where(receipts.c.id == receipt)
            said = {"outcome": known, "ended": now, "attempts": attempts, "output": output[:OUTPUT_CHARACTERS]}
            connection.execute(mine.values(**said))
            return took

    def compared(self, row: ReactionRow, difference: str, *, correct: bool) -> bool:
        """
        End a comparison of a target with its wish, and let the row go.

        Args:
            row: the row.
            difference: what the target shows instead; empty if it is right.
            correct: whether a difference is put right.

        Returns:
            Whether a difference is new.
        """
        assert row.wish is not None
        with self._begin() as (connection, now):
            values: dict[str, Any] = {"holder": None, "held_until": 0.0, "checked": now}
            if difference and correct:
                values |= {"state": ReactionState.PENDING, "cause": RunCause.DRIFT, "attempts": 0, "wished": now}
            values["problem"] = difference[:OUTPUT_CHARACTERS]
            took = connection.execute(update(reactions).where(*self._ours(row)).values(**values)).rowcount > 0
            new = took and bool(difference) and difference[:OUTPUT_CHARACTERS] != row.problem
            if new and not correct:
                self._receipt(connection, row, row.wish, RunOutcome.DRIFTED, now, difference)
            return new

    def _ours(self, row: ReactionRow) -> tuple[ColumnElement[bool], ...]:
        assert row.wish is not None
        columns = reactions.c
        return columns.id == row.id, columns.holder == self.holder, columns.delivery == row.wish.delivery

    def _close_open(self, connection: Connection, row: ReactionRow, now: float) -> None:
        """End the receipts that a daemon has left open."""
        of = [getattr(receipts.c, name) == getattr(row, name) for name in ("action", "place", "deployment", "master")]
        left = update(receipts).where(*of, receipts.c.outcome == RunOutcome.RUNNING)
        ended = func.coalesce(receipts.c.ended, now)
        connection.execute(left.values(outcome=RunOutcome.INTERRUPTED, ended=ended))

    def _receipt(
        self, connection: Connection, row: ReactionRow, wish: Wish, outcome: RunOutcome, now: float, output: str
    ) -> int:
        values = {
            "action": row.action,
            "place": row.place,
            "deployment": row.deployment,
            "master": row.master,
            "delivery": wish.delivery,
            "cause": row.cause,
            "outcome": outcome,
            "started": now,
            "ended": None if outcome is RunOutcome.RUNNING else now,
            "attempts": 0,
            "output": output[:OUTPUT_CHARACTERS],
            "observer": self.name,
            "holder": self.holder,
            "wish": to_json(wish.line),
        }
        key = connection.execute(insert(receipts), values).inserted_primary_key
        assert key is not None
        return int(key[0])

    # -- pauses -------------------------------------------------------------------------------------

    def pause(
        self, action: str, deployment: str, master: str, seconds: float | None, by: str, reason: str
    ) -> ActionPause:
        """
        ActionPause actions on all daemons; a pause of the same names is replaced.

        Args:
            action: its name; empty for all.
            deployment: the same.
            master: the same.
            seconds: for how long; None until they are resumed.
            by: who asks for it.
            reason: why.
        """
        with self._begin() as (connection, now):
            until = None if seconds is None else now + seconds
            pause = ActionPause(action, deployment, master, now, until, by, reason)
            connection.execute(delete(pauses).where(*_named(pause)))
            names = ("action", "deployment", "master", "since", "until", "by", "reason")
            connection.execute(insert(pauses), {name: getattr(pause, name) for name in names})
            return pause

    def resume(self, action: str, deployment: str, master: str) -> bool:
        """End the pause of these names; return whether there was one."""
        with self._begin() as (connection, _):
            given = ActionPause(action, deployment, master, 0.0, None, "", "")
            return connection.execute(delete(pauses).where(*_named(given))).rowcount > 0

    def pauses(self) -> tuple[list[ActionPause], float]:
        """Return the pauses that hold now, and the time by the database's clock."""
        with self._begin() as (connection, now):
            found = connection.execute(select(pauses).where(or_(pauses.c.until.is_(None), pauses.c.until > now)))
            return [ActionPause(**one._mapping) for one in found], now


_STATES: Final = {
    RunOutcome.DONE: ReactionState.DONE,
    RunOutcome.DRY_RUN: ReactionState.DONE,
    RunOutcome.GAVE_UP: ReactionState.FAILED,
    RunOutcome.EXPIRED: ReactionState.FAILED,
}
"""What a run's outcome makes of the wish; with any other it is still to be carried out."""


def _insert_once(connection: Connection, table: Any, values: dict[str, Any]) -> None:
    try:
        with connection.begin_nested():
            connection.execute(insert(table), values)
    except IntegrityError:  # it is there; or another daemon was faster
        return


def _locked(connection: Connection, target: Target) -> ReactionRow | None:
    of = [getattr(reactions.c, name) == getattr(target, name) for name in ("action", "place", "deployment", "master")]
    found = connection.execute(select(reactions).where(*of).with_for_update()).first()
    return None if found is None else _row(found)


def _row(found: Row[Any]) -> ReactionRow:
    wish = None if found.wish is None else json.loads(found.wish)
    return ReactionRow(
        id=found.id,
        action=found.action,
        place=found.place,
        deployment=found.deployment,
        master=found.master,
        seen=found.seen,
        wish=None if wish is None else wish_from_line(wish["switch"], wish["id"], found.delivery),
        state=ReactionState(found.state),
        cause=RunCause(found.cause),
        wished=found.wished,
        attempts=found.attempts,
        checked=found.checked,
        problem=found.problem,
        holder=found.holder,
        held_until=found.held_until,
    )


def _change(connection: Connection, row: ReactionRow, step: WishStep, now: float) -> None:
    values: dict[str, Any] = {"seen": step.seen}
    if step.wish is not None:
        values |= {
            "wish": to_json({"id": step.wish.switch, "switch": step.wish.line}),
            "delivery": step.wish.delivery,
            "state": ReactionState.PENDING,
            "cause": step.cause,
            "wished": now,
            "attempts": 0,
            "problem": "",
        }
    connection.execute(update(reactions).where(reactions.c.id == row.id).values(**values))


def _standing(connection: Connection, target: Target) -> Wish | None:
    """Return where a master was last known to be, as a wish."""
    of = (masters.c.deployment == target.deployment, masters.c.master == target.master)
    found = connection.execute(select(masters).where(*of)).first()
    if found is None:
        return None
    line = {
        "type": "switch",
        "time": iso(found.since),
        "deployment": found.deployment,
        "master": found.master,
        "old": None,
        "new": {"host": found.host, "port": found.port},
        "epoch": found.epoch,
        "grade": "announced",
        "cause": "unknown",
        "witnesses": [],
        "why": "this is where the master is",
        "via": "standing",
        "incarnation": found.incarnation,
    }
    return wish_from_line(line)


def _chosen(connection: Connection, target: Target, row: ReactionRow, switch: int | None) -> Wish:
    """Return the wish that a person means."""
    of = [switches.c.deployment == target.deployment, switches.c.master == target.master]
    if switch is not None:
        of.append(switches.c.id == switch)
    found = None
    if switch is not None or row.wish is None:
        found = connection.execute(select(switches).where(*of).order_by(switches.c.id.desc()).limit(1)).first()
    if found is not None:
        return wish_from_line(json.loads(found.line), found.id)
    wish = row.wish or _standing(connection, target)
    if wish is None or switch is not None:
        what = f"no switch {switch}" if switch is not None else "nothing"
        raise UsageError(f"the journal has {what} of the master {target.master!r} to carry out")
    return wish


def _named(pause: ActionPause) -> tuple[ColumnElement[bool], ...]:
    names = ("action", "deployment", "master")
    return tuple(getattr(pauses.c, name) == getattr(pause, name) for name in names)
