"""What `switchmaster proxy` refuses before it begins, and what its options become."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from switchmaster.cli.group import cli
from switchmaster.cli.verbs import proxy as verb
from switchmaster.follow.gate import WaitLimits
from switchmaster.model import Address
from switchmaster.proxy.proxy_settings import MasterPorts, ProxySettings

SENTINEL = "127.0.0.1:1"


def settings_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> ProxySettings:
    found: list[ProxySettings] = []

    async def run(deployment: object, settings: ProxySettings, output: object) -> None:
        found.append(settings)

    monkeypatch.setattr(verb, "_run", run)
    result = CliRunner().invoke(cli, ["proxy", *arguments])
    assert result.exit_code == 0, result.output
    return found[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no Sentinel was given"),
        ((SENTINEL, "--bind", "db1"), "can listen on an IP address only"),
        ((SENTINEL, "--write", "m"), "expected NAME=IP:PORT"),
        ((SENTINEL, "--write", "m=127.0.0.1:1", "--port", "2"), "either --port"),
        ((SENTINEL, "--read", "m=127.0.0.1:1"), "--read needs --write"),
        ((SENTINEL, "--write", "m=127.0.0.1:1", "--read", "n=127.0.0.1:2"), "no --write does"),
        ((SENTINEL, "--port", "7", "--reads-port", "7"), "are both 127.0.0.1:7"),
        ((SENTINEL, "--port", "0"), "not in the range"),
        ((SENTINEL, "--max-lag", "x"), "number of seconds"),
        ((SENTINEL, "--listen-cert", "c.pem"), "both a certificate and its key"),
        ((SENTINEL, "--listen-client-ca", "ca.pem"), "only with TLS"),
        ((SENTINEL, "--node-tls"), "needs server_name"),
        ((SENTINEL, "--haproxy", "/no/such/haproxy"), "apt install haproxy"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(cli, ["proxy", *arguments])
    assert result.exit_code == 2
    assert words in result.output


def test_one_command_without_a_file_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for sentinels in ((SENTINEL,), ("--sentinel", SENTINEL)):
        settings = settings_of(monkeypatch, *sentinels, "--port", "6379")
        assert settings.only == MasterPorts(Address("127.0.0.1", 6379))
        assert (settings.health, settings.limits) == (None, WaitLimits(2.0, 10.0))


def test_options_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(
        monkeypatch,
        *(SENTINEL, "--master", "m", "--port", "1", "--reads-port", "2", "--bind", "::1", "--health-port", "3"),
        *("--hold", "0", "--failover-wait", "5", "--max-lag", "20", "--maxconn", "9", "--haproxy", "/opt/haproxy"),
        *("--folder", "/run/p"),
    )
    assert settings.ports == {"m": MasterPorts(Address("::1", 1), Address("::1", 2))}
    assert (settings.health, settings.limits, settings.max_lag) == (Address("::1", 3), WaitLimits(0.0, 5.0), 20.0)
    assert (settings.maxconn, settings.program, str(settings.folder)) == (9, "/opt/haproxy", "/run/p")


def test_each_of_several_masters_has_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, SENTINEL, "--write", "a=b=127.0.0.1:1", "--read", "a=b=127.0.0.1:2")
    assert settings.ports == {"a=b": MasterPorts(Address("127.0.0.1", 1), Address("127.0.0.1", 2))}


def test_two_proxies_of_one_user_have_two_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, same = (settings_of(monkeypatch, SENTINEL, "--port", port).folder for port in ("1", "2", "1"))
    assert one == same != other
