"""
The documents hold together: every link leads to a page, a file or a heading, and every page is in the navigation.

This needs no Sphinx, so it runs with `make check`; `make docs-site` builds the site, and takes every warning for an
error. What the documents show as code is proved by tests/unit/test_document_blocks.py.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from rig.document_blocks import ROOT, anchors, documents, links

INDEX = ROOT / "docs" / "index.md"
README_LINES = 150


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize("page", documents(), ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    assert [] == [link for link in links(page) if not leads_somewhere(page, link)]


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(target))


def test_every_page_is_in_the_navigation_once() -> None:
    listed = [(INDEX.parent / link).resolve() for link in links(INDEX)]
    assert sorted(set(listed)) == sorted(listed)
    pages = {name_of(page) for page in documents()} - {"docs/index.md"}
    assert set() == pages - {name_of(page) for page in listed}, "add them to a list in docs/index.md"
    assert set() == {name_of(page) for page in listed} - pages


@pytest.mark.parametrize("page", documents(), ids=name_of)
def test_page_begins_with_one_title(page: Path) -> None:
    text = re.sub(r"^```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert 1 == len(re.findall(r"^# ", text, re.MULTILINE))


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_picture_of_the_readme_is_drawn_from_what_was_measured() -> None:
    picture = module(ROOT / "bench" / "failover_picture.py")
    pictures = ROOT / "docs" / "pictures"
    data = json.loads((pictures / "same-failover.json").read_text(encoding="utf-8"))
    for theme in picture.THEMES:
        assert picture.drawn(data, theme) == (pictures / f"same-failover-{theme}.svg").read_text(encoding="utf-8")
    assert f'alt="{picture.alternative(data)}"' in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_alert_has_an_answer() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "switchmaster.rules.yml").read_text(encoding="utf-8"))
    alerts = {(rule["alert"], rule["labels"]["severity"]) for group in rules["groups"] for rule in group["rules"]}
    page = (ROOT / "docs" / "how-to" / "alerts.md").read_text(encoding="utf-8")
    assert alerts == set(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE))
