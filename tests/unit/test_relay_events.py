"""Clients of a relay get one Sentinel's stream in order, each event once, also when another takes its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rig.relay_scene import RelayScene
from rig.scenario import S1, S2, S3, A, B, C
from switchmaster.model import Address
from switchmaster.relay.event_relay import EventRelay, payload_of, switch_event
from switchmaster.relay.served_masters import Move
from switchmaster.wire.events import InstanceEvent, SwitchedMaster
from switchmaster.wire.facts import LinkChange, LinkState, Probe
from switchmaster.wire.grammar import parse_event

NODE = f"slave {C} {C.host} {C.port} @ mymaster {A.host} {A.port}"
DOWN, UP = f"+sdown {NODE}", f"-sdown {NODE}"


def said(scene: RelayScene) -> list[str]:
    return [f"{channel} {payload}" for channel, payload in scene.published]


def test_only_the_chosen_sentinels_events_pass() -> None:
    scene = RelayScene()
    assert scene.core.stream.chosen == S1
    for name in (S2, S1, S3):
        scene.say(name, DOWN)
    for name in (S3, S1):
        scene.say(name, UP)
    assert said(scene) == [DOWN, UP]


def test_a_leaders_stream_passes_whole_with_the_move_at_the_promotion() -> None:
    scene = RelayScene()
    scene.fail_over(S1)
    scene.tell(None, Probe(B, "master"))
    scene.promote(S1)
    scene.say(S1, f"+failover-end master mymaster {A.host} {A.port}")
    scene.switch(S1)
    scene.say(S1, f"+slave slave {C} {C.host} {C.port} @ mymaster {B.host} {B.port}")
    assert scene.channels() == [
        *("+sdown", "+odown", "+new-epoch", "+try-failover", "+elected-leader", "+selected-slave"),
        *("+failover-state-wait-promotion", "+switch-master", "+slave", "+slave", "+promoted-slave", "+failover-end"),
    ]
    replicas = [payload for channel, payload in scene.published if channel == "+slave"]
    assert replicas == [f"slave {one} {one.host} {one.port} @ mymaster {B.host} {B.port}" for one in (C, A)]
    scene.say(S1, f"+slave slave {C} {C.host} {C.port} @ mymaster {B.host} {B.port}")
    assert scene.channels()[-1] == "+slave", "again, so it is news"


def test_a_move_takes_the_place_of_the_chosen_sentinels_announcement() -> None:
    """If the first news of a switch is the chosen Sentinel's own stream, its order is kept."""
    stream = EventRelay(lambda _: {A, B, C})
    stream.heard(S1, [LinkChange(LinkState.LIVE)], 1.0)
    assert stream.turn([], 1.0) == []
    lines = (
        f"+config-update-from sentinel {'a' * 40} 127.0.0.1 27012 @ mymaster {A.host} {A.port}",
        f"+switch-master mymaster {A.host} {A.port} {B.host} {B.port}",
        f"+slave slave {C} {C.host} {C.port} @ mymaster {B.host} {B.port}",
    )
    stream.heard(S1, [parse_event(*line.split(" ", 1)) for line in lines], 2.0)
    assert [event.channel for event in stream.turn([Move("mymaster", A, B)], 2.0)] == ["+switch-master", "+slave"]


def test_an_event_that_both_have_published_is_not_repeated() -> None:
    scene = RelayScene()
    scene.say(S1, DOWN)
    scene.now += 0.5
    scene.say(S2, DOWN)
    scene.now += 0.5
    scene.down(S1)
    assert scene.core.stream.chosen == S2
    assert said(scene) == [DOWN]


def test_what_the_successor_says_later_than_the_lost_one_is_not_repeated() -> None:
    scene = RelayScene()
    scene.say(S1, DOWN)
    scene.down(S1)
    scene.now += 0.7
    scene.say(S2, DOWN)
    assert said(scene) == [DOWN]
    scene.say(S2, UP)
    scene.say(S2, DOWN)
    assert said(scene) == [DOWN, UP, DOWN]


def test_what_happened_while_the_lost_one_hung_is_made_up_for() -> None:
    scene = RelayScene()
    scene.say(S1, DOWN)
    scene.say(S2, DOWN)
    scene.silent_since[S1] = scene.now  # it hangs from here on
    scene.now += 2.0
    scene.say(S2, UP)
    scene.now += 1.0
    scene.say(S2, DOWN, UP)
    assert said(scene) == [DOWN]
    scene.down(S1)
    assert said(scene) == [DOWN, UP, DOWN, UP]


def test_what_the_lost_one_heard_long_before_is_not_made_up_for() -> None:
    """The successor led something of its own while the other was well: that is not news."""
    scene = RelayScene()
    scene.say(S2, "+new-epoch 1", f"+try-failover master mymaster {A.host} {A.port}")
    scene.now += 5.0
    scene.silent_since[S1] = scene.now
    scene.down(S1)
    assert said(scene) == []


@given(st.lists(st.tuples(st.floats(0.01, 0.4), st.booleans()), min_size=1, max_size=12), st.integers(0, 11))
def test_a_handover_leaves_no_gap_and_no_double(beats: list[tuple[float, bool]], dies: int) -> None:
    """A node goes down and up; both Sentinels say so, either first; the chosen one dies after any of it."""
    scene = RelayScene()
    expected = [DOWN if number % 2 == 0 else UP for number in range(len(beats))]
    for number, (pause, first) in enumerate(beats):
        alive = number < dies
        for name in (S1, S2) if first else (S2, S1):
            scene.now += pause / 2
            if name == S2 or alive:
                scene.say(name, expected[number])
        if number == dies:
            scene.silent_since[S1] = scene.now - pause
    scene.silent_since.setdefault(S1, scene.now)
    scene.down(S1)
    assert said(scene) == expected


def test_a_sentinel_that_comes_back_is_not_chosen_again() -> None:
    scene = RelayScene()
    scene.down(S1)
    scene.up(S1, A, 0)
    assert scene.core.stream.chosen == S2
    assert scene.core.stream.handovers == 1


def test_a_sentinel_that_nobody_names_is_never_chosen() -> None:
    scene = RelayScene()
    scene.untrusted = {S2}
    scene.down(S1)
    assert scene.core.stream.chosen == S3


def test_one_in_tilt_is_chosen_last() -> None:
    scene = RelayScene()
    scene.say(S2, "+tilt #tilt mode entered")
    scene.down(S1)
    assert scene.core.stream.chosen == S3


def test_a_new_replica_is_told_once_a_majority_lists_it() -> None:
    scene = RelayScene()
    new = Address("127.0.0.1", 27009)
    line = f"+slave slave {new} {new.host} {new.port} @ mymaster {A.host} {A.port}"
    scene.say(S1, line)
    assert said(scene) == []
    scene.say(S2, line)
    assert said(scene) == [line]


def test_addresses_in_a_payload_are_translated() -> None:
    names = {A: Address("nat", 1), B: Address("nat", 2)}

    def translate(address: Address) -> Address:
        return names.get(address, address)

    for line, expected in (
        (f"+sdown master my master {A.host} {A.port}", "master my master nat 1"),
        (f"+odown master m {A.host} {A.port} #quorum 2/2", "master m nat 1 #quorum 2/2"),
        (f"+slave slave {B} {B.host} {B.port} @ m {A.host} {A.port}", "slave nat:2 nat 2 @ m nat 1"),
        (
            f"-role-change slave {B} {B.host} {B.port} @ m {A.host} {A.port} new reported role is master",
            "slave nat:2 nat 2 @ m nat 1 new reported role is master",
        ),
        ("+new-epoch 3", "3"),
    ):
        assert payload_of(parse_event(*line.split(" ", 1)), translate) == expected
    assert payload_of(switch_event(Move("m", A, B)), translate) == "m nat 1 nat 2"
    event = parse_event("+sdown", f"master m {A.host} {A.port}")
    assert payload_of(event) == event.payload
    assert isinstance(event, InstanceEvent)


def test_the_announcement_of_a_move_is_one_that_sentinels_write() -> None:
    event = switch_event(Move("my master", A, Address("::1", 27009)))
    assert parse_event(event.channel, event.payload) == event
    assert isinstance(event, SwitchedMaster)
