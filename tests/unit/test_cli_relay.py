"""What `switchmaster relay` refuses before it listens, and what its options become."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from switchmaster.cli.group import cli
from switchmaster.cli.verbs import relay as verb
from switchmaster.model import Address, Grade
from switchmaster.relay.relay_settings import RelaySettings

SENTINEL = "127.0.0.1:1"


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["relay", *arguments])
    assert result.exit_code == 2
    return result.output


def settings_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> RelaySettings:
    found: list[RelaySettings] = []

    async def run(deployment: object, settings: RelaySettings, grade: str, output: object) -> None:
        found.append(settings)

    monkeypatch.setattr(verb, "_run", run)
    result = CliRunner().invoke(cli, ["relay", SENTINEL, *arguments])
    assert result.exit_code == 0, result.output
    return found[0]


def test_beyond_loopback_it_needs_a_password() -> None:
    assert "without a password" in refused(SENTINEL, "--listen", "0.0.0.0:26379")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no Sentinel was given"),
        ((SENTINEL, "--listen", "26379"), "expected HOST:PORT"),
        ((SENTINEL, "--user", "app"), "expected NAME=FILE"),
        ((SENTINEL, "--password-file", "/no/such/file"), "can't read the password file of the relay's clients"),
        ((SENTINEL, "--client-map", "10.0.0.1:1"), "is not an address map"),
        ((SENTINEL, "--client-map", "10.0.0.1/8,a:1=b:1"), "is no range of addresses"),
        ((SENTINEL, "--peer", "a b"), "is not an address"),
        ((SENTINEL, "--listen-cert", "x"), "both a certificate and its key"),
        ((SENTINEL, "--stale-for", "x"), "number of seconds"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(*arguments)


def test_options_become_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    settings = settings_of(
        monkeypatch,
        *("--listen", "0.0.0.0:0", "--password-file", str(secret), "--user", f"app={secret}"),
        *("--peer", "10.0.0.9", "--client-map", "a:1=b:2", "--client-map", "10.0.0.0/8,a:1=c:3"),
        *("--planned", "announced", "--stale-for", "5", "--maxclients", "7"),
    )
    assert (settings.listen, settings.password, settings.users) == (Address("0.0.0.0", 0), "s3cret", {"app": "s3cret"})
    assert settings.peers == (Address("10.0.0.9", 26379),)
    assert settings.address_map == {Address("a", 1): Address("b", 2)}
    place = settings.range_of("10.1.1.1")
    assert place is not None
    assert settings.address_maps[place] == {Address("a", 1): Address("c", 3)}
    assert (settings.policy.early, settings.policy.stale_for, settings.policy.grade) == (False, 5.0, Grade.ANNOUNCED)
    assert settings.maxclients == 7
    assert "s3cret" not in repr(settings)


def test_it_says_once_that_no_sentinel_answers_and_later_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    found: list[str] = []

    async def start() -> None:
        front = SimpleNamespace(core=SimpleNamespace(masters=SimpleNamespace(names=lambda: found)))
        saying = asyncio.create_task(verb._report_start(front, asyncio.Event(), 0.01))  # type: ignore[arg-type]
        said = ""
        while "no Sentinel answers yet" not in said:
            await asyncio.sleep(0.01)
            said += capsys.readouterr().err
        found.append("mymaster")
        await saying
        said = capsys.readouterr().err
        assert "no Sentinel answers yet" not in said
        assert "clients are told of: mymaster" in said

    asyncio.run(asyncio.wait_for(start(), 30.0))
