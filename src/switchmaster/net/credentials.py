"""
Credential providers: called for each connection, outside of the loop, in bounded time.

A provider is the user's code: it may block, be slow, fail or never return. It runs in a thread of its own, so the
loop never waits for it; connections that ask while it runs get the same answer. Nothing that it returns is kept, and
no text of its errors is shown, because both may hold a secret.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol, runtime_checkable

from ..errors import SwitchmasterError, UsageError
from ..link.greeting import Credentials
from .threads import Thread

__all__ = ["PROVIDER_LIMIT", "CredentialProvider", "Provided", "read_credentials"]

_log = logging.getLogger("switchmaster")

PROVIDER_LIMIT: Final = 10.0
"""Seconds in which a credential provider must answer; after that the connection that waits for it fails."""


@runtime_checkable
class CredentialProvider(Protocol):
    """
    Provides user and password, as redis-py's and valkey-py's ``CredentialProvider`` do.

    It is called for every connection, in a thread of its own. If ``get_credentials`` raises `NotImplementedError`,
    ``get_credentials_async`` is called, in a loop of that thread.
    """

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return ``(password,)`` or ``(username, password)``."""


class Provided:
    """
    A user's provider, called off the loop.

    Args:
        provider: the user's.
        whose: the servers that the credentials are for, for the log: ``the Sentinels``, for example.
    """

    def __init__(self, provider: CredentialProvider, whose: str) -> None:
        self._provider, self._whose = provider, whose
        self._asking: asyncio.Future[Credentials] | None = None
        """The question under way; one thread at most, however long the provider takes."""
        self._failed = False
        """Whether its last answer was an error, which is logged once."""

    def __repr__(self) -> str:
        return f"<credential provider of {self._whose}>"

    async def ask(self) -> Credentials:
        """
        Return the provider's current credentials.

        Raises:
            UsageError: it failed, gave no credentials, or not within `PROVIDER_LIMIT`; the message says which.
        """
        if self._asking is None:
            self._asking = self._begin()
        try:
            async with asyncio.timeout(PROVIDER_LIMIT):
                return await asyncio.shield(self._asking)
        except TimeoutError:
            raise UsageError(f"the credential provider gave no answer within {PROVIDER_LIMIT:g} s") from None

    def _begin(self) -> asyncio.Future[Credentials]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Credentials] = loop.create_future()

        def end(credentials: Credentials | None, error: Exception | None) -> None:
            self._asking = None
            if error is not None:
                self._note(error)
                answer.set_exception(_as_reason(error))
                answer.exception()  # retrieved, so that asyncio does not log it if nothing waits any longer
            else:
                self._failed = False
                answer.set_result(credentials or Credentials())

        def work() -> None:
            credentials, error = None, None
            try:
                credentials = read_credentials(_call(self._provider))
            except Exception as raised:
                # The user's provider may raise anything: this connection fails by it.
                error = raised
            try:
                loop.call_soon_threadsafe(end, credentials, error)
            except RuntimeError:
                return  # the loop has ended meanwhile

        # A daemon: a provider that never returns must not keep the interpreter running.
        Thread(work, f"switchmaster credentials of {self._whose}")
        return answer

    def _note(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            _log.warning("%s (%s); it is asked again with each attempt", _as_reason(error), self._whose)


def read_credentials(given: object) -> Credentials:
    """
    Read what a provider returned.

    Raises:
        UsageError: it is neither ``(password,)`` nor ``(username, password)``; the message shows nothing of it.
    """
    match given:
        case [str() | bytes() as password]:
            return Credentials(None, _text(password))
        case [str() | bytes() as username, str() | bytes() as password]:
            return Credentials(_text(username) or None, _text(password))
        case _:
            raise UsageError("the credential provider must give (password,) or (username, password)")


def _call(provider: Any) -> object:
    try:
        return provider.get_credentials()
    except (AttributeError, NotImplementedError):
        if not hasattr(provider, "get_credentials_async"):
            raise
    asked: Coroutine[Any, Any, object] = provider.get_credentials_async()
    return asyncio.run(asked)


def _as_reason(error: Exception) -> SwitchmasterError:
    # The text of a foreign error may hold a secret; the name of its class does not.
    if isinstance(error, SwitchmasterError):
        return error
    return UsageError(f"the credential provider failed with {type(error).__name__}")


def _text(word: str | bytes) -> str:
    return word.decode("utf-8", "surrogateescape") if isinstance(word, bytes) else word
