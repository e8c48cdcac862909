"""
A writer through our own client during a planned failover: what an application would have seen.

It writes numbers to a throwaway list that expires, one every `EVERY` seconds, and at the end asks the new master which
of the acknowledged ones are there. It uses the credentials of the data nodes, so their user must be allowed to write.
"""

from __future__ import annotations

import importlib
import secrets
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from ..errors import MissingDependency, SwitchmasterError, UsageError
from ..render import Line
from ..server.watcher_arguments import read_secret
from ..url import ConnectionSettings, ServerAccess

__all__ = ["Canary", "CanaryReport"]

EVERY: Final = 0.01
EXPIRES_SECONDS: Final = 300
KEY: Final = "switchmaster:canary:"
FIRST_SECONDS: Final = 5.0
"""Seconds in which the first write must be acknowledged."""


@dataclass(frozen=True, slots=True)
class CanaryReport:
    """What it saw."""

    acknowledged: int
    failed: tuple[str, ...]
    """Why, for each write that failed."""
    lost: int | None
    """Acknowledged writes that the master does not have at the end; None if it could not be asked."""
    longest_pause: float
    """Seconds between two acknowledgements, at most."""

    def line(self) -> Line:
        """Return it as a line."""
        return {
            "type": "canary",
            "acknowledged": self.acknowledged,
            "failed": len(self.failed),
            "lost": self.lost,
            "longest_pause": round(self.longest_pause, 6),
            "reasons": sorted(set(self.failed))[:5],
        }


class Canary:
    """
    Writes from `start` until `stop`.

    Args:
        settings: the deployment.
        master: its name.
        hold: seconds for which the client may hold commands: a coordinated failover takes longer.

    Raises:
        MissingDependency: neither redis-py nor valkey-py is installed.
        UsageError: a password file can't be read.
    """

    def __init__(self, settings: ConnectionSettings, master: str, hold: float = 2.0) -> None:
        access = (settings.node_access or {}).get(master, settings.node)
        self._sentinel = _library().Sentinel(
            list(settings.sentinels or ()),
            sentinel_kwargs=_arguments(settings.sentinel),
            socket_timeout=5.0,
            hold=hold,
            address_map=settings.address_map,
            **_arguments(access),
        )
        self._client = self._sentinel.master_for(master)
        self._key = KEY + secrets.token_hex(8)
        self._acknowledged: list[tuple[int, float]] = []
        self._failed: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="switchmaster: the canary", daemon=True)

    def start(self) -> None:
        """
        Begin to write, and wait for the first acknowledgement.

        Raises:
            UsageError: it may not write, or the master does not answer; nothing is left running.
        """
        self._thread.start()
        until = time.monotonic() + FIRST_SECONDS
        while not self._acknowledged and not self._failed and time.monotonic() < until:
            time.sleep(EVERY)
        if not self._acknowledged:
            why = self._failed[0] if self._failed else f"no acknowledgement within {FIRST_SECONDS:g} s"
            self.stop()
            raise UsageError(f"the canary can't write to {self._key}*: {why}")

    def stop(self) -> CanaryReport:
        """Stop writing, and return what it saw; its key is removed."""
        self._stop.set()
        self._thread.join(2 * FIRST_SECONDS)
        lost: int | None = None
        try:
            kept = {int(item) for item in self._client.lrange(self._key, 0, -1)}
            lost = sum(number not in kept for number, _ in self._acknowledged)
            self._client.delete(self._key)
        except Exception as error:
            # Of whatever library: it could not be asked, which the report says.
            self._failed.append(f"at the end: {error}")
        self._client.close()
        times = [at for _, at in self._acknowledged]
        pause = max((later - earlier for earlier, later in pairwise(times)), default=0.0)
        return CanaryReport(len(self._acknowledged), tuple(self._failed), lost, pause)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(EVERY):
            number += 1
            try:
                self._client.rpush(self._key, number)
                self._acknowledged.append((number, time.monotonic()))
                if number % 100 == 1:
                    self._client.expire(self._key, EXPIRES_SECONDS)
            except Exception as error:
                # Of whatever library: a failed write is what it is here to see.
                self._failed.append(str(error) or type(error).__name__)


def _library() -> Any:
    for name in ("redis", "valkey"):
        try:
            return importlib.import_module(f"switchmaster.{name}")
        except (ModuleNotFoundError, SwitchmasterError):
            continue
    raise MissingDependency("redis", "redis")


def _arguments(access: ServerAccess) -> dict[str, Any]:
    """Return the library's arguments for one kind of server."""
    password = access.password
    if access.password_file is not None:
        password = read_secret(Path(access.password_file), "servers")
    if access.server_name is not None:
        raise UsageError("the canary can't check another server name than the host's; leave --canary out")
    found: dict[str, Any] = {"username": access.username, "password": password}
    if access.uses_tls:
        found |= {"ssl": True, "ssl_ca_certs": access.ca, "ssl_certfile": access.cert, "ssl_keyfile": access.key}
    return {name: value for name, value in found.items() if value is not None}
