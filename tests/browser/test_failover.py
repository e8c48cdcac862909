"""
A real failover in the browser: overview, master and timeline change without a reload.

With SWITCHMASTER_PICTURES=FOLDER it saves screenshots there, as the pictures of the documentation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rig.conditions import eventually
from rig.dashboard import DESKTOP, PHONE, TOKEN, Watched, daemon, watched
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.live]

MASTER, OTHER = "orders", "sessions"
TOPIC = Path(__file__).parents[2] / "docs" / "topics" / "dashboard.md"
PICTURES = os.environ.get("SWITCHMASTER_PICTURES")

NOTE_STATES = """(name) => {
    window.here = true;
    window.states = [];
    const look = () => {
        const rows = [...document.querySelectorAll("tbody tr")];
        const state = rows.find((one) => one.querySelector("th").innerText === name)?.querySelector(".state").innerText;
        if (state && window.states.at(-1) !== state) window.states.push(state);
    };
    look();
    const everything = {subtree: true, childList: true, characterData: true};
    new MutationObserver(look).observe(document.querySelector("main"), everything);
}"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    find_or_skip(None)
    # 2 s: the leader's and the others' steps are far enough apart to be seen one after the other.
    with Lab(masters=(MASTER, OTHER), down_after_ms=2000) as lab:
        yield lab


@pytest.fixture(scope="module")
def url(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with daemon(tmp_path_factory.mktemp("daemon"), lab.sentinel_addresses) as url:
        yield url


def keep(page: Watched, name: str, full: bool = True) -> None:
    """Keep a picture for the documentation, where it is asked for, and where the documentation shows it."""
    if PICTURES and f"/{name}.png" in TOPIC.read_text(encoding="utf-8"):
        page.page.mouse.move(0, 0)
        page.page.screenshot(path=f"{PICTURES}/{name}.png", full_page=full, animations="disabled")


def test_failover_moves_every_page_without_a_reload(browser: Any, lab: Lab, url: str) -> None:
    for node in lab.nodes(MASTER):
        if not node.alive:  # a late machine ended the first try in the middle of the crash
            lab.restart(node)
    old = lab.master(MASTER)
    with ExitStack() as stack:
        overview = stack.enter_context(watched(browser, url))
        master = stack.enter_context(watched(browser, url))
        overview.go()
        overview.wait("All is well: 2 masters of 1 deployment, watched by 3 Sentinels.", ".now")
        master.go(f"#/masters/kvdb/{MASTER}")
        master.wait("All is well: ", ".situation")
        assert drawn_master(master) == named(old)
        overview.page.evaluate(NOTE_STATES, MASTER)
        master.page.evaluate("window.here = true")

        lab.crash(old)
        overview.wait(MASTER, ".urgent")
        if PICTURES:
            overview.wait("Failing over", ".urgent")
        keep(overview, "overview-failover", full=False)
        master.page.get_by_role("link", name="See its timeline").wait_for()
        keep(master, "master-failover", full=False)
        master.page.get_by_role("link", name="See its timeline").click()
        moves_to_the_end(master)

        new = named(lab.master(MASTER))
        row = overview.page.locator("tbody tr").filter(has_text=MASTER)
        eventually(lambda: new in row.inner_text(), what="the new address in the overview")
        states = overview.page.evaluate("window.states")
        assert states[0] == "OK"
        assert {"Suspected", "Agreed down", "Failing over"} & set(states[1:]), states
        assert overview.page.evaluate("window.here") is True
        assert master.page.evaluate("window.here") is True
        timeline_is_whole(master, named(old), new, lab)


def moves_to_the_end(page: Watched) -> None:
    """Follow the timeline to the failover's end, and check that it moved on the way."""
    marks = page.page.locator(".timeline .mark")
    marks.first.wait_for()
    seen = {marks.count()}
    page.page.evaluate("window.drawing = document.querySelector('.timeline')")

    def ended() -> bool:
        seen.add(marks.count())
        return "Settled" in page.text("table")

    eventually(ended, timeout=30, what="the failover's end")
    assert len(seen) > 1, "the timeline did not move"
    assert page.page.evaluate("window.drawing === document.querySelector('.timeline')"), (
        "it was drawn again from scratch"
    )


def timeline_is_whole(page: Watched, old: str, new: str, lab: Lab) -> None:
    page.wait("Completed", ".head")
    assert page.text("h1") == f"{old} → {new}"
    page.wait(f"{new} took over from {old}, ", ".situation")
    sentinels = sorted(f"{host}:{port}" for host, port in lab.sentinel_addresses)
    assert page.page.locator(".lane-name").all_text_contents() == ["the node itself", *sentinels]
    announced = page.page.locator(".lane:has(.mark-announcement)")
    eventually(lambda: announced.count() == len(sentinels), what="each Sentinel's +switch-master in its lane")
    assert page.page.locator(".lane.leads").count() == 1
    durations = page.text(".durations")
    for name in ("Outage", "Detection", "Election", "Promotion", "Announcement", "Spread", "Total"):
        assert name in durations, durations


def test_pages_of_an_ended_failover_are_the_same_after_a_reload(browser: Any, lab: Lab, url: str) -> None:
    old = lab.master(OTHER)
    with watched(browser, url) as page:
        page.go(f"#/failovers?master={OTHER}")
        page.wait("No matching failover in the journal.")
        lab.crash(old)
        page.wait("Completed", "tbody")
        page.page.locator("tbody a").first.click()
        page.wait("Settled", "table")
        page.page.reload()
        timeline_is_whole(page, named(old), named(lab.master(OTHER)), lab)
        before = drawn_marks(page)
        page.page.get_by_role("button", name="Until promoted").click()
        eventually(lambda: drawn_marks(page) != before, what="another part of it")
        assert page.page.locator(".mark-announcement").count() == 0
        page.page.get_by_role("button", name="Whole").click()
        say(page)
    with watched(browser, url, PHONE) as page:
        look_again(page, "-phone")
    if PICTURES:
        for scheme, name in (("light", ""), ("dark", "-dark")):
            with watched(browser, url, DESKTOP, color_scheme=scheme) as page:
                look_again(page, name)


def say(page: Watched) -> None:
    page.page.get_by_label("Your name").fill("Ann")
    page.page.get_by_role("textbox", name="Comment").fill("The host was taken away for an hour; nothing to do.")
    page.page.get_by_role("button", name="Acknowledge").click()
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_label("Token").fill(TOKEN)
    page.ignored.append("401")
    page.page.keyboard.press("Enter")
    page.wait("nothing to do", ".comments")


def look_again(page: Watched, name: str) -> None:
    page.go("#/failovers")
    page.wait("Completed", "tbody")
    assert page.overflow() <= 0
    keep(page, f"history{name}", full=False)
    page.page.locator("tbody a").first.click()
    page.page.locator(".mark-announcement").nth(2).wait_for()
    # Its +promoted-slave is in no stage, because the node answered earlier: the Sentinels' own events are drawn too.
    page.page.locator(".lane.leads .mark-promotion").nth(1).wait_for()
    assert page.overflow() <= 0
    keep(page, f"failover{name}", full=False)
    page.go(f"#/masters/kvdb/{OTHER}")
    page.page.locator(".topology .box").nth(5).wait_for()
    page.wait("Live", "#freshness")
    assert page.overflow() <= 0
    keep(page, f"master{name}", full=False)
    page.go()
    page.wait(OTHER, "tbody")
    assert page.overflow() <= 0
    keep(page, f"overview{name}", full=False)


def named(server: Any) -> str:
    return f"{server.address[0]}:{server.address[1]}"


def drawn_master(page: Watched) -> str:
    return str(page.page.locator(".box-master .box-name").text_content())


def drawn_marks(page: Watched) -> list[str | None]:
    return [one.get_attribute("d") for one in page.page.locator(".timeline .mark path").all()]
