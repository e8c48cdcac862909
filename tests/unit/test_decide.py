"""The rules of `decide`, on the belief of one master."""

from __future__ import annotations

from pathlib import Path

from switchmaster.belief.decide import Belief
from switchmaster.belief.decisions import StartProbe, Switch
from switchmaster.belief.standing import ABANDONED, SETTLE, UNSEEN
from switchmaster.model import LIMITS, Address, Cause, Grade, Moment, SentinelName, Via
from switchmaster.wire.facts import Probe

S1, S2, S3 = SENTINELS = [SentinelName(f"127.0.0.1:2701{number}") for number in (1, 2, 3)]
A, B, C = (Address("127.0.0.1", 27000 + number) for number in (1, 2, 3))


def at(now: float) -> Moment:
    return Moment(now, None)


def belief_at(address: Address, epoch: int, probing: bool = False, policy: Grade = Grade.PROMOTED) -> Belief:
    belief = Belief("default", "mymaster", policy, probing, 1.0)
    for name in SENTINELS:
        belief.answered(name, address, epoch, at(0.0))
    belief.establish(at(0.0))
    belief.decisions()
    return belief


def switches(belief: Belief) -> list[tuple[Address, int | None]]:
    return [(d.new, d.epoch) for d in belief.decisions() if isinstance(d, Switch)]


def test_belief_follows_an_answer_of_a_higher_epoch() -> None:
    belief = belief_at(A, 1)
    belief.answered(S2, B, 2, at(1.0))
    assert switches(belief) == []
    belief.answered(S3, B, 2, at(1.1))
    assert switches(belief) == [(B, 2)]
    belief.answered(S1, B, 2, at(1.2))
    assert switches(belief) == []
    assert belief.switch is not None
    assert belief.switch.witnesses == (S2, S3, S1)


def test_belief_is_not_moved_by_an_answer_of_the_same_or_a_lower_epoch() -> None:
    belief = belief_at(A, 5)
    for epoch in (5, 4, 0):
        belief.answered(S2, B, epoch, at(1.0))
    assert (belief.address, belief.epoch) == (A, 5)
    assert belief.stale_answers == 3


def test_belief_settles_an_unknown_epoch_by_each_sentinels_switches() -> None:
    """An unknown epoch is settled by the number of switches that each Sentinel has made."""
    belief = Belief("default", "mymaster", Grade.ANNOUNCED, False, 1.0)
    for name in SENTINELS:
        belief.mentioned(name, A, False, 0.0)
    for name, new, old in ((S1, B, A), (S1, A, B), (S2, B, A), (S2, A, B), (S3, B, A), (S3, A, B)):
        belief.announced(name, new, old, None, Via.SWITCH, False, at(1.0))
    assert switches(belief) == [(B, None), (A, None)]


def test_belief_takes_a_settled_majority_elsewhere_for_a_new_incarnation() -> None:
    """A majority that gives another address counts as a new incarnation once it has settled."""
    belief = belief_at(A, 5)
    for name in (S1, S2):
        belief.answered(name, C, 1, at(2.0))
    assert belief.deadline == 2.0 + SETTLE
    belief.tick(at(2.0 + SETTLE - 0.1))
    assert switches(belief) == []
    belief.tick(at(2.0 + SETTLE))
    assert switches(belief) == [(C, 1)]
    assert belief.switch is not None
    assert (belief.incarnation, belief.switch.cause) == (1, Cause.UNKNOWN)


def test_belief_stays_when_the_node_of_a_new_incarnation_denies_being_a_master() -> None:
    belief = belief_at(A, 5, probing=True)
    for name in (S1, S2):
        belief.answered(name, C, 1, at(2.0))
    belief.tick(at(20.0))
    belief.probed(Probe(C, "slave", following=A), at(20.1))
    belief.tick(at(60.0))
    assert belief.address == A


def test_belief_waits_for_the_epoch_of_an_announcement_under_the_policy_agreed() -> None:
    for answered, expected in ((6, [(B, 6)]), (4, [])):
        belief = belief_at(A, 5, policy=Grade.AGREED)
        for name in (S1, S2):
            belief.announced(name, B, A, None, Via.SWITCH, True, at(1.0))
        assert switches(belief) == []
        belief.answered(S1, B, answered, at(1.1))
        assert switches(belief) == expected


def test_belief_never_shows_an_epoch_below_one_that_it_had() -> None:
    belief = belief_at(A, 5)
    belief.announced(S1, B, A, None, Via.SWITCH, True, at(1.0))
    belief.tick(at(2.0))
    belief.tick(at(2.0 + SETTLE))
    assert switches(belief) == [(B, None)]
    belief.answered(S1, B, 4, at(2.1 + SETTLE))
    assert belief.epoch is None
    belief.answered(S2, B, 6, at(2.2 + SETTLE))
    assert belief.epoch == 6


def test_belief_learns_no_epoch_from_an_answer_of_an_earlier_one() -> None:
    belief = belief_at(A, 2)
    belief.announced(S1, B, A, None, Via.SWITCH, True, at(3.0))
    belief.tick(at(4.0))
    belief.tick(at(4.0 + SETTLE))
    assert switches(belief) == [(B, None)]
    belief.answered(S2, B, 1, at(5.0 + SETTLE))
    assert belief.epoch is None
    belief.answered(S1, B, 3, at(6.0 + SETTLE))
    assert belief.epoch == 3


def remove_and_monitor(belief: Belief, names: list[SentinelName], address: Address) -> None:
    for name in SENTINELS:
        belief.forgotten(name, at(2.0))
    for name in names:
        belief.monitored(name, address, True, at(3.0))
        belief.answered(name, address, 0, at(3.0))


def test_belief_takes_the_first_of_three_that_monitors_again_for_no_majority() -> None:
    """The first of three Sentinels that monitors the master again is no majority."""
    belief = belief_at(A, 5, policy=Grade.AGREED)
    remove_and_monitor(belief, [S1], C)
    assert belief.voters.count == 3
    assert switches(belief) == []
    belief.monitored(S2, C, True, at(4.0))
    belief.answered(S2, C, 0, at(4.0))
    assert switches(belief) == [(C, 0)]


def test_belief_counts_a_sentinel_that_stays_in_the_old_incarnation_for_long() -> None:
    """A Sentinel that never left the previous incarnation counts when it has not caught up for long."""
    belief = belief_at(A, 0)
    for name in (S1, S2):
        belief.forgotten(name, at(2.0))
        belief.monitored(name, C, True, at(3.0))
        belief.answered(name, C, 0, at(3.0))
    assert switches(belief) == [(C, 0)]
    belief.forgotten(S2, at(4.0))
    belief.monitored(S2, A, True, at(5.0))
    belief.answered(S2, A, 0, at(5.0))
    belief.answered(S3, A, 0, at(5.0))
    assert switches(belief) == []
    belief.tick(at(3.0 + SETTLE))
    belief.answered(S3, A, 0, at(3.0 + SETTLE))
    assert belief.deadline == 4.0 + SETTLE, "S2 has come back, and counts once"
    belief.tick(at(4.0 + SETTLE))
    assert switches(belief) == []
    belief.tick(at(5.0 + SETTLE))
    assert switches(belief) == [(A, 0)]


def test_belief_counts_the_sentinels_known_to_one_that_stopped_monitoring() -> None:
    belief = Belief("default", "mymaster", Grade.AGREED, False, 1.0)
    belief.answered(S1, A, 5, at(1.0))
    belief.view(S1).others = 4
    belief.establish(at(1.0))
    belief.forgotten(S1, at(2.0))
    belief.monitored(S1, C, True, at(3.0))
    belief.answered(S1, C, 0, at(3.0))
    assert (belief.voters.count, switches(belief)) == (5, [])


def test_belief_counts_a_sentinel_that_stopped_monitoring_for_a_while() -> None:
    belief = belief_at(A, 5)
    remove_and_monitor(belief, [S1], C)
    assert belief.deadline == 2.0 + SETTLE
    belief.tick(at(2.0 + SETTLE))
    assert belief.voters.count == 1
    assert switches(belief) == [(C, 0)]


def promoted_and_announced_by_nobody() -> Belief:
    belief = belief_at(A, 1, probing=True)
    belief.named(S1, B, 2, at(1.0))
    belief.probed(Probe(B, "master"), at(1.1))
    assert switches(belief) == [(B, 2)]
    return belief


def test_connection_that_the_believed_node_ends_undoes_nothing() -> None:
    belief = promoted_and_announced_by_nobody()
    belief.probed(Probe(B, None, "the node closed the connection", ended=True), at(1.2))
    for name in (S2, S3):
        belief.answered(name, A, 1, at(1.2))
    belief.tick(at(1.2 + SETTLE))
    assert belief.address == B
    assert belief.imminent is None


def test_belief_gives_up_a_promotion_soon_if_its_leader_fell_silent_before() -> None:
    """A promotion is given up soon if its leader fell silent before it announced it."""
    belief = promoted_and_announced_by_nobody()
    belief.lost(S1)
    belief.tick(at(1.1 + ABANDONED))
    assert belief.deadline is not None
    assert switches(belief) == [], "the other has to prove that it is a master"
    belief.tick(at(1.1 + UNSEEN - 1.0))
    assert switches(belief) == []
    belief.probed(Probe(A, "master"), at(1.2 + UNSEEN - 1.0))
    assert switches(belief) == [(A, 1)]


def test_belief_holds_a_promotion_longer_if_its_leader_fell_silent_after() -> None:
    """A promotion stands longer if its leader fell silent after it announced it."""
    belief = promoted_and_announced_by_nobody()
    belief.announced(S1, B, A, 2, Via.PROMOTED, True, at(1.2))
    belief.lost(S1)
    belief.tick(at(1.1 + UNSEEN - 1.0))
    belief.probed(Probe(A, "master"), at(1.1 + UNSEEN - 0.5))
    assert switches(belief) == []
    belief.tick(at(1.1 + UNSEEN))
    belief.probed(Probe(A, "master"), at(1.2 + UNSEEN))
    assert switches(belief) == [(A, 1)]


def test_belief_gives_up_an_unannounced_promotion_for_a_healthy_majority() -> None:
    """A promotion that no Sentinel announces gives way to a majority whose master elsewhere is healthy."""
    belief = promoted_and_announced_by_nobody()
    belief.tick(at(1.1 + UNSEEN - 0.1))
    assert belief.address == B
    assert belief.deadline == 1.1 + UNSEEN, "its leader is heard, and may be about to say so"
    belief.tick(at(1.1 + UNSEEN))
    belief.probed(Probe(A, "master"), at(1.2 + UNSEEN))
    assert switches(belief) == [(A, 1)]


def test_belief_leaves_a_promotion_when_its_leader_joins_the_majority() -> None:
    """A promotion is left at once when its own leader follows another master that a majority gives."""
    #  Two Sentinels led a failover of one dead master, 0.8 s apart (seen in chaos): the one with the higher epoch took
    # the other's outcome, and the node that it had promoted itself went on as a master until it was demoted, 10 s
    # later.
    belief = promoted_and_announced_by_nobody()
    belief.named(S2, C, 3, at(1.2))
    belief.probed(Probe(C, "master"), at(1.3))
    assert switches(belief) == [(C, 3)]
    for name in (S1, S2, S3):
        belief.announced(name, B, A, 2, Via.SWITCH, True, at(1.4))
        belief.answered(name, B, 2, at(1.4))
    belief.probed(Probe(C, "master"), at(1.5))
    belief.probed(Probe(B, "master"), at(1.6))
    assert switches(belief) == [(B, 2)]
    assert (belief.incarnation, belief.switch and belief.switch.cause) == (1, Cause.FAILOVER)


def test_promotion_stands_when_a_sentinel_other_than_its_leader_follows_another() -> None:
    belief = promoted_and_announced_by_nobody()
    belief.named(S2, C, 3, at(1.2))
    belief.probed(Probe(C, "master"), at(1.3))
    assert switches(belief) == [(C, 3)]
    for name in (S1, S3):
        belief.announced(name, B, A, 2, Via.SWITCH, True, at(1.4))
        belief.answered(name, B, 2, at(1.4))
    belief.probed(Probe(B, "master"), at(1.6))
    assert switches(belief) == []


def test_promotion_stands_while_the_majority_finds_its_own_master_down() -> None:
    belief = promoted_and_announced_by_nobody()
    for name in SENTINELS:
        belief.view(name).sdown = True
    belief.tick(at(1.1 + 2 * UNSEEN))
    assert belief.address == B


def test_belief_waits_for_no_node_under_the_policy_announced() -> None:
    belief = belief_at(A, 0, probing=True, policy=Grade.ANNOUNCED)
    belief.named(S1, B, 1, at(1.0))
    assert belief.address == A
    belief.announced(S1, B, A, 1, Via.PROMOTED, True, at(1.1))
    assert belief.address == A, "two others have not been heard since"
    belief.announced(S2, B, A, 1, Via.SWITCH, True, at(1.2))
    assert belief.address == B


def test_belief_keeps_no_more_candidates_than_its_limit() -> None:
    """No more candidates are kept than the limit, and the nodes of dropped ones are no longer asked."""
    belief = belief_at(A, 0, probing=True)
    nodes = [Address("127.0.0.1", 20000 + number) for number in range(50)]
    probes = 0
    for number, node in enumerate(nodes, 1):
        belief.named(S1, node, number, at(1.0))
        for decision in belief.decisions():
            probes += 1 if isinstance(decision, StartProbe) else -1
    assert 0 < probes <= 8


def test_belief_remembers_no_more_switches_than_its_limit() -> None:
    belief = belief_at(A, 0)
    for name in (S2, S3):
        belief.gone(name)
    for epoch in range(1, 3 * LIMITS.transitions):
        belief.answered(S1, (A, B)[epoch % 2], epoch, at(float(epoch)))
    assert belief.epoch == 3 * LIMITS.transitions - 1
    assert belief.view(S1).index == 3 * LIMITS.transitions - 1
    belief.answered(S3, B, 1, at(999.0))
    assert belief.address == (A, B)[belief.epoch % 2]


def test_belief_waits_as_long_as_the_documents_say() -> None:
    text = (Path(__file__).parents[2] / "docs" / "topics" / "how-it-decides.md").read_text(encoding="utf-8")
    assert (ABANDONED, SETTLE, UNSEEN) == (5.0, 10.0, 30.0)
    assert all(f"{seconds} s" in text for seconds in (5, 10, 30))
