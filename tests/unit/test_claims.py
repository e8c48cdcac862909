"""Who watches which deployments: enough daemons each, little movement, and overlap instead of a gap."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchmaster.journal.claims import Claim, ClaimState, Moves, Sharer, decide_claims, watchers_of

LEASE = 3.0
FREE = Claim()
READY = Claim(ClaimState.READY)


class Fleet:
    """
    Daemons that look in turn, as under the lock of the database.

    Args:
        masters: the number of masters of each deployment.
        daemons: how many are to watch each.
    """

    def __init__(self, masters: dict[str, int], daemons: int = 1) -> None:
        self.masters, self.daemons = masters, daemons
        self.sharers: dict[str, Sharer] = {}
        self.now = 0.0
        self.claimed = 0
        """Deployments that were claimed so far."""

    def add(self, id: str, offers: set[str] | None = None, kept: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        names = self.masters.keys() if offers is None else offers
        claims = {name: Claim(ClaimState.READY if name in kept else ClaimState.FREE, name in kept) for name in names}
        self.sharers[id] = Sharer(id, id, self.now, LEASE, self.daemons, False, claims)

    def look(self, id: str) -> Moves:
        """Let one daemon look; what it claimed at its last look is ready."""
        self.now += 0.01
        own = self.sharers[id]
        known = {
            name: replace(claim, state=ClaimState.READY, masters=self.masters[name])
            if claim.state is ClaimState.STARTING
            else claim
            for name, claim in own.claims.items()
        }
        own = replace(own, renewed=self.now, claims=known)
        self.sharers[id] = own
        moves = decide_claims(self.sharers.values(), id, self.now)
        changed = {name: replace(known[name], state=ClaimState.STARTING) for name in moves.claim}
        changed |= {name: replace(known[name], state=ClaimState.FREE) for name in moves.release}
        self.sharers[id] = replace(own, claims=known | changed)
        self.claimed += len(moves.claim)
        return moves

    def settle(self) -> None:
        """Let all look until nothing moves, and require that this ends and leaves no gap."""
        staying = [one for one in self.sharers.values() if not one.leaving]
        covered = {name for one in staying for name in one.claims if self.watching(name)}
        quiet = 0
        for _ in range(10 + len(self.masters)):
            looks = [self.look(id) for id in list(self.sharers)]
            now_covered = {name for name in self.masters if self.watching(name)}
            assert covered <= now_covered
            covered = now_covered
            quiet = 0 if any(moves.claim or moves.release for moves in looks) else quiet + 1
            if quiet == 2:  # what was claimed in one round is ready in the next
                return
        raise AssertionError("the daemons go on moving deployments")

    def watching(self, name: str) -> set[str]:
        return {one.id for one, _ in watchers_of(self.sharers.values(), name)}

    def held(self, id: str) -> set[str]:
        return {name for name in self.masters if id in self.watching(name)}

    def load(self, id: str) -> int:
        return sum(1 + self.masters[name] for name in self.held(id))


def names(count: int) -> dict[str, int]:
    return {f"d{number:03}": 3 for number in range(count)}


def fleet_of(count: int, daemons: int, wanted: int = 1) -> Fleet:
    fleet = Fleet(names(count), wanted)
    for number in range(daemons):
        fleet.add(f"daemon{number}")
        fleet.settle()
    return fleet


def test_one_daemon_claims_everything_at_its_first_look() -> None:
    fleet = Fleet(names(5), 2)
    fleet.add("a")
    assert len(fleet.look("a").claim) == 5


@pytest.mark.parametrize(("daemons", "wanted"), [(2, 1), (3, 1), (3, 2), (5, 3), (2, 4)])
def test_deployments_are_spread_evenly(daemons: int, wanted: int) -> None:
    fleet = fleet_of(60, daemons, wanted)
    assert {len(fleet.watching(name)) for name in fleet.masters} == {min(daemons, wanted)}
    counts = [len(fleet.held(id)) for id in fleet.sharers]
    assert max(counts) - min(counts) <= max(1, 0.1 * sum(counts) / daemons)


def test_only_what_the_dead_daemon_watched_moves() -> None:
    fleet = fleet_of(60, 3)
    before = {id: fleet.held(id) for id in fleet.sharers}
    fleet.now += LEASE
    fleet.claimed = 0
    for id in ("daemon0", "daemon1"):
        fleet.sharers[id] = replace(fleet.sharers[id], renewed=fleet.now)
    orphaned = before.pop("daemon2")
    del fleet.sharers["daemon2"]  # as whoever looks first removes it
    fleet.settle()
    assert all(before[id] <= fleet.held(id) for id in before)
    assert fleet.claimed == len(orphaned)
    assert abs(len(fleet.held("daemon0")) - len(fleet.held("daemon1"))) <= 3


def test_daemon_whose_lease_has_ended_does_not_count() -> None:
    fleet = fleet_of(4, 2)
    fleet.now += LEASE
    assert set(fleet.look("daemon0").claim) == fleet.held("daemon1")


@pytest.mark.parametrize(("after", "alive"), [(0.0, True), (2.9, True), (3.0, False), (-2.9, True), (-3.0, False)])
def test_lease_runs_for_its_time_although_the_clock_is_set_back(after: float, alive: bool) -> None:
    assert Sharer("a", "a", 100.0, LEASE, 1, False, {}).alive(100.0 + after) is alive


def test_new_daemon_takes_its_share_and_nothing_else_moves() -> None:
    fleet = fleet_of(60, 2)
    before = {id: fleet.held(id) for id in fleet.sharers}
    fleet.claimed = 0
    fleet.add("late")
    fleet.settle()
    assert all(fleet.held(id) <= before[id] for id in before)
    assert fleet.claimed == len(fleet.held("late"))
    assert 18 <= fleet.claimed <= 20


def test_load_is_counted_in_masters() -> None:
    fleet = Fleet({"big": 1_000, **{f"s{number}": 100 for number in range(10)}})
    fleet.add("a")
    fleet.settle()
    fleet.add("b")
    fleet.settle()
    assert abs(fleet.load("a") - fleet.load("b")) <= 110


def test_deployment_is_given_up_only_when_the_others_know_its_masters() -> None:
    fleet = fleet_of(2, 1)
    fleet.add("late")
    [moved] = fleet.look("late").claim
    assert fleet.look("daemon0") == Moves()
    assert fleet.look("late") == Moves()
    assert fleet.look("daemon0").release == (moved,)


def test_leaving_daemon_hands_over_and_is_given_nothing() -> None:
    fleet = fleet_of(10, 2)
    fleet.sharers["daemon1"] = replace(fleet.sharers["daemon1"], leaving=True)
    had = fleet.held("daemon1")
    assert fleet.look("daemon1") == Moves()
    assert set(fleet.look("daemon0").claim) == had
    assert fleet.look("daemon1") == Moves()
    fleet.look("daemon0")
    assert set(fleet.look("daemon1").release) == had


def test_last_daemon_that_leaves_waits_for_none() -> None:
    fleet = fleet_of(3, 1)
    fleet.sharers["daemon0"] = replace(fleet.sharers["daemon0"], leaving=True)
    assert len(fleet.look("daemon0").release) == 3


def test_what_a_daemon_keeps_counts_and_stays() -> None:
    fleet = Fleet(names(6))
    fleet.add("front", kept=set(fleet.masters))
    fleet.add("back")
    fleet.settle()
    assert (fleet.held("front"), fleet.held("back")) == (set(fleet.masters), set())
    fleet.add("other", kept={"d000"})
    fleet.settle()
    assert fleet.watching("d000") == {"front", "other"}


def test_only_daemons_whose_file_has_a_deployment_watch_it() -> None:
    fleet = Fleet(names(4), 2)
    fleet.add("a", offers={"d000", "d001"})
    fleet.add("b", offers={"d001", "d002"})
    fleet.settle()
    assert [fleet.watching(name) for name in sorted(fleet.masters)] == [{"a"}, {"a", "b"}, {"b"}, set()]


def test_another_daemon_watches_what_one_is_deaf_to() -> None:
    fleet = fleet_of(2, 2)
    [name] = fleet.held("daemon0")
    own = fleet.sharers["daemon0"]
    fleet.sharers["daemon0"] = replace(own, claims={**own.claims, name: Claim(ClaimState.DEAF, masters=3)})
    assert fleet.look("daemon1").claim == (name,)
    fleet.settle()
    assert fleet.watching(name) == {"daemon0", "daemon1"}
    own = fleet.sharers["daemon0"]
    fleet.sharers["daemon0"] = replace(own, claims={**own.claims, name: Claim(ClaimState.READY, masters=3)})
    fleet.settle()
    assert len(fleet.watching(name)) == 1


def test_daemon_that_must_not_take_claims_nothing() -> None:
    sharer = Sharer("a", "a", 0.0, LEASE, 1, False, {"one": FREE, "two": READY})
    assert decide_claims([sharer], "a", 1.0, taking=False) == Moves()
    assert decide_claims([sharer], "a", 1.0).claim == ("one",)


def test_highest_number_of_daemons_counts() -> None:
    claims = {"one": READY}
    one = Sharer("a", "a", 0.0, LEASE, 1, False, claims)
    other = Sharer("b", "b", 0.0, LEASE, 2, False, {"one": FREE})
    assert decide_claims([one, other], "b", 1.0).claim == ("one",)


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=25),
    st.integers(1, 3),
    st.lists(st.sampled_from(["come", "die", "leave", "wait"]), max_size=8),
    st.randoms(use_true_random=False),
)
def test_whatever_comes_and_goes_enough_daemons_watch(sizes: list[int], wanted: int, steps: list[str], chance) -> None:  # type: ignore[no-untyped-def]
    fleet = Fleet({f"d{number:02}": size for number, size in enumerate(sizes)}, wanted)
    for number, step in enumerate(["come", *steps]):
        living = sorted(fleet.sharers)
        if step == "come":
            fleet.add(f"daemon{number}", offers={name for name in fleet.masters if chance.random() < 0.8})
        elif len(living) > 1 and step == "die":
            del fleet.sharers[chance.choice(living)]
        elif len(living) > 1 and step == "leave":
            gone = chance.choice(living)
            fleet.sharers[gone] = replace(fleet.sharers[gone], leaving=True)
            fleet.settle()
            assert fleet.held(gone) == set()
            del fleet.sharers[gone]
        fleet.settle()
        for name in fleet.masters:
            offering = sum(name in one.claims for one in fleet.sharers.values())
            assert len(fleet.watching(name)) == min(wanted, offering)
