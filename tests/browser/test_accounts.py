"""
The dashboard over recordings: a failover that several daemons heard in parts, one that none heard, and Sentinels in
TILT. No texts overlap there, and no page is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from recorded import journals
from recorded.recordings import said_in
from rig.api_rig import SENTINELS, A, B, FakeDeployment, FileJournal, served
from rig.conditions import eventually
from rig.dashboard import DESKTOP, PHONE, Serving, Watched, watched
from switchmaster.account.transcript import Said
from switchmaster.journal import FailoverFilter
from switchmaster.journal.reader import Reader
from switchmaster.journal.store import Store

pytestmark = pytest.mark.browser

SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
NAMELESS = ("+new-epoch", "+vote-for-leader")
"""Channels that name no master: no master's feed shows them."""
CRASH, TILT = "redis-7.0.15-crash500-run0", "redis-7.0.15-tilt"


@contextmanager
def shown(browser: Any, kept: Any, size: dict[str, int], *told: FakeDeployment) -> Iterator[Watched]:
    """Yield a page of a daemon with that journal and those deployments; at the end nothing on it must be out of
    place."""
    serving = Serving(lambda http: served(*told, kept=kept, settings=http))
    with serving as daemon, watched(browser, daemon.url, size) as page:
        yield page
        page.wait("Live", "#freshness")
        assert page.overflow() <= 0
        assert page.overlaps() == []


def only_failover(reader: Reader) -> dict[str, Any]:
    [line] = reader.failovers(FailoverFilter()).items
    return line


def facts(page: Watched) -> dict[str, str]:
    """Return the facts of a page, by their terms."""
    pairs = page.page.locator(".facts > div").evaluate_all(
        "all => all.map(one => [one.querySelector('dt').innerText, one.querySelector('dd').innerText])"
    )
    return dict(pairs)


# -- accounts of several daemons -----------------------------------------------------------------------


def write_parts(folder: Path, *parts: tuple[str, Sequence[Said]]) -> journals.RecordedJournal:
    """Write into the journal what daemons of these names heard, each its part of a recording."""
    folder.mkdir(exist_ok=True)
    journal = journals.RecordedJournal(folder)
    for number, (name, heard) in enumerate(parts):
        journal.write(Store(f"{number:032x}", name), journals.entries_of(heard, events=True))
    return journal


@SIZES
def test_failover_heard_in_parts_by_two_daemons_is_shown_as_one(
    browser: Any, tmp_path: Path, size: dict[str, int]
) -> None:
    said = said_in([CRASH])
    [promoting] = [at for at, line in enumerate(said) if line.channel == "+failover-state-wait-promotion"]
    journal = write_parts(tmp_path, ("watch-1.example.org", said[:promoting]), ("watch-2", said[promoting:]))
    line = only_failover(journal.reader)
    assert {"promotion", "outage"} <= set(line["estimated"])
    with shown(browser, journal, size) as page:
        page.go(f"#/failovers/{line['id']}")
        page.wait("Completed", ".head")
        assert sorted(facts(page)["Recorded by"].split()) == ["watch-1.example.org", "watch-2"]
        assert "about 1.1" in page.text(".lasted-outage")
        assert "about" not in page.text(".lasted-detection")
        # Each daemon's clock starts at the first stage that it heard.
        shown_after = page.page.locator("tbody tr td:nth-child(2)").all_inner_texts()
        began = datetime.fromisoformat(line["time"])
        after = [datetime.fromisoformat(stage["time"]) - began for stage in line["stages"]]
        assert [milliseconds(text) for text in shown_after] == pytest.approx(
            [one.total_seconds() * 1000 for one in after], abs=10
        )
        wait_for_events(page)
        assert page.page.locator(".lane .mark-announcement").count() == page.page.locator(".lane").count() == 3
    journal.close()


def milliseconds(text: str) -> float:
    """Read a duration from the page."""
    found = re.search(r"([\d.]+) (ms|s)\b", text)
    assert found, text
    return float(found[1]) * (1 if found[2] == "ms" else 1000)


@SIZES
def test_daemons_that_heard_the_same_are_all_named_and_drawn_once(
    browser: Any, tmp_path: Path, size: dict[str, int]
) -> None:
    said = said_in([CRASH])
    names = ["watch-1", "watch-2", "<img src=x onerror=alert(1)>"]
    drawn = []
    for folder, who in (("one", names[:1]), ("three", names)):
        journal = write_parts(tmp_path / folder, *((name, said) for name in who))
        with shown(browser, journal, size) as page:
            page.go(f"#/failovers/{only_failover(journal.reader)['id']}")
            page.wait("Settled", "table")
            wait_for_events(page)
            assert sorted(facts(page)["Recorded by"].splitlines()) == sorted(who)
            drawn.append((page.text("table"), page.page.locator(".timeline .mark").count()))
        journal.close()
    assert drawn[0] == drawn[1]


def wait_for_events(page: Watched) -> None:
    """Wait for the events after the record: the record names one Sentinel's suspicion, the others' are events."""
    suspicions = page.page.locator(".timeline .mark-suspicion")
    eventually(lambda: suspicions.count() == 3, what="three Sentinels' suspicions")


@SIZES
def test_event_heard_by_two_daemons_is_once_in_the_feed_of_its_master(
    browser: Any, tmp_path: Path, size: dict[str, int]
) -> None:
    said = said_in([CRASH])
    journal = write_parts(tmp_path, ("watch-1", said), ("watch-2", said))
    with shown(browser, journal, size, FakeDeployment("default", ["mymaster"])) as page:
        page.go("#/masters/default/mymaster")
        events = page.page.locator(".feed .line code").filter(has_text=re.compile(r"^[+-]"))
        wanted = [line.channel for line in said if line.channel not in NAMELESS]
        older = page.page.get_by_role("button", name="Show older")
        while events.count() < len(wanted):
            older.click()
        eventually(lambda: events.count() == len(wanted), what="each event once")
        assert sorted(events.all_inner_texts()) == sorted(wanted)
    journal.close()


@SIZES
def test_page_of_an_abandoned_promotion_names_the_current_master(
    browser: Any, kept: FileJournal, size: dict[str, int]
) -> None:
    told = FakeDeployment("kvdb", ["orders"], probing=True)
    told.promote("orders")
    told.give_up()
    kept.write(told.entries)
    line = only_failover(kept.reader)
    with shown(browser, kept, size, told) as page:
        page.go(f"#/failovers/{line['id']}")
        page.wait("Aborted", ".head")
        page.wait(
            "10.0.1.2:6379 took over from 10.0.1.1:6379, but not for long: the promotion was given up", ".situation"
        )


# -- missed while away -----------------------------------------------------------------------------------


def away(kept: FileJournal, new: Any, epoch: int) -> FakeDeployment:
    """Record where a master was; an hour later a daemon that was down meanwhile finds it elsewhere."""
    before = FakeDeployment("kvdb", ["orders"])
    kept.write(before.ledger.sightings(before.watch.names, before.now))
    after = FakeDeployment("kvdb", ["orders"], up=False)
    after.now += 3600
    for name in SENTINELS:
        after.answer(name, new, epoch)
    kept.write(after.ledger.sightings(after.watch.names, after.now))
    return after


@SIZES
def test_page_of_a_missed_failover_shows_what_is_known(browser: Any, kept: FileJournal, size: dict[str, int]) -> None:
    told = away(kept, B, 2)
    line = only_failover(kept.reader)
    assert line["missed"]
    with shown(browser, kept, size, told) as page:
        page.go("#/failovers")
        page.wait("missed while away", "tbody")
        assert page.text("tbody th").startswith("before ")
        assert page.overlaps() == []
        page.page.locator("tbody a").first.click()
        page.wait(
            "No daemon heard it: the master moved from 10.0.1.1:6379 to 10.0.1.2:6379 in that time.", ".situation"
        )
        page.wait("No daemon heard this failover.")
        page.wait("No stage was heard.")
        page.wait("No duration is known.")
        known = facts(page)
        assert "Began" not in known
        assert known["Epoch"] == "0 to 2"
        between = page.page.locator(".facts time").evaluate_all("all => all.map(one => one.dateTime)")
        assert between == [line["away"]["after"], line["away"]["before"]]
        assert page.page.locator("main table").count() == 0


def test_missed_failover_there_and_back_is_no_move(browser: Any, kept: FileJournal) -> None:
    told = away(kept, A, 2)
    with shown(browser, kept, DESKTOP, told) as page:
        page.go(f"#/failovers/{only_failover(kept.reader)['id']}")
        page.wait("No daemon heard it: the epoch rose from 0 to 2, and the master is 10.0.1.1:6379 as before.")


# -- TILT ------------------------------------------------------------------------------------------------


def tilts() -> Iterator[tuple[Any, str]]:
    """Yield each Sentinel's TILT events in the recording: of one Sentinel twice, and its end; then of all three."""
    said = [line for line in said_in([TILT]) if line.channel in ("+tilt", "-tilt")]
    names = dict(zip(sorted({line.sentinel for line in said}), SENTINELS, strict=True))
    for line in said:
        yield names[line.sentinel], f"{line.channel} {line.payload}"


@SIZES
def test_sentinel_in_tilt_is_shown_on_the_masters_page(browser: Any, kept: FileJournal, size: dict[str, int]) -> None:
    told = FakeDeployment("kvdb", ["orders"])
    said = tilts()
    with shown(browser, kept, size, told) as page:
        page.go("#/masters/kvdb/orders")
        page.wait("All is well", ".situation")

        for _ in range(2):
            told.say(*next(said))
        page.wait("10.0.0.1:26379 is in TILT: it does not trust its clock and starts no failover.", ".situation")
        row = page.page.get_by_role("table", name="Sentinels").get_by_role("row").filter(has_text="TILT")
        assert row.count() == 1
        assert row.get_by_role("rowheader").inner_text().split() == ["10.0.0.1:26379", "TILT"]
        box = page.page.locator(".topology .box").filter(has_text="in TILT")
        assert box.count() == 1
        assert page.overflow() <= 0
        assert page.overlaps() == []

        told.say(*next(said))
        page.wait("All is well", ".situation")
        assert page.page.get_by_text("TILT").count() == 0

        for _ in range(3):
            told.say(*next(said))
        page.wait("10.0.0.1:26379, 10.0.0.2:26379 and 10.0.0.3:26379 are in TILT: they do not trust", ".situation")
        assert page.page.locator(".topology .box").filter(has_text="in TILT").count() == 3


@SIZES
def test_overview_shows_sentinels_in_tilt(browser: Any, kept: FileJournal, size: dict[str, int]) -> None:
    told = FakeDeployment("kvdb", ["orders", "sessions"])
    said = list(tilts())
    with shown(browser, kept, size, told) as page:
        page.go()
        page.wait("All is well", ".now")
        told.say(*said[0])
        page.wait("1 Sentinel of 3 is in TILT and starts no failover.", ".urgent")
        assert page.page.locator(".urgent li").count() == 1
        for line in said[2:6]:
            told.say(*line)
        page.wait("3 Sentinels of 3 are in TILT and start no failover.", ".urgent")
