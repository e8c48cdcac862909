"""One Sentinel's account of one master, and replicas combined from several."""

from __future__ import annotations

from recorded.answers import snapshot
from switchmaster.belief.views import View, merge_replicas
from switchmaster.model import LIMITS, Address, RunId, SentinelName
from switchmaster.wire.events import InstanceEvent
from switchmaster.wire.grammar import parse_event

A, B, C = (Address("127.0.0.1", 27000 + number) for number in (1, 2, 3))
S1, S2 = SentinelName("127.0.0.1:27012"), SentinelName("127.0.0.1:27011")


def view_of(name: SentinelName, *lines: str) -> View:
    view = View(name, address=A)
    for line in lines:
        event = parse_event(*line.split(" ", 1))
        assert isinstance(event, InstanceEvent), line
        view.fold(event)
    return view


def test_view_takes_back_odown_with_sdown() -> None:
    down = ["+sdown master m 127.0.0.1 27001", "+odown master m 127.0.0.1 27001 #quorum 2/2"]
    view = view_of(S1, *down)
    assert (view.sdown, view.odown) == (True, True)
    view = view_of(S1, *down, "-sdown master m 127.0.0.1 27001")
    assert (view.sdown, view.odown) == (False, False)


def test_view_does_not_count_what_is_said_of_a_former_master() -> None:
    assert not view_of(S1, "+sdown master m 127.0.0.1 27002").sdown


def test_replicas_are_merged_in_order_with_the_sentinels_that_call_them_down() -> None:
    heard = ["+slave slave x 127.0.0.1 27003 @ m 127.0.0.1 27001", "+slave slave y 127.0.0.1 27002 @ m 127.0.0.1 27001"]
    lost = "+sdown slave x 127.0.0.1 27003 @ m 127.0.0.1 27001"
    rows = merge_replicas([view_of(S1, *heard, lost), view_of(S2, *heard, lost)], A)
    assert [(row.address, row.down_by) for row in rows] == [(B, ()), (C, (S2, S1))]
    assert [row.address for row in merge_replicas([view_of(S1, *heard)], B)] == [C]


def test_view_is_bounded_and_emptied_by_a_reset() -> None:
    lines = [f"+slave slave r 10.0.0.1 {port} @ m 127.0.0.1 27001" for port in range(1, LIMITS.replicas + 50)]
    assert len(view_of(S1, *lines).replicas) == LIMITS.replicas
    assert view_of(S1, *lines, "+reset-master master m 127.0.0.1 27001").replicas == {}


def test_view_takes_from_an_answer_all_but_the_address() -> None:
    view = view_of(S1)
    run_id = RunId("a" * 40)
    view.snapshot(snapshot(B, 3, flags=["o_down"], replicas=[A, B, C], sentinels=[(run_id, C)]))
    assert (view.address, view.epoch, view.odown, view.sdown) == (A, None, True, False)
    assert (list(view.replicas), view.sentinels, view.others, view.failover_timeout) == ([A, C], {run_id: C}, 2, 5.0)
