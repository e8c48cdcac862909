"""One Sentinel that lies, among three: what it says alone moves no belief, and hides nothing that the others do."""

from __future__ import annotations

import pytest

from recorded.answers import snapshot
from rig.scenario import AT_A, IDS, S1, S2, S3, A, B, C, Scenario
from switchmaster.belief.decisions import Notice, NoticeKind
from switchmaster.belief.standing import SETTLE
from switchmaster.follow.gate import GateState, phase_of
from switchmaster.model import EPOCH_MAX, Address, Grade
from switchmaster.wire.events import NewEpoch, Unrecognised
from switchmaster.wire.facts import LinkChange, LinkState, Probe, SnapshotEnd
from switchmaster.wire.grammar import parse_event
from switchmaster.wire.replies import MasterReply, parse_master

HONEST = (S2, S3)
X = Address("127.0.0.1", 29999)
"""Where the liar, S1, wants the clients to be."""

IMPOSSIBLE = [
    Address("127.0.0.1", 0),
    Address("127.0.0.1", 65536),
    *(Address(host, 6379) for host in ("", ".", "0.0.0.0", "0", "0x0", "00.0", "::", "::ffff:0.0.0.0")),
    *(Address(host, 6379) for host in ("224.0.0.1", "239.1.2.3", "ff02::1", "255.255.255.255")),
]


def forge(told: Scenario, epoch: int = 999, new: Address = X, old: Address = A) -> None:
    """Let the liar say all that a leader says, and answer with it."""
    told.fail_over(S1, epoch, old, new)
    told.promote(S1, old, new)
    told.switch(S1, old, new)
    told.tell(S1, snapshot(new, epoch))


def others_answer(told: Scenario, address: Address = A, epoch: int = 0, flags: tuple[str, ...] = ()) -> None:
    for name in HONEST:
        told.tell(name, snapshot(address, epoch, flags=flags))


def asked(told: Scenario) -> set[str]:
    return {str(d.sentinel) for d in told.decisions if type(d).__name__ == "Ask" and "can't be asked" in d.why}  # type: ignore[attr-defined]


def fails_over_honestly(told: Scenario, epoch: int = 1) -> None:
    told.fail_over(S2, epoch)
    told.tell(None, Probe(B, "slave", following=A), Probe(B, "master"))
    told.promote(S2)
    for name in HONEST:
        told.switch(name)
        told.tell(name, snapshot(B, epoch))
    told.wait(2.0)


def test_failover_that_one_sentinel_makes_up_opens_no_way_that_a_true_one_holds() -> None:
    told = Scenario()
    replica = f"slave {B} {B.host} {B.port} @ {AT_A}"
    told.say(S2, "+new-epoch 1", f"+try-failover master {AT_A}")
    told.say(S3, f"+vote-for-leader {IDS[S2]} 1")
    told.say(S2, f"+elected-leader master {AT_A}", f"+selected-slave {replica}")
    told.say(S2, f"+failover-state-wait-promotion {replica}")
    told.tell(None, Probe(B, "slave", following=A), Probe(B, "master"))
    held = phase_of(told.watch.state("mymaster"))
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
        told.say(S1, line)
        assert phase_of(told.watch.state("mymaster")).same(held), line
    told.promote(S2)
    told.say(S2, f"+slave-reconf-sent slave {C} {C.host} {C.port} @ {AT_A}")
    opened = phase_of(told.watch.state("mymaster"))
    assert (opened.gate, opened.address) == (GateState.OPEN, B)


@pytest.mark.parametrize("policy", Grade)
@pytest.mark.parametrize("role", ["slave", "sentinel"])
def test_node_that_denies_is_never_followed_whatever_one_sentinel_says(policy: Grade, role: str) -> None:
    told = Scenario(policy)
    told.fail_over(S1, 999, A, X)
    told.tell(None, Probe(X, role, following=A))
    forge(told)
    for _ in range(10):
        told.wait(10.0)
        told.tell(None, Probe(X, role, following=A))
        forge(told)
        others_answer(told)
    assert (told.switches, told.watch.address("mymaster")) == ([], A)
    texts = {d.text for d in told.decisions if isinstance(d, Notice) and d.kind is NoticeKind.NOT_FOLLOWED}
    shown = "replica" if role == "slave" else role
    assert f"{S1} announces {X}, which itself answers ROLE {shown}; not followed" in texts


def test_majority_that_names_a_node_that_denies_is_not_followed_either() -> None:
    told = Scenario(Grade.AGREED)
    told.fail_over()
    told.tell(None, Probe(B, "slave", following=A))
    for name in HONEST:
        told.switch(name)
        told.tell(name, snapshot(B, 1))
    assert told.switches == []
    told.tell(None, Probe(B, "master"))
    assert [switch.grade for switch in told.switches] == [Grade.AGREED]


@pytest.mark.parametrize("probing", [True, False])
@pytest.mark.parametrize("policy", [Grade.ANNOUNCED, Grade.PROMOTED])
def test_one_sentinel_is_not_followed_while_a_majority_contradicts(policy: Grade, probing: bool) -> None:
    """The word of one Sentinel is not followed while a majority of those heard contradicts it."""
    told = Scenario(policy, probing)
    forge(told)
    told.tell(None, Probe(X, None, "connection refused"))
    assert asked(told) == set(HONEST)
    others_answer(told)
    for _ in range(10):
        told.wait(10.0)
        told.tell(None, Probe(X, None, "connection refused"))
        forge(told)
        others_answer(told)
    assert (told.switches, told.watch.address("mymaster")) == ([], A)
    assert NoticeKind.NOT_FOLLOWED in told.notices


def test_word_of_one_sentinel_is_followed_when_the_others_do_not_answer() -> None:
    told = Scenario()
    told.fail_over()
    told.tell(None, Probe(B, None, "NOPERM"))
    told.promote()
    assert asked(told) == set(HONEST)
    told.wait(0.9)
    assert told.switches == []
    told.wait(0.2)
    assert [switch.grade for switch in told.switches] == [Grade.ANNOUNCED]


def test_one_sentinel_is_followed_when_the_others_find_their_master_down() -> None:
    """The word of one Sentinel is followed in the end when the others find their master down."""
    told = Scenario()
    told.fail_over()
    told.tell(None, Probe(B, None, "NOPERM"))
    told.promote()
    others_answer(told, flags=("s_down", "o_down"))
    told.wait(SETTLE - 0.1)
    assert told.switches == []
    told.wait(0.2)
    assert [switch.new for switch in told.switches] == [B]


def test_word_of_one_sentinel_is_followed_when_it_is_one_of_two_that_are_heard() -> None:
    told = Scenario()
    told.down(S3)
    told.fail_over()
    told.tell(None, Probe(B, None, "NOPERM"))
    told.promote()
    assert [switch.new for switch in told.switches] == [B]


@pytest.mark.parametrize("impossible", IMPOSSIBLE, ids=str)
def test_impossible_address_is_never_followed_or_believed(impossible: Address) -> None:
    told = Scenario(started=False, probing=False)
    told.tell(S1, LinkChange(LinkState.LIVE, run_id=IDS[S1]), snapshot(impossible, 5), SnapshotEnd(("mymaster",)))
    told.wait(2.0)
    assert told.watch.address("mymaster") is None
    told.up(S2, A, 0)
    told.up(S3, A, 0)
    forge(told, new=impossible)
    told.say(S1, f"+monitor master mymaster {impossible.host} {impossible.port} quorum 2")
    told.wait(60.0)
    assert (told.switches, told.watch.address("mymaster")) == ([], A)


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
        told = Scenario(started=False)
        told.up(S1, claimed, 999)
        told.up(S2, A, 5)
        assert not told.watch.established, "they differ, so the third is heard too"
        told.up(S3, A, 5)
        assert told.watch.established
        assert told.watch.address("mymaster") == A
        told.tell(None, Probe(claimed, role, "" if role else "connection refused"))
        told.wait(0.5)
        others_answer(told, A, 5)
        told.wait(5.0)
        assert told.watch.address("mymaster") == believed


def test_one_sentinels_epoch_for_the_master_hides_no_failover_of_the_others() -> None:
    """An epoch that one Sentinel gives the believed master hides no failover of the others."""
    told = Scenario()
    told.tell(S1, snapshot(A, 10**6))
    assert told.watch.topology.masters["mymaster"].epoch == 0
    fails_over_honestly(told)
    assert [(switch.new, switch.epoch) for switch in told.switches] == [(B, 1)]


def test_one_sentinels_epoch_for_a_true_failover_yields_to_the_majoritys() -> None:
    """The epoch that one Sentinel gave a true failover yields to what a majority gives."""
    told = Scenario()
    told.fail_over(S2, 1)
    told.tell(None, Probe(B, "slave", following=A))
    told.fail_over(S1, 10**6)
    told.tell(None, Probe(B, "master"))
    for name in HONEST:
        told.switch(name)
        told.tell(name, snapshot(B, 1))
    assert [(switch.new, switch.epoch) for switch in told.switches] == [(B, 10**6)]
    for _ in range(3):
        told.wait(SETTLE)
        others_answer(told, B, 1)
    state = told.watch.topology.masters["mymaster"]
    assert (state.address, state.epoch, state.incarnation) == (B, 1, 1)
    told.fail_over(S2, 2, B, C)
    told.tell(None, Probe(C, "slave", following=B), Probe(C, "master"))
    assert [(switch.new, switch.epoch) for switch in told.switches[1:]] == [(C, 2)]


def test_answer_that_lies_about_a_run_id_makes_no_two_nodes_one() -> None:
    told = Scenario()
    run_id = f"{A.port:040x}"
    told.tell(S1, snapshot(A, 0, run_ids=lambda address: f"{B.port:040x}"))
    assert NoticeKind.TWO_NAMES not in told.notices
    told.tell(S1, snapshot(X, 999, run_ids=lambda address: run_id))
    fails_over_honestly(told)
    assert [switch.new for switch in told.switches] == [B]


def test_silent_node_of_one_sentinel_is_not_followed_when_its_time_is_over() -> None:
    told = Scenario()
    forge(told)
    assert asked(told) == set(HONEST), "at once, so that they have answered when the node's time is over"
    others_answer(told)
    told.wait(60.0)
    assert told.switches == []


def test_run_id_that_a_sentinel_made_up_for_what_it_announces_keeps_nobody_there() -> None:
    told = Scenario()
    for name in HONEST:
        told.down(name)
    run_ids = dict.fromkeys((X, A), f"{A.port:040x}")
    told.fail_over(S1, 999, A, X)
    told.promote(S1, A, X)
    told.tell(S1, snapshot(X, 999, run_ids=run_ids.__getitem__))
    told.wait(3.0)
    assert [switch.new for switch in told.switches] == [X], "there is nobody else to ask"
    for name in HONEST:
        told.up(name, A, 0)
    told.wait(SETTLE + 5.0)
    assert told.watch.address("mymaster") == A


def test_sentinels_that_contradicted_and_were_lost_then_have_contradicted() -> None:
    told = Scenario()
    forge(told)
    others_answer(told)
    for name in HONEST:
        told.down(name)
    told.tell(None, Probe(X, None, "connection refused"))
    told.wait(SETTLE - 1.0)
    assert told.switches == []


def test_leader_that_announces_what_no_majority_holds_leaves_no_promotion_early() -> None:
    told = Scenario()
    told.fail_over(S1, 1)
    told.tell(None, Probe(B, "slave", following=A), Probe(B, "master"))
    told.switch(S1, A, X)
    others_answer(told)
    told.wait(2.0)
    assert [switch.new for switch in told.switches] == [B]


@pytest.mark.parametrize("policy", [Grade.ANNOUNCED, Grade.PROMOTED])
def test_stranger_that_answers_role_master_proves_nothing(policy: Grade) -> None:
    told = Scenario(policy)
    for _ in range(3):
        told.fail_over(S1, 999, A, X)
        told.tell(None, Probe(X, "master"))
        assert told.watch.topology.masters["mymaster"].imminent is None
        forge(told)
        told.tell(None, Probe(X, "master"))
        others_answer(told)
        told.wait(SETTLE + 1.0)
    assert (told.switches, told.watch.address("mymaster")) == ([], A)
    assert NoticeKind.NOT_FOLLOWED in told.notices
    fails_over_honestly(told, 1000)
    assert [(switch.new, switch.grade) for switch in told.switches[:1]] == [(B, Grade.PROMOTED)]


def test_stranger_that_answers_role_master_proves_no_more_than_its_announcer() -> None:
    """A stranger that answers ROLE master has no more weight than the Sentinel that announces it."""
    told = Scenario()
    for name in HONEST:
        told.tell(name, snapshot(A, 0, replicas=[B, C], flags=["s_down"]))
    forge(told, 1)
    told.tell(None, Probe(X, "master"))
    others_answer(told, flags=("s_down",))
    told.wait(SETTLE - 0.1)
    assert told.switches == []
    told.wait(0.2)
    assert [(switch.new, switch.grade) for switch in told.switches] == [(X, Grade.ANNOUNCED)]
    assert told.switches[0].why.endswith("the node answers ROLE master, but most Sentinels do not list it")


def test_stranger_that_a_majority_follows_is_one_no_longer() -> None:
    told = Scenario()
    told.fail_over(S1, 1, A, X)
    told.tell(None, Probe(X, "master"))
    told.promote(S1, A, X)
    others_answer(told)
    assert told.switches == []
    told.switch(S2, A, X)
    assert [(switch.new, switch.grade) for switch in told.switches] == [(X, Grade.PROMOTED)]


def test_replicas_that_most_sentinels_do_not_list_all_of_are_no_strangers() -> None:
    for replicas in (None, [B]):  # refused; with `replica-announced no`
        told = Scenario(started=False)
        for name in (S1, S2, S3):
            told.tell(name, LinkChange(LinkState.LIVE, run_id=IDS[name]), snapshot(A, 0, replicas=replicas))
            told.tell(name, SnapshotEnd(("mymaster",)))
        told.fail_over(S1, 1, A, C)
        told.tell(None, Probe(C, "master"))
        assert [(switch.new, switch.grade) for switch in told.switches] == [(C, Grade.PROMOTED)]


def test_replica_is_known_once_both_sentinels_that_list_have_found_it() -> None:
    """A replica that one of two listing Sentinels has not found yet is known as soon as it has."""
    told = Scenario()
    told.down(S3)
    told.say(S1, f"+slave slave {X} {X.host} {X.port} @ {AT_A}")
    told.fail_over(S1, 1, A, X)
    told.tell(None, Probe(X, "master"))
    assert told.switches == []
    told.say(S2, f"+slave slave {X} {X.host} {X.port} @ {AT_A}")
    told.promote(S1, A, X)
    assert [(switch.new, switch.grade) for switch in told.switches] == [(X, Grade.PROMOTED)]


def test_stranger_with_the_run_id_of_a_replica_proves_nothing() -> None:
    told = Scenario()
    run_ids = {A: f"{A.port:040x}", B: f"{B.port:040x}", X: f"{B.port:040x}"}
    for name in (S1, *HONEST):
        nodes = [X] if name == S1 else [B]
        told.tell(name, snapshot(A, 0, replicas=[*nodes, C], run_ids=lambda node: run_ids.get(node, "")))
    told.fail_over(S1, 999, A, X)
    told.tell(None, Probe(X, "master"), Probe(B, "slave", following=A))
    assert told.switches == []
    told.switch(S1, A, X)
    told.tell(None, Probe(X, "master"))
    others_answer(told)
    told.wait(SETTLE + 1.0)
    assert (told.switches, told.watch.address("mymaster")) == ([], A)
