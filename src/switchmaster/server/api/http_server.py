"""
The HTTP server: uvicorn with our own socket, our own accept loop, no signal handlers, and limits on time.

| limit | value | what happens |
|---|---|---|
| header of a request | `admission.HEADER_BYTES` | 431, or 400 |
| the whole header, including the TLS handshake before it | `HEADER_SECONDS` | the connection is closed |
| nothing read of an answer | `STALL_SECONDS` | the connection is cut off |
| idle between two requests | `IDLE_SECONDS` | the connection is closed |
| body of a request | `admission.BODY_BYTES` | 413, 408 |
| connections, and requests, at once | `http_connections` | an idle connection is closed, or 503 |

Connections are counted from accept on, before any TLS: uvicorn's own server would see them only after the handshake.
The kernel hands over a connection when its first byte has arrived (`DEFER_ACCEPT_SECONDS`), so clients that send
nothing take no slot.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from ...errors import UsageError
from ...model import Address
from ..settings.http_settings import HttpSettings
from .admission import HEADER_BYTES, TRUSTED
from .answers import problem
from .http_connections import HttpConnection, HttpConnections

__all__ = ["HttpServer"]

HEADER_SECONDS: Final = 2.0
STALL_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 5
SHUTDOWN_SECONDS: Final = 3
"""Seconds that answers under way have to complete."""
DEFER_ACCEPT_SECONDS: Final = 1
"""Seconds for which the kernel holds a connection back until the client has sent something."""
ACCEPT_BACKLOG: Final = 4_096
"""Connections that the kernel queues until we accept them, if its own limit allows."""
ACCEPTS_PER_TURN: Final = 4
"""Connections accepted in one turn of the loop. A request that came with its connection is read four turns later: the
limits on idle connections must exceed what is accepted meanwhile, or the connection would be closed unread."""
ACCEPT_RETRY_SECONDS: Final = 0.1
"""Seconds until the next accept after one failed because no descriptor was left."""
BUSY_RETRY_SECONDS: Final = 1
"""Seconds after which a client may retry."""

_FULL: Final = {
    "busy": "too many requests are being answered",
    "peer": "too many requests from your address are being answered",
    "health": "too many health checks are being answered",
}


class HttpServer:
    """
    Serves an application on one port.

    Args:
        app: the application.
        settings: where to listen, and with which certificate.
        connections: the limits on connections; None for the defaults.
        header_time: seconds within which the header of a request must arrive.
        stall_time: seconds for which a client may read nothing of an answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: HttpSettings,
        connections: HttpConnections | None = None,
        header_time: float = HEADER_SECONDS,
        stall_time: float = STALL_SECONDS,
    ) -> None:
        self._settings = settings
        self.connections = connections or HttpConnections()
        self._config = uvicorn.Config(
            app,
            http=H11Protocol,  # `_Server` uses its own subclass
            ws="none",
            lifespan="off",
            loop="none",  # a loop runs already
            log_config=None,
            log_level="error",  # errors of clients are counted, not logged: they could fill a disk
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            h11_max_incomplete_event_size=HEADER_BYTES,
            ssl_certfile=settings.cert,
            ssl_keyfile=settings.key,
        )
        self._server = _Server(self._config, self.connections, header_time, stall_time)
        self._task: asyncio.Task[None] | None = None
        self.address: Address | None = None
        """Where it listens, with the actual port."""

    @property
    def url(self) -> str:
        """What to open in a browser, once it listens."""
        return f"{'http' if self._settings.cert is None else 'https'}://{self.address or self._settings.listen}/"

    async def start(self) -> Address:
        """
        Bind, and start serving.

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
        Read certificate and key again, for connections from now on.

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
        """Stop; answers under way have `SHUTDOWN_SECONDS` seconds. End the streams first (`ServedState.close`)."""
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
            if sys.platform == "linux":
                # A connection that sends nothing costs us nothing until `DEFER_ACCEPT_SECONDS` have passed.
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_SECONDS)
            listening.bind(place)
            listening.listen(ACCEPT_BACKLOG)
            listening.setblocking(False)
        except OSError as error:
            listening.close()
            raise UsageError(
                f"can't listen on {self._settings.listen}: {error.strerror}; does another daemon use it? Choose "
                "another "
                "port in http.listen"
            ) from None
        return listening


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers (signals are the daemon's) and with our own accept loop."""

    def __init__(
        self, config: uvicorn.Config, connections: HttpConnections, header_time: float, stall_time: float
    ) -> None:
        super().__init__(config)
        self.begun = asyncio.Event()
        self._connections = connections
        self._header_time, self._stall_time = header_time, stall_time
        self._accepting: asyncio.Task[None] | None = None
        self._opening: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None
        self.servers = []
        self._accepting = asyncio.create_task(self._accept(sockets[0]), name="switchmaster: accept HTTP")
        self.started = True
        self.begun.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        tasks = [task for task in (self._accepting, *self._opening) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().shutdown(sockets)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(ACCEPTS_PER_TURN):
                try:
                    accepted, place = await loop.sock_accept(listening)
                except ConnectionError:
                    continue  # the client has left already
                except OSError:
                    self._connections.refused["descriptors"] += 1
                    await asyncio.sleep(ACCEPT_RETRY_SECONDS)
                    continue
                peer = _peer(place[0])
                if _is_silent(accepted) and self._connections.is_full(peer):
                    accepted.close()  # it sent nothing: not worth closing another for
                else:
                    self._open(accepted, peer)
            await asyncio.sleep(0)

    def _open(self, accepted: socket.socket, peer: str) -> None:
        loop = asyncio.get_running_loop()
        protocol = _Protocol(self.config, self, self._connections, self._stall_time)

        def end() -> None:
            if (transport := protocol.opened) is not None:
                transport.abort()
            else:
                task.cancel()

        def end_soon() -> None:
            loop.call_soon(end)  # the task must have started, or nothing would close the socket

        connection = HttpConnection(peer, end_soon)
        protocol.attach(connection, self._header_time)
        task = loop.create_task(self._begin(accepted, protocol), name="switchmaster: open HTTP")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        self._connections.arrive(connection)

    async def _begin(self, accepted: socket.socket, protocol: _Protocol) -> None:
        """Do the TLS handshake; with plain HTTP there is none."""
        loop = asyncio.get_running_loop()
        try:
            # Our own timer ends a slow handshake sooner, and counts it.
            await loop.connect_accepted_socket(lambda: protocol, accepted, ssl=self.config.ssl)
        except OSError:
            pass  # not TLS, or the client has left
        finally:
            if protocol.opened is None:
                protocol.detach()


class _Protocol(H11Protocol):
    """
    uvicorn's protocol with its `HttpConnection` and two more timers.

    Args:
        config: uvicorn's.
        server: the server of this connection.
        connections: the limits.
        stall_time: seconds for which a client may read nothing of an answer.
    """

    def __init__(
        self, config: uvicorn.Config, server: _Server, connections: HttpConnections, stall_time: float
    ) -> None:
        super().__init__(config, server.server_state, app_state={})
        self._served: ASGIApp = self.app
        self.app: Any = self._admit
        self._connections, self._stall_time = connections, stall_time
        self._connection = HttpConnection("", lambda: None)
        self._header_time = 0.0
        self._waiting: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    @property
    def opened(self) -> asyncio.Transport | None:
        """The transport, None until there is one (uvicorn's type says that there always is)."""
        return self.transport

    def attach(self, connection: HttpConnection, header_time: float) -> None:
        """Start the header timer, before there is a transport."""
        self._connection, self._header_time = connection, header_time
        self._await_header()

    def detach(self) -> None:
        """Stop the timers and leave the count."""
        self._stop_waiting()
        if self._stalled is not None:
            self._stalled.cancel()
        self._connections.leave(self._connection)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it because of a limit."""
        full = self._connections.ask(self._connection, scope["path"])
        if full is None:
            return await self._served(scope, receive, send)
        refusal = problem(503, _FULL[full], BUSY_RETRY_SECONDS)
        refusal.headers["Connection"] = "close"
        return await refusal(scope, receive, send)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.detach()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_asking() and self._waiting is None:
            self._await_header()  # the next request has started

    def handle_events(self) -> None:
        super().handle_events()
        if self._is_asking():
            self._stop_waiting()

    def on_response_complete(self) -> None:
        self._connections.rest(self._connection, TRUSTED in self.scope)
        super().on_response_complete()
        if not self._is_asking() and self.conn.trailing_data[0]:
            self._await_header()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self._stall_time, self._cut, "stalled")

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def _is_asking(self) -> bool:
        """Whether a request is under way."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's type says that it is never None
        return cycle is not None and not cycle.response_complete

    def _await_header(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(self._header_time, self._cut, "header")

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _cut(self, reason: str) -> None:
        transport = self.opened
        if transport is None or not transport.is_closing():
            self._connections.cut[reason] += 1
        self._connection.end()


def _is_silent(accepted: socket.socket) -> bool:
    """Return whether a connection that was just accepted has sent nothing yet."""
    try:
        accepted.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # it is gone, as its reader will find out
    return False


def _peer(host: str) -> str:
    """Return the key under which an address is counted: for IPv6 its /64, because one machine has a whole net."""
    if ":" not in host or host.startswith("::ffff:"):
        return host
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8].hex()
