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
