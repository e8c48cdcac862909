"""
The proxy of one deployment in the daemon: begun if one is configured, replaced when its settings change.

It lives in the Watcher's loop, as the relay does. HAProxy ends with the daemon's orderly end, and goes on by its own
checks if the daemon is killed, or while it changes its settings; the next proxy in the same folder finds it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from ..errors import SwitchmasterError
from ..net.watcher import Watcher
from ..proxy.proxy import Proxy
from ..proxy.proxy_lines import proxy_lines
from ..proxy.proxy_settings import ProxySettings
from ..render import Line

__all__ = ["DeploymentProxy"]

_log = logging.getLogger("switchmaster.proxy")

BEGIN_AGAIN_SECONDS: Final = 5.0
"""Seconds between two attempts to begin."""


class DeploymentProxy:
    """
    Runs HAProxy for one deployment.

    Args:
        watcher: of the deployment.
        settings: of the proxy; None for no proxy.
    """

    def __init__(self, watcher: Watcher, settings: ProxySettings | None) -> None:
        self._watcher, self._settings = watcher, settings
        self._proxy: Proxy | None = None
        self._trying: asyncio.Task[None] | None = None
        self.readings: Mapping[str, float] = {}
        """Numbers for the metrics, by name, as of the last `beat`; empty without a proxy. Any thread may read it."""
        self.masters: Mapping[str, Mapping[str, float]] = {}
        """The same of each master, by its name."""
        self.lines: tuple[Line, ...] = ()
        """The whole proxy for the API, likewise."""

    async def start(self) -> None:
        """Begin, if a proxy is configured; if it can't, go on trying."""
        if self._settings is not None and not await self._begin(self._settings):
            self._trying = asyncio.create_task(self._begin_later(self._settings), name="switchmaster: begin proxy")

    async def _begin(self, settings: ProxySettings) -> bool:
        proxy = Proxy(self._watcher, settings)
        try:
            await proxy.start()
        except SwitchmasterError as error:
            deployment = self._watcher.deployment
            _log.error("the proxy of %s: %s; it is tried again every %g s", deployment, error, BEGIN_AGAIN_SECONDS)
            return False
        self._proxy = proxy
        return True

    async def _begin_later(self, settings: ProxySettings) -> None:
        while True:
            await asyncio.sleep(BEGIN_AGAIN_SECONDS)
            if await self._begin(settings):
                return

    async def apply(self, settings: ProxySettings | None) -> None:
        """Take the settings of a reload; if they changed, HAProxy is reloaded, or ended if it has another folder."""
        if settings == self._settings:
            return
        stays = settings is not None and self._settings is not None and settings.folder == self._settings.folder
        await self._stop(end=not stays)
        self._settings = settings
        await self.start()

    async def release(self) -> None:
        """Stop, and leave HAProxy to the next proxy in this folder."""
        await self._stop(end=False)

    async def close(self) -> None:
        """Stop, and end HAProxy."""
        await self._stop(end=True)

    async def _stop(self, end: bool) -> None:
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.gather(self._trying, return_exceptions=True)
            self._trying = None
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            await proxy.close(end)
        self.readings, self.masters, self.lines = {}, {}, ()

    def beat(self) -> None:
        """Hand over the numbers; called about once a second."""
        proxy = self._proxy
        if proxy is None:
            return
        self.readings = {
            "up": proxy.ready.is_set() and not proxy.trouble,
            "drifts": proxy.drifts,
            "starts": proxy.program.starts,
            "reloads": proxy.program.reloads,
        }
        self.masters = {
            name: {
                "in_sync": lane.in_sync,
                "moves": lane.moves,
                "holds": lane.holds,
                "last_move_seconds": lane.move_seconds,
            }
            for name, lane in proxy.lanes.items()
        }
        self.lines = proxy_lines(self._watcher.deployment, proxy)
