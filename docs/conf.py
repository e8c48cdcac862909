"""
The documentation site: ``make docs-site`` writes it into build/site, and takes every warning for an error.

The pages are the Markdown files that GitHub shows, unchanged: the source folder is the root of the repository, so that
relative links lead to the same files in both places. What is added here:

- the navigation: the lists of docs/index.md, section by section;
- links to folders lead to the repository; links to other files that are no pages become downloads;
- docstrings are written for people who read code: their asterisks and bars are no markup;
- beside each page its Markdown, and ``llms.txt``, which lists these. A page that is made from docstrings gets the text
  that was made.

Links within the site are checked: a target that does not exist is a warning. Links to other hosts are not fetched.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.builders.text import TextBuilder
from sphinx.writers.text import TextTranslator

from switchmaster import __version__

ROOT = Path(__file__).parent.parent
REPOSITORY = "https://github.com/switchmaster/switchmaster/tree/main"
INDEX = "docs/index"
START = f"""\
<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={INDEX}.html">
<title>switchmaster</title>
<a href="{INDEX}.html">switchmaster</a>
"""
"""The page at the top, since the navigation begins in docs/."""
MADE_FROM_DOCSTRINGS = ("docs/reference/python",)
SUMMARY = "switchmaster knows first which server is the master of a Redis or Valkey Sentinel deployment, and says why."

project = "switchmaster"
author = "the switchmaster authors"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = INDEX
include_patterns = ["*.md", "docs/**.md", "bench/RESULTS.md", "examples/README.md"]
exclude_patterns = [".*", "build", "deploy", "dist", "fuzz", "src", "tests", "tools", "examples/__pycache__"]

myst_heading_anchors = 4
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"switchmaster {__version__}"
html_copy_source = False
html_show_sourcelink = False

LINK = re.compile(r"\]\(([^)#\s:]+)(#[^)\s]*)?\)")
ITEM = re.compile(r"^- \[(?P<title>[^]]+)\]\((?P<path>[^)#:]+)\)(?:: (?P<about>.*))?$")


def sections(index: str) -> dict[str, list[re.Match[str]]]:
    """Return the items of docs/index.md by the heading above them."""
    found: dict[str, list[re.Match[str]]] = {}
    heading = ""
    for line in index.splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif item := ITEM.match(line):
            found.setdefault(heading, []).append(item)
    return found


def docname(page: str, link: str) -> str:
    """Return a link of a page as a path from the root, without its ending ``.md``."""
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / link).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts).removesuffix(".md")


def read_source(app: Sphinx, page: str, source: list[str]) -> None:
    """Lead links to folders to the repository, and give the index its navigation."""

    def lead(found: re.Match[str]) -> str:
        path = docname(page, found[1])
        return f"]({REPOSITORY}/{path})" if (ROOT / path).is_dir() else found[0]

    if page == INDEX:
        for heading, items in sections(source[0]).items():
            entries = "\n".join(f"{item['title']} </{docname(page, item['path'])}>" for item in items)
            source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{entries}\n```\n"
    source[0] = LINK.sub(lead, source[0])


def read_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep reStructuredText from taking an asterisk, a bar or an underscore of a sentence for markup."""
    drawn = False  # within an indented block below "::"
    for number, line in enumerate(lines):
        drawn = drawn and (not line.strip() or line.startswith("    "))
        if not drawn:
            pieces = re.split(r"(``.*?``|`[^`]*`)", line)
            pieces[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", piece) for piece in pieces[::2]]
            lines[number] = "".join(pieces)
        drawn = drawn or line.rstrip().endswith("::")


def write_markdown(app: Sphinx, error: Exception | None) -> None:
    """Write the pages' Markdown, ``llms.txt``, the pictures of HTML in Markdown, and a start page."""
    if error is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    for page in app.env.found_docs:
        target = out / f"{page}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        if page in MADE_FROM_DOCSTRINGS:
            target.write_text(as_text(app, page), encoding="utf-8")
        else:
            shutil.copyfile(app.env.doc2path(page), target)
    shutil.copytree(ROOT / "docs" / "pictures", out / "docs" / "pictures", dirs_exist_ok=True)
    (out / "llms.txt").write_text(llms((ROOT / f"{INDEX}.md").read_text(encoding="utf-8")), encoding="utf-8")
    (out / "index.html").write_text(START, encoding="utf-8")


def as_text(app: Sphinx, page: str) -> str:
    """Return a page as plain text."""
    document = app.env.get_and_resolve_doctree(page, app.builder)
    builder = TextBuilder(app, app.env)
    builder.secnumbers = {}
    visitor = TextTranslator(document, builder)
    document.walkabout(visitor)
    return visitor.body


def llms(index: str) -> str:
    """Return ``llms.txt``: the same lists as the index has, with links to the Markdown of the pages."""
    lines = ["# switchmaster", "", f"> {SUMMARY}"]
    for heading, items in sections(index).items():
        lines += ["", f"## {heading}", ""]
        for item in items:
            about = f": {re.sub(LINK, ']', item['about'])}" if item["about"] else ""
            lines.append(f"- [{item['title']}]({docname(INDEX, item['path'])}.md){about}")
    return "\n".join(lines) + "\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the functions above."""
    for language in ("acl", "haproxy"):  # Pygments knows neither
        app.add_lexer(language, TextLexer)
    app.connect("source-read", read_source)
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("build-finished", write_markdown)
    return {"parallel_read_safe": True}
