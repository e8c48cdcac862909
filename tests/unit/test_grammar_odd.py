"""Hostile input never raises, and odd names and hosts are read back as they were written."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from recorded.events import written_event
from switchmaster.model import EPOCH_MAX, Address
from switchmaster.wire.events import (
    EVENTS,
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
    SentinelEvent,
    SwitchedMaster,
    Voted,
)
from switchmaster.wire.grammar import CUT_AT, SET_OPTIONS, parse_event


def is_event(event: object) -> bool:
    return isinstance(event, get_args(Event))


anything = st.one_of(st.binary(max_size=200), st.text(st.characters(), max_size=200))
channels = st.one_of(anything, st.sampled_from([spec.channel for spec in EVENTS]))
tokens = st.sampled_from(
    [
        "master",
        "slave",
        "sentinel",
        "@",
        "",
        "m",
        "1.1.1.1",
        "a:5",
        "5",
        "65536",
        "quorum",
        "#quorum",
        "2/2",
        "ip",
        "port",
        "for",
        "new",
        "reported",
        "role",
        "is",
        "auth-pass",
        "additional",
        "matching",
        "instances",
        "[::1]:5",
        "::1",
    ]
)


@given(channel=channels, payload=anything)
@example(channel="+sdown", payload="\ud800" * 1100)
@example(channel=b"\xff", payload=b"\xff" * 2000)
def test_arbitrary_input_gives_an_event_and_never_raises(channel: bytes | str, payload: bytes | str) -> None:
    assert is_event(parse_event(channel, payload))


@given(channel=channels, words=st.lists(tokens, max_size=20))
def test_arbitrary_tokens_give_an_event_that_says_the_same(channel: bytes | str, words: list[str]) -> None:
    payload = " ".join(words)
    event = parse_event(channel, payload)
    assert is_event(event)
    if isinstance(event, SentinelEvent) and not isinstance(event, Configured):
        assert payload == written_event(event)


@pytest.mark.parametrize("odd", [None, 5, [b"x"], {}, 1 << 20_000], ids=lambda odd: type(odd).__name__)
def test_objects_other_than_text_are_unrecognised(odd: object) -> None:
    assert is_event(parse_event("+sdown", odd))  # type: ignore[arg-type]
    assert is_event(parse_event(odd, "x"))  # type: ignore[arg-type]


def test_huge_payload_costs_no_more_than_a_cut_one() -> None:
    # Reading 16 MB in quadratic time would take hours, and end at the time limit of the tests.
    for piece in (" @ ", "pass", " 5 pass", "5 quorum ", " ip ", "slave a:1 a 1 @ "):
        for channel in ("+slave", "+set", "+unknown"):
            assert is_event(parse_event(channel, piece * (16_000_000 // len(piece))))


# Round trips of odd names -------------------------------------------------------------------------

names = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
    st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.text("ab @,\n5.:", max_size=30),
)
# No host holds a lone digit here: "<number> @ " inside a host could be taken for its end.
spaced_hosts = st.one_of(st.ip_addresses().map(str), st.text("ab @,\n.:é-", max_size=30), st.just(""))
plain_hosts = spaced_hosts.map(lambda host: host.replace(" ", "_"))
ports = st.integers(0, 65535)
run_ids = st.text("0123456789abcdef", min_size=40, max_size=40)
masters = st.builds(
    lambda name, host, port: Instance(
        Kind.MASTER, name, Address(host, port), name, Address(host, port)
    ),
    names, plain_hosts, ports,
)  # fmt: skip


def replica(host: str, port: int, bracket: bool, master: Instance) -> Instance:
    name = f"[{host}]:{port}" if bracket else f"{host}:{port}"
    return Instance(Kind.REPLICA, name, Address(host, port), master.name, master.address)


def sentinel(run_id: str, host: str, port: int, master: Instance) -> Instance:
    return Instance(Kind.SENTINEL, run_id, Address(host, port), master.name, master.address)


replicas = st.builds(replica, spaced_hosts, ports, st.booleans(), masters)
sentinels = st.builds(sentinel, run_ids, spaced_hosts, ports, masters)
instances = st.one_of(masters, replicas, sentinels)
counts = st.integers(0, 2**31)
epochs = st.integers(0, EPOCH_MAX)
events = st.one_of(
    instances.map(lambda i: InstanceEvent("+sdown", "", i)),
    st.builds(ObjectivelyDown, st.just("+odown"), st.just(""), masters, counts, counts),
    st.builds(Monitored, st.just("+monitor"), st.just(""), masters, counts),
    st.builds(
        RoleChanged,
        st.just("-role-change"),
        st.just(""),
        st.one_of(masters, replicas),
        st.sampled_from([Kind.MASTER, Kind.REPLICA]),
    ),
    st.builds(
        AddressSwitched,
        st.just("+sentinel-address-switch"),
        st.just(""),
        masters,
        st.builds(Address, plain_hosts, ports),
        run_ids,
    ),
    st.builds(AddressUpdated, st.just("+sentinel-address-update"), st.just(""), sentinels, counts),
    st.builds(
        SwitchedMaster,
        st.just("+switch-master"),
        st.just(""),
        names,
        st.builds(Address, plain_hosts, ports),
        st.builds(Address, spaced_hosts, ports),
    ),
    st.builds(NewEpoch, st.just("+new-epoch"), st.just(""), epochs),
    st.builds(Voted, st.just("+vote-for-leader"), st.just(""), run_ids, epochs),
    st.builds(
        ScriptEnded,
        st.just("-script-error"),
        st.just(""),
        names.filter(bool),
        st.tuples(counts, counts),
    ),
    st.builds(
        Configured,
        st.just("+set"),
        st.just(""),
        masters,
        st.sampled_from(sorted(SET_OPTIONS - {"auth-pass"})),
        names,
    ),
)


@given(event=events)
def test_odd_names_and_hosts_are_read_back_as_they_were_written(event: Event) -> None:
    payload = written_event(event)
    wire = payload.encode("utf-8", "surrogateescape")
    assume(len(wire) < CUT_AT)
    if isinstance(event, Configured):
        # The documented limit of +set: an option's name, or "pass", in the name itself.
        assume(not SET_OPTIONS & set(event.instance.name.lower().split(" ")))
        assume("pass" not in payload.lower())
    read = parse_event(event.channel.encode(), wire)
    assert isinstance(read, SentinelEvent)
    assert type(read) is type(event)
    # Everything is equal except the payload, which `event` lacks.
    assert payload.encode("utf-8", "surrogateescape") == read.payload.encode("utf-8", "surrogateescape")
    again = type(event)(*(getattr(read, name) if name != "payload" else "" for name in fields(read)))
    assert event == again


def fields(event: object) -> list[str]:
    return list(type(event).__dataclass_fields__)  # type: ignore[attr-defined]
