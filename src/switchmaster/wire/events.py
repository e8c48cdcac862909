"""
What a Sentinel publishes: one row of `EVENTS` for each channel, one class for each form of payload.

Everything that the code knows of a channel is in its row. `grammar` parses by it, and the tables of belief, account,
journal and CLI are comprehensions over it; docs/reference/events.md is generated from it. The wire says master and
slave in all versions; `Kind` is where the word becomes replica.

The channels are the same from Redis 6.2 to 8.2 and Valkey 7.2 to 9.1, except for ``-failover-abort-master-timeout``
(Valkey 9 only). Source: every ``sentinelEvent()`` call in sentinel.c whose level is above LL_DEBUG.

To add an event of a known form, add a row here and in docs/topics/protocol.md, a recording that holds it, advice in
account/story.py if it is an abort, and run ``make docs``. Tried with an invented ``-failover-abort-replica-lost``:
``switchmaster replay`` reported the attempt as aborted for the row's reason; a test named each piece still missing.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..model import Address, PlainValue, RunId, Stage
from .nouns import Kind, Unrecognised

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
    "Judgement",
    "Kind",
    "Monitored",
    "NewEpoch",
    "ObjectivelyDown",
    "Progress",
    "RoleChanged",
    "ScriptEnded",
    "SentinelEvent",
    "SwitchedMaster",
    "Tilt",
    "Unrecognised",
    "Voted",
    "Withdrawal",
    "progress_of",
]


@dataclass(slots=True, unsafe_hash=True, init=False)
class Instance(PlainValue):
    """
    The ``%@`` of sentinelEvent(): the instance that an event is about.

    Shape: ``master <name> <ip> <port>``, or
    ``slave|sentinel <name> <ip> <port> @ <master-name> <master-ip> <master-port>``.
    """

    kind: Final[Kind]
    name: Final[str]
    """A master's name, a replica's ``ip:port``, or a Sentinel's run id."""
    address: Final[Address]
    master: Final[str]
    """The master's name; for a master the same as `name`."""
    master_address: Final[Address]
    """The master's address as this Sentinel knows it at that moment: during a failover the old one."""

    def __init__(self, kind: Kind, name: str, address: Address, master: str, master_address: Address) -> None:
        self.kind = kind
        self.name = name
        self.address = address
        self.master = master
        self.master_address = master_address


@dataclass(slots=True, unsafe_hash=True, init=False)
class SentinelEvent(PlainValue):
    """The base of every event: the channel and the payload as they came, with passwords masked."""

    channel: Final[str]
    payload: Final[str]

    def __init__(self, channel: str, payload: str) -> None:
        self.channel = channel
        self.payload = payload

    @property
    def master(self) -> str | None:
        """The master's name, or None for an event that names none."""
        return None


@dataclass(slots=True, unsafe_hash=True, init=False)
class InstanceEvent(SentinelEvent):
    """An event that names an instance and nothing else. Shape: ``%@``."""

    instance: Final[Instance]

    def __init__(self, channel: str, payload: str, instance: Instance) -> None:
        SentinelEvent.__init__(self, channel, payload)
        self.instance = instance

    @property
    def master(self) -> str | None:
        return self.instance.master


@dataclass(slots=True, unsafe_hash=True, init=False)
class ObjectivelyDown(InstanceEvent):
    """``+odown``. Shape: ``%@ #quorum A/Q``."""

    agreeing: Final[int]
    """Sentinels that say the master is down, the emitting one included."""
    quorum: Final[int]

    def __init__(self, channel: str, payload: str, instance: Instance, agreeing: int, quorum: int) -> None:
        InstanceEvent.__init__(self, channel, payload, instance)
        self.agreeing = agreeing
        self.quorum = quorum


@dataclass(slots=True, unsafe_hash=True, init=False)
class Monitored(InstanceEvent):
    """``+monitor``. Shape: ``%@ quorum N``."""

    quorum: Final[int]

    def __init__(self, channel: str, payload: str, instance: Instance, quorum: int) -> None:
        InstanceEvent.__init__(self, channel, payload, instance)
        self.quorum = quorum


@dataclass(slots=True, unsafe_hash=True, init=False)
class Configured(InstanceEvent):
    """``+set``. Shape: ``%@ option value…``. A password is masked; Redis up to 6.2.7 publishes it."""

    option: Final[str]
    values: Final[str]

    def __init__(self, channel: str, payload: str, instance: Instance, option: str, values: str) -> None:
        InstanceEvent.__init__(self, channel, payload, instance)
        self.option = option
        self.values = values


@dataclass(slots=True, unsafe_hash=True, init=False)
class RoleChanged(InstanceEvent):
    """``+role-change`` and ``-role-change``. Shape: ``%@ new reported role is master|slave``."""

    role: Final[Kind]

    def __init__(self, channel: str, payload: str, instance: Instance, role: Kind) -> None:
        InstanceEvent.__init__(self, channel, payload, instance)
        self.role = role


@dataclass(slots=True, unsafe_hash=True, init=False)
class AddressSwitched(InstanceEvent):
    """``+sentinel-address-switch``. Shape: ``%@ ip X port P for RUNID``, where ``%@`` is the master."""

    sentinel_address: Final[Address]
    run_id: Final[RunId]

    def __init__(
        self, channel: str, payload: str, instance: Instance, sentinel_address: Address, run_id: RunId
    ) -> None:
        InstanceEvent.__init__(self, channel, payload, instance)
        self.sentinel_address = sentinel_address
        self.run_id = run_id


@dataclass(slots=True, unsafe_hash=True, init=False)
class AddressUpdated(InstanceEvent):
    """``+sentinel-address-update``. Shape: ``%@ N additional matching instances``."""

    count: Final[int]

    def __init__(self, channel: str, payload: str, instance: Instance, count: int) -> None:
        InstanceEvent.__init__(self, channel, payload, instance)
        self.count = count


@dataclass(slots=True, unsafe_hash=True, init=False)
class SwitchedMaster(SentinelEvent):
    """``+switch-master``. Shape: ``name oldip oldport newip newport``: no word ``master``, no epoch."""

    name: Final[str]
    old: Final[Address]
    new: Final[Address]

    def __init__(self, channel: str, payload: str, name: str, old: Address, new: Address) -> None:
        SentinelEvent.__init__(self, channel, payload)
        self.name = name
        self.old = old
        self.new = new

    @property
    def master(self) -> str | None:
        return self.name


@dataclass(slots=True, unsafe_hash=True, init=False)
class NewEpoch(SentinelEvent):
    """``+new-epoch``. Shape: ``N``; names no master, since current_epoch is shared by all."""

    epoch: Final[int]

    def __init__(self, channel: str, payload: str, epoch: int) -> None:
        SentinelEvent.__init__(self, channel, payload)
        self.epoch = epoch


@dataclass(slots=True, unsafe_hash=True, init=False)
class Voted(SentinelEvent):
    """``+vote-for-leader``. Shape: ``RUNID EPOCH``; names no master."""

    run_id: Final[RunId]
    epoch: Final[int]

    def __init__(self, channel: str, payload: str, run_id: RunId, epoch: int) -> None:
        SentinelEvent.__init__(self, channel, payload)
        self.run_id = run_id
        self.epoch = epoch


@dataclass(slots=True, unsafe_hash=True, init=False)
class Tilt(SentinelEvent):
    """``+tilt`` and ``-tilt``. Shape: ``#tilt mode entered|exited``."""


@dataclass(slots=True, unsafe_hash=True, init=False)
class ScriptEnded(SentinelEvent):
    """``-script-error`` (shape ``path signal exit-code``) and ``-script-timeout`` (shape ``path pid``)."""

    path: Final[str]
    numbers: Final[tuple[int, ...]]

    def __init__(self, channel: str, payload: str, path: str, numbers: tuple[int, ...]) -> None:
        SentinelEvent.__init__(self, channel, payload)
        self.path = path
        self.numbers = numbers


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


class Judgement(enum.Enum):
    """What an event means for the belief in a master's address; `belief.judges` has a function for each."""

    NAMED = enum.auto()
    """The leader has named the replica that is to become the master."""
    PROMOTED = enum.auto()
    """The leader saw that replica become a master."""
    SWITCHED = enum.auto()
    """A Sentinel uses the new address."""
    ABORTED = enum.auto()
    """The named replica will not be promoted, as far as the leader knows."""
    ROLE_CHANGED = enum.auto()
    """A replica reports that it is a master."""
    CONVERTED = enum.auto()
    """A node that claimed to be a master is made a replica."""
    MONITORED = enum.auto()
    """The Sentinel starts to monitor the master, at this address."""
    UNMONITORED = enum.auto()
    """The Sentinel forgets the master."""
    RECORDED = enum.auto()
    """Nothing: such an event is recorded only. It may still be a stage of a failover, or say what is up or down."""


class Withdrawal(enum.Enum):
    """What an event takes back without being a stage of a failover itself."""

    SUSPICION = enum.auto()
    """An earlier ``+sdown``."""
    AGREEMENT = enum.auto()
    """An earlier ``+odown``."""
    ATTEMPT = enum.auto()
    """The failover that this Sentinel leads: SENTINEL RESET and REMOVE stop it without an abort event."""


class Progress(enum.Enum):
    """How far the reconfiguration of a replica is, within `Stage.RECONFIGURING`."""

    TOLD = enum.auto()
    """It was told to follow the new master."""
    SEEN = enum.auto()
    """Its INFO names the new master."""
    FOLLOWS = enum.auto()
    """Its link to the new master is up."""
    OVERDUE = enum.auto()
    """It made no progress for 10 s, and is told again."""
    TIMED_OUT = enum.auto()
    """The time for all replicas is up; those that are left are told once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSpec:
    """One row of the table of events: everything that the code knows of a channel."""

    channel: str
    form: Form
    emitter: str
    """
    Which Sentinel publishes it: ``leader`` (only the Sentinel that runs the failover), ``non-leader`` (every Sentinel
    but that), ``each`` (every Sentinel, at its own time), ``one`` (whichever acts first), ``target`` (the Sentinel that
    got the command), ``candidate``, ``voter``, or ``itself`` (about the Sentinel that says it).
    """
    level: str
    """sentinel.c's log level: warning, notice or verbose; all three are published."""
    meaning: str
    """For people, in docs/reference/events.md."""
    judged: Judgement
    """What it means for the belief in the master's address."""
    stage: Stage | None = None
    """The stage of a failover that it is the news of."""
    during: Stage | None = None
    """The stage that it comes with, if it is not the news of one: orders events of the same time in logs."""
    withdraws: Withdrawal | None = None
    progress: Progress | None = None
    """Set for every row of `Stage.RECONFIGURING`, and for no other."""
    abort: str = ""
    """Why the failover ended, in words. Set for every row of `Stage.ABORTED`, and for no other."""
    asked_after: bool = False
    """Whether the Sentinel is asked for a snapshot of the master afterwards: the event changes more than it says."""
    quiet: bool = False
    """Whether narration and timelines leave it out: it adds nothing that another event does not say better."""
    since: str = ""
    """The servers that have it, if not all do."""


# fmt: off
EVENTS: Final[tuple[EventSpec, ...]] = (
    # Configuration and discovery.
    EventSpec(
        channel="+monitor", form=Form.MONITOR, emitter="each", level="warning",
        meaning="this Sentinel monitors a master: at its start (before anybody can listen) or by SENTINEL MONITOR",
        judged=Judgement.MONITORED,
    ),
    EventSpec(
        channel="-monitor", form=Form.INSTANCE, emitter="target", level="warning",
        meaning="SENTINEL REMOVE: this Sentinel is about to forget the master",
        judged=Judgement.UNMONITORED, withdraws=Withdrawal.ATTEMPT,
    ),
    EventSpec(
        channel="+reset-master", form=Form.INSTANCE, emitter="target", level="warning",
        meaning="SENTINEL RESET: replicas, Sentinels and flags are forgotten, a running failover ends without an "
        "abort",
        judged=Judgement.ABORTED, withdraws=Withdrawal.ATTEMPT, asked_after=True,
    ),
    EventSpec(
        channel="+set", form=Form.SET, emitter="target", level="warning",
        meaning="SENTINEL SET changed one option; Redis 6.2.0 to 6.2.7 publish a password in clear, we mask it",
        judged=Judgement.RECORDED, asked_after=True,
    ),
    EventSpec(
        channel="+slave", form=Form.INSTANCE, emitter="each", level="notice",
        meaning="a replica is new in the master's INFO; published again for every replica right after a switch",
        judged=Judgement.RECORDED, quiet=True,
    ),
    EventSpec(
        channel="+sentinel", form=Form.INSTANCE, emitter="each", level="notice",
        meaning="another Sentinel was learned from its hello, not from the configuration file",
        judged=Judgement.RECORDED, quiet=True,
    ),
    EventSpec(
        channel="+sentinel-address-switch", form=Form.ADDRESS_SWITCH, emitter="each", level="notice",
        meaning="a known Sentinel says hello from another address; published in place of ``+sentinel``",
        judged=Judgement.RECORDED, asked_after=True,
    ),
    EventSpec(
        channel="+sentinel-address-update", form=Form.ADDRESS_UPDATE, emitter="each", level="notice",
        meaning="the same Sentinel is known under other masters too, and its address was changed there",
        judged=Judgement.RECORDED,
    ),
    EventSpec(
        channel="+sentinel-invalid-addr", form=Form.INSTANCE, emitter="each", level="notice",
        meaning="another run id uses this Sentinel's address: 7.0 and later forget the obsolete one, 6.2 keeps it "
        "at port 0",
        judged=Judgement.RECORDED,
    ),
    # Down and up.
    EventSpec(
        channel="+sdown", form=Form.INSTANCE, emitter="each", level="warning",
        meaning="this Sentinel alone has had no valid answer to PING for down-after, or a master reports to be a "
        "replica",
        judged=Judgement.RECORDED, stage=Stage.SUSPECTED,
    ),
    EventSpec(
        channel="-sdown", form=Form.INSTANCE, emitter="each", level="warning",
        meaning="it answers again; missing after a switch, and on Valkey 9.1 sent unpaired at a manual failover",
        judged=Judgement.RECORDED, withdraws=Withdrawal.SUSPICION,
    ),
    EventSpec(
        channel="+odown", form=Form.QUORUM, emitter="each", level="warning",
        meaning="as many Sentinels as the quorum asks agree that the master is down; a non-leader may publish it "
        "late or never",
        judged=Judgement.RECORDED, stage=Stage.AGREED_DOWN,
    ),
    EventSpec(
        channel="-odown", form=Form.INSTANCE, emitter="each", level="warning",
        meaning="the quorum is gone; the leader publishes it in most successful failovers too, with the old "
        "master still dead",
        judged=Judgement.RECORDED, withdraws=Withdrawal.AGREEMENT,
    ),
    # Election.
    EventSpec(
        channel="+new-epoch", form=Form.EPOCH, emitter="each", level="warning",
        meaning="the epoch that all masters share was raised: by an attempt of its own, a request for a vote, or "
        "a hello",
        judged=Judgement.RECORDED, during=Stage.ELECTING,
    ),
    EventSpec(
        channel="+try-failover", form=Form.INSTANCE, emitter="candidate", level="warning",
        meaning="this Sentinel starts a failover attempt; several can try at once",
        judged=Judgement.RECORDED, stage=Stage.ELECTING,
    ),
    EventSpec(
        channel="+vote-for-leader", form=Form.VOTE, emitter="voter", level="warning",
        meaning="this Sentinel gave its vote, possibly to itself, and in TILT too; in a manual failover only the "
        "target votes",
        judged=Judgement.RECORDED, stage=Stage.ELECTING,
    ),
    EventSpec(
        channel="+elected-leader", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="this Sentinel won the election, or was told to fail over without one",
        judged=Judgement.RECORDED, stage=Stage.ELECTED,
    ),
    EventSpec(
        channel="-failover-abort-not-elected", form=Form.INSTANCE, emitter="candidate", level="warning",
        meaning="no election was won within 10 s or failover-timeout, whichever is less",
        judged=Judgement.ABORTED, stage=Stage.ABORTED,
        abort="no Sentinel won the election in time",
    ),
    # Failover.
    EventSpec(
        channel="+failover-state-select-slave", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="the leader looks for the replica to promote",
        judged=Judgement.RECORDED, stage=Stage.ELECTED,
    ),
    EventSpec(
        channel="-failover-abort-no-good-slave", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="no replica is fit; the next attempt starts 2 x failover-timeout after this one's start at the "
        "earliest",
        judged=Judgement.ABORTED, stage=Stage.ABORTED,
        abort="no replica is fit to be promoted",
    ),
    EventSpec(
        channel="+selected-slave", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="the replica to promote is chosen: the first event with the future address",
        judged=Judgement.NAMED, stage=Stage.SELECTED,
    ),
    EventSpec(
        channel="+failover-state-send-slaveof-noone", form=Form.INSTANCE, emitter="leader", level="notice",
        meaning="the leader is about to tell the chosen replica to become a master",
        judged=Judgement.NAMED, stage=Stage.SELECTED,
    ),
    EventSpec(
        channel="+failover-state-wait-promotion", form=Form.INSTANCE, emitter="leader", level="notice",
        meaning="SLAVEOF NO ONE (or Valkey's FAILOVER) is on its way; the node takes writes about 20 ms later",
        judged=Judgement.NAMED, stage=Stage.PROMOTING,
    ),
    EventSpec(
        channel="-failover-abort-slave-timeout", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="no promotion was seen within failover-timeout; the order may still be obeyed later, by a rogue "
        "master",
        judged=Judgement.ABORTED, stage=Stage.ABORTED,
        abort="the selected replica was not promoted in time; it may still become a second master",
    ),
    EventSpec(
        channel="-failover-abort-master-timeout", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="a coordinated failover has less than 1 s of its failover-timeout left",
        judged=Judgement.ABORTED, stage=Stage.ABORTED, since="Valkey 9",
        abort="the old master did not hand over in time",
    ),
    EventSpec(
        channel="+promoted-slave", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="the chosen replica's INFO says master: the config epoch is raised and GET-MASTER-ADDR-BY-NAME "
        "changes",
        judged=Judgement.PROMOTED, stage=Stage.PROMOTED, asked_after=True,
    ),
    EventSpec(
        channel="+failover-state-reconf-slaves", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="the leader starts to point the other replicas to the new master",
        judged=Judgement.RECORDED, stage=Stage.PROMOTED, quiet=True,
    ),
    EventSpec(
        channel="+slave-reconf-sent", form=Form.INSTANCE, emitter="leader", level="notice",
        meaning="this replica was told to follow the new master",
        judged=Judgement.RECORDED, stage=Stage.RECONFIGURING, progress=Progress.TOLD,
    ),
    EventSpec(
        channel="+slave-reconf-inprog", form=Form.INSTANCE, emitter="leader", level="notice",
        meaning="this replica's INFO names the new master; its link is not up yet",
        judged=Judgement.RECORDED, stage=Stage.RECONFIGURING, progress=Progress.SEEN, quiet=True,
    ),
    EventSpec(
        channel="+slave-reconf-done", form=Form.INSTANCE, emitter="leader", level="notice",
        meaning="this replica follows the new master and its link is up",
        judged=Judgement.RECORDED, stage=Stage.RECONFIGURING, progress=Progress.FOLLOWS,
    ),
    EventSpec(
        channel="-slave-reconf-sent-timeout", form=Form.INSTANCE, emitter="leader", level="notice",
        meaning="10 s without progress: this replica is told again at once; never with parallel-syncs 1",
        judged=Judgement.RECORDED, stage=Stage.RECONFIGURING, progress=Progress.OVERDUE,
    ),
    EventSpec(
        channel="+slave-reconf-sent-be", form=Form.INSTANCE, emitter="leader", level="notice",
        meaning="best effort at the end of the time: a replica that was not reached yet is told to follow",
        judged=Judgement.RECORDED, stage=Stage.RECONFIGURING, progress=Progress.TOLD,
    ),
    EventSpec(
        channel="+failover-end-for-timeout", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="pointing the replicas took longer than failover-timeout; not a failure: the end and the switch "
        "follow",
        judged=Judgement.RECORDED, stage=Stage.RECONFIGURING, progress=Progress.TIMED_OUT,
    ),
    EventSpec(
        channel="+failover-end", form=Form.INSTANCE, emitter="leader", level="warning",
        meaning="the failover is over; the leader's own ``+switch-master`` follows in the same millisecond",
        judged=Judgement.RECORDED, stage=Stage.SETTLED, asked_after=True,
    ),
    EventSpec(
        channel="+config-update-from", form=Form.INSTANCE, emitter="non-leader", level="warning",
        meaning="a hello with a higher config epoch and another address came from this Sentinel, which need not "
        "be the leader; ``+switch-master`` follows; never sent by the leader",
        judged=Judgement.RECORDED, during=Stage.SWITCHED,
    ),
    EventSpec(
        channel="+switch-master", form=Form.SWITCH, emitter="each", level="warning",
        meaning="this Sentinel uses the new address from now on; the leader publishes it last",
        judged=Judgement.SWITCHED, stage=Stage.SWITCHED, asked_after=True,
    ),
    # Repair and observation.
    EventSpec(
        channel="+convert-to-slave", form=Form.INSTANCE, emitter="one", level="notice",
        meaning="a node that should be a replica has called itself a master for more than 8 s and is told to "
        "follow",
        judged=Judgement.CONVERTED,
    ),
    EventSpec(
        channel="+fix-slave-config", form=Form.INSTANCE, emitter="one", level="notice",
        meaning="a replica has followed a wrong master for more than failover-timeout and is told to follow the "
        "right one",
        judged=Judgement.RECORDED,
    ),
    EventSpec(
        channel="-role-change", form=Form.ROLE, emitter="each", level="verbose",
        meaning="a node's INFO reports another role than the one this Sentinel expects of it",
        judged=Judgement.ROLE_CHANGED, quiet=True,
    ),
    EventSpec(
        channel="+role-change", form=Form.ROLE, emitter="each", level="verbose",
        meaning="a node's INFO reports the role that this Sentinel expects of it, again",
        judged=Judgement.RECORDED, quiet=True,
    ),
    EventSpec(
        channel="+reboot", form=Form.INSTANCE, emitter="each", level="notice",
        meaning="the run id in its INFO changed; it comes with the next INFO, up to 10 s late, even after "
        "``-sdown``",
        judged=Judgement.RECORDED,
    ),
    EventSpec(
        channel="+tilt", form=Form.TILT, emitter="itself", level="warning",
        meaning="this Sentinel's clock jumped or it hung for over 2 s: it judges no instance for 30 s; published "
        "again when that time restarts",
        judged=Judgement.RECORDED,
    ),
    EventSpec(
        channel="-tilt", form=Form.TILT, emitter="itself", level="warning",
        meaning="this Sentinel trusts its clock again, 30 s after the last jump at the earliest",
        judged=Judgement.RECORDED,
    ),
    EventSpec(
        channel="-script-error", form=Form.SCRIPT_ERROR, emitter="itself", level="warning",
        meaning="a script ended badly for good: its signal, then its exit code (99 0: it could not be started)",
        judged=Judgement.RECORDED,
    ),
    EventSpec(
        channel="-script-timeout", form=Form.SCRIPT_TIMEOUT, emitter="itself", level="warning",
        meaning="a script ran for more than 60 s and was killed",
        judged=Judgement.RECORDED,
    ),
)
# fmt: on
"""Every channel that a Sentinel publishes. Source: sentinelEvent() calls, Redis 6.2 to 8.2, Valkey 7.2 to 9.1."""

SPEC_OF: Final[Mapping[str, EventSpec]] = {spec.channel: spec for spec in EVENTS}
"""The row of each channel."""


def progress_of(channel: str) -> Progress | None:
    """Return what a channel says of a replica's reconfiguration; None for any other channel or word."""
    spec = SPEC_OF.get(channel)
    return None if spec is None else spec.progress
