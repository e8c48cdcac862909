"""A WSGI application for gunicorn that counts its requests in the master; as for `celery_app`, ``SENTINELS`` and
``CLIENTS`` of the environment give the addresses and the package of the classes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable
from typing import Any

ADDRESSES = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in os.environ["SENTINELS"].split())]

library = importlib.import_module("switchmaster.redis" if os.environ["CLIENTS"] == "switchmaster" else "redis.sentinel")
client = library.Sentinel(ADDRESSES, socket_timeout=5).master_for("mymaster")
client.ping()  # with --preload this runs in the process that forks the workers, before they patch anything


def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with this process and the number of this request, or with the error."""
    try:
        said, status = f"{os.getpid()} {client.incr('requests')}", "200 OK"
    except Exception as error:
        said, status = f"{type(error).__name__}: {error}", "503 Service Unavailable"
    body = said.encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
