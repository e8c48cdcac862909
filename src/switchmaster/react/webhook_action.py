"""
A switch is posted as a CloudEvent to a URL, signed as Standard Webhooks asks.

The body is the structured JSON of CloudEvents 1.0, with the switch's line as its data. ``webhook-id`` is the
delivery's id: the same on every attempt, so that a receiver drops doubles. ``webhook-signature`` has one signature for
each secret, for rotation. No redirect is followed, no proxy of the environment is used, and the body of an answer is
read only as far as people need it.

Sources: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md and
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlsplit

import httpx

from ..errors import UsageError
from ..journal.wishes import Wish
from ..render import to_json
from .action_kinds import Action, AttemptFailed, GiveUp, Run
from .destinations import resolve

__all__ = ["WebhookAction", "cloud_event", "read_secrets", "signatures"]

EVENT_TYPE: Final = "switchmaster.switch.v1"
ANSWER_BYTES: Final = 1_000
"""Of an answer's body, for people."""
GONE: Final = 410
"""The status by which a receiver says that it wants no more (Standard Webhooks)."""
LATER: Final = (429, 503)
"""Statuses whose ``Retry-After`` is respected."""
RETRY_AFTER_SECONDS: Final = 300.0
"""The longest that is respected."""
PORTS: Final = {"http": 80, "https": 443}
SECRET_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class WebhookAction(Action):
    """Posts switches."""

    kind: ClassVar[str] = "webhook"

    url: str
    secret_file: str | None
    """A secret a line, ``whsec_`` and base64; each signs."""
    token_file: str | None
    """For ``Authorization: Bearer``."""
    ca: str | None
    """Authorities to trust instead of the system's."""
    public: bool
    """Whether only public addresses are allowed."""

    @property
    def summary(self) -> str:
        """The URL without its query, which may hold a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    async def apply(self, wish: Wish, run: Run) -> str:
        body = to_json(cloud_event(wish)).encode("ascii")
        return await self._post(body, wish.delivery)

    async def _post(self, body: bytes, id: str) -> str:
        stamp = str(int(time.time()))
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": "switchmaster",
            "webhook-id": id,
            "webhook-timestamp": stamp,
        }
        if self.secret_file is not None:
            headers["webhook-signature"] = signatures(_secrets(self.secret_file), id, stamp, body)
        if self.token_file is not None:
            headers["authorization"] = f"Bearer {_read(self.token_file).strip()}"
        async with self._client() as client:
            request = await self._request(client, "POST", headers, body)
            try:
                answer = await client.send(request, stream=True)
                text = await _beginning(answer)
            except httpx.HTTPError as error:
                raise AttemptFailed(f"{type(error).__name__}: {error}") from None
        return _judge(answer, text)

    def _client(self) -> httpx.AsyncClient:
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise AttemptFailed(f"its certificate authorities can't be read: {error.strerror or error}") from None
        # The engine limits the whole attempt; this only keeps httpx from a shorter limit of its own.
        return httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False, timeout=None)

    async def _request(
        self, client: httpx.AsyncClient, method: str, headers: dict[str, str], body: bytes | None
    ) -> httpx.Request:
        """Return a request to the checked address, with the name for Host and TLS."""
        url = httpx.URL(self.url)
        port = url.port or PORTS[url.scheme]
        address = await resolve(url.host, port, public=self.public)
        request = client.build_request(
            method,
            url.copy_with(host=address),
            headers={**headers, "host": url.netloc.decode("ascii")},
            content=body,
            extensions={"sni_hostname": url.raw_host.decode("ascii").strip("[]")},
        )
        return request

    async def test(self) -> str:
        if self.secret_file is not None:
            _secrets(self.secret_file)
        if self.token_file is not None:
            _read(self.token_file)
        async with self._client() as client:
            # Not a POST: a receiver would take it for a switch. Any answer proves that it is reached.
            request = await self._request(client, "OPTIONS", {"user-agent": "switchmaster"}, None)
            try:
                answer = await client.send(request, stream=True)
                await answer.aclose()
            except httpx.HTTPError as error:
                raise AttemptFailed(f"{type(error).__name__}: {error}") from None
        return f"{self.summary} answers OPTIONS with {answer.status_code}; nothing was posted"

    def plan(self, wish: Wish) -> str:
        return f"would post {to_json(cloud_event(wish))} to {self.summary}"


def cloud_event(wish: Wish) -> dict[str, Any]:
    """Return the event of a switch; its subject is the master's name, percent-encoded where it is not plain text."""
    return {
        "specversion": "1.0",
        "id": wish.delivery,
        "source": f"/switchmaster/{quote(wish.deployment, safe='', errors='surrogateescape')}",
        "type": EVENT_TYPE,
        "subject": quote(wish.master, safe="", errors="surrogateescape"),
        "time": wish.line["time"],
        "datacontenttype": "application/json",
        "data": wish.line,
    }


def signatures(secrets: Iterable[bytes], id: str, stamp: str, body: bytes) -> str:
    """
    Return the value of ``webhook-signature``.

    Args:
        secrets: each signs.
        id: of the delivery.
        stamp: seconds since 1970, as ``webhook-timestamp`` has them.
        body: what is posted.
    """
    signed = f"{id}.{stamp}.".encode("ascii") + body
    made = (hmac.digest(secret, signed, hashlib.sha256) for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(one).decode('ascii')}" for one in made)


def read_secrets(text: str) -> list[bytes]:
    """
    Return the secrets of a file: one a line, ``whsec_`` and base64.

    Raises:
        UsageError: there is none, or one is not a secret; the message shows none.
    """
    found = []
    for number, line in enumerate(text.split(), 1):
        try:
            found.append(base64.b64decode(line.removeprefix("whsec_"), validate=True))
        except binascii.Error:
            raise UsageError(f"the secret on line {number} is not whsec_ and base64") from None
    if not found or not all(found):
        raise UsageError("there is no secret in it: one a line, whsec_ and base64")
    return found


def _secrets(file: str) -> list[bytes]:
    try:
        return read_secrets(_read(file))
    except UsageError as error:
        raise AttemptFailed(f"{file}: {error}") from None


def _read(file: str) -> str:
    try:
        with Path(file).open(encoding="ascii") as opened:
            return opened.read(SECRET_BYTES)
    except OSError as error:
        raise AttemptFailed(f"can't read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AttemptFailed(f"{file} is not ASCII") from None


async def _beginning(answer: httpx.Response) -> str:
    """Return the beginning of an answer's body, whatever its length; and end the answer."""
    found = b""
    try:
        async for part in answer.aiter_raw():
            found += part
            if len(found) >= ANSWER_BYTES:
                break
    finally:
        await answer.aclose()
    return found[:ANSWER_BYTES].decode("utf-8", "replace").strip()


def _judge(answer: httpx.Response, text: str) -> str:
    said = f"{answer.status_code}: {text}" if text else str(answer.status_code)
    if answer.is_success:
        return said
    if answer.status_code == GONE:
        raise GiveUp(f"{said} (the receiver wants no more)")
    if answer.is_redirect:
        raise AttemptFailed(f"{answer.status_code}: redirects are not followed; write the final URL")
    raise AttemptFailed(said, _retry_after(answer))


def _retry_after(answer: httpx.Response) -> float | None:
    given = answer.headers.get("retry-after", "")
    if answer.status_code not in LATER or not given.isdigit() or len(given) > 9:
        return None
    return min(float(given), RETRY_AFTER_SECONDS)
