"""
What a Sentinel publishes: one row of `EVENTS` for each channel, one class for each form of payload.

The set of channels is the same from Redis 6.2 to 8.2 and Valkey 7.2 to 9.1, but for
``-failover-abort-master-timeout`` (Valkey 9 only). Source: every ``sentinelEvent()`` call in
sentinel.c whose level is above LL_DEBUG. The table is data: `grammar` walks it, and
docs/reference/events.md is generated from it. The wire says master and slave in all versions;
`Kind` is where the word becomes replica.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..model import Address, RunId

__all__ = [
    "EVENTS",
    "SPEC_OF",
    "AddressSwitched",
    "AddressUpdated",
    "Configured",
    "Event",
    "EventSpec",
    "Form",
    "Instance",
    "InstanceEvent",
    "Kind",
    "Monitored",
    "NewEpoch",
    "ObjectivelyDown",
    "Published",
    "RoleChanged",
    "ScriptEnded",
    "SwitchedMaster",
    "Tilt",
    "Unrecognised",
    "Voted",
]


class Kind(enum.StrEnum):
    """What an event is about."""

    MASTER = "master"
    REPLICA = "replica"
    """``slave`` on the wire, in all versions."""
    SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True)
class Instance:
    """
    The ``%@`` of sentinelEvent(): the instance that an event is about.

    Shape: ``master <name> <ip> <port>``, or
    ``slave|sentinel <name> <ip> <port> @ <master-name> <master-ip> <master-port>``.
    """

    kind: Kind
    name: str
    """A master's name, a replica's ``ip:port``, or a Sentinel's run id."""
    address: Address
    master: str
    """The master's name; for a master the same as `name`."""
    master_address: Address
    """
    The master's address as this Sentinel knows it at that moment: during a failover the old one.
    """


@dataclass(frozen=True, slots=True)
class Published:
    """Base of every event: the channel and the payload as they came, secrets masked."""

    channel: str
    payload: str

    @property
    def master(self) -> str | None:
        """The master's name, or None for an event that names none."""
        return None


@dataclass(frozen=True, slots=True)
class InstanceEvent(Published):
    """An event that says no more than which instance it is about. Shape: ``%@``."""

    instance: Instance

    @property
    def master(self) -> str | None:
        return self.instance.master


@dataclass(frozen=True, slots=True)
class ObjectivelyDown(InstanceEvent):
    """``+odown``. Shape: ``%@ #quorum A/Q``."""

    agreeing: int
    """Sentinels that say the master is down, the emitting one included."""
    quorum: int


@dataclass(frozen=True, slots=True)
class Monitored(InstanceEvent):
    """``+monitor``. Shape: ``%@ quorum N``."""

    quorum: int


@dataclass(frozen=True, slots=True)
class Configured(InstanceEvent):
    """
    ``+set``. Shape: ``%@ option value…``; a password is masked, which Redis up to 6.2.7 does not do
    itself.
    """

    option: str
    values: str


@dataclass(frozen=True, slots=True)
class RoleChanged(InstanceEvent):
    """``+role-change`` and ``-role-change``. Shape: ``%@ new reported role is master|slave``."""

    role: Kind


@dataclass(frozen=True, slots=True)
class AddressSwitched(InstanceEvent):
    """
    ``+sentinel-address-switch``. Shape: ``%@ ip X port P for RUNID``, ``%@`` being the master.
    """

    sentinel_address: Address
    run_id: RunId


@dataclass(frozen=True, slots=True)
class AddressUpdated(InstanceEvent):
    """``+sentinel-address-update``. Shape: ``%@ N additional matching instances``."""

    count: int


@dataclass(frozen=True, slots=True)
class SwitchedMaster(Published):
    """
    ``+switch-master``. Shape: ``name oldip oldport newip newport``: no ``master`` word, no epoch.
    """

    name: str
    old: Address
    new: Address

    @property
    def master(self) -> str | None:
        return self.name


@dataclass(frozen=True, slots=True)
class NewEpoch(Published):
    """``+new-epoch``. Shape: ``N``; names no master, since current_epoch is shared by all."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Voted(Published):
    """``+vote-for-leader``. Shape: ``RUNID EPOCH``; names no master."""

    run_id: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class Tilt(Published):
    """``+tilt`` and ``-tilt``. Shape: ``#tilt mode entered|exited``."""


@dataclass(frozen=True, slots=True)
class ScriptEnded(Published):
    """
    ``-script-error`` (shape ``path signal exit-code``) and ``-script-timeout`` (shape ``path
    pid``).
    """

    path: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """
    Something that a peer sent and that is none of what protocol.md knows; never an exception.

    An event of a newer server, a payload cut at 1023 bytes, a reply of another shape.
    """

    channel: str
    """The event's channel, or the command whose reply this was."""
    payload: str
    """What came, cut to ``LIMITS.payload_shown`` characters."""
    reason: str
    """What was expected, as the end of a sentence."""

    @property
    def master(self) -> str | None:
        """None: what is not understood names no master."""
        return None


Event: TypeAlias = (
    InstanceEvent
    | ObjectivelyDown
    | Monitored
    | Configured
    | RoleChanged
    | AddressSwitched
    | AddressUpdated
    | SwitchedMaster
    | NewEpoch
    | Voted
    | Tilt
    | ScriptEnded
    | Unrecognised
)
"""What `grammar.parse_event` returns."""


class Form(enum.StrEnum):
    """The forms of payload; ``%@`` is an `Instance`."""

    INSTANCE = "%@"
    QUORUM = "%@ #quorum A/Q"
    MONITOR = "%@ quorum N"
    SET = "%@ option value…"
    ROLE = "%@ new reported role is master|slave"
    ADDRESS_SWITCH = "%@ ip X port P for RUNID"
    ADDRESS_UPDATE = "%@ N additional matching instances"
    SWITCH = "name oldip oldport newip newport"
    EPOCH = "N"
    VOTE = "RUNID EPOCH"
    TILT = "#tilt mode entered|exited"
    SCRIPT_ERROR = "path signal exit-code"
    SCRIPT_TIMEOUT = "path pid"


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One row of the table of events."""

    channel: str
    form: Form
    who: str
    """
    ``leader`` (only the Sentinel that runs the failover), ``non-leader`` (every Sentinel but that),
    ``each`` (every Sentinel, at its own time), ``one`` (whichever acts first), ``target`` (the
    Sentinel that got the command), ``candidate``, ``voter``, or ``itself`` (about the Sentinel that
    says it).
    """
    level: str
    """sentinel.c's log level: warning, notice or verbose; all three are published."""
    meaning: str
    since: str = ""
    """The servers that have it, where not all do."""


# fmt: off
EVENTS: Final[tuple[EventSpec, ...]] = (
    # Configuration and discovery.
    EventSpec(
        "+monitor", Form.MONITOR, "each", "warning",
        "this Sentinel monitors a master: at its start (before anybody can listen) or by "
        "SENTINEL MONITOR",
    ),
    EventSpec(
        "-monitor", Form.INSTANCE, "target", "warning",
        "SENTINEL REMOVE: this Sentinel is about to forget the master",
    ),
    EventSpec(
        "+reset-master", Form.INSTANCE, "target", "warning",
        "SENTINEL RESET: replicas, Sentinels and flags are forgotten, a running failover ends "
        "without an abort",
    ),
    EventSpec(
        "+set", Form.SET, "target", "warning",
        "SENTINEL SET changed one option; Redis 6.2.0 to 6.2.7 publish a password in clear, we "
        "mask it",
    ),
    EventSpec(
        "+slave", Form.INSTANCE, "each", "notice",
        "a replica is new in the master's INFO; told again for every replica right after a "
        "switch",
    ),
    EventSpec(
        "+sentinel", Form.INSTANCE, "each", "notice",
        "another Sentinel was learned from its hello, not from the configuration file",
    ),
    EventSpec(
        "+sentinel-address-switch", Form.ADDRESS_SWITCH, "each", "notice",
        "a known Sentinel says hello from another address; told in place of ``+sentinel``",
    ),
    EventSpec(
        "+sentinel-address-update", Form.ADDRESS_UPDATE, "each", "notice",
        "the same Sentinel is known under other masters too, and its address was changed there",
    ),
    EventSpec(
        "+sentinel-invalid-addr", Form.INSTANCE, "each", "notice",
        "another run id uses this Sentinel's address: 7.0 and later forget the obsolete one, "
        "6.2 keeps it at port 0",
    ),
    # Down and up.
    EventSpec(
        "+sdown", Form.INSTANCE, "each", "warning",
        "this Sentinel alone has had no valid answer to PING for down-after, or a master "
        "reports to be a replica",
    ),
    EventSpec(
        "-sdown", Form.INSTANCE, "each", "warning",
        "it answers again; missing after a switch, and on Valkey 9.1 sent unpaired at a manual "
        "failover",
    ),
    EventSpec(
        "+odown", Form.QUORUM, "each", "warning",
        "as many Sentinels as the quorum asks agree that the master is down; who does not lead "
        "may say it late or never",
    ),
    EventSpec(
        "-odown", Form.INSTANCE, "each", "warning",
        "the quorum is gone; the leader says it in most successful failovers too, with the old "
        "master still dead",
    ),
    # Election.
    EventSpec(
        "+new-epoch", Form.EPOCH, "each", "warning",
        "the epoch that all masters share was raised: by an own attempt, a request for a vote, "
        "or a hello",
    ),
    EventSpec(
        "+try-failover", Form.INSTANCE, "candidate", "warning",
        "this Sentinel starts a failover attempt; several can try at once",
    ),
    EventSpec(
        "+vote-for-leader", Form.VOTE, "voter", "warning",
        "this Sentinel gave its vote, itself included, in TILT too; for a manual failover only "
        "the target votes",
    ),
    EventSpec(
        "+elected-leader", Form.INSTANCE, "leader", "warning",
        "this Sentinel won the election, or was told to fail over without one",
    ),
    EventSpec(
        "-failover-abort-not-elected", Form.INSTANCE, "candidate", "warning",
        "no election was won within 10 s or failover-timeout, whichever is less",
    ),
    # Failover.
    EventSpec(
        "+failover-state-select-slave", Form.INSTANCE, "leader", "warning",
        "the leader looks for the replica to promote",
    ),
    EventSpec(
        "-failover-abort-no-good-slave", Form.INSTANCE, "leader", "warning",
        "no replica is fit; the next attempt starts 2 x failover-timeout after this one's start "
        "at the earliest",
    ),
    EventSpec(
        "+selected-slave", Form.INSTANCE, "leader", "warning",
        "the replica to promote is chosen: the first event with the future address",
    ),
    EventSpec(
        "+failover-state-send-slaveof-noone", Form.INSTANCE, "leader", "notice",
        "the leader is about to tell the chosen replica to become a master",
    ),
    EventSpec(
        "+failover-state-wait-promotion", Form.INSTANCE, "leader", "notice",
        "SLAVEOF NO ONE (or Valkey's FAILOVER) is on its way; the node takes writes about 20 ms "
        "later",
    ),
    EventSpec(
        "-failover-abort-slave-timeout", Form.INSTANCE, "leader", "warning",
        "no promotion was seen within failover-timeout; the order may still be obeyed later, by "
        "a rogue master",
    ),
    EventSpec(
        "-failover-abort-master-timeout", Form.INSTANCE, "leader", "warning",
        "a coordinated failover has less than 1 s of its failover-timeout left",
        since="Valkey 9",
    ),
    EventSpec(
        "+promoted-slave", Form.INSTANCE, "leader", "warning",
        "the chosen replica's INFO says master: the config epoch is raised and GET-MASTER-ADDR- "
        "BY-NAME turns",
    ),
    EventSpec(
        "+failover-state-reconf-slaves", Form.INSTANCE, "leader", "warning",
        "the leader starts to point the other replicas to the new master",
    ),
    EventSpec(
        "+slave-reconf-sent", Form.INSTANCE, "leader", "notice",
        "this replica was told to follow the new master",
    ),
    EventSpec(
        "+slave-reconf-inprog", Form.INSTANCE, "leader", "notice",
        "this replica's INFO names the new master; its link is not up yet",
    ),
    EventSpec(
        "+slave-reconf-done", Form.INSTANCE, "leader", "notice",
        "this replica follows the new master and its link is up",
    ),
    EventSpec(
        "-slave-reconf-sent-timeout", Form.INSTANCE, "leader", "notice",
        "10 s without progress: this replica is told again at once; never with parallel-syncs 1",
    ),
    EventSpec(
        "+slave-reconf-sent-be", Form.INSTANCE, "leader", "notice",
        "best effort at the end of the time: a replica that was not reached yet is told to "
        "follow",
    ),
    EventSpec(
        "+failover-end-for-timeout", Form.INSTANCE, "leader", "warning",
        "pointing the replicas took longer than failover-timeout; not a failure, the end and "
        "the switch follow",
    ),
    EventSpec(
        "+failover-end", Form.INSTANCE, "leader", "warning",
        "the failover is over; the leader's own ``+switch-master`` follows in the same "
        "millisecond",
    ),
    EventSpec(
        "+config-update-from", Form.INSTANCE, "non-leader", "warning",
        "a hello with a higher config epoch and another address came from this Sentinel, which "
        "need not be the leader; ``+switch-master`` follows; never sent by the leader",
    ),
    EventSpec(
        "+switch-master", Form.SWITCH, "each", "warning",
        "this Sentinel uses the new address from now on; the leader says it last",
    ),
    # Repair and observation.
    EventSpec(
        "+convert-to-slave", Form.INSTANCE, "one", "notice",
        "a node that should be a replica has called itself a master for more than 8 s and is "
        "told to follow",
    ),
    EventSpec(
        "+fix-slave-config", Form.INSTANCE, "one", "notice",
        "a replica has followed a wrong master for more than failover-timeout and is told to "
        "follow the right one",
    ),
    EventSpec(
        "-role-change", Form.ROLE, "each", "verbose",
        "a node's INFO reports another role than the one this Sentinel expects of it",
    ),
    EventSpec(
        "+role-change", Form.ROLE, "each", "verbose",
        "a node's INFO reports the role that this Sentinel expects of it, again",
    ),
    EventSpec(
        "+reboot", Form.INSTANCE, "each", "notice",
        "the run id in its INFO changed; it comes with the next INFO, up to 10 s late, even "
        "after ``-sdown``",
    ),
    EventSpec(
        "+tilt", Form.TILT, "itself", "warning",
        "this Sentinel's clock jumped or it hung for over 2 s: it judges nobody for 30 s; told "
        "again when that time starts anew",
    ),
    EventSpec(
        "-tilt", Form.TILT, "itself", "warning",
        "this Sentinel trusts its clock again, 30 s after the last jump at the earliest",
    ),
    EventSpec(
        "-script-error", Form.SCRIPT_ERROR, "itself", "warning",
        "a script ended badly for good: its signal, then its exit code (99 0: it could not be "
        "started)",
    ),
    EventSpec(
        "-script-timeout", Form.SCRIPT_TIMEOUT, "itself", "warning",
        "a script ran for more than 60 s and was killed",
    ),
)
# fmt: on
"""
Every channel that a Sentinel publishes. Source: sentinelEvent() calls, Redis 6.2 to 8.2, Valkey 7.2
to 9.1.
"""

SPEC_OF: Final[Mapping[str, EventSpec]] = {spec.channel: spec for spec in EVENTS}
"""The row of each channel."""
