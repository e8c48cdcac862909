"""
The guards of one deployment in the daemon: begun when a master is to be guarded, steered and read from other threads.

A deployment without a guarded master has no guard and no further connection. An operator's word counts until the next
start or reload; what is configured counts then. Each such word is a line in the journal.

The guard lives in the Watcher's loop. What other threads read are immutable values that this loop hands over: each
`beat`, and after each notice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final

from ..belief.decisions import Notice
from ..errors import UnknownMaster, UsageError
from ..guard.policy import Arming, Policy
from ..guard.status import GuardStatus
from ..journal.guard_lease import GuardLease
from ..net.guard import Guard
from ..net.watcher import Watcher
from ..render import Line, iso
from .settings.guard_settings import GuardSettings

__all__ = ["DeploymentGuard"]

_log = logging.getLogger("switchmaster.guard")

ORDER_SECONDS: Final = 5.0
"""Seconds that the Watcher's loop has to carry out what another thread asks for."""


class DeploymentGuard:
    """
    Guards the masters of one deployment.

    Args:
        watcher: of the deployment.
        settings: the configured policies.
        identity: tells this daemon's guards from others, without spaces.
        on_notice: takes what people should know.
        tell: takes a line of the journal about what an operator did.
        lease: shared with other daemons; None if this daemon's guards are the only ones.
    """

    def __init__(
        self,
        watcher: Watcher,
        settings: GuardSettings,
        identity: str,
        on_notice: Callable[[Notice], None],
        tell: Callable[[Line], None],
        lease: GuardLease | None = None,
    ) -> None:
        self._watcher, self._settings, self._lease = watcher, settings, lease
        # Guards that share a lease share a name too, so that none takes the other for a rival.
        self._identity = identity if lease is None else lease.name
        self._on_notice, self._tell = on_notice, tell
        self._guard: Guard | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._statuses: Mapping[str, GuardStatus] = {}

    # -- in the Watcher's loop ----------------------------------------------------------------------

    def start(self) -> None:
        """Begin to guard, if any master is to be guarded."""
        self._loop = asyncio.get_running_loop()
        if self._settings.wanted:
            self._begin()

    async def apply(self, settings: GuardSettings) -> None:
        """Take other policies; the Watcher keeps its connections, and so does a guard that goes on."""
        self._settings = settings
        if self._guard is None:
            self.start()
        elif settings.wanted:
            self._guard.apply()
        else:
            await self.close()
        self.beat()

    async def close(self) -> None:
        """Stop guarding."""
        guard, self._guard = self._guard, None
        if guard is not None:
            await guard.close()
            if self._lease is not None:
                await asyncio.to_thread(self._lease.close)
        self._statuses = {}

    def beat(self) -> None:
        """Hand over the state of all guards; called about once a second."""
        self._statuses = {} if self._guard is None else {one.master: one for one in self._guard.status()}

    def _begin(self) -> Guard:
        lease = self._lease
        if lease is not None:
            lease.start()
        guard = Guard(
            self._watcher,
            self.policy,
            identity=self._identity,
            on_notice=self._noticed,
            leased=lambda: lease is None or lease.held,
        )
        self._guard = guard
        guard.start()
        return guard

    def _noticed(self, notice: Notice) -> None:
        self._on_notice(notice)
        asyncio.get_running_loop().call_soon(self.beat)

    def _arm(self, master: str, arming: Arming, by: str) -> None:
        self._check(master)
        guard = self._guard
        if guard is None and arming is not Arming.DISARMED:
            guard = self._begin()
        if guard is not None:
            guard.arm(master, arming)
        self._done(master, f"the guard is {_ARMED[arming]}, until the daemon's next start or reload", by)

    def _suspend(self, master: str, seconds: float | None, by: str) -> None:
        self._check(master)
        if self._guard is None:
            raise UsageError(f"no guard is armed in the deployment {self._watcher.deployment!r}")
        until = None if seconds is None else time.time() + seconds
        self._guard.suspend(master, until)
        words = "the guard acts again" if until is None else f"the guard is suspended until {iso(until)}"
        self._done(master, words, by)

    def _check(self, master: str) -> None:
        known = self._watcher.masters()
        if master not in known:
            raise UnknownMaster(master, tuple(known), tuple(self._watcher.sentinels))

    def _done(self, master: str, words: str, by: str) -> None:
        now = time.time()
        deployment = self._watcher.deployment
        text = f"{master}: {words}" + (f" (by {by})" if by else "")
        self._tell({"type": "daemon", "time": iso(now), "deployment": deployment, "master": master, "text": text})
        self.beat()

    # -- in any thread ------------------------------------------------------------------------------

    @property
    def statuses(self) -> Mapping[str, GuardStatus]:
        """The last state of each master's guard, by name; empty where no master is guarded."""
        return self._statuses

    def policy(self, master: str) -> Policy:
        """Return the configured policy of a master."""
        return self._settings.policy(master)

    @property
    def leased(self) -> bool | None:
        """Whether this daemon holds the lease; None if no lease is shared."""
        return None if self._lease is None else self._lease.held

    async def arm(self, master: str, arming: Arming, by: str = "") -> None:
        """
        Arm or disarm the guard of one master until the next start or reload; from any loop.

        Args:
            master: its name.
            arming: what it is to be.
            by: who asks for it.

        Raises:
            UnknownMaster: no Sentinel monitors it.
            TimeoutError: the Watcher's loop is stuck.
        """
        await self._there(lambda: self._arm(master, arming, by))

    async def suspend(self, master: str, seconds: float | None, by: str = "") -> None:
        """
        Suspend the guard of one master; from any loop.

        Args:
            master: its name.
            seconds: for how long; None ends a suspension.
            by: who asks for it.

        Raises:
            UnknownMaster: no Sentinel monitors it.
            UsageError: no guard is armed in this deployment.
            TimeoutError: the Watcher's loop is stuck.
        """
        await self._there(lambda: self._suspend(master, seconds, by))

    async def _there(self, order: Callable[[], None]) -> None:
        done: Future[None] = Future()

        def carry_out() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                order()
            except BaseException as error:  # it is raised where it was asked for
                done.set_exception(error)
            else:
                done.set_result(None)

        if self._loop is None:
            raise TimeoutError
        self._loop.call_soon_threadsafe(carry_out)
        async with asyncio.timeout(ORDER_SECONDS):
            await asyncio.wrap_future(done)


_ARMED: Final = {Arming.ARMED: "armed", Arming.DRY_RUN: "armed as a dry run", Arming.DISARMED: "disarmed"}
