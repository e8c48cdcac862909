"""
Candidates: addresses that may be the master's next, and what speaks for each, as values and in words.

Nothing is judged here; `decide` does that, and takes the reason of a switch from `why`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..model import LIMITS, Address, Cause, Grade, SentinelName, Via
from ..wire.facts import Probe
from .decisions import StartProbe, StopProbe
from .standing import SETTLE
from .views import View

__all__ = ["Candidate", "Candidates", "unproved", "why"]


@dataclass(slots=True)
class Candidate:
    """An address that may be the master's, and what speaks for it."""

    node: Address
    epoch: int | None = None
    """The config epoch of its failover; None while no fact has named it."""
    named: dict[SentinelName, None] = field(default_factory=dict)
    """Leaders that selected it."""
    announced: dict[SentinelName, Via] = field(default_factory=dict)
    """Sentinels that say it is the master."""
    announced_at: float | None = None
    """When the first of them did, in monotonic seconds; None exactly while `announced` is empty."""
    asked: bool = False
    """A Sentinel was asked for the epoch and has not answered."""
    compared_at: float | None = None
    """When the Sentinels that give another address were asked whether they still do, in monotonic seconds."""
    role: str | None = None
    """The role that the node last answered; None if it gave none."""
    reason: str = ""
    """Why the node gave no ROLE; empty while it has not been asked or has answered."""
    ended: bool = False
    """The node has just ended the connection over which it answered, as a promotion does; until it is asked again."""
    begins: Cause | None = None
    """Why a new incarnation begins with it; None if it is a candidate of the believed one."""
    withdrawn_at: float | None = None
    """When its failover was aborted, in monotonic seconds. It is then never decided, only watched; any new word for it
    sets this to None again."""

    @property
    def denied(self) -> bool:
        """Whether the node itself says that it is not a master."""
        return self.role not in (None, "master")

    def name(self, sentinel: SentinelName, epoch: int | None) -> None:
        """Record that a leader selected it, at an epoch if one is known."""
        self.withdrawn_at = None
        self.named.setdefault(sentinel)
        self.epoch = epoch if epoch is not None else self.epoch

    def announce(self, sentinel: SentinelName, via: Via, epoch: int | None, now: float) -> None:
        """Record that a Sentinel says it is the master; the first epoch that is named counts."""
        self.announced.setdefault(sentinel, via)
        self.withdrawn_at = None
        self.announced_at = now if self.announced_at is None else self.announced_at
        self.epoch = epoch if self.epoch is None else self.epoch

    def answer(self, sentinel: SentinelName, via: Via, epoch: int, now: float) -> None:
        """Record that a Sentinel answers with it. The answer that was asked for counts; else the highest epoch does."""
        if self.asked:
            self.asked, self.epoch = False, epoch
        if self.begins is None:
            self.epoch = max(epoch, self.epoch or epoch)
            self.announce(sentinel, via, epoch, now)

    def begin_incarnation(self, cause: Cause, group: Sequence[View], now: float) -> None:
        """Record that a majority gives it where epochs begin again."""
        self.begins = cause
        for view in group:
            self.announce(view.sentinel, Via.SNAPSHOT, None, now)
        self.epoch = max(view.epoch or 0 for view in group)

    def withdraw(self, now: float) -> None:
        """Record that its failover was aborted."""
        self.withdrawn_at = now

    def probe(self, probe: Probe) -> None:
        """Record what the node says, or why it says nothing; a Sentinel stays one, whatever becomes of its link."""
        lost = probe.role is None and self.role == "sentinel"
        self.role, self.reason, self.ended = self.role if lost else probe.role, probe.reason, False

    def retract(self) -> None:
        """Forget the announcements, which have proved wrong."""
        self.announced.clear()
        self.announced_at, self.compared_at = None, None

    @property
    def imminent(self) -> bool:
        """Whether nothing is missing but the decision, or the node's own word."""
        return self.withdrawn_at is None and (self.ended or self.role == "master")

    @property
    def witnesses(self) -> tuple[SentinelName, ...]:
        """The Sentinels that named it, in order, once each."""
        return tuple({**self.named, **dict.fromkeys(self.announced)})[: LIMITS.witnesses]


class Candidates:
    """
    The candidates of one master, at most `LIMITS.candidates`; each node is asked for its ROLE while it is one.

    Args:
        master: the master's name.
        probing: whether nodes can be asked.
        out: takes what the shell should do.
    """

    def __init__(self, master: str, probing: bool, out: Callable[[StartProbe | StopProbe], None]) -> None:
        self._master, self._probing, self._out = master, probing, out
        self._candidates: dict[Address, Candidate] = {}

    def __iter__(self) -> Iterator[Candidate]:
        return iter(list(self._candidates.values()))

    def __len__(self) -> int:
        return len(self._candidates)

    def deadlines(self, timeout: float) -> list[float]:
        """
        Return when waiting for a word changes what is to be decided, in monotonic seconds.

        Args:
            timeout: seconds that a node or a Sentinel has to answer.
        """
        due = []
        for candidate in self._candidates.values():
            if candidate.announced_at is not None:
                due += [candidate.announced_at + timeout, candidate.announced_at + SETTLE]
            if candidate.compared_at is not None:
                due.append(candidate.compared_at + SETTLE)
            if candidate.withdrawn_at is not None:
                due.append(candidate.withdrawn_at + SETTLE)
        return due

    def get(self, node: Address) -> Candidate | None:
        """Return the candidate at this address, or None."""
        return self._candidates.get(node)

    def imminent(self, unlisted: Callable[[Address], bool]) -> Address | None:
        """
        Return the node that is about to be decided; None if there is not exactly one.

        Args:
            unlisted: returns whether a node is a stranger, which is never imminent.
        """
        found = [c.node for c in self._candidates.values() if c.imminent and not unlisted(c.node)]
        return found[0] if len(found) == 1 else None

    def ended(self, node: Address) -> None:
        """Record that a node ended the connection over which it answered."""
        if node in self._candidates:
            self._candidates[node].ended = True

    def asked(self, node: Address) -> bool:
        """Whether a Sentinel was asked for the epoch of the candidate at this address."""
        candidate = self._candidates.get(node)
        return candidate is not None and candidate.asked

    def open(self, node: Address, why: str) -> Candidate:
        """Return the candidate at this address; a new one is asked for its ROLE, and may push out the oldest."""
        candidate = self._candidates.get(node)
        if candidate is None:
            while len(self._candidates) >= LIMITS.candidates:
                self.drop(next(iter(self._candidates.values())))
            candidate = self._candidates[node] = Candidate(node)
            if self._probing:
                self._out(StartProbe(node, self._master, why))
        return candidate

    def drop(self, candidate: Candidate, keep_probe: bool = False) -> None:
        """Forget a candidate, and stop asking its node unless it is to be confirmed."""
        if self._candidates.pop(candidate.node, None) is not None and not keep_probe:
            self.leave(candidate.node)

    def leave(self, node: Address) -> None:
        """Stop asking this node."""
        if self._probing:
            self._out(StopProbe(node, self._master))


def why(candidate: Candidate, grade: Grade, via: Via, support: int, voters: int, waited: str) -> str:
    """
    Say in words why a candidate was decided.

    Args:
        candidate: the new address and what speaks for it.
        grade: the grade that it has.
        via: the news that decided it.
        support: how many Sentinels give this address.
        voters: how many Sentinels there are.
        waited: for a node that gave no proof: what came of asking it.

    Returns:
        One sentence without a full stop, for the switch line.
    """
    heard = _heard(candidate, via, voters)
    if grade is Grade.AGREED:
        return f"{heard}; {support} of {voters} Sentinels agree"
    if grade is Grade.PROMOTED:
        return f"{heard}; the node itself answers ROLE master"
    return f"{heard}; {waited}"


def unproved(candidate: Candidate, waited: float | None) -> str:
    """
    Say what came of asking a node that did not prove to be the master.

    Args:
        candidate: the node; it has not denied it (`Candidate.denied`).
        waited: seconds that it had to answer; None if no time was allowed.
    """
    if candidate.reason:
        return f"the node could not be asked: {candidate.reason}"
    if candidate.role is None:
        return f"the node did not answer {'yet' if waited is None else f'within {waited:g} s'}"
    return "the node answers ROLE master, but most Sentinels do not list it"


def _heard(candidate: Candidate, via: Via, voters: int) -> str:
    epoch = "an unknown epoch" if candidate.epoch is None else f"epoch {candidate.epoch}"
    first = next(iter({**candidate.announced, **candidate.named}), None)
    if candidate.begins is not None:
        return f"{len(candidate.announced)} of {voters} Sentinels give it in a new incarnation, at {epoch}"
    if via is Via.ROLE:
        return f"{first} selected it in the failover at {epoch}"
    if via is Via.SNAPSHOT:
        return f"{first} answers with it at {epoch}"
    if via is Via.HELLO:
        return f"{first} names it in its hello at {epoch}"
    return f"{via} from {first} at {epoch}"
