"""The answers of a relay beside those of the real Sentinels that it listens to, field by field, by server version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rig.conditions import eventually
from rig.lab_fixtures import SERVERS, find_or_skip
from rig.relay_process import RelayProcess, raw_reply, relaying
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

MASTER = "mymaster"
LIMIT = 60.0
AGES = frozenset(
    {
        *("last-ping-sent", "last-ok-ping-reply", "last-ping-reply", "info-refresh", "role-reported-time"),
        *("last-hello-message", "slave-repl-offset", "link-pending-commands", "link-refcount", "master-link-down-time"),
    }
)
"""Fields of which only the form can be compared: they change all the time, or are about a Sentinel's own links."""
IDENTITY = frozenset({"name", "ip", "port", "runid"})
"""Fields of a row of SENTINEL SENTINELS that name it: those of the other relays."""
SINCE_7 = frozenset({"sentinel_tilt_since_seconds"})
"""Lines of INFO that Redis 6.2 lacks."""
PEERS = ("192.0.2.7:26379", "192.0.2.8:26379")


@pytest.fixture(scope="module", params=SERVERS, ids=SERVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    binary = str(find_or_skip(request.param).path)
    with Lab(binary=binary, masters=(MASTER,), down_after_ms=60_000) as lab:
        yield lab


@pytest.fixture(scope="module")
def relay(lab: Lab) -> Iterator[RelayProcess]:
    with relaying(lab.sentinel_addresses, *(word for peer in PEERS for word in ("--peer", peer))) as process:
        yield process


class Both:
    """Asks the relay and a real Sentinel the same."""

    def __init__(self, lab: Lab, relay: RelayProcess, protocol: int) -> None:
        self._ports, self._protocol = (relay.port, lab.sentinel_addresses[0][1]), protocol

    def __call__(self, *words: str) -> tuple[Any, Any]:
        ours, theirs = (raw_reply(port, *words, protocol=self._protocol) for port in self._ports)
        return ours, theirs


@pytest.fixture(params=(2, 3), ids=("resp2", "resp3"))
def both(request: pytest.FixtureRequest, lab: Lab, relay: RelayProcess) -> Both:
    return Both(lab, relay, request.param)


def row(reply: Any) -> dict[str, str]:
    """Return a reply's fields in their order: a map in RESP3, a flat list in RESP2."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def differing(ours: Any, theirs: Any, but: frozenset[str] = AGES) -> dict[str, tuple[str, str]]:
    """Return the fields whose values differ; of those in `but`, the ones of which one alone is a number."""
    assert type(ours) is type(theirs)
    one, other = row(ours), row(theirs)
    assert list(one) == list(other), "the fields, in their order"
    pairs = {name: (one[name], other[name]) for name in one}
    return {
        name: (a, b) for name, (a, b) in pairs.items() if (a != b if name not in but else a.isdigit() != b.isdigit())
    }


def same(ask: Callable[[], dict[str, tuple[str, str]]]) -> None:
    """Wait until nothing differs: the relay's view is as old as its last question to a Sentinel."""
    seen: list[dict[str, tuple[str, str]]] = []

    def nothing() -> bool:
        seen.append(ask())
        return not seen[-1]

    try:
        eventually(nothing, LIMIT, interval=0.3)
    finally:
        assert seen[-1] == {}


def test_a_master_has_every_field_with_its_value(both: Both) -> None:
    same(lambda: differing(*both("SENTINEL", "MASTER", MASTER)))
    ours, theirs = both("SENTINEL", "MASTERS")
    assert len(ours) == len(theirs) == 1
    assert differing(ours[0], theirs[0]) == {}


@pytest.mark.parametrize("word", ["REPLICAS", "SLAVES"])
def test_replicas_have_every_field_with_its_value(both: Both, word: str) -> None:
    def rows_differ() -> dict[str, tuple[str, str]]:
        ours, theirs = (sorted(reply, key=lambda one: row(one)["name"]) for reply in both("SENTINEL", word, MASTER))
        if len(ours) != len(theirs):
            return {"rows": (str(len(ours)), str(len(theirs)))}
        return {
            name: pair for one, other in zip(ours, theirs, strict=True) for name, pair in differing(one, other).items()
        }

    same(rows_differ)


def test_the_other_relays_have_the_fields_of_the_other_sentinels(both: Both) -> None:
    ours, theirs = both("SENTINEL", "SENTINELS", MASTER)
    assert [f"{row(one)['ip']}:{row(one)['port']}" for one in ours] == list(PEERS)
    for one, other in zip(ours, theirs, strict=True):
        assert differing(one, other, AGES | IDENTITY).keys() <= IDENTITY
        assert row(one)["flags"] == row(other)["flags"] == "sentinel"


@pytest.mark.parametrize(
    "words",
    [
        ("PING",),
        ("ROLE",),
        ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER),
        ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "nosuch"),
        ("SENTINEL", "MASTER", "nosuch"),
        ("SENTINEL", "REPLICAS", "nosuch"),
        ("SENTINEL", "SENTINELS", "nosuch"),
        ("SENTINEL", "CKQUORUM", MASTER),
        ("SENTINEL", "CKQUORUM", "nosuch"),
        ("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "192.0.2.1", "6379", "0", "*"),
        ("CLIENT", "SETNAME", "app"),
    ],
    ids=" ".join,
)
def test_an_answer_is_the_sentinels_to_the_byte(both: Both, words: tuple[str, ...]) -> None:
    ours, theirs = both(*words)
    assert (type(ours), str(ours)) == (type(theirs), str(theirs))


def test_hello_and_info_say_the_same_of_the_server(both: Both) -> None:
    ours, theirs = (row(reply) for reply in both("HELLO", "3"))
    assert list(ours) == list(theirs)
    assert {name: value for name, value in ours.items() if theirs[name] != value}.keys() <= {"id"}
    ours, theirs = (info_lines(reply) for reply in both("INFO", "sentinel"))
    assert ours.keys() - theirs.keys() <= SINCE_7
    assert [name for name in ours if ours[name] != theirs.get(name, ours[name])] == []


def info_lines(text: str) -> dict[str, str]:
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
