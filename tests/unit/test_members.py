"""Which Sentinels vote, and how they join and leave."""

from __future__ import annotations

from recorded.answers import snapshot
from rig.scenario import IDS, S1, S2, S3, SENTINELS, A, Scenario
from switchmaster.belief.decisions import Connect
from switchmaster.belief.members import Members
from switchmaster.belief.roster import LEAVE
from switchmaster.belief.watch import Watch
from switchmaster.model import LIMITS, Address, Grade, Moment, RunId, SentinelName
from switchmaster.wire.facts import LinkChange, LinkState, Probe, SnapshotEnd

PUPPETS = [Address("127.0.0.2", 20000 + number) for number in range(10)]
X = Address("127.0.0.1", 29999)


def named(*ports: int) -> list[tuple[RunId, Address]]:
    return [(RunId(f"{port:040x}"), Address("127.0.0.1", port)) for port in ports]


def name_of(port: int) -> SentinelName:
    return SentinelName(f"127.0.0.1:{port}")


def bring_up(
    scene: Scenario, name: SentinelName, address: Address, epoch: int, others: list[tuple[RunId, Address]]
) -> None:
    run_id = IDS.get(name, RunId(f"{int(name.rpartition(':')[2]):040x}"))
    scene.tell(name, LinkChange(LinkState.LIVE, run_id=run_id))
    scene.tell(name, snapshot(address, epoch, others=len(others), sentinels=others), SnapshotEnd(("mymaster",)))


def with_puppets(scene: Scenario, puppeteer: SentinelName = S1) -> None:
    """Let one Sentinel name ten invented ones, which all repeat its words."""
    found = [(RunId(f"{each.port:040x}"), each) for each in PUPPETS]
    bring_up(scene, puppeteer, X, 999, found)
    for puppet in PUPPETS:
        bring_up(scene, SentinelName(str(puppet)), X, 999, found)
    scene.tell(None, Probe(X, "master"))
    scene.wait(60.0)


def test_ten_puppets_of_one_sentinel_in_three_agree_on_nothing() -> None:
    for dead in ([], [S2], [S2, S3]):
        scene = Scenario(Grade.AGREED)
        for name in dead:
            scene.down(name)
        with_puppets(scene)
        assert scene.watch.address("mymaster") == A
        assert scene.switches == []
        assert len(scene.of(Connect)) == len(PUPPETS), "they are heard all the same"


def test_puppets_agree_on_nothing_when_the_other_seeds_never_answered() -> None:
    scene = Scenario(Grade.AGREED, started=False)
    bring_up(scene, S1, A, 0, [])
    scene.wait(2.0)
    with_puppets(scene)
    state = scene.watch.topology.masters["mymaster"]
    assert (state.address, scene.switches) == (A, [])
    assert state.grade < Grade.AGREED


def test_sentinel_that_overstates_how_many_there_are_makes_no_agreement_impossible() -> None:
    scene = Scenario(Grade.AGREED)
    scene.tell(S1, snapshot(A, 0, others=10**6))
    for name in (S2, S3):
        scene.tell(name, snapshot(X, 1))
    scene.tell(None, Probe(X, "master"))
    assert [switch.new for switch in scene.switches] == [X]


def test_seeds_that_are_one_sentinel_vote_once() -> None:
    scene = Scenario(Grade.AGREED, started=False)
    scene.tell(S3, LinkChange(LinkState.LIVE, run_id=IDS[S3]))
    scene.tell(S3, snapshot(A, 0, others=1), SnapshotEnd(("mymaster",)))
    for name in (S1, S2):
        scene.tell(name, LinkChange(LinkState.LIVE, run_id=IDS[S1]))
        scene.tell(name, snapshot(X, 5, others=1), SnapshotEnd(("mymaster",)))
    scene.wait(30.0)
    assert scene.watch.topology.masters["mymaster"].grade < Grade.AGREED


def test_one_seed_names_the_rest() -> None:
    watch = Watch([S1], policy=Grade.AGREED)
    watch.observe(S1, LinkChange(LinkState.LIVE, run_id=IDS[S1]), Moment(1.0))
    watch.observe(S1, snapshot(A, 0, others=2, sentinels=named(27012, 27013)), Moment(1.0))
    watch.observe(S1, SnapshotEnd(("mymaster",)), Moment(1.0))
    assert set(watch._roster.members) == set(SENTINELS)
    assert watch._masters.by_name["mymaster"].belief.voters.count == 3


def test_seeds_alone_vote_without_discovery() -> None:
    watch = Watch([S1, S2], policy=Grade.AGREED, discover=False)
    for name in (S1, S2):
        watch.observe(name, LinkChange(LinkState.LIVE, run_id=IDS[name]), Moment(1.0))
        watch.observe(name, snapshot(A, 0, others=4, sentinels=named(27013, 27014, 27015)), Moment(1.0))
        watch.observe(name, SnapshotEnd(("mymaster",)), Moment(1.0))
    assert watch._masters.by_name["mymaster"].belief.voters.count == 2
    assert watch.topology.masters["mymaster"].grade is Grade.AGREED


def test_all_sentinels_are_replaced_one_by_one_and_the_new_ones_agree() -> None:
    scene = Scenario(Grade.AGREED, started=False)
    ports = [27011, 27012, 27013]
    for port in ports:
        bring_up(scene, name_of(port), A, 0, named(*(p for p in ports if p != port)))
    for new in (27014, 27015, 27016):
        old, ports = ports[0], [*ports, new]
        for port in ports:
            bring_up(scene, name_of(port), A, 0, named(*(p for p in ports if p != port)))
        scene.down(name_of(old))
        ports.remove(old)
        for port in ports:  # SENTINEL RESET
            bring_up(scene, name_of(port), A, 0, named(*(p for p in ports if p != port)))
        scene.wait(LEAVE + 1.0)
    assert set(scene.watch._roster.members) == {name_of(port) for port in (27014, 27015, 27016)}
    for port in (27014, 27015):
        scene.tell(name_of(port), snapshot(X, 1, sentinels=named(*(p for p in ports if p != port))))
    assert [switch.grade for switch in scene.switches] == [Grade.AGREED]


def test_fewer_than_a_majority_neither_add_nor_remove_a_member() -> None:
    members = Members(["a", "b", "c"], grows=True)  # type: ignore[list-item]
    for number in range(3 * LIMITS.sentinels):
        members.name(SentinelName("a"), SentinelName(f"puppet-{number}"))
        members.name(SentinelName(f"puppet-{number}"), SentinelName(f"puppet-{number + 1}"))
    assert list(members) == ["a", "b", "c"]
    assert len(members._named[SentinelName("a")]) == LIMITS.sentinels
    lists = {SentinelName("a"): frozenset[SentinelName]()}
    assert not members.missing(SentinelName("b"), lists)
    assert members.missing(SentinelName("b"), lists | {SentinelName("c"): frozenset()})
    members.name(SentinelName("b"), SentinelName("puppet-0"))
    assert SentinelName("puppet-0") in members
