"""The package's own statements are true: version, commands, files, extras."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import switchmaster._version

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
VERBS = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))


def make_commands(text: str) -> set[str]:
    """Find the verbs of `make VERB`: at the start of a line, after a prompt, after a backtick."""
    return set(re.findall(r"(?:^\s*(?:\$ )?|`)make ([a-z-]+)", text, re.MULTILINE))


def test_metadata_has_the_version_of_the_source() -> None:
    assert switchmaster._version.__version__ == importlib.metadata.version("switchmaster")


def test_package_has_the_version_of_the_source() -> None:
    assert switchmaster._version.__version__ == switchmaster.__version__


def test_package_is_marked_as_typed() -> None:
    assert resources.files("switchmaster").joinpath("py.typed").is_file()


def test_console_script_is_the_command_line() -> None:
    [script] = importlib.metadata.entry_points(group="console_scripts", name="switchmaster")
    assert callable(script.load())


def test_core_and_client_depend_on_hiredis_alone() -> None:
    assert ["hiredis"] == [re.split(r"\W", need)[0] for need in PROJECT["dependencies"]]


def test_extra_all_holds_every_extra_for_users() -> None:
    [everything] = PROJECT["optional-dependencies"]["all"]
    named = set(re.fullmatch(r"switchmaster\[(.*)\]", everything)[1].split(","))
    assert set(PROJECT["optional-dependencies"]) - {"all", "dev", "docs", "fuzz"} == named


def test_documents_name_only_verbs_of_the_makefile() -> None:
    named = {path: make_commands(path.read_text(encoding="utf-8")) for path in papers()}
    assert {"demo", "test"} <= named[ROOT / "README.md"]
    assert {} == {path.name: verbs - VERBS for path, verbs in named.items() if verbs - VERBS}


def test_every_verb_of_the_makefile_is_phony() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert VERBS == set(phony[1].split())


def test_changelog_has_an_unreleased_section() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def papers() -> list[Path]:
    """Return the documents whose links must lead somewhere."""
    return [*ROOT.glob("*.md"), *(ROOT / "examples").glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("paper", papers(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_to_files(paper: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", paper.read_text(encoding="utf-8"))
    assert [] == [link for link in links if not (paper.parent / link).exists()]


def test_source_distribution_contains_every_document_and_folder() -> None:
    included = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [] == [path for path in included if not (ROOT / path.lstrip("/")).exists()]
    assert {f"/{path.name}" for path in ROOT.glob("*.md")} <= set(included)


def test_hooks_of_pre_commit_run_what_setup_installed() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"- repo: (\w+)", text) == ["local"]
    assert set(re.findall(r"language: (\w+)", text)) == {"system"}
    assert [] == [entry for entry in re.findall(r"entry: (.*)", text) if ".venv/bin/" not in entry]
