"""
Steer the servers of a running lab: query, crash, hang, resume, fail over.

The servers may have been started here (`Lab`) or by another terminal (`attach`). Not thread-safe.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence

from switchmaster.errors import LabError, UsageError
from switchmaster.lab.lab_client import CommandRefused, LabReply, ServerSilent
from switchmaster.lab.servers import LabServer, wait_for
from switchmaster.lab.truth import NodeReport, choose_master, read_info, read_report

__all__ = ["Steering"]

FAILOVER_TIMEOUT = 5.0
COMPLAINTS = {"s_down", "o_down", "disconnected", "failover_in_progress"}


class Steering:
    """The servers of a lab, and the actions on them."""

    def __init__(self, servers: Iterable[LabServer] = (), masters: Sequence[str] = ()) -> None:
        self.servers: list[LabServer] = list(servers)
        self.masters_monitored: tuple[str, ...] = tuple(masters)

    # The servers

    @property
    def sentinels(self) -> list[LabServer]:
        """All Sentinels, dead ones included."""
        return [server for server in self.servers if server.kind == "sentinel"]

    @property
    def sentinel_addresses(self) -> list[tuple[str, int]]:
        """Host and port of every Sentinel, as clients take them."""
        return [server.address for server in self.sentinels]

    def nodes(self, master: str | None = None) -> list[LabServer]:
        """Return all data nodes of a master (of the only one, if None), dead ones included."""
        name = self._known(master)
        return [server for server in self.servers if server.master == name]

    def server(self, name: str) -> LabServer:
        """
        Find a server by its name.

        Raises:
            UsageError: no server has that name; the error lists the existing ones.
        """
        for server in self.servers:
            if server.name == name:
                return server
        there = ", ".join(server.name for server in self.servers)
        raise UsageError(f"the lab has no server {name!r}; it has {there}")

    # The truth, asked of the nodes

    def reports(self, master: str | None = None) -> list[NodeReport]:
        """Return the report of every node that answers; hung and dead ones are left out."""
        return [report for node in self.nodes(master) if (report := _ask(node))]

    def masters(self, master: str | None = None) -> list[LabServer]:
        """Return all nodes that report being a master; during a planned failover there are two."""
        return [self.server(report.name) for report in self.reports(master) if report.role == "master"]

    def master(self, master: str | None = None) -> LabServer:
        """
        Return the master as the nodes report it; the newest if there are two.

        Raises:
            LabError: no answering node is a master.
        """
        chosen = choose_master(self.reports(master))
        if chosen is None:
            raise LabError(f"no node of {self._known(master)!r} that answers is a master")
        return self.server(chosen.name)

    def replicas(self, master: str | None = None) -> list[LabServer]:
        """Return the nodes that report being a replica."""
        return [self.server(report.name) for report in self.reports(master) if report.role == "slave"]

    # What can be done to one server

    def crash(self, server: LabServer) -> None:
        """Kill a server (SIGKILL) and wait for its exit."""
        server.signal(signal.SIGKILL)
        self._wait_end(server)

    def terminate(self, server: LabServer) -> None:
        """Terminate a server (SIGTERM) and wait for its exit."""
        server.signal(signal.SIGTERM)
        self._wait_end(server)

    def hang(self, server: LabServer) -> None:
        """Stop a server (SIGSTOP): its connections stay open but it answers nothing."""
        server.signal(signal.SIGSTOP)
        wait_for(lambda: "" if server.state == "hung" else f"{server.describe()} is still running", 5.0)

    def resume(self, server: LabServer) -> None:
        """Resume a hung server (SIGCONT)."""
        server.signal(signal.SIGCONT)

    def log(self, server: LabServer) -> str:
        """Return a server's log."""
        return server.read_log()

    # What can be done to the Sentinels

    def sentinel_command(self, index: int, *args: str | int, timeout: float = 1.0) -> LabReply:
        """Send a command to one Sentinel, by its index in `sentinels`, and return its reply."""
        return self._sentinel(index).call(*args, timeout=timeout)

    def sentinel_set(self, master: str, option: str, value: str | int) -> None:
        """Send ``SENTINEL SET`` to every running Sentinel."""
        for sentinel in self.sentinels:
            if sentinel.state == "running":
                sentinel.call("SENTINEL", "SET", self._known(master), option, value)

    def failover(self, master: str | None = None, sentinel: int = 0, coordinated: bool = False) -> LabReply:
        """
        Order a planned failover from one Sentinel; it continues after the reply.

        Args:
            master: its name; None for the only one.
            sentinel: the index of the Sentinel that will lead it.
            coordinated: use Valkey 9's ``COORDINATED``, where the old master hands over by itself.

        Returns:
            ``OK``.

        Raises:
            LabError: Sentinel refuses (``-INPROG``, ``-NOGOODSLAVE``...); the error has its words.
        """
        args = [
            "SENTINEL",
            "FAILOVER",
            self._known(master),
            *(["COORDINATED"] if coordinated else []),
        ]
        leader = self._sentinel(sentinel)
        try:
            return leader.call(*args, timeout=FAILOVER_TIMEOUT)
        except CommandRefused as refused:
            sentence = f"{leader.describe()} refused the failover of {args[2]!r}: {refused.text}"
            raise CommandRefused(sentence, refused.text) from refused

    # Waiting until the deployment has settled

    def lacking(self) -> str:
        """Return what `wait_until_settled` would wait for; empty if the deployment has settled."""
        lacks = (self._lacking_of(name) for name in self.masters_monitored)
        return next((lack for lack in lacks if lack), "")

    def wait_until_settled(self, timeout: float = 45.0) -> None:
        """
        Wait until the running servers have settled.

        That is: each master has exactly one node that reports being a master, all its other nodes
        replicate from it, and every Sentinel names it, flags no problem with it, and knows all those
        replicas and the other Sentinels. An old master that runs again is made a replica about 11 s,
        sometimes 20 s, after a Sentinel first sees it.

        Raises:
            LabError: the limit passed; the error says what was missing.
        """
        wait_for(self.lacking, timeout)

    def _lacking_of(self, name: str) -> str:
        running = [node for node in self.nodes(name) if node.state == "running"]
        reports = self.reports(name)
        masters = [report for report in reports if report.role == "master"]
        if len(reports) < len(running) or len(masters) != 1:
            answer = f"{len(reports)} of {len(running)} nodes of {name!r} answer"
            return f"{answer}, {len(masters)} as master"
        master = self.server(masters[0].name)
        for report in reports:
            if report.role == "slave" and not (report.linked and report.follows == master.address):
                return f"{report.name} is not linked to {master.describe()} yet"
        sentinels = [one for one in self.sentinels if one.state == "running"]
        lacks = (_lacking_at(one, name, master, len(reports) - 1, len(sentinels) - 1) for one in sentinels)
        return next((lack for lack in lacks if lack), "")

    def _known(self, master: str | None) -> str:
        if master is None and len(self.masters_monitored) == 1:
            return self.masters_monitored[0]
        if master in self.masters_monitored and master is not None:
            return master
        there = ", ".join(repr(name) for name in self.masters_monitored)
        raise UsageError(f"{'name a master' if master is None else f'no master {master!r}'}: the lab has {there}")

    def _sentinel(self, index: int) -> LabServer:
        try:
            return self.sentinels[index]
        except IndexError:
            raise UsageError(f"the lab has {len(self.sentinels)} Sentinels, none at index {index}") from None

    def _wait_end(self, server: LabServer) -> None:
        assert server.process is not None  # signal() refuses a server that never ran
        server.process.wait()


def _ask(node: LabServer) -> NodeReport | None:
    if node.state != "running":
        return None
    try:
        with node.client() as client:
            return read_report(node.name, client.call("ROLE"), read_info(client.call("INFO", "replication")))
    except (ServerSilent, CommandRefused):
        return None


def _lacking_at(sentinel: LabServer, name: str, master: LabServer, replicas: int, others: int) -> str:
    with sentinel.client() as client:
        named = client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        if named != [master.host, str(master.port)]:
            return f"{sentinel.describe()} names {named} as {name!r}, not {master.describe()}"
        fields = _fields(client.call("SENTINEL", "MASTER", name))
        if not _is_sound(fields):
            return f"{sentinel.describe()} sees {name!r} as {fields['flags']}"
        sound = sum(_is_sound(_fields(reply)) for reply in client.call("SENTINEL", "SENTINELS", name))
        if sound != others:
            return f"{sentinel.describe()} sees {sound} of {others} other Sentinels of {name!r}"
        seen = [_fields(reply) for reply in client.call("SENTINEL", "REPLICAS", name)]
        linked = sum(_is_sound(one) and one["master-link-status"] == "ok" for one in seen)
        return "" if linked == replicas else f"{sentinel.describe()} sees {linked} of {replicas} replicas of {name!r}"


def _is_sound(fields: Mapping[str, str]) -> bool:
    # Not every flag is a problem: Valkey 9.1 never clears master_down.
    return not COMPLAINTS & set(fields["flags"].split(","))


def _fields(reply: Sequence[str]) -> dict[str, str]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
