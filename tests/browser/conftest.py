"""
A browser for each module, since Playwright's loop runs in this thread and other tests run their own; and a journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.api_rig import FileJournal
from rig.dashboard import chromium_or_skip, lacking


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield Debian's Chromium, headless."""
    executable = chromium_or_skip()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("playwright is not installed (the extra dev has it)")
    with sync_playwright() as playwright:
        # Root needs the first option; containers often have too little shared memory for Chromium.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[FileJournal]:
    """Yield a journal in a file of its own."""
    kept = FileJournal(tmp_path)
    yield kept
    kept.close()
