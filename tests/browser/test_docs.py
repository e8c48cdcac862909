"""The page of the HTTP API: it shows every route of the document, without a token, in every browser."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.api_rig import FakeDeployment, FileJournal, served
from rig.dashboard import DESKTOP, PHONE, TOKEN, Serving, Watched, inaccessible, watched

pytestmark = pytest.mark.browser

SIZES = pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["light-desktop", "dark-phone"]
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Serving]:
    """A daemon that allows no reading without a token."""
    kept = FileJournal(tmp_path)
    with Serving(
        lambda http: served(FakeDeployment(), kept=kept, settings=http), token=TOKEN, read_token="look-5678"
    ) as serving:
        yield serving
    kept.close()


def document() -> dict[str, Any]:
    return served(FakeDeployment())[0].openapi()


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


def route(page: Watched, called: str) -> Any:
    return page.page.get_by_role("region", name=called, exact=True)


def opened(page: Watched, place: str = "docs") -> None:
    page.go(place)
    page.page.wait_for_selector(".route")


@SIZES
def test_every_route_is_shown_without_a_token(browser: Any, daemon: Serving, scheme: str, size: dict[str, int]) -> None:
    with watched(browser, daemon.url, size, color_scheme=scheme) as page:
        opened(page)
        listed = page.texts(".contents a")
        assert listed == [f"{method} {path}" for method, path, _ in operations()]
        for method, path, operation in operations():
            of = route(page, f"{method} {path}")
            told = of.inner_text()
            assert operation["summary"] in told
            assert operation["description"].replace("`", "").split("\n")[0] in told
            for one in operation.get("parameters", ()):
                assert of.get_by_role("rowheader", name=one["name"], exact=True).count() == 1, (path, one["name"])
            for status in operation["responses"]:
                name = "any other" if status == "default" else status
                assert of.get_by_role("rowheader", name=name, exact=True).count() == 1, (path, status)
        shapes = document()["components"]["schemas"]
        assert {name for name in shapes if route(page, name).count() != 1} == set()


@SIZES
def test_page_follows_the_rules_of_accessibility_and_fits(
    browser: Any, daemon: Serving, scheme: str, size: dict[str, int]
) -> None:
    with watched(browser, daemon.url, size, color_scheme=scheme, reduced_motion="reduce") as page:
        opened(page)
        assert inaccessible(page) == []
        assert page.overflow() <= 0
        assert page.overlaps() == []
        page.page.set_viewport_size({"width": 320, "height": 640})
        assert page.overflow() <= 0


def test_route_shows_its_parameters_its_access_and_a_call(browser: Any, daemon: Serving) -> None:
    with watched(browser, daemon.url) as page:
        opened(page)
        limit = route(page, "GET /api/v1/masters").get_by_role("row", name="limit")
        assert "integer, 1 to 1000, 100 unless given" in limit.inner_text()
        balancer = route(page, "GET /masters/{name}/is-master")
        assert "addr" in balancer.get_by_role("row", name="query, required").inner_text()
        entry = route(page, "GET /api/v1/stream").get_by_role("row", name="after query")
        assert "integer, at least 0" in entry.inner_text()  # 2 ** 63 - 1 is no number of JavaScript's
        assert "Needs no token." in route(page, "GET /livez").inner_text()
        assert "has a read token" in route(page, "GET /metrics").inner_text()
        comment = route(page, "POST /api/v1/failovers/{id}/comments")
        assert "Needs the token of http.token_file." in comment.inner_text()
        assert shlex.split(comment.locator(".curl code").inner_text()) == [
            "curl",
            "-H",
            "Authorization: Bearer $TOKEN",
            "-H",
            "Content-Type: application/json",
            "-d",
            '{"by":"...","text":"..."}',
            f"{daemon.url}api/v1/failovers/ID/comments",
        ]
        assert balancer.locator(".curl code").inner_text().endswith(f"'{daemon.url}masters/NAME/is-master?addr=ADDR'")


def test_links_lead_to_routes_and_shapes_and_a_line_is_copied(browser: Any, daemon: Serving) -> None:
    with watched(browser, daemon.url, permissions=["clipboard-read", "clipboard-write"]) as page:
        opened(page, "docs#shapes/MasterLine")
        assert page.page.evaluate("scrollY") > 0
        links = page.page.locator("main a").evaluate_all("all => all.map(one => decodeURI(one.hash.slice(1)))")
        assert page.page.evaluate("all => all.filter(one => !document.getElementById(one))", links) == []
        of = route(page, "GET /api/v1/status")
        of.get_by_role("button", name="Copy").focus()
        page.page.keyboard.press("Enter")
        page.wait("The command is copied.", "[role=status]")
        assert page.page.evaluate("navigator.clipboard.readText()") == of.locator(".curl code").inner_text()


def test_line_is_selected_if_the_browser_forbids_copying(browser: Any, daemon: Serving) -> None:
    with watched(browser, daemon.url) as page:
        # As over plain HTTP beyond loopback.
        page.page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        opened(page)
        of = route(page, "GET /api/v1/status")
        of.get_by_role("button", name="Copy").click()
        page.wait("The command is selected", "[role=status]")
        assert page.page.evaluate("getSelection().toString()") == of.locator(".curl code").inner_text()


def test_dashboard_leads_there_and_back(browser: Any, daemon: Serving) -> None:
    with watched(browser, daemon.url) as page:
        page.ignored.append("401")
        page.go()
        page.page.keyboard.press("Escape")
        page.page.get_by_role("link", name="The HTTP API").click()
        page.page.wait_for_selector(".route")
        page.page.get_by_role("link", name="History").click()
        page.wait("History", "h1")


def test_document_that_fails_to_load_is_reported(browser: Any, daemon: Serving) -> None:
    with watched(browser, daemon.url) as page:
        page.ignored.append("503")
        problem = '{"status": 503, "title": "", "detail": "too many clients"}'
        page.page.route("**/openapi.json", lambda route: route.fulfill(status=503, body=problem))
        page.go("docs")
        page.wait("The document can't be shown: too many clients.")
