"""[relay] and [deployments.NAME.relay] become the settings of each deployment's relay."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchmaster.errors import UsageError
from switchmaster.model import Address, Grade
from switchmaster.relay.relay_settings import RelaySettings
from switchmaster.server.settings.configuration import problems_of, read_configuration
from switchmaster.url import read_listen

ONE = '[deployments.a]\nsentinels = ["h:1"]\n'
TWO = ONE + '[deployments.b]\nsentinels = ["h:2"]\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "switchmaster.toml"
    path.write_text(text, encoding="utf-8")
    for name in ("secret", "other"):
        (tmp_path / name).write_text(f"s3cret of {name}\n", encoding="utf-8")
    return path


def relays(tmp_path: Path, text: str) -> list[RelaySettings | None]:
    return [one.relay for one in read_configuration(written(tmp_path, text), environ={}).deployments]


def test_without_a_table_there_is_no_relay(tmp_path: Path) -> None:
    assert relays(tmp_path, TWO) == [None, None]


def test_an_empty_table_listens_where_a_sentinel_would(tmp_path: Path) -> None:
    assert relays(tmp_path, ONE + "[relay]\n") == [RelaySettings()]
    assert relays(tmp_path, TWO + "[deployments.b.relay]\n") == [None, RelaySettings()]


def test_every_key_has_its_effect(tmp_path: Path) -> None:
    table = """[relay]
listen = "0.0.0.0:26379"
announce = "10.0.0.7:26379"
password_file = "secret"
users = { app = "other" }
tls = { cert = "c.pem", key = "k.pem", client_ca = "ca.pem" }
grade = "agreed"
planned = "announced"
stale_for = 5
peers = ["10.0.0.8", "10.0.0.9:1"]
address_map = { "a:1" = "b:2" }
address_maps = { "10.0.0.0/8" = { "a:1" = "c:3" } }
maxclients = 9
output_bytes = 100000
"""
    [found] = relays(tmp_path, ONE + table)
    assert found is not None
    assert (found.listen, found.password, found.users) == (
        Address("0.0.0.0", 26379),
        "s3cret of secret",
        {"app": "s3cret of other"},
    )
    assert (found.cert, found.key, found.client_ca) == tuple(str(tmp_path / f"{name}.pem") for name in ("c", "k", "ca"))
    assert (found.policy.grade, found.policy.early, found.policy.stale_for) == (Grade.AGREED, False, 5.0)
    assert found.announced == Address("10.0.0.7", 26379)
    assert found.peers == (Address("10.0.0.8", 26379), Address("10.0.0.9", 1))
    assert found.address_map == {Address("a", 1): Address("b", 2)}
    assert list(found.address_maps.values()) == [{Address("a", 1): Address("c", 3)}]
    assert (found.maxclients, found.output_bytes) == (9, 100_000)
    assert "s3cret" not in repr(found)


def test_a_deployments_own_keys_win(tmp_path: Path) -> None:
    common = '[relay]\nstale_for = 5\nlisten = "127.0.0.1:1"\n'
    own = '[deployments.a.relay]\n[deployments.b.relay]\nlisten = "127.0.0.1:2"\nstale_for = 6\n'
    a, b = relays(tmp_path, TWO + common + own)
    assert a is not None
    assert b is not None
    assert [(one.listen.port, one.policy.stale_for) for one in (a, b)] == [(1, 5.0), (2, 6.0)]


def test_a_relay_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    texts = (ONE, ONE + "[relay]\n")
    found = [read_configuration(written(tmp_path, text), environ={}).deployments[0].fingerprint for text in texts]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("listen", "announced"),
    [
        ("127.0.0.1:26379", None),
        ("[::1]:26379", None),
        ("localhost:26379", None),
        ("0.0.0.0:26379", None),
        ("[::]:26379", None),
        ("10.0.0.1:0", None),
        ("10.0.0.1:26379", Address("10.0.0.1", 26379)),
        ("relay.example:26379", Address("relay.example", 26379)),
    ],
)
def test_only_an_address_that_others_can_dial_is_announced(listen: str, announced: Address | None) -> None:
    assert RelaySettings(read_listen(listen), password="x").announced == announced


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TWO + "[relay]\n", "relay is for one deployment: give each deployment"),
        (TWO + "[deployments.a.relay]\n[deployments.b.relay]\n", "both listen on 127.0.0.1:26379"),
        (ONE + '[relay]\nlisten = "0.0.0.0:1"\n', "without a password"),
        (ONE + '[relay]\nlisten = "1"\n', "relay.listen is wrong"),
        (ONE + '[relay]\nannounce = "h:0"\n', "clients need its port"),
        (ONE + '[relay]\npassword = "x"\n', "put it in a file and name that file in password_file"),
        (ONE + '[relay]\npassword_file = "none"\n', "can't read the password file of the relay's clients"),
        (ONE + '[relay]\ngrade = "best"\n', "relay.grade must be"),
        (ONE + "[relay]\naddress_maps = { x = {} }\n", "is no range of addresses such as 10.1.0.0/16"),
        (ONE + '[relay]\naddress_maps = { "10.0.0.0/8" = { x = "y:1" } }\n', "relay.address_maps is wrong"),
        (ONE + "[relay]\nmaxclients = 0\n", "relay.maxclients must be at least 1"),
        (ONE + '[relay]\nlistn = "127.0.0.1:1"\n', "did you mean 'listen'?"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    assert any(words in problem for problem in problems_of(path, {}))
    with pytest.raises(UsageError):
        read_configuration(path, environ={})
