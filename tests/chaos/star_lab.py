"""
A lab whose servers have a network each, so that one can be cut off from all others while the application reaches it.

Everything else is as in any `Lab`. The calling thread must be in the hub (`StarNetwork.hub`), and so must everything
that talks to the servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rig.netns import Network, lacking
from rig.routable_options import RoutableOptions
from rig.star_network import StarNetwork
from switchmaster.lab import Lab, LabServer

__all__ = ["Scattered", "deployed"]

SOMEWHERE = "somewhere"
"""The host that a configuration names at first; it is replaced by the server's own, which the port identifies."""


class Scattered(Lab):
    """
    A lab in the arms of a star.

    Args:
        star: has an arm for each server.
        options: as for a lab.
    """

    def __init__(self, star: StarNetwork, **options: Any) -> None:
        super().__init__(RoutableOptions(host="0.0.0.0", announced=SOMEWHERE, **options))
        self._star = star
        self._homes: dict[str, Network] = {}

    def isolate(self, server: LabServer) -> None:
        """Drop everything between a server and all others, silently."""
        self._star.isolate(self._homes[server.name])

    def rejoin(self, server: LabServer) -> None:
        """Let everything through again."""
        self._star.rejoin(self._homes[server.name])

    def _new(self, name: str, kind: Any, master: str, port: int, password: str | None) -> LabServer:
        server = super()._new(name, kind, master, port, password)
        home = self._homes.setdefault(name, self._star.arms[len(self._homes)])
        server.host = home.host
        return server

    def _new_node(self, name: str, master: str, port: int, master_port: int | None) -> None:
        super()._new_node(name, master, port, master_port)
        self._place(self.servers[-1])

    def _new_sentinel(self, port: int, masters: list[tuple[str, int]]) -> LabServer:
        sentinel = super()._new_sentinel(port, masters)
        self._place(sentinel)
        return sentinel

    def _place(self, server: LabServer) -> None:
        """Write the others' hosts, known by their ports, into a configuration."""
        hosts = {str(other.port): other.host for other in self.servers}
        server.first_config = re.sub(
            rf"\b{SOMEWHERE} (\d+)", lambda found: f"{hosts[found[1]]} {found[1]}", server.first_config
        )

    def _launch(self, server: LabServer) -> None:
        with self._homes[server.name].entered():
            super()._launch(server)


@contextmanager
def deployed(masters: tuple[str, ...], replicas: int, sentinels: int, **options: Any) -> Iterator[Lab]:
    """Run a `Scattered` lab, with the calling thread in its hub, for a block; on loopback where none can be."""
    options |= {"masters": masters, "replicas": replicas, "sentinels": sentinels}
    if lacking():
        with Lab(**options) as lab:
            yield lab
        return
    with (
        StarNetwork(len(masters) * (1 + replicas) + sentinels) as star,
        star.hub.entered(),
        Scattered(star, **options) as lab,
    ):
        yield lab
