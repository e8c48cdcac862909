"""
The dashboard in a browser: a daemon, Debian's Chromium, and the rules for every page.

`watched` yields a page that records every complaint of the browser; its `check` fails on any: console errors, uncaught
errors, violations of the content security policy, requests to another host.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rig.conditions import eventually
from switchmaster.lab.ports import free_ports
from switchmaster.model import Address
from switchmaster.server.api import HttpServer, HttpSettings, ServedState

DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 375, "height": 780}
TOKEN = "act-1234"
PATIENCE = 30_000
"""Milliseconds that a page may take to show something."""

_NOTE = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(
    `${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
window.alert = (text) => window.violations.push(`alert(${text})`);
"""


_OVERLAPS = """() => {
    // Elements for screen readers alone are clipped to a pixel.
    const tiny = ({width, height}) => width <= 1 || height <= 1;
    const unseen = (one) => one !== document.body && (tiny(one.getBoundingClientRect()) || unseen(one.parentElement));
    const texts = [];
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const {data, parentElement} = walker.currentNode;
        if (!data.trim() || unseen(parentElement) || !parentElement.checkVisibility()) continue;
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        for (const box of range.getClientRects()) texts.push([data.trim(), box]);
    }
    const upon = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
    return texts.flatMap(([text, box], index) => texts.slice(0, index)
        .filter(([, other]) => upon(box, other)).map(([other]) => `${other} / ${text}`));
}"""
"""Lines are as high as their ascent plus descent, so neighbours share some pixels."""


def chromium_or_skip() -> str:
    """Find Chromium; if there is none, skip the test, or fail it if everything is required."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        lacking("no chromium in PATH (Debian's package chromium)")
    return str(found)


def lacking(what: str) -> None:
    """Skip because something is missing, or fail if everything is required."""
    if os.environ.get("SWITCHMASTER_TEST_REQUIRE") == "all":
        pytest.fail(f"SWITCHMASTER_TEST_REQUIRE=all: {what}", pytrace=False)
    pytest.skip(what)


class Watched:
    """A page, and the browser's complaints about it."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.ignored: list[str] = []
        """Regular expressions of complaints that a test provokes on purpose."""
        page.set_default_timeout(PATIENCE)
        page.add_init_script(_NOTE)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"not caught: {error}"))
        page.on("request", self._on_request)

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith(self.url):
            self.complaints.append(f"requested another host: {request.url}")

    def go(self, place: str = "#/") -> None:
        """Open a page of the dashboard, and wait until it is drawn."""
        self.page.goto(self.url + place)
        self.page.wait_for_selector("main h1")

    def wait(self, text: str, of: str = "main") -> None:
        """Wait until an element has a text."""
        try:
            eventually(lambda: any(text in one for one in self.texts(of)), PATIENCE / 1000, 0.05)
        except AssertionError:
            raise AssertionError(f"waited for {text!r} in {of}; there is {self.texts(of)!r:.2000}") from None

    def texts(self, of: str) -> list[str]:
        """Return the texts of all matching elements."""
        return [str(one) for one in self.page.locator(of).all_inner_texts()]

    def text(self, of: str = "main") -> str:
        """Return the text of an element."""
        return str(self.page.locator(of).first.inner_text())

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def overlaps(self) -> list[str]:
        """Return pairs of texts that overlap."""
        return [str(one) for one in self.page.evaluate(_OVERLAPS)]

    def check(self) -> None:
        """Fail if the browser has complained."""
        found = [*self.complaints, *self.page.evaluate("window.violations")]
        unexpected = [one for one in found if not any(re.search(rule, one) for rule in self.ignored)]
        # No comparison: pytest does not rewrite this module's asserts, so they would not show what was found.
        if unexpected:
            raise AssertionError("the browser complains: " + "; ".join(unexpected))


@contextmanager
def watched(browser: Any, url: str, size: dict[str, int] | None = None, **options: Any) -> Iterator[Watched]:
    """Yield a new page; fail at the end if the browser has complained."""
    context = browser.new_context(viewport=size or DESKTOP, **options)
    try:
        page = Watched(context.new_page(), url)
        yield page
        page.check()
    finally:
        context.close()


def inaccessible(page: Watched) -> list[tuple[str, str, str]]:
    """Return what axe-core finds on a page: rule, element, what to fix."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        lacking("axe-playwright-python is not installed (the extra dev has it)")
    found = Axe().run(page.page).response["violations"]
    return [(one["id"], node["html"][:200], node["failureSummary"]) for one in found for node in one["nodes"]]


class Serving:
    """
    An application on a free port of loopback, served by a thread; it can stop and start again on the same port.

    Args:
        make: makes the application and its state, at each start.
        **access: tokens, as of `HttpSettings`.
    """

    def __init__(self, make: Callable[[HttpSettings], tuple[Any, ServedState]], **access: Any) -> None:
        self._make = make
        [port] = free_ports(1)
        self._settings = HttpSettings(Address("127.0.0.1", port), **access)
        self.url = f"http://127.0.0.1:{port}/"
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self.state: ServedState | None = None

    def start(self) -> None:
        """Serve."""
        begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(begun)), name="serving")
        self._thread.start()
        assert begun.wait(10)

    async def _serve(self, begun: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        app, self.state = self._make(self._settings)
        server = HttpServer(app, self._settings)
        await server.start()
        begun.set()
        await self._ended.wait()
        self.state.close()
        await server.close()

    def stop(self) -> None:
        """Stop serving."""
        if self._thread is not None:
            assert self._loop is not None
            assert self._ended is not None
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(15)
            assert not self._thread.is_alive()
            self._thread = None

    def __enter__(self) -> Serving:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def daemon(folder: Path, sentinels: list[tuple[str, int]], deployment: str = "kvdb") -> Iterator[str]:
    """Run `switchmaster serve` for a deployment, and yield its URL."""
    [port] = free_ports(1)
    token, config = folder / "token", folder / "switchmaster.toml"
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o600)
    named = ", ".join(f'"{host}:{port}"' for host, port in sentinels)
    config.write_text(
        f"[deployments.{deployment}]\nsentinels = [{named}]\n"
        f'[journal]\nurl = "sqlite:///{folder}/journal.db"\n'
        f'[http]\nlisten = "127.0.0.1:{port}"\ntoken_file = "{token}"\n',
        encoding="utf-8",
    )
    with open(folder / "log", "wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "switchmaster", "serve", "--config", str(config)], stderr=log, stdout=log
        )
    try:
        eventually(
            lambda: socket.create_connection(("127.0.0.1", port), 1).close() or True, 30, what="the daemon to serve"
        )
        yield f"http://127.0.0.1:{port}/"
    finally:
        running.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(15)
        if running.poll() is None:
            running.kill()
            running.wait()
