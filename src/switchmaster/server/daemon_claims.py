"""
Which deployments this daemon watches: all of its file, or those that it claims among several daemons.

Every sixth of a lease it looks at the claims (`switchmaster.journal.claim_store`), in a thread. The look is made by the
main loop, so a daemon that hangs loses its claims. While PostgreSQL is away it keeps what it has; if it starts
meanwhile, it watches everything: too many watch a deployment then, never none.

Before it ends it hands over: it watches on until others know the masters, `LEAVE_SECONDS` at most.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Final, Protocol

from ..errors import JournalUnavailable
from ..journal.claim_store import ClaimLook, ClaimStore
from ..journal.claims import Claim, ClaimState, Moves, Sharer
from .settings.share_settings import ShareSettings

__all__ = ["DaemonClaims", "WatchedBelief"]

_log = logging.getLogger("switchmaster.claims")

LOOKS_PER_LEASE: Final = 6
DEAF_SECONDS: Final = 15.0
"""Seconds without the belief in a deployment after which another daemon takes it too."""
LEAVE_SECONDS: Final = 5.0
"""Seconds that the others have to take over from a daemon that ends."""
LEAVING_LOOK_SECONDS: Final = 0.1
NAMED: Final = 10
"""Deployments that one line names."""


class WatchedBelief(Protocol):
    """What is read of a deployment that this daemon watches (see `published_belief`)."""

    hearing: bool
    established: bool

    @property
    def size(self) -> int:
        """The number of its masters."""


class DaemonClaims:
    """
    Decides which deployments this daemon watches. All methods and attributes belong to the main loop, but for those
    that say otherwise.

    Args:
        url: of the journal.
        run: this run's id.
        name: the name that people know this daemon by.
        watched: returns what is watched now, by name.
        moved: called when `held` has changed.
        tell: takes a sentence for the log and the journal.
    """

    def __init__(
        self,
        url: str,
        run: str,
        name: str,
        watched: Callable[[], Mapping[str, WatchedBelief]],
        moved: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self._url, self._run, self._name = url, run, name
        self._watched, self._moved, self._tell = watched, moved, tell
        self._store: ClaimStore | None = None
        self._looking = asyncio.Lock()
        self._leaving = False
        self.settings: ShareSettings | None = None
        """None if nothing is shared. Any thread may read it."""
        self._offered: frozenset[str] = frozenset()
        """All deployments of the file."""
        self.held: frozenset[str] = frozenset()
        """The deployments to watch now. Any thread may read it."""
        self._missed_since: dict[str, float] = {}
        """Since when the belief is missing, in monotonic seconds, by the deployment that is held."""
        self._masters: dict[str, int] = {}
        """How many masters were last seen in each deployment."""
        self.sharers: tuple[Sharer, ...] = ()
        """The daemons that live, this one included, as of the last look. Any thread may read it."""
        self.trouble: JournalUnavailable | None = None
        """Why the last look failed; None if it did not. Any thread may read it."""
        self.decided = False
        """Whether it is known what to watch. Any thread may read it."""
        self.moves: Counter[str] = Counter()
        """Deployments that were claimed and released since the start. Any thread may read it."""

    @property
    def run(self) -> str:
        """This run's id."""
        return self._run

    async def apply(self, settings: ShareSettings | None, deployments: Iterable[str]) -> None:
        """
        Take what is configured, at the start and at each reload.

        Args:
            settings: how deployments are shared; None for not at all.
            deployments: the names of all of the file.
        """
        before, self.settings = self.settings, settings
        self._offered = frozenset(deployments)
        if settings is None:
            self.held, self.decided = self._offered, True
            await self._forget()
            return
        if before is None and self.decided:
            self.held = self._offered  # what is too much is given up when the others are ready
        self.held = (self.held | settings.kept) & self._offered
        if self._store is None:
            self._store = ClaimStore(self._url, self._run, self._name)

    async def begin(self) -> None:
        """Look for the first time: what this daemon is to watch is known then."""
        await self.look()
        if not self.decided:
            self.held, self.decided = self._offered, True
            _log.warning("this daemon watches all of its deployments until it can share them: %s", self.trouble)

    async def live(self) -> None:
        """Look again and again."""
        while not self._leaving:
            await asyncio.sleep((LOOKS_PER_LEASE if self.settings is None else self.settings.lease) / LOOKS_PER_LEASE)
            try:
                await self.look()
            except Exception:
                # The next look must come: without one the others take everything over. Logged.
                _log.exception("a look at the claims failed")

    async def look(self) -> None:
        """Renew the lease, and take over what changed; does nothing where nothing is shared."""
        async with self._looking:
            settings, store = self.settings, self._store
            if settings is None or store is None:
                return
            offers = self._offers(settings)
            try:
                found = await asyncio.to_thread(store.look, offers, settings.daemons, settings.lease, self._leaving)
            except JournalUnavailable as error:
                if self.trouble is None:
                    _log.warning("%s; this daemon keeps the deployments that it watches", error)
                self.trouble = error
                return
            if self.trouble is not None:
                self.trouble = None
                _log.warning("deployments are shared again")
            if self.settings is settings:
                self._take(found)

    def _take(self, found: ClaimLook) -> None:
        self.sharers, first, self.decided = found.sharers, not self.decided, True
        self.moves["claimed"] += len(found.moves.claim)
        self.moves["released"] += len(found.moves.release)
        held = ((self.held | {*found.moves.claim}) - {*found.moves.release}) & self._offered
        if held == self.held:
            return
        self.held = held
        if first:
            return  # the caller of `begin` starts it, and says so
        for words in _words(found.moves):
            self._tell(words)
        if not self._leaving:
            self._moved()

    def _offers(self, settings: ShareSettings) -> dict[str, Claim]:
        watched, now = self._watched(), time.monotonic()
        self._missed_since = {name: since for name, since in self._missed_since.items() if name in self.held}
        return {
            name: Claim(self._state(name, watched.get(name), now), name in settings.kept, self._masters.get(name, 0))
            for name in self._offered
        }

    def _state(self, name: str, one: WatchedBelief | None, now: float) -> ClaimState:
        if name not in self.held:
            return ClaimState.FREE
        if one is None:
            return ClaimState.STARTING  # it waits for its turn: many may have been claimed at once
        if one.hearing and one.established:
            self._missed_since[name], self._masters[name] = now, one.size
            return ClaimState.READY
        missed = now - self._missed_since.setdefault(name, now)
        return ClaimState.DEAF if missed > DEAF_SECONDS else ClaimState.STARTING

    # -- the end ------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Hand everything over to the others, as far as there are some, and forget this daemon."""
        self._leaving = True
        until = time.monotonic() + LEAVE_SECONDS
        while self.decided and self.settings is not None and self.held and time.monotonic() < until:
            await self.look()
            staying = any(not one.leaving for one in self.sharers)
            if self.trouble is not None or not staying:
                break
            await asyncio.sleep(LEAVING_LOOK_SECONDS)
        await self._forget()

    async def _forget(self) -> None:
        async with self._looking:
            store, self._store, self.sharers, self.trouble = self._store, None, (), None
            if store is not None:
                with suppress(JournalUnavailable):  # the lease ends by itself
                    await asyncio.to_thread(store.leave)
                store.close()


def _words(moves: Moves) -> Iterable[str]:
    for what, names in (("watches from now on", moves.claim), ("leaves to other daemons", moves.release)):
        if names:
            yield f"{what}: {_named(names)}"


def _named(names: Collection[str]) -> str:
    more = len(names) - NAMED
    return ", ".join([*names][:NAMED]) + (f" and {more} more" if more > 0 else "")
