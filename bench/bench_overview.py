"""
The dashboard's overview of 10,000 masters: how long its answer takes, and when Chromium shows the first masters.

The daemon and its Sentinels are those of `bench_fleet`: 3 Sentinels, and 300 in 100 deployments. Each opening is a new
page with an empty cache, timed by the program that drives the browser, whose own part is counted too.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench_fleet import Fleet, daemon, overview
from figures import Figure, Table, median, report

FLEETS = ("10000", "10000/100")
CALM = 35.0
"""Seconds after the first beliefs: the daemon has frozen what lasts by then."""
OPENINGS = 15
GOAL = 1.0
"""Seconds."""


def opened(port: int) -> list[float]:
    """Return the seconds until Chromium shows the first masters, of each opening."""
    took = []
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for _ in range(OPENINGS):
            context = browser.new_context()
            page = context.new_page()
            begun = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
            page.wait_for_selector("tbody tr", timeout=60_000)
            took.append(time.perf_counter() - begun)
            context.close()
        browser.close()
    return took


def one(fleet: Fleet) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with daemon(fleet, folder, f"sqlite:///{folder}/journal.db") as (served, _, _):
            time.sleep(CALM)
            answered, size = overview(served.port)
            took = opened(served.port)
    return [
        *(f"{fleet.masters:,}", f"{fleet.sentinels} in {fleet.deployments}"),
        f"{1000 * answered:.0f} ms, {size / 1000:.0f} kB",
        *(f"{each:.2f} s" for each in (median(took), max(took))),
        str(sum(each <= GOAL for each in took)),
    ]


def measure() -> list[Figure | Table]:
    columns = [
        "masters", "Sentinels in deployments", "the overview's answer", "first masters shown (median)", "slowest",
        f"of {OPENINGS} within {GOAL:g} s",
    ]  # fmt: skip
    setting = "`switchmaster serve` with a journal in SQLite, its Sentinels and Chromium on one machine; empty caches."
    rows = [one(Fleet.of(each)) for each in FLEETS]
    return [Table("the overview in Chromium", setting, columns, rows)]


if __name__ == "__main__":
    report(measure)
