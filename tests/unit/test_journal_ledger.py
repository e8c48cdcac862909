"""The ledger beside a Watch that asks: what it learns of a switch after it was decided."""

from __future__ import annotations

from served import S1, SENTINELS, A, B, C, Told
from switchmaster.core.facts import Probe
from switchmaster.core.model import Address
from switchmaster.core.watch import Watch
from switchmaster.journal.accounts import Account
from switchmaster.journal.entries import Entry, SwitchSeen
from switchmaster.journal.ledger import Ledger


def asking() -> Told:
    """A deployment whose nodes are asked for their ROLE, heard from the middle of a failover on."""
    told = Told(up=False)
    told.watch = Watch(SENTINELS, deployment="kvdb")
    told.ledger = Ledger("kvdb", told.watch.state)
    for name in SENTINELS:
        told.answer(name)
    return told


def promote(told: Told, old: Address, new: Address) -> None:
    """Let the first Sentinel select a node at an epoch that nobody names, and the node be a master."""
    of = f"mymaster1 {old.host} {old.port}"
    told.say(S1, f"+elected-leader master {of}", f"+selected-slave slave {new} {new.host} {new.port} @ {of}")
    told.tell(None, Probe(new, "master"))


def learned(told: Told) -> list[Entry]:
    return list(told.ledger.end_turn(told.now))


def epochs(entries: list[Entry]) -> list[tuple[type[Entry], Address | None, int | None]]:
    return [(type(one), one.new, one.epoch) for one in entries if isinstance(one, Account | SwitchSeen)]


def test_epoch_of_a_switch_is_told_in_the_turn_in_which_a_sentinel_answers_with_it() -> None:
    told = asking()
    promote(told, A, B)
    assert epochs(told.entries)[-1] == (SwitchSeen, B, None)
    assert learned(told) == []
    told.answer(S1, B, 7)
    assert epochs(learned(told)) == [(Account, B, 7), (SwitchSeen, B, 7)]
    assert learned(told) == []


def test_epoch_of_the_next_switch_is_none_of_the_last() -> None:
    told = asking()
    promote(told, A, B)
    promote(told, B, C)
    told.answer(S1, C, 8)
    assert epochs(learned(told)) == [(Account, C, 8), (SwitchSeen, C, 8)]


def give_up(told: Told, new: Address, old: Address) -> None:
    """Let the promoted node be a replica again, and the one before answer that it is the master."""
    told.now += 1
    told.tell(None, Probe(new, "slave"), Probe(old, "master"))


def outcomes(told: Told) -> list[tuple[int | None, str, bool, bool]]:
    """Return what became of each account in the end."""
    told.entries += learned(told)
    last = {one.number: one for one in told.entries if isinstance(one, Account)}
    return [(one.epoch, one.outcome, one.closed, one.missed) for one in last.values()]


def test_promotion_that_was_given_up_is_an_aborted_failover_and_the_way_back_none() -> None:
    told = asking()
    promote(told, A, B)
    give_up(told, B, A)
    [way, back] = [one for one in told.entries if isinstance(one, SwitchSeen)]
    assert (way.new, back.new, back.incarnation) == (B, A, 1)
    assert outcomes(told) == [(None, "aborted", True, False)]
    last = [one for one in told.entries if isinstance(one, Account)][-1]
    assert last.line["reason"].startswith("the promotion was given up, and the master is 10.0.1.1:6379 again: ")


def test_failover_whose_leader_comes_back_after_the_way_back_is_completed_after_all() -> None:
    told = asking()
    promote(told, A, B)
    give_up(told, B, A)
    told.now += 30
    told.answer(S1, B, 7)
    told.tell(None, Probe(B, "master"))
    assert [one.new for one in told.entries if isinstance(one, SwitchSeen)] == [B, A, B]
    assert outcomes(told) == [(7, "completed", True, False)]
