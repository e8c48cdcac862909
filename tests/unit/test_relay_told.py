"""What clients of a relay are told of a master: a move once, at the promotion, and no address but a believed one."""

from __future__ import annotations

from recorded.answers import snapshot
from rig.relay_scene import RelayScene
from rig.scenario import S1, S2, S3, SENTINELS, A, B, C
from switchmaster.model import Address, Grade
from switchmaster.relay.served_masters import RelayPolicy
from switchmaster.wire.facts import LinkChange, LinkState, Probe, SnapshotEnd

MOVED = ("+switch-master", f"mymaster {A.host} {A.port} {B.host} {B.port}")
EVIL = Address("203.0.113.66", 6666)


def switches(scene: RelayScene) -> list[tuple[str, str]]:
    return [one for one in scene.published if one[0] == "+switch-master"]


def plan(scene: RelayScene) -> None:
    """Feed a planned failover until the leader has ordered B to become the master."""
    replica = f"slave {B} {B.host} {B.port} @ mymaster {A.host} {A.port}"
    scene.say(S1, "+new-epoch 1", f"+try-failover master mymaster {A.host} {A.port}")
    scene.say(S1, f"+elected-leader master mymaster {A.host} {A.port}", f"+selected-slave {replica}")
    scene.say(S1, f"+failover-state-wait-promotion {replica}")


def test_clients_are_told_at_the_promotion_and_once() -> None:
    scene = RelayScene()
    scene.fail_over()
    assert scene.core.masters.address("mymaster") == A
    scene.tell(None, Probe(B, "master"))
    assert scene.core.masters.address("mymaster") == B
    assert switches(scene) == [MOVED]
    for name in (S2, S3):
        scene.switch(name)
    scene.promote()
    scene.switch(S1)
    assert switches(scene) == [MOVED]
    assert len(scene.moves) == 1


def test_two_failovers_in_a_row_give_two_announcements_in_order() -> None:
    scene = RelayScene()
    scene.fail_over()
    scene.tell(None, Probe(B, "master"))
    for name in SENTINELS:
        scene.switch(name)
    scene.fail_over(epoch=2, old=B, new=C)
    scene.tell(None, Probe(C, "master"))
    for name in SENTINELS:
        scene.switch(name, B, C)
    back = ("+switch-master", f"mymaster {B.host} {B.port} {C.host} {C.port}")
    assert switches(scene) == [MOVED, back]


def test_a_planned_failover_is_told_at_the_promotion_by_default() -> None:
    scene = RelayScene()
    plan(scene)
    scene.tell(None, Probe(B, "master"))
    assert switches(scene) == [MOVED]


def test_a_planned_failover_can_wait_for_the_first_sentinel() -> None:
    scene = RelayScene(RelayPolicy(early=False))
    plan(scene)
    scene.tell(None, Probe(B, "master"))
    assert len(scene.switches) == 1
    assert switches(scene) == []
    assert scene.core.masters.address("mymaster") == A
    assert scene.core.masters.waiting() == ["mymaster"]
    scene.switch(S2)
    assert switches(scene) == [MOVED]
    assert scene.core.masters.waiting() == []


def test_a_crash_is_told_early_whatever_planned_says() -> None:
    scene = RelayScene(RelayPolicy(early=False))
    scene.fail_over()
    scene.tell(None, Probe(B, "master"))
    assert switches(scene) == [MOVED]


def test_the_relays_grade_holds_a_move_that_the_belief_has_made() -> None:
    scene = RelayScene(RelayPolicy(Grade.AGREED))
    scene.fail_over()
    scene.tell(None, Probe(B, "master"))
    scene.switch(S2)
    assert switches(scene) == []
    scene.switch(S3)
    assert switches(scene) == [MOVED]


def test_nothing_is_told_before_enough_sentinels_have_answered() -> None:
    scene = RelayScene(started=False)
    assert scene.core.masters.address("mymaster") is None
    scene.tell(S1, LinkChange(LinkState.LIVE, version="redis 7.0.15"))
    assert scene.core.masters.names() == []
    for name in SENTINELS:
        scene.up(name, A, 0)
    assert scene.core.masters.address("mymaster") == A
    assert scene.published == []


def test_a_master_that_is_no_longer_monitored_is_not_told() -> None:
    scene = RelayScene()
    for name in SENTINELS:
        scene.tell(name, SnapshotEnd(()))
    assert scene.core.masters.address("mymaster") is None
    assert scene.core.masters.names() == []
    for name in SENTINELS:
        scene.up(name, B, 0)
    scene.tell(None, Probe(B, "master"))
    scene.wait(20.0)
    # Clients that still have connections to the old address must hear of it.
    assert switches(scene) == [MOVED]


def test_the_last_belief_counts_for_a_while_without_sentinels_and_then_no_longer() -> None:
    scene = RelayScene(RelayPolicy(stale_for=60.0))
    client = scene.client()
    for name in SENTINELS:
        scene.down(name)
    scene.wait(59.0)
    assert scene.ask(client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster") is not None
    assert b"relay_unheard_seconds:59\r\n" in scene.ask(client, "INFO", "relay")  # type: ignore[operator]
    scene.wait(2.0)
    assert scene.ask(client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster") is None
    assert scene.ask(client, "SENTINEL", "MASTERS") == []
    assert b"relay_stale:1\r\n" in scene.ask(client, "INFO", "relay")  # type: ignore[operator]
    scene.up(S2, A, 0)
    assert scene.ask(client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster") is not None
    assert switches(scene) == []


def test_a_lying_sentinel_makes_the_relay_tell_nothing() -> None:
    scene = RelayScene()
    evil = f"{EVIL.host} {EVIL.port}"
    for line in (
        f"+switch-master mymaster {A.host} {A.port} {evil}",
        f"+sdown master mymaster {evil}",
        f"+slave slave {EVIL} {evil} @ mymaster {A.host} {A.port}",
        f"+selected-slave slave {EVIL} {evil} @ mymaster {A.host} {A.port}",
        f"+promoted-slave slave {EVIL} {evil} @ mymaster {A.host} {A.port}",
        f"+slave slave {B} {B.host} {B.port} @ mymaster {evil}",
        f"+set master mymaster {evil} quorum 2",
        f"+config-update-from sentinel {'a' * 40} {evil} @ mymaster {A.host} {A.port}",
        f"+sentinel-address-switch master mymaster {A.host} {A.port} ip {EVIL.host} port {EVIL.port} for {'a' * 40}",
        f"+sentinel sentinel {'a' * 40} {evil} @ mymaster {A.host} {A.port}",
        f"+no-such-event {evil}",
    ):
        scene.say(S1, line)
        # The belief asks the others, and they contradict it.
        for name in (S2, S3):
            scene.tell(name, snapshot(A, 0, replicas=[B, C]))
    for _ in range(20):
        scene.wait(10.0)
        for name in (S2, S3):
            scene.tell(name, snapshot(A, 0, replicas=[B, C]))
    told = " ".join(payload for _, payload in scene.published)
    assert EVIL.host not in told
    client = scene.client()
    for words in (["SENTINEL", "MASTERS"], ["SENTINEL", "REPLICAS", "mymaster"], ["INFO"]):
        assert EVIL.host not in repr(scene.ask(client, *words))
    assert scene.core.stream.withheld > 5


def test_what_a_client_says_reaches_no_other_client() -> None:
    scene = RelayScene()
    stranger, subscriber = scene.client(), scene.client()
    scene.ask(subscriber, "PSUBSCRIBE", "*")
    evil = f"mymaster {A.host} {A.port} {EVIL.host} {EVIL.port}"
    hello = f"{EVIL.host},26379,{'a' * 40},9,mymaster,{EVIL.host},{EVIL.port},9"
    for words in (
        ("PUBLISH", "+switch-master", evil),
        ("PUBLISH", "__sentinel__:hello", hello),
        ("SPUBLISH", "+switch-master", evil),
        ("SENTINEL", "MONITOR", "mymaster", EVIL.host, str(EVIL.port), "2"),
        ("SENTINEL", "SET", "mymaster", "notification-script", evil),
        ("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", EVIL.host, str(EVIL.port), "9", "a" * 40),
        ("CLIENT", "SETNAME", EVIL.host),
        ("SUBSCRIBE", evil),
        ("PSUBSCRIBE", evil),
    ):
        scene.ask(stranger, *words)
        scene.turn()
    scene.wait(10.0)
    assert scene.published == []
    asking = scene.client()
    for words in (["SENTINEL", "MASTERS"], ["SENTINEL", "REPLICAS", "mymaster"], ["SENTINEL", "SENTINELS", "mymaster"]):
        assert EVIL.host not in repr(scene.ask(asking, *words))
    assert scene.core.masters.address("mymaster") == A


def test_flags_follow_the_majority() -> None:
    scene = RelayScene()
    client = scene.client()

    def flags() -> str:
        return scene.ask(client, "SENTINEL", "MASTER", "mymaster")[9].decode()  # type: ignore[index,no-any-return]

    scene.say(S1, f"+sdown master mymaster {A.host} {A.port}")
    assert flags() == "master"
    scene.say(S2, f"+sdown master mymaster {A.host} {A.port}")
    assert flags() == "s_down,o_down,master"
    row = scene.ask(client, "SENTINEL", "MASTER", "mymaster")
    assert {b"s-down-time", b"o-down-time"} <= set(row)  # type: ignore[call-overload]
    scene.say(S1, f"-sdown master mymaster {A.host} {A.port}")
    assert flags() == "master"


def test_replicas_stay_between_the_promotion_and_the_first_sentinel() -> None:
    scene = RelayScene()
    client = scene.client()
    scene.ask(client, "SENTINEL", "REPLICAS", "mymaster")
    scene.fail_over()
    scene.tell(None, Probe(B, "master"))
    rows = scene.ask(client, "SENTINEL", "REPLICAS", "mymaster")
    assert [row[1] for row in rows] == [str(C).encode()]  # type: ignore[attr-defined]
    row = scene.ask(client, "SENTINEL", "MASTER", "mymaster")
    assert row[1:8:2] == [b"mymaster", B.host.encode(), str(B.port).encode(), row[7]]  # type: ignore[index]
    assert len(row[7]) == 40  # type: ignore[index]
