"""A healthy master with its Sentinels and replicas, as a planned failover surveys it; for tests of plan and outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rig.guard_cases import SENTINELS, A, B, C, case, node, sample, word
from switchmaster.belief.decisions import Switch
from switchmaster.belief.failover import Failover, FailoverKind, Outcome, Stage, StageEntry
from switchmaster.guard.evidence import SentinelWord
from switchmaster.model import Address, Cause, Grade, SentinelName, Via
from switchmaster.planned.plan import Plan, make_plan
from switchmaster.planned.request import FailoverRequest
from switchmaster.planned.survey import NodeWord, Survey
from switchmaster.wire.events import Kind
from switchmaster.wire.replies import QuorumReply, RoleReplica, RoleReply

WANTED = FailoverRequest("mymaster")


def said(name: SentinelName, **changed: Any) -> SentinelWord:
    """Return the word of a Sentinel that is connected to the master."""
    master = {"flags": frozenset({"master"}), "config_epoch": 0, **changed.pop("master", {})}
    return word(name, master=master, **changed)


def is_master(address: Address, *replicas: Address, **changed: Any) -> NodeWord:
    """Return what a master answers."""
    role = RoleReply(Kind.MASTER, offset=1_000, replicas=tuple(RoleReplica(each, 1_000) for each in replicas))
    info = node(A, node=address, lags=dict.fromkeys(replicas, 1.0))
    return replace(NodeWord(address, role, info, "redis 7.0.15"), **changed)


def is_replica(address: Address, of: Address = A, state: str = "connected", **changed: Any) -> NodeWord:
    """Return what a replica answers."""
    role = RoleReply(Kind.REPLICA, master=of, state=state, offset=changed.pop("offset", 1_000))
    return replace(NodeWord(address, role, node(address, link_up=True), "redis 7.0.15"), **changed)


def silent(address: Address) -> NodeWord:
    """Return the word of a node that does not answer."""
    return NodeWord(address, None, reason="connection refused")


def survey(*nodes: NodeWord, words: tuple[SentinelWord, ...] | None = None, **changed: Any) -> Survey:
    """Return a survey in which everything is well; `nodes` replace those of the same address."""
    spoken = tuple(said(name) for name in SENTINELS) if words is None else words
    known = {each.node: each for each in (is_master(A, B, C), is_replica(B), is_replica(C))}
    fields: dict[str, Any] = {
        "case": changed.pop("case", case(sample=sample(sentinels=spoken))),
        "nodes": known | {each.node: each for each in nodes},
        "quorums": {name: QuorumReply(True, 3, "OK 3 usable Sentinels.") for name in SENTINELS},
        "may_order": dict.fromkeys(SENTINELS, True),
        "since_switch": 3_600.0,
    }
    return Survey(**{**fields, **changed})


def plan(request: FailoverRequest = WANTED, of: Survey | None = None) -> Plan:
    """Return the plan by a survey, by default one in which everything is well."""
    return make_plan(request, survey() if of is None else of)


def switched(new: Address = B, at: float = 101.0) -> Switch:
    """Return a switch of the master, known at a moment."""
    return Switch("default", "mymaster", A, new, 1, 0, Grade.PROMOTED, Cause.FAILOVER, Via.ROLE, (), "", at, None)


def record(*stages: tuple[Stage, float], outcome: Outcome = Outcome.IN_PROGRESS, reason: str = "") -> Failover:
    """Return the record of a manual failover with these stages."""
    entries = tuple(
        StageEntry(stage, at, None, SENTINELS[0], "+x", reason=reason if stage is Stage.ABORTED else "")
        for stage, at in stages
    )
    return Failover(
        *("default", "mymaster", 1, A, B, 1, SENTINELS[0], FailoverKind.MANUAL, outcome, entries),
        closed=outcome is not Outcome.IN_PROGRESS,
    )


def moved(*nodes: NodeWord, to: Address = B, grade: Grade = Grade.AGREED) -> Survey:
    """Return the survey after the master has moved; `nodes` replace those of the same address."""
    known = (is_master(to, *{A, B, C} - {to}), *(is_replica(each, of=to) for each in {A, B, C} - {to}))
    now = case(state=replace(case().state, address=to, grade=grade), sample=sample(master=to, sentinels=()))
    return survey(*known, *nodes, case=now)
