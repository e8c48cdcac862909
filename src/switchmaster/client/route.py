"""
The connections of one pool and where they may be: which there are, what they may dial, when they are cut.

The Watcher's thread calls `settle` after every change; connections come and go in their own threads and loops. A
connection is added before it dials, and looks at the gate after that: so either it sees the change, or `settle` sees
the connection.
"""

from __future__ import annotations

import random
import time
import weakref
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from ..errors import StaleMaster, SwitchmasterError
from ..follow.gate import NO_REPLICAS, GateState, Phase, Replicas
from ..model import Address
from ..net.address_map import map_address, same_place
from ..net.threads import RLock
from .client_options import Options
from .follower import Follower
from .library import Library
from .observable import Observable
from .shared import AwaitTurn, Lease, MasterInquiry, Shared
from .tally import Tally
from .watcher_settings import TIMEOUT

if TYPE_CHECKING:
    from ..belief.decisions import Switch
    from ..wire.facts import Probe

__all__ = ["AskAsLibrary", "AskRole", "Member", "QuestionEffect", "Route"]


class AskAsLibrary(NamedTuple):
    """Ask in the library's own way, one Sentinel after the other; its error is raised in the plan."""

    verb: Callable[[str], Any]
    """The library's, a function or a coroutine function."""
    master: str


class AskRole(NamedTuple):
    """Ask a node for its ROLE; the outcome is a `Probe`."""

    node: Address
    seconds: float


QuestionEffect: TypeAlias = AwaitTurn | AskAsLibrary | AskRole
"""What the plans of a question to the Sentinels yield."""


class Member(Protocol):
    """A connection of the pool."""

    target: Address | None
    """Where it is connected, or is being dialled; None if nowhere."""

    def cut(self) -> bool:
        """
        End it from outside, at once, from any thread, if it still is where it must not be.

        Returns:
            Whether it was: its own thread may be faster, and then what it is now stays.
        """


class Route:
    """
    The connections of one pool, and where they may be.

    Args:
        pool: the pool, held weakly; asked which connections are idle.
        master: the name of the master.
        to_master: whether commands are for the master; otherwise for its replicas.
        shared: the Watcher that knows where it is.
        options: what the user chose.
        tally: where to count.
        library: the client library.
        forced_host: the host to dial instead of the master's own (redis-py's ``force_master_ip``).
        min_others: other Sentinels that one must know to be believed (redis-py's ``min_other_sentinels``).
        question_limit: seconds that a question to the Sentinels may take if the user asks it directly.
        counts: whether switches are counted and reported here; not for a Sentinel, which has no connections to nodes.
    """

    def __init__(
        self,
        pool: Any,
        master: str,
        to_master: bool,
        shared: Shared,
        options: Options,
        tally: Tally,
        library: Library,
        forced_host: str | None = None,
        min_others: int = 0,
        question_limit: float = TIMEOUT,
        counts: bool = True,
    ) -> None:
        self.master, self.to_master, self.shared = master, to_master, shared
        self.options, self.limits = options, options.limits
        self.tally, self.library = tally, library
        self.lease = Lease(shared, pool)
        self.follower: Follower = shared.follower(master)
        self.view: Observable[Phase] | Observable[Replicas] = (
            self.follower.phases if to_master else self.follower.replicas
        )
        self._forced_host, self._min_others, self.question_limit = forced_host, min_others, question_limit
        self._counts = counts and to_master
        self._secret = shared.settings.node.secret
        self._pool = weakref.ref(pool)
        self._members: weakref.WeakSet[Member] = weakref.WeakSet()
        self._ahead_in: Phase | None = None
        """The phase in which a connection went ahead."""
        self._lock = RLock()  # see `Shared`: garbage is collected under it too
        self.follower.add(self)

    # -- who ----------------------------------------------------------------------------------------

    def add(self, member: Member) -> None:
        """Add a connection, before it dials."""
        with self._lock:
            self._members.add(member)

    def members(self) -> list[Member]:
        """Return the connections that are connected or being dialled."""
        with self._lock:
            return [member for member in self._members if member.target is not None]

    # -- where --------------------------------------------------------------------------------------

    def admits(self, address: Address | None) -> bool:
        """Whether a connection may be at this node, or go ahead to it."""
        ahead = self.to_master and address is not None and address == self.follower.phases.current.next
        return ahead or self.serves(address)

    def strays(self, address: Address | None) -> bool:
        """Whether a connection must not be at this node, or be dialled to it."""
        follower = self.follower
        known = follower.phases.current.address if self.to_master else follower.replicas.current.master
        # While the master is not known, no connection is known to be wrong: the Watcher has ended with the last lease,
        # or what the library found is being asked for again. The next command waits for the answer anyway.
        return known is not None and address is not None and not self.admits(address)

    def serves(self, address: Address | None) -> bool:
        """Whether commands may go to this node."""
        if self.to_master:
            return address is not None and address == self.follower.phases.current.address
        return address in self.follower.replicas.current.kept

    def goes_ahead(self, phase: Phase) -> bool:
        """
        Whether the connection that asks may go to `Phase.next`: the first one in each phase may.

        One is enough for the first command to lose no time; more would take processor time from the Watcher's thread,
        which is about to decide.
        """
        with self._lock:
            first, self._ahead_in = self._ahead_in is not phase, phase
        return first

    def dialled(self, address: Address, master: bool) -> Address:
        """Return what to connect to for an announced address."""
        mapped = map_address(self.options.address_map, address)
        if master and self._forced_host is not None:
            return Address(self._forced_host, mapped.port)
        return mapped

    def name(self, address: Address, master: bool) -> None:
        """Put the node where commands go now into the pool's arguments, for tracers that read it there."""
        arguments = getattr(self._pool(), "connection_kwargs", None)
        if arguments is not None:
            arguments["host"], arguments["port"] = self.dialled(address, master)

    def order(self, usable: Sequence[Address]) -> list[Address]:
        """Return these replicas, the least used first; equally used ones in random order."""
        load = self._load()
        start = random.randrange(len(usable)) if usable else 0
        turned = [*usable[start:], *usable[:start]]
        return sorted(turned, key=lambda address: load[address])

    def crowded(self, address: Address | None, usable: Iterable[Address]) -> bool:
        """Whether a replica has at least two connections more than the least used."""
        load = self._load()
        return address is not None and load[address] >= 2 + min((load[each] for each in usable), default=0)

    def _load(self) -> Counter[Address]:
        return Counter(member.target for member in self.members() if member.target is not None)

    def check_peers(self) -> None:
        """
        Check that the Sentinels know as many others as the user wants (``min_other_sentinels``).

        Raises:
            Exception: the library's MasterNotFoundError: no connected Sentinel knows that many others.
        """
        if not self._min_others or self.follower.by_hand:
            return
        known = self.follower.others
        if known < self._min_others:
            raise self.library.not_found(
                f"No master found for {self.master!r}: the Sentinels that name one know {known} others, of the "
                f"{self._min_others} that min_other_sentinels asks for"
            )

    def check_listed(self, address: Address) -> None:
        """
        Check that a majority of the Sentinels list a node before it is given a password.

        Args:
            address: the node, as Sentinel announces it.

        Raises:
            Exception: the library's ConnectionError: they don't (yet).
        """
        follower = self.follower
        if not self._secret or follower.by_hand or any(same_place(address, node) for node in follower.listed):
            return
        raise self.library.lost(
            f"{address} is not given the password of {self.master!r}: fewer than half of the Sentinels that are heard "
            "list it as a node of that master"
        )

    # -- questions ----------------------------------------------------------------------------------

    @property
    def answers(self) -> bool:
        """Whether the master is known from memory, and a Sentinel is connected that would report a change."""
        follower = self.follower
        known = follower.phases.current.address is not None
        return known and self.shared.hearing and not follower.by_hand and follower.early is None

    @property
    def question_until(self) -> float:
        """Until when a question may take that the user asks now, in monotonic seconds."""
        return time.monotonic() + self.question_limit

    @property
    def patient_until(self) -> float:
        """The same for a question that a command waits for: long enough for a link to be made and answered."""
        return time.monotonic() + max(self.question_limit, self.shared.settings.patience)

    def inquire(self, until: float) -> MasterInquiry:
        """Ask the Sentinels where the master is; see `Shared.inquire`."""
        self.tally.asked()
        return self.shared.inquire(self.follower, until)

    def ask(self, until: float) -> Generator[QuestionEffect, Any, SwitchmasterError | None]:
        """
        Plan a question to the Sentinels: find the master, by the library's own way if our questions are refused.

        Args:
            until: when it is given up, in monotonic seconds.

        Returns:
            Why the master is not known; None if it is.
        """
        failure = yield from self.inquire(until)
        if failure is None or not self.shared.refuses(failure):
            self.note_refusals()
            return failure
        try:
            found = yield AskAsLibrary(self._library_verb("discover_master"), self.master)
            replicas = None
            if not self.to_master:
                replicas = yield AskAsLibrary(self._library_verb("discover_slaves"), self.master)
        except self.library.unreachable:
            return failure
        self.take(found, replicas)
        return None

    def discover(self) -> Generator[QuestionEffect, Any, tuple[str, int]]:
        """
        Plan what `discover_master` does: return what to connect to for the master, and prove it unless it is known.

        Raises:
            Exception: the library's MasterNotFoundError.
        """
        self.lease.open()
        stale: SwitchmasterError | None = None
        until = self.question_until
        while not self.answers:
            failure = yield from self.ask(until)
            if failure is not None:
                raise self.library.error(stale or failure)
            address, left = self.unproved, until - time.monotonic()
            stale = self.judge((yield AskRole(address, left))) if address is not None and left > 0 else None
            if stale is None:
                break
            if not self.refute() and self.unproved == address:
                raise self.library.error(stale)
        return self.found()

    def note_refusals(self) -> None:
        """Log once what the Sentinels refuse, if that makes us slower."""
        denied = self.shared.denied
        if denied and not self.follower.by_hand:
            self.tally.say_once(f"the Sentinels of {self.master!r} allow no useful subscription: {denied}")

    def take(self, master: tuple[str, int], replicas: Iterable[tuple[str, int]] | None) -> None:
        """Use addresses that the library found by its own means; None for replicas that it was not asked for."""
        self.tally.say_once(
            f"the Sentinels of {self.master!r} refuse our questions: they are asked as {self.library.name}-py asks, "
            "whenever a connection is made, and switches are not followed by push; grant the user the rights that "
            "docs/topics/clients.md lists"
        )
        address = Address(master[0], int(master[1]))
        found = NO_REPLICAS
        if replicas is not None:
            usable = tuple(sorted(Address(host, int(port)) for host, port in replicas))
            found = Replicas(usable, frozenset((*usable, address)), address)
        self.follower.believe(Phase(GateState.OPEN, address, 0.0), found)

    def look_again(self) -> None:
        """Forget addresses that no push corrects, so that they are asked for again; what the Watcher knows stays."""
        follower = self.follower
        if follower.by_hand or (follower.early is not None and self.shared.idle):
            follower.forget()

    def _library_verb(self, name: str) -> Callable[[str], Any]:
        """Return a method of the library's own Sentinel, also where the pool's Sentinel is one of ours."""
        pool = self._pool()
        sentinel = getattr(pool, "sentinel_manager", pool)  # this may be a Sentinel's own route
        ours = getattr(sentinel, "library_verb", None)
        verb: Callable[[str], Any] = getattr(sentinel, name) if ours is None else ours(name)
        return verb

    def found(self) -> tuple[str, int]:
        """
        Return what to connect to for the master.

        Raises:
            Exception: the library's MasterNotFoundError.
        """
        address = self.follower.phases.current.address
        if address is None:  # lost at this very moment
            raise self.library.not_found(f"No master found for {self.master!r}")
        self.check_peers()
        host, port = self.dialled(address, master=True)
        return host, port

    @property
    def unproved(self) -> Address | None:
        """The node that the Sentinels have just named, to be asked for its ROLE; None if the library found it."""
        return None if self.follower.by_hand else self.follower.phases.current.address

    def judge(self, probe: Probe) -> StaleMaster | None:
        """
        Judge the answer of the node that the Sentinels have just named.

        Args:
            probe: its answer; without a role it proves nothing, and the Sentinels are believed.

        Returns:
            The error if it is no master.
        """
        if probe.role is None or probe.role == "master":
            return None
        self.tally.not_master()
        return StaleMaster(self.master, str(probe.node), probe.role)

    def refute(self) -> bool:
        """Forget what the first Sentinels said; return whether the address came from them: others may know better."""
        return self.shared.refute(self.follower)

    # -- news, in the Watcher's thread --------------------------------------------------------------

    def flush_cache(self) -> None:
        """Empty redis-py's client-side cache, if there is one: what it holds was read elsewhere."""
        cache = getattr(self._pool(), "cache", None)
        if cache is not None:
            cache.flush()

    def settle(self) -> None:
        """Cut the connections that must not be where they are; those in use drain first if the user chose so."""
        master = self.follower.phases.current.address
        if self.to_master and self._counts and master is not None:
            self.name(master, True)
        astray = self._astray()
        if not astray:
            return
        self.flush_cache()
        if not self.limits.drain:
            return self._cut(astray)
        idle = self._idle()
        self._cut([member for member in astray if id(member) in idle])
        self.shared.later(self.limits.drain, self._cut_astray)

    def switched(self, switch: Switch) -> None:
        """Count a switch and report it to the hook; pools for replicas leave that to the others."""
        if self._counts:
            self.tally.switched(switch)

    def renew(self) -> None:
        """Start over in a forked child: the connections are the parent's."""
        self._lock = RLock()
        self._members = weakref.WeakSet()
        self.tally.renew()

    def _astray(self) -> list[Member]:
        return [member for member in self.members() if self.strays(member.target)]

    def _cut_astray(self) -> None:
        self._cut(self._astray())

    def _cut(self, members: Iterable[Member]) -> None:
        cut: Counter[Address] = Counter()
        for member in members:
            address = member.target
            if address is None:
                continue
            try:
                was_astray = member.cut()
            except Exception as error:
                # Perhaps of a class that we do not know: the others are cut all the same.
                self.tally.cut_failed(self.master, address, error)
            else:
                if was_astray:
                    cut[address] += 1
        for address, count in cut.items():
            self.tally.cut(self.master, address, count)

    def _idle(self) -> set[int]:
        pool = self._pool()
        waiting = list(getattr(pool, "_available_connections", ()))
        # redis-py's client-side cache wraps the connection that is ours.
        return {id(getattr(connection, "_conn", connection)) for connection in waiting}
