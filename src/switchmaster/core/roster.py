"""
The Sentinels of one deployment: who they are, which of them we hear, whom to dial and whom to leave.

Seeds, which the user named, are kept for ever; the others are discovered from what Sentinels know of each
other, and left when they are down for `FORGET` and nobody lists them. A Sentinel is one run id: where two
names turn out to be one Sentinel, it is heard once. Only links are decided on here, never masters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .decisions import Connect, Disconnect
from .events import Voted
from .facts import LinkChange, LinkState
from .members import Members
from .model import LIMITS, Address, RunId, SentinelName, Wall
from .resp import Refusal
from .topology import SentinelState

__all__ = ["FORGET", "LEAVE", "Roster", "Sentinel"]

FORGET: Final = 600.0
"""Seconds after which a discovered Sentinel that is down and that no other lists is dialled no more, and any
Sentinel that is down no longer counts as a voter."""


LEAVE: Final = 30.0
"""Seconds after which a Sentinel that is down votes no longer, where a majority of the members does not list it: after
SENTINEL RESET they list each other again within 2 s."""


@dataclass(slots=True)
class Sentinel:
    """One Sentinel, and our link to it."""

    name: SentinelName
    seed: bool
    can_ask: bool = True
    address: Address | None = None
    run_id: RunId | None = None
    version: str = ""
    state: LinkState = LinkState.DOWN
    reason: str = ""
    refusal: Refusal | None = None
    tilt: bool = False
    tilt_since: Wall = None
    simulates_failures: bool = False
    scripts_waiting: int = 0
    informs: bool = False
    """It answers INFO, so TILT needs no event to end."""
    answered: bool = False
    """It has given a whole snapshot, or may not be asked for one."""
    failed: bool = False
    """A connection to it has failed."""
    epoch: int | None = None
    """The last ``+new-epoch`` it published; None where we may have missed one."""
    raised: bool = False
    """Its last event was ``+new-epoch``."""
    epochs: int = 0
    """How often it published ``+new-epoch`` since its last ``+switch-master``."""
    unmatched: tuple[Voted, float, Wall] | None = None
    """Its last vote and when, where that belonged to no failover that had begun: it may suspect the master later."""
    tried: bool = False
    """Its last event was ``+try-failover``: the vote that follows is for itself."""
    down_since: float | None = None
    leaves_at: float | None = None
    """While it is down and votes: when to look whether the others still list it, in monotonic seconds."""
    asked_all: float | None = None
    """When it was last asked about everything because of an odd event."""
    monitors: frozenset[str] = frozenset()
    """The masters of its last whole snapshot."""
    parked: bool = False
    """It is the same Sentinel as another that we hear."""

    def value(self) -> SentinelState:
        """Return what a reader gets."""
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
        )

    def in_tilt(self, tilt: bool, since: Wall) -> bool:
        """Record whether it is in TILT, and since when where that is told; return whether that changed."""
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
        self._sentinels = {name: Sentinel(name, seed=True) for name in seeds}
        self.members = Members(self._sentinels, discover)
        """Whose word is a vote. In a transcript nobody introduces anybody, and all that speak vote."""
        self._run_ids: dict[RunId, SentinelName] = {}
        self._out: list[Connect | Disconnect] = []
        self.not_dialled = 0
        """Sentinels that were over the limit."""

    def __iter__(self) -> Iterator[Sentinel]:
        return iter(self._sentinels.values())

    def decisions(self) -> list[Connect | Disconnect]:
        """Return whom to dial and whom to leave, since the last call."""
        out, self._out = self._out, []
        return out

    def sentinel(self, name: SentinelName) -> Sentinel:
        """Return the Sentinel of that name, new if need be (in a transcript nobody introduces them)."""
        sentinel = self._sentinels.get(name)
        if sentinel is None:
            sentinel = self._sentinels[name] = Sentinel(name, seed=False, can_ask=self._asking)
            if not self._asking:
                self.members.add(name)
        return sentinel

    @property
    def heard_enough(self) -> bool:
        """
        Whether enough Sentinels have answered to know where the masters are.

        A majority of them, so that one silent or stale Sentinel costs nothing, or all that do not fail.
        """
        voting = [s for s in self._sentinels.values() if s.name in self.members]
        count = len(voting)
        answered = sum(s.answered for s in voting)
        failed = sum(s.failed and not s.answered for s in voting)
        return answered > count // 2 or (answered > 0 and answered + failed >= count)

    @property
    def heard_all(self) -> bool:
        """Whether each Sentinel has answered, or fails."""
        return all(s.answered or s.failed for s in self._sentinels.values() if s.name in self.members)

    @property
    def deadline(self) -> float | None:
        """When a Sentinel that is down is to be forgotten, in monotonic seconds."""
        due = [s.down_since + FORGET for s in self if s.down_since is not None]
        due += [s.leaves_at for s in self if s.leaves_at is not None]
        return min(due, default=None)

    # -- links --------------------------------------------------------------------------------------

    def live(self, sentinel: Sentinel, change: LinkChange) -> tuple[bool, list[SentinelName]]:
        """
        Take a link that came up.

        Returns:
            Whether this name has another run id than before (that Sentinel has lost its memory), and the
            names that turned out to be this Sentinel too, whose word counts no more.
        """
        sentinel.down_since, sentinel.leaves_at, sentinel.failed = None, None, False
        if sentinel.seed:
            self.members.add(sentinel.name)  # it may have left while it was down
        if not sentinel.informs:
            # Its -tilt may have been missed, and nothing but an event tells.
            sentinel.in_tilt(False, None)
        sentinel.can_ask, sentinel.version = change.can_ask, change.version
        sentinel.answered = sentinel.answered or not change.can_ask
        if change.run_id is None:
            return False, []
        renewed = sentinel.run_id not in (None, change.run_id)
        if renewed and sentinel.run_id is not None and self._run_ids.get(sentinel.run_id) == sentinel.name:
            # Whoever makes up a new one for each connection must not fill our memory.
            del self._run_ids[sentinel.run_id]
        sentinel.run_id = change.run_id
        same = self._same(sentinel, change.run_id)
        self._run_ids[change.run_id] = sentinel.name
        return renewed, same

    def _same(self, sentinel: Sentinel, run_id: RunId) -> list[SentinelName]:
        gone: list[SentinelName] = []
        for other in [s for s in self if s is not sentinel and s.run_id == run_id and not s.parked]:
            if other.name in self.members and sentinel.name not in self.members:
                # Anybody can claim an id: who does not vote puts nobody out who does.
                if other.state is LinkState.LIVE:
                    return [*gone, self._remove(sentinel, f"it is the same Sentinel as {other.name}")]
                continue
            if other.state is not LinkState.LIVE:
                # A seed is dialled for ever, but it must not count twice where it has moved.
                moved = f"it is {sentinel.name} now"
                self.members.remove(other.name)
                gone.append(other.name if other.seed else self._remove(other, moved))
                continue
            extra = sentinel if other.seed and not sentinel.seed else other
            kept = other if extra is sentinel else sentinel
            why = f"it is the same Sentinel as {kept.name}"
            gone.append(self._park(extra, why) if extra.seed else self._remove(extra, why))
        return gone

    def _park(self, sentinel: Sentinel, why: str) -> SentinelName:
        sentinel.parked = True
        self.members.remove(sentinel.name)
        self._out.append(Disconnect(sentinel.name, why))
        return sentinel.name

    def _remove(self, sentinel: Sentinel, why: str) -> SentinelName:
        self._sentinels.pop(sentinel.name, None)
        self.members.remove(sentinel.name)
        self._out.append(Disconnect(sentinel.name, why))
        return sentinel.name

    def down(self, sentinel: Sentinel, now: float) -> bool:
        """
        Take a link that failed or was lost.

        Returns:
            Whether it is news, and not one more attempt that failed.
        """
        sentinel.failed = True
        if sentinel.down_since is not None:
            return False
        sentinel.down_since, sentinel.leaves_at = now, now + LEAVE
        for other in self:
            if other.parked and other.run_id == sentinel.run_id:
                other.parked, other.run_id = False, None
                self.members.add(other.name)
                address = other.address or Address.parse(other.name)
                self._out.append(Connect(other.name, address, f"{sentinel.name} is lost"))
        return True

    def tick(
        self,
        now: float,
        listed: Callable[[], frozenset[RunId]],
        lists: Callable[[], Mapping[SentinelName, frozenset[SentinelName]]],
    ) -> list[SentinelName]:
        """
        Give up the Sentinels that were down for `FORGET`, and the votes of those that have left.

        Args:
            now: monotonic seconds.
            listed: returns the run ids that any Sentinel we hear still lists.
            lists: returns whom each Sentinel that we hear lists.

        Returns:
            The names whose word counts no more.
        """
        gone = []
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
            sentinel.down_since = None
            if sentinel.name in self.members:
                self.members.silent.add(sentinel.name)  # what it said is forgotten, not that it votes
            if not sentinel.seed and sentinel.run_id not in listed():
                self._remove(sentinel, f"down for {FORGET:.0f} s, and no Sentinel lists it")
        return gone

    # -- who is who ---------------------------------------------------------------------------------

    def named(self, run_id: RunId) -> SentinelName | None:
        """Return the name of the Sentinel with that run id, or None where it is not one of ours."""
        name = self._run_ids.get(run_id)
        return name if name in self._sentinels else None

    def learn(self, run_id: RunId, name: SentinelName) -> None:
        """Note which Sentinel has a run id, unless its own link has told already."""
        if len(self._run_ids) < 4 * LIMITS.sentinels:
            self._run_ids.setdefault(run_id, name)

    def discovered(self, run_id: RunId, address: Address, by: SentinelName) -> None:
        """Take a Sentinel that another knows, and dial it if it is new or has moved."""
        name = SentinelName(str(address))
        self.learn(run_id, name)
        if address.possible:
            self.members.name(by, name)
        if not (self._discover and self._asking and address.port and address.host):
            return
        heard = any(s.run_id == run_id and (s.parked or s.state is LinkState.LIVE) for s in self)
        if heard or name in self._sentinels:
            return
        if len(self._sentinels) >= LIMITS.sentinels:
            self.not_dialled += 1
            return
        self._sentinels[name] = Sentinel(name, seed=False, address=address)
        self._out.append(Connect(name, address, f"{by} knows it"))
