"""`config check` and `config schema`, as a shell sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from switchmaster.cli.group import cli


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, arguments, env={"SWITCHMASTER_CONFIG": None})
    return done.exit_code, done.stdout, done.stderr


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "some.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_check_reports_every_problem_and_is_code_2(tmp_path: Path) -> None:
    code, out, err = run("config", "check", written(tmp_path, '[deployments.a]\nsentinals = ["h"]\n[jurnal]\n'))
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        f"switchmaster: {tmp_path}/some.toml, line 2: deployments.a.sentinals is unknown; did you mean 'sentinels'?",
        f"switchmaster: {tmp_path}/some.toml, line 3: jurnal is unknown; did you mean 'journal'?",
    ]


def test_hostile_key_is_harmless_on_a_terminal(tmp_path: Path) -> None:
    code, _, err = run("config", "check", written(tmp_path, '"\\u001b[2J" = 1\n'))
    assert code == 2
    assert "\x1b" not in err


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_check_of_a_good_file_shows_it_without_secrets(tmp_path: Path, form: str) -> None:
    (tmp_path / "secret").write_text("s3cret", encoding="utf-8")
    text = """
    [deployments.a]
    sentinels = ["h:1"]
    [deployments.a.sentinel]
    password_file = "secret"
    [journal]
    url = "postgresql://me@db/j"
    password_file = "secret"
    """
    code, out, err = run("config", "check", written(tmp_path, text), "--format", form)
    assert (code, err) == (0, "")
    assert "h:1" in out
    assert "me:***@db/j" in out
    assert "s3cret" not in out


OF_MASTERS = """
[deployments.kvdb]
sentinels = ["h:1"]
[deployments.kvdb.nodes.m1]
username = "reader"
password_file = "secret"
tls = true
[deployments.kvdb.nodes."\\u001b[2J"]
"""


def test_check_shows_the_access_to_a_masters_nodes_without_the_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret", encoding="utf-8")
    path = written(tmp_path, OF_MASTERS)
    code, out, err = run("config", "check", path, "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["deployments"][0]["nodes"] == [
        {"master": "m1", "username": "reader", "password": True, "tls": True},
        {"master": "\x1b[2J", "username": None, "password": False, "tls": False},
    ]
    code, pretty, err = run("config", "check", path, "--format", "pretty")
    assert (code, err) == (0, "")
    assert "kvdb, of m1: reader, a password, TLS" in pretty
    assert "of \\x1b[2J: the default user, no password, no TLS" in pretty
    code, rows, err = run("config", "check", path, "--format", "tsv")
    assert (code, err) == (0, "")
    assert "setting\tnodes\tkvdb, of m1: reader, a password, TLS\n" in rows
    assert "setting\tnodes\tkvdb, of \\x1b[2J: the default user" in rows
    assert [row.split("\t")[0] for row in rows.splitlines()] == ["setting"] * 7
    assert "s3cret" not in out + pretty + rows


def test_check_without_a_file_is_code_2() -> None:
    code, _, err = run("config", "check")
    assert code == 2
    assert "name the file" in err


def test_schema_is_json_and_knows_the_tables() -> None:
    code, out, _ = run("config", "schema")
    assert code == 0
    schema = json.loads(out)
    tables = {"deployments", "actions", "doctor", "guard", "proxy", "relay", "journal", "share", "http", "log"}
    assert set(schema["properties"]) == tables


GUARDED = """
[guard]
grace = 0.5
[deployments.kvdb]
sentinels = ["h:1"]
[deployments.kvdb.guard]
armed = "dry-run"
[deployments.kvdb.guards."\\u001b[2J"]
armed = true
restart = "wipes"
orderly = true
[deployments.other]
sentinels = ["h:2"]
"""


def test_check_shows_the_effective_keys_of_each_guard(tmp_path: Path) -> None:
    path = written(tmp_path, GUARDED)
    code, out, err = run("config", "check", path, "--format", "json")
    assert (code, err) == (0, "")
    kvdb, other = json.loads(out)["deployments"]
    effective = {"grace": 0.5, "evidence_timeout": 0.15, "max_lag": 10.0, "cool_down": 60.0}
    assert kvdb["guard"] == {"armed": "dry-run", **effective, "restart": "unknown", "orderly": False}
    assert kvdb["guards"] == [{"master": "\x1b[2J", "armed": "armed", **effective, "restart": "wipes", "orderly": True}]
    assert (other["guard"]["armed"], other["guards"]) == ("disarmed", [])
    code, pretty, err = run("config", "check", path, "--format", "pretty")
    assert "\x1b" not in pretty
    for part in (
        "kvdb: dry-run, grace 0.5 s, evidence_timeout 0.15 s, max_lag 10 s, restart unknown, cool_down 60 s, "
        "orderly false",
        "[2J: armed, grace 0.5 s, evidence_timeout 0.15 s, max_lag 10 s, restart wipes, cool_down 60 s, orderly true",
        "other: disarmed",
    ):
        assert part in " ".join(pretty.split())
