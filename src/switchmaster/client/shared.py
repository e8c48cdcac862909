"""
One Watcher for all clients of this process that have the same Sentinels and credentials.

Its modules are imported by `share`, with the first Sentinel or pool: so a program that only imports the drop-in starts
fast, and its first command does not wait for them. It is started with the first use and closed with the last `Lease`;
every pool and Sentinel holds one. A forked child
inherits the leases but no thread: there everything starts over with the first command, and the parent's sockets are
dropped without sending anything. At the interpreter's exit `switchmaster.net.sync` closes what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from ..errors import AccessRefused, NoSentinelReachable, SwitchmasterError, UnknownMaster, WatcherClosed
from ..follow.gate import UNKNOWN, GateState
from ..net.at_exit import exiting
from ..net.threads import RLock
from .follower import Follower
from .observable import Observable
from .watcher_settings import WatcherSettings

if TYPE_CHECKING:
    from ..belief.decisions import Switch
    from ..belief.topology import MasterState
    from ..net.locate import Location
    from ..net.sync import Watcher
    from ..wire.refusal import Refusal

__all__ = ["AwaitTurn", "Lease", "MasterInquiry", "Shared", "share"]

REFRESH_EVERY: Final = 0.1
"""Seconds between two rounds of questions that clients cause, however many they are."""
GRACE: Final = 0.25
"""Seconds in which connected Sentinels must report a master that is not known yet."""
SETTLE_SECONDS: Final = 0.05
"""Seconds until the first Sentinels' answers count, if the Watcher has not heard enough of them by then: it knows
more."""

T = TypeVar("T")


class AwaitTurn(NamedTuple):
    """Wait until `Shared.turns` has another value than this one, at most until a moment (monotonic seconds)."""

    seen: object
    until: float


MasterInquiry: TypeAlias = Generator[AwaitTurn, None, SwitchmasterError | None]
"""Returns why the master is not known; None if it is."""


@dataclass(slots=True)
class _Asked:
    """A question for one master that went to all Sentinels directly, because none is connected."""

    began: float
    settled_at: float
    """When the first answers count, in monotonic seconds."""
    location: Location | None = None
    """None until the answers are there."""


class Shared:
    """
    One Watcher and the masters that it follows for clients.

    Args:
        settings: what the Watcher is made from.
    """

    def __init__(self, settings: WatcherSettings) -> None:
        self.settings = settings
        self.turns: Observable[object] = Observable(object())
        """Another object after every turn of the Watcher: whatever waits for its news waits for this."""
        self.hearing = False
        """Whether at least one Sentinel is connected now."""
        # Reentrant: the garbage collector may end a lease in a thread that holds the lock; see `_release` too.
        self._lock = RLock()
        self._watcher: Watcher | None = None
        self._followers: dict[str, Follower] = {}
        self._leases: set[object] = set()
        """The open ones."""
        self._given_back = False
        """A lease has ended, and it is not checked yet whether it was the last."""
        self._ended: list[Watcher] = []
        """Watchers to close, because their last lease has ended."""
        self._begun = False
        """Whether the Watcher's start was completed; if it was interrupted it is started again."""
        self._asked_at = float("-inf")
        self._questions = 0
        self._asked = 0
        self._established = self.idle = False
        self._directly: dict[str, _Asked] = {}
        """The last direct question for each master."""
        self._reasons: dict[str, str] = {}
        """Why no Sentinel was connected when all had last failed: a question may have dialled them again since."""
        self._refusals: dict[str, Refusal] = {}
        """What each of them refused then."""

    def __repr__(self) -> str:
        return f"<Shared Watcher of {', '.join(map(str, self.settings.sentinels))}: {len(self._leases)} leases>"

    @property
    def watcher(self) -> Watcher:
        """
        The Watcher, started if it does not run.

        Raises:
            UsageError: the arguments are wrong, for instance a file of certificates.
        """
        return self._holding(self._started)

    def _started(self) -> Watcher:
        watcher = self._watcher
        if watcher is None:
            watcher = self.settings.watcher()
            watcher.on_switch(self._take_switch)
            watcher.on_change(self._look)
            self._watcher, self._begun = watcher, False
        if not self._begun:
            watcher.start(wait=False)
            self._begun = True
        return watcher

    def follower(self, master: str) -> Follower:
        """Return the one `Follower` of a master."""
        return self._holding(lambda: self._follower(master))

    def _follower(self, master: str) -> Follower:
        follower = self._followers.get(master)
        if follower is None:
            follower = self._followers[master] = Follower(master)
            if self._watcher is not None:
                self._watcher.soon(self._look)
        return follower

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call something in the Watcher's thread after some seconds; not at all if it has ended by then."""
        watcher = self._watcher
        if watcher is not None:
            watcher.soon(lambda: _call_later(seconds, call))

    # -- questions ----------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Have all Sentinels asked again, soon, but not too often; return the number of the question."""
        return self._holding(self._refresh)

    def _refresh(self) -> int:
        now = time.monotonic()
        if now >= self._asked_at + REFRESH_EVERY:
            self._questions += 1
            self._started().soon(self._ask)
            self._asked_at = now
        return self._questions

    def inquire(self, follower: Follower, until: float) -> MasterInquiry:
        """
        Have the Sentinels asked for a master that is not known, until it is known, or until it is known why not.

        While no Sentinel is heard, all are also asked directly, at once: what the first of them say counts after
        `SETTLE_SECONDS`, unless the Watcher has heard enough of them by then. So the caller waits neither for a silent
        Sentinel, nor for a link that takes longer than the caller has, nor for the questions of thousands of masters.

        Args:
            follower: the master.
            until: when the question is given up, in monotonic seconds.
        """
        began = time.monotonic()
        heard_before = self._established and self.hearing
        question = self.refresh()
        if heard_before:
            until = min(until, began + GRACE)
        while True:
            turn = self.turns.current
            asked = None if heard_before else self._ask_directly(follower, began, until)
            if self._is_known(follower, asked):
                return None
            failed = self._asked >= question and self.idle and (asked is None or asked.location is not None)
            over = failed or time.monotonic() >= until
            if over or (self._established and self.hearing and not heard_before):
                failure = self._failure(follower, time.monotonic() - began, asked)
                # This may run in the midst of a turn of the Watcher, which updates followers last.
                return None if self._is_known(follower, asked) else failure
            yield AwaitTurn(turn, until)

    def refute(self, follower: Follower) -> bool:
        """Forget what the first Sentinels said about a master; return whether nothing else was known about it."""
        if follower.early is None:
            return False
        now = time.monotonic()
        with self._lock:
            self._directly[follower.master] = _Asked(now, now, _nothing_located())
        follower.forget()
        return True

    @property
    def denied(self) -> str:
        """Why a Sentinel that answers allows no useful subscription; empty if there is none such."""
        from ..wire.facts import LinkState

        states = self.watcher.topology.sentinels.values()
        return next((one.reason for one in states if one.state is LinkState.LIVE and one.reason), "")

    def refuses(self, failure: SwitchmasterError) -> bool:
        """Whether `inquire` failed because the Sentinels refuse our commands, so that the library's own might work."""
        if isinstance(failure, NoSentinelReachable):
            return isinstance(failure, AccessRefused) and bool(failure.lacking)
        return not self.watcher.masters()

    def _ask_directly(self, follower: Follower, began: float, until: float) -> _Asked:
        """Return the newest direct question for a master; a new one if that is too old."""
        with self._lock:
            asked = self._directly.get(follower.master)
            if asked is None or self._is_old(asked, began):
                now = time.monotonic()
                asked = self._directly[follower.master] = _Asked(
                    now, now + min(SETTLE_SECONDS, max(0.0, until - now) / 2)
                )
                self._begin_to_ask(follower, asked, asked.settled_at - now)
            return asked

    def _is_old(self, asked: _Asked, now: float) -> bool:
        # A question without an answer after all this time was never asked: its thread was interrupted.
        return asked.began < now - (REFRESH_EVERY if asked.location is not None else self.settings.patience)

    def _begin_to_ask(self, follower: Follower, asked: _Asked, settle: float) -> None:
        watcher = self._watcher
        if watcher is None or not watcher.soon(lambda: self._ask_in_loop(watcher, follower, asked, settle)):
            asked.location = _nothing_located()  # the Watcher has ended meanwhile, and the question with it

    def _ask_in_loop(self, watcher: Watcher, follower: Follower, asked: _Asked, settle: float) -> None:
        try:
            answers = watcher.begin_locate(follower.master, settle)
        except WatcherClosed:
            asked.location = _nothing_located()
        else:
            answers.add_done_callback(lambda done: watcher.soon(lambda: self._take_location(follower, asked, done)))

    def _is_known(self, follower: Follower, asked: _Asked | None) -> bool:
        phase = follower.phases.current
        if phase.gate is GateState.UNKNOWN:
            return False
        found = asked.location.found if asked is not None and asked.location is not None else None
        return self.hearing or (found is not None and found.address == phase.address)

    def _failure(self, follower: Follower, waited: float, asked: _Asked | None) -> SwitchmasterError:
        from ..wire.facts import LinkState
        from ..wire.refusal import Refusal

        topology, location = self.watcher.topology, (asked and asked.location) or _nothing_located()
        states = topology.sentinels.values()
        heard = {one.name for one in states if one.state is LinkState.LIVE}
        heard |= {name for name, answer in location.answers.items() if answer.address is None}
        if heard:
            return UnknownMaster(follower.master, self.watcher.masters(), sorted(heard))
        named = {name: f"it names {answer.address}, and is not heard" for name, answer in location.answers.items()}
        told = location.reasons | self._reasons | named
        silent = f"no answer within {waited:.3g} s"
        reasons: dict[str, str] = {
            one.name: named.get(one.name) or one.reason or told.get(one.name) or silent for one in states
        }
        # One that is being dialled again has no reason yet; a newer reason than a refusal counts.
        refusals = {one.name: one.refusal if one.reason else self._refusals.get(one.name) for one in states}
        if any(refusals.values()):
            lacking = [name for name, refusal in refusals.items() if refusal is Refusal.PERMISSION]
            return AccessRefused(reasons, waited, lacking)
        return NoSentinelReachable(reasons, waited)

    # -- in the Watcher's thread --------------------------------------------------------------------

    def _take_switch(self, switch: Switch) -> None:
        follower = self._followers.get(switch.master)
        if follower is not None:
            follower.switched(switch)

    def _ask(self) -> None:
        watcher = self._watcher
        if watcher is not None:
            watcher.refresh()
            self._asked = self._questions
            self._look()

    def _look(self) -> None:
        watcher = self._watcher
        if watcher is None or exiting():  # the first turns come before `start` has returned
            return
        if watcher.idle:
            states = watcher.topology.sentinels.values()
            self._reasons = {one.name: one.reason for one in states if one.reason}
            self._refusals = {one.name: one.refusal for one in states if one.refusal is not None}
        if self.hearing and not watcher.hearing:
            self._directly.clear()  # answers from before this silence are too old
        self.hearing, self.idle, self._established = watcher.hearing, watcher.idle, watcher.established
        for follower in list(self._followers.values()):
            if self._established or follower.early is None:
                follower.look(self._state(watcher, follower.master))
        self.turns.set(object())

    def _take_location(self, follower: Follower, asked: _Asked, done: Future[Location]) -> None:
        """Use what the Sentinels answered directly, once they have settled and unless the Watcher knows more."""
        from ..link.location import listed_by

        ended = done.cancelled() or done.exception() is not None  # with its Watcher
        location = _nothing_located() if ended else done.result()
        found, left = location.found, asked.settled_at - time.monotonic()
        watcher = self._watcher
        if location.answers and not self.hearing and watcher is not None:
            with contextlib.suppress(WatcherClosed):
                watcher.refresh()  # a Sentinel that answers can be followed: dial its link again at once
        if found is not None and left > 0:
            return _call_later(left, lambda: self._take_location(follower, asked, done))
        newest = self._directly.get(follower.master) is asked
        if found is not None and newest and not self._established and follower.phases.current is UNKNOWN:
            silent = len(self.settings.sentinels) - len(location.answers) - len(location.reasons)
            follower.expect(found, listed_by(location.answers.values(), silent))
        asked.location = location
        self.turns.set(object())

    def _state(self, watcher: Watcher, master: str) -> MasterState | None:
        if not watcher.established:
            return None
        try:
            return watcher.state(master)
        except SwitchmasterError:  # unknown, or closed meanwhile
            return None

    # -- life ---------------------------------------------------------------------------------------

    def _lease(self, lease: object) -> None:
        self._leases.add(lease)

    def _release(self, lease: object) -> None:
        # The garbage collector calls this in any thread, also in the Watcher's own while another holds the lock and
        # waits for that thread: it must not wait. The thread that holds the lock does the work afterwards.
        self._leases.discard(lease)
        self._given_back = True
        self._count_leases()

    def _holding(self, work: Callable[[], T]) -> T:
        """Do something under the lock, and then what others could not do meanwhile."""
        try:
            with self._lock:
                return work()
        finally:
            self._count_leases()

    def _count_leases(self) -> None:
        while self._given_back:
            acquire, held = self._lock.acquire, False
            try:
                # Acquired and noted in one step of the interpreter: an interrupt comes before both or after both.
                for held in map(acquire, (False,)):
                    if held:
                        self._end_leases()
            finally:
                if held:
                    self._lock.release()
            if not held:
                return
        while self._ended:
            ended = self._ended[0]
            # Again in its thread: a turn under way there may have updated the followers meanwhile.
            ended.soon(self._forget_if_ended)
            ended.close(wait=False)
            self._forget_if_ended()
            with contextlib.suppress(ValueError):
                self._ended.remove(ended)

    def _end_leases(self) -> None:
        """Take the Watcher out of use if the last lease has ended."""
        self._given_back = False
        watcher = self._watcher
        if not self._leases and watcher is not None:
            # In one statement without a call: nothing interrupts it, so no Watcher is closed that is still used.
            self._watcher, self._ended = None, [*self._ended, watcher]
            self._know_nothing()

    def _forget_if_ended(self) -> None:
        if self._watcher is None:
            self._know_nothing()
            for follower in list(self._followers.values()):
                follower.forget()

    def _know_nothing(self) -> None:
        """Forget the state of the Watcher; the next question starts another, however soon it comes."""
        self.hearing = self._established = self.idle = False
        self._reasons, self._refusals, self._directly = {}, {}, {}
        self._asked_at, self._asked, self._questions = float("-inf"), 0, 0

    def _renew(self) -> None:
        """Start over in a forked child."""
        self._lock = RLock()
        self.turns.renew()
        self._watcher, self._ended = None, []
        for follower in self._followers.values():
            follower.renew()
        self._know_nothing()


def _call_later(seconds: float, call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, call)


def _nothing_located() -> Location:
    from ..net.locate import Location

    return Location()


class Lease:
    """
    A claim to the Watcher, which runs, from its first use on, as long as one lease is open.

    Args:
        shared: the Watcher.
        owner: when it is garbage collected the lease ends too.
    """

    def __init__(self, shared: Shared, owner: object) -> None:
        self.shared = shared
        # It is in the set of open leases or not: opening or closing it twice, at once or halfway makes no difference.
        self._token = object()
        # Not at the interpreter's exit: a finalizer may still send commands to the known master.
        weakref.finalize(owner, shared._release, self._token).atexit = False

    def open(self) -> None:
        """Open it, or open it again; nothing happens if it is open."""
        if self._token not in self.shared._leases:
            self.shared._lease(self._token)

    def close(self) -> None:
        """Close it; nothing happens if it is not open."""
        if self._token in self.shared._leases:
            self.shared._release(self._token)


def share(settings: WatcherSettings) -> Shared:
    """Return the one `Shared` of this process for these settings, with the Watcher's modules imported."""
    from ..net import locate, sync  # noqa: F401  # here, since a command that starts the Watcher has little time

    _follow_forks()
    with _registry.lock:
        found = _registry.shared.get(settings)
        if found is None:
            found = _registry.shared[settings] = Shared(settings)
        return found


class _Registry:
    def __init__(self) -> None:
        self.lock = RLock()
        self.shared: weakref.WeakValueDictionary[WatcherSettings, Shared] = weakref.WeakValueDictionary()

    def renew(self) -> None:
        self.lock = RLock()
        for shared in list(self.shared.values()):
            shared._renew()


_registry = _Registry()


@cache
def _follow_forks() -> None:
    """
    Start over in every forked child, after `switchmaster.net.sync` has: handlers run in the order of registration.

    It keeps the parent's loops, whose end would touch what both processes share; here they would only be forgotten.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_registry.renew)
