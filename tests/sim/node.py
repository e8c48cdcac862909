"""
A data node: master or replica, promoted and demoted by Sentinel, and asked for its ROLE.

SLAVEOF comes from Sentinel in a MULTI that kills all clients of the node (sentinelSendSlaveOf() in sentinel.c). A
promotion that was queued on a stopped node is executed when it resumes: the rogue master.
"""

from __future__ import annotations

from peers.scripted import resp
from switchmaster.model import Address

from .process import Conversation, Process
from .world import World

__all__ = ["DataNode", "Info"]


class Info:
    """The content of a node's INFO."""

    __slots__ = ("following", "link_down_for", "link_up", "offset", "priority", "replicas", "role", "run_id")

    def __init__(self, node: DataNode) -> None:
        self.run_id = node.run_id
        self.role = node.role
        self.following = node.following
        self.link_up = node.link_up
        self.link_down_for = 0.0 if node.link_up or node.is_master else node.world.clock.now - node.link_down_since
        self.offset, self.priority = node.offset, node.priority
        self.replicas = node.replicas() if node.is_master else []


class DataNode(Process):
    """One server."""

    def __init__(self, world: World, name: str, address: Address, following: Address | None) -> None:
        super().__init__(world, name, address)
        self.following = following
        self.priority = 100
        self.run_id = ""
        self.link_up = following is not None
        self.link_down_since = 0.0
        self.persists = True
        """Whether a restart brings back what it held."""
        self.data_since = 0.0
        """Since when its data has been written; a restart without them begins again."""
        self.reigns: list[list[float]] = []
        """The spans in which it was a master."""
        self._offset = 0
        self._synced_at = 0.0
        world.nodes[address] = self
        self._new_run_id()
        if following is None:
            self.reigns.append([world.clock.now, float("inf")])

    def _new_run_id(self) -> None:
        self.run_id = f"{self.world.chance.getrandbits(160):040x}"

    @property
    def is_master(self) -> bool:
        return self.following is None

    @property
    def role(self) -> str:
        return "master" if self.following is None else "slave"

    @property
    def offset(self) -> int:
        if self.is_master:
            self._offset = max(self._offset, int(self.world.clock.now * 100))
        elif self.link_up and self.following in self.world.nodes:
            master = self.world.nodes[self.following]
            # Replicas may follow each other in a circle.
            self._offset = max(self._offset, master.offset if master.is_master else master._offset)
        return self._offset

    @property
    def keys(self) -> int:
        """How many keys it holds: one is written each second."""
        until = self.link_down_since if not self.is_master and not self.link_up else self.world.clock.now
        return max(0, int(until - self.data_since))

    def was_master(self, since: float, until: float) -> bool:
        """Whether it was a master at some moment between two times."""
        return any(begin <= until and end >= since for begin, end in self.reigns)

    def replicas(self) -> list[Address]:
        """Return the replicas that are connected to it."""
        return [node.address for node in self.world.nodes.values() if node.following == self.address and node.link_up]

    # -- replication --------------------------------------------------------------------------------

    def look(self) -> None:
        """Update the link to the master."""
        if self.following is None:
            return
        up = self.alive and self.world.clock.now >= self._synced_at and self._reaches(self.following)
        if up and not self.link_up:
            self.link_up = True
            self.data_since = self.world.nodes[self.following].data_since
        elif self.link_up and not up:
            self.offset  # noqa: B018  # what it has received so far
            self.link_up, self.link_down_since = False, self.world.clock.now

    def _reaches(self, address: Address) -> bool:
        master, blocked = self.world.nodes.get(address), self.world.network.blocked
        if master is None or not master.alive:
            return False
        if self.world.clock.now < master.started_at + self.world.resync_after:
            return False
        return (self.host, master.host) not in blocked and (master.host, self.host) not in blocked

    def promote(self) -> None:
        """Execute SLAVEOF NO ONE."""
        if self.following is not None:
            self.offset  # noqa: B018
            self.following = None
            self.reigns.append([self.world.clock.now, float("inf")])
            self.say("is a master now")
            self.world.links_may_have_changed()
            self.world.promoted(self)
        self._kill_conversations()

    def follow(self, address: Address) -> None:
        """Execute SLAVEOF."""
        if self.following is None:
            self.reigns[-1][1] = self.world.clock.now
        if self.following != address:
            self.say(f"follows {address}")
        self.following = address
        self.link_up, self.link_down_since = False, self.world.clock.now
        self._synced_at = self.world.clock.now + self.world.chance.uniform(0.05, 0.8)
        self.world.clock.at(self._synced_at, self.world.links_may_have_changed)
        self._kill_conversations()

    def hand_over(self, replica: Address) -> None:
        """Execute FAILOVER TO: the replica becomes the master, and this its replica (Valkey 9, COORDINATED)."""
        other = self.world.nodes.get(replica)
        if other is None or not self.is_master or not other.alive or other.hung or not other.link_up:
            return
        self.follow(replica)
        other.promote()

    def start(self, as_master: bool | None = None) -> None:
        """
        Restart it.

        Args:
            as_master: whether its configuration makes it a master; None for what it was before.
        """
        if self.alive:
            return
        super().start()
        self._new_run_id()
        if not self.persists:
            self.data_since = self.world.clock.now
        if as_master and self.following is not None:
            self.following = None
            self.reigns.append([self.world.clock.now, float("inf")])
        self.link_up, self.link_down_since = False, self.world.clock.now
        self.say(f"starts as a {self.role}")
        if self.world.resync_after:
            self.world.clock.after(self.world.resync_after, self.world.links_may_have_changed)
        self.world.links_may_have_changed()

    # -- clients ------------------------------------------------------------------------------------

    def _info(self) -> str:
        if self.following is None:
            lags = [f"slave{n}:ip={r.host},port={r.port},state=online,lag=0" for n, r in enumerate(self.replicas())]
            rows = [f"master_repl_offset:{self.offset}", *lags]
        else:
            rows = [f"master_host:{self.following.host}", f"master_port:{self.following.port}"]
            rows += [f"master_link_status:{'up' if self.link_up else 'down'}", f"slave_repl_offset:{self.offset}"]
        server = ["# Server", f"run_id:{self.run_id}", f"tcp_port:{self.address.port}"]
        kept = ["# Persistence", "loading:0", f"aof_enabled:{int(self.persists)}"]
        keyspace = ["# Keyspace", *([f"db0:keys={self.keys},expires=0"] if self.keys else [])]
        return "\r\n".join([*server, *kept, "# Replication", f"role:{self.role}", *rows, *keyspace, ""])

    def answer(self, conversation: Conversation, words: list[str]) -> bytes:
        match words:
            case ["INFO"]:
                return resp(self._info())
            case ["CONFIG", "GET", "save"]:
                return resp(["save", "900 1" if self.persists else ""])
            case ["ROLE"] if self.following is None:
                rows = [[replica.host, str(replica.port), "0"] for replica in self.replicas()]
                return resp(["master", self.offset, rows])
            case ["ROLE"] if self.following is not None:
                state = "connected" if self.link_up else "connect"
                return resp(["slave", self.following.host, self.following.port, state, self.offset])
            case ["PING"]:
                return b"+PONG\r\n"
            case ["AUTH", *_] | ["CLIENT", *_]:
                return b"+OK\r\n"
            case ["SET", *_] if self.following is not None:
                return b"-READONLY You can't write against a read only replica.\r\n"
            case ["SET", *_]:
                return b"+OK\r\n"
            case ["GET", *_]:
                return b"$1\r\nv\r\n"
        return b"-ERR unknown command\r\n"
