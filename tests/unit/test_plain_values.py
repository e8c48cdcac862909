"""Values of which a message makes several are equal by their fields, and can be hashed, copied and pickled."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Iterator

import pytest

from switchmaster.belief.failover import Failover, Outcome, StageEntry
from switchmaster.model import Address, PlainValue, SentinelName, Stage
from switchmaster.wire.grammar import parse_event

SENTINEL = SentinelName("127.0.0.1:26379")
ENTRY = StageEntry(Stage.SELECTED, 1.0, 1000.0, SENTINEL, "+selected-slave", Address("127.0.0.1", 2))
MESSAGES = [
    ("+sdown", "master m 127.0.0.1 1"),
    ("+odown", "master m 127.0.0.1 1 #quorum 2/2"),
    ("+monitor", "master m 127.0.0.1 1 quorum 2"),
    ("+set", "master m 127.0.0.1 1 quorum 3"),
    ("+role-change", "slave 127.0.0.1:2 127.0.0.1 2 @ m 127.0.0.1 1 new reported role is master"),
    ("+sentinel-address-switch", "master m 127.0.0.1 1 ip 127.0.0.1 port 9 for abc"),
    ("+sentinel-address-update", "master m 127.0.0.1 1 2 additional matching instances"),
    ("+switch-master", "m 127.0.0.1 1 127.0.0.1 2"),
    ("+new-epoch", "7"),
    ("+vote-for-leader", "abc 7"),
    ("+tilt", "#tilt mode entered"),
    ("-script-error", "/bin/x 1 2"),
    ("+unknown", "?"),
]


def values() -> Iterator[PlainValue]:
    for channel, payload in MESSAGES:
        event = parse_event(channel, payload)
        assert isinstance(event, PlainValue), event
        yield event
    yield ENTRY
    yield Failover("d", "m", 1, Address("127.0.0.1", 1), None, 7, SENTINEL, None, Outcome.IN_PROGRESS, (ENTRY,))


@pytest.mark.parametrize("value", list(values()), ids=lambda value: type(value).__name__)
def test_value_is_copied_and_pickled_by_its_fields(value: PlainValue) -> None:
    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value)), again(value)):
        assert other is not value
        assert (other, hash(other), repr(other)) == (value, hash(value), repr(value))


def again(value: PlainValue) -> PlainValue:
    return dataclasses.replace(value)


def test_values_differ_by_each_field() -> None:
    other = dataclasses.replace(ENTRY, at=2.0)
    assert other != ENTRY
    assert other.said_also_by(SENTINEL).also == (SENTINEL,)
    assert dataclasses.replace(other.said_also_by(SENTINEL), also=()) == other


def test_every_class_of_values_is_here() -> None:
    def below(kind: type) -> set[type]:
        return {kind} | {one for each in kind.__subclasses__() for one in below(each)}

    # A dataclass with slots is made twice; the first of the two has no slot of its own, and nobody has it.
    names = {kind.__name__ for kind in below(PlainValue)} - {"PlainValue", "SentinelEvent", "Instance"}
    assert names == {type(value).__name__ for value in values()}
