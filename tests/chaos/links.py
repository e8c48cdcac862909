"""
The links between the application and the servers: a proxy before each, in a process of their own.

A separate process, so that neither the forwarding waits for the application nor the application for it. `Links` steers
them from outside. Run as a program it reads commands, a line of JSON each, and answers each with a line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from switchmaster.lab import FaultyProxy

__all__ = ["Links"]

END_LIMIT = 10.0


class Links:
    """
    A link to each server, for the length of a block.

    Args:
        servers: name -> address of each.
    """

    def __init__(self, servers: Mapping[str, tuple[str, int]]) -> None:
        self._servers = dict(servers)
        self.table: dict[tuple[str, int], tuple[str, int]] = {}
        """Announced address -> address to dial (``address_map``)."""

    def silence(self, name: str) -> None:
        """Drop everything silently."""
        self._order("stall", name)

    def cut(self, name: str) -> None:
        """Reset open connections, and refuse new ones."""
        self._order("refuse", name)
        self._order("cut", name)

    def mend(self, name: str) -> None:
        """Let everything through; bytes that a silent link held arrive late."""
        self._order("pass_", name)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        listening = self._say(self._servers)
        self.table = {self._servers[name]: (host, port) for name, (host, port) in listening.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(END_LIMIT)
        self._process.stdout.close()

    def _order(self, what: str, name: str) -> None:
        self._say([what, name])

    def _say(self, what: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def main() -> None:
    """Run the proxies, until the input ends."""
    servers: dict[str, list[Any]] = json.loads(sys.stdin.readline())
    with ExitStack() as stack:
        proxies = {name: stack.enter_context(FaultyProxy((host, port))) for name, (host, port) in servers.items()}
        print(json.dumps({name: proxy.address for name, proxy in proxies.items()}), flush=True)
        for line in sys.stdin:
            what, name = json.loads(line)
            getattr(proxies[name], what)()
            print("null", flush=True)


if __name__ == "__main__":
    main()
