"""The settings of a deployment: flags before the environment before the file, and secrets only from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from switchmaster.cli.deployment_options import DeploymentOptions, read_settings
from switchmaster.errors import UsageError
from switchmaster.model import Address
from switchmaster.server.settings.file import read_deployment
from switchmaster.url import ServerAccess

FULL = """
[deployments.kvdb]
sentinels = ["10.209.10.30:46390", "10.209.10.31:46390"]
masters = ["mymaster1"]
timeout = 0.5
address_map = { "10.209.10.30:6390" = "127.0.0.1:7001" }

[deployments.kvdb.sentinel]
username = "watch"
password_file = "sentinel.secret"
tls = { ca = "ca.pem", cert = "/etc/c.pem", key = "k.pem", server_name = "kv" }

[deployments.kvdb.node]
tls = true

[deployments.kvdb.nodes.mymaster1]
username = "one"
password_file = "one.secret"

[journal]
url = "sqlite:///journal.db"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "switchmaster.toml"
    path.write_text(FULL, encoding="utf-8")
    (tmp_path / "sentinel.secret").write_text("from the file\n", encoding="utf-8")
    (tmp_path / "one.secret").write_text("s3cret of one\n", encoding="utf-8")
    return path


def settings(*words: str, environ: dict[str, str] | None = None, **flags: Any) -> DeploymentOptions:
    return read_settings(words, flags, environ or {})


def test_file_gives_everything(file: Path) -> None:
    found = read_deployment(file, None)
    assert found.sentinels == (Address("10.209.10.30", 46390), Address("10.209.10.31", 46390))
    assert (found.masters, found.deployment, found.timeout) == (("mymaster1",), "kvdb", 0.5)
    assert found.address_map == {Address("10.209.10.30", 6390): Address("127.0.0.1", 7001)}
    assert found.node == ServerAccess(tls=True)
    assert found.node_access == {
        "mymaster1": ServerAccess(username="one", password_file=str(file.parent / "one.secret"))
    }
    assert found.sentinel == ServerAccess(
        username="watch",
        password_file=str(file.parent / "sentinel.secret"),
        tls=True,
        ca=str(file.parent / "ca.pem"),
        cert="/etc/c.pem",
        key=str(file.parent / "k.pem"),
        server_name="kv",
    )


def test_watcher_gets_what_the_file_says(file: Path) -> None:
    arguments = settings(config=str(file)).watcher_arguments()
    assert (arguments["username"], arguments["password"], arguments["timeout"]) == (None, None, 0.5)
    assert arguments["credentials"].get_credentials() == ("watch", "from the file")
    (file.parent / "sentinel.secret").write_text("rotated\n", encoding="utf-8")
    assert arguments["credentials"].get_credentials() == ("watch", "rotated")
    assert arguments["tls"].ca_file == str(file.parent / "ca.pem")
    assert arguments["tls"].server_name == "kv"
    assert arguments["node_tls"] is not None
    assert (arguments["deployment"], arguments["masters"]) == ("kvdb", ("mymaster1",))


def test_flag_wins_over_environment_and_environment_over_file(file: Path) -> None:
    environ = {"SWITCHMASTER_SENTINELS": "env:1", "SWITCHMASTER_TIMEOUT": "2"}
    by_file = settings(config=str(file))
    by_environment = settings(config=str(file), environ=environ)
    by_flag = settings("flag:1", config=str(file), environ=environ, answer_timeout=3.0)
    assert by_file.settings.sentinels[0].host == "10.209.10.30"
    assert (by_environment.settings.sentinels, by_environment.timeout) == (
        (Address("env", 1),),
        2.0,
    )
    assert (by_flag.settings.sentinels, by_flag.timeout) == ((Address("flag", 1),), 3.0)
    assert by_flag.settings.sentinel.username == "watch"


def test_a_masters_own_table_wins_over_flags_and_environment_for_its_nodes(file: Path) -> None:
    """The nodes of a master are opened by its own table, whatever flags and environment say."""
    environ = {"SWITCHMASTER_NODE_PASSWORD": "env", "SWITCHMASTER_SENTINELS": "rediss+sentinel://u:url@env:1/mymaster1"}
    found = settings(config=str(file), environ=environ, node_user="flag", node_tls=True)
    arguments = found.watcher_arguments(["mymaster1"])
    assert (arguments["node_username"], arguments["node_password"]) == ("flag", "env")
    assert arguments["node_access"]["mymaster1"].credentials.get_credentials() == ("one", "s3cret of one")
    assert "s3cret" not in repr(found)
    assert settings("h:1").watcher_arguments()["node_access"] == {}


def test_environment_names_the_file(file: Path) -> None:
    found = settings(environ={"SWITCHMASTER_CONFIG": str(file)})
    assert found.settings.deployment == "kvdb"


def test_password_of_the_environment_replaces_the_file_of_the_file(file: Path) -> None:
    found = settings(config=str(file), environ={"SWITCHMASTER_SENTINEL_PASSWORD": "env"})
    assert found.settings.sentinel.password == "env"


def test_password_file_of_a_flag_replaces_the_environment(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes("geh\u00e9im\r\n".encode())
    environ = {"SWITCHMASTER_NODE_PASSWORD": "env"}
    found = settings("h:1", environ=environ, node_password_file=str(secret))
    assert found.watcher_arguments()["node_credentials"].get_credentials() == ("geh\u00e9im",)
    assert "geh\u00e9im" not in repr(found)


def test_tls_flags_are_for_sentinels_and_node_tls_flags_for_nodes() -> None:
    found = settings("h:1", tls_ca="a", node_tls=True, node_tls_server_name="n").settings
    assert found.sentinel == ServerAccess(tls=True, ca="a")
    assert found.node == ServerAccess(tls=True, server_name="n")


def test_no_sentinel_at_all_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no Sentinel was given"):
        settings()


@pytest.mark.parametrize("path", ["~nobody-of-this-name/secret", "a\0b"])
def test_impossible_path_of_a_password_file_is_a_usage_error(path: str) -> None:
    with pytest.raises(UsageError, match="password file"):
        settings("h:1", sentinel_password_file=path)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_password_file_without_a_password_is_a_usage_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="password file"):
        settings("h:1", sentinel_password_file=str(path))


def test_several_deployments_need_a_name(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(
        '[deployments.a]\nsentinels = "redis+sentinel://h1/m"\n[deployments.b]\nsentinels = ["h2"]',
        encoding="utf-8",
    )
    assert read_deployment(path, "a").masters == ("m",)
    assert read_deployment(path, "b").sentinels == (Address("h2", 26379),)
    with pytest.raises(UsageError, match=r"'a', 'b'.*--deployment"):
        read_deployment(path, None)
    with pytest.raises(UsageError, match="no deployment 'c'"):
        read_deployment(path, "c")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no deployment"),
        ("x = ", "not valid TOML"),
        ("[deployment.a]", "line 1: deployment is unknown; did you mean 'deployments'"),
        ("[deployments.a]\n\nsentinel = 1", "line 3: deployments.a.sentinel must be a table"),
        (
            "[deployments.a]\nsentinels = ['h']\n[deployments.a.node]\npasword_file = 'x'",
            "line 4: deployments.a.node.pasword_file is unknown; did you mean 'password_file'",
        ),
        (
            "[deployments.a.sentinel]\npassword = 'hunter2'",
            "line 2: deployments.a.sentinel.password is not allowed here",
        ),
        ("[deployments.a]\nsentinels = ['h:0']", "line 2: deployments.a.sentinels is wrong"),
        ("[deployments.a]\nsentinels = [1]", "array of strings"),
        ("[deployments.a]\ntimeout = true", "number of seconds"),
        ("[deployments.a]\naddress_map = { 'a:1' = 'b' }", "address_map"),
        ("[deployments.a.node]\ntls = { cafile = 'x' }", "node.tls.cafile is unknown"),
        ("[deployments.a.node]\nusername = ''", "a non-empty string"),
        ("[deployments.a.nodes]\nm = 1", "line 2: deployments.a.nodes.m must be a table"),
        ("[deployments.a]\nnodes = 1", "line 2: deployments.a.nodes must be a table"),
        (
            "[deployments.a]\nmasters = ['m']\n[deployments.a.nodes.n]",
            "line 3: deployments.a.nodes.n is not one of its masters",
        ),
        (f"a = {'[' * 5000}", "nested too deeply"),
        (f"[deployments.a]\ntimeout = {'9' * 5000}", "not valid TOML"),
    ],
)
def test_wrong_file_is_a_sentence_with_line_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=sentence) as caught:
        read_deployment(path, None)
    assert "wrong.toml" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_deployment(tmp_path / "nowhere.toml", None)
