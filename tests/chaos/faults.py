"""
Apply the faults of a schedule to real servers and to the links, and undo them.

Each fault is a generator that yields the seconds until it goes on, so that many run in one thread. It begins when its
time has come, every fault that must not overlap it has ended, and its group is whole. A fault that can't begin or work
in time is skipped, with the reason. Everything is reported as it happens.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from switchmaster.errors import LabError
from switchmaster.lab import Lab, LabServer

from .links import Links
from .schedule import TRAITS, Fault, Kind, fits
from .star_lab import Scattered

__all__ = ["Deed", "Faults"]

Steps: TypeAlias = Generator[float, None, None]
Say: TypeAlias = Callable[[str], None]

LOOK_EVERY = 0.3
"""Seconds between two checks of a condition."""
BEGIN_LIMIT = 30.0
"""Seconds that a fault may wait for its turn; the group of another may heal slowly."""
WORK_LIMIT = 60.0
"""Seconds for a failover: after a split vote Sentinel pauses for twice the failover timeout."""
ORDER_LIMIT = 12.0
"""Seconds in which a Sentinel must accept a command: it asks for the state of replicas every 10 s."""
PROMOTION_LIMIT = 3.0
LINK_HEALED, SENTINEL_HEALED = 3.5, 3.0
"""Seconds until everything is as before: the application has dialled again, the other Sentinels know."""


@dataclass(eq=False)
class Deed:
    """The outcome of one fault. Times are monotonic seconds."""

    fault: Fault
    begun: float | None = None
    """When it was applied; None while or if it was not."""
    over: float | None = None
    """When it had healed."""
    skipped: str = ""
    """Why it was skipped."""

    def touches(self, begin: float, end: float) -> bool:
        """Whether it was active in a span of time."""
        return self.begun is not None and self.begun <= end and (self.over is None or self.over >= begin)


class Skip(Exception):
    """A fault can't be applied; the text says why."""


class Faults:
    """
    All faults of one run.

    Args:
        lab: the servers.
        links: between the application and them.
        schedule: the faults to apply.
        say: called with each line of the report.
    """

    def __init__(self, lab: Lab, links: Links, schedule: Iterable[Fault], say: Say) -> None:
        self.lab, self.links, self.say = lab, links, say
        self.deeds = [Deed(fault) for fault in schedule]
        self._active: list[Deed] = []
        self._alone: set[LabServer] = set()
        """Servers that are cut off from all others."""
        self._looked: dict[str, tuple[float, str]] = {}
        self._does = {
            Kind.CRASH: self._crash,
            Kind.HANG: self._hang,
            Kind.CUT_OFF: self._cut_off,
            Kind.PLANNED: self._order,
            Kind.COORDINATED: self._order,
            Kind.LEADER_DIES: self._leader_dies,
            Kind.REPLICA_CRASHES: self._replica_crashes,
            Kind.REPLICA_HANGS: self._replica_hangs,
            Kind.SENTINEL_KILLED: self._sentinel_restarts,
            Kind.SENTINEL_FORGETS: self._sentinel_restarts,
            Kind.SENTINEL_REINSTALLED: self._sentinel_reinstalled,
            Kind.SENTINEL_HANGS: self._sentinel_hangs,
            Kind.SENTINEL_CUT_OFF: self._sentinel_cut_off,
            Kind.LINK_SILENT: self._link,
            Kind.LINK_CUT: self._link,
            Kind.NODE_SILENT: self._link,
            Kind.NODE_CUT: self._link,
            Kind.DEAF: self._link,
        }

    def run(self) -> None:
        """Apply the whole schedule from now on; return when everything is repaired."""
        begin = time.monotonic()
        agenda = [(begin + deed.fault.at, number, self._carry_out(deed)) for number, deed in enumerate(self.deeds)]
        heapq.heapify(agenda)
        try:
            while agenda:
                at, number, steps = heapq.heappop(agenda)
                time.sleep(max(0.0, at - time.monotonic()))
                pause = next(steps, None)
                if pause is not None:
                    heapq.heappush(agenda, (time.monotonic() + pause, number, steps))
        finally:
            for *_, steps in agenda:
                steps.close()
            self._repair()

    # -- one fault ----------------------------------------------------------------------------------

    def _carry_out(self, deed: Deed) -> Steps:
        try:
            yield from self._until(lambda: self._may_begin(deed.fault), BEGIN_LIMIT, "its turn")
            self._active.append(deed)
            yield from self._does[deed.fault.kind](deed)
        except (Skip, LabError) as error:
            deed.skipped = str(error)
            self.say(f"{'gave up' if deed.begun else 'skipped'}: {deed.fault.describe()}: {error}")
        else:
            self.say(f"healed: {deed.fault.describe()}")
        finally:
            deed.over = time.monotonic()
            if deed in self._active:
                self._active.remove(deed)

    def _may_begin(self, fault: Fault) -> bool:
        if not fits(fault, [deed.fault for deed in self._active]):
            return False
        return fault.master is None or not self._unrest(fault.master)

    def _begin(self, deed: Deed) -> None:
        deed.begun = time.monotonic()
        self._looked.clear()  # the group is no longer whole
        self.say(f"FAULT {deed.fault.describe()}")

    def _until(self, condition: Callable[[], object], limit: float, what: str) -> Steps:
        deadline = time.monotonic() + limit
        while not _holds(condition):
            if time.monotonic() > deadline:
                raise Skip(f"waited {limit:g} s for {what}")
            yield LOOK_EVERY

    # -- masters and replicas -----------------------------------------------------------------------

    def _crash(self, deed: Deed) -> Steps:
        old = self._master(deed)
        self._begin(deed)
        self.lab.crash(old)
        self.say(f"{old.describe()} is dead")
        # It keeps nothing on disk: if it came back before another master is elected, all would copy its empty data.
        yield from self._moved(deed, old)
        yield deed.fault.length
        self.lab.restart(old)
        self.say(f"{old.describe()} runs again")
        yield from self._peace(deed, old)

    def _hang(self, deed: Deed) -> Steps:
        old = self._master(deed)
        self._begin(deed)
        self.lab.hang(old)
        self.say(f"{old.describe()} hangs")
        try:
            yield from self._moved(deed, old)
            yield deed.fault.length
        finally:
            self.lab.resume(old)
            self.say(f"{old.describe()} goes on")
        yield from self._peace(deed, old)

    def _cut_off(self, deed: Deed) -> Steps:
        old = self._master(deed)
        self._begin(deed)
        self._isolate(old)
        try:
            yield from self._moved(deed, old)
            yield deed.fault.length
        finally:
            self._rejoin(old)
        yield from self._peace(deed, old)

    def _isolate(self, server: LabServer) -> None:
        assert isinstance(self.lab, Scattered)  # otherwise this kind is not drawn
        self._alone.add(server)
        self.lab.isolate(server)
        self.say(f"{server.describe()} is cut off from all other servers")

    def _rejoin(self, server: LabServer) -> None:
        assert isinstance(self.lab, Scattered)  # it was isolated
        self.lab.rejoin(server)
        self._alone.discard(server)
        self.say(f"{server.describe()} reaches the others again")

    def _order(self, deed: Deed) -> Steps:
        old = self._master(deed)
        yield from self._accepted(deed)
        yield from self._moved(deed, old)
        yield deed.fault.length
        yield from self._peace(deed, old)

    def _leader_dies(self, deed: Deed) -> Steps:
        old, leader = self._master(deed), self._sentinel(deed)
        with leader.client(PROMOTION_LIMIT) as client:
            client.call("SUBSCRIBE", "+promoted-slave" if deed.fault.late else "+failover-state-wait-promotion")
            yield from self._accepted(deed)
            while f" @ {old.master} " not in client.receive()[2]:
                pass
            self.lab.crash(leader)
        self.say(f"{leader.describe()} is dead: it had {'seen' if deed.fault.late else 'ordered'} the promotion")
        yield deed.fault.length
        self.lab.restart(leader)
        self.say(f"{leader.describe()} runs again")
        yield from self._peace(deed, old)

    def _replica_crashes(self, deed: Deed) -> Steps:
        replica = self._replica(deed)
        self._begin(deed)
        self.lab.crash(replica)
        self.say(f"{replica.describe()} is dead")
        yield deed.fault.length
        self.lab.restart(replica)
        self.say(f"{replica.describe()} runs again")
        yield from self._peace(deed)

    def _replica_hangs(self, deed: Deed) -> Steps:
        replica = self._replica(deed)
        self._begin(deed)
        self.lab.hang(replica)
        self.say(f"{replica.describe()} hangs")
        try:
            yield deed.fault.length
        finally:
            self.lab.resume(replica)
            self.say(f"{replica.describe()} goes on")
        yield from self._peace(deed)

    def _accepted(self, deed: Deed) -> Steps:
        """Request a failover until it is accepted: a Sentinel may know no suitable replica yet."""
        fault = deed.fault

        def order() -> bool:
            deed.begun = time.monotonic()
            self.lab.failover(fault.master, sentinel=fault.sentinel or 0, coordinated=fault.kind is Kind.COORDINATED)
            return True

        try:
            yield from self._until(order, ORDER_LIMIT, "a Sentinel to take the order")
        except Skip:
            deed.begun = None
            raise
        self._looked.clear()
        self.say(f"FAULT {fault.describe()}")

    def _moved(self, deed: Deed, old: LabServer) -> Steps:
        """Wait until there is another master, and all running Sentinels know it."""
        name = old.master

        def moved() -> bool:
            new = self.lab.master(name)
            return new is not old and not self._disagreeing(name, new)

        yield from self._until(moved, WORK_LIMIT, "another master")
        self.say(f"the master of {name} is {self.lab.master(name).describe()}")

    def _peace(self, deed: Deed, old: LabServer | None = None) -> Steps:
        """Wait until a group is whole; if the schedule says so, demote an old master as an operator would."""
        name = deed.fault.master or ""
        if old is not None and deed.fault.by_hand:
            yield from self._until(lambda: not self._disagreeing(name, self.lab.master(name)), WORK_LIMIT, "agreement")
            new = self.lab.master(name)
            if new is not old:
                with old.client() as client:
                    client.call("REPLICAOF", new.host, new.port)
                    client.call("CONFIG", "REWRITE")
                self.say(f"{old.describe()} is demoted by hand")
        yield from self._until(lambda: not self._unrest(name), WORK_LIMIT, f"peace in {name}")

    def _unrest(self, name: str) -> str:
        """Return why a group is not whole; an empty text if it is. Waiting faults share one check of a group."""
        at, found = self._looked.get(name, (0.0, ""))
        if time.monotonic() > at + LOOK_EVERY:
            found = self._lack(name)
            self._looked[name] = (time.monotonic(), found)
        return found

    def _lack(self, name: str) -> str:
        nodes = self.lab.nodes(name)
        reports = self.lab.reports(name)
        if len(reports) < len(nodes):
            return f"{len(reports)} of {len(nodes)} nodes answer"
        new = self.lab.master(name)
        for report in reports:
            if report.name != new.name and not (report.linked and report.follows == new.address):
                return f"{report.name} does not follow {new.describe()}"
        return self._disagreeing(name, new) or self._unaware(name, len(nodes) - 1)

    def _unaware(self, name: str, replicas: int) -> str:
        """
        Return which Sentinel does not see all replicas as replicas, in words.

        It asks every ten seconds. If a node was a master when it asked and is promoted before it asks again, it takes
        that node for a second master and demotes it at once.
        """
        for sentinel in self._well():
            rows = [_fields(row) for row in sentinel.call("SENTINEL", "REPLICAS", name)]
            known = [row for row in rows if row["role-reported"] == "slave" and row["flags"] == "slave"]
            if len(known) < replicas:
                return f"{sentinel.name} knows {len(known)} replicas of {name} as such"
        return ""

    def _disagreeing(self, name: str, master: LabServer) -> str:
        """Return which running Sentinel names another master, or has not finished a failover, in words."""
        for sentinel in self._well():
            fields = _fields(sentinel.call("SENTINEL", "MASTER", name))
            if fields["port"] != str(master.port) or "failover_in_progress" in fields["flags"]:
                return f"{sentinel.name} names {fields['port']} of {name}, {fields['flags']}"
        return ""

    def _master(self, deed: Deed) -> LabServer:
        return self.lab.master(deed.fault.master)

    def _replica(self, deed: Deed) -> LabServer:
        return self.lab.replicas(deed.fault.master)[deed.fault.node]

    # -- Sentinels ----------------------------------------------------------------------------------

    def _sentinel_restarts(self, deed: Deed) -> Steps:
        sentinel = self._sentinel(deed)
        self._begin(deed)
        self.lab.crash(sentinel)
        yield deed.fault.length
        keep = deed.fault.kind is Kind.SENTINEL_KILLED
        self.lab.restart_sentinel(deed.fault.sentinel or 0, keep_config=keep)
        self.say(f"{sentinel.describe()} runs again, {'as it was' if keep else 'with its first configuration'}")
        yield from self._recovered(sentinel)

    def _sentinel_reinstalled(self, deed: Deed) -> Steps:
        sentinel = self._sentinel(deed)
        self._begin(deed)
        self.lab.crash(sentinel)
        yield deed.fault.length
        empty = [line for line in sentinel.first_config.splitlines() if not line.startswith("sentinel ")]
        sentinel.config.write_text("\n".join([*empty, ""]), encoding="utf-8")
        self.lab.restart(sentinel)
        options, other = self.lab.options, next(each for each in self._well() if each is not sentinel)
        for name in options.masters:
            host, port = other.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
            sentinel.call("SENTINEL", "MONITOR", name, host, port, options.votes)
            sentinel.call("SENTINEL", "SET", name, "down-after-milliseconds", options.down_after_ms)
            sentinel.call("SENTINEL", "SET", name, "failover-timeout", options.failover_timeout_ms)
            self.say(f"{sentinel.describe()} is told again that the master of {name} is {host}:{port}")
        yield from self._recovered(sentinel)

    def _sentinel_hangs(self, deed: Deed) -> Steps:
        sentinel = self._sentinel(deed)
        self._begin(deed)
        self.lab.hang(sentinel)
        try:
            yield deed.fault.length
        finally:
            self.lab.resume(sentinel)
            self.say(f"{sentinel.describe()} goes on")
        yield from self._recovered(sentinel)

    def _sentinel_cut_off(self, deed: Deed) -> Steps:
        sentinel = self._sentinel(deed)
        self._begin(deed)
        self._isolate(sentinel)
        try:
            yield deed.fault.length
        finally:
            self._rejoin(sentinel)
        yield from self._until(lambda: not self._unheard(sentinel), WORK_LIMIT, f"all to hear {sentinel.describe()}")
        yield from self._recovered(sentinel)

    def _unheard(self, sentinel: LabServer) -> str:
        """Return which Sentinel gets no answer from another healthy one, in words; empty if every pair with this one
        does."""
        well = {str(one.port): one for one in self._well()}
        for one in well.values():
            for name in self.lab.options.masters:
                for other in map(_fields, one.call("SENTINEL", "SENTINELS", name)):
                    concerned = sentinel in (one, well.get(other["port"])) and other["port"] in well
                    if concerned and {"s_down", "disconnected"} & {*other["flags"].split(",")}:
                        return f"{one.name} has {other['flags']} of {other['port']}"
        return ""

    def _recovered(self, sentinel: LabServer) -> Steps:
        """Wait until a Sentinel takes part again: not in TILT, and it knows the others."""
        masters, others = self.lab.options.masters, self.lab.options.sentinels - 1

        def well() -> bool:
            if "sentinel_tilt:0" not in sentinel.call("INFO", "sentinel"):
                return False
            fields = [_fields(sentinel.call("SENTINEL", "MASTER", name)) for name in masters]
            return all(int(each["num-other-sentinels"]) >= others for each in fields)

        yield SENTINEL_HEALED
        yield from self._until(well, WORK_LIMIT, f"{sentinel.describe()} to know the others")

    def _sentinel(self, deed: Deed) -> LabServer:
        return self.lab.sentinels[deed.fault.sentinel or 0]

    def _well(self) -> Iterator[LabServer]:
        """Return the Sentinels that can know what is true."""
        return (each for each in self.lab.sentinels if each.state == "running" and each not in self._alone)

    # -- links --------------------------------------------------------------------------------------

    def _link(self, deed: Deed) -> Steps:
        names = self._linked(deed)
        self._begin(deed)
        try:
            for name in names:
                (self.links.cut if deed.fault.kind in (Kind.LINK_CUT, Kind.NODE_CUT) else self.links.silence)(name)
            self.say(f"no link to {', '.join(names)}")
            yield deed.fault.length
        finally:
            for name in names:
                self.links.mend(name)
        self.say(f"links to {', '.join(names)} again")
        yield LINK_HEALED

    def _linked(self, deed: Deed) -> list[str]:
        if deed.fault.kind is Kind.DEAF:
            return [sentinel.name for sentinel in self.lab.sentinels]
        if not TRAITS[deed.fault.kind].group:
            return [self._sentinel(deed).name]
        return [(self._replica(deed) if deed.fault.node else self._master(deed)).name]

    # -- the end ------------------------------------------------------------------------------------

    def _repair(self) -> None:
        """Start and resume everything that should run, even if a fault was not repaired."""
        for server in [*self._alone]:
            self._rejoin(server)
        for server in self.lab.servers:
            if server.state == "hung":
                self.lab.resume(server)
            elif server.state == "dead":
                self.lab.restart(server)


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except LabError:
        return False


def _fields(reply: list[str]) -> dict[str, str]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
