"""
The lines that switchmaster prints, serves and stores: one JSON object for each value of the core.

A switch looks the same in ``watch``, ``replay``, the API, webhooks and the journal; so do events and failovers. Values
go in, dictionaries of plain JSON types come out; nothing is printed here. Text from the network may contain anything:
`to_json` escapes everything that is not ASCII. What all lines have in common is in `switchmaster.line`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .belief.decisions import Notice, Switch
from .belief.failover import Failover, StageEntry
from .belief.topology import Electorate, MasterState, SentinelState, Topology
from .belief.words import agreement_words, electorate_words
from .line import Line, host_port, iso, seconds_of, to_json
from .model import Address, Wall
from .wire.events import (
    Configured,
    Event,
    Instance,
    InstanceEvent,
    Monitored,
    NewEpoch,
    ObjectivelyDown,
    RoleChanged,
    SwitchedMaster,
    Unrecognised,
    Voted,
)

if TYPE_CHECKING:
    from .guard.policy import Policy
    from .guard.status import GuardStatus
    from .planned.plan import Plan
    from .planned.planned_status import PlannedStatus
    from .planned.progress import Conclusion
    from .planned.survey import Survey

__all__ = [
    "Line",
    "conclusion_line",
    "event_line",
    "failover_line",
    "guard_line",
    "host_port",
    "iso",
    "master_line",
    "notice_line",
    "plan_line",
    "planned_status_line",
    "policy_line",
    "seconds_of",
    "sentinel_line",
    "survey_line",
    "switch_line",
    "to_json",
    "topology_line",
]


def switch_line(switch: Switch) -> Line:
    """Return the line of a switch. ``time`` and ``epoch`` are null if the input has none."""
    return {
        "type": "switch",
        "time": iso(switch.time),
        "deployment": switch.deployment,
        "master": switch.master,
        "old": _address(switch.old),
        "new": _address(switch.new),
        "epoch": switch.epoch,
        "grade": str(switch.grade),
        "cause": str(switch.cause),
        "witnesses": list(switch.witnesses),
        "why": switch.why,
        "via": str(switch.via),
        "incarnation": switch.incarnation,
    }


def event_line(sentinel: str, event: Event, time: Wall) -> Line:
    """Return the line of an event, with the parts of its payload as fields."""
    return {
        "type": "event",
        "time": iso(time),
        "sentinel": sentinel,
        "channel": event.channel,
        "payload": event.payload,
        "master": event.master,
        **_parsed(event),
    }


def failover_line(failover: Failover) -> Line:
    """Return the line of a failover's record so far."""
    return {
        "type": "failover",
        "time": iso(failover.stages[0].time) if failover.stages else None,
        "deployment": failover.deployment,
        "master": failover.master,
        "number": failover.number,
        "outcome": str(failover.outcome),
        "kind": None if failover.kind is None else str(failover.kind),
        "old": _address(failover.old),
        "new": _address(failover.new),
        "epoch": failover.epoch,
        "leader": failover.leader,
        "candidates": list(failover.candidates),
        "attempted": failover.attempted,
        "closed": failover.closed,
        "reason": failover.reason or None,
        "stages": [_stage(entry) for entry in failover.stages],
        "durations": failover.durations,
        "down_after": failover.down_after,
    }


def guard_line(status: GuardStatus, leased: bool | None = None) -> Line:
    """
    Return the line of a master's guard.

    Args:
        status: its state.
        leased: whether its daemon holds the lease; None if no lease is shared.
    """
    policy = status.policy
    return {
        "type": "guard",
        "deployment": status.deployment,
        "master": status.master,
        "address": _address(status.address),
        "arming": str(policy.arming),
        "phase": str(status.phase),
        "would_act": not status.outlook,
        "outlook": list(status.outlook),
        "would_ask": status.would_ask,
        "would_promote": _address(status.would_promote),
        "may_order": status.may_order,
        "leased": leased,
        "suspended_until": iso(status.suspended_until),
        "policy": policy_line(policy),
        "reports": [
            {
                "host": node.host,
                "port": node.port,
                "role": report.role,
                "run_id": report.run_id,
                "keys": report.keys,
                "offset": report.offset,
                "link_up": report.link_up,
                "loading": report.loading,
                "stopping": report.stopping,
                "comes_back_empty": report.comes_back_empty,
            }
            for node, report in sorted(status.reports.items())
        ],
        "counts": dict(status.counts),
        "objected": dict(status.objected),
    }


def plan_line(deployment: str, plan: Plan) -> Line:
    """Return the line of a planned failover before it begins."""
    return {
        "type": "plan",
        "deployment": deployment,
        "master": plan.request.master,
        "old": _address(plan.old),
        "candidate": _address(plan.candidate),
        "sentinel": plan.sentinel,
        "needed": plan.needed,
        "possible": not plan.refusals,
        "checks": [{"id": each.id, "result": str(each.result), "text": each.text} for each in plan.checks],
        "steps": list(plan.steps()),
    }


def conclusion_line(deployment: str, conclusion: Conclusion, wall: Wall) -> Line:
    """
    Return the line of a planned failover that has ended.

    Args:
        deployment: its name.
        conclusion: how it ended.
        wall: when, in seconds since 1970.
    """
    record, survey = conclusion.record, conclusion.survey
    return {
        "type": "planned",
        "time": iso(wall),
        "deployment": deployment,
        "master": conclusion.plan.request.master,
        "ending": str(conclusion.ending),
        "reason": conclusion.reason,
        "old": _address(conclusion.plan.old),
        "new": _address(conclusion.new),
        "epoch": conclusion.epoch,
        "promoted_after": _rounded(conclusion.promoted_after),
        "announced_after": _rounded(conclusion.announced_after),
        "verified_after": _rounded(conclusion.verified_after),
        "advice": conclusion.advice,
        "failover": None if record is None else failover_line(record),
        "state": None if survey is None else survey_line(survey),
    }


def planned_status_line(status: PlannedStatus) -> Line:
    """Return the line of a planned failover that a daemon runs or has run."""
    of, ended = status.deployment, status.conclusion
    return {
        "type": "planned-failover",
        "deployment": of,
        "master": status.master,
        "by": status.by,
        "began": iso(status.began),
        "ended": iso(status.ended),
        "running": status.running,
        "said": list(status.said),
        "plan": None if status.plan is None else plan_line(of, status.plan),
        "conclusion": None if ended is None else conclusion_line(of, ended, status.ended),
        "error": status.error or None,
    }


def survey_line(survey: Survey) -> Line:
    """Return what the Sentinels and nodes of one master said at one moment."""
    words = {word.sentinel: word for word in survey.case.sample.sentinels} if survey.case.sample is not None else {}
    sentinels = []
    for name, state in sorted(survey.case.sentinels.items()):
        word, quorum = words.get(name), survey.quorums.get(name)
        sentinels.append(
            {
                "sentinel": name,
                "state": str(state.state),
                "address": None if word is None else _address(word.master.address),
                "epoch": None if word is None else word.master.config_epoch,
                "flags": sorted(word.master.flags) if word is not None else [],
                "failover_state": None if word is None else word.master.failover_state,
                "quorum": None if quorum is None else quorum.message,
            }
        )
    nodes = []
    for node, said in sorted(survey.nodes.items()):
        role = said.role
        nodes.append(
            {
                "host": node.host,
                "port": node.port,
                "role": None if role is None else str(role.role),
                "offset": said.offset,
                "following": None if role is None else _address(role.master),
                "link": None if role is None else role.state,
                "reason": said.reason,
            }
        )
    return {"sentinels": sentinels, "nodes": nodes}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def policy_line(policy: Policy) -> Line:
    """Return what an operator has decided about a guard, as it stands in the guard's line; arming stands outside."""
    return {
        "grace": policy.grace,
        "evidence_timeout": policy.evidence_timeout,
        "max_lag": policy.max_lag,
        "restart": str(policy.restart),
        "cool_down": policy.cool_down,
        "orderly": policy.orderly,
    }


def notice_line(notice: Notice) -> Line:
    """Return the line of a notice."""
    return {
        "type": "notice",
        "time": iso(notice.time),
        "deployment": notice.deployment,
        "master": notice.master,
        "sentinel": notice.sentinel,
        "kind": str(notice.kind),
        "text": notice.text,
    }


def master_line(deployment: str, state: MasterState) -> Line:
    """Return the line of the belief about one master."""
    return {
        "type": "master",
        "deployment": deployment,
        "master": state.name,
        "address": _address(state.address),
        "epoch": state.epoch,
        "incarnation": state.incarnation,
        "grade": str(state.grade),
        "health": str(state.health),
        "quorum": state.quorum,
        "down_by": list(state.down_by),
        "replicas": [
            {
                **(_address(row.address) or {}),
                "down_by": list(row.down_by),
                "link_up": row.link_up,
                "offset": row.offset,
                "priority": row.priority,
            }
            for row in state.replicas
        ],
        "opinions": [
            {
                "sentinel": row.sentinel,
                **(_address(row.address) or {}),
                "epoch": row.epoch,
                "live": row.live,
                "agrees": row.agrees,
            }
            for row in state.opinions
        ],
        "agreement": agreement_words(state),
        "led_by": list(state.led_by),
        "failover_possible": state.electorate.possible,
        "electorate": _electorate(state.electorate),
    }


def sentinel_line(deployment: str, state: SentinelState) -> Line:
    """Return the line of one Sentinel and our link to it."""
    return {
        "type": "sentinel",
        "deployment": deployment,
        "sentinel": state.name,
        "run_id": state.run_id,
        "version": state.version or None,
        "state": str(state.state),
        "reason": state.reason or None,
        "seed": state.seed,
        "tilt": state.tilt,
        "tilt_since": iso(state.tilt_since),
        "also": list(state.also),
        "shares_id_with": list(state.shares_id_with),
        "simulates_failures": state.simulates_failures,
        "scripts_waiting": state.scripts_waiting,
    }


def topology_line(topology: Topology) -> Line:
    """Return the whole belief about one deployment as one line."""
    name = topology.deployment
    return {
        "type": "topology",
        "deployment": name,
        "masters": [master_line(name, state) for _, state in sorted(topology.masters.items())],
        "sentinels": [sentinel_line(name, state) for _, state in sorted(topology.sentinels.items())],
    }


def _electorate(electorate: Electorate) -> Line:
    return {
        "known": electorate.known,
        "counted": electorate.counted,
        "answering": electorate.answering,
        "needed": electorate.needed,
        "obstacle": None if electorate.obstacle is None else str(electorate.obstacle),
        "text": electorate_words(electorate) or None,
        "unaware": list(electorate.unaware),
        "absent": list(electorate.absent),
    }


def _address(address: Address | None) -> Line | None:
    return None if address is None else {"host": address.host, "port": address.port}


def _stage(entry: StageEntry) -> Line:
    line: Line = {
        "stage": str(entry.stage),
        "time": iso(entry.time),
        "sentinel": entry.sentinel,
        "by": entry.by,
    }
    if entry.replica is not None:
        line["replica"] = _address(entry.replica)
    if entry.also:
        line["also"] = list(entry.also)
    if entry.reason:
        line["reason"] = entry.reason
    if entry.voted_for:
        line["voted_for"] = entry.voted_for
    return line


def _instance(instance: Instance) -> Line:
    return {
        "kind": str(instance.kind),
        "name": instance.name,
        "address": _address(instance.address),
        "master_address": _address(instance.master_address),
    }


def _parsed(event: Event) -> Line:
    match event:
        case ObjectivelyDown():
            extra: Line = {"agreeing": event.agreeing, "quorum": event.quorum}
        case Monitored():
            extra = {"quorum": event.quorum}
        case Configured():
            extra = {"option": event.option, "values": event.values}
        case RoleChanged():
            extra = {"role": str(event.role)}
        case SwitchedMaster():
            return {"old": _address(event.old), "new": _address(event.new)}
        case NewEpoch():
            return {"epoch": event.epoch}
        case Voted():
            return {"run_id": event.run_id, "epoch": event.epoch}
        case Unrecognised():
            return {"unrecognised": event.reason}
        case _:
            extra = {}
    return {**_instance(event.instance), **extra} if isinstance(event, InstanceEvent) else extra
