"""What proves a master's death: all kinds of witnesses together, and never silence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rig.guard_cases import SENTINELS, A, B, C, D, node, sample, word
from switchmaster.guard.evidence import Dialled, ProcessState, Sample, doubts
from switchmaster.model import Address, SentinelName

CONNECTED = {"flags": frozenset({"master"})}
LIVING = Sample(
    A,
    100.0,
    Dialled.ACCEPTED,
    tuple(word(name, master=CONNECTED) for name in SENTINELS),
    (node(B, link_up=True), node(C, link_up=True)),
)


def proves(found: Sample, sentinels: int = 3, replicas: tuple[Address, ...] = (B, C)) -> bool:
    return not doubts(found, sentinels, replicas)


def test_all_kinds_of_witnesses_together_prove_a_death() -> None:
    assert proves(sample())
    assert len(doubts(LIVING, 3, (B, C))) == 3


@pytest.mark.parametrize("kind", ["dialled", "sentinels", "replicas"])
def test_one_kind_of_witness_alone_never_suffices(kind: str) -> None:
    alone = replace(LIVING, **{kind: getattr(sample(), kind)})
    assert len(doubts(alone, 3, (B, C))) == 2


@pytest.mark.parametrize("kind", ["dialled", "sentinels", "replicas"])
def test_two_kinds_of_witnesses_never_suffice(kind: str) -> None:
    lacking = replace(sample(), **{kind: getattr(LIVING, kind)})
    assert len(doubts(lacking, 3, (B, C))) == 1


@pytest.mark.parametrize("kind", ["sentinels", "replicas"])
def test_silence_of_all_witnesses_of_a_kind_is_no_evidence(kind: str) -> None:
    assert not proves(replace(sample(), **{kind: ()}))


@pytest.mark.parametrize("dialled", [each for each in Dialled if each is not Dialled.REFUSED])
def test_only_a_refused_connect_is_evidence(dialled: Dialled) -> None:
    assert not proves(sample(dialled=dialled))


def test_process_that_runs_on_this_host_outweighs_all_witnesses() -> None:
    assert doubts(sample(process=ProcessState.RUNNING), 3, (B, C)) == ("its process runs",)
    assert proves(sample(process=ProcessState.GONE))
    assert not proves(replace(LIVING, process=ProcessState.GONE))


@pytest.mark.parametrize(("known", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_majority_is_of_all_sentinels_that_are_known(known: int, needed: int) -> None:
    names = [SentinelName(f"10.0.0.{number}:26379") for number in range(1, known + 1)]
    for answering in range(known + 1):
        words = tuple(word(name) for name in names[:answering])
        assert proves(sample(sentinels=words), known) is (answering >= needed)


@pytest.mark.parametrize(("known", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_majority_is_of_all_replicas_that_are_known(known: int, needed: int) -> None:
    nodes = tuple(Address(f"10.0.2.{number}", 6379) for number in range(known))
    for answering in range(known + 1):
        reports = tuple(node(each) for each in nodes[:answering])
        assert proves(sample(replicas=reports), replicas=nodes) is (answering >= needed)


def test_master_without_replicas_is_never_proved_dead() -> None:
    assert not proves(sample(replicas=()), replicas=())


@pytest.mark.parametrize("known", [3, 5])
def test_one_sentinel_that_lies_neither_proves_nor_hides_a_death(known: int) -> None:
    names = [SentinelName(f"10.0.0.{number}:26379") for number in range(1, known + 1)]
    dead = [word(name) for name in names]
    alive = [word(name, master=CONNECTED) for name in names]
    assert proves(sample(sentinels=(alive[0], *dead[1:])), known)
    assert not proves(sample(sentinels=(dead[0], *alive[1:])), known)


def test_sentinel_counts_once_however_often_it_speaks() -> None:
    assert not proves(sample(sentinels=(word(SENTINELS[0]),) * 3))
    assert not proves(sample(replicas=(node(B),) * 2))


def test_sentinel_that_speaks_of_another_master_is_no_witness() -> None:
    moved = [word(name, master={"address": B}) for name in SENTINELS[:2]]
    assert not proves(sample(sentinels=(*moved, word(SENTINELS[2]))))


def test_replica_of_another_master_is_no_witness() -> None:
    assert not proves(sample(replicas=(node(B), node(C, following=D))))
    assert not proves(sample(replicas=(node(B), node(C, following=None, link_up=None, role="master"))))


def test_stranger_is_no_witness() -> None:
    assert not proves(sample(replicas=(node(B), node(D))))


def test_replica_that_still_has_its_link_speaks_for_the_master() -> None:
    assert not proves(sample(replicas=(node(B), node(C, link_up=True))))
    assert not proves(sample(replicas=(node(B), node(C, link_up=None))))


def test_each_doubt_has_its_words() -> None:
    found = replace(LIVING, dialled=Dialled.SILENT, process=ProcessState.RUNNING)
    assert doubts(found, 3, (B, C)) == (
        "its process runs",
        "it did not refuse our connection: silence proves nothing",
        "0 of 3 Sentinels are disconnected from it, which is no majority",
        "0 of 2 replicas have lost it, which is no majority",
    )
    assert doubts(replace(sample(), dialled=Dialled.ACCEPTED), 3, (B, C)) == ("it accepts connections",)
    assert "was not refused" in doubts(sample(dialled=Dialled.FAILED), 3, (B, C))[0]
    assert "at its own address" in doubts(sample(dialled=Dialled.INDIRECT), 3, (B, C))[0]
