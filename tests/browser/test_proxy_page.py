"""The proxy on the dashboard: a section of its master's page says where HAProxy leads, and what is wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rig.api_rig import FakeDeployment, FileJournal, served
from rig.dashboard import DESKTOP, PHONE, Serving, inaccessible, watched
from rig.proxy_rig import proxy_line
from switchmaster.server.api import HttpSettings, ServedState

pytestmark = pytest.mark.browser

MASTER = "orders"
SECTION = "section[aria-labelledby=proxy]"


def proxied(source: SimpleNamespace, kept: FileJournal) -> Serving:
    """Serve a deployment of two masters with a proxy."""

    def make(http: HttpSettings) -> tuple[Any, ServedState]:
        app, state = served(FakeDeployment("kvdb", [MASTER, "other"]), kept=kept, settings=http)
        state.proxies = lambda: {"kvdb": source}
        return app, state

    return Serving(make)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_page_of_a_master_says_where_its_proxy_leads(browser: Any, kept: FileJournal, size: dict[str, int]) -> None:
    source = SimpleNamespace(readings={}, masters={}, lines=(proxy_line(MASTER),))
    with proxied(source, kept) as daemon, watched(browser, daemon.url, size=size) as page:
        page.go(f"#/masters/kvdb/{MASTER}")
        page.wait("Serves", SECTION)
        for part in ("10.0.0.1:6379", "2.6.12, process 7", "1, the last within 2 ms", "says that it is a master"):
            page.wait(part, SECTION)
        assert (page.overflow(), page.overlaps(), inaccessible(page)) == (0, [], [])

        source.lines = (proxy_line(MASTER, state="holding", address=None, since=None),)
        page.wait("New connections wait", SECTION)
        page.wait("nowhere now", SECTION)

        broken = proxy_line(MASTER)["haproxy"] | {"pid": None, "trouble": "HAProxy <b>ends</b>: no such file"}
        source.lines = (proxy_line(MASTER, haproxy=broken, in_sync=False, connections=None, checks=[], moves=0),)
        page.wait("HAProxy <b>ends</b>: no such file", SECTION)
        for part in ("does not run", "not known yet", "none yet"):
            page.wait(part, SECTION)
        assert (page.overflow(), page.overlaps(), inaccessible(page)) == (0, [], [])

        page.go("#/masters/kvdb/other")
        page.wait("other", "main h1")
        assert page.page.locator(SECTION).is_hidden()
