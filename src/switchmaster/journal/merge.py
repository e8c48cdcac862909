"""
One observer's account of a failover, and several of them merged into the one record that readers get.

Rules, all of them in this file:

1. Two accounts are of one failover (`same_failover`) where their epochs are equal and their new addresses do not
   contradict; or, where one has no epoch, where they left the same master, overlap in time, and neither chose a
   replica when the other had promoted one long before.
2. Merged (`merged`), the fullest account leads: a stage keeps the time that it has there, for clocks differ, and
   everybody who said so. What it has not seen is taken from the others. Who saw the switch is believed over who gave
   up; who saw a promotion given up, over who heard no more than that promotion.
3. An outage counts from the master's last answer where an observer knows ``down_after``, else from the suspicion.
   Durations are measured by one observer's monotonic clock. Where no single one saw both ends, they are taken from
   the wall clock and named in ``estimated``.

Pure: values in, values out. Addresses in lines are ``{"host":…, "port":…}``, times are ISO 8601 in UTC, elapsed
seconds count from the first stage that the same observer saw.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf
from typing import Any, Final

from ..model import Address, Stage
from ..render import Line, iso
from ..wire.events import Progress, progress_of

__all__ = ["OVERLAP", "Observation", "address_line", "from_iso", "merged", "same_failover"]

OVERLAP: Final = 5.0
"""Seconds by which the clocks of two observers, and the moments at which they hear, may differ."""

OPEN: Final = 200.0
"""Seconds for which an attempt whose end was not seen may still be the one that is heard of now: the core's own
limit for an attempt that nobody speaks of (`belief.attempts.SILENCE`)."""

_RANK: Final = {str(stage): rank for rank, stage in enumerate(Stage)}

# A suspicion is none of the former: Sentinels that have not heard of the new master suspect the old one afterwards.
_CHOOSING: Final = ("electing", "elected", "selected", "promoting")
_CHOSEN: Final = ("promoted", "switched", "settled")

_SPANS: Final = {
    "detection": ("suspected", "agreed-down"),
    "election": ("electing", "elected"),
    "promotion": ("selected", "promoted"),
    "announcement": ("promoted", "switched"),
    "outage": ("suspected", "promoted"),
}


@dataclass(frozen=True, slots=True)
class Observation:
    """What one observer knows of one attempt, as far as it has come; a newer one replaces it."""

    deployment: str
    master: str
    number: int
    """Counts this observer's accounts of this master: with the observer, the account's identity."""
    incarnation: int
    """The observer's own count in what the ledger makes, the journal's in what the store keeps."""
    old: Address | None
    new: Address | None
    epoch: int | None
    kind: str | None
    outcome: str
    attempted: bool
    closed: bool
    missed: bool
    """The switch was found afterwards: nothing of it was heard."""
    started: float
    """Seconds since 1970: the first stage; of a missed one, when it was found."""
    heard: float
    """The last news of it."""
    earliest: float | None = None
    """Of a missed one: when the master was last known to be at the old address."""
    line: Line = field(default_factory=dict)
    """Everything else, by the keys of the merged line."""


def address_line(address: Address | None) -> Line | None:
    """Return an address as lines have it."""
    return None if address is None else {"host": address.host, "port": address.port}


def from_iso(text: str | None) -> float | None:
    """Return the seconds since 1970 of a time in a line."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


def same_failover(a: Observation, b: Observation) -> bool:
    """Whether two accounts of one master, by different observers, tell of one attempt."""
    if a.incarnation != b.incarnation or not _agree(a.new, b.new):
        return False
    if a.epoch is not None and b.epoch is not None:
        return a.epoch == b.epoch
    return _agree(a.old, b.old) and _overlap(a, b) and _in_turn(a, b) and _in_turn(b, a)


def _agree(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _overlap(a: Observation, b: Observation) -> bool:
    return _begin(a) <= _end(b) and _begin(b) <= _end(a)


def _in_turn(a: Observation, b: Observation) -> bool:
    """Whether nobody was chosen in the one after the other had chosen."""
    return max(_moments(a, _CHOOSING), default=0.0) <= min(_moments(b, _CHOSEN), default=inf) + OVERLAP


def _moments(account: Observation, stages: Container[str]) -> Iterator[float]:
    for stage in account.line.get("stages", ()):
        if stage["stage"] in stages and (moment := from_iso(stage["time"])) is not None:
            yield moment


def _begin(account: Observation) -> float:
    return account.started if account.earliest is None else account.earliest


def _end(account: Observation) -> float:
    return account.heard + (OVERLAP if account.closed else OPEN)


def merged(accounts: Sequence[tuple[str, Observation]]) -> Observation:
    """
    Put together what several observers know of one attempt.

    Args:
        accounts: each with its observer's name; at least one.

    Returns:
        One account. Its ``line`` is what readers get, but for ``id``, ``comments`` and ``acknowledged``:
        the keys of `switchmaster.render.failover_line`, and ``ended``, ``attempted``, ``missed``, ``closed``,
        ``incarnation``, ``agreement`` (``agreeing`` of ``quorum``), ``promotion`` (when the ``node`` itself said so,
        and when a ``sentinel`` did), ``announcements`` (each Sentinel's ``+switch-master``), ``replicas``,
        ``returned`` (the old master), ``away`` (of a missed one: ``after``, ``before`` and the ``epochs``),
        ``votes``, ``remarks`` (what only logs say), ``observers`` and ``estimated``.
    """
    ordered = sorted(accounts, key=_fullness)
    first = ordered[0][1]
    watched = [account for _, account in ordered if not account.missed]
    whole = replace(
        first,
        old=_first(account.old for _, account in ordered),
        new=_first(account.new for _, account in ordered),
        epoch=_first(account.epoch for _, account in ordered),
        kind=_first(account.kind for _, account in ordered),
        outcome=_outcome([account for _, account in ordered]),
        attempted=any(account.attempted for _, account in ordered),
        closed=any(account.closed for _, account in ordered),
        missed=not watched,
        started=min(account.started for account in watched or [first]),
        heard=max(account.heard for _, account in ordered),
        earliest=first.earliest if not watched else None,
    )
    return replace(whole, line=_line(whole, ordered))


def _fullness(observed: tuple[str, Observation]) -> tuple[bool, int, float, str]:
    name, account = observed
    return account.missed, -len(account.line.get("stages", ())), account.started, name


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _gave_back(account: Observation) -> bool:
    """Whether a promotion was seen to be given up: nothing else aborts a failover after it."""
    return account.outcome == "aborted" and any(_moments(account, ("promoted",)))


def _outcome(accounts: Sequence[Observation]) -> str:
    outcomes = {account.outcome for account in accounts}
    stages = {stage["stage"] for account in accounts for stage in account.line.get("stages", ())}
    if "switched" not in stages and any(_gave_back(account) for account in accounts):
        # Who heard no more than the promotion takes it for the end; had it lasted, a Sentinel would have announced it.
        return "aborted"
    # An observer that gave up did so for lack of news; one that saw the switch has seen it.
    return next(outcome for outcome in ("completed", "aborted", "in-progress") if outcome in outcomes)


def _line(whole: Observation, ordered: Sequence[tuple[str, Observation]]) -> Line:
    lines = [account.line for _, account in ordered]
    stages = _stages(lines, whole.outcome)
    line: Line = {
        "type": "failover",
        "time": iso(whole.started),
        "deployment": whole.deployment,
        "master": whole.master,
        "incarnation": whole.incarnation,
        "outcome": whole.outcome,
        "kind": whole.kind,
        "old": address_line(whole.old),
        "new": address_line(whole.new),
        "epoch": whole.epoch,
        "leader": _first(line.get("leader") for line in lines),
        "candidates": _union(line.get("candidates", ()) for line in lines),
        "reason": _reason(whole, lines),
        "attempted": whole.attempted,
        "missed": whole.missed,
        "closed": whole.closed,
        "ended": iso(whole.heard) if whole.closed else None,
        "agreement": _first(line.get("agreement") for line in lines),
        "promotion": _promotion(lines),
        "announcements": _announcements(lines),
        "stages": stages,
        "replicas": _replicas(stages),
        "returned": _first(line.get("returned") for line in lines),
        "votes": _union(line.get("votes", ()) for line in lines),
        "remarks": sorted(_union(line.get("remarks", ()) for line in lines), key=lambda said: said["time"] or ""),
        "away": _first(line.get("away") for line in lines) if whole.missed else None,
        "observers": _union([name] for name, _ in ordered),
        "down_after": _first(line.get("down_after") for line in lines),
    }
    return line | _durations(line, lines)


def _union(lists: Iterable[Iterable[Any]]) -> list[Any]:
    found: list[Any] = []
    for items in lists:
        found += [item for item in items if item not in found]
    return found


def _reason(whole: Observation, lines: Sequence[Line]) -> str | None:
    return _first(line.get("reason") for line in lines) if whole.outcome == "aborted" else None


def _key(stage: Line) -> tuple[Any, ...]:
    if stage["stage"] != "reconfiguring":
        return (stage["stage"],)
    replica = stage.get("replica") or {}
    return stage["stage"], stage["by"], replica.get("host"), replica.get("port")


def _numbered(stages: Sequence[Line]) -> Iterator[tuple[tuple[Any, ...], Line]]:
    """Yield each stage with what it is recognised by; a replica may be told several times."""
    times: dict[tuple[Any, ...], int] = {}
    for stage in stages:
        key = _key(stage)
        times[key] = times.get(key, 0) + 1
        yield (*key, times[key]), stage


def _stages(lines: Sequence[Line], outcome: str) -> list[Line]:
    found: dict[tuple[Any, ...], Line] = {}
    for line in lines:
        for key, stage in _numbered(line.get("stages", ())):
            if stage["stage"] == "aborted" and outcome == "completed":
                continue
            known = found.get(key)
            found[key] = dict(stage) if known is None else _one_stage(known, stage)
    return sorted(found.values(), key=lambda stage: (_RANK[stage["stage"]], stage["time"] or ""))


def _one_stage(known: Line, other: Line) -> Line:
    said = _union([[known["sentinel"]], known.get("also", ()), [other["sentinel"]], other.get("also", ())])
    also = [name for name in said if name not in (None, known["sentinel"])]
    if None in said and known["sentinel"] is not None and known["stage"] == "promoted":
        # The node's own answer is the better news, and another observer has it.
        return _one_stage(other, known)
    return {**known, "replica": known.get("replica") or other.get("replica"), **({"also": also} if also else {})}


def _promotion(lines: Sequence[Line]) -> Line | None:
    both = [line["promotion"] for line in lines if line.get("promotion")]
    if not both:
        return None
    return {who: min((p[who] for p in both if p.get(who)), default=None) for who in ("node", "sentinel")}


def _announcements(lines: Sequence[Line]) -> list[Line]:
    found: dict[str, Line] = {}
    for line in lines:
        for said in line.get("announcements", ()):
            found.setdefault(said["sentinel"], said)
    return sorted(found.values(), key=lambda said: said["time"] or "")


def _replicas(stages: Sequence[Line]) -> list[Line]:
    """Return when each other replica was told to follow, and when it did."""
    found: dict[tuple[str, int], Line] = {}
    for stage in stages:
        if stage["stage"] != "reconfiguring" or not stage.get("replica"):
            continue
        address = stage["replica"]
        row = found.setdefault(
            (address["host"], address["port"]), {**address, "told": None, "seen": None, "follows": None, "again": 0}
        )
        match progress_of(stage["by"]):
            case Progress.TOLD:
                row["told"] = row["told"] or stage["time"]
            case Progress.SEEN:
                row["seen"] = row["seen"] or stage["time"]
            case Progress.FOLLOWS:
                row["follows"] = row["follows"] or stage["time"]
            case Progress.OVERDUE:
                row["again"] += 1
    return list(found.values())


def _durations(whole: Line, lines: Sequence[Line]) -> Line:
    durations: dict[str, float] = {}
    ordered = sorted(whole["stages"], key=lambda stage: stage["time"] or "")
    ends = {_key(stage) for stage in (*ordered[:1], *ordered[-1:])}
    for line in lines:
        saw_both = ends <= {_key(stage) for stage in line.get("stages", ())}
        for name, seconds in line.get("durations", {}).items():
            if name == "outage" and line.get("down_after") != whole["down_after"]:
                continue  # it does not count from the same moment
            if name != "total":
                durations.setdefault(name, seconds)
            elif saw_both:
                durations[name] = max(seconds, durations.get(name, 0.0))
    estimated = []
    if ordered and "total" not in durations:
        begun, done = from_iso(ordered[0]["time"]), from_iso(ordered[-1]["time"])
        if begun is not None and done is not None:
            durations["total"] = round(done - begun, 6)
            estimated.append("total")
    moments = {stage["stage"]: from_iso(stage["time"]) for stage in reversed(whole["stages"])}
    for name, (start, end) in _SPANS.items():
        begun, done = moments.get(start), moments.get(end)
        if name not in durations and begun is not None and done is not None:
            silent = whole["down_after"] or 0.0 if name == "outage" else 0.0
            durations[name] = round(max(0.0, done - begun) + silent, 6)
            estimated.append(name)
    said = [moment for a in whole["announcements"] if (moment := from_iso(a["time"])) is not None]
    if len(said) > 1 and "spread" not in durations:
        durations["spread"] = round(max(said) - min(said), 6)
        estimated.append("spread")
    return {"durations": durations, "estimated": estimated}
