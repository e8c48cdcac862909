"""
A JSON API that an action talks to: its URLs, its TLS, and requests whose answers are bounded.

No redirect is followed and no proxy of the environment is used. Where there are several URLs, of a cluster, the next
one is tried if one does not answer; every attempt begins with another one.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx

from .action_kinds import AttemptFailed

__all__ = ["ApiAnswer", "HttpTarget", "read_token"]

ANSWER_BYTES: Final = 8 * 2**20
SAID_CHARACTERS: Final = 500
"""Of an error's body, for people."""
TOKEN_CHARACTERS: Final = 64 * 1024
SEVERAL_SECONDS: Final = 3.0
"""Seconds that one of several URLs gets to answer; one alone has the whole attempt, which the engine limits."""


class ApiAnswer(NamedTuple):
    """An answer."""

    status: int
    body: Any
    """What its JSON says; None if it is not JSON."""
    said: str
    """The status and the beginning of the text, for people."""

    def check(self, *allowed: int) -> ApiAnswer:
        """Return it if its status is 2xx or allowed; raise `AttemptFailed` else."""
        if 200 <= self.status < 300 or self.status in allowed:
            return self
        raise AttemptFailed(self.said)


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """One API, at one URL or several."""

    urls: tuple[str, ...]
    """Without a path at their end."""
    ca: str | None = None
    """Authorities to trust instead of the system's."""
    cert: str | None = None
    """File of a certificate to show."""
    key: str | None = None
    """File of its key."""

    @property
    def summary(self) -> str:
        """The URLs."""
        return ", ".join(self.urls)

    async def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, turn: int = 0
    ) -> ApiAnswer:
        """
        Return the answer to a request.

        Args:
            method: such as PUT.
            path: with its query, encoded.
            body: sent as JSON; None for none.
            headers: more of them.
            turn: which URL comes first.

        Raises:
            AttemptFailed: no URL answers.
        """
        told = {"user-agent": "switchmaster", "accept": "application/json", **(headers or {})}
        content = None
        if body is not None:
            content = json.dumps(body).encode("ascii")
            told.setdefault("content-type", "application/json")
        start = turn % len(self.urls)
        trouble = []
        async with self._client() as client:
            for url in self.urls[start:] + self.urls[:start]:
                try:
                    async with client.stream(method, url + path, content=content, headers=told) as answer:
                        return await _read_answer(answer)
                except httpx.HTTPError as error:
                    trouble.append(f"{urlsplit(url).netloc}: {type(error).__name__}: {error}".rstrip(": "))
        raise AttemptFailed("; ".join(trouble))

    def _client(self) -> httpx.AsyncClient:
        context: ssl.SSLContext | bool = False
        try:
            if any(url.startswith("https:") for url in self.urls):
                context = ssl.create_default_context(cafile=self.ca)
                if self.cert is not None:
                    context.load_cert_chain(self.cert, self.key)
        except OSError as error:
            raise AttemptFailed(f"its certificates can't be read: {error.strerror or error}") from None
        seconds = None if len(self.urls) == 1 else SEVERAL_SECONDS
        return httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False, timeout=seconds)


def read_token(file: str) -> str:
    """
    Return the secret of a file, without white space around it.

    Raises:
        AttemptFailed: it can't be read, or can't be a header; the message does not show it.
    """
    try:
        with Path(file).open(encoding="ascii") as opened:
            found = opened.read(TOKEN_CHARACTERS).strip()
    except OSError as error:
        raise AttemptFailed(f"can't read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AttemptFailed(f"{file} is not ASCII") from None
    if not found or not found.isprintable():
        raise AttemptFailed(f"{file} is empty, or holds more than one line")
    return found


async def _read_answer(answer: httpx.Response) -> ApiAnswer:
    found = bytearray()
    async for part in answer.aiter_bytes():
        found += part
        if len(found) > ANSWER_BYTES:
            raise AttemptFailed(f"its answer has more than {ANSWER_BYTES} bytes")
    text = found.decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    said = " ".join(text.split())[:SAID_CHARACTERS]
    return ApiAnswer(answer.status_code, body, f"{answer.status_code}: {said}" if said else str(answer.status_code))
