"""Which Sentinels are dialled, heard and dropped."""

from __future__ import annotations

from switchmaster.belief.decisions import Connect, Disconnect
from switchmaster.belief.roster import FORGET, LEAVE, RECHECK, KnownSentinel, Roster
from switchmaster.model import LIMITS, Address, RunId, SentinelName
from switchmaster.wire.facts import LinkChange, LinkState

SEED = SentinelName("sentinel-1:26379")
ID, OTHER_ID = RunId("a" * 40), RunId("b" * 40)
FOUND = Address("127.0.0.1", 26379)


def live(roster: Roster, name: SentinelName, run_id: RunId, process: str = "", now: float = 0.0) -> KnownSentinel:
    sentinel = roster.sentinel(name)
    sentinel.state = LinkState.LIVE
    roster.live(sentinel, LinkChange(LinkState.LIVE, run_id=run_id, process=process), now)
    return sentinel


def down(roster: Roster, name: SentinelName, now: float) -> bool:
    sentinel = roster.sentinel(name)
    sentinel.state = LinkState.DOWN
    return roster.down(sentinel, now)


def test_roster_dials_a_discovered_sentinel_once() -> None:
    roster = Roster([SEED], asking=True, discover=True)
    for _ in range(3):
        roster.discovered(ID, FOUND, SEED)
    assert roster.decisions() == [Connect(SentinelName(str(FOUND)), FOUND, f"{SEED} knows it")]


def test_roster_dials_only_missing_sentinels_with_an_address_if_it_may() -> None:
    """A discovered Sentinel is not dialled if it is heard, has no address, or discovery is off."""
    roster = Roster([SEED], asking=True, discover=True)
    live(roster, SEED, ID)
    roster.discovered(ID, FOUND, SEED)
    roster.discovered(OTHER_ID, Address("127.0.0.1", 0), SEED)
    closed = Roster([SEED], asking=True, discover=False)
    closed.discovered(ID, FOUND, SEED)
    assert (roster.decisions(), closed.decisions()) == ([], [])


def test_roster_forgets_a_run_id_when_its_sentinel_comes_back_with_another() -> None:
    roster = Roster([SEED], asking=True, discover=True)
    for number in range(300):
        live(roster, SEED, RunId(f"{number:040x}"))
    assert roster.named(RunId(f"{299:040x}")) == SEED
    assert roster.named(RunId(f"{0:040x}")) is None
    assert len(roster._run_ids) == 1


def test_roster_hears_a_run_id_once_and_returns_to_its_other_name() -> None:
    """One run id is heard once, and by its other name again when the first is lost."""
    roster = Roster([SEED, SentinelName("127.0.0.1:26379")], asking=True, discover=True)
    live(roster, SEED, ID)
    live(roster, SentinelName("127.0.0.1:26379"), ID)
    [left] = roster.decisions()
    assert isinstance(left, Disconnect)
    kept = next(sentinel.name for sentinel in roster if not sentinel.parked)
    assert left.sentinel != kept
    assert down(roster, kept, 5.0)
    [again] = roster.decisions()
    assert isinstance(again, Connect)
    assert again.sentinel == left.sentinel


def test_roster_counts_a_seed_that_has_moved_once() -> None:
    roster = Roster([SEED], asking=True, discover=True)
    live(roster, SEED, ID)
    down(roster, SEED, 1.0)
    others = [Address("127.0.0.1", port) for port in (1, 2)]
    for other in others:
        roster.discovered(OTHER_ID, other, SEED)
    for other in others:
        roster.discovered(ID, FOUND, SentinelName(str(other)))
    moved = roster.sentinel(SentinelName(str(FOUND)))
    moved.state = LinkState.LIVE
    assert roster.live(moved, LinkChange(LinkState.LIVE, run_id=ID), 2.0) == (False, [SEED])
    assert {SEED, moved.name} < {sentinel.name for sentinel in roster}
    assert roster.sentinel(SEED).parked
    assert SEED not in roster.members


def test_roster_lets_no_unnamed_sentinel_replace_another_by_its_run_id() -> None:
    """No Sentinel takes the place of another by its run id before a majority names it."""
    second = SentinelName("sentinel-2:26379")
    roster = Roster([SEED, second], asking=True, discover=True)
    live(roster, SEED, ID)
    roster.discovered(OTHER_ID, FOUND, second)
    false = roster.sentinel(SentinelName(str(FOUND)))
    false.state = LinkState.LIVE
    assert roster.live(false, LinkChange(LinkState.LIVE, run_id=ID), 2.0) == (False, [false.name])
    down(roster, SEED, 1.0)
    roster.discovered(OTHER_ID, FOUND, second)
    false = roster.sentinel(SentinelName(str(FOUND)))
    false.state = LinkState.LIVE
    assert roster.live(false, LinkChange(LinkState.LIVE, run_id=ID), 2.0) == (False, []), "it is heard and has no vote"
    assert list(roster.members) == [SEED, second]


def test_second_name_of_a_process_is_parked_and_checked_once_a_minute() -> None:
    second = SentinelName("127.0.0.1:26379")
    roster = Roster([SEED, second], asking=True, discover=True)
    live(roster, SEED, ID, "one", now=1.0)
    live(roster, second, ID, "one", now=1.5)
    assert [type(each) for each in roster.decisions()] == [Disconnect]
    assert not down(roster, second, 1.6), "closing its link ourselves is no news"
    assert list(roster.values()) == [SEED]
    assert roster.values()[SEED].also == (second,)
    assert roster.deadline == 1.5 + RECHECK
    for number in range(1, 4):
        now = 1.5 + number * RECHECK
        roster.tick(now, frozenset, dict)
        assert [type(each) for each in roster.decisions()] == [Connect], "one check a minute"
        live(roster, second, ID, "one", now)
        assert [type(each) for each in roster.decisions()] == [Disconnect]
        assert roster.sentinel(second).parked


def test_parked_name_takes_over_when_the_first_is_lost_which_is_parked_then() -> None:
    second = SentinelName("127.0.0.1:26379")
    roster = Roster([SEED, second], asking=True, discover=True)
    live(roster, SEED, ID, "one")
    live(roster, second, ID, "one")
    assert down(roster, SEED, 5.0)
    roster.decisions()
    live(roster, second, ID, "two", 5.1)
    [left] = roster.decisions()
    assert (type(left), left.sentinel) == (Disconnect, SEED)
    assert list(roster.values()) == [second]
    assert roster.values()[second].also == (SEED,)


def test_parked_name_that_leads_to_another_sentinel_counts_again() -> None:
    second = SentinelName("127.0.0.1:26379")
    roster = Roster([SEED, second], asking=True, discover=True)
    live(roster, SEED, ID, "one")
    live(roster, second, ID, "one")
    roster.tick(RECHECK, frozenset, dict)
    live(roster, second, OTHER_ID, "two", RECHECK)
    assert sorted(roster.values()) == sorted([SEED, second])
    assert not roster.sentinel(second).parked


def test_parked_name_has_no_vote_though_other_sentinels_know_it() -> None:
    """The others know the Sentinel by the name that is parked: its vote has the name under which it is heard."""
    second, third = SentinelName(str(FOUND)), Address("127.0.0.1", 26380)
    roster = Roster([SEED, second], asking=True, discover=True)
    live(roster, SEED, ID, "one")
    live(roster, second, ID, "one")
    roster.discovered(OTHER_ID, third, SEED)
    other = live(roster, SentinelName(str(third)), OTHER_ID, "two").name
    for by in (SEED, other):
        roster.discovered(ID, FOUND, by)
    roster.discovered(RunId("c" * 40), Address("127.0.0.1", 26381), other)  # admits whoever a majority names
    assert roster.sentinel(second).parked
    assert set(roster.members) == {SEED, other}
    live(roster, second, RunId("d" * 40), "three", RECHECK)
    assert set(roster.members) == {SEED, other, second}


def test_parked_name_that_is_lost_with_the_first_is_dialled_every_few_seconds() -> None:
    second = SentinelName("127.0.0.1:26379")
    roster = Roster([SEED, second], asking=True, discover=True)
    live(roster, SEED, ID, "one")
    live(roster, second, ID, "one")
    down(roster, SEED, 5.0)
    roster.decisions()
    assert not down(roster, second, 6.0), "it was not heard, so it is not lost"
    assert [type(each) for each in roster.decisions()] == [Disconnect]
    assert roster.deadline == 11.0
    roster.tick(11.0, frozenset, dict)
    assert [type(each) for each in roster.decisions()] == [Connect]


def test_roster_parks_and_forgets_another_name_of_a_heard_seed() -> None:
    """A discovered name of a seed that is heard is parked, and forgotten when it leads nowhere."""
    roster = Roster([SEED], asking=True, discover=True)
    roster.discovered(ID, FOUND, SentinelName("another"))
    found = SentinelName(str(FOUND))
    live(roster, SEED, ID, "one")
    live(roster, found, ID, "one")
    roster.decisions()
    assert list(roster.values()) == [SEED]
    roster.tick(RECHECK, frozenset, dict)
    down(roster, found, RECHECK + 1)
    assert [sentinel.name for sentinel in roster] == [SEED]


def test_sentinels_that_share_a_run_id_are_all_heard_and_reported_once() -> None:
    names = [SentinelName(f"127.0.0.1:{port}") for port in (1, 2, 3)]
    roster = Roster(names, asking=True, discover=True)
    for number, name in enumerate(names):
        live(roster, name, ID, f"process {number}", now=float(number))
    assert roster.decisions() == []
    assert roster.deadline == 4.0
    assert (roster.tick(3.9, frozenset, dict), roster.shared()) == ([], [])
    assert (roster.tick(4.0, frozenset, dict), roster.shared()) == ([], [tuple(names)])
    assert (roster.tick(5.0, frozenset, dict), roster.shared()) == ([], [])
    assert [value.shares_id_with for value in roster.values().values()] == [
        tuple(other for other in names if other != name) for name in names
    ]
    down(roster, names[0], 6.0)
    live(roster, names[0], ID, "restarted", 7.0)
    assert (roster.decisions(), roster.tick(20.0, frozenset, dict), roster.shared()) == ([], [], []), (
        "a clone that restarts is heard as before"
    )
    live(roster, names[0], OTHER_ID, "mended", 8.0)
    assert roster.values()[names[0]].shares_id_with == ()


def test_sentinel_that_has_moved_is_not_taken_for_two() -> None:
    roster = Roster([SEED, SentinelName(str(FOUND))], asking=True, discover=True)
    live(roster, SEED, ID, "one", 1.0)
    live(roster, SentinelName(str(FOUND)), ID, "two", 2.0)
    down(roster, SEED, 3.0)
    assert (roster.tick(5.0, frozenset, dict), roster.shared()) == ([SEED], [])
    assert list(roster.values()) == [SentinelName(str(FOUND))]


def test_roster_forgets_a_lost_unlisted_sentinel_but_never_a_seed() -> None:
    """A discovered Sentinel that is down and unlisted is forgotten; a seed never is."""
    roster = Roster([SEED], asking=True, discover=True)
    roster.discovered(ID, FOUND, SEED)
    name = SentinelName(str(FOUND))
    assert down(roster, SEED, 10.0)
    assert down(roster, name, 10.0)
    assert not down(roster, name, 11.0), "another failed attempt is no news"
    assert roster.deadline == 10.0 + LEAVE
    assert roster.tick(10.0 + LEAVE, frozenset, dict) == []
    assert roster.tick(10.0 + FORGET - 0.1, frozenset, dict) == []
    assert set(roster.tick(10.0 + FORGET, frozenset, dict)) == {SEED, name}
    assert [sentinel.name for sentinel in roster] == [SEED]


def test_roster_dials_no_more_sentinels_than_its_limit_and_counts_the_others() -> None:
    roster = Roster([SEED], asking=True, discover=True)
    for number in range(LIMITS.sentinels + 10):
        roster.discovered(RunId(f"{number:040x}"), Address("127.0.0.1", 20000 + number), SEED)
    assert len(roster.decisions()) == LIMITS.sentinels - 1
    assert roster.not_dialled == 11


def test_roster_has_heard_enough_when_a_majority_has_answered_or_the_others_fail() -> None:
    names = [SentinelName(f"127.0.0.1:{port}") for port in (1, 2, 3)]
    roster = Roster(names, asking=True, discover=True)
    roster.sentinel(names[0]).answered = True
    assert not roster.heard_enough
    roster.sentinel(names[1]).answered = True
    assert roster.heard_enough
    roster.sentinel(names[1]).answered = False
    down(roster, names[1], 1.0)
    down(roster, names[2], 1.0)
    assert roster.heard_enough
