"""
Failovers reported for people, stage by stage: values of the core in, lines of words out.

One `Narrator` reports one deployment. It remembers what it has reported, so that a record that grows with every stage
is reported stage by stage, each once, with the time since the first stage. It prints nothing and reads no clock; text
from the network is neutralised where it is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ..belief.decisions import Notice, NoticeKind, Switch
from ..belief.failover import Failover, FailoverKind, Outcome, StageEntry
from ..belief.words import SUSPICION_ENDED, record_words, stage_words
from ..model import Address, Stage, Via, Wall
from ..wire.events import EVENTS, Progress, progress_of
from .local_time import clock, day_and_clock
from .output import Words

__all__ = ["Narrator"]

TOLD_KEPT: Final = 1_000
"""Attempts whose reported stages are remembered; the oldest is forgotten first."""
NAME_WIDTH: Final = 24
WHEN_WIDTH: Final = 12
WHAT_WIDTH: Final = len(SUSPICION_ENDED)

_RANK: Final = {stage: rank for rank, stage in enumerate(Stage)}
_STYLES: Final[Mapping[Stage, str]] = {
    Stage.SUSPECTED: "yellow",
    Stage.AGREED_DOWN: "red",
    Stage.PROMOTED: "bold green",
    Stage.SETTLED: "green",
    Stage.ABORTED: "bold red",
}
_NOTICE_STYLES: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.NO_FAILOVER: "bold red",
    NoticeKind.FAILOVER_POSSIBLE: "green",
}
_QUIET: Final = frozenset(spec.channel for spec in EVENTS if spec.quiet)
"""Events within a stage that mean nothing to people."""


class Narrator:
    """
    Reports what happens in one deployment, line by line.

    Args:
        masters: names that are known already, for the width of their column.
    """

    def __init__(self, masters: Iterable[str] = ()) -> None:
        self._width = 0
        self._told: dict[tuple[str, int], set[tuple[object, ...]]] = {}
        self._begun: dict[str, StageEntry] = {}
        """The first stage of the open attempt, by master."""
        for name in masters:
            self._widen(name)

    def failover(self, record: Failover, switch: Switch | None = None) -> list[Words]:
        """
        Report what is new in a record.

        Args:
            record: the record so far.
            switch: a switch to report between the stages, if the whole record comes at once.
        """
        told = self._told_of(record)
        news = [entry for entry in record.stages if _key(entry) not in told]
        news.sort(key=lambda entry: (entry.at, _RANK[entry.stage]))
        lines = self._heading(record) if not told and news else []
        for entry in news:
            told.add(_key(entry))
            if entry.by not in _QUIET:
                lines.append(self._stage(record, entry))
            if switch is not None and _decided_by(switch, entry):
                lines += self.switch(switch)
                switch = None
        if switch is not None:
            lines += self.switch(switch)
        if record.closed and ("closed",) not in told:
            told.add(("closed",))
            lines += self._closing(record)
            self._begun.pop(record.master, None)
        return lines

    def switch(self, switch: Switch) -> list[Words]:
        """Report a switch."""
        self._widen(switch.master)
        begun = self._begun.get(switch.master)
        when = clock(switch.time) if begun is None else _elapsed(begun, switch.at, switch.time)
        old = "nowhere" if switch.old is None else str(switch.old)
        epoch = "" if switch.epoch is None else f"epoch {switch.epoch}, "
        cause = "" if switch.cause == "failover" else f", cause {switch.cause}"
        return [
            (
                *self._columns(switch.master, when, "SWITCH", "bold reverse green"),
                (f"{old} -> {switch.new}", "bold"),
                (f"  ({epoch}grade {switch.grade}{cause})", ""),
            ),
            (*self._columns(switch.master, "", "", ""), (f"because {switch.why}", "dim")),
        ]

    def notice(self, notice: Notice) -> list[Words]:
        """Report a notice."""
        name = notice.master or ""
        self._widen(name)
        style = _NOTICE_STYLES.get(notice.kind, "")
        return [(*self._columns(name, clock(notice.time), "note", style or "yellow"), (notice.text, style))]

    def remark(self, time: Wall, what: str, text: str, style: str = "") -> Words:
        """Report something about the whole deployment, such as the loss of a Sentinel."""
        return (*self._columns("", clock(time), what, style), (text, ""))

    def _told_of(self, record: Failover) -> set[tuple[object, ...]]:
        key = (record.master, record.number)
        if key not in self._told:
            while len(self._told) >= TOLD_KEPT:
                del self._told[next(iter(self._told))]
            self._told[key] = set()
        return self._told[key]

    def _heading(self, record: Failover) -> list[Words]:
        self._widen(record.master)
        first = min(record.stages, key=lambda entry: (entry.at, _RANK[entry.stage]))
        self._begun[record.master] = first
        old = "not known" if record.old is None else str(record.old)
        if first.stage in (Stage.SUSPECTED, Stage.AGREED_DOWN):
            text = f"the master {old} seems to be down"
        elif record.kind is FailoverKind.AUTOMATIC or record.kind is None:
            text = f"a failover of the master {old}"
        else:
            text = f"a {record.kind} failover of the master {old}"
        when = day_and_clock(first.time)
        return [(), ((f"{record.master}: ", "bold"), (text, "bold"), (f"  {when}", "dim"))]

    def _stage(self, record: Failover, entry: StageEntry) -> Words:
        begun = self._begun.get(record.master, entry)
        what = stage_words(entry.stage, record.attempted)
        columns = self._columns(
            record.master,
            _elapsed(begun, entry.at, entry.time),
            what,
            _STYLES.get(entry.stage, "cyan"),
        )
        text = _SENTENCES[entry.stage](record, entry)
        source = "" if entry.sentinel is None else f"  ({entry.by} from {entry.sentinel})"
        return (*columns, (text, ""), (source, "dim"))

    def _closing(self, record: Failover) -> list[Words]:
        style = "green" if record.outcome is Outcome.COMPLETED else "red"
        what = record_words(record.outcome, record.attempted, record.closed, None)
        lines: list[Words] = []
        for text in _verdict(record):
            lines.append((*self._columns(record.master, "", what, style), (text, style)))
            what = ""
        return lines

    def _columns(self, master: str, when: str, what: str, style: str) -> Words:
        return (
            (f"{master:<{self._width}}  ", "dim"),
            (f"{when:>{WHEN_WIDTH}}  ", ""),
            (f"{what:<{WHAT_WIDTH}} ", style),
        )

    def _widen(self, name: str) -> None:
        self._width = min(NAME_WIDTH, max(self._width, len(name)))


def _key(entry: StageEntry) -> tuple[object, ...]:
    if entry.stage is Stage.RECONFIGURING:
        return (entry.stage, entry.by, entry.replica)
    return (entry.stage,)


def _decided_by(switch: Switch, entry: StageEntry) -> bool:
    if switch.via is Via.SNAPSHOT:
        return False
    return entry.by == ("ROLE" if switch.via is Via.ROLE else str(switch.via))


def _elapsed(begun: StageEntry, at: float, time: Wall) -> str:
    return "" if time is None or begun.time is None else f"+{max(0.0, at - begun.at):.3f} s"


def _suspected(record: Failover, entry: StageEntry) -> str:
    return f"one Sentinel gets no valid answer from {record.old or 'it'}"


def _agreed(record: Failover, entry: StageEntry) -> str:
    return "a quorum of Sentinels agrees"


def _electing(record: Failover, entry: StageEntry) -> str:
    epoch = "" if record.epoch is None else f" at epoch {record.epoch}"
    if entry.voted_for:
        whom = "itself" if entry.voted_for == entry.sentinel else entry.voted_for
        return f"{entry.sentinel or 'a Sentinel'} votes for {whom} to lead the failover{epoch}"
    return f"{entry.sentinel or 'a Sentinel'} asks to lead the failover{epoch}"


def _elected(record: Failover, entry: StageEntry) -> str:
    return f"{entry.sentinel or record.leader or 'a Sentinel'} leads the failover"


def _selected(record: Failover, entry: StageEntry) -> str:
    return f"{_replica(entry, record)} is chosen to become the master"


def _promoting(record: Failover, entry: StageEntry) -> str:
    return f"{_replica(entry, record)} is ordered to become a master"


def _promoted(record: Failover, entry: StageEntry) -> str:
    if entry.by == "ROLE":
        return f"{_replica(entry, record)} itself answers that it is a master: it takes writes"
    return f"{_replica(entry, record)} is a master, as the leader sees"


def _switched(record: Failover, entry: StageEntry) -> str:
    waited = record.durations.get("announcement")
    late = "" if waited is None else f", {waited:.3f} s after the promotion was known"
    return f"the first Sentinel announces {_replica(entry, record)}{late}"


def _reconfiguring(record: Failover, entry: StageEntry) -> str:
    who = "a replica" if entry.replica is None else str(entry.replica)
    match progress_of(entry.by):
        case Progress.FOLLOWS:
            return f"{who} follows the new master"
        case Progress.OVERDUE:
            return f"{who} has not obeyed for 10 s and is ordered again"
        case Progress.TIMED_OUT:
            return "the replicas took too long; the remaining ones are ordered once more"
        case _:
            return f"{who} is ordered to follow the new master"


def _settled(record: Failover, entry: StageEntry) -> str:
    return "the leader has finished and is the last to announce the switch"


def _aborted(record: Failover, entry: StageEntry) -> str:
    return entry.reason or "no reason was heard"


_SENTENCES: Final[Mapping[Stage, Callable[[Failover, StageEntry], str]]] = {
    Stage.SUSPECTED: _suspected,
    Stage.AGREED_DOWN: _agreed,
    Stage.ELECTING: _electing,
    Stage.ELECTED: _elected,
    Stage.SELECTED: _selected,
    Stage.PROMOTING: _promoting,
    Stage.PROMOTED: _promoted,
    Stage.SWITCHED: _switched,
    Stage.RECONFIGURING: _reconfiguring,
    Stage.SETTLED: _settled,
    Stage.ABORTED: _aborted,
}


def _replica(entry: StageEntry, record: Failover) -> Address | str:
    return entry.replica or record.new or "the replica"


def _outage(seconds: float, down_after: float | None) -> str:
    if down_after is None:
        return f"there was a new master {seconds:.3f} s after the first suspicion"
    return (
        f"{seconds:.3f} s without a master: {down_after:.3f} s until it was suspected (down-after), "
        f"{seconds - down_after:.3f} s until there was a new one"
    )


def _verdict(record: Failover) -> list[str]:
    """Return the final lines: how long it took, and how much earlier the promotion was known."""
    if record.outcome is not Outcome.COMPLETED:
        return [] if record.attempted else ["no Sentinel tried a failover"]
    durations = record.durations
    lines = [f"{record.old or 'the old master'} -> {record.new or 'a new one'}"]
    if "total" in durations:
        lines[0] += f", {durations['total']:.3f} s from the first event to the last"
    if "outage" in durations:
        lines.append(_outage(durations["outage"], record.down_after))
    promoted, settled = record.entry(Stage.PROMOTED), record.entry(Stage.SETTLED)
    if "announcement" in durations and promoted is not None:
        who = "the node itself" if promoted.by == "ROLE" else "the leader"
        gained = f"{durations['announcement']:.3f} s before the first +switch-master"
        if settled is not None:
            gained += f", {settled.at - promoted.at:.3f} s before the leader's"
        lines.append(f"known from {who} {gained}")
    return lines
