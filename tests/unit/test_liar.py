"""One of three Sentinels lies: its word alone moves no belief and hides no action of the others."""

from __future__ import annotations

import pytest

from recorded.answers import snapshot
from rig.scenario import AT_A, IDS, S1, S2, S3, A, B, C, Scenario
from switchmaster.belief.decisions import Notice, NoticeKind
from switchmaster.belief.standing import SETTLE
from switchmaster.follow.gate import GateState, phase_of
from switchmaster.model import EPOCH_MAX, Address, Grade, RunId, SentinelName
from switchmaster.wire.events import NewEpoch, Unrecognised
from switchmaster.wire.facts import LinkChange, LinkState, Probe, SnapshotEnd
from switchmaster.wire.grammar import parse_event
from switchmaster.wire.replies import MasterReply, parse_master

HONEST = (S2, S3)
X = Address("127.0.0.1", 29999)
"""The address to which the liar, S1, wants to move the clients."""

IMPOSSIBLE = [
    Address("127.0.0.1", 0),
    Address("127.0.0.1", 65536),
    *(Address(host, 6379) for host in ("", ".", "0.0.0.0", "0", "0x0", "00.0", "::", "::ffff:0.0.0.0")),
    *(Address(host, 6379) for host in ("224.0.0.1", "239.1.2.3", "ff02::1", "255.255.255.255")),
]


def forge(scene: Scenario, epoch: int = 999, new: Address = X, old: Address = A, liar: SentinelName = S1) -> None:
    """Let the liar publish everything that a leader publishes, and answer with the same address."""
    scene.fail_over(liar, epoch, old, new)
    scene.promote(liar, old, new)
    scene.switch(liar, old, new)
    scene.tell(liar, snapshot(new, epoch))


def others_answer(scene: Scenario, address: Address = A, epoch: int = 0, flags: tuple[str, ...] = ()) -> None:
    for name in HONEST:
        scene.tell(name, snapshot(address, epoch, flags=flags))


def asked(scene: Scenario) -> set[str]:
    return {str(d.sentinel) for d in scene.decisions if type(d).__name__ == "Ask" and "can't be asked" in d.why}  # type: ignore[attr-defined]


def fails_over_honestly(scene: Scenario, epoch: int = 1) -> None:
    scene.fail_over(S2, epoch)
    scene.tell(None, Probe(B, "slave", following=A), Probe(B, "master"))
    scene.promote(S2)
    for name in HONEST:
        scene.switch(name)
        scene.tell(name, snapshot(B, epoch))
    scene.wait(2.0)


@pytest.mark.parametrize("lost", [(S2, S3), (S1, S2, S3)], ids=["two of three", "all"])
@pytest.mark.parametrize("liar", [S1, SentinelName("127.0.0.1:27019")], ids=["a seed", "a stranger"])
def test_unasked_announcement_waits_while_most_sentinels_are_lost(
    liar: SentinelName, lost: tuple[SentinelName, ...]
) -> None:
    """An announcement whose node can't be asked is not followed while most Sentinels that vote are lost."""
    scene = Scenario()
    if liar != S1:
        scene.up(liar, A, 0, RunId("f" * 40))  # it is heard all the time
    forge(scene, liar=liar)
    for name in lost:
        scene.down(name)
    scene.tell(None, Probe(X, None, "it refused the connection"))
    scene.wait(60.0)
    assert scene.switches == []
    for name in lost:
        scene.up(name, A, 0)
    scene.wait(20.0)
    assert scene.switches == []


def test_only_sentinel_that_was_ever_heard_is_followed_alone() -> None:
    """If the addresses of the others can't be reached from here, one Sentinel is followed."""
    scene = Scenario(started=False)
    scene.up(S1, A, 0)
    scene.wait(5.0)
    scene.fail_over()
    scene.promote()
    scene.tell(None, Probe(B, None, "it refused the connection"))
    assert [switch.new for switch in scene.switches] == [B]


def test_made_up_failover_releases_nothing_that_a_true_one_holds() -> None:
    scene = Scenario()
    replica = f"slave {B} {B.host} {B.port} @ {AT_A}"
    scene.say(S2, "+new-epoch 1", f"+try-failover master {AT_A}")
    scene.say(S3, f"+vote-for-leader {IDS[S2]} 1")
    scene.say(S2, f"+elected-leader master {AT_A}", f"+selected-slave {replica}")
    scene.say(S2, f"+failover-state-wait-promotion {replica}")
    scene.tell(None, Probe(B, "slave", following=A), Probe(B, "master"))
    held = phase_of(scene.watch.state("mymaster"))
    assert (held.gate, held.address) == (GateState.HELD, B), "its leader has not seen the promotion yet"
    lie = f"slave {X} {X.host} {X.port} @ {AT_A}"
    for line in (
        "+new-epoch 999",
        f"+try-failover master {AT_A}",
        f"+selected-slave {lie}",
        f"+promoted-slave {lie}",
        f"+switch-master {AT_A} {X.host} {X.port}",
        f"+failover-end master {AT_A}",
        f"+try-failover master mymaster {B.host} {B.port}",
        f"-failover-abort-not-elected master mymaster {B.host} {B.port}",
    ):
        scene.say(S1, line)
        assert phase_of(scene.watch.state("mymaster")).same(held), line
    scene.promote(S2)
    scene.say(S2, f"+slave-reconf-sent slave {C} {C.host} {C.port} @ {AT_A}")
    opened = phase_of(scene.watch.state("mymaster"))
    assert (opened.gate, opened.address) == (GateState.OPEN, B)


@pytest.mark.parametrize("policy", Grade)
@pytest.mark.parametrize("role", ["slave", "sentinel"])
def test_node_that_denies_is_never_followed_whatever_one_sentinel_says(policy: Grade, role: str) -> None:
    scene = Scenario(policy)
    scene.fail_over(S1, 999, A, X)
    scene.tell(None, Probe(X, role, following=A))
    forge(scene)
    for _ in range(10):
        scene.wait(10.0)
        scene.tell(None, Probe(X, role, following=A))
        forge(scene)
        others_answer(scene)
    assert (scene.switches, scene.watch.address("mymaster")) == ([], A)
    texts = {d.text for d in scene.decisions if isinstance(d, Notice) and d.kind is NoticeKind.NOT_FOLLOWED}
    shown = "replica" if role == "slave" else role
    assert f"{S1} announces {X}, which itself answers ROLE {shown}; not followed" in texts


def test_majority_that_names_a_node_that_denies_is_not_followed_either() -> None:
    scene = Scenario(Grade.AGREED)
    scene.fail_over()
    scene.tell(None, Probe(B, "slave", following=A))
    for name in HONEST:
        scene.switch(name)
        scene.tell(name, snapshot(B, 1))
    assert scene.switches == []
    scene.tell(None, Probe(B, "master"))
    assert [switch.grade for switch in scene.switches] == [Grade.AGREED]


@pytest.mark.parametrize("probing", [True, False])
@pytest.mark.parametrize("policy", [Grade.ANNOUNCED, Grade.PROMOTED])
def test_one_sentinel_is_not_followed_while_a_majority_contradicts(policy: Grade, probing: bool) -> None:
    """The word of one Sentinel is not followed while a majority of those heard contradicts it."""
    scene = Scenario(policy, probing)
    forge(scene)
    scene.tell(None, Probe(X, None, "connection refused"))
    assert asked(scene) == set(HONEST)
    others_answer(scene)
    for _ in range(10):
        scene.wait(10.0)
        scene.tell(None, Probe(X, None, "connection refused"))
        forge(scene)
        others_answer(scene)
    assert (scene.switches, scene.watch.address("mymaster")) == ([], A)
    assert NoticeKind.NOT_FOLLOWED in scene.notices


def test_word_of_one_sentinel_is_followed_when_the_others_do_not_answer() -> None:
    """They have long to answer: on a machine that is late for seconds, silence is no consent."""
    scene = Scenario()
    scene.fail_over()
    scene.tell(None, Probe(B, None, "NOPERM"))
    scene.promote()
    assert asked(scene) == set(HONEST)
    scene.wait(SETTLE - 0.1)
    assert scene.switches == []
    scene.wait(0.2)
    assert [switch.grade for switch in scene.switches] == [Grade.ANNOUNCED]


def test_liar_is_not_followed_on_a_machine_that_is_late_for_seconds() -> None:
    """The others' answers come late where everything does, and contradict all the same."""
    scene = Scenario()
    forge(scene)
    scene.tell(None, Probe(X, None, "connection refused"))
    assert asked(scene) == set(HONEST)
    scene.wait(SETTLE - 1.0)
    others_answer(scene)
    scene.wait(60.0)
    assert (scene.switches, scene.watch.address("mymaster")) == ([], A)


@pytest.mark.parametrize("down_after", [0.0, SETTLE - 0.5, SETTLE + 5.0])
def test_one_sentinel_is_not_followed_while_the_others_find_their_master_down(down_after: float) -> None:
    """The word of one Sentinel is not followed whenever the others find their master down: they elect themselves."""
    scene = Scenario()
    forge(scene)
    scene.tell(None, Probe(X, None, "connection refused"))
    others_answer(scene)
    scene.wait(down_after)
    for _ in range(20):
        others_answer(scene, flags=("s_down", "o_down"))
        scene.wait(1.0)
        scene.tell(None, Probe(X, None, "connection refused"))
    assert (scene.switches, scene.watch.address("mymaster")) == ([], A)
    fails_over_honestly(scene)
    assert [switch.new for switch in scene.switches] == [B]


def test_word_of_one_sentinel_is_followed_when_it_is_one_of_two_that_are_heard() -> None:
    scene = Scenario()
    scene.down(S3)
    scene.fail_over()
    scene.tell(None, Probe(B, None, "NOPERM"))
    scene.promote()
    assert [switch.new for switch in scene.switches] == [B]


def test_others_have_time_to_answer_when_a_node_that_denied_is_lost() -> None:
    """The others have their time to contradict from when they are asked, however late the node becomes unreachable."""
    scene = Scenario()
    scene.fail_over(S1, 999, A, X)
    scene.tell(None, Probe(X, "slave", following=A))
    forge(scene)
    assert asked(scene) == set(), "the node denies it, which is enough"
    scene.wait(0.7)
    scene.tell(None, Probe(X, None, "connection refused"))
    assert asked(scene) == set(HONEST)
    scene.wait(0.5)
    assert scene.switches == [], "more than a second after the announcement, and half of one after they were asked"
    others_answer(scene)
    scene.wait(60.0)
    assert scene.switches == []


def test_node_that_is_a_sentinel_is_one_when_its_link_is_lost() -> None:
    scene = Scenario()
    forge(scene)
    scene.tell(None, Probe(X, "sentinel", "it is a Sentinel, not a data node"))
    scene.wait(0.5)
    scene.tell(None, Probe(X, None, "connection refused"))
    scene.wait(60.0)
    assert scene.switches == []


@pytest.mark.parametrize("impossible", IMPOSSIBLE, ids=str)
def test_impossible_address_is_never_followed_or_believed(impossible: Address) -> None:
    scene = Scenario(started=False, probing=False)
    scene.tell(S1, LinkChange(LinkState.LIVE, run_id=IDS[S1]), snapshot(impossible, 5), SnapshotEnd(("mymaster",)))
    scene.wait(2.0)
    assert scene.watch.address("mymaster") is None
    scene.up(S2, A, 0)
    scene.up(S3, A, 0)
    forge(scene, new=impossible)
    scene.say(S1, f"+monitor master mymaster {impossible.host} {impossible.port} quorum 2")
    scene.wait(60.0)
    assert (scene.switches, scene.watch.address("mymaster")) == ([], A)


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "fe80::1%eth0", "redis-0.redis.default.svc", "a1", "x.y."])
def test_address_that_a_node_can_have_is_possible(host: str) -> None:
    assert Address(host, 65535).possible


def test_epoch_out_of_range_is_no_answer_and_no_event() -> None:
    fields = {"name": "m", "ip": "127.0.0.1", "port": "1"}
    for epoch in (0, EPOCH_MAX):
        assert isinstance(parse_master(fields | {"config-epoch": str(epoch)}), MasterReply)
        assert isinstance(parse_event("+new-epoch", str(epoch)), NewEpoch)
    for wrong in (-1, EPOCH_MAX + 1, 2**64):
        assert isinstance(parse_master(fields | {"config-epoch": str(wrong)}), Unrecognised)
        assert isinstance(parse_event("+new-epoch", str(wrong)), Unrecognised)


def test_first_belief_is_the_majoritys_and_a_higher_epoch_must_prove_itself() -> None:
    """The first belief is what a majority gives, and a higher epoch must prove itself."""
    for role, believed in (("slave", A), (None, A), ("master", B)):
        claimed = B if role == "master" else X
        scene = Scenario(started=False)
        scene.up(S1, claimed, 999)
        scene.up(S2, A, 5)
        assert not scene.watch.established, "they differ, so the third is awaited"
        scene.up(S3, A, 5)
        assert scene.watch.established
        assert scene.watch.address("mymaster") == A
        scene.tell(None, Probe(claimed, role, "" if role else "connection refused"))
        scene.wait(0.5)
        others_answer(scene, A, 5)
        scene.wait(5.0)
        assert scene.watch.address("mymaster") == believed


def test_one_sentinels_epoch_for_the_master_hides_no_failover_of_the_others() -> None:
    """An epoch that one Sentinel gives the believed master hides no failover of the others."""
    scene = Scenario()
    scene.tell(S1, snapshot(A, 10**6))
    assert scene.watch.topology.masters["mymaster"].epoch == 0
    fails_over_honestly(scene)
    assert [(switch.new, switch.epoch) for switch in scene.switches] == [(B, 1)]


def test_one_sentinels_epoch_for_a_true_failover_yields_to_the_majoritys() -> None:
    """The epoch that one Sentinel gave a true failover yields to what a majority gives."""
    scene = Scenario()
    scene.fail_over(S2, 1)
    scene.tell(None, Probe(B, "slave", following=A))
    scene.fail_over(S1, 10**6)
    scene.tell(None, Probe(B, "master"))
    for name in HONEST:
        scene.switch(name)
        scene.tell(name, snapshot(B, 1))
    assert [(switch.new, switch.epoch) for switch in scene.switches] == [(B, 10**6)]
    for _ in range(3):
        scene.wait(SETTLE)
        others_answer(scene, B, 1)
    state = scene.watch.topology.masters["mymaster"]
    assert (state.address, state.epoch, state.incarnation) == (B, 1, 1)
    scene.fail_over(S2, 2, B, C)
    scene.tell(None, Probe(C, "slave", following=B), Probe(C, "master"))
    assert [(switch.new, switch.epoch) for switch in scene.switches[1:]] == [(C, 2)]


def test_answer_that_lies_about_a_run_id_makes_no_two_nodes_one() -> None:
    scene = Scenario()
    run_id = f"{A.port:040x}"
    scene.tell(S1, snapshot(A, 0, run_ids=lambda address: f"{B.port:040x}"))
    assert NoticeKind.TWO_NAMES not in scene.notices
    scene.tell(S1, snapshot(X, 999, run_ids=lambda address: run_id))
    fails_over_honestly(scene)
    assert [switch.new for switch in scene.switches] == [B]


def test_silent_node_of_one_sentinel_is_not_followed_when_its_time_is_over() -> None:
    scene = Scenario()
    forge(scene)
    assert asked(scene) == set(HONEST), "at once, so that they have answered before the node's timeout"
    others_answer(scene)
    scene.wait(60.0)
    assert scene.switches == []


def test_made_up_run_id_does_not_keep_the_belief_at_an_announced_node() -> None:
    scene = Scenario()
    run_ids = dict.fromkeys((X, A), f"{A.port:040x}")
    scene.fail_over(S1, 999, A, X)
    scene.promote(S1, A, X)
    scene.tell(S1, snapshot(X, 999, run_ids=run_ids.__getitem__))
    scene.wait(SETTLE + 1.0)
    assert [switch.new for switch in scene.switches] == [X], "the others do not answer"
    others_answer(scene)
    scene.wait(SETTLE + 5.0)
    assert scene.watch.address("mymaster") == A


def test_sentinels_that_are_lost_after_contradicting_still_contradict() -> None:
    scene = Scenario()
    forge(scene)
    others_answer(scene)
    for name in HONEST:
        scene.down(name)
    scene.tell(None, Probe(X, None, "connection refused"))
    scene.wait(SETTLE - 1.0)
    assert scene.switches == []


def test_leader_that_announces_what_no_majority_holds_leaves_no_promotion_early() -> None:
    scene = Scenario()
    scene.fail_over(S1, 1)
    scene.tell(None, Probe(B, "slave", following=A), Probe(B, "master"))
    scene.switch(S1, A, X)
    others_answer(scene)
    scene.wait(2.0)
    assert [switch.new for switch in scene.switches] == [B]


@pytest.mark.parametrize("policy", [Grade.ANNOUNCED, Grade.PROMOTED])
def test_stranger_that_answers_role_master_proves_nothing(policy: Grade) -> None:
    scene = Scenario(policy)
    for _ in range(3):
        scene.fail_over(S1, 999, A, X)
        scene.tell(None, Probe(X, "master"))
        assert scene.watch.topology.masters["mymaster"].imminent is None
        forge(scene)
        scene.tell(None, Probe(X, "master"))
        others_answer(scene)
        scene.wait(SETTLE + 1.0)
    assert (scene.switches, scene.watch.address("mymaster")) == ([], A)
    assert NoticeKind.NOT_FOLLOWED in scene.notices
    fails_over_honestly(scene, 1000)
    assert [(switch.new, switch.grade) for switch in scene.switches[:1]] == [(B, Grade.PROMOTED)]


def test_stranger_that_answers_role_master_proves_no_more_than_its_announcer() -> None:
    """A stranger that answers ROLE master has no more weight than the Sentinel that announces it."""
    scene = Scenario()
    for name in HONEST:
        scene.tell(name, snapshot(A, 0, replicas=[B, C], flags=["s_down"]))
    scene.wait(1.0)
    forge(scene, 1)
    scene.tell(None, Probe(X, "master"))
    scene.wait(SETTLE - 0.1)
    assert scene.switches == []
    scene.wait(0.2)
    assert [(switch.new, switch.grade) for switch in scene.switches] == [(X, Grade.ANNOUNCED)]
    assert scene.switches[0].why.endswith("the node answers ROLE master, but most Sentinels do not list it")


def test_stranger_that_a_majority_follows_is_one_no_longer() -> None:
    scene = Scenario()
    scene.fail_over(S1, 1, A, X)
    scene.tell(None, Probe(X, "master"))
    scene.promote(S1, A, X)
    others_answer(scene)
    assert scene.switches == []
    scene.switch(S2, A, X)
    assert [(switch.new, switch.grade) for switch in scene.switches] == [(X, Grade.PROMOTED)]


def test_replicas_are_no_strangers_when_most_lists_are_incomplete() -> None:
    for replicas in (None, [B]):  # refused; with `replica-announced no`
        scene = Scenario(started=False)
        for name in (S1, S2, S3):
            scene.tell(name, LinkChange(LinkState.LIVE, run_id=IDS[name]), snapshot(A, 0, replicas=replicas))
            scene.tell(name, SnapshotEnd(("mymaster",)))
        scene.fail_over(S1, 1, A, C)
        scene.tell(None, Probe(C, "master"))
        assert [(switch.new, switch.grade) for switch in scene.switches] == [(C, Grade.PROMOTED)]


def test_replica_is_known_once_both_sentinels_that_list_have_found_it() -> None:
    """A replica that one of two listing Sentinels has not found yet is known as soon as it has."""
    scene = Scenario()
    scene.down(S3)
    scene.say(S1, f"+slave slave {X} {X.host} {X.port} @ {AT_A}")
    scene.fail_over(S1, 1, A, X)
    scene.tell(None, Probe(X, "master"))
    assert scene.switches == []
    scene.say(S2, f"+slave slave {X} {X.host} {X.port} @ {AT_A}")
    scene.promote(S1, A, X)
    assert [(switch.new, switch.grade) for switch in scene.switches] == [(X, Grade.PROMOTED)]


def test_stranger_with_the_run_id_of_a_replica_proves_nothing() -> None:
    scene = Scenario()
    run_ids = {A: f"{A.port:040x}", B: f"{B.port:040x}", X: f"{B.port:040x}"}
    for name in (S1, *HONEST):
        nodes = [X] if name == S1 else [B]
        scene.tell(name, snapshot(A, 0, replicas=[*nodes, C], run_ids=lambda node: run_ids.get(node, "")))
    scene.fail_over(S1, 999, A, X)
    scene.tell(None, Probe(X, "master"), Probe(B, "slave", following=A))
    assert scene.switches == []
    scene.switch(S1, A, X)
    scene.tell(None, Probe(X, "master"))
    others_answer(scene)
    scene.wait(SETTLE + 1.0)
    assert (scene.switches, scene.watch.address("mymaster")) == ([], A)
