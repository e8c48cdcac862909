"""
The shapes of the answers, for the OpenAPI document: what `switchmaster.render` and `belief_lines` make.

Class names are schema names of the document, so renaming a class changes the public API. Answers are not validated
against them, which would copy each of 10,000 masters once more; tests do that.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Acknowledgement",
    "Comment",
    "DeploymentPage",
    "FailoverLine",
    "FailoverPage",
    "GuardArming",
    "GuardLine",
    "GuardPage",
    "GuardSuspension",
    "HealthName",
    "IsMaster",
    "LinePage",
    "MasterLine",
    "MasterPage",
    "ObserverPage",
    "Overview",
    "PlannedFailoverLine",
    "PlannedFailoverOrder",
    "PlannedFailoverPage",
    "ProxyLine",
    "ProxyPage",
    "Ready",
    "SentinelPage",
    "StateName",
    "Status",
    "SwitchPage",
    "TopologyPage",
]

HealthName: TypeAlias = Literal["ok", "suspected", "down", "failing-over", "unknown"]
StateName: TypeAlias = Literal["ok", "suspected", "down", "failing-over", "unknown", "disagree"]

TIME_EXAMPLE = "UTC, such as `2026-11-23T03:00:00.123456Z`"


class Node(BaseModel):
    """A host and a port, as Sentinel announces them."""

    host: str
    port: int


class Row(BaseModel):
    """A line; it may have more fields than listed here."""

    model_config = ConfigDict(extra="allow")


class DeploymentLine(Row):
    """The state of a deployment."""

    type: Literal["deployment"]
    deployment: str
    hearing: bool = Field(description="Whether any Sentinel is connected now.")
    established: bool = Field(description="Whether enough Sentinels have answered since the start to be believed.")
    masters: int
    health: dict[str, int] = Field(description="Masters by health.")
    failovers: int = Field(description="Masters with a failover under way.")
    failover_impossible: int = Field(description="Masters that the Sentinels could not fail over now.")
    disagreements: int = Field(description="Masters for which some Sentinel gives another address.")
    sentinels: int
    connected: int = Field(description="Connected Sentinels.")


class ReplicaRow(Node):
    """A replica, as the Sentinels see it."""

    down_by: list[str] = Field(description="The Sentinels that say SDOWN.")
    link_up: bool | None
    offset: int | None
    priority: int | None


class OpinionRow(Node):
    """What one Sentinel says about a master's address."""

    sentinel: str
    epoch: int | None
    live: bool = Field(description="Whether this Sentinel is connected now.")
    agrees: bool


class StageRow(Row):
    """A stage of a failover, as it was first heard."""

    stage: str
    time: str | None = Field(description=TIME_EXAMPLE)
    sentinel: str | None = Field(description="The Sentinel that reported it first; null if the node itself did.")
    by: str = Field(description="The channel, or `ROLE`.")


class FailoverLine(Row):
    """The record of one attempt so far; the journal's also has `id`, `acknowledged`, `comments` and more."""

    type: Literal["failover"]
    time: str | None = Field(description=TIME_EXAMPLE)
    deployment: str
    master: str
    outcome: Literal["in-progress", "completed", "aborted"]
    kind: Literal["automatic", "manual", "coordinated"] | None
    old: Node | None
    new: Node | None
    epoch: int | None
    leader: str | None
    reason: str | None
    stages: list[StageRow]
    durations: dict[str, float] = Field(
        description="Seconds. `outage` is how long there was no master: `down_after` plus the time from the first "
        "suspicion to the promotion; if `down_after` is null, from the first suspicion only."
    )
    down_after: float | None = Field(
        default=None,
        description="Seconds without an answer before the master was suspected (down-after-milliseconds of the "
        "Sentinel that suspected it); null if unknown.",
    )


class SwitchLine(Row):
    """The decision that a master's address changed."""

    type: Literal["switch"]
    time: str | None = Field(description=TIME_EXAMPLE)
    deployment: str
    master: str
    old: Node | None
    new: Node
    epoch: int | None
    grade: Literal["announced", "promoted", "agreed"]
    cause: Literal["failover", "reconfigured", "unknown"]
    witnesses: list[str]
    why: str


class ElectorateRow(BaseModel):
    """The Sentinels of a master, and whether they could fail it over now."""

    known: int = Field(description="Known Sentinels, whether they answer or not.")
    counted: int | None = Field(
        description="How many Sentinels are counted by the one that sees most others; null if no connected "
        "Sentinel answers."
    )
    answering: int | None = Field(description="How many of them answer it and can vote on this master.")
    needed: int | None = Field(
        description="How many an election needs: a majority of `counted`, and at least the quorum."
    )
    obstacle: Literal["quorum-too-high", "too-few", "tilt"] | None = Field(description="What prevents a failover.")
    text: str | None = Field(description="The same in words; null if no connected Sentinel can tell.")
    unaware: list[str] = Field(description="Connected Sentinels that do not monitor this master.")
    absent: list[str] = Field(
        description="Sentinels that are counted but answer neither the others nor us; SENTINEL RESET forgets them."
    )


class MasterLine(Row):
    """The belief about one master."""

    type: Literal["master"]
    deployment: str
    master: str
    address: Node | None
    epoch: int | None
    incarnation: int
    grade: Literal["announced", "promoted", "agreed"]
    health: HealthName
    quorum: int | None
    down_by: list[str] = Field(description="The Sentinels that say SDOWN.")
    replicas: list[ReplicaRow]
    opinions: list[OpinionRow]
    agreement: str = Field(description="How many of the known Sentinels give this address, in words.")
    led_by: list[str] = Field(description="The Sentinels that report leading a failover of it.")
    failover_possible: bool | None = Field(
        description="Whether enough Sentinels reach each other to fail it over; null if none can tell."
    )
    electorate: ElectorateRow
    disagreeing: list[str] = Field(description="The connected Sentinels that give another address.")
    failover: FailoverLine | None = Field(description="The failover under way.")
    switch: SwitchLine | None = Field(description="The last switch that this daemon saw.")


class GuardPolicyRow(BaseModel):
    """What an operator has decided about a guard. Times are seconds."""

    grace: float = Field(description="Between two samples that must both prove the death.")
    evidence_timeout: float = Field(description="In which all witnesses must answer.")
    max_lag: float = Field(description="How old the last acknowledgement of the replica to be promoted may be.")
    restart: Literal["unknown", "wipes", "keeps"] = Field(description="What a restarted master comes back with.")
    cool_down: float = Field(description="After any failover in which none is ordered.")
    orderly: bool = Field(description="Whether it acts after an announced shutdown too.")


class GuardReportRow(Node):
    """What a node last said of itself by INFO."""

    role: str
    run_id: str
    keys: int | None
    offset: int | None = Field(description="Of a master what it has written, of a replica what it has applied.")
    link_up: bool | None = Field(description="Of a replica: whether its link to the master is up.")
    loading: bool
    stopping: bool = Field(description="Whether its shutdown was announced.")
    comes_back_empty: bool | None = Field(description="Whether a restart would bring back nothing; null if unknown.")


class GuardLine(Row):
    """The guard of one master: what it would do if the master died now, and why not."""

    type: Literal["guard"]
    deployment: str
    master: str
    address: Node | None
    arming: Literal["disarmed", "dry-run", "armed"]
    phase: Literal["watching", "sampling", "waiting", "ordered"]
    would_act: bool = Field(description="Whether it would order a failover if the master died now.")
    outlook: list[str] = Field(description="Why it would not, in sentences.")
    would_ask: str | None = Field(description="The Sentinel that it would ask.")
    would_promote: Node | None = Field(description="The replica that this Sentinel would choose.")
    may_order: bool | None = Field(
        description="Whether the Sentinels' ACL allows SENTINEL FAILOVER; null if that is not known yet."
    )
    leased: bool | None = Field(description="Whether this daemon holds the lease; null if no lease is shared.")
    suspended_until: str | None = Field(description=f"Until when an operator has suspended it: {TIME_EXAMPLE}")
    policy: GuardPolicyRow
    reports: list[GuardReportRow]
    counts: dict[str, int] = Field(description="Walks, samples, orders and so on since the start.")
    objected: dict[str, int] = Field(description="How often each objection kept it from acting, by the objection's id.")


class ProxyCheckRow(Node):
    """A node, as HAProxy finds it."""

    master: bool = Field(description="Whether HAProxy's own check last found a master there.")


class HaproxyRow(BaseModel):
    """How the proxy's HAProxy stands."""

    pid: int | None = Field(description="Of its current worker; null if it does not run.")
    version: str | None
    starts: int
    reloads: int
    drifts: int = Field(description="How often it was found with something else than it should have had.")
    trouble: str | None = Field(description="Why it does not run as it should.")


class ProxyLine(Row):
    """The proxy of one master: where its HAProxy leads."""

    type: Literal["proxy"]
    deployment: str
    master: str
    writes: Node = Field(description="Where clients find the master.")
    reads: Node | None = Field(description="Where they find its replicas.")
    state: Literal["serving", "holding", "unknown"] = Field(
        description="`holding`: new connections wait for the end of a failover."
    )
    address: Node | None = Field(description="Where new connections go, as Sentinel announces it.")
    since: str | None = Field(description=f"Since when: {TIME_EXAMPLE}")
    in_sync: bool = Field(description="Whether HAProxy had what it should have when it was last asked.")
    connections: int | None = Field(description="To the port for writes, those that wait included; every 2 s.")
    reading: int | None = Field(description="To the port for reads.")
    moves: int
    holds: int = Field(description="How often new connections began to wait.")
    last_move_seconds: float | None = Field(description="How long HAProxy took to follow the belief.")
    checks: list[ProxyCheckRow] = Field(description="By which HAProxy goes if this daemon is gone.")
    haproxy: HaproxyRow


class PlanCheckRow(BaseModel):
    """One check of a plan."""

    id: str
    result: Literal["passed", "warning", "refused"]
    text: str


class PlanRow(Row):
    """What a planned failover would do, or why it is refused."""

    type: Literal["plan"]
    deployment: str
    master: str
    old: Node | None = Field(description="The present master.")
    candidate: Node | None = Field(description="The replica that would become the master.")
    sentinel: str | None = Field(description="The Sentinel that would be asked.")
    needed: bool = Field(description="Whether anything is to be done: with `if_master`, if that node is the master.")
    possible: bool = Field(description="Whether no check refuses.")
    checks: list[PlanCheckRow]
    steps: list[str] = Field(description="What would happen, in sentences.")


class ConclusionRow(Row):
    """How a planned failover ended, with what every Sentinel and node said last as `state`."""

    type: Literal["planned"]
    time: str | None = Field(description=TIME_EXAMPLE)
    deployment: str
    master: str
    ending: Literal[
        "done",
        "not-needed",
        "refused",
        "aborted",
        "rogue",
        "elsewhere",
        "unverified",
        "timed-out",
        "stopped",
        "interrupted",
    ]
    reason: str
    old: Node | None
    new: Node | None = Field(description="The master afterwards, if it changed.")
    epoch: int | None
    promoted_after: float | None = Field(description="Seconds from the order until the new master was known.")
    announced_after: float | None = Field(description="Until the first Sentinel announced it.")
    verified_after: float | None = Field(description="Until every node was as it should be.")
    advice: str = Field(description="What to do next; empty if nothing is.")
    failover: dict[str, Any] | None = Field(description="The record of it, as a line `failover`.")
    state: dict[str, Any] | None


class PlannedFailoverLine(Row):
    """One planned failover of one master, as far as it has come."""

    type: Literal["planned-failover"]
    deployment: str
    master: str
    by: str = Field(description="Who asked for it.")
    began: str | None = Field(description=TIME_EXAMPLE)
    ended: str | None = Field(description="Null while it runs, and for a plan that was not carried out.")
    running: bool
    said: list[str] = Field(description="What was done, in sentences, the oldest first.")
    plan: PlanRow | None
    conclusion: ConclusionRow | None = Field(description="Null until it has ended.")
    error: str | None = Field(description="Why it ended without a conclusion.")


class SentinelRow(Row):
    """One Sentinel and our link to it."""

    type: Literal["sentinel"]
    deployment: str
    sentinel: str
    run_id: str | None
    version: str | None
    state: Literal["down", "connecting", "greeting", "live"]
    reason: str | None = Field(description="Why there is no connection.")
    seed: bool = Field(description="Whether it was configured; the others were discovered.")
    tilt: bool = Field(description="Whether it is in TILT: it does not trust its clock and starts no failover.")
    tilt_since: str | None = Field(description=f"Since when, if it reports that (Redis 7.0, Valkey): {TIME_EXAMPLE}")
    also: list[str] = Field(description="Other names of the same Sentinel, which are not dialled.")
    shares_id_with: list[str] = Field(
        description="Other Sentinels with the same id: their configuration was copied, and they do not see each other."
    )
    simulates_failures: bool = Field(description="Whether SENTINEL SIMULATE-FAILURE was left on.")
    scripts_waiting: int = Field(description="Notification and reconfiguration scripts waiting to be run.")


class SentinelLine(SentinelRow):
    """One Sentinel, our link to it, and where it disagrees."""

    connected: bool
    last_heard: str | None = Field(description=f"When the last byte came: {TIME_EXAMPLE}")
    events: int = Field(description="Events received from it since the link was made.")
    failures: int = Field(description="Connections that ended and attempts that failed.")
    disagrees_on: list[str] = Field(description="The masters for which it gives another address than the believed one.")


class TopologyLine(BaseModel):
    """The whole belief about one deployment."""

    type: Literal["topology"]
    deployment: str
    masters: list[MasterLine]
    sentinels: list[SentinelRow]


class OverviewPart(BaseModel):
    """One deployment in the overview."""

    deployment: str
    masters: int = Field(description="All of its masters.")
    found: int = Field(description="Those that match.")
    items: list[MasterLine] = Field(description="Some of those that match: those in trouble first, then by name.")
    sentinels: list[SentinelRow]


class Overview(BaseModel):
    """All deployments at a glance."""

    type: Literal["overview"]
    masters: int = Field(description="All masters.")
    found: int = Field(description="Those that match.")
    states: dict[StateName, int] = Field(
        description="The number of masters by state; a failover counts until its leader has finished."
    )
    troubled: int = Field(description="Masters that need attention, where any Sentinel of their deployment is heard.")
    urgent: list[MasterLine] = Field(description="The first of these, the gravest first.")
    deployments: list[OverviewPart]


class ObserverLine(BaseModel):
    """One run of one daemon."""

    observer: str
    run: str
    started: str | None
    seen: str | None = Field(description="When it last reported being alive.")
    ended: str | None = Field(description="When it shut down; null while it runs, and if it was killed.")


class _Page(BaseModel):
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class DeploymentPage(_Page):
    """Deployments."""

    items: list[DeploymentLine]


class TopologyPage(_Page):
    """Topologies."""

    items: list[TopologyLine]


class MasterPage(_Page):
    """Masters, in order of deployment and name."""

    items: list[MasterLine]


class SentinelPage(_Page):
    """Sentinels, in order of deployment and name."""

    items: list[SentinelLine]


class DoctorPage(_Page):
    """
    Lines of the doctor by deployment: `risk`, `finding`, `suppressed`, and `diagnosis` (the sum) as the last.

    `time` is that of the inspection; `since` of a finding that of the first of all inspections in a row that found it,
    after a restart of the daemon by the journal's notices.
    """

    items: list[dict[str, Any]]


class DoctorRule(Row):
    """A rule of the doctor; the texts may hold Markdown's `code`."""

    rule: str = Field(description="Its id, which never changes.")
    severity: str = Field(description="`error`, `warning` or `info`, unless a finding has its own.")
    title: str = Field(description="What it finds.")
    why: str = Field(description="Why it hurts.")
    mend: str = Field(description="How to mend it.")
    source: str = Field(description="Where that is known from.")
    versions: str = Field(description="To which servers it applies.")


class DoctorRulePage(_Page):
    """All rules of the doctor, in the order of the documentation."""

    items: list[DoctorRule]


class GuardPage(_Page):
    """Guards, in order of deployment and master."""

    items: list[GuardLine]


class ProxyPage(_Page):
    """Proxies, in order of deployment and master."""

    items: list[ProxyLine]


class PlannedFailoverPage(_Page):
    """Planned failovers, in order of deployment and master."""

    items: list[PlannedFailoverLine]


class FailoverPage(_Page):
    """Failovers, newest first."""

    items: list[FailoverLine]


class SwitchPage(_Page):
    """Switches, newest first."""

    items: list[SwitchLine]


class LinePage(_Page):
    """Lines of any type, with `entry` (the id in the stream) and `run` (the run of a daemon that wrote it)."""

    items: list[dict[str, Any]]


class ObserverPage(_Page):
    """Runs of daemons, newest first."""

    items: list[ObserverLine]


class Journal(BaseModel):
    """The state of the journal."""

    kept: bool = Field(description="Whether this daemon keeps one.")
    available: bool = Field(description="Whether the last commit succeeded.")
    reason: str | None = Field(description="Why the last commit failed.")
    waiting: int = Field(description="Entries waiting to be written.")
    dropped: int = Field(description="Entries dropped because too many were waiting.")


class Access(BaseModel):
    """Read and write access."""

    read: Literal["open", "token"]
    act: Literal["nobody", "token"]


class Share(BaseModel):
    """How deployments are shared."""

    daemons: int = Field(description="How many daemons are to watch each deployment.")
    living: list[str] = Field(description="The daemons that live, this one included.")
    available: bool = Field(description="Whether the claims could be renewed; if not, each daemon keeps what it has.")
    reason: str | None


class Status(BaseModel):
    """The state of this daemon."""

    version: str
    started: str = Field(description=TIME_EXAMPLE)
    time: str = Field(description=f"The daemon's clock: {TIME_EXAMPLE}")
    deployments: list[str] = Field(description="Those that this daemon watches.")
    share: Share | None = Field(description="How deployments are shared with other daemons; null if they are not.")
    journal: Journal
    access: Access


class Ready(BaseModel):
    """Whether the daemon knows its masters."""

    ready: bool
    waiting_for: list[str] = Field(
        description="Deployments, and `claims` until it is known which are watched; only their number if reading "
        "needs a token."
    )


class IsMaster(BaseModel):
    """Whether a node is the believed master."""

    is_master: bool
    deployment: str
    master: str
    address: Node | None = Field(description="The master's address.")
    hearing: bool = Field(description="Whether any Sentinel is connected now; if none is, this is the last belief.")


# Whitespace differs: U+FEFF is whitespace for JSON Schema's regular expressions (ECMA-262), U+0085 for Unicode.
_MORE_THAN_BLANKS: Final = r"[^\s\u0085\ufeff]"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200, description="The author.")


class Acknowledgement(_Body):
    """The acknowledgement of a failover."""

    comment: str = Field("", max_length=10_000)


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    confirm: str = Field(max_length=2_000, description="The master's name, typed once more.")
    by: str = Field("", max_length=200, description="Who asks for it.")


class PlannedFailoverOrder(_Order):
    """An order to move a master to a replica."""

    confirm: str = Field("", max_length=2_000, description="The master's name, typed once more; not for a dry run.")
    dry_run: bool = Field(False, description="Only check, and return the plan.")
    to: str | None = Field(None, max_length=300, description="`HOST:PORT` of the replica that must become the master.")
    if_master: str | None = Field(None, max_length=300, description="Only if this node is the master.")
    coordinated: bool = Field(False, description="The old master hands over (Valkey 9).")
    wait_replicas: bool = Field(False, description="It is done only when all replicas are in sync again.")


class GuardArming(_Order):
    """Whether the guard is to act, until the daemon's next start or reload."""

    arming: Literal["disarmed", "dry-run", "armed"]


class GuardSuspension(_Order):
    """A suspension of the guard, for maintenance."""

    suspend: float = Field(ge=0, le=604_800, description="For how many seconds; 0 ends a suspension.")


class Comment(_Body):
    """A comment on a failover."""

    text: str = Field(min_length=1, max_length=10_000, pattern=_MORE_THAN_BLANKS)
