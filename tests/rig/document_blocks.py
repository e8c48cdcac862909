"""
What the documents show as code: every fenced block, and every command in a sentence, with its place.

The documents are those that people read: README and its neighbours, docs/, examples/ and bench/RESULTS.md. The change
log tells of the past, so its commands need not exist any more.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["ROOT", "Block", "anchors", "blocks", "commands", "documents", "inline_commands", "links", "typed"]

ROOT = Path(__file__).parents[2]
PAST = {"CHANGELOG.md"}
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_PROMPT = "$ "
_ENDS = {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>"}


@dataclass(frozen=True)
class Block:
    """One block of code of a document."""

    path: str
    """Of the document, from the root."""
    line: int
    language: str
    """Its info string; empty for an indented block, which has none."""
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def documents() -> list[Path]:
    """Return all documents."""
    within = [path for name in ("examples", "docs") for path in (ROOT / name).rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), ROOT / "bench" / "RESULTS.md", *within])


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of some languages; without a language all."""
    return [block for block in _all_blocks() if not languages or block.language in languages]


def typed(block: Block) -> list[str]:
    """Return what is typed into a shell: all of a block ``sh``, the lines with a prompt of a block ``console``."""
    lines = block.text.splitlines()
    if block.language == "console":
        return [line.removeprefix(_PROMPT) for line in lines if line.startswith(_PROMPT)]
    joined = block.text.replace("\\\n", " ").splitlines()
    return [line for line in joined if line.strip() and not line.lstrip().startswith("#")]


def commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each simple command in a line of a shell, without redirections and assignments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for word in [*lexer, ";"]:
        if word in _ENDS:
            skip = ">" in word or "<" in word
            if skip:
                continue
            if words:
                yield words
            words = []
        elif skip:
            skip = False
        elif words or not re.match(r"\w+=", word):
            words.append(word)


def inline_commands() -> list[tuple[str, str]]:
    """Return the commands of ours that stand in a sentence: the document's path, and the command."""
    found = []
    for path in documents():
        if path.name in PAST or path.parent.name == "reference":
            continue
        for token in _tokens(path):
            for child in token.children or ():
                if child.type == "code_inline" and re.match(r"(?:\.venv/bin/)?switchmaster [a-z]", child.content):
                    found.append((str(path.relative_to(ROOT)), child.content))
    return found


def links(path: Path) -> list[str]:
    """Return what a document links to and shows as pictures, except what is elsewhere on the network."""
    found = []
    for token in _tokens(path):
        for child in token.children or ():
            target = child.attrGet("href") if child.type == "link_open" else child.attrGet("src")
            if child.type in ("link_open", "image") and isinstance(target, str) and not re.match(r"\w+:", target):
                found.append(target)
        if token.type == "html_block":
            found += re.findall(r'(?:src|srcset|href)="(?!\w+:)([^"]+)"', token.content)
    return found


@cache
def anchors(path: Path) -> set[str]:
    """Return the places of a document to which a link can lead, named as GitHub and the site name them."""
    tokens = _tokens(path)
    found: list[str] = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))
            name = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            found.append(f"{name}-{found.count(name)}" if name in found else name)
    return set(found)


@cache
def _tokens(path: Path) -> Sequence[Token]:
    return _MARKDOWN.parse(path.read_text(encoding="utf-8"))


@cache
def _all_blocks() -> tuple[Block, ...]:
    return tuple(block for path in documents() if path.name not in PAST for block in _blocks(path))


def _blocks(path: Path) -> Iterator[Block]:
    for token in _tokens(path):
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            yield Block(str(path.relative_to(ROOT)), token.map[0] + 1, token.info.strip(), token.content)
