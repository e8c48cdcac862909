"""Recorded events, and the formatter that writes an event as the protocol's shapes say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from switchmaster.wire.events import (
    AddressSwitched,
    AddressUpdated,
    Configured,
    Event,
    Instance,
    InstanceEvent,
    Kind,
    Monitored,
    NewEpoch,
    ObjectivelyDown,
    RoleChanged,
    ScriptEnded,
    SwitchedMaster,
    Tilt,
    Voted,
)

RECORDED = Path(__file__).parent
RECORDINGS = sorted(
    path for path in (RECORDED / "captures").glob("*.jsonl") if not path.name.endswith((".hello.jsonl", ".steps.jsonl"))
)


def events_of(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        yield record["channel"], record["payload"]


def written(instance: Instance) -> str:
    word = "slave" if instance.kind is Kind.REPLICA else instance.kind.value
    own = f"{word} {instance.name} {instance.address.host} {instance.address.port}"
    if instance.kind is Kind.MASTER:
        return own
    master = f"{instance.master} {instance.master_address.host} {instance.master_address.port}"
    return f"{own} @ {master}"


def written_event(event: Event) -> str:
    match event:
        case ObjectivelyDown(_, _, instance, agreeing, quorum):
            return f"{written(instance)} #quorum {agreeing}/{quorum}"
        case Monitored(_, _, instance, quorum):
            return f"{written(instance)} quorum {quorum}"
        case Configured(_, _, instance, option, values):
            return f"{written(instance)} {option} {values}"
        case RoleChanged(_, _, instance, role):
            word = "slave" if role is Kind.REPLICA else role.value
            return f"{written(instance)} new reported role is {word}"
        case AddressSwitched(_, _, instance, address, run_id):
            return f"{written(instance)} ip {address.host} port {address.port} for {run_id}"
        case AddressUpdated(_, _, instance, count):
            return f"{written(instance)} {count} additional matching instances"
        case InstanceEvent(_, _, instance):
            return written(instance)
        case SwitchedMaster(_, _, name, old, new):
            return f"{name} {old.host} {old.port} {new.host} {new.port}"
        case NewEpoch(_, _, epoch):
            return str(epoch)
        case Voted(_, _, run_id, epoch):
            return f"{run_id} {epoch}"
        case Tilt(channel, _):
            return f"#tilt mode {'entered' if channel == '+tilt' else 'exited'}"
        case ScriptEnded(_, _, path, numbers):
            return " ".join((path, *map(str, numbers)))
        case _:
            raise AssertionError(event)
