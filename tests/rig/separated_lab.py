"""
A deployment of real servers whose master is alone behind a cable that can be cut.

The two replicas and the three Sentinels are in the near network, as is the test.
"""

from __future__ import annotations

import dataclasses
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rig.netns import FAR, NEAR, Cable
from rig.routable_options import RoutableOptions
from switchmaster.lab import LabClient, LabServer, ServerBinary, Steering
from switchmaster.lab.lab_options import Listener, node_configuration, sentinel_configuration
from switchmaster.lab.processes import Guardian, OwnedProcess
from switchmaster.lab.servers import wait_for

MASTER = "mymaster"
FIRST_NODE, FIRST_SENTINEL = 6379, 26379
START_LIMIT = 15.0


class Deployment(Steering):
    """
    The servers; `separated_lab` starts and ends them.

    Args:
        binary: the server.
        cable: what joins the two networks.
        folder: for their files.
        options: as for a lab.
    """

    def __init__(self, binary: ServerBinary, cable: Cable, folder: Path, options: dict[str, int]) -> None:
        near = RoutableOptions(host=NEAR, announced=FAR, **options)
        far = dataclasses.replace(near, host=f"{FAR} 127.0.0.1")
        self.alone = LabServer(f"{MASTER}-1", "node", MASTER, FAR, FIRST_NODE, folder)
        """The master behind the cable."""
        nodes = [LabServer(f"{MASTER}-{n}", "node", MASTER, NEAR, FIRST_NODE + n, folder) for n in (2, 3)]
        sentinels = [LabServer(f"s{n}", "sentinel", "", NEAR, FIRST_SENTINEL + n, folder) for n in (1, 2, 3)]
        super().__init__([self.alone, *nodes, *sentinels], [MASTER])
        self.cable = cable
        self._binary = binary
        self._guardian = Guardian(folder)
        for server in self.servers:
            listener = Listener(server.port, folder, server.log)
            if server.kind == "sentinel":
                text = sentinel_configuration(near, listener, [(MASTER, FIRST_NODE)], None)
            elif server is self.alone:
                text = node_configuration(far, binary, listener, None, None)
            else:
                text = node_configuration(near, binary, listener, FIRST_NODE, None)
            server.config.write_text(text, encoding="utf-8")

    @contextmanager
    def client_behind(self) -> Iterator[LabClient]:
        """Yield a client of the master behind the cable, in the master's network."""
        with self.cable.far.entered(), LabClient(("127.0.0.1", FIRST_NODE), self.alone.name) as client:
            yield client

    def start(self) -> None:
        # In this order: a replica that finds no master retries after 1 s, a Sentinel that finds no replicas after 10 s.
        for group in ([self.alone], self.servers[1:3], self.sentinels):
            for server in group:
                with self.cable.far.entered() if server is self.alone else nullcontext():
                    self._launch(server)
            wait_for(lambda group=group: _lacking_in(group), START_LIMIT)  # type: ignore[misc]
        self.wait_until_settled(START_LIMIT)

    def end(self) -> None:
        for server in self.servers:
            if server.alive:
                server.signal(signal.SIGKILL)
                self._wait_end(server)
        self._guardian.dismiss()

    def _launch(self, server: LabServer) -> None:
        mode = ["--sentinel"] if server.kind == "sentinel" else []
        with server.output.open("wb") as output:
            server.process = OwnedProcess([str(self._binary.path), str(server.config), *mode], output)
        self._guardian.add(server.process.pid)


def _lacking_in(servers: Iterable[LabServer]) -> str:
    for server in servers:
        if not server.answers():
            return f"{server.describe()} does not answer"
        role = server.call("ROLE")
        if role[0] == "slave" and role[3] != "connected":
            return f"{server.describe()} has no link to its master"
    return ""


@contextmanager
def separated_lab(binary: ServerBinary, **options: int) -> Iterator[Deployment]:
    """
    Run such a deployment for the length of a block, with the calling thread in the near network.

    Args:
        binary: the server.
        options: as for a lab.
    """
    with Cable() as cable, tempfile.TemporaryDirectory(prefix="switchmaster-apart-") as folder, cable.near.entered():
        deployment = Deployment(binary, cable, Path(folder), options)
        try:
            deployment.start()
            yield deployment
        finally:
            deployment.end()
