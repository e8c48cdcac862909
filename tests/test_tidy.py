"""
The code checks itself, by its syntax trees.

Rules that import-linter (layers), ruff (style) and mypy (types) can't check: sizes, effects in pure modules, swallowed
errors, docstrings, names, and that the repository is self-contained.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "switchmaster"
PURE = ("wire", "link", "belief", "follow", "guard", "planned", "doctor")
"""The packages from bytes to decisions; what they share is model.py."""

REPLAYING = [SRC / "account" / name for name in ("replay.py", "transcript.py", "transcript_lines.py")]
"""The packages that read recordings for them."""

MODULE_LINES = 650
FUNCTION_LINES = 60
PURE_IMPORTS = {
    *("__future__", "bisect", "collections", "dataclasses", "enum", "functools", "heapq"),
    *("ipaddress", "itertools", "json", "math", "re", "typing", "hiredis"),
}
PURE_SIBLINGS = {"errors", "model", *PURE}
CALLS_BANNED_IN_PURE = {"open", "print", "input", "breakpoint", "exec", "eval"}
NAMES_BANNED = {
    *("common", "handler", "handlers", "helper", "helpers", "manager", "misc", "util", "utils"),
}
NAMED_BY_ALEMBIC = {"branch_labels", "depends_on", "down_revision", "revision"}
SHARED_NAMES = {
    **dict.fromkeys(
        ("Connection", "MasterClient", "Pool", "Sentinel", "Watcher", "sync.py"),
        "the same thing for threads and for asyncio",
    ),
    "asyncio.py": "the same thing for redis-py and for valkey-py",
    **dict.fromkeys(
        ("failover.py", "guard.py", "importing.py", "proxy.py", "relay.py", "replay.py", "topology.py", "watch.py"),
        "a verb beside the module of its subject",
    ),
}
"""Names that several modules may share, with reasons."""
MOMENTS = {"now", "wall", "moment"}
# Spelled in pieces, so that this file does not match itself.
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
ALL = python_files(SRC, *(ROOT / name for name in ("tests", "tools", "bench", "fuzz", "examples")))

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
    """Yield public definitions without a docstring; the methods of a derived class need none."""
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
    """Yield handlers that catch everything and raise nothing."""
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
    """Yield the imports of a pure module from outside its own package, by their first word."""
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
def test_module_name_says_its_subject(path: Path) -> None:
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


def packages() -> Iterator[Path]:
    return (path.parent for path in SOURCES if path.name == "__init__.py" and path.parent != SRC)


def modules_of(package: Path) -> Iterator[str]:
    """Yield the modules and packages in a package."""
    for path in sorted(package.iterdir()):
        if (path / "__init__.py").exists() or (path.suffix == ".py" and not path.stem.startswith("_")):
            yield path.stem


@pytest.mark.parametrize("package", list(packages()), ids=name_of)
def test_package_names_every_module_in_its_docstring(package: Path) -> None:
    text = ast.get_docstring(tree_of(package / "__init__.py")) or ""
    missing = [name for name in modules_of(package) if not re.search(rf"`(\w+[./])*{name}(\.py|/)?`", text)]
    assert [] == missing, f"{package.name}/__init__.py does not name these"


def public_names(path: Path) -> Iterator[str]:
    """Yield the module's own name, and the public classes and constants that it defines."""
    if not path.stem.startswith("_"):
        yield path.name
    body = tree_of(path).body
    exported: set[str] | None = None
    defined = []
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if "__all__" in names and isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            exported = {str(item.value) for item in node.value.elts if isinstance(item, ast.Constant)}
        defined += [node.name] if isinstance(node, ast.ClassDef) else names
    yield from {name for name in defined if not name.startswith("_") and (exported is None or name in exported)}


def test_no_two_modules_share_a_public_name() -> None:
    homes: dict[str, list[str]] = {}
    for path in SOURCES:
        for name in public_names(path):
            homes.setdefault(name, []).append(path.relative_to(SRC).as_posix())
    shared = {name: where for name, where in homes.items() if len(where) > 1 and name not in NAMED_BY_ALEMBIC}
    assert {} == {name: where for name, where in shared.items() if name not in SHARED_NAMES}
    assert set() == SHARED_NAMES.keys() - shared.keys(), "these names are no longer shared"


@pytest.mark.parametrize("path", python_files(SRC / "wire"), ids=name_of)
def test_wire_knows_no_time(path: Path) -> None:
    public = [function for function in functions_of(tree_of(path)) if not function.name.startswith("_")]
    arguments = {
        (function.name, argument.arg)
        for function in public
        for argument in ast.walk(function.args)
        if isinstance(argument, ast.arg)
    }
    assert [] == [found for found in arguments if found[1] in MOMENTS]


SENTENCES = {"reason", "why", "advice", "detail", "message"}
"""The names of fields and variables that hold words for people."""


def is_words(node: ast.AST) -> bool:
    """Return whether an expression is an error as text, or a sentence of ours."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "str"
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in SENTENCES


@pytest.mark.parametrize("path", [path for path in SOURCES if path != SRC / "wire" / "refusal.py"], ids=name_of)
def test_nothing_decides_by_wording(path: Path) -> None:
    """Only `wire.refusal` reads a server's sentences; ours are for people."""
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            left = node.left.value if isinstance(node.left, ast.Constant) else ""
            words = isinstance(left, str) and any(char.isalpha() for char in left)
            found += [ast.unparse(node)] if words and is_words(node.comparators[0]) else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            searches = node.func.attr in ("startswith", "endswith", "find", "index")
            found += [ast.unparse(node)] if searches and is_words(node.func.value) else []
    assert [] == [text for text in found if text not in READ_FROM_A_LOG]


READ_FROM_A_LOG = {"message.startswith(SERVING)"}
"""The demo learns its daemon's address from the daemon's log, which has it in a sentence alone."""


def text_files() -> list[Path]:
    folders = [ROOT / name for name in ("src", "tests", "tools", "bench", "fuzz", "examples", "docs", ".ci")]
    found = [path for folder in folders for path in folder.rglob("*")]
    found += [ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("*.md")]
    kinds = {".py", ".sh", ".md", ".toml", ""}
    made = {"__pycache__", ".corpus", ".broken"}
    return sorted(path for path in found if path.is_file() and path.suffix in kinds and not made & set(path.parts))


@pytest.mark.parametrize("path", text_files(), ids=name_of)
def test_file_names_no_machine_and_has_no_todo(path: Path) -> None:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:80]}"
        for number, line in enumerate(lines, 1)
        if any(banned.search(line) for banned in TEXT_BANNED)
    ]
    assert [] == found


TEST_ROOMS = [ROOT / "tests" / name for name in ("rig", "peers", "recorded", "sim", "chaos")]


@pytest.mark.parametrize("folder", TEST_ROOMS, ids=name_of)
def test_package_of_tests_names_every_module(folder: Path) -> None:
    words = set(re.findall(r"\w+", ast.get_docstring(tree_of(folder / "__init__.py")) or ""))
    modules = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("test_")} - {"__init__"}
    assert set() == modules - words


@pytest.mark.parametrize("path", python_files(ROOT / "tests"), ids=name_of)
def test_name_of_a_test_is_short(path: Path) -> None:
    names = [found.name for found in functions_of(tree_of(path)) if found.name.startswith("test_")]
    assert [] == [name for name in names if len(name) > 80]


ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
DEFINES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def names_defined(node: ast.AST) -> dict[str, ast.AST]:
    """Return what a module or a class defines, by name."""
    found: dict[str, ast.AST] = {}
    for child in ast.iter_child_nodes(node):
        if isinstance(child, DEFINES):
            found[child.name] = child
        elif isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
            found[child.target.id] = child
        elif isinstance(child, ast.Assign):
            found |= {target.id: child for target in child.targets if isinstance(target, ast.Name)}
    return found


def exists(dotted: str) -> bool:
    """Return whether a name below `switchmaster.` is a package, a module, or what one of them defines."""
    place, names = SRC, dotted.split(".")
    while names and (place / names[0]).is_dir():
        place /= names.pop(0)
    if not names:
        return True
    if not (place / f"{names[0]}.py").is_file():
        return False
    node: ast.AST | None = tree_of(place / f"{names.pop(0)}.py")
    for name in names:
        node = names_defined(node).get(name) if node is not None else None
    return node is not None


def test_architecture_names_every_package() -> None:
    named = set(re.findall(r"`(\w+)/?`", ARCHITECTURE.partition("## Three journeys")[0]))
    tops = {path.stem for path in SRC.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert set() == {name for name in tops if not name.startswith("_")} - named


def test_architecture_names_nothing_that_does_not_exist() -> None:
    tops = {path.stem for path in SRC.iterdir()}
    dotted = re.findall(r"`([a-z]\w*(?:\.\w+)+)`", ARCHITECTURE)
    ours = [name for name in dotted if name.partition(".")[0] in tops and name.rpartition(".")[2] not in ("py", "md")]
    assert len(ours) > 50
    assert [] == [name for name in ours if not exists(name)]
    methods = re.findall(r"`([A-Z]\w+)\.(\w+)`", ARCHITECTURE)
    classes = [node for path in SOURCES for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)]
    defined = {(node.name, name) for node in classes for name in names_defined(node)}
    assert set() == set(methods) - defined
    paths = re.findall(r"`((?:tests|docs|tools|cli|belief)/[\w./]+)`", ARCHITECTURE)
    real = [path for path in paths if not re.search("NAME|SUBJECT|KIND", path)]
    assert [] == [path for path in real if not (ROOT / path).exists() and not (SRC / path).exists()]
