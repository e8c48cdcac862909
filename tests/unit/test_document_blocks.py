"""
Every block of code in the documents is proved, and each kind of block says how.

Whole programs and sessions run too: README's, the tutorial's and those of `docs/how-to/relay-*.md` on real servers
(tests/soak/documented_sessions.py behind `make proofs`, tests/live/test_relay.py).
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import jinja2
import pytest
import yaml

from rig.document_blocks import ROOT, Block, blocks, commands, inline_commands, typed
from switchmaster.cli.group import VERBS, cli
from switchmaster.doctor.least_rights import LEAST_RIGHTS
from switchmaster.server.settings.file import read_file

SHELLS = ("sh", "console")
PROVED = {"python", "toml", "yaml", "jinja", "ini", "acl", *SHELLS}
NOT_PROVED = {
    "text": "what a program prints, or a drawing",
    "js": "bench/bench_relay.py runs these clients; CI has no npm",
    "c": "tests/live/test_relay.py compiles and runs it",
    "php": "tests/live/test_relay.py runs them",
    "ruby": "tests/live/test_relay.py runs them",
    "java": "the page says that they are not tested here",
    "go": "the page says that they are not tested here",
    "dockerfile": "there is no registry of images here",
    "haproxy": "tests/live/test_daemon_api.py runs the same lines through HAProxy's checks",
    "{eval-rst}": "directives of the site: `make docs-site` carries them out",
    "{toctree}": "directives of the site: tests/test_documents.py checks them",
}
"""Languages whose blocks no test of this module proves, with the reason."""
VARIABLES = set(re.findall(r"`(SWITCHMASTER_\w+)`", (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")))
PARTS = {"USERNAME", "PASSWORD", "PASSWORD_FILE", "TLS", "TLS_CA", "TLS_CERT", "TLS_KEY", "TLS_SERVER_NAME"}
ACTION = '[[actions]]\nname = "a"\ntype = "file"\npath = "/etc/a"\n'
"""What stands around a block that has only some keys of an action."""


def each(*languages: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", blocks(*languages), ids=str)


def test_every_block_says_its_language_and_how_it_is_proved() -> None:
    unknown = [f"{block}: {block.language or 'an indented block'}" for block in blocks()]
    known = {f"{block}: {block.language}" for block in blocks(*PROVED, *NOT_PROVED)}
    assert [] == [one for one in unknown if one not in known]
    assert len(blocks()) > 100


# -- Python ----------------------------------------------------------------------------------------


@each("python")
def test_python_compiles_and_its_names_exist(block: Block) -> None:
    tree = ast.parse(block.text)
    compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    modules: dict[str, ModuleType] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules[alias.name] = importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            modules[node.module] = importlib.import_module(node.module)
            assert [] == [alias.name for alias in node.names if not hasattr(modules[node.module], alias.name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (home := modules.get(ast.unparse(node.value))) is not None:
            assert hasattr(home, node.attr), ast.unparse(node)


# -- shells ----------------------------------------------------------------------------------------


@each(*SHELLS)
def test_shell_accepts_every_line(block: Block) -> None:
    lines = block.text if block.language == "sh" else "\n".join(typed(block))
    assert typed(block), "nothing is typed: it is output, so its language is text"
    done = subprocess.run(["bash", "-n"], input=lines, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def parse(words: list[str]) -> None:
    """
    Parse a command as the command line does, without running it.

    Raises:
        click.UsageError: it would be refused.
    """
    command: click.Command = cli
    context = click.Context(command, info_name="switchmaster")
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert name is not None
        assert found is not None
        context = click.Context(found, context, info_name=name)
        command = found
    with command.make_context(context.info_name, list(words), parent=context.parent):
        pass


def ours(line: str) -> list[list[str]]:
    """Return the words after our program's name, for each command of ours in a line of a shell."""
    found = []
    for words in commands(line):
        # As in `uvx --from '.[cli]' switchmaster version` and `export NAME=$(switchmaster lab status)`.
        places = [place for place, word in enumerate(words) if word.endswith("switchmaster")]
        if places and (places[0] == 0 or words[0] in ("uvx", "export")):
            found.append(words[places[0] + 1 :])
    return found


OURS = [(block, words) for block in blocks(*SHELLS) for line in typed(block) for words in ours(line)]


@pytest.mark.parametrize(("block", "words"), OURS, ids=[f"{block} {shlex.join(words)}" for block, words in OURS])
def test_command_line_is_accepted(block: Block, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHMASTER_CONFIG", "switchmaster.toml")
    parse(words)


RECORDED = [(block, line) for block in blocks("console") for line in typed(block) if "tests/recorded/" in line]


@pytest.mark.parametrize(("block", "line"), RECORDED, ids=[f"{block} {line}" for block, line in RECORDED])
def test_output_of_a_recording_is_what_the_page_shows(block: Block, line: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    _, _, after = block.text.partition(f"$ {line}\n")
    shown = after.partition("\n$ ")[0].splitlines()
    assert len(shown) > 3
    assert [] == [one for one in shown if one not in done.stdout.splitlines()]


@pytest.mark.parametrize(("path", "line"), inline_commands(), ids=" ".join)
def test_command_in_a_sentence_names_a_verb_and_its_options(path: str, line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = cli
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert [] == [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]


def test_commands_name_files_of_the_repository_that_exist() -> None:
    place = re.compile(r"(?<![\w./-])((?:bench|deploy|docs|examples|fuzz|tests|tools)/[\w./*-]*\w)")
    lines = [(str(block), line) for block in blocks(*SHELLS) for line in typed(block)]
    found = [(where, path) for where, line in lines for path in place.findall(line)]
    assert found
    assert [] == [(where, path) for where, path in found if not [*ROOT.glob(path)]]


# -- files of configuration ------------------------------------------------------------------------


@each("toml")
def test_configuration_is_accepted(block: Block, tmp_path: Path) -> None:
    text = block.text if re.search(r"^\[", block.text, re.MULTILINE) else ACTION + block.text
    (tmp_path / "switchmaster.toml").write_text(text, encoding="utf-8")
    assert () == read_file(tmp_path / "switchmaster.toml").problems


@each("ini")
def test_environment_and_unit_give_what_is_read(block: Block) -> None:
    for line in block.text.splitlines():
        name, _, value = line.removeprefix("Environment=").partition("=")
        if name.endswith("_OPTIONS"):
            parse([name.removesuffix("_OPTIONS").lower(), *shlex.split(value)])
        elif name == "ExecStop":
            parse(shlex.split(value)[1:])
        elif name.isupper():
            part = re.fullmatch(r"SWITCHMASTER_(?:SENTINEL|NODE)_(\w+)", name)
            assert part[1] in PARTS if part else name in VARIABLES


@each("acl")
def test_rights_are_the_least_for_watching(block: Block) -> None:
    user, _, rules = block.text.strip().partition(" resetchannels ")
    assert user.startswith("user watcher on >")
    assert f"resetchannels {rules}" == LEAST_RIGHTS[0].sentinels


@each("yaml")
def test_yaml_is_valid_and_starts_what_exists(block: Block) -> None:
    documents = list(yaml.safe_load_all(block.text))
    assert all(documents)
    for program, *words in started(documents):
        if program in ("switchmaster", *VERBS):
            parse(words if program == "switchmaster" else [program, *words])
        elif program == "sh":
            assert [parse(found) for found in ours(words[-1])]


def started(value: object) -> Iterator[list[str]]:
    """Yield the commands and arguments of containers, wherever they are in a value."""
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key in ("args", "command"):
            yield one
        yield from started(one)


@each("jinja")
def test_template_compiles(block: Block) -> None:
    jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(block.text)
