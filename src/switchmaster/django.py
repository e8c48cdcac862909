"""
Django's cache on a master that is followed.

::

    CACHES = {
        "default": {
            "BACKEND": "switchmaster.django.RedisCache",
            "LOCATION": "redis+sentinel://user:pass@h1:26379,h2:26379/mymaster/0",
        }
    }

``OPTIONS`` are those of Django's own ``RedisCache`` (``serializer``), the arguments of `switchmaster.redis.Sentinel`,
and ``"read_from_replicas": True``, by which reads may be stale. Sessions in the cache follow with it.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.cache.backends import redis as own
from django.utils.module_loading import import_string

from . import redis
from .client.sameness import frozen
from .errors import UsageError

__all__ = ["RedisCache", "RedisCacheClient"]

_Sentinel: Any = redis.Sentinel
_clients: Final[dict[Any, Any]] = {}
"""Django makes a cache for each thread; with the same arguments all share their connections."""


class RedisCacheClient(own.RedisCacheClient):
    """What `RedisCache` reads and writes with."""

    def __init__(
        self, servers: list[str], serializer: Any = None, read_from_replicas: bool = False, **options: Any
    ) -> None:
        if isinstance(serializer, str):
            serializer = import_string(serializer)
        self._serializer = (serializer() if callable(serializer) else serializer) or own.RedisSerializer()
        if len(servers) != 1:
            raise UsageError("LOCATION is one URL, with all Sentinels: redis+sentinel://h1:26379,h2:26379/mymaster")
        self._writer = _client(servers[0], options)
        self._reader = self._writer
        if read_from_replicas:
            url = servers[0]
            self._reader = _client(f"{url}{'&' if '?' in url else '?'}role=replica", options)

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        return self._writer if write else self._reader


class RedisCache(own.RedisCache):
    """The cache: ``"BACKEND": "switchmaster.django.RedisCache"``."""

    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        # Django would divide a URL at its commas.
        super().__init__([server] if isinstance(server, str) else server, params)
        self._class = RedisCacheClient


def _client(url: str, options: dict[str, Any]) -> Any:
    key = (url, frozen(options, _Sentinel.library.values))
    found = _clients.get(key)
    return found if found is not None else _clients.setdefault(key, redis.from_url(url, **options))
