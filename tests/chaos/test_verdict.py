"""The verdict finds a switch that is missed, doubled, invented or late, a lost write, and a failed command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaos.application import Entry
from chaos.faults import Deed
from chaos.losses import Account, Written, account
from chaos.schedule import LIAR, Fault, Kind
from chaos.truth import Held, Role, Truth
from chaos.verdict import LATE, LATE_WHEN_HAMPERED, Report, Verdict, judge

A, B, C = ("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.1", 3)
SENTINELS = ("s1", "s2", "s3", "s4", "s5")
LEADER = 2
"""s3."""


def hold(at: float, address: tuple[str, int], epoch: int, leader: str = "s3") -> list[Held]:
    """All Sentinels have the same master, the leader first."""
    rest = [name for name in SENTINELS if name != leader]
    return [
        Held(at - 0.1, leader, "first", address, epoch, leading=True),
        *(Held(at, name, "first", address, epoch) for name in rest),
    ]


def truth_of(roles: Sequence[Role], held: Sequence[Held]) -> Truth:
    begin = [Role(0.0, A, "master"), Role(0.0, B, "slave"), Role(0.0, C, "slave")]
    return Truth({"first": (A, B, C)}, len(SENTINELS), [*begin, *roles], [*hold(0.0, A, 1), *held])


def deed_of(kind: Kind, begun: float = 9.9, over: float = 20.0, sentinel: int | None = LEADER) -> Deed:
    master = None if kind.value.startswith(("Sentinel", "link", "deaf")) else "first"
    return Deed(Fault(begun, kind, 1.0, 1.0, master=master, sentinel=sentinel), begun, over)


PLANNED = deed_of(Kind.PLANNED)
CRASH = deed_of(Kind.CRASH, sentinel=None)
SWITCHED = truth_of([Role(10.0, B, "master"), Role(15.0, A, "slave")], hold(11.0, B, 2))
"""A planned failover from A to B."""
TOLD = Report(10.003, "first", A, B, 2)


def of_switches(
    reports: Sequence[Report], truth: Truth = SWITCHED, deeds: Sequence[Deed] = (PLANNED,)
) -> tuple[Verdict, list[str]]:
    verdict = judge(truth, reports, deeds)
    return verdict, verdict.findings()


def test_switch_reported_once_is_no_finding() -> None:
    verdict, findings = of_switches([TOLD])
    assert findings == []
    [told] = verdict.told
    assert (told.kind, told.clear, told.kept.leader) == (Kind.PLANNED, True, "s3")
    assert told.knew == pytest.approx(0.003)


def test_unreported_switch_is_missed() -> None:
    verdict, findings = of_switches([])
    assert findings == ["missed: first at 127.0.0.1:2, epoch 2, kept at 11.000"]
    assert verdict.told[0].knew is None


@pytest.mark.parametrize("again", [TOLD, replace(TOLD, at=12.0)])
def test_switch_reported_twice_is_found(again: Report) -> None:
    assert of_switches([TOLD, again])[1] == [
        f"reported twice: first at 127.0.0.1:2, epoch 2, incarnation 0 at {again.at:.3f}"
    ]


def test_switch_to_a_replica_is_invented() -> None:
    wrong = Report(12.0, "first", B, C, 3)
    assert of_switches([TOLD, wrong])[1] == ["invented: first at 127.0.0.1:3, epoch 3, incarnation 0 at 12.000"]


def test_switch_back_to_a_merely_restarted_master_is_invented() -> None:
    roles = [Role(9.95, A, "gone"), Role(10.0, B, "master"), Role(13.0, A, "master"), Role(15.0, A, "slave")]
    truth = truth_of(roles, hold(11.0, B, 2))
    back = Report(13.1, "first", B, A, 2, 1)
    assert of_switches([TOLD, back], truth, [CRASH])[1] == [
        "invented: first at 127.0.0.1:1, epoch 2, incarnation 1 at 13.100"
    ]


def test_switch_reported_at_another_epoch_than_its_failover_is_missed() -> None:
    assert [each[:6] for each in of_switches([replace(TOLD, epoch=7)])[1]] == ["missed"]


def test_switch_reported_without_an_epoch_counts_as_reported() -> None:
    assert of_switches([replace(TOLD, epoch=None)])[1] == []


def test_abandoned_promotion_may_be_reported_with_the_way_back() -> None:
    truth = truth_of([Role(10.0, B, "master"), Role(18.0, B, "slave")], [])
    deeds = [deed_of(Kind.LEADER_DIES)]
    there, back = replace(TOLD, epoch=2), Report(18.1, "first", B, A, 1, 1)
    verdict, findings = of_switches([there, back], truth, deeds)
    assert findings == []
    assert verdict.undone == [there, back]
    assert of_switches([there, back, replace(back, at=19.0)], truth, deeds)[1] != []
    assert of_switches([there, replace(there, at=19.0, epoch=3)], truth, deeds)[1] != []


def test_promotion_kept_after_the_way_back_is_reported_again() -> None:
    # The leader came back after 10 s, and the others learned of it 0.5 s after we had gone back.
    truth = truth_of([Role(10.0, B, "master"), Role(20.4, B, "slave"), Role(20.6, A, "slave")], hold(20.5, B, 2))
    deeds = [deed_of(Kind.LEADER_DIES, over=40.0)]
    back, again = Report(20.1, "first", B, A, 1, 1), Report(21.5, "first", A, B, 2, 1)
    verdict, findings = of_switches([TOLD, back, again], truth, deeds)
    assert (findings, verdict.undone) == ([], [back, again])
    assert [(one.begin, one.end) for one in verdict.astray] == [(TOLD.at, back.at), (back.at, again.at)]
    assert of_switches([TOLD, back, again, replace(again, at=22.0, epoch=3)], truth, deeds)[1] != []


@pytest.mark.parametrize(("at", "epoch", "found"), [(18.9, 2, 0), (17.0, 2, 1), (18.9, 3, 1)])
def test_application_may_hear_first_from_a_leader_that_came_back(at: float, epoch: int, found: int) -> None:
    truth = truth_of([Role(10.0, B, "master"), Role(21.0, A, "slave")], hold(20.5, B, 2))
    deeds = [deed_of(Kind.LEADER_DIES, over=40.0)]
    back, again = Report(15.1, "first", B, A, 1, 1), Report(at, "first", A, B, epoch, 1)
    verdict, findings = of_switches([TOLD, back, again], truth, deeds)
    assert ([each[:8] for each in findings], verdict.undone[0]) == (["invented"] * found, back)


@pytest.mark.parametrize(("has", "epoch", "found"), [(4, 4, 0), (3, 4, 1), (2, 2, 1)])
def test_leader_that_came_back_may_be_followed_until_another_failover(has: int, epoch: int, found: int) -> None:
    """A promotion that was let go may be told again while its leader has it, at a higher epoch than all others."""
    roles = [Role(10.0, B, "master"), Role(11.0, A, "slave"), Role(20.0, C, "master"), Role(35.2, B, "slave")]
    held = [*hold(11.0, B, 2), Held(35.0, "s3", "first", C, has), *hold(36.5, A, 5, "s2")]
    truth = truth_of([*roles, Role(36.0, A, "master")], held)
    there, back = Report(20.0, "first", B, C, epoch), Report(28.0, "first", C, B, 2, 1)
    again = Report(35.2, "first", B, C, epoch, 1)
    after = Report(36.0, "first", C, A, 5, 1)
    deeds = [PLANNED, deed_of(Kind.LEADER_DIES, 19.9, 34.0)]
    verdict, findings = of_switches([TOLD, there, back, again, after], truth, deeds)
    assert [each[:8] for each in findings] == ["invented"] * found
    assert found or verdict.undone == [there, back, again]


def test_way_back_without_a_reason_is_invented() -> None:
    back = Report(10.4, "first", B, A, 1, 1)
    assert [each[:8] for each in of_switches([TOLD, back])[1]] == ["invented"]


def test_abandoned_promotion_is_not_that_of_a_later_switch_to_the_node() -> None:
    roles = [Role(10.0, B, "master"), Role(18.0, B, "slave"), Role(30.0, B, "master")]
    truth = truth_of(roles, hold(31.0, B, 3))
    there, back = replace(TOLD, epoch=2), Report(18.1, "first", B, A, 1, 1)
    again = Report(30.0, "first", A, B, 3, 1)
    deeds = [deed_of(Kind.LEADER_DIES), deed_of(Kind.PLANNED, 29.9, 40.0)]
    verdict, findings = of_switches([there, back, again], truth, deeds)
    assert (findings, verdict.undone) == ([], [there, back])


def test_node_chosen_again_at_a_later_epoch_needs_no_second_report() -> None:
    truth = truth_of([Role(10.0, B, "master")], hold(14.0, B, 3))
    assert of_switches([TOLD], truth, [deed_of(Kind.LEADER_DIES)])[1] == []


def test_way_back_after_a_switch_is_no_repetition_of_it() -> None:
    roles = [Role(10.0, B, "master"), Role(15.0, A, "slave"), Role(20.0, A, "master"), Role(28.0, A, "slave")]
    there, back = Report(20.1, "first", B, A, 3), Report(28.1, "first", A, B, 2, 1)
    deeds = [PLANNED, deed_of(Kind.LEADER_DIES, 19.9, 40.0)]
    verdict, findings = of_switches([TOLD, there, back], truth_of(roles, hold(11.0, B, 2)), deeds)
    assert findings == []
    assert verdict.undone == [there, back]


def test_clear_switch_reported_late_is_found() -> None:
    late = replace(TOLD, at=10.0 + LATE + 0.5)
    assert of_switches([late])[1] == [
        "reported after 1.500 s, with nothing in the way: first at 127.0.0.1:2, epoch 2, kept at 11.000"
    ]


@pytest.mark.parametrize(("stall", "found"), [((10.5, 10.6), 0), ((8.0, 8.1), 1), ((12.0, 12.1), 1)])
def test_switch_reported_late_on_a_late_machine_is_no_finding(stall: tuple[float, float], found: int) -> None:
    truth = truth_of(SWITCHED.roles[3:], SWITCHED.held[len(SENTINELS) :])
    truth.stalls.append(stall)
    assert len(of_switches([replace(TOLD, at=10.0 + LATE + 0.5)], truth)[1]) == found


def test_stalls_of_several_servers_at_once_are_one() -> None:
    truth = truth_of([], [])
    truth.stalls += [(5.0, 5.2), (1.0, 1.3), (1.2, 1.5), (1.4, 1.45)]
    assert truth.late() == [(1.0, 1.5), (5.0, 5.2)]


@pytest.mark.parametrize(("late", "found"), [(False, 1), (True, 0)])
def test_late_machine_may_cost_what_a_master_took_that_hung_and_went_on(late: bool, found: int) -> None:
    truth = truth_of([Role(10.0, B, "master"), Role(15.0, A, "slave")], hold(11.0, B, 2))
    truth.stalls += [(10.0, 10.2)] if late else [(7.0, 7.08)]
    reports = [replace(TOLD, at=10.25)]
    came = of_writes([entry(10.15, 1)], [], [deed_of(Kind.HANG, 5.0, 12.0, None)], truth, reports)
    assert (len(came.findings()), came.lost) == (found, {"late" if late else "no fault": 1})


@pytest.mark.parametrize("kind", [Kind.LINK_SILENT, Kind.LINK_CUT, Kind.SENTINEL_KILLED, Kind.DEAF, Kind.NODE_SILENT])
def test_hampered_switch_may_be_reported_later_but_must_be_reported(kind: Kind) -> None:
    deeds = [CRASH, deed_of(kind, 9.5, 14.0)]
    verdict, findings = of_switches([replace(TOLD, at=15.0)], deeds=deeds)
    assert findings == []
    assert not verdict.told[0].clear
    much = replace(TOLD, at=14.0 + LATE_WHEN_HAMPERED + 0.5)
    assert [each[:14] for each in of_switches([much], deeds=deeds)[1]] == ["reported after"]


def test_link_to_another_sentinel_than_the_leader_excuses_nothing() -> None:
    verdict, _ = of_switches([TOLD], deeds=[CRASH, deed_of(Kind.LINK_SILENT, sentinel=0)])
    assert verdict.told[0].clear


def test_deaf_application_may_miss_only_switches_that_ended_meanwhile() -> None:
    held = [*hold(11.0, B, 2), *hold(13.0, A, 3)]
    truth = truth_of([Role(10.0, B, "master"), Role(11.5, A, "slave"), Role(12.0, A, "master")], held)
    deeds = [CRASH, deed_of(Kind.DEAF, 9.0, 16.0, None)]
    assert of_switches([], truth, deeds)[1] == []
    assert of_switches([], truth, [CRASH])[1] == ["missed: first at 127.0.0.1:2, epoch 2, kept at 11.000"]
    once_more = truth_of([*truth.roles[3:], Role(20.0, C, "master")], [*held, *hold(20.5, C, 4)])
    assert of_switches([], once_more, deeds)[1] == ["missed: first at 127.0.0.1:3, epoch 4, kept at 20.500"]


def test_switch_without_an_observed_promotion_is_found() -> None:
    assert of_switches([TOLD], truth_of([], hold(11.0, B, 2)))[1] == [
        "the observer saw no promotion: first at 127.0.0.1:2, epoch 2, kept at 11.000"
    ]


def test_failover_back_to_a_lasting_master_may_lose_writes() -> None:
    """A failover may choose a node that was a master all the time; writes in between are then lost."""
    roles = [Role(1.0, C, "master"), Role(10.0, B, "master")]
    held = [*hold(1.5, C, 2), *hold(11.0, B, 3), *hold(30.5, C, 4)]
    reports = [Report(1.0, "first", A, C, 2), Report(10.003, "first", C, B, 3), Report(29.5, "first", B, C, 4)]
    deeds = [deed_of(Kind.HANG, 0.9, 5.0, None), replace(PLANNED, over=15.0)]
    verdict, findings = of_switches(reports, truth_of(roles, held), deeds)
    assert (findings, verdict.told[-1].promotion, verdict.told[-1].kind) == ([], None, "unasked")
    came = of_writes([entry(25.0, 1)], [], deeds, truth_of(roles, held), reports)
    assert (came.findings(), came.lost) == ([], {"astray": 1})


def test_opinion_of_a_minority_is_not_kept() -> None:
    few = [Held(11.0, name, "first", B, 2) for name in ("s1", "s2")]
    assert [each.address for each in truth_of([], few).kept("first")] == [A]
    third = [*few, Held(11.1, "s4", "first", B, 2)]
    assert [each.address for each in truth_of([], third).kept("first")] == [A, B]


def test_sentinels_that_forget_cause_no_switch() -> None:
    forgot = [Held(12.0, name, "first", A, 0) for name in ("s1", "s2")]
    assert [each.epoch for each in truth_of([], [*hold(11.0, B, 2), *forgot]).kept("first")] == [1, 2]


# -- writes -----------------------------------------------------------------------------------------


def entry(at: float, number: int, error: str = "") -> Entry:
    return Entry(at - 0.001, at, number, error)


def of_writes(
    entries: Sequence[Entry],
    kept: Sequence[int],
    deeds: Sequence[Deed],
    truth: Truth = SWITCHED,
    reports: Sequence[Report] = (TOLD,),
) -> Account:
    return account([Written("first", "first-thread", entries, kept)], judge(truth, reports, deeds), deeds, truth)


ENTRIES = [entry(9.0, 1), entry(9.99, 2), entry(10.1, 3), entry(14.0, 4)]


def test_kept_writes_are_no_finding() -> None:
    came = of_writes(ENTRIES, [1, 2, 3, 4], [PLANNED])
    assert (came.findings(), came.acknowledged, came.lost.total()) == ([], 4, 0)


@pytest.mark.parametrize("kept", [[1, 3, 4], [1, 2, 4]], ids=["before", "after"])
def test_write_lost_in_a_planned_failover_is_found(kept: list[int]) -> None:
    [finding] = of_writes(ENTRIES, kept, [PLANNED]).findings()
    assert finding.startswith("lost 1 acknowledged writes of first-thread in ")


def test_crash_may_lose_writes_acknowledged_just_before() -> None:
    came = of_writes(ENTRIES, [1, 3, 4], [CRASH])
    assert (came.findings(), came.lost) == ([], {"crash": 1})


@pytest.mark.parametrize(("late", "at", "found"), [(0.07, 9.9, 0), (0.07, 10.06, 0), (0.07, 9.8, 1), (0.02, 9.9, 1)])
def test_planned_failover_may_lose_writes_of_a_starved_application(late: float, at: float, found: int) -> None:
    """A planned failover may lose writes of an application that got no processor to notice it."""
    came = of_writes([entry(at, 1)], [], [PLANNED], reports=[replace(TOLD, at=10.0 + late)])
    assert len(came.findings()) == found
    assert came.lost == ({"planned": 1} if found else {"late": 1})


CUT_OFF = deed_of(Kind.CUT_OFF, 9.5, 20.0, sentinel=None)


def test_isolated_master_may_lose_writes_until_the_promotion_is_known() -> None:
    """A master that is cut off may lose what it acknowledged until the promotion is reported."""
    entries = [entry(9.9, 1), entry(10.05, 2), entry(10.15, 3)]
    late = [replace(TOLD, at=10.02)]
    came = of_writes(entries, [3], [CUT_OFF], reports=late)
    assert (came.findings(), came.lost) == ([], {"cut off": 2})
    assert len(of_writes(entries, [1, 2], [CUT_OFF], reports=late).findings()) == 1
    assert len(of_writes(entries, [1, 3], [PLANNED], reports=late).findings()) == 1


def test_write_lost_long_before_a_crash_is_found() -> None:
    early = [entry(5.0, 1), *ENTRIES[1:]]
    assert len(of_writes(early, [2, 3, 4], [CRASH]).findings()) == 1


def test_write_lost_after_the_promotion_that_followed_a_crash_is_found() -> None:
    assert len(of_writes(ENTRIES, [1, 2, 4], [CRASH]).findings()) == 1


@pytest.mark.parametrize("kind", [Kind.LEADER_DIES, Kind.CRASH])
def test_abandoned_promotion_may_lose_its_writes(kind: Kind) -> None:
    truth = truth_of([Role(10.0, B, "master"), Role(18.0, B, "slave")], [])
    reports = [TOLD, Report(18.1, "first", B, A, 1, 1)]
    came = of_writes(ENTRIES, [1, 2], [deed_of(kind)], truth, reports)
    assert (came.findings(), came.lost) == ([], {"leader dies" if kind is Kind.LEADER_DIES else "astray": 2})
    after = [*ENTRIES, entry(19.5, 5)]
    assert len(of_writes(after, [1, 2, 3, 4], [deed_of(kind)], truth, reports).findings()) == 1


def test_write_lost_without_any_failover_is_found() -> None:
    [finding] = of_writes(ENTRIES, [1, 2, 3], [], truth_of([], []), []).findings()
    assert "in no fault" in finding


@pytest.mark.parametrize(
    ("kept", "found", "replayed"),
    [([1, 2, 3, 2, 3, 4], 0, 2), ([1, 2, 2, 3, 3, 4], 2, 0), ([1, 2, 3, 2, 4], 1, 0), ([1, 2, 3, 4, 3, 4], 0, 2)],
    ids=["a block again", "each again", "one again", "a block again at the end"],
)
def test_block_of_writes_that_a_server_applied_again_is_no_client_fault(
    kept: list[int], found: int, replayed: int
) -> None:
    came = of_writes(ENTRIES, kept, [PLANNED])
    assert (len(came.findings()), came.replayed["first-thread"]) == (found, replayed)


def test_write_executed_twice_is_found() -> None:
    assert of_writes(ENTRIES, [1, 2, 3, 3, 4], [PLANNED]).findings() == [
        "carried out twice: first-thread has 3 2 times, sent at 10.099, acknowledged at 10.100"
    ]


@pytest.mark.parametrize(
    ("deeds", "found"),
    [
        ([PLANNED], 1),
        ([], 1),
        ([deed_of(Kind.DEAF, sentinel=None)], 1),
        ([CRASH], 0),
        ([deed_of(Kind.NODE_CUT, sentinel=None)], 0),
    ],
)
def test_error_without_an_excuse_is_found(deeds: list[Deed], found: int) -> None:
    came = of_writes([entry(13.0, 1, "ConnectionError")], [], deeds, truth_of([], []), [])
    assert len(came.findings()) == found
    assert sum(errors.total() for errors in came.errors.values()) == 1


@pytest.mark.parametrize(
    ("kind", "late", "found"), [("coordinated", 0.0, 1), ("coordinated", 0.06, 0), ("planned", 0.06, 1)]
)
def test_coordinated_failover_may_fail_commands_of_a_late_application(kind: str, late: float, found: int) -> None:
    """A command in flight during a coordinated failover may fail if its application was late."""
    entries = [Entry(9.95, 10.02, 1, "ConnectionError")]
    came = of_writes(entries, [], [deed_of(Kind(kind))], reports=[replace(TOLD, at=TOLD.at + late)])
    assert len(came.findings()) == found


@pytest.mark.parametrize("kind", [Kind.PLANNED, Kind.COORDINATED])
def test_planned_failover_with_a_lying_leader_may_cost_commands_in_flight(kind: Kind) -> None:
    led = deed_of(kind, sentinel=LIAR)
    came = of_writes([entry(9.95, 1)], [], [led])
    assert (came.findings(), came.lost) == ([], {"lied to": 1})
    assert len(of_writes([entry(9.8, 1)], [], [led]).findings()) == 1
    came = of_writes([Entry(9.95, 10.02, 1, "ConnectionError")], [], [led])
    assert len(came.findings()) == (0 if kind is Kind.COORDINATED else 1)


def test_error_while_a_node_stalled_by_itself_is_counted_but_no_finding() -> None:
    entries = [Entry(13.0, 14.0, 1, "TimeoutError")]
    silent = truth_of([Role(13.2, A, "silent"), Role(13.8, A, "master")], [])
    came = of_writes(entries, [], [PLANNED], silent, [])
    assert (came.findings(), came.errors) == ([], {"standstill": {"TimeoutError": 1}})
    before = truth_of([Role(11.2, A, "silent"), Role(12.8, A, "master")], [])
    assert len(of_writes(entries, [], [PLANNED], before, []).findings()) == 1


@pytest.mark.parametrize(("leader", "found"), [("s4", 1), ("s5", 0)])
def test_unrequested_failover_may_lose_writes_if_its_leader_was_not_heard(leader: str, found: int) -> None:
    """A failover that no fault requested may lose writes if its leader was not heard."""
    roles = [Role(10.0, B, "master"), Role(11.5, C, "master")]
    truth = truth_of(roles, [*hold(11.0, B, 2), *hold(12.0, C, 3, leader)])
    reports = [TOLD, Report(11.51, "first", B, C, 3)]
    deeds = [PLANNED, deed_of(Kind.SENTINEL_HANGS, 9.0, 20.0, sentinel=4)]
    assert [each.kind for each in judge(truth, reports, deeds).told] == [Kind.PLANNED, "unasked"]
    assert len(of_writes([entry(11.505, 1)], [], deeds, truth, reports).findings()) == 1
    assert len(of_writes([entry(11.45, 1)], [], deeds, truth, reports).findings()) == found


def test_unrequested_failover_may_lose_writes_while_no_sentinel_is_heard() -> None:
    """A failover that no fault requested, while no Sentinel is heard, may lose writes until it is reported."""
    roles = [Role(10.0, B, "master"), Role(11.5, C, "master")]
    truth = truth_of(roles, [*hold(11.0, B, 2), *hold(12.0, C, 3, "s4")])
    reports = [TOLD, Report(14.0, "first", B, C, 3)]
    deaf = [PLANNED, deed_of(Kind.DEAF, 11.2, 13.9, None)]
    came = of_writes([entry(13.0, 1)], [], deaf, truth, reports)
    assert (came.findings(), came.lost) == ([], {"unasked": 1})
    assert len(of_writes([entry(14.5, 1)], [], deaf, truth, reports).findings()) == 1
    planned = deed_of(Kind.PLANNED, 9.9, 10.4)
    hung = [planned, deed_of(Kind.HANG, 10.5, 13.0, None), deed_of(Kind.DEAF, 11.2, 13.9, None)]
    came = of_writes([entry(13.5, 1)], [], hung, truth, reports)
    assert (came.findings(), came.lost) == ([], {"hang": 1}), "it goes on, and is written to until the switch is known"
    hearing = [PLANNED, deed_of(Kind.DEAF, 12.0, 13.9, None)]
    assert len(of_writes([entry(13.0, 1)], [], hearing, truth, reports).findings()) == 1


@pytest.mark.parametrize(("copied", "found"), [(False, 0), (True, 1)])
def test_node_that_came_back_empty_and_is_chosen_wipes_the_data(copied: bool, found: int) -> None:
    roles = [Role(10.0, A, "gone"), Role(10.5, B, "master"), Role(15.0, A, "master")]
    roles += [Role(16.0, A, "slave"), Role(17.9, A, "master")] if copied else []
    truth = truth_of(roles, [*hold(11.0, B, 2), *hold(18.0, A, 3, "s4")])
    reports = [replace(TOLD, at=10.51), Report(17.91, "first", B, A, 3)]
    deeds = [deed_of(Kind.CRASH, 10.0, 15.5, None), deed_of(Kind.SENTINEL_CUT_OFF, 14.0, 17.0)]
    came = of_writes([entry(5.0, 1)], [], deeds, truth, reports)
    assert len(came.findings()) == found
    assert came.lost == ({"crash": 1} if copied else {"wiped": 1})
    assert len(of_writes([entry(18.5, 1)], [], deeds, truth, reports).findings()) == 1, "after it nothing may be lost"


@pytest.mark.parametrize(("late", "found"), [(False, 2), (True, 0)])
def test_late_machine_may_cost_what_is_under_way_in_a_planned_failover(late: bool, found: int) -> None:
    """A command under way at a planned failover may fail or be lost if the observer was not answered in time either."""
    truth = truth_of([Role(10.0, B, "master"), Role(15.0, A, "slave")], hold(11.0, B, 2))
    truth.stalls += [(9.9, 9.98)] if late else [(7.0, 7.08), (12.0, 12.08)]
    entries = [Entry(9.95, 10.07, 1, "ConnectionError"), Entry(9.95, 10.02, 2, "")]
    came = of_writes(entries, [], [PLANNED], truth)
    assert len(came.findings()) == found
    assert not late or (came.lost, [*came.errors]) == ({"late": 1}, ["standstill"])
