"""
Which requests are let in: Host, Origin and token of every request, the size of its body; and headers of every answer.

One ASGI layer around all routes, so that no route can be forgotten. A refused request is answered with a sentence and
counted by reason.

- **Host** must be an IP address, ``localhost``, the host that the server listens on or one of ``hosts``: a page whose
  name was made to resolve to this server (DNS rebinding) sends its own name. HTTP/1.0 may have none.
- **Origin**, if a POST has one, must have the same host and port as Host. No answer ever allows another origin to read.
- **Token**: ``Authorization: Bearer``; compared in constant time.
- **Header**: at most `HEADER_BYTES`. **Body**: at most `BODY_BYTES` within `BODY_SECONDS` seconds.

Slow headers and slow readers are handled by `http_server`, the number of connections by `http_connections`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...model import is_ip
from ..settings.http_settings import HttpSettings
from .answers import problem

__all__ = ["BODY_BYTES", "BODY_SECONDS", "GUARDED_PATHS", "HEADER_BYTES", "OPEN_PATHS", "TRUSTED", "Admission"]

HEADER_BYTES: Final = 16 * 1024
"""Most bytes of a request's path, query and header lines."""
BODY_BYTES: Final = 256 * 1024
"""Most bytes of a request's body: the longest comment fits, with every letter escaped."""
BODY_SECONDS: Final = 10.0
"""Seconds within which a request's body must arrive."""
OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/openapi.json"})
"""Paths that need no token. Paths outside `GUARDED_PATHS`, the dashboard's files, need none either."""
GUARDED_PATHS: Final = ("/api/", "/masters/", "/metrics")
"""Prefixes of the paths that reveal something about the deployments."""
TRUSTED: Final = "switchmaster.trusted"
"""The key in the scope of a request that had a valid token."""

_SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    """For the count."""
    status: int
    detail: str


class Admission:
    """
    The layer around all routes.

    Args:
        app: the application behind it.
        settings: the rules of access.
        refused: counts refused requests, by reason.
        responses: counts all answers, by status.
    """

    def __init__(self, app: ASGIApp, settings: HttpSettings, refused: Counter[str], responses: Counter[int]) -> None:
        self._app = app
        self._settings = settings
        self._refused = refused
        self._responses = responses
        self._tokens = {name: _digest(token) for name in ("token", "read_token") if (token := getattr(settings, name))}
        self._hosts = {host.lower() for host in (*settings.hosts, settings.listen.host, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None  # there are no WebSocket routes
        send = _with_headers(send, self._responses)
        headers = Headers(scope=scope)
        refusal = self._judge(scope, headers)
        if refusal is None and scope["method"] == "POST":
            body, refusal = await _read_body(receive, headers)
            receive = _replay(body, receive)
        if refusal is not None:
            return await self._refuse(refusal, scope, receive, send)
        if scope["method"] == "HEAD":
            # The routes know GET only; the stream's route looks at this key.
            scope, send = {**scope, "method": "GET", "switchmaster.head": True}, _without_body(send)
        return await self._app(scope, receive, send)

    async def _refuse(self, refusal: _Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        self._refused[refusal.reason] += 1
        response = problem(refusal.status, refusal.detail)
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = 'Bearer realm="switchmaster"'
        # The rest of the body is not read, so the connection can't be used again. After such a header it is closed too.
        if refusal.reason in ("body", "header"):
            response.headers["Connection"] = "close"
        await response(scope, receive, _without_body(send) if scope["method"] == "HEAD" else send)

    def _judge(self, scope: Scope, headers: Headers) -> _Refusal | None:
        size = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if size + len(scope["path"]) + len(scope["query_string"]) > HEADER_BYTES:
            return _Refusal("header", 431, f"the header is larger than {HEADER_BYTES} bytes")
        host = headers.getlist("host")
        # Balancers that speak HTTP/1.0 name no host; a browser always does.
        nameless = not host and scope["http_version"] == "1.0"
        if not nameless and (len(host) != 1 or not self._is_ours(host[0])):
            return _Refusal(
                "host",
                421,
                "unknown host name; use the IP address or localhost, or add the name to http.hosts",
            )
        if scope["method"] == "POST" and not _same_origin(headers, "" if nameless else host[0]):
            return _Refusal("origin", 403, "a page of another origin must not write here")
        return self._admit(scope, headers)

    def _is_ours(self, host: str) -> bool:
        name = _split(host)[0]
        return is_ip(name) or name in self._hosts

    def _admit(self, scope: Scope, headers: Headers) -> _Refusal | None:
        reading = scope["method"] != "POST"  # routes take no other method
        path: str = scope["path"]
        if reading and (self._settings.reading_is_open or path in OPEN_PATHS or not path.startswith(GUARDED_PATHS)):
            return None
        if not reading and "token" not in self._tokens:
            return _Refusal(
                "token", 403, "writing is disabled; to enable it, name a file with a token in http.token_file"
            )
        given = headers.getlist("authorization")
        if not given:
            which = "a token" if reading else "the token for writing"
            return _Refusal("token", 401, f"this needs {which}: send Authorization: Bearer TOKEN")
        known = self._known(given)
        if known is None:
            return _Refusal("token", 401, "wrong token")
        if not reading and known == "read_token":
            return _Refusal("token", 403, "this token is for reading only")
        scope[TRUSTED] = True
        return None

    def _known(self, given: list[str]) -> str | None:
        """Return the name of the token that was given, in constant time; None if it is wrong."""
        scheme, _, token = given[0].partition(" ")
        digest = _digest(token.strip())
        found = [name for name, ours in self._tokens.items() if hmac.compare_digest(ours, digest)]
        return found[0] if found and len(given) == 1 and scheme.lower() == "bearer" else None


def _digest(token: str) -> bytes:
    """Return a digest to compare: its length is fixed, so timing reveals nothing of the token's."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _split(host: str) -> tuple[str, int | None]:
    """Return name and port of a Host header or of an origin's host part; an empty name if it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        if parts.username is not None or parts.path or parts.query or parts.fragment:
            return "", None
        return (parts.hostname or "").rstrip("."), None if parts.port in (80, 443) else parts.port
    except ValueError:
        return "", None


def _same_origin(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    for origin in headers.getlist("origin"):
        scheme, separator, place = origin.partition("://")
        # A proxy in front may speak TLS, so the scheme is the proxy's.
        if not separator or scheme not in ("http", "https") or _split(place) != _split(host):
            return False
    return True


async def _read_body(receive: Receive, headers: Headers) -> tuple[bytes, _Refusal | None]:
    too_large = _Refusal("body", 413, f"the body is larger than {BODY_BYTES} bytes")
    if headers.get("content-length", "0").isdigit() and int(headers.get("content-length", "0")[:20]) > BODY_BYTES:
        return b"", too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > BODY_BYTES:
                    return b"", too_large
                if not message.get("more_body", False):
                    return bytes(body), None
    except TimeoutError:
        return b"", _Refusal("body", 408, f"the body did not arrive within {BODY_SECONDS:g} s")


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _with_headers(send: Send, responses: Counter[int]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            responses[message["status"]] += 1
        await send(message)

    return sending


def _without_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending
