"""The dashboard over beliefs that tests make: hundreds of masters, hostile names, tokens, a daemon that stops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from recorded.answers import snapshot
from rig.api_rig import S1, S2, S3, A, B, C, FakeDeployment, FileJournal, node_id, served
from rig.conditions import eventually
from rig.dashboard import DESKTOP, PHONE, TOKEN, Serving, Watched, inaccessible, watched
from switchmaster.journal import FailoverFilter
from switchmaster.journal.claims import Claim, ClaimState, Sharer
from switchmaster.model import Address
from switchmaster.server.api import HttpSettings
from switchmaster.server.settings.share_settings import ShareSettings
from switchmaster.wire.facts import LinkChange, LinkState

pytestmark = pytest.mark.browser

READ = "look-5678"
IMAGE = "<img src=x onerror=alert(1)>"
HOSTILE = [
    IMAGE,
    "<script>alert(2)</script>",
    "\"'><svg/onload=alert(3)>",
    "javascript:alert(4)",
    "a/../b?c#d&amp;%41",
    "..",
    "turned\u202earound",
    "not\udcfftext",
    "m" * 300,
]
LONG = "a-master-with-a-name-" + "that-goes-on-" * 6
FAILED = "orders"


def serving(*told: FakeDeployment, kept: FileJournal, **access: Any) -> Serving:
    return Serving(lambda http: served(*told, kept=kept, settings=http), **access)


def failed_over(kept: FileJournal, *others: str) -> tuple[FakeDeployment, str]:
    """Return a deployment with one failover in its journal, and the failover's id."""
    told = FakeDeployment("kvdb", [FAILED, *others])
    told.fail_over(FAILED)
    kept.write(told.entries)
    told.entries.clear()
    [line] = failovers(kept)
    return told, line["id"]


def failovers(kept: FileJournal) -> list[dict[str, Any]]:
    return kept.reader.failovers(FailoverFilter()).items


def rows(page: Watched) -> list[str]:
    return [str(one) for one in page.page.locator("tbody tr th").all_inner_texts()]


# -- the overview ------------------------------------------------------------------------------------


def test_hundreds_of_masters_are_found_by_search_and_by_state(browser: Any, kept: FileJournal) -> None:
    told = [FakeDeployment(f"region-{n}", [f"cache-{n}-{m:03}" for m in range(120)]) for n in (1, 2, 3)]
    for m in (7, 8):
        told[1].say(S1, f"+sdown master cache-2-{m:03} {A.host} {A.port}")
    with serving(*told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.go()
        page.wait("360", ".chips")
        assert "cache-2-007" in page.text(".urgent")
        assert "10.0.0.1:26379 gets no answer from the master" in page.text(".urgent")
        assert len(rows(page)) == 100
        for left in (260, 160, 60):
            page.page.get_by_role("button", name=f"more of {left} masters").click()
        page.wait("cache-3-119")
        assert len(rows(page)) == 360

        page.page.keyboard.press("/")
        page.page.keyboard.type("cache-3-11")
        page.wait("10 masters found", "[role=status]")
        assert rows(page) == [f"cache-3-11{m}" for m in range(10)]
        page.page.get_by_label("Search").fill("")
        page.page.get_by_role("button", name="Suspected").click()
        page.wait("2 masters found", "[role=status]")
        assert rows(page) == ["cache-2-007", "cache-2-008"]
        page.page.reload()
        page.wait("2 masters found", "[role=status]")

        told[1].say(S1, f"-sdown master cache-2-007 {A.host} {A.port}")
        page.wait("1 master found", "[role=status]")
        page.page.get_by_label("Search").fill("nothing like it")
        page.wait("No matching master.")


def test_problems_around_a_healthy_master_are_shown(browser: Any, kept: FileJournal) -> None:
    told = FakeDeployment("kvdb", ["torn", "quiet"])
    told.tell(S2, snapshot(B, 0, name="torn", replicas=[A, C], run_ids=node_id))
    told.tell(S3, LinkChange(LinkState.DOWN, reason="connection refused"))
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.go()
        page.wait("10.0.0.2:26379 gives another address, 10.0.1.2:6379, at epoch 0.", ".urgent")
        page.wait("1 Sentinel of 3 can't be reached.", ".urgent")
        assert page.text(".urgent .state") == "Disagreement"
        page.page.get_by_role("button", name="Disagreement").click()
        page.wait("1 master found", "[role=status]")
        assert rows(page) == ["torn"]
        page.go("#/masters/kvdb/torn")
        page.page.wait_for_selector(".link-disagrees")
        page.page.wait_for_selector(".link-silent")
        page.wait("connection refused", "table")


def test_aborted_failover_says_why(browser: Any, kept: FileJournal) -> None:
    told = FakeDeployment("kvdb", [FAILED])
    of = f"{FAILED} {A.host} {A.port}"
    told.say(S2, f"+sdown master {of}")
    told.say(S1, f"+sdown master {of}", f"+odown master {of} #quorum 2/2", "+new-epoch 1", f"+try-failover master {of}")
    told.say(S1, f"+elected-leader master {of}", f"-failover-abort-no-good-slave master {of}")
    kept.write(told.entries)
    [line] = failovers(kept)
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.go(f"#/failovers/{line['id']}")
        page.wait("No replica took over from 10.0.1.1:6379: no replica is fit to be promoted.")
        page.page.wait_for_selector(".mark-abort")
        assert page.text("h1") == "10.0.1.1:6379 → no new master"
        assert page.page.get_by_role("button", name="Until promoted").count() == 0


def test_empty_lists_say_so_in_words(browser: Any, kept: FileJournal) -> None:
    with serving(FakeDeployment("kvdb", [], up=False), kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.go()
        page.wait("No master is monitored here, or no Sentinel has reported one yet.")
        page.wait("None of 3 Sentinels is connected. Nothing is known about its masters.")
        page.go("#/failovers")
        page.wait("No matching failover in the journal.")
        page.go("#/none")
        page.wait("There is no page at this address.")
        page.go("#/masters/kvdb/gone")
        page.wait("No connected Sentinel monitors a master of that name.")
        page.ignored.append("404")
        page.go("#/failovers/20261125T030000Z-1a2b3c4d")
        page.wait("The journal has no failover 20261125T030000Z-1a2b3c4d")
        assert page.text("h1") == page.page.title().partition(" – ")[0] == "No such failover"
        assert page.page.locator("main form:visible, main button:visible, main h2:visible").count() == 0


def test_deployment_without_any_heard_sentinel_is_shown_as_the_worst(browser: Any, kept: FileJournal) -> None:
    gone, torn = FakeDeployment("gone", ["orders", "carts"]), FakeDeployment("torn", ["users"])
    torn.say(S1, f"+sdown master users {A.host} {A.port}")
    for sentinel in (S1, S2, S3):
        gone.tell(sentinel, LinkChange(LinkState.DOWN, reason="connection refused"))
    with serving(gone, torn, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.go()
        page.wait("None of 3 Sentinels is connected. The state of 2 masters is the last belief", ".urgent")
        assert "Not watched" in page.texts(".urgent li")[0]
        assert page.page.title() == "Not watched · Masters – switchmaster"
        worse, bad = (
            page.page.evaluate(f"getComputedStyle(document.querySelector('{of} .state')).color")
            for of in (".urgent li:first-child", ".deaf tbody")
        )
        assert worse == bad
        page.go("#/masters/gone/orders")
        page.wait("No Sentinel is connected: this is the last belief", ".situation .first")
        page.page.wait_for_selector(".situation .first .level-down")


def test_deployments_of_other_daemons_are_shown_with_who_watches_them(browser: Any, kept: FileJournal) -> None:
    watching = {"orders": Claim(ClaimState.READY, masters=7), "lost": Claim(), "kvdb": Claim()}
    here = Sharer("r1", "here", 0.0, 3.0, 1, False, {"kvdb": Claim(ClaimState.READY), "orders": Claim()})
    there = Sharer("r2", "there", 0.0, 3.0, 1, False, watching)
    with serving(FakeDeployment("kvdb", ["m"]), kept=kept) as daemon, watched(browser, daemon.url) as page:
        assert daemon.state is not None
        told = {"sharers": (here, there), "held": frozenset({"kvdb"}), "trouble": None, "decided": True, "moves": {}}
        daemon.state.claims = SimpleNamespace(run="r1", settings=ShareSettings(1, 3.0, frozenset()), **told)
        page.go()
        page.wait("On other daemons")
        shown = page.texts("section.deployment:last-of-type tbody tr")
        assert [one.split() for one in shown] == [["lost", "Not", "watched", "0"], ["orders", "there", "7"]]


# -- hostile text ------------------------------------------------------------------------------------


def test_hostile_names_are_only_text(browser: Any, kept: FileJournal) -> None:
    # Names that a Sentinel can publish contain no blanks.
    said = "<img/src=x/onerror=alert(5)>"
    told = FakeDeployment("<b>kvdb</b>", [*HOSTILE, said])
    told.fail_over(said)
    told.say(S1, "+sdown <script>alert(6)</script>", "<img/src=x> <img src=x onerror=alert(7)>")
    kept.write(told.entries)
    [line] = failovers(kept)
    kept.reader.comment(line["id"], IMAGE, "<script>alert(8)</script>\u202e")
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.go()
        page.wait(IMAGE)
        for name in ("turned\\u202earound", "not\\udcfftext", "m" * 300, "<script>alert(2)</script>"):
            assert name in rows(page)
        assert page.overflow() <= 0
        places = page.page.locator("tbody tr th a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
        assert len(places) == len(HOSTILE) + 1
        for place, name in zip(places, rows(page), strict=True):
            page.go(place)
            page.wait(name, "h1")
            page.page.wait_for_selector(".topology")
            assert page.page.title().startswith(name)
            assert page.page.locator("main img, main script").count() == 0
        page.go(f"#/failovers/{line['id']}")
        page.wait("<script>alert(8)</script>\\u202e", ".comments")
        page.wait(IMAGE, ".comments")
        page.go("#/failovers")
        page.wait(said)
        assert page.page.locator("main img, main script").count() == 0


def test_history_of_a_master_is_found_whatever_its_name(browser: Any, kept: FileJournal) -> None:
    names = ["..", "a/../b?c#d&amp;%41", "not\udcfftext", "plain"]
    told = FakeDeployment("kvdb", names)
    for name in names:
        told.fail_over(name)
        told.now += 60
    kept.write(told.entries)
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.go()
        page.wait("plain", "tbody")
        places = page.page.locator("tbody tr th a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
        for place, name in zip(places, rows(page), strict=True):
            page.go(place)
            page.wait(name, "h1")
            page.wait("completed", ".facts")
            page.wait("announces the switch", ".lines")
            page.page.get_by_role("link", name="All failovers of this master").click()
            page.wait("Completed", "tbody")
            assert page.page.locator("tbody tr").count() == 1
            page.page.locator("tbody a").first.click()
            page.wait(name, ".crumbs")
            # Of two Sentinels: the record names only the second one's suspicion, the first one's is an event.
            eventually(lambda: page.page.locator(".timeline .mark-suspicion").count() == 2, what="the events")


# -- live, and what is not live ----------------------------------------------------------------------


def test_commits_appear_and_none_is_missed_while_the_daemon_is_away(browser: Any, kept: FileJournal) -> None:
    """A commit appears by itself, and none is missed while the daemon is away."""
    told = FakeDeployment("kvdb", [FAILED])
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.ignored += ["ERR_CONNECTION_", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE", "status of 503"]
        page.page.clock.install()
        page.go(f"#/masters/kvdb/{FAILED}")
        page.wait("Live", "#freshness")
        page.wait("All is well: 10.0.1.1:6379 is the master. 2 replicas follow, and 3 of 3 Sentinels agree.")
        page.page.evaluate("window.here = true")

        told.say(S1, f"+sdown master {FAILED} {A.host} {A.port}")
        tell(told, kept, daemon)
        page.wait("gets no answer from the master", ".lines")
        page.wait("10.0.0.1:26379 gets no answer from the master", ".situation")

        daemon.stop()
        page.page.clock.fast_forward(9_000)
        page.wait("Not live", "#freshness")
        assert "This is the last known state: the daemon can't be reached" in page.text("#trouble")
        assert page.page.evaluate("getComputedStyle(document.querySelector('main')).filter") == "grayscale(1)"

        told.say(S1, f"-sdown master {FAILED} {A.host} {A.port}")
        told.fail_over(FAILED)
        kept.write(told.entries)
        daemon.start()
        page.page.clock.fast_forward(40_000)
        page.wait("Live", "#freshness")
        page.wait("announces the switch from 10.0.1.1:6379 to 10.0.1.2:6379", ".lines")
        page.wait("gets answers from the master again", ".lines")
        page.wait("10.0.1.2:6379", ".facts")
        assert not page.page.locator("#trouble").is_visible()
        assert page.page.evaluate("window.here") is True


def tell(told: FakeDeployment, kept: FileJournal, daemon: Serving) -> None:
    kept.write(told.entries)
    told.entries.clear()
    assert daemon.state is not None
    daemon.state.stream.wake()


def test_hidden_page_releases_its_connection_and_resumes_where_it_was(browser: Any, kept: FileJournal) -> None:
    told = FakeDeployment("kvdb", [FAILED])
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.page.clock.install()
        page.go(f"#/masters/kvdb/{FAILED}")
        page.wait("Live", "#freshness")
        assert daemon.state is not None
        stream = daemon.state.stream
        assert stream.clients == 1
        see(page, False)
        page.page.clock.fast_forward(6_000)
        eventually(lambda: stream.clients == 0, what="the stream to be closed")
        told.say(S1, f"+sdown master {FAILED} {A.host} {A.port}")
        tell(told, kept, daemon)
        see(page, True)
        page.wait("gets no answer from the master", ".lines")
        page.wait("Live", "#freshness")
        assert stream.clients == 1


def see(page: Watched, visible: bool) -> None:
    page.page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        not visible,
    )


def test_page_from_the_journal_stays_live_although_it_is_rarely_refreshed(browser: Any, kept: FileJournal) -> None:
    told, id = failed_over(kept)
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.page.clock.install()
        page.go(f"#/failovers/{id}")
        page.wait("Live", "#freshness")
        page.page.clock.fast_forward(9_000)
        eventually(lambda: page.text("#freshness") == "Live", timeout=3, what="it to be live")


def test_history_gets_new_failovers_without_a_reload(browser: Any, kept: FileJournal) -> None:
    told, _ = failed_over(kept)
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.go("#/failovers")
        page.wait("automatic", "tbody")
        told.now += 60
        told.fail_over(FAILED, Address("10.0.1.2", 6379), Address("10.0.1.3", 6379), epoch=2)
        tell(told, kept, daemon)
        eventually(lambda: page.page.locator("tbody tr").count() == 2, what="the second failover")
        assert "10.0.1.3:6379" in page.text("tbody tr")
        page.page.get_by_label("Outcome").select_option("aborted")
        page.wait("No matching failover in the journal.")
        assert "outcome=aborted" in page.page.url


def test_history_is_filtered_by_date_master_and_text(browser: Any, kept: FileJournal) -> None:
    told = FakeDeployment("kvdb", [FAILED, "carts"])
    told.fail_over(FAILED)
    told.now += 86_400
    told.fail_over("carts")
    kept.write(told.entries)
    [late, early] = failovers(kept)
    kept.reader.comment(early["id"], "Ann", "the switch in rack 7 was replaced")
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url, timezone_id="Asia/Tokyo") as page:

        def shows(query: str, *masters: str) -> None:
            page.go(f"#/failovers?{query}")
            eventually(
                lambda: [row.split()[0] for row in page.texts("tbody td[data-label=Master]")] == list(masters),
                what=f"{masters} at {query}",
            )

        shows("", "carts", FAILED)
        shows("master=carts", "carts")
        shows("q=RACK%207", FAILED)
        shows(f"q={early['id'][:12]}", FAILED)
        shows("q=10.0.1.2:6379", "carts", FAILED)
        moment = datetime.fromisoformat(late["time"]).astimezone(ZoneInfo("Asia/Tokyo"))
        noon = moment.replace(tzinfo=None, microsecond=0).isoformat(timespec="minutes")
        shows(f"since={noon}", "carts")
        shows(f"until={noon}", FAILED)
        assert page.page.get_by_label("Until (Asia/Tokyo)").input_value() == noon
        page.page.get_by_label("Text").fill("nothing like it")
        page.page.keyboard.press("Enter")
        page.wait("No matching failover in the journal.")
        assert "until=" in page.page.url


def test_post_mortem_is_saved_as_a_file(browser: Any, kept: FileJournal, tmp_path: Path) -> None:
    told, id = failed_over(kept)
    with serving(told, kept=kept, token=TOKEN, read_token=READ) as daemon, watched(browser, daemon.url) as page:
        page.ignored.append("401")
        page.page.goto(f"{daemon.url}#/failovers/{id}")
        page.page.get_by_role("dialog").get_by_label("Token").fill(READ)
        page.page.keyboard.press("Enter")
        page.wait("took over from")
        assert page.page.title() == f"{FAILED} · Completed – switchmaster"
        with page.page.expect_download() as saving:
            page.page.get_by_role("button", name="Post-mortem").click()
        assert saving.value.suggested_filename == f"failover-{id}.md"
        saving.value.save_as(tmp_path / "saved.md")
        assert (tmp_path / "saved.md").read_text("utf-8").startswith(f"# Failover of kvdb/{FAILED}, ")


def test_unavailable_journal_is_reported_and_the_belief_stays_live(
    browser: Any, kept: FileJournal, tmp_path: Path
) -> None:
    told, _ = failed_over(kept)
    (tmp_path / "journal.db").rename(tmp_path / "away.db")
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.ignored.append("503")
        page.go(f"#/masters/kvdb/{FAILED}")
        page.wait("10.0.1.2:6379", ".facts")
        page.wait("The journal can't be read", ".feed")
        page.wait("The stream is down", "#trouble")
        assert page.text("#freshness") == "Without stream"


# -- tokens, acknowledging ---------------------------------------------------------------------------


def test_token_is_asked_for_and_stays_in_the_tab(browser: Any, kept: FileJournal) -> None:
    told, id = failed_over(kept)
    with (
        serving(told, kept=kept, token=TOKEN, read_token=READ) as daemon,
        watched(browser, daemon.url) as page,
    ):
        page.ignored.append("401|403")
        page.page.goto(f"{daemon.url}#/failovers/{id}")
        dialog = page.page.get_by_role("dialog")
        dialog.get_by_label("Token").fill("wrong")
        dialog.get_by_role("button", name="Use token").click()
        page.wait("wrong token", "dialog")
        dialog.get_by_label("Token").fill(READ)
        page.page.keyboard.press("Enter")
        page.wait("10.0.1.2:6379 took over from 10.0.1.1:6379")
        page.wait("Live", "#freshness")

        page.page.get_by_label("Your name").fill("Ann")
        page.page.get_by_role("textbox", name="Comment").fill("a known thing")
        page.page.get_by_role("button", name="Acknowledge").click()
        page.wait("this token is for reading only", "dialog")
        dialog.get_by_label("Token").fill(TOKEN)
        page.page.keyboard.press("Enter")
        page.wait("a known thing", ".comments")
        page.wait("Acknowledged", ".head")
        page.page.get_by_role("textbox", name="Comment").fill("and one word more")
        page.page.get_by_role("button", name="Comment").click()
        page.wait("and one word more", ".comments")
        assert page.page.evaluate("Object.values(sessionStorage)") == [TOKEN]
        assert TOKEN not in page.page.evaluate("JSON.stringify([localStorage, document.cookie, location.href])")
    said = kept.reader.failover(id)
    assert said is not None
    assert [(one["by"], one["text"], one["acknowledges"]) for one in said["comments"]] == [
        ("Ann", "a known thing", True),
        ("Ann", "and one word more", False),
    ]


def test_token_prompt_closes_when_its_action_is_left(browser: Any, kept: FileJournal) -> None:
    told, id = failed_over(kept)
    with serving(told, kept=kept, token=TOKEN) as daemon, watched(browser, daemon.url) as page:
        page.ignored += ["401", "ERR_"]
        page.page.clock.install()
        page.go(f"#/failovers/{id}")
        page.page.get_by_label("Your name").fill("Ann")
        page.page.get_by_role("button", name="Acknowledge").click()
        page.page.wait_for_selector("dialog[open]")
        page.page.evaluate("location.hash = '#/'")
        page.wait("Masters", "h1")
        assert page.page.locator("dialog[open]").count() == 0

    # A daemon that requires a token for reading, and is then restarted without one.
    with serving(told, kept=kept, read_token=READ) as daemon, watched(browser, daemon.url) as page:
        page.ignored += ["401", "ERR_"]
        page.page.clock.install()
        page.page.goto(daemon.url)
        page.page.wait_for_selector("dialog[open]")
        daemon.stop()
        daemon._settings = HttpSettings(daemon._settings.listen)
        daemon.start()
        page.page.clock.fast_forward(11_000)
        page.wait("Live", "#freshness")
        assert page.page.locator("dialog[open]").count() == 0
        assert not page.page.locator("#token-button").is_visible()


def test_actions_that_are_disabled_are_not_offered(browser: Any, kept: FileJournal) -> None:
    told, id = failed_over(kept)
    with serving(told, kept=kept) as daemon, watched(browser, daemon.url) as page:
        page.go(f"#/failovers/{id}")
        page.wait("Acknowledging and commenting are disabled")
        assert page.page.get_by_role("button", name="Acknowledge").count() == 0


# -- accessibility -----------------------------------------------------------------------------------


def pages_of(id: str) -> dict[str, str]:
    return {
        "overview": "#/",
        "master": f"#/masters/kvdb/{FAILED}",
        "history": "#/failovers",
        "failover": f"#/failovers/{id}",
    }


@pytest.fixture
def everything(browser: Any, kept: FileJournal) -> Iterator[tuple[Serving, dict[str, str]]]:
    """A deployment with one example of each: a failover with comments, a suspicion, a long name, a disagreement."""
    told, id = failed_over(kept, LONG, "suspected", "torn")
    told.say(S1, f"+sdown master suspected {A.host} {A.port}")
    told.say(S2, f"+sdown master suspected {A.host} {A.port}", f"+odown master suspected {A.host} {A.port} #quorum 2/2")
    kept.write(told.entries)
    kept.reader.comment(id, "Ann", "looked at it: " + "x" * 400)
    with serving(told, kept=kept, token=TOKEN) as daemon:
        yield daemon, pages_of(id)


def test_no_page_is_wider_than_a_phone(browser: Any, everything: tuple[Serving, dict[str, str]]) -> None:
    daemon, places = everything
    for size in ({"width": 320, "height": 640}, DESKTOP):
        with watched(browser, daemon.url, size) as page:
            for name, place in places.items():
                page.go(place)
                page.wait("Live", "#freshness")
                page.page.wait_for_selector("tbody tr")
                assert page.overflow() <= 0, (name, size)
                if size is not DESKTOP and name != "overview":
                    assert page.page.evaluate("getComputedStyle(document.querySelector('tbody tr')).display") == "block"


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["light", "dark"])
def test_every_page_follows_the_rules_of_accessibility(
    browser: Any, everything: tuple[Serving, dict[str, str]], scheme: str, size: dict[str, int]
) -> None:
    daemon, places = everything
    found = []
    with watched(browser, daemon.url, size, color_scheme=scheme, reduced_motion="reduce") as page:
        for name, place in places.items():
            page.go(place)
            page.wait("Live", "#freshness")
            page.page.wait_for_selector("tbody tr")
            found += [(name, *one) for one in inaccessible(page)]
    assert [] == found


def test_everything_is_reached_and_used_by_keyboard(browser: Any, everything: tuple[Serving, dict[str, str]]) -> None:
    daemon, places = everything
    with watched(browser, daemon.url) as page:
        page.go()
        page.page.wait_for_selector("tbody tr")
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.className") == "skip"
        page.page.keyboard.press("Enter")
        assert page.page.evaluate("document.activeElement.id") == "main"
        for place in places.values():
            page.go(place)
            page.page.wait_for_selector("tbody tr")
            page.page.evaluate("document.body.focus(); document.activeElement.blur()")
            wanted = page.page.locator(
                "a:visible, button:visible, input:visible, select:visible, textarea:visible, summary:visible"
            ).count()
            reached = set()
            # Each field of a date and time is a separate tab stop: seven more for each of the two.
            for _ in range(wanted + 2 + 14):
                page.page.keyboard.press("Tab")
                focused = page.page.evaluate(
                    """() => { const one = document.activeElement; const style = getComputedStyle(one);
                    window.seen ??= []; if (!window.seen.includes(one)) window.seen.push(one);
                    return [window.seen.indexOf(one), one === document.body || style.outlineStyle !== "none"]; }"""
                )
                assert focused[1], "the focus can't be seen"
                reached.add(focused[0])
            assert len(reached) >= wanted, place
        page.go()
        page.page.get_by_role("link", name=FAILED, exact=True).first.focus()
        page.page.keyboard.press("Enter")
        page.wait(FAILED, "h1")
        assert page.page.evaluate("document.activeElement.id") == "main"


def test_tables_stay_tables_to_a_screen_reader_on_a_phone(
    browser: Any, everything: tuple[Serving, dict[str, str]]
) -> None:
    daemon, _ = everything
    with watched(browser, daemon.url, PHONE) as page:
        page.go()
        table = page.page.get_by_role("table", name="Masters of kvdb")
        table.wait_for()
        assert table.get_by_role("row").count() == 5
        assert table.get_by_role("rowheader", name=FAILED).is_visible()
        assert table.get_by_role("cell", name="10.0.1.2:6379").is_visible()
        assert page.page.get_by_role("main").count() == 1
        assert page.page.get_by_role("navigation", name="Pages").get_by_role("link").count() == 4
        assert page.page.locator("[aria-live=polite]").count() == 1


def test_nothing_moves_if_reduced_motion_is_requested(browser: Any, everything: tuple[Serving, dict[str, str]]) -> None:
    daemon, places = everything
    for motion, lasts in (("reduce", "0s"), ("no-preference", "0.6s")):
        with watched(browser, daemon.url, reduced_motion=motion) as page:
            page.go(places["master"])
            page.page.wait_for_selector(".box")
            style = "getComputedStyle(document.querySelector('.box')).transitionDuration"
            assert page.page.evaluate(style) == lasts


def test_times_are_local_with_utc_in_the_title(browser: Any, everything: tuple[Serving, dict[str, str]]) -> None:
    daemon, places = everything
    with watched(browser, daemon.url, timezone_id="Asia/Kolkata", locale="en-GB") as page:
        page.go(places["history"])
        time = page.page.locator("tbody time").first
        time.wait_for()
        stamp = time.get_attribute("datetime")
        assert time.inner_text() == "21 Sept 2026, 19:43:20 UTC+5:30"
        assert time.get_attribute("title") == "2026-09-21 14:13:20.000000 UTC"
        assert stamp == "2026-09-21T14:13:20.000000Z"
