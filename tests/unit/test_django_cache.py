"""Django's cache of ours takes one URL with all Sentinels, and shares its connections among threads."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("django")

import switchmaster.redis
from switchmaster.django import RedisCache, RedisCacheClient
from switchmaster.errors import UsageError

URL = "redis+sentinel://127.0.0.1:1001,127.0.0.1:1002/mymaster/2"


def pool_of(client: Any) -> Any:
    return client.connection_pool


def test_cache_takes_a_url_with_several_sentinels_undivided() -> None:
    cache = RedisCache(URL, {"OPTIONS": {"hold": 1}})._cache
    assert isinstance(cache, RedisCacheClient)
    pool = pool_of(cache.get_client(write=True))
    assert isinstance(pool, switchmaster.redis.SentinelConnectionPool)
    assert pool.sentinel_manager.options.hold == 1.0
    assert pool.connection_kwargs["db"] == 2


def test_caches_of_all_threads_share_their_connections() -> None:
    first, second = (RedisCache(URL, {})._cache for _ in range(2))
    assert first is not second
    assert pool_of(first.get_client(write=True)) is pool_of(second.get_client(write=True))
    other = RedisCache(URL, {"OPTIONS": {"socket_timeout": 2}})._cache
    assert pool_of(other.get_client(write=True)) is not pool_of(first.get_client(write=True))


def test_reads_go_to_replicas_if_that_is_wanted_only() -> None:
    plain = RedisCache(URL, {})._cache
    assert pool_of(plain.get_client()).is_master
    reading = RedisCache(URL, {"OPTIONS": {"read_from_replicas": True}})._cache
    assert pool_of(reading.get_client(write=True)).is_master
    assert not pool_of(reading.get_client()).is_master


def test_several_urls_are_refused() -> None:
    with pytest.raises(UsageError, match="LOCATION is one URL"):
        _ = RedisCache([URL, URL], {})._cache


def test_serializer_may_be_given_by_its_name() -> None:
    client = RedisCacheClient([URL], serializer="django.core.cache.backends.redis.RedisSerializer")
    assert client._serializer.loads(client._serializer.dumps({"a": 1})) == {"a": 1}
