"""
The questions about failovers, as SQL: the same text for SQLite and PostgreSQL, with parameters by name (``:name``).

Plain SQL, so that one text serves two readers: `reader`, by SQLAlchemy, and `sqlite_reader`, by Python's own sqlite3,
which starts much faster. Pure: nothing is asked here. Names are compared as they are stored.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from .stored_names import stored

__all__ = ["FailoverFilter", "Query"]

_NO_KEY: Final = re.compile(r"[^A-Za-z_]")
"""Characters that no key of a line has."""
_SELECT: Final = "SELECT id, started, acknowledged, line FROM failovers"


class Query(NamedTuple):
    """A SELECT and its parameters by name."""

    sql: str
    parameters: dict[str, object]


@dataclass(frozen=True, slots=True)
class FailoverFilter:
    """Which failovers to list; None means any."""

    deployment: str | None = None
    master: str | None = None
    outcome: str | None = None
    """``completed``, ``aborted`` or ``in-progress``."""
    kind: str | None = None
    """``automatic``, ``manual`` or ``coordinated``."""
    since: float | None = None
    """Seconds since 1970: those that began then or later."""
    until: float | None = None
    """Seconds since 1970: those that began before."""
    suspicions: bool = False
    """Whether to include suspicions, after which no Sentinel tried a failover."""
    missed: bool | None = None
    acknowledged: bool | None = None
    text: str | None = None
    """Text in its names, id, comments or (if it is more than a bare word) addresses and reason; case doesn't matter."""


def page_of_failovers(wanted: FailoverFilter, after: tuple[float, str] | None, rows: int) -> Query:
    """
    Ask for failovers, newest first: ``id, started, acknowledged, line``.

    Args:
        wanted: which ones.
        after: when the last one of the page before began, and its id; None for the first page.
        rows: the most rows.
    """
    where, parameters = _conditions(wanted)
    if after is not None:
        # The first condition follows from the second; it tells the database where to start.
        where += ["started <= :after", "(started < :after OR id < :last)"]
        parameters |= {"after": after[0], "last": after[1]}
    conditions = f" WHERE {' AND '.join(where)}" if where else ""
    return Query(f"{_SELECT}{conditions} ORDER BY started DESC, id DESC LIMIT :rows", parameters | {"rows": rows})


def one_failover(id: str) -> Query:
    """Ask for one failover: ``id, started, acknowledged, line``."""
    return Query(f"{_SELECT} WHERE id = :id", {"id": id})


def comments_on(id: str) -> Query:
    """Ask for a failover's comments, oldest first: ``time, by, acknowledges, text``, names as they are stored."""
    return Query('SELECT time, "by", acknowledges, text FROM comments WHERE failover = :id ORDER BY id', {"id": id})


def ids_beginning(text: str, rows: int) -> Query:
    """Ask for ids that begin with a text, in order: ``id``; with SQLite also where upper and lower case differ."""
    pattern = stored(_literal(text)) + "%"
    return Query(
        "SELECT id FROM failovers WHERE id LIKE CAST(:pattern AS TEXT) ESCAPE '/' ORDER BY id LIMIT :rows",
        {"pattern": pattern, "rows": rows},
    )


def switches_of(failover: str, rows: int) -> Query:
    """Ask for the switches that a failover led to, oldest first: ``observer, line``."""
    return Query(
        "SELECT observer, line FROM entries WHERE type = 'switch' AND failover = :failover ORDER BY id LIMIT :rows",
        {"failover": failover, "rows": rows},
    )


def _conditions(wanted: FailoverFilter) -> tuple[list[str], dict[str, object]]:
    given: dict[str, object] = {
        "deployment": None if wanted.deployment is None else stored(wanted.deployment),
        "master": None if wanted.master is None else stored(wanted.master),
        "outcome": wanted.outcome,
        "kind": wanted.kind,
    }
    parameters = {name: value for name, value in given.items() if value is not None}
    where = [f"{name} = :{name}" for name in parameters]
    if wanted.since is not None:
        where.append("started >= :since")
        parameters["since"] = wanted.since
    if wanted.until is not None:
        where.append("started < :until")
        parameters["until"] = wanted.until
    if not wanted.suspicions:
        where.append("attempted")
    if wanted.missed is not None:
        where.append("missed" if wanted.missed else "NOT missed")
    if wanted.acknowledged is not None:
        where.append("acknowledged IS NOT NULL" if wanted.acknowledged else "acknowledged IS NULL")
    if wanted.text:
        mentions, texts = _mentions(wanted.text)
        where.append(mentions)
        parameters |= texts
    return where, parameters


def _mentions(text: str) -> tuple[str, dict[str, object]]:
    """
    Return the condition that a failover mentions a text, and its parameters.

    Lines are JSON, so the text is searched as JSON spells it. A bare word is not: it may be a key of every line.
    """
    host, colon, port = text.rpartition(":")
    spelt = [json.dumps(text)[1:-1]] if _NO_KEY.search(text) else []
    if colon and port.isdigit():
        spelt.append(f'"host":{json.dumps(host.strip("[]"))},"port":{port}')
    name = stored(_literal(text))
    parameters: dict[str, object] = {"anywhere": f"%{name}%", "beginning": f"{name}%"}
    found = [_like("deployment", "anywhere"), _like("master", "anywhere"), _like("id", "beginning")]
    for number, one in enumerate(spelt):
        parameters[f"spelt{number}"] = f"%{_literal(one)}%"
        found.append(_like("line", f"spelt{number}"))
    said = " OR ".join(_like(column, "anywhere") for column in ('comments."by"', "comments.text"))
    found.append(f"EXISTS (SELECT 1 FROM comments WHERE comments.failover = failovers.id AND ({said}))")
    return f"({' OR '.join(found)})", parameters


def _like(column: str, parameter: str) -> str:
    # PostgreSQL knows the type of a lone parameter only by a cast.
    return f"lower({column}) LIKE lower(CAST(:{parameter} AS TEXT)) ESCAPE '/'"


def _literal(text: str) -> str:
    """Escape what LIKE does not take as it is."""
    return text.replace("/", "//").replace("%", "/%").replace("_", "/_")
