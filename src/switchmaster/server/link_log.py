"""
The log of links to Sentinels: one line when a link is lost or restored, or when a Sentinel enters or leaves TILT.

Links are not part of the journal: another daemon may hear what this one does not.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from ..belief.topology import SentinelState
from ..model import SentinelName
from ..wire.facts import LinkState

__all__ = ["LinkLog"]

_log: Final = logging.getLogger("switchmaster.watch")


class LinkLog:
    """
    The log of one deployment's links.

    Args:
        deployment: its name.
    """

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment
        self._heard: dict[SentinelName, bool] = {}
        self._tilted: dict[SentinelName, bool] = {}

    def look(self, sentinels: Mapping[SentinelName, SentinelState]) -> None:
        """Log what changed since the last call."""
        for name, sentinel in sentinels.items():
            live = sentinel.state is LinkState.LIVE
            if not live and not sentinel.reason:
                continue  # it is being dialled: neither lost nor heard yet
            before = self._heard.get(name)
            self._heard[name] = live
            if live and before is False:
                self._report(name, "is heard again")
            elif not live and before is not False:
                self._report(name, f"{'is lost' if before else 'is not heard'}: {sentinel.reason}")
            if live and sentinel.tilt != self._tilted.get(name, False):
                self._tilted[name] = sentinel.tilt
                self._report(name, "is in TILT, and starts no failover" if sentinel.tilt else "has left TILT")
        for name in self._heard.keys() - sentinels.keys():
            del self._heard[name]
            self._tilted.pop(name, None)

    def _report(self, name: SentinelName, what: str) -> None:
        fields = {"deployment": self._deployment, "sentinel": name}
        _log.info("%s: the Sentinel %s %s", self._deployment, name, what, extra={"fields": fields})
