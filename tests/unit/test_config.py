"""The daemon's configuration: every complaint with its line, flags before environment before file, no secret shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from switchmaster import NodeAccess, Tls, Watcher
from switchmaster.errors import UsageError
from switchmaster.guard.policy import Arming, Policy, Restart
from switchmaster.model import Address, Grade
from switchmaster.server.settings.configuration import problems_of, read_configuration
from switchmaster.server.settings.file import read_file
from switchmaster.server.settings.journal_place import default_journal, journal_url
from switchmaster.server.settings.tables import File
from switchmaster.server.settings.toml_lines import line_of, lines_of
from switchmaster.server.watcher_arguments import PasswordFile

FULL = """\
[deployments.kvdb]
sentinels = ["10.209.10.30:46390", "10.209.10.31:46390"]
grade = "agreed"
[deployments.kvdb.sentinel]
password_file = "sentinel.secret"

[deployments.cache]
sentinels = "redis+sentinel://h1:26379,h2:26379"

[journal]
url = "postgresql+psycopg://journal@db/switchmaster"
password_file = "journal.secret"
keep = "1w"
max_size = "10MiB"

[http]
listen = "[::1]:8370"
token_file = "token"

[log]
format = "json"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "switchmaster.toml"
    path.write_text(FULL, encoding="utf-8")
    for name in ("sentinel.secret", "journal.secret", "token"):
        (tmp_path / name).write_text(f"s3cret of {name}\n", encoding="utf-8")
    return path


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_file_gives_everything(file: Path) -> None:
    found = read_configuration(file, environ={})
    kvdb, cache = found.deployments
    assert (kvdb.name, kvdb.arguments["grade"]) == ("kvdb", Grade.AGREED)
    assert kvdb.arguments["credentials"].get_credentials()[-1] == "s3cret of sentinel.secret"
    assert cache.arguments["sentinels"] == (Address("h1", 26379), Address("h2", 26379))
    assert (found.journal.keep, found.journal.max_size) == (7 * 86_400, 10 * 2**20)
    assert found.journal.url == "postgresql+psycopg://journal:s3cret of journal.secret@db/switchmaster"
    assert (found.http.listen, found.http.token) == (Address("::1", 8370), "s3cret of token")
    assert found.log.format == "json"


def test_no_secret_is_in_the_repr_of_a_configuration(file: Path) -> None:
    found = read_configuration(file, environ={"SWITCHMASTER_HTTP_READ_TOKEN": "s3cret too"})
    assert found.http.read_token == "s3cret too"
    assert "s3cret" not in repr(found)
    assert "s3cret" not in found.journal.shown


def test_environment_wins_over_the_file_and_a_flag_over_both(file: Path) -> None:
    environ = {"SWITCHMASTER_JOURNAL_URL": "sqlite:////env.db", "SWITCHMASTER_LOG_FORMAT": "text"}
    assert read_configuration(file, environ=environ).journal.url.startswith("sqlite:////env.db")
    assert read_configuration(file, environ=environ).log.format == "text"
    by_flag = read_configuration(file, journal="sqlite:////flag.db", environ=environ)
    assert by_flag.journal.url.startswith("sqlite:////flag.db")


def test_deployments_are_shared_but_those_that_this_daemon_needs(tmp_path: Path) -> None:
    head = "".join(f"[deployments.{name}]\nsentinels=['h:1']\n" for name in ("one", "two", "three", "four"))
    path = written(
        tmp_path,
        f"{head}[deployments.two.relay]\nlisten='127.0.0.1:1'\n[deployments.three.proxy]\nwrites='127.0.0.1:2'\n"
        "[[actions]]\ntype='file'\nname='a'\nlocal=true\ndeployments=['four']\npath='f'\ntemplate='json'\n"
        "[journal]\nurl='postgresql://db/sm'\n[share]\ndaemons=2\n",
    )
    found = read_configuration(path, environ={}).share
    assert found is not None
    assert (found.daemons, found.lease, found.kept) == (2, 2.0, {"two", "three", "four"})
    assert read_configuration(path, environ={"SWITCHMASTER_SHARE_DAEMONS": "3"}).share.daemons == 3  # type: ignore[union-attr]


def test_sharing_is_off_by_default_and_needs_postgresql(tmp_path: Path) -> None:
    head = "[deployments.a]\nsentinels=['h:1']\n"
    assert read_configuration(written(tmp_path, head), environ={}).share is None
    path = written(tmp_path, f"{head}[share]\ndaemons = 1\n")
    with pytest.raises(UsageError, match=r"line 4: share.daemons needs a journal in PostgreSQL"):
        read_configuration(path, environ={})
    with pytest.raises(UsageError, match=r"share.lease must be at least 1"):
        read_configuration(written(tmp_path, f"{head}[share]\nlease = 0.5\n"), environ={})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOG_FORMAT", "xml"),
        ("JOURNAL_QUEUE", "many"),
        ("JOURNAL_KEEP", "long"),
        ("JOURNAL_URL", "mysql://h/d"),
        ("HTTP_LISTEN", "here"),
    ],
)
def test_wrong_variable_is_named(variable: str, value: str, file: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_configuration(file, environ={f"SWITCHMASTER_{variable}": value})
    assert variable.partition("_")[2].lower() in str(caught.value).lower()


def test_relay_and_proxy_begin_without_a_file() -> None:
    environ = {
        "SWITCHMASTER_SENTINELS": "h:1",
        "SWITCHMASTER_RELAY_LISTEN": "127.0.0.1:26380",
        "SWITCHMASTER_RELAY_STALE_FOR": "7.5",
        "SWITCHMASTER_RELAY_MAXCLIENTS": "9",
        "SWITCHMASTER_RELAY_PEERS": "10.0.0.1:26379, 10.0.0.2:26379",
        "SWITCHMASTER_PROXY_WRITES": "127.0.0.1:6379",
        "SWITCHMASTER_PROXY_HOLD": "0",
    }
    [one] = read_configuration(None, environ=environ).deployments
    assert one.relay is not None
    assert one.proxy is not None
    assert (str(one.relay.listen), one.relay.policy.stale_for, one.relay.maxclients) == ("127.0.0.1:26380", 7.5, 9)
    assert [str(peer) for peer in one.relay.peers] == ["10.0.0.1:26379", "10.0.0.2:26379"]
    assert one.proxy.only is not None
    assert (str(one.proxy.only.writes), one.proxy.limits.hold) == ("127.0.0.1:6379", 0.0)
    [none] = read_configuration(None, environ={"SWITCHMASTER_SENTINELS": "h:1"}).deployments
    assert (none.relay, none.proxy) == (None, None)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("RELAY_LISTEN", "nowhere", "SWITCHMASTER_RELAY_LISTEN"),
        ("RELAY_STALE_FOR", "long", "must be a number of seconds"),
        ("RELAY_USERS", "a=b", "SWITCHMASTER_RELAY_USERS"),
        ("PROXY_HOLD", "-1", "must be a number of seconds"),
        ("PROXY_MAXCONN", "7", "the proxy has no port"),
    ],
)
def test_wrong_variable_of_relay_or_proxy_is_named(variable: str, value: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_configuration(None, environ={"SWITCHMASTER_SENTINELS": "h:1", f"SWITCHMASTER_{variable}": value})


def test_whole_numbers_and_switches_come_from_the_environment(file: Path) -> None:
    environ = {"SWITCHMASTER_JOURNAL_QUEUE": "5000", "SWITCHMASTER_JOURNAL_EVENTS": "false"}
    found = read_configuration(file, environ=environ).journal
    assert (found.queue, found.events) == (5000, False)


def test_sentinels_alone_are_a_deployment() -> None:
    by_words = read_configuration(None, ["h:1"], environ={})
    by_environment = read_configuration(None, environ={"SWITCHMASTER_SENTINELS": "h:1"})
    assert [d.name for d in by_words.deployments] == [d.name for d in by_environment.deployments] == ["default"]
    with pytest.raises(UsageError, match="nothing to watch"):
        read_configuration(None, environ={})


def test_variables_for_one_deployment_are_refused_if_there_are_two(file: Path) -> None:
    with pytest.raises(UsageError, match="has 2 deployments"):
        read_configuration(file, environ={"SWITCHMASTER_SENTINEL_PASSWORD": "x"})


def test_fingerprint_changes_with_the_deployment_not_with_its_password(file: Path) -> None:
    """The fingerprint changes with the deployment and not with the content of its password file."""
    before = {d.name: d.fingerprint for d in read_configuration(file, environ={}).deployments}
    (file.parent / "sentinel.secret").write_text("another", encoding="utf-8")
    assert before == {d.name: d.fingerprint for d in read_configuration(file, environ={}).deployments}
    (file.parent / "another.secret").write_text("another", encoding="utf-8")
    file.write_text(FULL.replace("sentinel.secret", "another.secret"), encoding="utf-8")
    after = {d.name: d.fingerprint for d in read_configuration(file, environ={}).deployments}
    assert before["cache"] == after["cache"]
    assert before["kvdb"] != after["kvdb"]


NODES = """\
[deployments.kvdb]
sentinels = ["h:1"]
masters = ["m1", "m2", "m3"]
[deployments.kvdb.node]
username = "common"
password_file = "common.secret"
tls = true
[deployments.kvdb.nodes.m1]
password_file = "one.secret"
[deployments.kvdb.nodes.m2]
username = "two"
tls = { ca = "ca.pem", server_name = "kv.test" }
"""


@pytest.fixture
def with_nodes(tmp_path: Path) -> Path:
    for name in ("common", "one"):
        (tmp_path / f"{name}.secret").write_text(f"s3cret of {name}\n", encoding="utf-8")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    return written(tmp_path, NODES)


def test_access_to_a_masters_nodes_inherits_nothing(with_nodes: Path) -> None:
    [kvdb] = read_configuration(with_nodes, environ={"SWITCHMASTER_NODE_PASSWORD": "s3cret of all"}).deployments
    assert (kvdb.arguments["node_username"], kvdb.arguments["node_password"]) == ("common", "s3cret of all")
    assert kvdb.arguments["node_access"] == {
        "m1": NodeAccess(credentials=PasswordFile(with_nodes.parent / "one.secret", None, "data nodes of 'm1'")),
        "m2": NodeAccess("two", None, Tls(ca_file=str(with_nodes.parent / "ca.pem"), server_name="kv.test")),
    }
    arguments = dict(kvdb.arguments)
    assert "s3cret" not in repr(arguments["node_access"])
    assert Watcher(arguments.pop("sentinels"), **arguments)


def test_fingerprint_changes_with_any_access_to_a_masters_nodes(with_nodes: Path) -> None:
    def fingerprint() -> str:
        return read_configuration(with_nodes, environ={}).deployments[0].fingerprint

    seen = [fingerprint()]
    (with_nodes.parent / "one.secret").write_text("another", encoding="utf-8")
    assert seen[0] == fingerprint()  # it is read with each connection
    trustme.CA().cert_pem.write_to_path(with_nodes.parent / "ca.pem")
    seen.append(fingerprint())
    own_tls = '{ ca = "ca.pem", server_name = "kv.test" }'
    for old, new in (('"two"', '"other"'), ("nodes.m2", "nodes.m3"), ('"kv.test"', '"kv"'), (own_tls, "true")):
        with_nodes.write_text(NODES.replace(old, new), encoding="utf-8")
        seen.append(fingerprint())
    assert len(set(seen)) == len(seen)


def test_missing_certificate_of_a_masters_nodes_is_reported(with_nodes: Path) -> None:
    (with_nodes.parent / "ca.pem").unlink()
    [found] = problems_of(with_nodes, {})
    assert re.search(r"line 1: deployments.kvdb can't be used: the TLS CA file .*ca\.pem cannot be read", found)


WRONG = """\
[deployments.a]
sentinels = ["h:1"]
grade = "sure"
address_map = [
  1,
]

[deployments."b c"]
sentinals = ["h:2"]

[journal]
keep = 90
queue = 1
url = "postgresql://u:hunter2@h/d"

[http]
listen = "8370"
token = "hunter2"

[[log]]
"""


def test_check_reports_every_problem_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, WRONG)
    found = [sentence.removeprefix(f"{path}, line ") for sentence in problems_of(path, {})]
    assert found == [
        "3: deployments.a.grade must be 'announced', 'promoted' or 'agreed'",
        "4: deployments.a.address_map must be a table",
        "9: deployments.b c.sentinals is unknown; did you mean 'sentinels'?",
        '12: journal.keep must be a time such as "90d", in s, m, h, d or w',
        "13: journal.queue must be at least 100",
        "17: http.listen is wrong: '8370' has no valid port: expected HOST:PORT with a port from 1 to 65535",
        "18: http.token is not allowed here; put it in a file and name that file in token_file",
        "20: log must be a table",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no deployment|nothing to watch"),
        ("[deployments.a]", "line 1: deployments.a has no Sentinel"),
        (
            "[deployments.a]\nsentinels=['h']\n[journal]\nurl='postgresql://u:hunter2@h/d'",
            "line 4: journal.url contains a pass",
        ),
        ("[deployments.a]\nsentinels=['h']\n[deployments.a.node]\npassword_file='none'", "line 1: .*No such file"),
        ("[deployments.a]\nsentinels=['h']\n[http]\ntls={cert='c'}", "line 4: http.tls.key is missing"),
        ("[deployments.a]\nsentinels=['h']\n[deployments.a.node.tls]\nca='none'", "line 1: .*none"),
        (
            "[deployments.a]\nsentinels=['h']\n[deployments.a.nodes.m]\npassword_file='none'",
            "line 1: .*can't read the password file of the data nodes of 'm' .*none: No such file",
        ),
    ],
)
def test_check_finds_problems_between_several_keys(tmp_path: Path, text: str, sentence: str) -> None:
    [found] = problems_of(written(tmp_path, text), {})
    assert re.search(sentence, found), found
    assert "hunter2" not in found


STRANGERS = """\
[deployments.a]
sentinels = ["h:1"]
masters = ["orders", "carts"]
[deployments.a.nodes]
carts = { tls = true }
oders = { tls = true }
[deployments.a.nodes."x\\n]"]

[deployments.b]
sentinels = "redis+sentinel://h:1/orders"
nodes.carts.username = "u"
nodes.orders = {}

[deployments.c]
sentinels = ["h:1"]
nodes.whatever = {}
"""


def test_table_for_a_master_that_is_not_followed_is_reported_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, STRANGERS)
    found = [sentence.removeprefix(f"{path}, line ") for sentence in problems_of(path, {})]
    assert found == [
        "6: deployments.a.nodes.oders is not one of its masters; did you mean 'orders'?",
        "7: deployments.a.nodes.x\n] is not one of its masters; add it to masters, or remove this table",
        "11: deployments.b.nodes.carts is not one of its masters; add it to masters, or remove this table",
    ]


NAMES = ("bool", "TlsTable", "tls", "node", "nodes", "password", "username", "deployments", "", "a.b", "'", "\x1b[2J")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", ["usernam = 'u'", "tls = { usernam = 'u' }", "tls = 1", "password = 'hunter2'"])
def test_names_of_deployments_and_masters_are_never_taken_for_keys(tmp_path: Path, name: str, wrong: str) -> None:
    quoted = json.dumps(name)
    path = written(
        tmp_path, f"[deployments.{quoted}]\nsentinels = ['h']\n[deployments.{quoted}.nodes.{quoted}]\n{wrong}\n"
    )
    key, sentence = {
        "usernam = 'u'": ("usernam", "is unknown; did you mean 'username'?"),
        "tls = { usernam = 'u' }": ("tls.usernam", "is unknown; did you mean 'server_name'?"),
        "tls = 1": ("tls", "must be true or false"),
        "password = 'hunter2'": (
            "password",
            "is not allowed here; put it in a file and name that file in password_file",
        ),
    }[wrong]
    assert problems_of(path, {}) == (f"{path}, line 4: deployments.{name}.nodes.{name}.{key} {sentence}",)


def test_journal_is_found_without_the_secrets_of_deployments(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "[deployments.a]\nsentinels=['h']\n[deployments.a.node]\npassword_file='none'\n[journal]\nurl='sqlite:////j.db'",
    )
    assert journal_url(path, None, {}) == "sqlite:////j.db"


def test_default_journal_is_in_the_state_directory() -> None:
    assert default_journal({"STATE_DIRECTORY": "/run/state:/other"}) == "sqlite:////run/state/journal.db"


def test_schema_describes_every_key_and_takes_the_example(file: Path) -> None:
    schema = File.model_json_schema()
    for name, table in schema["$defs"].items():
        assert table["additionalProperties"] is False, name
        for key, one in table["properties"].items():
            assert one.get("description"), f"{name}.{key}"
    assert json.dumps(schema)
    assert read_file(file).problems == ()


KEY = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
VALUE: st.SearchStrategy[Any] = st.sampled_from(
    ["1", '"x"', "'''\na = 1\n[b]\n'''", "[\n  1,\n  2,\n]", "[{a = 1}, {b = 2}]", "{ c = 3, d.e = 4 }"]
)


@given(st.lists(st.tuples(KEY, VALUE), max_size=6, unique_by=lambda pair: pair[0]), st.integers(0, 3))
def test_every_key_of_a_table_has_its_line(pairs: list[tuple[str, str]], blanks: int) -> None:
    text, expected = "\n" * blanks + "[t.'u v']\n", {}
    for key, value in pairs:
        expected[key] = text.count("\n") + 1
        text += f"{key} = {value}\n"
    lines = lines_of(text)
    assert {key: line_of(lines, ("t", "u v", key)) for key in expected} == expected
    assert line_of(lines, ("t", "u v", "none")) == blanks + 1
    assert line_of(lines, ("none",)) is None


GUARDED = """\
[guard]
grace = 1
[deployments.a]
sentinels = ["h:1"]
guard = { armed = "dry-run", max_lag = 3 }
[deployments.a.guards.cache]
armed = true
grace = 0
restart = "wipes"
[deployments.b]
sentinels = ["h:2"]
"""


def test_guard_of_a_master_takes_what_it_leaves_out_from_the_tables_around_it(tmp_path: Path) -> None:
    a, b = read_configuration(written(tmp_path, GUARDED), environ={}).deployments
    assert a.guard.policy("cache") == Policy(Arming.ARMED, grace=0.0, max_lag=3.0, restart=Restart.WIPES)
    assert a.guard.policy("other") == Policy(Arming.DRY_RUN, grace=1.0, max_lag=3.0)
    assert b.guard.policy("cache") == Policy(grace=1.0)
    assert (a.guard.wanted, b.guard.wanted) == (True, False)


def test_guard_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    before = read_configuration(written(tmp_path, GUARDED), environ={}).deployments
    after = read_configuration(written(tmp_path, GUARDED.replace("true", "false")), environ={}).deployments
    assert [one.fingerprint for one in before] == [one.fingerprint for one in after]
    assert before[0].guard != after[0].guard


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("armed = 'yes'", 'guard.armed must be true, false or "dry-run"'),
        ("armed = 1", 'guard.armed must be true, false or "dry-run"'),
        ("grace = -1", "guard.grace must be a number of seconds, such as 0.25"),
        ("evidence_timeout = 0", "guard.evidence_timeout must be a number of seconds above 0, such as 0.5"),
        ("restart = 'empty'", "guard.restart must be 'unknown', 'wipes' or 'keeps'"),
        ("orderly = 'no'", "guard.orderly must be true or false"),
        ("armd = true", "guard.armd is unknown; did you mean 'armed'?"),
    ],
)
def test_wrong_key_of_the_guard_is_told_wherever_it_stands(tmp_path: Path, line: str, sentence: str) -> None:
    deployment = "[deployments.a]\nsentinels = ['h']\n"
    for place, header in (
        ("", "[guard]"),
        ("deployments.a.", "[deployments.a.guard]"),
        ("deployments.a.guards.guard.", '[deployments.a.guards."guard"]'),
    ):
        path = written(tmp_path, f"{deployment}{header}\n{line}\n")
        expected = sentence.removeprefix("guard.") if "guards" in place else sentence
        assert problems_of(path, {}) == (f"{path}, line 4: {place}{expected}",)


def test_guard_of_a_master_that_is_not_followed_is_told(tmp_path: Path) -> None:
    text = "[deployments.a]\nsentinels = ['h']\nmasters = ['orders']\n[deployments.a.guards.oders]\n"
    [found] = problems_of(written(tmp_path, text), {})
    assert found.endswith("line 4: deployments.a.guards.oders is not one of its masters; did you mean 'orders'?")


def test_pauses_are_measured_only_where_that_is_asked_for(tmp_path: Path) -> None:
    text = '[deployments.one]\nsentinels = ["h:1"]\nmeasure_pauses = {}\n[deployments.two]\nsentinels = ["h:2"]\n'
    found = read_configuration(written(tmp_path, text.format("true")), environ={}).deployments
    assert [one.measure_pauses for one in found] == [True, False]
    off = read_configuration(written(tmp_path, text.format("false")), environ={}).deployments
    assert [one.fingerprint for one in off] == [one.fingerprint for one in found]
    assert any("measure_pauses" in problem for problem in problems_of(written(tmp_path, text.format('"often"'))))


ACTIONS = """
[deployments.a]
sentinels = ["h"]
[[actions]]
name = "first"
type = "script"
argv = ["true", "--flag"]
masters = "cache-*"
[[actions]]
name = "second"
type = "webhook"
url = "https://hooks.example.net/x?key=1"
secret_file = "secret"
local = true
grade = "agreed"
give_up = "2h"
"""


def actions_file(tmp_path: Path, text: str = ACTIONS) -> Path:
    (tmp_path / "secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    return written(tmp_path, text + "[journal]\nobserver = 'here'\n")


def test_actions_are_complete(tmp_path: Path) -> None:
    first, second = read_configuration(actions_file(tmp_path), environ={}).actions
    assert (first.name, first.group, first.place, first.every) == ("first", "point", "", False)
    assert (first.masters, first.max_age, first.action.summary) == (("cache-*",), None, "true --flag")
    assert (second.group, second.place, second.every, second.max_age) == ("notify", "here", True, 86_400.0)
    assert (str(second.grade), second.give_up) == ("agreed", 7_200.0)
    assert second.action.summary == "https://hooks.example.net/x"
    assert first == read_configuration(actions_file(tmp_path), environ={}).actions[0]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('type = "webhook"', "", 'line 9: actions[1] has no type: add one, such as type = "script"'),
        (
            'type = "webhook"',
            'type = "hook"',
            "line 9: actions[1] has an unknown type; known: 'script', 'webhook', 'file', 'cut', 'stream'",
        ),
        ("https://hooks", "ftp://hooks", "line 12: actions[1].url must be an http:// or https:// URL"),
        ("https://", "https://u:hunter2@", "line 12: actions[1].url must hold no user and no password"),
        ("local = true", "lokal = true", "line 14: actions[1].lokal is unknown; did you mean 'local'?"),
        ('name = "second"', 'name = "a b"', "line 10: actions[1].name must be a name of letters"),
        ('name = "second"', 'name = "first"', "two actions are named 'first'"),
        (
            'argv = ["true", "--flag"]',
            'argv = ["/nowhere/x"]',
            "the action 'first' can't be used: /nowhere/x is not there",
        ),
        ('secret_file = "secret"', 'secret_file = "none"', "the action 'second' can't be used: can't read"),
        (
            'masters = "cache-*"',
            'environment = { SWITCHMASTER_X = "1" }',
            "actions[0].environment must not set SWITCHMASTER_X",
        ),
    ],
)
def test_wrong_action_is_told_with_its_number(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in ACTIONS
    [found] = problems_of(actions_file(tmp_path, ACTIONS.replace(old, new)), environ={})
    assert sentence in found
    assert "hunter2" not in found


def test_array_of_actions_must_be_one(tmp_path: Path) -> None:
    [found] = problems_of(written(tmp_path, "[deployments.a]\nsentinels = ['h']\n[actions]\nname = 'x'\n"), environ={})
    assert found.endswith("line 3: actions must be an array of tables")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("template = 'env'", ""),
        (
            "template = 'env'\nvalidate_with = ['true', '{file}']\nreload = ['true']\nmode = '0600'\ndrift = 'report'",
            "",
        ),
        ("", "it needs one template"),
        ("template = 'env'\ntemplate_file = 'x'", "it needs one template"),
        ("template_file = 'none'", "its template"),
        ("template = 'env'\nreload = ['/nowhere/x']", "/nowhere/x is not there"),
        ("template = 'env'\nmode = '999'", "actions[0].mode"),
    ],
)
def test_file_that_an_action_writes_is_checked_at_the_start(tmp_path: Path, keys: str, sentence: str) -> None:
    head = "[deployments.a]\nsentinels = ['h']\n[[actions]]\nname = 'f'\ntype = 'file'\npath = 'out'\n"
    path = written(tmp_path, head + keys)
    found = problems_of(path, environ={})
    assert [sentence in one for one in found] == ([True] if sentence else [])
    if not found:
        [action] = read_configuration(path, environ={}).actions
        assert (action.action.summary, bool(action.place), action.every) == (str(tmp_path / "out"), True, False)
        assert action.correct is ("report" not in keys)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("type = 'cut'\nusername = 'cutter'\npassword_file = 'secret'", ""),
        ("type = 'cut'\npassword_file = 'none'", "the action 'f' can't be used"),
        ("type = 'cut'\nca = 'none.pem'", "it has a ca, and tls = false"),
        ("type = 'cut'\ntls = true\nca = 'none.pem'", "the TLS CA file"),
        ("type = 'stream'\naddress = 'h:6379'\nkey = 'switches'", ""),
        ("type = 'stream'\naddress = 'h:6379'", "it needs a key, a channel, or both"),
        ("type = 'stream'\naddress = 'h:0'\nchannel = 'c'", "the action 'f' can't be used"),
    ],
)
def test_login_of_an_action_is_checked_at_the_start(tmp_path: Path, keys: str, sentence: str) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    head = "[deployments.a]\nsentinels = ['h']\n[[actions]]\nname = 'f'\n"
    path = written(tmp_path, head + keys)
    assert [sentence in one for one in problems_of(path, environ={})] == ([True] if sentence else [])
    if not sentence:
        [action] = read_configuration(path, environ={}).actions
        assert action.every
        assert "hunter2" not in repr(action)
