"""The dashboard's files as they are served; they load nothing from other hosts and run nothing inline."""

from __future__ import annotations

import asyncio
import re
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest

from rig.api_rig import FakeDeployment, asking, served

WEB = Path(str(resources.files("switchmaster.server"))) / "web"
ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in WEB.rglob("*") if path.is_file())
PAGES = {"./": WEB / "index.html", "docs": WEB / "docs.html"}
"""Patterns of links in pages."""
SCRIPTS = [path for path in FILES if path.suffix == ".js"]


def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def go() -> httpx.Response:
        app, state = served(FakeDeployment())
        try:
            async with asking(app) as client:
                return await client.request(method, path, headers=headers)
        finally:
            state.close()

    return asyncio.run(go())


def name_of(path: Path) -> str:
    return path.relative_to(WEB).as_posix()


@pytest.mark.parametrize(
    ("path", "type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs.html", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/views/overview.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
def test_file_has_its_type_whatever_the_machines_table_says(path: str, type: str) -> None:
    answer = ask(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, type)
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy


def test_file_that_the_browser_has_is_not_sent_again() -> None:
    first = ask("/main.js")
    again = ask("/main.js", **{"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert ask("/main.js", **{"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/none.js",
        "/docs/",
        "/redoc",
        "/index",
        "/views",
        "/views/",
        "/../app.py",
        "/%2e%2e/daemon.py",
        "/views/..%2f..%2fdaemon.py",
    ],
)
def test_other_paths_of_the_dashboard_are_not_found(path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 404
    assert answer.json()["detail"] == "not found"


@pytest.mark.parametrize("path", PAGES.values(), ids=name_of)
def test_page_loads_nothing_from_elsewhere_and_has_nothing_inline(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert [] == re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", page)
    loaded = set(re.findall(r"\s(?:src|href)=\"([^\"#]+)", page)) - PAGES.keys() - {"openapi.json"}
    assert loaded
    assert all((WEB / name).is_file() for name in loaded)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_names_a_place_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:\b\w+:|[\"'(])//[^\"'\s)]+", text))
    assert set() == {one.strip("\"'(") for one in named} - {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_script_never_makes_html_or_code_of_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    banned = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|createContextual"
    assert [] == re.findall(banned, text)


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_script_opens_with_its_contract_and_is_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) <= 500
    assert [] == [number for number, line in enumerate(lines, 1) if len(line) > 120]


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_script_imports_files_that_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.findall(r'^import .*? from "(.*?)";', text, re.MULTILINE | re.DOTALL)
    named += re.findall(r'import\("(.*?)"\)', text)
    assert [] == [name for name in named if not (path.parent / name).is_file()]


def test_page_names_all_scripts_of_its_first_view_at_once() -> None:
    reached, waiting = set[Path](), [WEB / "main.js"]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        text = path.read_text(encoding="utf-8")
        named = re.findall(r'^import .*? from "(.*?)";', text, re.MULTILINE | re.DOTALL)
        waiting += {(path.parent / name).resolve() for name in named} - reached
    named = re.findall(r'rel="modulepreload" href="(.*?)"', (WEB / "index.html").read_text(encoding="utf-8"))
    assert sorted(WEB / name for name in named) == sorted(reached - {WEB / "main.js"})


def test_every_file_is_reached_from_the_page() -> None:
    reached: set[Path] = set()
    waiting = [WEB / "index.html"]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        if path.suffix == ".svg":
            continue
        text = path.read_text(encoding="utf-8")
        found = {a or b for a, b in re.findall(r'(?:src|href)="([\w./-]+)"|(?:from |import\()"(.*?)"', text)}
        found -= {"openapi.json"}
        linked: set[Any] = {PAGES.get(name, path.parent / name).resolve() for name in found}
        waiting += sorted(linked - reached)
    assert set(FILES) == reached


def test_pictures_of_the_documentation_are_small_and_are_all_shown() -> None:
    pictures = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pictures").iterdir()}
    topic = (ROOT / "docs" / "topics" / "dashboard.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    # The JSON file has what the README's picture draws.
    shown = {*re.findall(r"\]\(\.\./pictures/(.*?)\)", topic), *re.findall(r'"docs/pictures/(.*?)"', readme)}
    assert set(pictures) == {*shown, "same-failover.json"}
    assert {} == {name: size for name, size in pictures.items() if size >= 150_000}


def test_head_has_no_body() -> None:
    answer = ask("/", "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
