"""The dashboard's pure functions, run in the browser: formats of values, places, the stream, the drawings."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs

import pytest

from recorded.answers import snapshot
from rig.api_rig import S1, S2, SENTINELS, A, B, C, FakeDeployment, FileJournal, node_id, served
from rig.dashboard import Serving, watched
from switchmaster.belief.words import HEALTH_WORDS, OUTCOME_WORDS, STAGE_WORDS, record_words, stage_words
from switchmaster.server.api.belief_lines import detailed_master_line
from switchmaster.server.api.overview import shown_health, troubled

pytestmark = pytest.mark.browser

Call = Callable[..., Any]

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a/b?c#d&e=f%41",
    "\\",
    "\\ud800",
    "\udcff",
    "..",
    "",
    "naïve 日本 😀",
    "\u202etxt",
]


@pytest.fixture(scope="module")
def call(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    """Yield a function that calls a function of a module of the dashboard with plain values."""
    kept = FileJournal(tmp_path_factory.mktemp("journal"))
    with (
        closing(kept),
        Serving(lambda http: served(FakeDeployment(), kept=kept, settings=http)) as serving,
        watched(browser, serving.url) as page,
    ):
        page.go()

        def call(module: str, expression: str, *values: Any) -> Any:
            # As JSON text, because the browser's own protocol takes no lone surrogates.
            script = f"""async (text) => {{
                const m = await import("/{module}");
                const values = JSON.parse(text);
                return JSON.stringify(({expression}) ?? null);
            }}"""
            return json.loads(page.page.evaluate(script, json.dumps(values)))

        yield call


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.00042, "0.4 ms"),
        (0.0099, "9.9 ms"),
        (0.353, "353 ms"),
        (0.9996, "1.00 s"),
        (1.789, "1.79 s"),
        (9.999, "10.0 s"),
        (59.96, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (11_520, "3 h 12 min"),
        (360_000, "4 d 4 h"),
        (-0.5, "−500 ms"),
    ],
)
def test_duration_has_the_digits_that_matter(call: Call, seconds: float | None, words: str) -> None:
    assert call("text.js", "m.duration(values[0])", seconds) == words


def test_time_keeps_the_microseconds_that_the_daemon_gives(call: Call) -> None:
    assert call("text.js", "m.seconds(values[0])", "2026-11-23T03:00:00.123456Z") == pytest.approx(
        1795402800.123456, abs=1e-6
    )
    assert call("text.js", "m.utc(values[0])", "2026-11-23T03:00:00.123456Z") == "2026-11-23 03:00:00.123456 UTC"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 😀", "plain é 日本 😀"),
        ("<b>&amp;", "<b>&amp;"),
        ("a\u202eb\x00\x1b[2J", "a\\u202eb\\u0000\\u001b[2J"),
        ("\udcff\u200b", "\\udcff\\u200b"),
    ],
)
def test_text_without_a_shape_is_made_visible(call: Call, text: str, shown: str) -> None:
    assert call("text.js", "m.shown(values[0])", text) == shown


@pytest.mark.parametrize("master", HOSTILE)
def test_place_of_a_master_leads_back_to_its_name(call: Call, master: str) -> None:
    place = call("routes.js", "m.toMaster('kv db', values[0])", master)
    assert place.startswith("#/masters/kv%20db/")
    assert place.isascii()
    assert call("routes.js", "m.parse(values[0])", place) == {
        "page": "master",
        "parts": ["kv db", master],
        "filters": {},
    }


@pytest.mark.parametrize("master", HOSTILE)
def test_path_holds_any_name_in_its_query(call: Call, master: str) -> None:
    path = call("api.js", "m.path('events', {deployment: 'kv db', master: values[0], cursor: null})", master)
    query = parse_qs(path.removeprefix("events?"), keep_blank_values=True, errors="surrogateescape")
    assert path.isascii()
    assert query == {"deployment": ["kv db"], "master": [master]}


def test_filters_are_read_back_and_unknown_places_lead_nowhere(call: Call) -> None:
    place = call("routes.js", "m.toHistory({master: values[0], outcome: '', kind: 'manual'})", HOSTILE[1])
    assert call("routes.js", "m.parse(values[0])", place)["filters"] == {"master": HOSTILE[1], "kind": "manual"}
    for nonsense in ("#/masters/%zz/a", "#/masters/a", "#/none", "#none"):
        assert call("routes.js", "m.parse(values[0])", nonsense)["page"] == "nowhere"


STREAM = (
    ": hello\r\nretry: 2000\nid: 41\n\n"
    'id: 42\nevent: switch\ndata: {"a":\ndata: 1}\n\r\n'
    "id\rdata:none\r\r"
    "event: unfinished\n\n: only a comment\n\ndata: last\nid: 43\n"
)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_stream_is_cut_into_the_same_events_wherever_its_pieces_end(call: Call, size: int) -> None:
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    script = """(() => {
        const parser = new m.EventParser();
        const events = values[0].flatMap((piece) => parser.push(piece));
        return [events, parser.id, parser.retry];
    })()"""
    events, last, retry = call("stream.js", script, pieces)
    assert events == [
        {"type": "switch", "data": '{"a":\n1}', "id": "42"},
        {"type": "message", "data": "none", "id": ""},
    ]
    assert (last, retry) == ("43", 2000)


def test_event_without_an_end_is_given_up(call: Call) -> None:
    script = """(() => {
        const parser = new m.EventParser();
        try { for (let i = 0; i < 100; i++) parser.push("x".repeat(100000)); } catch (error) { return error.message; }
    })()"""
    assert "without an end" in call("stream.js", script)


def test_attributes_that_could_act_are_refused(call: Call) -> None:
    attempt = """(() => {
        try { m.h("a", {[values[0]]: values[1]}); } catch (error) { return error.name; }
        return "made";
    })()"""
    for name, value in (
        ("onclick", "alert(1)"),
        ("style", "color: red"),
        ("href", "javascript:alert(1)"),
        ("href", "//elsewhere"),
        ("src", "x"),
        ("srcdoc", "x"),
    ):
        assert call("dom.js", attempt, name, value) == "TypeError", name
    assert call("dom.js", attempt, "href", "#/") == "made"


def test_update_keeps_what_is_there_and_makes_it_equal(call: Call) -> None:
    script = """(() => {
        const list = m.h("ul", {}, values[0].map((key) => m.h("li", {key}, key)));
        const before = Object.fromEntries([...list.children].map((one) => [one.textContent, one]));
        m.update(list, values[1].map((key) => m.h("li", {key, class: "new"}, key)));
        const after = [...list.children];
        return [after.map((one) => one.textContent), after.map((one) => before[one.textContent] === one),
                after.every((one) => one.className === "new")];
    })()"""
    texts, kept, changed = call("dom.js", script, ["a", "b", "c", "d"], ["d", "x", "b", "a"])
    assert texts == ["d", "x", "b", "a"]
    assert kept == [True, False, True, True]
    assert changed


# -- drawings ----------------------------------------------------------------------------------------

S = ["10.0.0.1:26379", "10.0.0.2:26379", "10.0.0.3:26379"]
BEGAN = 1_790_000_000


def at(offset: float) -> str:
    return (
        f"2026-09-21T14:13:20.{round(offset * 1e6):06d}Z"
        if offset < 1
        else f"2026-09-21T14:13:{20 + int(offset)}.000000Z"
    )


def a_failover(**more: Any) -> dict[str, Any]:
    stages = [
        ("suspected", 0, S[0], "+sdown"),
        ("agreed-down", 0.1, S[1], "+odown"),
        ("electing", 0.1, S[1], "+try-failover"),
        ("elected", 0.15, S[1], "+elected-leader"),
        ("selected", 0.2, S[1], "+selected-slave"),
        ("promoted", 0.4, None, "ROLE"),
        ("switched", 2, S[0], "+switch-master"),
        ("settled", 3, S[1], "+failover-end"),
    ]
    return {
        "stages": [
            {"stage": s, "time": at(t), "sentinel": who, "by": by, "also": [S[2]] if s == "suspected" else []}
            for s, t, who, by in stages
        ],
        "announcements": [
            {"sentinel": S[0], "time": at(2)},
            {"sentinel": S[2], "time": at(2)},
            {"sentinel": S[1], "time": at(3)},
        ],
        "leader": S[1],
        "outcome": "completed",
        "closed": True,
    } | more


def sdown(sentinel: str, offset: float) -> dict[str, Any]:
    return {"sentinel": sentinel, "time": at(offset), "channel": "+sdown", "payload": "x", "kind": "master"}


LAYOUT = """m.layoutTimeline({
    failover: values[0], events: values[1], sentinels: [], width: values[2], now: values[3], span: values[4] ?? "whole",
})"""


@pytest.mark.parametrize("width", [300, 700, 1200])
def test_timeline_has_a_lane_for_each_sentinel_and_marks_do_not_overlap(call: Call, width: int) -> None:
    events = [sdown(name, offset) for name, offset in zip(S, (0, 0.01, 0.02), strict=True)]
    layout = call("drawing/timeline.js", LAYOUT, a_failover(), events, width, BEGAN + 100)
    lanes = {lane["name"]: lane for lane in layout["lanes"]}
    assert list(lanes) == ["the node itself", *S]
    assert [name for name, lane in lanes.items() if lane["leads"]] == [S[1]]
    for lane in lanes.values():
        places = [(mark["x"], mark["y"]) for mark in lane["marks"]]
        assert places
        for one, (x, y) in enumerate(places):
            assert layout["left"] <= x <= width
            assert lane["y"] < y < lane["bottom"]
            assert all(abs(x - a) >= 9 or abs(y - b) >= 9 for a, b in places[:one]), (lane["name"], places)
    assert [mark["group"] for mark in lanes[S[0]]["marks"]] == ["suspicion", "announcement"]


def test_timeline_is_in_proportion_and_its_bands_follow_each_other(call: Call) -> None:
    layout = call("drawing/timeline.js", LAYOUT, a_failover(), [], 1208, BEGAN + 100)
    bands = layout["bands"]
    assert [band["stage"] for band in bands][:2] == ["suspected", "agreed-down"]
    [selected] = [band for band in bands if band["stage"] == "selected"]
    assert selected["x"] == pytest.approx(190 + 1000 * 0.2 / 3, abs=0.01)
    for one, following in itertools.pairwise(bands):
        assert one["x"] + max(one["width"], 0) == pytest.approx(following["x"], abs=1.01)
    assert layout["axis"][0]["label"] == "0"
    assert layout["now"] is None


def test_timeline_until_the_promotion_leaves_out_what_came_later(call: Call) -> None:
    layout = call("drawing/timeline.js", LAYOUT, a_failover(), [], 1208, BEGAN + 100, "promoted")
    assert layout["end"] - layout["begin"] == pytest.approx(0.4 * 1.06, abs=1e-5)
    assert "switched" not in [band["stage"] for band in layout["bands"]]
    assert all(mark["group"] != "announcement" for lane in layout["lanes"] for mark in lane["marks"])


def test_timeline_reaches_to_now_unless_the_failover_is_long_silent(call: Call) -> None:
    running = a_failover(closed=False, outcome="in-progress")
    begin = call("text.js", "m.seconds(values[0])", at(0))
    layout = call("drawing/timeline.js", LAYOUT, running, [], 1208, begin + 10)
    assert layout["end"] == pytest.approx(begin + 10)
    assert layout["now"] is not None
    left = call("drawing/timeline.js", LAYOUT, running, [], 1208, begin + 1000)
    assert left["end"] == pytest.approx(begin + 3)
    assert left["now"] is None


def test_timeline_without_times_is_not_drawn(call: Call) -> None:
    assert call("drawing/timeline.js", LAYOUT, a_failover(stages=[]), [], 1208, BEGAN) is None


def a_master(replicas: int, opinions: int, **more: Any) -> dict[str, Any]:
    node = {"host": "10.0.1.1", "port": 6379}
    rows = [
        {"host": "10.0.2.1", "port": 6000 + n, "down_by": [], "link_up": True, "offset": 100 - n, "priority": 100}
        for n in range(replicas)
    ]
    said = [{"sentinel": f"s{n}", **node, "epoch": 1, "live": True, "agrees": True} for n in range(opinions)]
    return {
        "address": node,
        "epoch": 1,
        "health": "ok",
        "replicas": rows,
        "opinions": said,
        "down_by": [],
        "agreement": f"{opinions} of {opinions} Sentinels agree",
        "failover": None,
    } | more


@pytest.mark.parametrize("width", [300, 640, 1200])
@pytest.mark.parametrize(("replicas", "voters"), [(0, 0), (0, 1), (2, 3), (9, 5), (40, 40)])
def test_topology_fits_and_boxes_do_not_overlap(call: Call, width: int, replicas: int, voters: int) -> None:
    sentinels = [{"sentinel": f"s{n}", "state": "live", "tilt": False} for n in range(voters)]
    layout = call(
        "drawing/topology.js",
        "m.layoutTopology({master: values[0], sentinels: values[1], width: values[2]})",
        a_master(replicas, voters),
        sentinels,
        width,
    )
    boxes = [*layout["nodes"], *layout["sentinels"]]
    for one, box in enumerate(boxes):
        assert 0 <= box["x"]
        assert box["x"] + box["width"] <= width
        assert 0 <= box["y"] <= layout["height"] - 58
        for other in boxes[:one]:
            apart = box["x"] + box["width"] <= other["x"] or other["x"] + other["width"] <= box["x"]
            assert apart or abs(box["y"] - other["y"]) >= 58
    assert len(layout["links"]) == min(replicas, 16) + min(voters, 16)


def test_topology_shows_disagreement_and_the_former_master(call: Call) -> None:
    old = {"host": "10.0.1.9", "port": 6379}
    master = a_master(
        1, 2, failover={"outcome": "completed", "old": old, "new": {"host": "10.0.1.1", "port": 6379}, "leader": "s0"}
    )
    master["opinions"][1] |= {**old, "agrees": False}
    sentinels = [{"sentinel": f"s{n}", "state": "live", "tilt": False} for n in range(2)]
    layout = call(
        "drawing/topology.js",
        "m.layoutTopology({master: values[0], sentinels: values[1], width: 1000})",
        master,
        sentinels,
    )
    assert [node["kind"] for node in layout["nodes"]] == ["master", "replica", "former"]
    assert {link["id"]: link["kind"] for link in layout["links"]} == {
        "replication 10.0.2.1:6000": "follows",
        "replication 10.0.1.9:6379": "gone",
        "opinion s0": "agrees",
        "opinion s1": "disagrees",
    }


# -- the feed ----------------------------------------------------------------------------------------


def test_event_heard_by_several_daemons_is_listed_once_per_publication(call: Call) -> None:
    def heard(run: str, offset: float, channel: str = "+sdown") -> dict[str, Any]:
        return {"type": "event", "sentinel": S[0], "channel": channel, "payload": "m", "time": at(offset), "run": run}

    lines = [
        *(heard("a", 0), heard("b", 0.1), heard("a", 0.2, "-sdown"), heard("b", 0.3, "-sdown")),
        # Published again and heard by the second daemon first; then heard by one alone, long after and again.
        *(heard("b", 1), heard("a", 0.9), heard("a", 20), heard("b", 30), heard("b", 31), heard("a", 32)),
    ]
    news = call("feed.js", "m.newsOf(values[0])", list(enumerate(lines)))
    assert [entry for entry, _ in news] == [0, 2, 4, 6, 7, 8]


# -- words -------------------------------------------------------------------------------------------


def happening(call: Call, master: dict[str, Any], sentinels: list[dict[str, Any]]) -> list[tuple[str, str]]:
    told = call("words.js", "m.happening(values[0], values[1], 1790000000)", master, sentinels)
    return [(one["level"], one["text"]) for one in told]


def test_headlines_name_the_gravest_first(call: Call) -> None:
    voters = [{"sentinel": f"s{n}", "state": "live" if n else "down", "tilt": False} for n in range(3)]
    suspected = a_master(1, 3, health="suspected", down_by=["s1"], quorum=2)
    suspected["replicas"][0]["link_up"] = False
    levels = happening(call, suspected, voters)
    assert levels == [
        ("suspected", "s1 gets no answer from the master; 2 Sentinels must agree before anything is done."),
        ("suspected", "s0 can't be reached."),
        ("suspected", "The replica 10.0.2.1:6000 has no link to the master."),
    ]
    tilted = [{"sentinel": f"s{n}", "state": "live" if n else "down", "tilt": True} for n in range(3)]
    assert [text for _, text in happening(call, a_master(1, 3), tilted)] == [
        "s0 can't be reached.",
        "s1 and s2 are in TILT: they do not trust their clocks and start no failover.",
    ]
    lost = "no failover possible: 2 of 5 Sentinels answer, 3 are needed"
    electorate = {"known": 5, "obstacle": "too-few", "text": lost, "unaware": ["s2"]}
    assert happening(call, a_master(1, 3, electorate=electorate), voters[1:]) == [
        ("down", "No failover possible: 2 of 5 Sentinels answer, 3 are needed."),
        ("suspected", "s2 does not monitor this master, and can't vote on it."),
    ]
    [quiet] = happening(call, a_master(2, 3), voters[1:])
    assert quiet == ("ok", "All is well: 10.0.1.1:6379 is the master. 2 replicas follow, and 3 of 3 Sentinels agree.")


def test_states_have_the_same_names_as_everywhere_else(call: Call) -> None:
    for table, words in (("HEALTH", HEALTH_WORDS), ("STAGES", STAGE_WORDS), ("OUTCOME", OUTCOME_WORDS)):
        here = {key: text.replace("OK", "ok").lower() for key, text in call("words.js", f"m.{table}").items()}
        assert here == {str(key): text for key, text in words.items()}, table
    for outcome, attempted, closed, stage in (
        ("in-progress", False, False, "suspected"),
        ("in-progress", False, False, "agreed-down"),
        ("aborted", False, True, "aborted"),
        ("in-progress", True, False, "electing"),
        ("aborted", True, True, "aborted"),
        ("completed", True, True, "settled"),
    ):
        line = {"outcome": outcome, "attempted": attempted, "closed": closed, "stages": [{"stage": stage}]}
        said = call("words.js", "m.recordWords(values[0])", line)
        assert said.lower() == record_words(outcome, attempted, closed, stage)
        assert call("words.js", "m.stageWords(...values)", line, stage).lower() == stage_words(stage, attempted)


def test_new_master_is_not_called_down_because_the_old_one_is(call: Call) -> None:
    failover = {
        "outcome": "completed",
        "stages": [{"stage": "promoted"}],
        "new": {"host": "10.0.1.1", "port": 6379},
        "old": None,
        "leader": "s0",
    }
    master = a_master(1, 1, health="down", down_by=["s0"], failover=failover)
    for health, told in (("down", "failing-over"), ("ok", "failing-over"), ("unknown", "unknown")):
        assert call("words.js", "m.healthOf(values[0])", master | {"health": health}) == told
    assert happening(call, master, [])[0][1].startswith("10.0.1.1:6379 is the new master and takes writes")


def test_the_daemon_calls_the_same_masters_troubled_as_the_page_has_words_for(call: Call) -> None:
    told = FakeDeployment("kvdb", ["ok", "suspected", "torn", "promoted", "begun", "lone", "cut"])
    at = f"{A.host} {A.port}"
    told.say(S1, f"+sdown master suspected {at}", f"+try-failover master begun {at}")
    told.say(S1, f"+sdown slave {C} {C.host} {C.port} @ cut {at}")
    told.tell(S2, snapshot(B, 0, name="torn", replicas=[A, C], run_ids=node_id))
    for name in SENTINELS:
        told.tell(name, snapshot(A, 0, name="lone", replicas=[], run_ids=node_id))
    told.promote("promoted")
    masters = [state for _, state in sorted(told.topology.masters.items())]
    lines = [detailed_master_line("kvdb", state) for state in masters]
    worded = call("words.js", "values[0].map((master) => m.troubles(master, []).length > 0)", lines)
    assert [troubled(state) for state in masters] == worded
    assert sum(worded) >= 4
    health = call("words.js", "values[0].map(m.healthOf)", lines)
    assert [str(shown_health(state)) for state in masters] == health
