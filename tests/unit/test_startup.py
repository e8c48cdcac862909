"""What each verb and the drop-in must not import: they start as fast as what they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DATABASES = {"alembic", "sqlalchemy", "psycopg"}
DAEMON = {"alembic", "fastapi", "msgspec", "prometheus_client", "psycopg", "pydantic", "pydantic_core", "uvicorn"}
TERMINAL = {"difflib", "rich"}
ASKING = {"hiredis", "switchmaster.belief", "switchmaster.link", "switchmaster.net", "switchmaster.wire"}
RECORDS = {"switchmaster.account.record", "switchmaster.journal.store", "switchmaster.journal.writer"}

WORDS = {
    "history": ["--journal", "sqlite:///{folder}/journal.db", "--format", "json"],
    "show": ["--journal", "sqlite:///{folder}/journal.db", "last", "--format", "json"],
    "ack": ["--journal", "sqlite:///{folder}/journal.db", "last"],
    "master": ["mymaster", "127.0.0.1:1"],
    "masters": ["127.0.0.1:1"],
}
NEVER = {
    "history": DAEMON | DATABASES | TERMINAL | ASKING | RECORDS | {"asyncio", "switchmaster.render"},
    "show": DAEMON | DATABASES | TERMINAL | ASKING | {"asyncio"},
    "ack": DAEMON | TERMINAL | ASKING | RECORDS,
    "master": DAEMON | TERMINAL | RECORDS | {"hashlib", "sqlalchemy", "switchmaster.account", "switchmaster.render"},
    "masters": DAEMON | TERMINAL | RECORDS | {"hashlib", "sqlalchemy", "switchmaster.account"},
}
"""By verb: modules and packages that it must not import."""


def imported(code: str, *words: str) -> set[str]:
    """Run a program, and return the modules that it has imported in the end."""
    tell = "\nfinally:\n    import sys; sys.stderr.write('\\nMODULES ' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"try:\n    {code}{tell}", *words], capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr or "SystemExit" in done.stderr, done.stderr
    return set(done.stderr.rpartition("MODULES ")[2].split())


@pytest.mark.parametrize("verb", NEVER)
def test_a_verb_imports_only_what_it_needs(verb: str, tmp_path: Path) -> None:
    words = [word.format(folder=tmp_path) for word in WORDS[verb]]
    found = imported("from switchmaster.cli import main; main()", verb, *words)
    assert f"switchmaster.cli.verbs.{verb}" in found
    assert found & NEVER[verb] == set()


def test_the_journals_place_in_a_file_needs_no_library_that_checks_files(tmp_path: Path) -> None:
    config = tmp_path / "switchmaster.toml"
    config.write_text(f'[journal]\nurl = "sqlite:///{tmp_path}/journal.db"\n[deployments.a]\nsentinels = ["h:1"]\n')
    found = imported("from switchmaster.cli import main; main()", "history", "--config", str(config))
    assert found & (DAEMON | DATABASES) == set()


def test_a_journal_in_another_database_is_asked_by_the_library_that_knows_it() -> None:
    found = imported("from switchmaster.cli import main; main()", "history", "--journal", "postgresql://127.0.0.1:1/j")
    assert {"sqlalchemy", "psycopg"} <= found


@pytest.mark.parametrize("package", ["redis", "valkey"])
def test_the_drop_in_imports_nothing_of_the_daemon_or_the_command_line(package: str) -> None:
    found = imported(f"import switchmaster.{package}")
    never = {"account", "cli", "doctor", "explain", "guard", "journal", "lab", "planned", "relay", "render", "server"}
    assert found & (DAEMON | TERMINAL | {"click", "sqlalchemy", "hypothesis"}) == set()
    assert found & {f"switchmaster.{name}" for name in never} == set()


def test_a_master_on_which_most_agree_is_printed_without_a_watcher() -> None:
    answer = "from switchmaster.net import agreed_address as asked; asked.agreed_address = lambda *_: ('h', 1); "
    found = imported(f"{answer}from switchmaster.cli import main; main()", "master", "mymaster", "127.0.0.1:1")
    assert "switchmaster.cli.verbs.master" in found
    assert found & (LISTENING | {"asyncio", "switchmaster.cli.command_watcher"}) == set()


LISTENING = {f"switchmaster.{name}" for name in ("belief", "link.link", "net.sync", "net.watcher", "wire.events")}
"""What only a Watcher needs."""


@pytest.mark.parametrize("package", ["redis", "redis.asyncio", "valkey", "valkey.asyncio"])
def test_the_drop_in_imports_the_watcher_with_the_first_sentinel(package: str) -> None:
    assert imported(f"import switchmaster.{package}") & LISTENING == set()
    made = f"from switchmaster.{package} import Sentinel; Sentinel([('127.0.0.1', 1)])"
    # Then, and not with the first command, whose time is limited.
    assert imported(made) >= LISTENING
