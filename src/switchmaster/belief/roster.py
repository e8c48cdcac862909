"""
The Sentinels of one deployment: their identities, which are heard, and which to dial.

Seeds, which the user named, are kept for ever. The others are discovered from what Sentinels know of each other, and
dropped when they are down for `FORGET` and no Sentinel lists them. Links are decided on here, never masters.

A Sentinel is one process. If two names lead to one process, the second is parked: it does not count, is dialled once in
`RECHECK`, and takes over if the first is lost. Two processes with one run id (SENTINEL MYID) are two Sentinels whose
configuration was copied: both are heard, and reported. If INFO, which shows the process, is refused, one run id counts
as one Sentinel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..model import LIMITS, Address, Moment, RunId, SentinelName, Wall
from ..wire.events import Voted
from ..wire.facts import LinkChange, LinkState
from ..wire.refusal import Refusal
from .decisions import Connect, Disconnect
from .members import Members
from .topology import SentinelState

__all__ = ["FORGET", "LEAVE", "RECHECK", "KnownSentinel", "Roster"]

FORGET: Final = 600.0
"""Seconds after which what a Sentinel that is down has said is dropped, and a discovered one that no other lists is no
longer dialled."""

LEAVE: Final = 30.0
"""Seconds after which a Sentinel that is down loses its vote if a majority of the members does not list it. After
SENTINEL RESET they list each other again within 2 s."""

RECHECK: Final = 60.0
"""Seconds between two checks of where a parked name leads."""

_TAKE_OVER: Final = 5.0
"""The same in seconds, while the name that is heard instead is lost."""

_BOTH: Final = 3.0
"""Seconds for which two processes with one run id must be heard before they count as two. A Sentinel that has moved is
heard at both addresses until its old link is found dead."""


@dataclass(slots=True)
class KnownSentinel:
    """One Sentinel, and our link to it."""

    name: SentinelName
    seed: bool
    can_ask: bool = True
    address: Address | None = None
    run_id: RunId | None = None
    process: str = ""
    """The id of its process; empty if it is not known."""
    version: str = ""
    state: LinkState = LinkState.DOWN
    reason: str = ""
    refusal: Refusal | None = None
    tilt: bool = False
    tilt_since: Wall = None
    simulates_failures: bool = False
    scripts_waiting: int = 0
    informs: bool = False
    """It answers INFO, so that the end of TILT needs no event."""
    answered: bool = False
    """It has given a whole snapshot, or can't be asked for one."""
    failed: bool = False
    """A connection to it has failed."""

    # What it published of epochs and votes: kept by `Elections`.
    epoch: int | None = None
    """The last ``+new-epoch`` it published; None if one may have been missed."""
    raised: bool = False
    """Its last event was ``+new-epoch``. Never together with `tried`."""
    tried: bool = False
    """Its last event was ``+try-failover``: the vote that follows is for itself."""
    epochs: int = 0
    """How often it published ``+new-epoch`` since its last ``+switch-master``."""
    unmatched: tuple[Voted, Moment] | None = None
    """Its last vote and when, if no failover that had begun matches it: it may suspect the master later. None again
    with its next ``+new-epoch``."""

    # Whether it is heard, and whether it votes: kept by `Roster`.
    down_since: float | None = None
    """Since when it is down, in monotonic seconds; None while it is heard or parked, and once it is given up."""
    leaves_at: float | None = None
    """While it is down and votes: when to check whether the others still list it, in monotonic seconds."""
    heard: bool = False
    """It has been heard since the start, or within `FORGET`."""
    ghost: bool = False
    """It was reported as counted and silent; False again when it is heard."""
    asked_all: float | None = None
    """When an unreadable event last made us ask it about all masters, in monotonic seconds."""
    monitors: frozenset[str] = frozenset()
    """The masters of its last whole snapshot."""
    same_as: SentinelName | None = None
    """The name under which this Sentinel is heard instead. A parked one is no member, and has no `down_since`."""
    recheck_at: float | None = None
    """When a parked name is to be dialled, in monotonic seconds; None while it is dialled."""

    @property
    def parked(self) -> bool:
        """Whether it is the same Sentinel as another that is heard, and does not count."""
        return self.same_as is not None

    def value(self, also: tuple[SentinelName, ...], sharing: tuple[SentinelName, ...]) -> SentinelState:
        """
        Return what a reader gets.

        Args:
            also: other names of this Sentinel.
            sharing: other Sentinels with its run id.
        """
        return SentinelState(
            name=self.name,
            run_id=self.run_id,
            version=self.version,
            state=self.state,
            reason=self.reason,
            seed=self.seed,
            tilt=self.tilt,
            answered=self.answered,
            refusal=self.refusal,
            can_ask=self.can_ask,
            tilt_since=self.tilt_since,
            simulates_failures=self.simulates_failures,
            scripts_waiting=self.scripts_waiting,
            also=also,
            shares_id_with=sharing,
        )

    def in_tilt(self, tilt: bool, since: Wall) -> bool:
        """Record whether it is in TILT, and since when if that is known; return whether it changed."""
        changed, self.tilt = tilt != self.tilt, tilt
        self.tilt_since = (since if self.tilt_since is None or changed else self.tilt_since) if tilt else None
        return changed


class Roster:
    """
    All Sentinels of a deployment.

    Args:
        seeds: the Sentinels that the user named.
        asking: whether Sentinels can be asked; False for a transcript.
        discover: whether to dial Sentinels that the others know.
    """

    def __init__(self, seeds: Iterable[SentinelName], asking: bool, discover: bool) -> None:
        self._asking = asking
        self._discover = discover
        self._sentinels = {name: KnownSentinel(name, seed=True) for name in seeds}
        self.members = Members(self._sentinels, discover and asking)
        """Whose word is a vote. In a transcript none can be asked or introduced, and all that speak vote."""
        if not asking:
            self.members.silent.clear()
        self._run_ids: dict[RunId, SentinelName] = {}
        self._out: list[Connect | Disconnect] = []
        self._shared: dict[RunId, float | None] = {}
        """Run ids of several processes, and when to report each, in monotonic seconds; None once it was reported."""
        self._reported: list[tuple[SentinelName, ...]] = []
        self.not_dialled = 0
        """Sentinels that were over the limit."""

    def __iter__(self) -> Iterator[KnownSentinel]:
        return iter(self._sentinels.values())

    def decisions(self) -> list[Connect | Disconnect]:
        """Return which links to open and which to close, decided since the last call."""
        out, self._out = self._out, []
        return out

    def values(self) -> dict[SentinelName, SentinelState]:
        """Return what a reader gets: one value for each Sentinel, however many names it has."""
        values = {}
        names: dict[SentinelName, list[SentinelName]] = {}
        for sentinel in self:
            if sentinel.same_as is not None:
                names.setdefault(sentinel.same_as, []).append(sentinel.name)
        for sentinel in self:
            if not sentinel.parked:
                also = tuple(sorted(names.get(sentinel.name, ())))
                sharing = tuple(name for name in self._sharing(sentinel.run_id) if name != sentinel.name)
                values[sentinel.name] = sentinel.value(also, sharing)
        return values

    def sentinel(self, name: SentinelName) -> KnownSentinel:
        """Return the Sentinel of that name, created if it is unknown: nothing in a transcript introduces one."""
        sentinel = self._sentinels.get(name)
        if sentinel is None:
            sentinel = self._sentinels[name] = KnownSentinel(name, seed=False, can_ask=self._asking)
            if not self._asking:
                self.members.add(name)
        return sentinel

    @property
    def heard_enough(self) -> bool:
        """
        Whether enough Sentinels have answered to know where the masters are.

        That is a majority of them, so that one silent or stale Sentinel costs nothing, or all that do not fail.
        """
        voting = [s for s in self._sentinels.values() if s.name in self.members]
        count = len(voting)
        answered = sum(s.answered for s in voting)
        failed = sum(s.failed and not s.answered for s in voting)
        return answered > count // 2 or (answered > 0 and answered + failed >= count)

    @property
    def awaited(self) -> int:
        """How many Sentinels that vote have neither answered nor failed yet."""
        return sum(not (s.answered or s.failed) for s in self._sentinels.values() if s.name in self.members)

    @property
    def heard_all(self) -> bool:
        """Whether each Sentinel has answered, or fails."""
        return all(s.answered or s.failed for s in self._sentinels.values() if s.name in self.members)

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in monotonic seconds; None while nothing is pending."""
        due = [s.down_since + FORGET for s in self if s.down_since is not None]
        due += [s.leaves_at for s in self if s.leaves_at is not None]
        due += [s.recheck_at for s in self if s.recheck_at is not None]
        due += [moment for moment in self._shared.values() if moment is not None]
        return min(due, default=None)

    # -- links --------------------------------------------------------------------------------------

    def live(self, sentinel: KnownSentinel, change: LinkChange, now: float) -> tuple[bool, list[SentinelName]]:
        """
        Record a link that came up.

        Args:
            sentinel: the Sentinel.
            change: what it says of itself.
            now: monotonic seconds.

        Returns:
            Whether this name has another run id than before (that Sentinel has lost its memory), and the names that
            turned out to be this Sentinel too, whose words no longer count.
        """
        sentinel.down_since, sentinel.leaves_at, sentinel.failed = None, None, False
        sentinel.heard, sentinel.ghost = True, False
        if sentinel.seed:
            self.members.add(sentinel.name)  # it may have lost its vote while it was down
        if not sentinel.informs:
            # Its -tilt may have been missed, and nothing else would show the end.
            sentinel.in_tilt(False, None)
        sentinel.can_ask, sentinel.version, sentinel.process = change.can_ask, change.version, change.process
        sentinel.answered = sentinel.answered or not change.can_ask
        if not change.can_ask:
            self.members.silent.discard(sentinel.name)
        if change.run_id is None:
            return False, self._same(sentinel, now) if sentinel.process else []
        renewed = sentinel.run_id not in (None, change.run_id)
        if renewed and sentinel.run_id is not None and self._run_ids.get(sentinel.run_id) == sentinel.name:
            # A Sentinel that makes up a new one for each connection must not fill our memory.
            del self._run_ids[sentinel.run_id]
        sentinel.run_id = change.run_id
        same = self._same(sentinel, now)
        self._run_ids[change.run_id] = sentinel.same_as or sentinel.name
        return renewed, same

    def _same(self, sentinel: KnownSentinel, now: float) -> list[SentinelName]:
        was_parked, sentinel.same_as, sentinel.recheck_at = sentinel.parked, None, None
        gone: list[SentinelName] = []
        self.members.unpark(sentinel.name)
        for other in [s for s in self if s is not sentinel and not s.parked]:
            if not _alike(sentinel, other):
                continue
            if other.name in self.members and sentinel.name not in self.members:
                # Any peer can claim an id: one that does not vote never replaces one that does.
                if other.state is LinkState.LIVE and not _apart(sentinel, other):
                    return [*gone, self._leave(sentinel, other, f"it is the same Sentinel as {other.name}", now)]
            elif other.state is not LinkState.LIVE:
                if sentinel.run_id not in self._shared:
                    gone.append(self._leave(other, sentinel, f"it is {sentinel.name} now", now, keep=other.seed))
            elif _apart(sentinel, other):
                if sentinel.run_id is not None:
                    self._shared.setdefault(sentinel.run_id, now + _BOTH)
            else:
                # The one that is heard stays, unless the processes are unknown: then its link may be dead.
                newer = was_parked or (sentinel.process and (other.seed or not sentinel.seed))
                extra, kept = (sentinel, other) if newer or (other.seed and not sentinel.seed) else (other, sentinel)
                gone.append(self._leave(extra, kept, f"it is the same Sentinel as {kept.name}", now))
                if extra is sentinel:
                    break
        return gone

    def _leave(
        self, extra: KnownSentinel, kept: KnownSentinel, why: str, now: float, keep: bool = True
    ) -> SentinelName:
        """Park a second name of a Sentinel, or forget it."""
        for other in self:
            if other.same_as == extra.name:
                other.same_as = kept.name
        extra.same_as, extra.recheck_at = kept.name, now + RECHECK
        extra.state, extra.down_since, extra.leaves_at = LinkState.DOWN, None, None
        self.members.park(extra.name)
        if keep:
            self._out.append(Disconnect(extra.name, why))
        else:
            self._remove(extra, why)
        return extra.name

    def _sharing(self, run_id: RunId | None) -> tuple[SentinelName, ...]:
        """Return the Sentinels that have this run id, if several processes have it."""
        if run_id is None or run_id not in self._shared:
            return ()
        return tuple(sorted(s.name for s in self if s.run_id == run_id and not s.parked))

    def shared(self) -> list[tuple[SentinelName, ...]]:
        """Return the groups of Sentinels that were found to share an id since the last call, each once."""
        groups, self._reported = self._reported, []
        return groups

    def _count_processes(self, now: float) -> list[SentinelName]:
        """Distinguish Sentinels that share an id from one that has moved; return the names that no longer count."""
        gone = []
        for run_id in [run_id for run_id, due in self._shared.items() if due is not None and now >= due]:
            live = [s for s in self if s.run_id == run_id and s.state is LinkState.LIVE]
            if len({s.process for s in live}) > 1:
                self._shared[run_id] = None
                self._reported.append(self._sharing(run_id))
            else:
                del self._shared[run_id]
                gone += self._same(live[0], now) if live else []
        return gone

    def _remove(self, sentinel: KnownSentinel, why: str) -> None:
        self._sentinels.pop(sentinel.name, None)
        self.members.remove(sentinel.name)
        self._out.append(Disconnect(sentinel.name, why))

    def down(self, sentinel: KnownSentinel, now: float) -> bool:
        """
        Record a link that failed or was lost.

        Returns:
            Whether that is news, and not one more failed attempt.
        """
        if sentinel.parked:
            if sentinel.recheck_at is None and sentinel.seed:
                self._out.append(Disconnect(sentinel.name, "it leads nowhere now"))
                self._recheck_later(sentinel, now)
            elif sentinel.recheck_at is None:
                self._remove(sentinel, "it leads nowhere now")
            return False
        sentinel.failed = True
        if sentinel.down_since is not None:
            return False
        sentinel.down_since, sentinel.leaves_at = now, now + LEAVE
        for other in self:
            if other.same_as == sentinel.name:
                self._recheck(other, f"{sentinel.name} is lost")
        return True

    def _recheck(self, sentinel: KnownSentinel, why: str) -> None:
        sentinel.recheck_at = None
        address = sentinel.address or Address.parse(sentinel.name)
        self._out.append(Connect(sentinel.name, address, why))

    def _recheck_later(self, sentinel: KnownSentinel, now: float) -> None:
        kept = None if sentinel.same_as is None else self._sentinels.get(sentinel.same_as)
        heard = kept is not None and kept.state is LinkState.LIVE
        sentinel.recheck_at = now + (RECHECK if heard else _TAKE_OVER)

    def tick(
        self,
        now: float,
        listed: Callable[[], frozenset[RunId]],
        lists: Callable[[], Mapping[SentinelName, frozenset[SentinelName]]],
    ) -> list[SentinelName]:
        """
        Give up Sentinels that were down for `FORGET` and votes of those that have left; check parked names.

        Args:
            now: monotonic seconds.
            listed: returns the run ids that any Sentinel that is heard still lists.
            lists: returns which others each Sentinel that is heard lists.

        Returns:
            The names whose words no longer count.
        """
        for sentinel in [s for s in self if s.recheck_at is not None and now >= s.recheck_at]:
            self._recheck(sentinel, f"does it still lead to {sentinel.same_as}?")
        gone = self._count_processes(now)
        for sentinel in [s for s in self if s.leaves_at is not None and now >= s.leaves_at]:
            leaves = self.members.missing(sentinel.name, lists())
            sentinel.leaves_at = None if leaves else now + LEAVE
            if leaves:
                self.members.remove(sentinel.name)
                gone.append(sentinel.name)
        for sentinel in list(self):
            if sentinel.down_since is None or now < sentinel.down_since + FORGET:
                continue
            gone.append(sentinel.name)
            sentinel.down_since, sentinel.heard = None, False
            if sentinel.name in self.members:
                self.members.silent.add(sentinel.name)  # its words are dropped, not its vote
            if not sentinel.seed and sentinel.run_id not in listed():
                self._remove(sentinel, f"down for {FORGET:.0f} s, and no Sentinel lists it")
        return gone

    def ghosts(self, absent: Iterable[SentinelName]) -> list[SentinelName]:
        """Return those of the absent that have not been heard for long, each once."""
        found = [self._sentinels[name] for name in absent if name in self._sentinels]
        news = [s for s in found if s.failed and not (s.heard or s.ghost or s.parked)]
        for sentinel in news:
            sentinel.ghost = True
        return [sentinel.name for sentinel in news]

    # -- identities ---------------------------------------------------------------------------------

    def named(self, run_id: RunId) -> SentinelName | None:
        """Return the name of the Sentinel with that run id, or None if it is not one of ours."""
        name = self._run_ids.get(run_id)
        return name if name in self._sentinels else None

    def learn(self, run_id: RunId, name: SentinelName) -> None:
        """Record which Sentinel has a run id, unless its own link has said so already."""
        if len(self._run_ids) < 4 * LIMITS.sentinels:
            self._run_ids.setdefault(run_id, name)

    def discovered(self, run_id: RunId, address: Address, by: SentinelName) -> None:
        """Record a Sentinel that another knows, and dial it if it is new or has moved."""
        name = SentinelName(str(address))
        self.learn(run_id, name)
        if address.possible:
            self.members.name(by, name)
        if not (self._discover and self._asking and address.port and address.host) or name in self._sentinels:
            return
        if any(s.run_id == run_id and (s.parked or s.state is LinkState.LIVE) for s in self):
            return
        if len(self._sentinels) >= LIMITS.sentinels:
            self.not_dialled += 1
            return
        self._sentinels[name] = KnownSentinel(name, seed=False, address=address)
        self._out.append(Connect(name, address, f"{by} knows it"))


def _alike(one: KnownSentinel, other: KnownSentinel) -> bool:
    """Return whether two names lead to one Sentinel, or to two with one run id."""
    if one.run_id is not None and other.run_id is not None:
        return one.run_id == other.run_id
    return bool(one.process) and one.process == other.process


def _apart(one: KnownSentinel, other: KnownSentinel) -> bool:
    """Return whether two names lead to two processes."""
    return bool(one.process and other.process) and one.process != other.process
