"""
What a Sentinel remembers of a master, a replica or another Sentinel: the relevant fields of sentinelRedisInstance.

All times are the Sentinel's own wall clock in seconds, as in sentinel.c.
"""

from __future__ import annotations

import enum

from switchmaster.model import Address

__all__ = ["Instance", "Monitored", "State"]


class State(enum.Enum):
    """The state of a failover (SENTINEL_FAILOVER_STATE_…)."""

    NONE = ""
    WAIT_START = "wait_start"
    SELECT_SLAVE = "select_slave"
    SEND_SLAVEOF_NOONE = "send_slaveof_noone"
    WAIT_PROMOTION = "wait_promotion"
    RECONF_SLAVES = "reconf_slaves"
    UPDATE_CONFIG = "update_config"


class Instance:
    """One instance that a Sentinel watches."""

    down_after = 0.0
    """Of a master: seconds without an answer until it, its replicas and Sentinels count as down."""

    def __init__(self, kind: str, name: str, address: Address, now: float, master: Monitored | None = None) -> None:
        self.kind, self.name, self.address = kind, name, address
        self.gone = False
        """It was dropped: late answers to our questions are ignored."""
        self._master = master
        down_after = self.down_after if master is None else master.down_after
        self.ping_period = min(down_after, 1.0)
        # The link.
        self.connected = False
        self.reconnected_at = -1e9
        self.pinged_since: float | None = now
        """Since when a PING waits for its answer; None if none does."""
        self.last_ping = self.last_try = 0.0
        self.last_avail = self.last_pong = now
        # Down or not.
        self.sdown = False
        self.sdown_since = 0.0
        # From INFO.
        self.info_at: float | None = None
        self.info_asked = -1e9
        self.run_id = ""
        self.role = "master" if kind == "master" else "slave"
        self.role_since = now
        self.following: Address | None = None
        self.following_since = now
        self.link_up = False
        self.link_down_for = 0.0
        self.offset, self.priority = 0, 100
        # A replica in a failover.
        self.reconf = ""
        self.reconf_since = 0.0
        # Another Sentinel.
        self.says_down = False
        self.answered_at = -1e9
        self.leader, self.leader_epoch = "", 0
        self.hello_at = now

    @property
    def master(self) -> Monitored:
        assert self._master is not None
        return self._master

    @property
    def flags(self) -> list[str]:
        words = [word for word, set_ in (("s_down", self.sdown), (self.kind, True)) if set_]
        words += [word for word, set_ in (("disconnected", not self.connected),) if set_]
        return words + ([f"reconf_{self.reconf}"] if self.reconf else [])

    @property
    def ident(self) -> str:
        """Its ``%@`` in events."""
        if self.kind == "master":
            return f"master {self.name} {self.address.host} {self.address.port}"
        at = f"{self.master.name} {self.master.address.host} {self.master.address.port}"
        return f"{self.kind} {self.name} {self.address.host} {self.address.port} @ {at}"


class Monitored(Instance):
    """One master that a Sentinel monitors."""

    def __init__(
        self, name: str, address: Address, now: float, *, quorum: int, down_after: float, failover_timeout: float
    ) -> None:
        self.quorum, self.down_after, self.failover_timeout = quorum, down_after, failover_timeout
        super().__init__("master", name, address, now)
        self.config_epoch = 0
        self.leader, self.leader_epoch = "", 0
        self.odown = False
        self.replicas: dict[Address, Instance] = {}
        self.sentinels: dict[str, Instance] = {}
        self.state = State.NONE
        self.failover_epoch = 0
        self.started_at = -1e9
        self.changed_at = 0.0
        self.promoted: Instance | None = None
        self.forced = self.coordinated = False
        self.published_at = -1e9

    @property
    def master(self) -> Monitored:
        return self

    @property
    def in_progress(self) -> bool:
        return self.state is not State.NONE

    @property
    def believed(self) -> Address:
        """The address of GET-MASTER-ADDR-BY-NAME and of the hello (sentinelGetCurrentMasterAddress)."""
        if self.promoted is not None and self.state in (State.RECONF_SLAVES, State.UPDATE_CONFIG):
            return self.promoted.address
        return self.address

    @property
    def flags(self) -> list[str]:
        words = super().flags
        if self.odown:
            words.append("o_down")
        if self.in_progress:
            words.append("failover_in_progress")
        if self.coordinated:
            words.append("coordinated_failover")
        return words

    def add_replica(self, address: Address, now: float) -> Instance:
        replica = self.replicas[address] = Instance("slave", str(address), address, now, self)
        return replica

    def drop_replicas(self) -> None:
        for replica in self.replicas.values():
            replica.gone = True
        self.replicas = {}

    def reset(self, now: float) -> None:
        """Forget everything volatile (sentinelResetMaster), except the other Sentinels."""
        self.drop_replicas()
        self.connected, self.pinged_since = False, now
        self.last_ping, self.last_avail, self.last_pong = 0.0, now, now
        self.sdown = self.odown = self.forced = self.coordinated = False
        self.leader, self.state, self.promoted = "", State.NONE, None
        self.started_at, self.changed_at = -1e9, 0.0
        self.role, self.role_since, self.run_id = "master", now, ""
        self.published_at = -1e9
