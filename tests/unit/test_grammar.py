"""Published messages to typed events: recordings, the protocol's odd tokens, and hostile input."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.scripted import published
from recorded.events import RECORDED, RECORDINGS, events_of, written_event
from switchmaster.model import LIMITS, Address
from switchmaster.wire import grammar
from switchmaster.wire.events import (
    EVENTS,
    SPEC_OF,
    AddressSwitched,
    AddressUpdated,
    Configured,
    Form,
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
    Unrecognised,
    Voted,
)
from switchmaster.wire.grammar import CUT_AT, parse_event, parse_message
from switchmaster.wire.resp import MESSAGE

CLASS_OF = {
    Form.INSTANCE: InstanceEvent,
    Form.QUORUM: ObjectivelyDown,
    Form.MONITOR: Monitored,
    Form.SET: Configured,
    Form.ROLE: RoleChanged,
    Form.ADDRESS_SWITCH: AddressSwitched,
    Form.ADDRESS_UPDATE: AddressUpdated,
    Form.SWITCH: SwitchedMaster,
    Form.EPOCH: NewEpoch,
    Form.VOTE: Voted,
    Form.TILT: Tilt,
    Form.SCRIPT_ERROR: ScriptEnded,
    Form.SCRIPT_TIMEOUT: ScriptEnded,
}
each_recording = pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)


def unrecognised(channel: bytes | str, payload: bytes | str) -> Unrecognised:
    event = parse_event(channel, payload)
    assert isinstance(event, Unrecognised)
    return event


def instance_of(payload: str, channel: str = "+sdown") -> Instance:
    event = parse_event(channel, payload)
    assert isinstance(event, InstanceEvent)
    return event.instance


# Recordings ---------------------------------------------------------------------------------------


def test_recordings_are_there() -> None:
    assert len(RECORDINGS) == 17
    assert sum(1 for path in RECORDINGS for _ in events_of(path)) > 2600


@each_recording
def test_every_recorded_event_becomes_the_class_of_its_form(path: Path) -> None:
    for channel, payload in events_of(path):
        event = parse_event(channel.encode(), payload.encode())
        assert type(event) is CLASS_OF[SPEC_OF[channel].form], payload
        assert (channel, payload) == (event.channel, event.payload)
        assert payload == written_event(event)


@each_recording
def test_every_recorded_instance_agrees_with_its_name(path: Path) -> None:
    for channel, payload in events_of(path):
        event = parse_event(channel, payload)
        if not isinstance(event, InstanceEvent):
            continue
        instance = event.instance
        assert instance.master == event.master != ""
        if instance.kind is Kind.REPLICA:
            assert instance.name == str(instance.address)
        elif instance.kind is Kind.SENTINEL:
            assert len(instance.name) == 40
        else:
            assert (instance.name, instance.address) == (instance.master, instance.master_address)


def test_events_of_oddly_named_masters_are_read_as_they_were_recorded() -> None:
    lines = [
        line.removeprefix("event ")
        for path in (RECORDED / "replies").glob("*.txt")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("event [")
    ]
    assert len(lines) == 8
    for line in lines:
        _, _, channel, payload = ast.literal_eval(line)
        event = parse_event(channel, payload)
        assert isinstance(event, InstanceEvent)
        assert event.master == "my master"
        assert event.instance.address.host == "127.0.0.1"


# protocol.md 1.4 ------------------------------------------------------------------------------------


def test_empty_ip_survives_since_spaces_are_not_collapsed() -> None:
    instance = instance_of("slave :24602  24602 @ m 127.0.0.1 24601", "+slave")
    expected = Instance(Kind.REPLICA, ":24602", Address("", 24602), "m", Address("127.0.0.1", 24601))
    assert instance == expected


def test_ipv6_has_brackets_only_in_the_name() -> None:
    instance = instance_of("slave [::1]:24012 ::1 24012 @ v6 ::1 24011", "+slave")
    expected = Instance(Kind.REPLICA, "[::1]:24012", Address("::1", 24012), "v6", Address("::1", 24011))
    assert instance == expected
    event = parse_event("+switch-master", "v6 ::1 24011 ::1 24012")
    assert isinstance(event, SwitchedMaster)
    assert (event.old, event.new) == (Address("::1", 24011), Address("::1", 24012))


def test_replica_host_with_a_space_is_recognised_by_its_own_name() -> None:
    instance = instance_of("slave my host:24602 my host 24602 @ m 127.0.0.1 6379")
    assert (instance.name, instance.address) == ("my host:24602", Address("my host", 24602))
    assert (instance.master, instance.master_address) == ("m", Address("127.0.0.1", 6379))


def test_separator_in_a_replica_host_is_recognised_by_its_own_name() -> None:
    instance = instance_of("slave a @ b c 1:5 a @ b c 1 5 @ m @ 9 127.0.0.1 6379")
    assert (instance.address, instance.master) == (Address("a @ b c 1", 5), "m @ 9")


def test_separator_in_a_master_name_does_not_end_it() -> None:
    instance = instance_of("slave 1.1.1.1:5 1.1.1.1 5 @ m 1.1.1.1 5 @ n 127.0.0.1 6379")
    assert (instance.address, instance.master) == (Address("1.1.1.1", 5), "m 1.1.1.1 5 @ n")


def test_replica_named_after_another_host_is_still_read() -> None:
    instance = instance_of("slave :24602 10.0.0.5 24602 @ my master 127.0.0.1 24601")
    assert (instance.name, instance.address) == (":24602", Address("10.0.0.5", 24602))
    assert instance.master == "my master"


def test_master_name_with_a_space_is_kept_whole() -> None:
    event = parse_event("+set", "master my master 127.0.0.1 26101 quorum 1")
    assert isinstance(event, Configured)
    assert (event.master, event.option, event.values) == ("my master", "quorum", "1")


@pytest.mark.parametrize("name", ["a,b", "a\nb", "émile", "a  b", " a ", "a\tb", "x" * 900])
def test_odd_master_names_are_kept(name: str) -> None:
    instance = instance_of(f"master {name} 127.0.0.1 6379")
    assert (instance.name, instance.address) == (name, Address("127.0.0.1", 6379))


def test_bytes_that_are_not_utf8_are_kept_by_surrogateescape() -> None:
    event = parse_event(b"-monitor", b"master m\xff\xfe 127.0.0.1 6379")
    assert event.master == "m\udcff\udcfe"
    assert event.payload.encode("utf-8", "surrogateescape") == b"master m\xff\xfe 127.0.0.1 6379"


def test_sentinel_that_lost_its_address_has_port_0() -> None:
    payload = f"sentinel {'a' * 40} 127.0.0.1 0 @ m 127.0.0.1 6379"
    assert instance_of(payload).address == Address("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("payload", "name", "old", "new"),
    [
        ("m 1.1.1.1 1 my host 2", "m", ("1.1.1.1", 1), ("my host", 2)),
        ("my m 1.1.1.1 1 2.2.2.2 2", "my m", ("1.1.1.1", 1), ("2.2.2.2", 2)),
        ("m 1.1.1.1 1  2", "m", ("1.1.1.1", 1), ("", 2)),
        ("m  1 1.1.1.1 2", "m", ("", 1), ("1.1.1.1", 2)),
        ("m 1.1.1.1 1 7 2", "m", ("1.1.1.1", 1), ("7", 2)),
        # Known limit: the first word of an old host with a space goes to the name.
        ("m my host 1 2.2.2.2 2", "m my", ("host", 1), ("2.2.2.2", 2)),
    ],
)
def test_switch_is_read_from_the_right(payload: str, name: str, old: tuple[str, int], new: tuple[str, int]) -> None:
    event = parse_event("+switch-master", payload)
    assert isinstance(event, SwitchedMaster)
    assert (event.name, event.old, event.new) == (name, old, new)


# Passwords ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["auth-pass", "AUTH-PASS", "Auth-Pass"])
@pytest.mark.parametrize(
    "password",
    ["sekrit", "a b", "x 1.2.3.4 5 quorum 2", "x\ny", "", "******", "x 1.2.3.4 5 auth-pass y"],
)
def test_password_in_set_is_masked_whatever_it_looks_like(option: str, password: str) -> None:
    event = parse_event("+set", f"master m 127.0.0.1 6379 {option} {password}")
    assert isinstance(event, Configured)
    assert event.payload == f"master m 127.0.0.1 6379 {option} ******"
    assert (event.option, event.values, event.master) == ("auth-pass", "******", "m")


@pytest.mark.parametrize(
    ("channel", "payload"),
    [
        ("+set", "master m 127.0.0.1 6379 sentinel-pass sekrit"),
        ("+set", "master m 127.0.0.1 999999 auth-pass sekrit"),
        ("+set", "primary m auth-pass sekrit"),
        ("+set", "slave m 127.0.0.1 6379 auth-pass sekrit"),
        ("+set", f"master {'m' * 990} 127.0.0.1 6379 auth-pass sekrit and more"),
        ("+set-global", "requirepass sekrit"),
        ("+set-global", "AUTH-PASSWORD=sekrit"),
    ],
)
def test_password_is_masked_in_an_unrecognised_payload(channel: str, payload: str) -> None:
    assert "sekrit" not in repr(parse_event(channel, payload))


def message(channel: bytes, payload: bytes) -> bytes:
    """Return what follows `MESSAGE` on the wire, without the last line's end."""
    return published(channel, payload)[len(MESSAGE) : -2]


def kept_events() -> int:
    return len(grammar._KNOWN) + grammar._parse_text_cached.cache_info().currsize


def test_set_is_not_kept_in_a_cache() -> None:
    grammar.forget_events()
    parse_event("+set", "master m 127.0.0.1 6379 auth-pass never-kept")
    parse_event(b"+set", b"master m 127.0.0.1 6379 auth-pass never-kept")
    assert parse_message(message(b"+set", b"master m 127.0.0.1 6379 auth-pass never-kept")) is None
    assert kept_events() == 0


def test_known_messages_are_bounded_and_read_as_if_new() -> None:
    grammar.forget_events()
    first = parse_message(message(b"+new-epoch", b"1"))
    assert first == parse_event("+new-epoch", "1")
    assert parse_message(message(b"+new-epoch", b"1")) is first
    for epoch in range(2, 3 * grammar._KNOWN_MOST):
        parse_message(message(b"+new-epoch", b"%d" % epoch))
        assert len(grammar._KNOWN) <= grammar._KNOWN_MOST
    assert parse_message(message(b"+new-epoch", b"1")) == first


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"$6\r\n+sdown\r\n$28\r\nmaster m 127.0.0.1 6379 and on",
        b"$7\r\n+sdown\r\n$23\r\nmaster m 127.0.0.1 6379",
        b"$06\r\n+sdown\r\n$23\r\nmaster m 127.0.0.1 6379",
        b"$6\n+sdown\r\n$23\r\nmaster m 127.0.0.1 6379",
        b"$7\r\n+sdown\n\r\n$23\r\nmaster m 127.0.0.1 6379",
        b"*1\r\n$6\r\n+sdown\r\n$23\r\nmaster m 127.0.0.1 6379",
    ],
)
def test_what_is_not_one_whole_message_is_left_to_the_parser(rest: bytes) -> None:
    assert parse_message(message(b"+sdown", b"master m 127.0.0.1 6379")) is not None
    assert parse_message(rest) is None


@pytest.mark.parametrize("payload", ["master m\udcff 127.0.0.1 6379", "x" * 1022, "x" * 1023, "master m h 6379", ""])
@pytest.mark.parametrize("channel", ["+sdown", "+set", "+unknown"])
def test_bytes_and_text_read_alike(channel: str, payload: str) -> None:
    raw = payload.encode("utf-8", "surrogateescape")
    for _ in range(2):  # the second time from a cache
        assert parse_event(channel.encode(), raw) == parse_event(channel, payload) == grammar._parse(channel, payload)


def test_master_name_with_pass_in_it_is_not_masked() -> None:
    event = parse_event("+set", "master my pass through 127.0.0.1 6379 quorum 2")
    assert isinstance(event, Configured)
    assert (event.master, event.values) == ("my pass through", "2")
    assert instance_of("master bypass 1 127.0.0.1 6379").name == "bypass 1"


@given(
    option=st.sampled_from(["auth-pass", "AUTH-PASS"]),
    filler=st.text("ab é@,5", max_size=30),
    padding=st.integers(0, 1040),
)
def test_password_is_never_shown_wherever_the_payload_is_cut(option: str, filler: str, padding: int) -> None:
    name = "n" * padding
    whole = f"master {name} 127.0.0.1 6379 {option} {filler}S3KRIT{filler}S3KRIT".encode()
    for channel in ("+set", "+option"):
        assert "S3K" not in repr(parse_event(channel, whole[:CUT_AT]))
        assert "S3K" not in repr(parse_event(channel, whole))


# Cut payloads -------------------------------------------------------------------------------------


def test_payload_of_1023_bytes_is_not_trusted() -> None:
    full = f"slave 127.0.0.1:27002 127.0.0.1 27002 @ {'m' * 968} 127.0.0.1 27002".encode()
    assert len(full) == CUT_AT + 1
    assert unrecognised("+slave", full[:CUT_AT]).reason == "cut at 1023 bytes"
    # The remaining text would be a complete payload with another port.
    instance = instance_of(full[:CUT_AT].decode().replace("mm", "m", 1), "+slave")
    assert instance.master_address.port == 2700


@pytest.mark.parametrize("letter", ["m", "é", "€", "\udcff"])
def test_payload_is_measured_in_bytes(letter: str) -> None:
    size = len(letter.encode("utf-8", "surrogateescape"))
    frame = len("master  127.0.0.1 6379")
    count, rest = divmod(CUT_AT - 1 - frame, size)
    fits = f"master {letter * count}{'m' * rest} 127.0.0.1 6379"
    assert len(fits.encode("utf-8", "surrogateescape")) == CUT_AT - 1
    assert isinstance(parse_event("+sdown", fits), InstanceEvent)
    assert isinstance(parse_event("+sdown", fits.replace("6379", "26379")), Unrecognised)


def test_cut_values_of_set_are_kept_since_they_are_free_text() -> None:
    whole = f"master m 127.0.0.1 6379 notification-script /opt/{'x' * 1100}".encode()
    event = parse_event("+set", whole[:CUT_AT])
    assert isinstance(event, Configured)
    assert event.values == "/opt/" + "x" * (CUT_AT - 49)


@pytest.mark.parametrize("channel", [spec.channel for spec in EVENTS if spec.form != Form.SET])
def test_every_other_form_is_unrecognised_if_it_may_be_cut(channel: str) -> None:
    event = unrecognised(channel, "x" * CUT_AT)
    assert event.reason == "cut at 1023 bytes"
    assert len(event.payload) == LIMITS.payload_shown


# Wrong input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "payload"),
    [
        ("+sdown", "master m 127.0.0.1 65536"),
        ("+sdown", "master m 127.0.0.1 -1"),
        ("+sdown", "master m 127.0.0.1 ٦٣٧٩"),
        ("+sdown", "master m 127.0.0.1 ²"),
        ("+sdown", "master m 127.0.0.1 +6379"),
        ("+sdown", "master m 127.0.0.1 6_379"),
        ("+sdown", "master m 127.0.0.1 6379 "),
        ("+sdown", "master 127.0.0.1 6379"),
        ("+sdown", "replica a:1 a 1 @ m b 2"),
        ("+sdown", "slave a:1 a 1"),
        ("+sdown", "slave a:1 a 1 @ b 2"),
        ("+sdown", ""),
        ("+odown", "master m 127.0.0.1 6379"),
        ("+odown", "master m 127.0.0.1 6379 #quorum 2"),
        ("+odown", "master m 127.0.0.1 6379 #quorum 2/x"),
        ("+monitor", "master m 127.0.0.1 6379 quorum two"),
        ("+set", "master m 127.0.0.1 6379 quorum"),
        ("+set", "master m 127.0.0.1 6379 colour red"),
        ("+role-change", "slave a:1 a 1 @ m b 2 new reported role is sentinel"),
        ("+switch-master", "m 127.0.0.1 6379 127.0.0.1"),
        ("+switch-master", "m a b c d"),
        ("+switch-master", "127.0.0.1 1 127.0.0.1 2"),
        ("+sentinel-address-switch", "master m 127.0.0.1 1 ip 127.0.0.1 port 2 for "),
        ("+sentinel-address-update", "master m 127.0.0.1 1 additional matching instances"),
        ("+new-epoch", str(2**63 + 1)),
        ("+new-epoch", "9" * 5000),
        ("+new-epoch", "-1"),
        ("+new-epoch", "١"),
        ("+vote-for-leader", "7"),
        ("+tilt", "#tilt mode exited"),
        ("-tilt", "#tilt mode entered"),
        ("-script-error", "/notify.sh 7"),
        ("-script-timeout", "/notify.sh x"),
        ("+primary-switched", "m 127.0.0.1 1 127.0.0.1 2"),
    ],
)
def test_wrong_payload_is_unrecognised(channel: str, payload: str) -> None:
    event = unrecognised(channel, payload)
    assert (event.channel, event.payload) == (channel, payload[: LIMITS.payload_shown])
    assert event.reason
    assert event.master is None


def test_largest_epoch_and_port_are_read() -> None:
    assert parse_event("+new-epoch", str(2**63 - 1)) == NewEpoch("+new-epoch", str(2**63 - 1), 2**63 - 1)
    assert instance_of("master m 127.0.0.1 65535").address.port == 65535


def test_reason_of_a_wrong_payload_names_the_form() -> None:
    assert unrecognised("+odown", "x").reason == "expected: %@ #quorum A/Q"
    assert unrecognised("+odwn", "x").reason == "no event of this name is known"


def test_channel_and_payload_of_an_unknown_event_are_shortened() -> None:
    event = unrecognised("c" * 10_000, "p" * 1_000_000)
    assert (len(event.channel), len(event.payload)) == (LIMITS.payload_shown, LIMITS.payload_shown)
