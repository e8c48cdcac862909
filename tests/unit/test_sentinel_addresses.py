"""The forms of Sentinels' addresses that a user may write, in every interface; and copies of the resulting objects."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import redis.sentinel

import switchmaster.redis
import switchmaster.redis.asyncio
import switchmaster.sync
import switchmaster.valkey
import switchmaster.valkey.asyncio
from switchmaster import UsageError, Watcher
from switchmaster.model import Address

SENTINELS = (
    switchmaster.redis.Sentinel,
    switchmaster.redis.asyncio.Sentinel,
    switchmaster.valkey.Sentinel,
    switchmaster.valkey.asyncio.Sentinel,
)
WATCHERS = (Watcher, switchmaster.sync.Watcher)
EVERY_WAY = pytest.mark.parametrize("make", SENTINELS + WATCHERS, ids=lambda one: f"{one.__module__}.{one.__name__}")
PAIR = '("10.0.0.1", 26379)'
WRONG: tuple[object, ...] = (
    [("h", None)],
    [(" h", 26379)],
    [("h", 0)],
    [("h", 65536)],
    [("h", True)],
    [("h", "x")],
    [("", 26379)],
    [("h:26379", 26379)],
    [("[::1]", 26379)],
    [("h", 26379, 0)],
    [b"h:26379"],
    [("user:secret@h", 26379)],
    [26379],
    [],
    "h:26379",
    b"h:26379",
    None,
    26379,
)


@EVERY_WAY
@pytest.mark.parametrize("given", WRONG, ids=repr)
def test_wrong_addresses_are_one_error_that_shows_the_right_form(make: Callable[[Any], object], given: object) -> None:
    with pytest.raises(UsageError) as failure:
        make(given)
    assert PAIR in str(failure.value)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("make", SENTINELS)
def test_sentinel_of_a_client_library_takes_no_text(make: Callable[[Any], object]) -> None:
    with pytest.raises(UsageError) as failure:
        make(["h:26379"])
    assert str(failure.value) == f"'h:26379' is no address of a Sentinel: expected a pair such as {PAIR}"


@EVERY_WAY
@pytest.mark.parametrize("several", [list, tuple, iter], ids=["list", "tuple", "generator"])
def test_any_kind_of_pair_is_accepted(make: Callable[[Any], Any], several: Callable[[Any], Any]) -> None:
    made = make(several([("::1", 26379), Address("h", 26380), ["g", "26381"]]))
    assert all(text in repr(made) for text in ("::1", "26380", "26381"))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps, copy.copy])
@pytest.mark.parametrize("part", ["sentinel", "client", "pool"])
def test_copies_behave_as_in_the_library(copied: Callable[[Any], Any], part: str) -> None:
    def outcome(sentinel: Any) -> str:
        client = sentinel.master_for("mymaster")
        try:
            return type(copied({"sentinel": sentinel, "client": client, "pool": client.connection_pool}[part])).__name__
        except TypeError as error:
            return str(error)

    addresses = [("127.0.0.1", 1)]
    assert outcome(switchmaster.redis.Sentinel(addresses)) == outcome(redis.sentinel.Sentinel(addresses))
