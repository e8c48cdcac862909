"""The tree and the table of a topology, drawn from values."""

from __future__ import annotations

from switchmaster.belief.topology import Health, MasterState, Opinion, ReplicaState, SentinelState, Topology
from switchmaster.cli.tree import master_rows, topology_tree
from switchmaster.model import Address, Grade, SentinelName
from switchmaster.wire.facts import LinkState

S1, S2 = SentinelName("s1:26379"), SentinelName("s2:26379")
OLD, NEW = Address("10.0.0.1", 6379), Address("fe80::2", 6379)


def master() -> MasterState:
    return MasterState(
        name="mymaster",
        address=NEW,
        epoch=3,
        incarnation=0,
        grade=Grade.AGREED,
        health=Health.SUSPECTED,
        down_by=(S1,),
        quorum=2,
        replicas=(
            ReplicaState(OLD, (S1, S2), False, 900, 100),
            ReplicaState(Address("10.0.0.3", 6379), (), True, 1000, 0),
        ),
        opinions=(Opinion(S1, NEW, 3, True, True), Opinion(S2, OLD, 2, True, False)),
        failover=None,
        switch=None,
    )


def topology() -> Topology:
    sentinels = {
        S1: SentinelState(S1, None, "valkey 9.1.2", LinkState.LIVE, "", True, True),
        S2: SentinelState(S2, None, "", LinkState.DOWN, "connection refused", False, False),
    }
    return Topology("kvdb", {"mymaster": master()}, sentinels, 1)


def text(lines: list[tuple[tuple[str, str], ...]]) -> list[str]:
    return ["".join(part for part, _ in line).rstrip() for line in lines]


def test_tree_shows_replicas_opinions_and_links() -> None:
    assert text(topology_tree(topology())) == [
        "kvdb",
        "├─ mymaster  [fe80::2]:6379  suspected  epoch 3, quorum 2, grade agreed",
        "│  ├─ down, say s1:26379",
        "│  ├─ replica 10.0.0.1:6379  link DOWN, offset 900, 100 bytes behind the furthest  down, "
        "say s1:26379, s2:26379",
        "│  ├─ replica 10.0.0.3:6379  link up, offset 1000, priority 0: never promoted",
        "│  ├─ 1 of 2 Sentinels agree",
        "│  └─ disagrees: s2:26379 gives 10.0.0.1:6379 at epoch 2",
        "└─ Sentinels",
        "   ├─ s1:26379  heard  valkey 9.1.2  TILT: it starts no failover",
        "   └─ s2:26379  down: connection refused  discovered",
    ]


def test_table_has_one_line_a_master() -> None:
    assert text(master_rows([master()])) == [
        "mymaster  [fe80::2]:6379  suspected     epoch 3     2 replicas, 1 of 2 Sentinels agree"
    ]
