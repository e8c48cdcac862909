"""
uvicorn, held by us: bound before it starts, without its signals, and with limits on time that it has not.

| limit | value | what happens |
|---|---|---|
| header of a request | `guard.HEADER_BYTES` | 431, or 400 |
| the whole header, from the connection or the answer before on | `HEADER_TIME` s | the connection is closed |
| nothing taken of an answer | `STALL_TIME` s | the connection is cut off |
| connections, and requests, at once | `CONNECTIONS` | 503 |
| idle between two requests | `KEEP_ALIVE` s | the connection is closed |
| body of a request | `guard.BODY` | 413, 408 |

Those that end a connection are counted by `HttpServer.cut`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from ...core.model import Address
from ...errors import UsageError
from ..exposure import Http
from .guard import HEADER_BYTES

__all__ = ["HttpServer"]

HEADER_TIME: Final = 10.0
STALL_TIME: Final = 30.0
CONNECTIONS: Final = 256
KEEP_ALIVE: Final = 5
SHUTDOWN: Final = 3
"""Seconds that answers under way have to end."""


class HttpServer:
    """
    Serves an application on one port.

    Args:
        app: what is served.
        settings: where, and with which certificate.
        cut: counts connections that were ended, by reason: the ``header`` came too slowly, an answer was ``stalled``.
        header_time: seconds that the header of a request may take.
        stall_time: seconds for which a client may take nothing of an answer.
        connections: at once at most.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Http,
        cut: Counter[str] | None = None,
        header_time: float = HEADER_TIME,
        stall_time: float = STALL_TIME,
        connections: int = CONNECTIONS,
    ) -> None:
        self._settings = settings
        self.cut: Counter[str] = Counter() if cut is None else cut
        self._config = uvicorn.Config(
            app,
            http=_protocol(self.cut, header_time, stall_time),
            ws="none",
            lifespan="off",
            loop="none",  # ours runs already
            log_config=None,
            log_level="error",  # what clients do wrong is counted, not logged: they could fill a disk
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=connections,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=SHUTDOWN,
            h11_max_incomplete_event_size=HEADER_BYTES,
            ssl_certfile=settings.cert,
            ssl_keyfile=settings.key,
        )
        self._server = _Server(self._config)
        self._task: asyncio.Task[None] | None = None
        self.address: Address | None = None
        """Where it listens, with the port that it got."""

    @property
    def url(self) -> str:
        """What to open in a browser, once it listens."""
        return f"{'http' if self._settings.cert is None else 'https'}://{self.address or self._settings.listen}/"

    async def start(self) -> Address:
        """
        Bind, and begin to serve.

        Returns:
            Where it listens.

        Raises:
            UsageError: the address can't be bound, or the certificate can't be used.
        """
        listening = self._bind()
        try:
            self._config.load()
        except (OSError, ValueError) as error:
            listening.close()
            raise UsageError(f"can't use the certificate {self._settings.cert} with its key: {error}") from None
        host, port = listening.getsockname()[:2]
        self.address = Address(host, port)
        self._task = asyncio.create_task(self._server.serve([listening]), name="switchmaster: serve HTTP")
        begun = asyncio.create_task(self._server.begun.wait())
        await asyncio.wait([self._task, begun], return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if self._task.done():
            self._task.result()
        return self.address

    def renew_certificate(self) -> None:
        """
        Read certificate and key anew; connections from now on see them.

        Raises:
            UsageError: they can't be used; the old ones stay.
        """
        if self._config.ssl is None or self._settings.cert is None:
            return
        try:
            self._config.ssl.load_cert_chain(self._settings.cert, self._settings.key)
        except (OSError, ValueError) as error:
            raise UsageError(f"can't use the certificate {self._settings.cert} with its key: {error}") from None

    async def close(self) -> None:
        """Stop; answers under way have `SHUTDOWN` seconds. End the streams before (`State.close`)."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None

    def _bind(self) -> socket.socket:
        host, port = self._settings.listen
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, kind, protocol, _, place = found[0]
            listening = socket.socket(family, kind, protocol)
        except OSError as error:
            raise UsageError(f"can't listen on {self._settings.listen}: {error.strerror}") from None
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen()
            listening.setblocking(False)
        except OSError as error:
            listening.close()
            raise UsageError(
                f"can't listen on {self._settings.listen}: {error.strerror}; is it another daemon's? Choose another "
                "port in http.listen"
            ) from None
        return listening


class _Server(uvicorn.Server):
    """uvicorn's server without its signals: they are the daemon's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.begun = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.begun.set()


def _protocol(cut: Counter[str], header_time: float, stall_time: float) -> type[H11Protocol]:
    """Return uvicorn's protocol with two timers more."""

    class Protocol(H11Protocol):
        _waiting: asyncio.TimerHandle | None = None
        _stalled: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._await_header()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._end(self._waiting, self._stalled)

        def handle_events(self) -> None:
            super().handle_events()
            if self._asked() and self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self._asked() and not self.transport.is_closing():
                self._await_header()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stalled = self.loop.call_later(stall_time, self._cut, "stalled")

        def resume_writing(self) -> None:
            super().resume_writing()
            self._end(self._stalled)

        def _asked(self) -> bool:
            """Whether a request is under way."""
            cycle: RequestResponseCycle | None = self.cycle  # uvicorn says that it is never None
            return cycle is not None and not cycle.response_complete

        def _await_header(self) -> None:
            self._end(self._waiting)
            self._waiting = self.loop.call_later(header_time, self._cut, "header")

        def _cut(self, reason: str) -> None:
            cut[reason] += 1
            self.transport.abort()

        @staticmethod
        def _end(*timers: asyncio.TimerHandle | None) -> None:
            for timer in timers:
                if timer is not None:
                    timer.cancel()

    return Protocol
