"""
The code checks itself, by its syntax trees.

What import-linter (layers), ruff (style) and mypy (types) can't say is here: sizes, what pure
modules may use, errors that are swallowed, docstrings, names, and that the repository stands alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "switchmaster"
PURE = ("wire", "link", "belief", "follow")
"""The packages from bytes to decisions; what they share is model.py."""

REPLAYING = [SRC / "account" / name for name in ("replay.py", "transcript.py", "transcript_lines.py")]
"""What reads recordings for them."""

MODULE_LINES = 650
FUNCTION_LINES = 60
PURE_IMPORTS = {
    *("__future__", "bisect", "collections", "dataclasses", "enum", "functools", "ipaddress"),
    *("itertools", "json", "math", "re", "typing", "hiredis"),
}
PURE_SIBLINGS = {"errors", "model", *PURE}
CALLS_BANNED_IN_PURE = {"open", "print", "input", "breakpoint", "exec", "eval"}
NAMES_BANNED = {
    *("common", "handler", "handlers", "helper", "helpers", "manager", "misc", "util", "utils"),
}
# Spelled in pieces, so that this file does not find itself.
TEXT_BANNED = [
    *(re.compile(rf"\b{word}\b") for word in ("TO" + "DO", "FIX" + "ME", "XX" + "X")),
    re.compile(r"(?<![\w.~-])/(?:" + "wo" + r"rk|ro" + r"ot|tm" + r"p/w)(?:/|\b)"),
    re.compile(r"\.\./sha" + r"red\b"),
]


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


SOURCES = python_files(SRC)
ALL = python_files(SRC, ROOT / "tests", ROOT / "tools", ROOT / "bench", ROOT / "fuzz")

each_source = pytest.mark.parametrize("path", SOURCES, ids=name_of)
each_file = pytest.mark.parametrize("path", ALL, ids=name_of)
PURE_SOURCES = [SRC / "model.py", *python_files(*(SRC / name for name in PURE)), *REPLAYING]
each_pure_file = pytest.mark.parametrize("path", PURE_SOURCES, ids=name_of)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions_of(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines_without_docstring(function: Function) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def undocumented(node: ast.AST, prefix: str = "") -> Iterator[str]:
    """Yield what is public and has no docstring; the methods of a derived class need none."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | Function) or child.name.startswith("_"):
            continue
        is_method = isinstance(node, ast.ClassDef)
        overrides = is_method and bool(node.bases)
        if ast.get_docstring(child) is None and not overrides:
            yield prefix + child.name
        if isinstance(child, ast.ClassDef):
            yield from undocumented(child, f"{prefix}{child.name}.")


def broad_excepts(tree: ast.AST) -> Iterator[ast.ExceptHandler]:
    """Yield what catches everything and raises nothing."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler) or not catches_everything(node.type):
            continue
        if not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
            yield node


def catches_everything(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(n, ast.Name) and n.id in ("Exception", "BaseException") for n in names)


def imports_of(tree: ast.AST, path: Path) -> Iterator[str]:
    """Yield what a pure module imports from outside its own package, by its first word."""
    depth = len(path.relative_to(SRC).parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level >= depth:
            yield from [node.module.split(".")[0]] if node.module else names_in(node)


def names_in(node: ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names]


def test_sources_are_found() -> None:
    assert {"_version.py", "errors.py", "__main__.py"} <= {path.name for path in SOURCES}
    assert len(PURE_SOURCES) > 30


@each_file
def test_module_is_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES


@each_file
def test_function_is_small(path: Path) -> None:
    sizes = [(found.name, lines_without_docstring(found)) for found in functions_of(tree_of(path))]
    assert [] == [(name, lines) for name, lines in sizes if lines > FUNCTION_LINES]


@each_file
def test_module_name_says_what_it_is_about(path: Path) -> None:
    assert set() == set(path.stem.split("_")) & NAMES_BANNED


@each_source
def test_everything_public_has_a_docstring(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree) is not None
    assert [] == list(undocumented(tree))


@each_source
def test_broad_except_raises_or_says_why_not(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    silent = []
    for node in broad_excepts(tree_of(path)):
        first = node.body[0].lineno
        if not any("#" in line for line in lines[node.lineno - 1 : first]):
            silent.append(f"{name_of(path)}:{node.lineno}")
    assert [] == silent


@each_pure_file
def test_pure_module_imports_only_what_is_pure(path: Path) -> None:
    assert set() == set(imports_of(tree_of(path), path)) - PURE_IMPORTS - PURE_SIBLINGS


@each_pure_file
def test_pure_module_calls_nothing_that_has_an_effect(path: Path) -> None:
    called = {
        node.func.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert set() == called & CALLS_BANNED_IN_PURE


def text_files() -> list[Path]:
    folders = [ROOT / name for name in ("src", "tests", "tools", "bench", "fuzz", "docs", ".ci")]
    found = [path for folder in folders for path in folder.rglob("*")]
    found += [ROOT / "Makefile", ROOT / "pyproject.toml"]
    kinds = {".py", ".sh", ".md", ".toml", ""}
    made = {"__pycache__", ".corpus", ".broken"}
    return sorted(path for path in found if path.is_file() and path.suffix in kinds and not made & set(path.parts))


@pytest.mark.parametrize("path", text_files(), ids=name_of)
def test_file_names_no_machine_and_leaves_nothing_to_do(path: Path) -> None:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:80]}"
        for number, line in enumerate(lines, 1)
        if any(banned.search(line) for banned in TEXT_BANNED)
    ]
    assert [] == found


TEST_ROOMS = [ROOT / "tests" / name for name in ("rig", "peers", "recorded", "sim", "chaos")]


@pytest.mark.parametrize("folder", TEST_ROOMS, ids=name_of)
def test_room_of_the_tests_names_every_module(folder: Path) -> None:
    words = set(re.findall(r"\w+", ast.get_docstring(tree_of(folder / "__init__.py")) or ""))
    modules = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("test_")} - {"__init__"}
    assert set() == modules - words
