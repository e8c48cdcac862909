"""One conversation with one Sentinel: its questions, and the facts that follow from the answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peers.scripted import (
    NO_HELLO,
    NOPERM,
    VERSIONS,
    ScriptedSentinel,
    exchange,
    link_of,
    one_by_one,
    published,
    push,
    recorded,
)
from recorded.events import RECORDINGS, events_of
from switchmaster.link.greeting import Credentials
from switchmaster.link.link import Link
from switchmaster.model import LIMITS, Address
from switchmaster.wire.events import EVENTS
from switchmaster.wire.facts import Condition, Fact, LinkChange, LinkState, MasterSnapshot, SnapshotEnd
from switchmaster.wire.grammar import parse_event


def states(facts: list[Fact]) -> list[LinkState]:
    return [fact.state for fact in facts if isinstance(fact, LinkChange)]


def down_reason(facts: list[Fact]) -> str:
    return next(f.reason for f in facts if isinstance(f, LinkChange) and f.state is LinkState.DOWN)


def live_link(sentinel: ScriptedSentinel, now: float = 0.0, **options: object) -> Link:
    link = link_of(**options)
    exchange(link, sentinel, now)
    assert link.state is LinkState.LIVE
    return link


# The order of requests and facts.


def test_link_greets_then_subscribes_then_asks_on_one_connection() -> None:
    sentinel = ScriptedSentinel()
    exchange(link_of(), sentinel, 0.0)
    assert sentinel.commands == [
        (0, "HELLO 3 SETNAME switchmaster"),
        (0, "SENTINEL MYID"),
        (0, "INFO server"),
        (0, "PSUBSCRIBE *"),
        (0, "INFO sentinel"),
        (0, "ROLE"),
        (0, "SENTINEL MASTER mymaster"),
        (0, "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster"),
        (0, "SENTINEL REPLICAS mymaster"),
        (0, "SENTINEL SENTINELS mymaster"),
    ]


@pytest.mark.parametrize("refuse", [{}, {"HELLO": NO_HELLO}], ids=["RESP3", "RESP2"])
@pytest.mark.parametrize("subscribe", [True, False])
def test_live_link_has_reported_the_process_id(refuse: dict[str, bytes], subscribe: bool) -> None:
    facts = exchange(link_of(subscribe=subscribe), ScriptedSentinel(refuse=refuse), 0.0)
    [live] = [fact for fact in facts if isinstance(fact, LinkChange) and fact.state is LinkState.LIVE]
    assert len(live.run_id or "") == 40
    assert len(live.process) == 40


@pytest.mark.parametrize("version", VERSIONS)
def test_every_snapshot_asks_whether_the_sentinel_is_in_tilt(version: str) -> None:
    sentinel = ScriptedSentinel(version)
    link = link_of()
    facts = exchange(link, sentinel, 0.0)
    assert [fact for fact in facts if isinstance(fact, Condition)] == [Condition(tilt=False)]
    assert facts.index(Condition(tilt=False)) < facts.index(SnapshotEnd(("mymaster",)))
    info = str(sentinel.replies["INFO sentinel"])
    stopped = info.replace("tilt:0", "tilt:1").replace("since_seconds:-1", "since_seconds:4")
    sentinel.replies["INFO sentinel"] = stopped.replace("flags:0", "flags:1").replace("length:0", "length:7")
    link.ask(1.0)
    [condition] = [fact for fact in exchange(link, sentinel, 1.0, open_streams={0}) if isinstance(fact, Condition)]
    seconds = 4 if "since_seconds" in info else None
    assert condition == Condition(True, seconds, simulates_failures=True, scripts_waiting=7)


def test_info_is_not_sent_again_if_it_is_refused() -> None:
    sentinel = ScriptedSentinel(refuse={"INFO sentinel": NOPERM})
    link = live_link(sentinel)
    link.ask(1.0)
    exchange(link, sentinel, 1.0, open_streams={0})
    commands = [command for _, command in sentinel.commands]
    assert (commands.count("ROLE"), commands.count("INFO sentinel")) == (2, 1)


def test_ckquorum_is_sent_if_an_acl_refuses_the_list_of_sentinels() -> None:
    sentinel = ScriptedSentinel(
        refuse={"SENTINEL SENTINELS": NOPERM, "SENTINEL CKQUORUM": b"-NOQUORUM 2 usable Sentinels.\r\n"}
    )
    link = live_link(sentinel)
    link.ask(1.0)
    [answer] = [fact for fact in exchange(link, sentinel, 1.0, open_streams={0}) if isinstance(fact, MasterSnapshot)]
    assert (answer.sentinels, answer.usable) == (None, 2)
    sentinel.refuse["SENTINEL CKQUORUM"] = NOPERM
    for now in (2.0, 3.0):
        link.ask(now)
        exchange(link, sentinel, now, open_streams={0})
    commands = [command for _, command in sentinel.commands]
    assert (commands.count("SENTINEL SENTINELS mymaster"), commands.count("SENTINEL CKQUORUM mymaster")) == (1, 2)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("refuse", [{}, {"HELLO": NO_HELLO}], ids=["resp3", "resp2"])
def test_snapshot_holds_the_recorded_answers(version: str, refuse: dict[str, bytes]) -> None:
    replies = recorded(version)
    facts = exchange(link_of(), ScriptedSentinel(version, refuse), 0.0)
    live = next(f for f in facts if isinstance(f, LinkChange) and f.state is LinkState.LIVE)
    snapshot = next(f for f in facts if isinstance(f, MasterSnapshot))
    host, port = replies["SENTINEL GET-MASTER-ADDR-BY-NAME mymaster"]  # type: ignore[misc]
    assert live.run_id == replies["SENTINEL MYID"]
    assert live.can_ask
    if not (refuse and version.startswith("valkey")):
        assert version.replace("-", " ") == live.version
    assert snapshot.address == Address(host, int(port))
    assert snapshot.config_epoch == snapshot.reply.config_epoch
    assert snapshot.replicas is not None
    assert len(snapshot.replicas) == 2
    assert snapshot.sentinels is not None
    assert len(snapshot.sentinels) == 2
    assert facts[-1] == SnapshotEnd(("mymaster",))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("refuse", [{}, {"HELLO": NO_HELLO}], ids=["resp3", "resp2"])
def test_facts_are_the_same_if_bytes_come_one_by_one(version: str, refuse: dict[str, bytes]) -> None:
    whole = exchange(link_of(), ScriptedSentinel(version, refuse), 0.0)
    torn = exchange(link_of(), ScriptedSentinel(version, refuse), 0.0, one_by_one)
    assert whole == torn


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_recorded_event_is_heard_in_order_however_it_is_cut(path: object) -> None:
    events = list(events_of(path))  # type: ignore[arg-type]
    stream = b"".join(published(channel, payload) for channel, payload in events)
    expected = [parse_event(channel, payload) for channel, payload in events]
    whole, torn = live_link(ScriptedSentinel()), live_link(ScriptedSentinel())
    whole.receive_data(stream, 0.0)
    for at in range(0, len(stream), 7):
        torn.receive_data(stream[at : at + 7], 0.0)
    assert expected == whole.events_received()
    assert expected == torn.events_received()
    assert whole.counters.events == len(events)


SWITCH = published("+switch-master", "mymaster 10.0.0.1 6379 10.0.0.2 6379")


def test_event_that_comes_alone_is_read_as_any_other() -> None:
    short, long = live_link(ScriptedSentinel()), live_link(ScriptedSentinel())
    event = short.lone_event(SWITCH, 5.0)
    long.receive_data(SWITCH, 5.0)
    assert [event] == long.events_received()
    assert not short.events_received()
    assert (short.counters, short.deadline, short.last_heard) == (long.counters, long.deadline, long.last_heard)
    assert short.deadline is not None
    assert short.deadline > 5.0


@pytest.mark.parametrize(
    "data",
    [b"", b"+PONG\r\n", SWITCH * 2, SWITCH[:-1], SWITCH[:20], published("+set", "master m 10.0.0.1 6379 quorum 2")],
)
def test_what_is_no_lone_event_is_not_read(data: bytes) -> None:
    link = live_link(ScriptedSentinel())
    before = (replace(link.counters), link.deadline, link.last_heard)
    assert link.lone_event(data, 5.0) is None
    assert (link.counters, link.deadline, link.last_heard) == before


def test_lone_event_overtakes_nothing_that_came_before_it() -> None:
    link = live_link(ScriptedSentinel())
    link.receive_data(SWITCH, 5.0)
    assert link.lone_event(SWITCH, 5.0) is None, "the first one was not fetched yet"
    link.events_received()
    link.receive_data(SWITCH[:20], 5.0)
    assert link.lone_event(SWITCH, 5.0) is None, "the end of the one before has not come"
    link.receive_data(SWITCH[20:], 5.0)
    assert link.events_received()
    assert link.lone_event(SWITCH, 5.0) is not None
    assert link_of().lone_event(SWITCH, 5.0) is None, "not connected"


def test_event_between_two_replies_keeps_its_place_among_the_facts() -> None:
    link, sentinel = link_of(), ScriptedSentinel()
    switch = published("+switch-master", "mymaster 10.0.0.1 6379 10.0.0.2 6379")

    def interrupted(data: bytes) -> list[bytes]:
        # After the first reply of the batch, the map, and before the second, the address.
        at = data.find(b"*2\r\n$9\r\n127.0.0.1\r\n")
        return [data] if at < 0 else [data[:at], switch, data[at:]]

    facts = exchange(link, sentinel, 0.0, interrupted)
    event = parse_event("+switch-master", "mymaster 10.0.0.1 6379 10.0.0.2 6379")
    kinds = [type(fact) for fact in facts[-3:]]
    assert [type(event), MasterSnapshot, SnapshotEnd] == kinds


def test_configured_masters_need_no_question_for_names() -> None:
    sentinel = ScriptedSentinel(masters=("mymaster", "other"))
    facts = exchange(link_of(masters=["mymaster", "absent"]), sentinel, 0.0)
    assert "ROLE" not in [command for _, command in sentinel.commands]
    assert facts[-1] == SnapshotEnd(("mymaster",))


def test_name_that_is_not_utf8_goes_back_as_it_came() -> None:
    name = b"caf\xe9 1".decode("utf-8", "surrogateescape")
    sentinel = ScriptedSentinel(masters=(name,))
    facts = exchange(link_of(), sentinel, 0.0)
    assert facts[-1] == SnapshotEnd((name,))


def test_many_masters_are_asked_about_in_batches() -> None:
    names = [f"m{number}" for number in range(LIMITS.batch + 1)]
    sentinel = ScriptedSentinel(masters=names)
    link = link_of()
    facts = exchange(link, sentinel, 0.0)
    assert facts[-1] == SnapshotEnd(tuple(names))
    assert link.counters.snapshots == len(names)


# RESP2.


def test_link_speaks_resp2_on_two_connections_if_hello_is_unknown() -> None:
    sentinel = ScriptedSentinel(refuse={"HELLO": NO_HELLO})
    link = live_link(sentinel)
    assert link.streams_wanted == 2
    subscribed = sentinel.commands.index((1, "PSUBSCRIBE *"))
    assert subscribed < sentinel.commands.index((0, "SENTINEL MASTER mymaster"))
    link.receive_data(published("+sdown", "master m 10.0.0.1 1", resp3=False), 0.0, 1)
    assert [parse_event("+sdown", "master m 10.0.0.1 1")] == link.events_received()


@pytest.mark.parametrize("stream", [0, 1])
def test_end_of_either_connection_ends_the_resp2_conversation(stream: int) -> None:
    link = live_link(ScriptedSentinel(refuse={"HELLO": NO_HELLO}))
    link.receive_eof(1.0, stream)
    assert link.streams_wanted == 0
    assert down_reason(link.events_received()) == "the Sentinel closed the connection"


def test_both_resp2_connections_are_pinged_if_quiet() -> None:
    sentinel = ScriptedSentinel(refuse={"HELLO": NO_HELLO})
    link = live_link(sentinel)
    link.tick(1.0)
    exchange(link, sentinel, 1.0, open_streams={0, 1})
    assert sentinel.commands[-2:] == [(0, "PING"), (1, "PING")]
    assert link.state is LinkState.LIVE


def test_password_is_sent_before_a_second_hello_if_the_default_user_lacks_the_right() -> None:
    sentinel = ScriptedSentinel(refuse={"HELLO 3 AUTH": NOPERM})
    link = link_of()
    exchange(link, sentinel, 0.0, credentials=Credentials("watcher", "pw"))
    said = [command for _, command in sentinel.commands]
    assert said[1] == "AUTH watcher pw"
    assert "HELLO 3 SETNAME switchmaster" in said
    assert link.streams_wanted == 1


# ACL refusals.


def test_subscription_falls_back_to_two_patterns() -> None:
    sentinel = ScriptedSentinel(refuse={"PSUBSCRIBE *": NOPERM})
    link = live_link(sentinel)
    assert link.subscribed == "+* -*"
    said = [command for _, command in sentinel.commands]
    # The first ROLE was answered before the subscription was confirmed, so it is void.
    assert said.count("ROLE") == 2
    assert said.index("PSUBSCRIBE +* -*") < said.index("SENTINEL MASTER mymaster")


def test_subscription_falls_back_to_all_channels_in_one_command() -> None:
    sentinel = ScriptedSentinel(refuse={"PSUBSCRIBE": NOPERM})
    link = live_link(sentinel)
    assert link.subscribed == f"{len(EVENTS)} channels"
    link.receive_data(push("message", "+switch-master", "m 10.0.0.1 1 10.0.0.2 2"), 0.0)
    expected = [parse_event("+switch-master", "m 10.0.0.1 1 10.0.0.2 2")]
    assert expected == link.events_received()


def test_subscription_keeps_the_channels_that_are_allowed() -> None:
    refuse = {"PSUBSCRIBE": NOPERM, f"SUBSCRIBE {EVENTS[0].channel}": NOPERM}
    refuse["SUBSCRIBE -sdown"] = NOPERM
    link = live_link(ScriptedSentinel(refuse=refuse))
    channels = link.subscribed.split()
    assert "+switch-master" in channels
    assert "-sdown" not in channels
    assert len(channels) == len(EVENTS) - 2


def test_link_is_down_if_no_channel_is_allowed() -> None:
    sentinel = ScriptedSentinel(refuse={"PSUBSCRIBE": NOPERM, "SUBSCRIBE": NOPERM})
    facts = exchange_until_down(sentinel)
    assert "none of Sentinel's channels" in down_reason(facts)


def test_link_that_may_poll_keeps_asking_if_no_channel_is_allowed() -> None:
    sentinel = ScriptedSentinel(refuse={"PSUBSCRIBE": NOPERM, "SUBSCRIBE": NOPERM})
    link = link_of(poll_interval=1.0)
    streams: set[int] = set()
    facts = exchange(link, sentinel, 0.0, open_streams=streams)
    live = next(fact for fact in facts if isinstance(fact, LinkChange) and fact.state is LinkState.LIVE)
    assert "none of Sentinel's channels" in live.reason
    assert any(isinstance(fact, MasterSnapshot) for fact in facts)
    assert link.subscribed == ""
    link.tick(1.0)
    assert any(isinstance(fact, MasterSnapshot) for fact in exchange(link, sentinel, 1.0, open_streams=streams))


def test_link_that_may_poll_goes_down_if_questions_are_refused_too() -> None:
    refuse = {"PSUBSCRIBE": NOPERM, "SUBSCRIBE": NOPERM, "SENTINEL": NOPERM, "ROLE": NOPERM}
    facts = exchange_until_down(ScriptedSentinel(refuse=refuse), poll_interval=1.0)
    assert "neither subscribe nor ask" in down_reason(facts)


def test_hurried_link_dials_and_asks_at_once() -> None:
    sentinel = ScriptedSentinel()
    link = live_link(sentinel)
    asked = len(sentinel.commands)
    link.hurry(0.1)
    exchange(link, sentinel, 0.1, open_streams={0})
    assert "ROLE" in [command for _, command in sentinel.commands[asked:]]
    link.receive_eof(0.2)
    assert link.state is LinkState.DOWN
    link.hurry(0.2)
    assert link.state is LinkState.CONNECTING
    link.close()
    link.hurry(0.3)
    assert link.streams_wanted == 0


def exchange_until_down(sentinel: ScriptedSentinel, **options: object) -> list[Fact]:
    link = link_of(**options)
    facts = exchange(link, sentinel, 0.0)
    assert link.state is LinkState.DOWN
    assert link.streams_wanted == 0
    return facts


@pytest.mark.parametrize("part", ["MASTER", "GET-MASTER-ADDR-BY-NAME"])
def test_link_stays_live_without_snapshots_if_they_are_refused(part: str) -> None:
    sentinel = ScriptedSentinel(refuse={f"SENTINEL {part} ": NOPERM})
    link = link_of()
    facts = exchange(link, sentinel, 0.0)
    assert isinstance(facts[-1], LinkChange)
    assert facts[-1].state is LinkState.LIVE
    assert not facts[-1].can_ask
    asked = len(sentinel.commands)
    link.ask(1.0)
    exchange(link, sentinel, 1.0, open_streams={0})
    assert asked == len(sentinel.commands)
    link.receive_data(published("+new-epoch", "7"), 1.0)
    assert [parse_event("+new-epoch", "7")] == link.events_received()


def test_refused_parts_are_none_and_not_requested_again() -> None:
    sentinel = ScriptedSentinel(refuse={"SENTINEL REPLICAS": NOPERM, "SENTINEL SENTINELS": NOPERM})
    link = link_of()
    first = exchange(link, sentinel, 0.0)
    link.ask(1.0)
    second = exchange(link, sentinel, 1.0, open_streams={0})
    for facts in (first, second):
        snapshot = next(fact for fact in facts if isinstance(fact, MasterSnapshot))
        assert snapshot.replicas is None
        assert snapshot.sentinels is None
    said = [command for _, command in sentinel.commands]
    assert said.count("SENTINEL REPLICAS mymaster") == 1
    assert said.count("SENTINEL MASTER mymaster") == 2


def test_names_come_from_masters_if_role_is_refused() -> None:
    facts = exchange(link_of(), ScriptedSentinel(refuse={"ROLE": NOPERM}), 0.0)
    assert facts[-1] == SnapshotEnd(("mymaster",))


def test_nothing_is_asked_if_role_and_masters_are_refused() -> None:
    sentinel = ScriptedSentinel(refuse={"ROLE": NOPERM, "SENTINEL MASTERS": NOPERM})
    facts = exchange(link_of(), sentinel, 0.0)
    assert isinstance(facts[-1], LinkChange)
    assert not facts[-1].can_ask


def test_link_is_live_without_a_run_id_if_myid_is_refused() -> None:
    facts = exchange(link_of(), ScriptedSentinel(refuse={"SENTINEL MYID": NOPERM}), 0.0)
    live = next(f for f in facts if isinstance(f, LinkChange) and f.state is LinkState.LIVE)
    assert live.run_id is None
    assert facts[-1] == SnapshotEnd(("mymaster",))


# Questions.


def test_name_asked_while_its_answer_is_under_way_is_asked_again() -> None:
    sentinel = ScriptedSentinel()
    link = live_link(sentinel)
    for _ in range(3):
        link.ask(1.0, ["mymaster"])
    facts = exchange(link, sentinel, 1.0, open_streams={0})
    assert len([fact for fact in facts if isinstance(fact, MasterSnapshot)]) == 2
    assert SnapshotEnd(("mymaster",)) not in facts


def test_master_that_vanished_is_left_out_of_the_snapshot() -> None:
    sentinel = ScriptedSentinel(masters=("kept", "gone"))
    sentinel.refuse["SENTINEL MASTER gone"] = b"-ERR No such master with that name\r\n"
    facts = exchange(link_of(), sentinel, 0.0)
    assert facts[-1] == SnapshotEnd(("kept",))


def test_unreadable_answer_does_not_remove_the_master() -> None:
    """Otherwise an odd reply of a newer server would look as if the master were no longer monitored."""
    sentinel = ScriptedSentinel(masters=("kept", "odd"))
    sentinel.refuse["SENTINEL MASTER odd"] = b"-ERR something new\r\n"
    facts = exchange(link_of(), sentinel, 0.0)
    assert facts[-1] == SnapshotEnd(("kept", "odd"))
    assert [f.name for f in facts if isinstance(f, MasterSnapshot)] == ["kept"]


def test_whole_snapshot_is_taken_again_after_the_reconcile_interval() -> None:
    sentinel = ScriptedSentinel()
    link = live_link(sentinel, reconcile_interval=10.0, ping_interval=100.0)
    assert link.deadline == pytest.approx(10.0)
    link.tick(9.9)
    assert [] == link.data_to_send()
    link.tick(10.0)
    facts = exchange(link, sentinel, 10.0, open_streams={0})
    assert facts[-1] == SnapshotEnd(("mymaster",))
    assert link.counters.rounds == 2


def test_reconcile_interval_grows_with_all_masters_of_the_program() -> None:
    sentinel = ScriptedSentinel()
    link = live_link(sentinel, reconcile_interval=10.0, ping_interval=10_000.0)
    link.spread(200)
    assert link.deadline == pytest.approx(10.0)
    link.spread(2_000)
    assert link.deadline == pytest.approx(100.0)
    link.tick(99.0)
    assert [] == link.data_to_send()
    link.tick(100.0)
    exchange(link, sentinel, 100.0, open_streams={0})
    assert link.counters.rounds == 2
    assert link.deadline == pytest.approx(200.0)
    link.spread(100)
    assert link.deadline == pytest.approx(110.0)


def test_link_that_spreads_its_questions_asks_at_once_when_it_is_live_again() -> None:
    sentinel = ScriptedSentinel()
    link = live_link(sentinel, reconcile_interval=10.0, ping_interval=10_000.0)
    link.spread(2_000)
    link.receive_eof(1.0)
    link.spread(4_000)
    assert link.deadline is not None
    link.tick(link.deadline)
    link.connect(5.0)
    facts = exchange(link, sentinel, 5.0, open_streams={0})
    assert facts[-1] == SnapshotEnd(("mymaster",))
    assert link.deadline == pytest.approx(205.0)


# Deadlines.


def test_quiet_sentinel_is_pinged_and_then_found_silent() -> None:
    link = live_link(ScriptedSentinel(), ping_interval=1.0, timeout=0.5)
    assert link.deadline == pytest.approx(1.0)
    link.tick(1.0)
    assert [(0, b"*1\r\n$4\r\nPING\r\n")] == link.data_to_send()
    assert link.deadline == pytest.approx(1.5)
    link.tick(1.5)
    assert down_reason(link.events_received()) == "silent for 0.5 s"


def test_ping_may_come_a_twentieth_early_so_that_one_timer_serves_many_links() -> None:
    link = live_link(ScriptedSentinel(), ping_interval=1.0)
    link.tick(0.9)
    assert link.data_to_send() == []
    link.tick(0.95)
    assert link.data_to_send() == [(0, b"*1\r\n$4\r\nPING\r\n")]


def test_answered_ping_keeps_the_link_live() -> None:
    sentinel = ScriptedSentinel()
    link = live_link(sentinel, reconcile_interval=1000.0)
    for second in range(1, 60):
        link.tick(float(second))
        assert [] == exchange(link, sentinel, float(second), open_streams={0})
    assert link.state is LinkState.LIVE
    assert link.counters.pings == 59


@pytest.mark.parametrize("timeout", [0.5, 1.0])
def test_dripping_reply_is_abandoned_in_bounded_time(timeout: float) -> None:
    link = live_link(ScriptedSentinel(), timeout=timeout, ping_interval=1.0)
    link.tick(1.0)
    now = 1.0
    while link.state is LinkState.LIVE:
        now += 0.05
        link.receive_data(b"$" if now < 1.06 else b"1", now)
        link.tick(now)
    assert now <= 1.0 + timeout + 0.1
    assert "too slowly" in down_reason(link.events_received())


def test_dripping_events_do_not_hide_a_reply_that_never_comes() -> None:
    link = live_link(ScriptedSentinel(), timeout=1.0, ping_interval=1.0)
    link.tick(1.0)
    now = 1.0
    while link.state is LinkState.LIVE:
        now += 0.5
        link.receive_data(published("+new-epoch", "7"), now)
        link.tick(now)
    assert now == pytest.approx(6.0)


@pytest.mark.parametrize("refuse", [{}, {"HELLO": NO_HELLO}], ids=["resp3", "resp2"])
def test_greeting_is_bounded_as_a_whole(refuse: dict[str, bytes]) -> None:
    link, sentinel = link_of(timeout=1.0), ScriptedSentinel(refuse=refuse)
    link.connect(0.0)
    now = 0.0
    while link.state is LinkState.GREETING and now < 10:
        now += 0.9
        for stream, data in link.data_to_send():
            # Every answer but the last arrives, but late.
            if b"SUBSCRIBE" not in data:
                link.receive_data(sentinel.answer(data, stream), now, stream)
        link.tick(now)
    assert now <= 3.7
    assert link.state is LinkState.DOWN


def test_tick_before_the_deadline_does_nothing() -> None:
    link = live_link(ScriptedSentinel())
    link.tick(0.5)
    assert ([], []) == (link.data_to_send(), link.events_received())


# Down and up again.


def test_link_dials_again_after_the_delay_and_takes_a_whole_snapshot() -> None:
    sentinel = ScriptedSentinel()
    link = live_link(sentinel)
    link.receive_eof(20.0)
    link.events_received()
    assert link.deadline is not None
    assert 20.0 < link.deadline <= 20.05
    link.tick(link.deadline)
    sentinel.forget()
    facts = exchange(link, sentinel, 21.0)
    expected = [LinkState.CONNECTING, LinkState.GREETING, LinkState.LIVE]
    assert expected == states(facts)
    assert facts[-1] == SnapshotEnd(("mymaster",))


def test_backoff_grows_while_no_conversation_lasts() -> None:
    link, sentinel, now, delays = link_of(), ScriptedSentinel(), 0.0, []
    for _ in range(8):
        sentinel.forget()
        exchange(link, sentinel, now)
        link.receive_eof(now)
        assert link.deadline is not None
        delays.append(link.deadline - now)
        now = link.deadline
        link.tick(now)
    assert delays == sorted(delays)
    assert 1.0 <= delays[-1] <= 2.0
    sentinel.forget()
    exchange(link, sentinel, now)
    link.receive_eof(now + 6.0)
    assert link.deadline is not None
    assert link.deadline - now - 6.0 < 0.1


def test_bytes_after_the_end_are_ignored() -> None:
    link = live_link(ScriptedSentinel())
    link.receive_eof(1.0)
    link.events_received()
    link.receive_data(published("+new-epoch", "7"), 1.0)
    link.receive_eof(1.0)
    assert [] == link.events_received()


def test_closed_link_wants_nothing() -> None:
    link = live_link(ScriptedSentinel())
    link.close()
    link.close()
    link.tick(1000.0)
    link.ask(1000.0)
    assert (0, None, []) == (link.streams_wanted, link.deadline, link.data_to_send())
    assert [LinkState.DOWN] == states(link.events_received())


def test_failed_attempt_is_reported_with_its_reason() -> None:
    link = link_of()
    link.connect_failed("connection refused", 0.0)
    assert down_reason(link.events_received()) == "connection refused"
    assert link.deadline is not None


def test_shell_must_not_open_a_stream_twice() -> None:
    link = link_of()
    link.connect(0.0)
    with pytest.raises(ValueError, match="open already"):
        link.connect(0.0)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"client_name": "two words"}])
def test_link_refuses_options_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|seconds"):
        link_of(**options)
