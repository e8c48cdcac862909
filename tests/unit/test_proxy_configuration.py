"""[proxy] and [deployments.NAME.proxy] become the settings of each deployment's proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchmaster.errors import UsageError
from switchmaster.follow.gate import WaitLimits
from switchmaster.model import Address
from switchmaster.proxy.proxy_settings import MasterPorts, ProxySettings, default_folder, prepare_folder
from switchmaster.server.settings.configuration import problems_of, read_configuration

ONE = '[deployments.a]\nsentinels = ["h:1"]\n'
TWO = ONE + '[deployments.b]\nsentinels = ["h:2"]\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "switchmaster.toml"
    path.write_text(text, encoding="utf-8")
    return path


def proxies(tmp_path: Path, text: str) -> list[ProxySettings | None]:
    environ = {"RUNTIME_DIRECTORY": "/run/sm"}
    return [one.proxy for one in read_configuration(written(tmp_path, text), environ=environ).deployments]


def test_without_a_table_there_is_no_proxy(tmp_path: Path) -> None:
    assert proxies(tmp_path, TWO) == [None, None]


def test_one_address_is_for_the_only_master(tmp_path: Path) -> None:
    [one] = proxies(tmp_path, ONE + '[proxy]\nwrites = "127.0.0.1:6379"\nhold = 0\nmax_lag = 30\n')
    assert one == ProxySettings(
        folder=Path("/run/sm/proxy-a"),
        only=MasterPorts(Address("127.0.0.1", 6379)),
        max_lag=30.0,
        limits=WaitLimits(0.0, 10.0),
    )


def test_a_table_has_a_port_for_each_master_and_own_keys_win(tmp_path: Path) -> None:
    text = (
        TWO
        + '[proxy]\nmaxconn = 7\nprogram = "/opt/haproxy"\n'
        + '[deployments.b.proxy]\nmaxconn = 9\nhealth = "127.0.0.1:8404"\nfolder = "/run/other"\n'
        + '[deployments.b.proxy.writes]\n"my master" = "127.0.0.1:1"\nm2 = "[::1]:2"\n'
        + '[deployments.b.proxy.reads]\nm2 = "[::1]:3"\n'
    )
    none, two = proxies(tmp_path, text)
    assert none is None
    assert two == ProxySettings(
        folder=Path("/run/other"),
        ports={
            "my master": MasterPorts(Address("127.0.0.1", 1)),
            "m2": MasterPorts(Address("::1", 2), Address("::1", 3)),
        },
        health=Address("127.0.0.1", 8404),
        maxconn=9,
        program="/opt/haproxy",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ONE + "[proxy]\n", "the proxy has no port"),
        (ONE + '[proxy]\nwrites = "127.0.0.1:1"\nreads = "127.0.0.1:1"\n', "are both 127.0.0.1:1"),
        (ONE + '[proxy]\nwrites = "db:1"\n', "can listen on an IP address only"),
        (ONE + '[proxy]\nwrites = "127.0.0.1"\n', "proxy.writes is wrong"),
        (ONE + "[proxy]\nwrites = {}\n", "must name at least one master"),
        (ONE + '[proxy]\nwrites = {m = "127.0.0.1:1"}\nreads = "127.0.0.1:2"\n', "must be a table by master"),
        (ONE + '[proxy]\nwrites = "127.0.0.1:1"\nreads = {m = "127.0.0.1:2"}\n', "must be one address"),
        (ONE + '[proxy]\nwrites = {m = "127.0.0.1:1"}\nreads = {n = "127.0.0.1:2"}\n', "none for writes"),
        (ONE + '[proxy]\nwrites = "127.0.0.1:1"\nfolder = "/run/a b"\n', "must be an absolute path"),
        (ONE + f'[proxy]\nwrites = "127.0.0.1:1"\nfolder = "/{"x" * 90}"\n', "of at most 70 characters"),
        (ONE + '[proxy]\nwrites = "127.0.0.1:1"\nport = 1\n', "is unknown"),
        (TWO + '[proxy]\nwrites = "127.0.0.1:1"\n', "is for one deployment"),
        (
            TWO + '[deployments.a.proxy]\nwrites = "127.0.0.1:1"\n' + '[deployments.b.proxy]\nwrites = "127.0.0.1:1"\n',
            "both have 127.0.0.1:1",
        ),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    problems = problems_of(written(tmp_path, text), environ={"RUNTIME_DIRECTORY": "/run/sm"})
    assert len(problems) == 1
    assert words in problems[0]


def test_the_folder_is_ours_alone(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    prepare_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    prepare_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    link = tmp_path / "link"
    link.symlink_to(folder)
    for wrong in (link, Path("/proc/nothing/here")):
        with pytest.raises(UsageError):
            prepare_folder(wrong)


def test_the_folder_comes_from_systemd_the_user_or_the_system() -> None:
    assert default_folder("a", {"RUNTIME_DIRECTORY": "/run/x:/run/y"}) == Path("/run/x/proxy-a")
    assert default_folder("a", {"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/switchmaster-proxy-a")
    assert default_folder("a", {}).name.startswith("switchmaster-proxy-")


def test_tls_files_are_relative_to_the_file_and_nodes_need_a_name(tmp_path: Path) -> None:
    listen = '[proxy]\nwrites = "127.0.0.1:6379"\n[proxy.tls]\ncert = "c.pem"\nkey = "/k.pem"\n'
    [one] = proxies(tmp_path, ONE + listen)
    assert one is not None
    assert (one.cert, one.key, one.client_ca) == (str(tmp_path / "c.pem"), "/k.pem", None)
    nodes = "[deployments.a.node]\ntls = true\n"
    [problem] = problems_of(written(tmp_path, ONE + nodes + listen))
    assert "the proxy needs server_name" in problem
    named = '[deployments.a.node.tls]\nserver_name = "redis.example"\n'
    assert problems_of(written(tmp_path, ONE + named + listen)) == ()
