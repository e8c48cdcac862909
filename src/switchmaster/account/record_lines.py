"""
Records to JSON and back: the only place that knows the keys.

A failover's line is what the journal lists, `show` prints and the API serves; an observation's is what the journal
keeps of one observer. Reading is lenient: lines that an older version wrote lack some keys. What is read and written
again is the same, byte for byte. Comments and acknowledgements are rows of their own: they are read here, and never
written.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from ..model import Address, Stage, Wall
from ..render import Line, iso, seconds_of, to_json
from .record import (
    Agreement,
    Announcement,
    Away,
    CommentRecord,
    FailoverRecord,
    Observation,
    Promotion,
    RemarkRecord,
    ReplicaRecord,
    Return,
    StageRecord,
    SwitchRecord,
    Vote,
)

__all__ = [
    "failover_from_line",
    "failover_to_json",
    "failover_to_line",
    "observation_from_line",
    "observation_to_json",
    "observation_to_line",
    "remark_to_line",
    "stages_to_json",
    "switch_from_line",
    "switch_to_line",
    "vote_to_line",
]


Encode: TypeAlias = Callable[[Mapping[str, Any]], str]
"""Returns a line as JSON, ASCII only."""

_SWITCH_KEYS: Final = ("deployment", "master", "epoch", "grade", "cause", "why", "via", "incarnation")


# Failovers, merged --------------------------------------------------------------------------------


def failover_to_json(record: FailoverRecord, stages: str | None = None, encode: Encode = to_json) -> str:
    """Return `failover_to_line` as JSON; `stages` are `stages_to_json` of the record's, if they were made already."""
    text = stages_to_json(record.stages, encode) if stages is None else stages
    return _with_stages(_failover_line(record, []), text, encode)


def stages_to_json(
    stages: tuple[StageRecord, ...], encode: Encode = to_json, before: tuple[tuple[StageRecord, ...], str] | None = None
) -> str:
    """
    Return stages as JSON, as they stand in the lines of a failover and of an observation.

    Args:
        stages: of the record.
        encode: makes the JSON.
        before: stages and what this returned for them: where the record begins with them, only the rest is written.
    """
    texts = []
    if before is not None and before[0] == stages[: len(before[0])]:
        stages = stages[len(before[0]) :]
        texts = [before[1]] if before[1] else []
    return ",".join([*texts, *[encode(_stage_line(entry)) for entry in stages]])


def failover_to_line(record: FailoverRecord) -> Line:
    """Return the line of a failover as the journal keeps it."""
    return _failover_line(record, [_stage_line(entry) for entry in record.stages])


def _failover_line(record: FailoverRecord, stages: list[Line]) -> Line:
    line: Line = {
        "type": "failover",
        "time": iso(record.started),
        "deployment": record.deployment,
        "master": record.master,
        "incarnation": record.incarnation,
        "outcome": record.outcome,
        "kind": record.kind,
        "old": _address_line(record.old),
        "new": _address_line(record.new),
        "epoch": record.epoch,
        "leader": record.leader,
        "candidates": list(record.candidates),
        "reason": record.reason,
        "attempted": record.attempted,
        "missed": record.missed,
        "closed": record.closed,
        "ended": iso(record.heard) if record.closed else None,
        "agreement": _agreement_line(record.agreement),
        "promotion": _promotion_line(record.promotion),
        "announcements": _announcement_lines(record.announcements),
        "stages": stages,
        "replicas": [_replica_line(replica) for replica in record.replicas],
        "returned": _return_line(record.returned),
        "votes": [vote_to_line(vote) for vote in record.votes],
        "remarks": [remark_to_line(remark) for remark in record.remarks],
        "away": _away_line(record.away),
        "observers": list(record.observers),
        "down_after": record.down_after,
        "durations": dict(record.durations),
        "estimated": list(record.estimated),
    }
    if record.id is not None:
        line["id"] = record.id
    return line


def failover_from_line(line: Line, *, started: float | None = None, heard: float | None = None) -> FailoverRecord:
    """
    Return the failover of a line.

    Args:
        line: as `failover_to_line` made it, this version's or an older one's; a reader's, with comments, too.
        started: the row's, which the line only has to the microsecond; None to take the line's.
        heard: the row's, which the line of a failover in progress does not have; None for the end, or the last stage.
    """
    parts = _parts(line)
    last = max([seconds_of(line.get("ended") or line["time"]), *(entry.time or 0.0 for entry in parts["stages"])])
    return FailoverRecord(
        deployment=line["deployment"],
        master=line["master"],
        incarnation=line.get("incarnation", 0),
        old=_address(line["old"]),
        new=_address(line["new"]),
        epoch=line["epoch"],
        kind=line["kind"],
        outcome=line["outcome"],
        attempted=line["attempted"],
        closed=line["closed"],
        missed=line.get("missed", False),
        started=seconds_of(line["time"]) if started is None else started,
        heard=last if heard is None else heard,
        **parts,
        remarks=tuple(map(_remark, line.get("remarks") or ())),
        id=line.get("id"),
        number=line.get("number"),
        replicas=tuple(map(_replica, line.get("replicas") or ())),
        observers=tuple(line.get("observers") or ()),
        estimated=tuple(line.get("estimated") or ()),
        comments=tuple(
            CommentRecord(_time(one["time"]), one["by"], one["text"], one["acknowledges"])
            for one in line.get("comments") or ()
        ),
        acknowledged=_time(line.get("acknowledged")),
    )


# Observations -------------------------------------------------------------------------------------


def observation_to_json(observation: Observation, stages: str | None = None, encode: Encode = to_json) -> str:
    """Return `observation_to_line` as JSON; `stages` are `stages_to_json` of its own, if they were made already."""
    if observation.number <= 0:
        return encode(observation_to_line(observation))
    text = stages_to_json(observation.stages, encode) if stages is None else stages
    return _with_stages(_observation_line(observation, []), text, encode)


def observation_to_line(observation: Observation) -> Line:
    """Return one observer's part as the journal keeps it: what rows are compared by, and the rest in ``line``."""
    return _observation_line(observation, [_stage_line(entry) for entry in observation.stages])


def _observation_line(observation: Observation, stages: list[Line]) -> Line:
    return {
        "deployment": observation.deployment,
        "master": observation.master,
        "number": observation.number,
        "incarnation": observation.incarnation,
        "old": observation.old,
        "new": observation.new,
        "epoch": observation.epoch,
        "kind": observation.kind,
        "outcome": observation.outcome,
        "attempted": observation.attempted,
        "closed": observation.closed,
        "missed": observation.missed,
        "started": observation.started,
        "heard": observation.heard,
        "earliest": observation.earliest,
        "line": _observed_line(observation, stages),
    }


def observation_from_line(line: Line) -> Observation:
    """Return the observation of a line; see `observation_to_line`."""
    rest = line["line"]
    parts = _parts(rest)
    if parts["away"] is not None:
        parts["away"] = parts["away"]._replace(after=line["earliest"])
    names = ("deployment", "master", "number", "incarnation", "epoch", "kind", "outcome", "attempted", "closed")
    return Observation(
        **{name: line[name] for name in (*names, "missed", "started", "heard")},
        old=None if line["old"] is None else Address(*line["old"]),
        new=None if line["new"] is None else Address(*line["new"]),
        **parts,
        remarks=None if rest.get("remarks") is None else tuple(map(_remark, rest["remarks"])),
    )


def _observed_line(observation: Observation, stages: list[Line]) -> Line:
    if observation.number > 0:
        line = _whole_line(observation, stages)
    else:
        # The belief has no record of it: there is little to tell, and only that is kept.
        line = {
            "stages": stages or None,
            "reason": observation.reason,
            "leader": observation.leader,
            "away": _away_line(observation.away),
        }
        line = {key: value for key, value in line.items() if value is not None}
    if observation.remarks is not None:
        line["remarks"] = [remark_to_line(remark) for remark in observation.remarks]
    return line


def _whole_line(observation: Observation, stages: list[Line]) -> Line:
    # The first eleven keys and ``closed`` repeat what stands outside: daemons of older versions may read this line.
    agreement, returned = _agreement_line(observation.agreement), _return_line(observation.returned)
    return {
        "type": "failover",
        "time": iso(observation.stages[0].time) if observation.stages else None,
        "deployment": observation.deployment,
        "master": observation.master,
        "outcome": observation.outcome,
        "kind": observation.kind,
        "old": _address_line(observation.old),
        "new": _address_line(observation.new),
        "epoch": observation.epoch,
        "leader": observation.leader,
        "candidates": list(observation.candidates),
        "attempted": observation.attempted,
        "closed": observation.closed,
        "reason": observation.reason,
        "stages": stages,
        "durations": dict(observation.durations),
        "down_after": observation.down_after,
        "votes": [vote_to_line(vote) for vote in observation.votes],
        **({} if agreement is None else {"agreement": agreement}),
        "announcements": _announcement_lines(observation.announcements),
        "promotion": _promotion_line(observation.promotion),
        **({} if returned is None else {"returned": returned}),
    }


# Switches -----------------------------------------------------------------------------------------


def switch_to_line(switch: SwitchRecord) -> Line:
    """Return the line of a switch as the journal keeps it."""
    return {
        "type": "switch",
        "time": iso(switch.time),
        "deployment": switch.deployment,
        "master": switch.master,
        "old": _address_line(switch.old),
        "new": _address_line(switch.new),
        "epoch": switch.epoch,
        "grade": switch.grade,
        "cause": switch.cause,
        "witnesses": list(switch.witnesses),
        "why": switch.why,
        "via": switch.via,
        "incarnation": switch.incarnation,
        "observers": list(switch.observers),
    }


def switch_from_line(line: Line) -> SwitchRecord:
    """Return the switch of a line, which may be of its witnesses (``type`` is ``witness``) too."""
    return SwitchRecord(
        time=_time(line["time"]),
        old=_address(line["old"]),
        new=Address(line["new"]["host"], line["new"]["port"]),
        witnesses=tuple(line["witnesses"]),
        observers=tuple(line.get("observers") or ()),
        **{
            name: line[name]
            for name in ("deployment", "master", "epoch", "grade", "cause", "why", "via", "incarnation")
        },
    )


# Parts --------------------------------------------------------------------------------------------


def vote_to_line(vote: Vote) -> Line:
    """Return the line of a vote, as it stands in a failover's ``votes``."""
    return {"sentinel": vote.sentinel, "run_id": vote.run_id, "epoch": vote.epoch}


def remark_to_line(remark: RemarkRecord) -> Line:
    """Return the line of a remark, as it stands in a failover's ``remarks``."""
    node = _address_line(remark.node)
    return {
        "time": iso(remark.time),
        "from": remark.origin,
        "sentinel": remark.sentinel,
        "remark": remark.kind,
        "text": remark.text,
        **({"node": node} if node else {}),
    }


def _parts(line: Line) -> dict[str, Any]:
    """Return what failovers and observations have in common in their lines, by the names of the fields."""
    agreement, promotion = line.get("agreement"), line.get("promotion")
    returned, away = line.get("returned"), line.get("away")
    return {
        "stages": tuple(map(_stage, line.get("stages") or ())),
        "leader": line.get("leader"),
        "candidates": tuple(line.get("candidates") or ()),
        "reason": line.get("reason"),
        "agreement": agreement
        and Agreement(
            agreement["agreeing"],
            agreement["quorum"],
            agreement["sentinel"],
            _time(agreement["time"]),
            agreement["elapsed"],
        ),
        "announcements": tuple(
            Announcement(one["sentinel"], _time(one["time"]), one.get("elapsed"))
            for one in line.get("announcements") or ()
        ),
        "promotion": promotion and Promotion(_time(promotion["node"]), _time(promotion["sentinel"])),
        "returned": returned
        and Return(_time(returned["time"]), returned["sentinel"], returned["by"], returned["elapsed"]),
        "votes": tuple(Vote(one["sentinel"], one["run_id"], one["epoch"]) for one in line.get("votes") or ()),
        "away": away and Away(_time(away["after"]), _time(away["before"]), (away["epochs"][0], away["epochs"][1])),
        "down_after": line.get("down_after"),
        "durations": line.get("durations") or {},
    }


def _time(text: str | None) -> Wall:
    return None if text is None else seconds_of(text)


def _address_line(address: Address | None) -> Line | None:
    return None if address is None else {"host": address.host, "port": address.port}


def _address(line: Line | None) -> Address | None:
    return None if line is None else Address(line["host"], line["port"])


def _stage_line(entry: StageRecord) -> Line:
    line: Line = {"stage": str(entry.stage), "time": iso(entry.time), "sentinel": entry.sentinel, "by": entry.by}
    if entry.replica is not None and "replica" not in entry.added:
        line["replica"] = _address_line(entry.replica)
    if entry.also and "also" not in entry.added:
        line["also"] = list(entry.also)
    if entry.reason:
        line["reason"] = entry.reason
    if entry.voted_for:
        line["voted_for"] = entry.voted_for
    if entry.elapsed is not None:
        line["elapsed"] = entry.elapsed
    if "replica" in entry.added:
        line["replica"] = _address_line(entry.replica)
    if "also" in entry.added:
        line["also"] = list(entry.also)
    return line


def _with_stages(line: Line, stages: str, encode: Encode) -> str:
    """Return a line whose ``stages`` are empty as JSON, with these stages."""
    # A text in the line can't look like this: its quotes are escaped.
    return encode(line).replace('"stages":[]', f'"stages":[{stages}]', 1)


def _stage(line: Line) -> StageRecord:
    keys = list(line)
    last = keys.index("elapsed") if "elapsed" in line else len(keys)
    return StageRecord(
        stage=Stage(line["stage"]),
        time=_time(line["time"]),
        sentinel=line["sentinel"],
        by=line["by"],
        replica=_address(line.get("replica")),
        also=tuple(line.get("also") or ()),
        reason=line.get("reason") or "",
        voted_for=line.get("voted_for") or "",
        elapsed=line.get("elapsed"),
        added=tuple(key for key in keys[last + 1 :] if key in ("replica", "also")),
    )


def _agreement_line(agreement: Agreement | None) -> Line | None:
    if agreement is None:
        return None
    return {
        "agreeing": agreement.agreeing,
        "quorum": agreement.quorum,
        "time": iso(agreement.time),
        "elapsed": agreement.elapsed,
        "sentinel": agreement.sentinel,
    }


def _promotion_line(promotion: Promotion | None) -> Line | None:
    return None if promotion is None else {"node": iso(promotion.node), "sentinel": iso(promotion.sentinel)}


def _announcement_lines(announcements: Sequence[Announcement]) -> list[Line]:
    return [{"time": iso(one.time), "elapsed": one.elapsed, "sentinel": one.sentinel} for one in announcements]


def _return_line(returned: Return | None) -> Line | None:
    if returned is None:
        return None
    return {
        "time": iso(returned.time),
        "elapsed": returned.elapsed,
        "sentinel": returned.sentinel,
        "by": returned.by,
    }


def _away_line(away: Away | None) -> Line | None:
    if away is None:
        return None
    return {"after": iso(away.after), "before": iso(away.before), "epochs": list(away.epochs)}


def _replica_line(replica: ReplicaRecord) -> Line:
    return {
        "host": replica.address.host,
        "port": replica.address.port,
        "told": iso(replica.told),
        "seen": iso(replica.seen),
        "follows": iso(replica.follows),
        "again": replica.again,
    }


def _replica(line: Line) -> ReplicaRecord:
    address = Address(line["host"], line["port"])
    return ReplicaRecord(address, _time(line["told"]), _time(line["seen"]), _time(line["follows"]), line["again"])


def _remark(line: Line) -> RemarkRecord:
    return RemarkRecord(
        _time(line["time"]), line["from"], line["sentinel"], line["remark"], line["text"], _address(line.get("node"))
    )
