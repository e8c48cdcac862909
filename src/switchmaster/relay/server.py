"""
The relay's socket: one `Conversation` for each client, and what is published on to those that are subscribed.

It bounds what clients can cost: how many there are, how long a stranger may stay, how many bytes wait for one that does
not read. While a client does not read its answers, its next commands are not read either; a subscriber that lets
messages pile up is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Final, cast

from ..errors import UsageError
from ..model import Address, Moment
from ..wire.events import Event
from .event_relay import payload_of
from .protocol import Conversation
from .relay_settings import ClientRange, RelaySettings
from .relay_state import ClientView, RelayState

__all__ = ["RelayServer"]

BACKLOG: Final = 4096
"""Connections that may wait to be accepted: after a failover all clients come at once."""
SWEEP_SECONDS: Final = 1.0
"""Seconds between two looks for strangers that have stayed too long."""
_TOO_MANY: Final = b"-ERR max number of clients reached\r\n"


class RelayServer:
    """
    Serves clients of one relay, in the running loop.

    Args:
        settings: where, and within which bounds.
        state: what is served; its `clients` and `subscribers` are counted here.
    """

    def __init__(self, settings: RelaySettings, state: RelayState) -> None:
        self.settings, self.state = settings, state
        self.address = settings.listen
        """Where it listens: with the real port once it has started."""
        self._views: dict[ClientRange | None, ClientView] = {None: ClientView(state, settings.address_map)}
        for one, mapping in settings.address_maps.items():
            self._views[one] = ClientView(state, mapping)
        self._clients: set[_Client] = set()
        self._strangers: dict[_Client, float] = {}
        """Clients that have yet to authenticate, and until when they may."""
        self._subscribed: dict[ClientView, dict[_Client, None]] = {view: {} for view in self._views.values()}
        self._server: asyncio.Server | None = None
        self._tls: ssl.SSLContext | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._number = 0

    # -- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """
        Listen.

        Raises:
            UsageError: the address can't be listened on, or a TLS file can't be used.
        """
        loop = asyncio.get_running_loop()
        host, port = self.settings.listen
        if self.settings.cert is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            self.renew_certificate()
        try:
            self._server = await loop.create_server(
                lambda: _Client(self), host, port, ssl=self._tls, backlog=BACKLOG, reuse_address=True
            )
        except OSError as error:
            raise UsageError(f"can't listen on {self.settings.listen}: {error.strerror or error}") from None
        self.address = Address(host, self._server.sockets[0].getsockname()[1])
        self.state.port = self.address.port
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._server is None:
            return
        self._server.close()
        for client in list(self._clients):
            client.abort()
        # The connections end in the next turn of the loop.
        await asyncio.sleep(0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._server.wait_closed(), 1.0)

    def renew_certificate(self) -> None:
        """
        Read the files of TLS again, for new connections; without TLS do nothing.

        Raises:
            UsageError: a file can't be used.
        """
        settings, context = self.settings, self._tls
        if context is None or settings.cert is None:
            return
        try:
            context.load_cert_chain(settings.cert, settings.key)
            if settings.client_ca is not None:
                context.load_verify_locations(settings.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (ssl.SSLError, OSError) as error:
            reason = getattr(error, "reason", None) or error.strerror or error
            raise UsageError(f"the relay's certificate {settings.cert} and its key can't be used: {reason}") from None

    # -- what is published --------------------------------------------------------------------------

    def publish(self, events: Iterable[Event]) -> None:
        """Send events to all clients that are subscribed to them."""
        for event in events:
            channel = event.channel.encode("utf-8", "surrogateescape")
            for view, clients in self._subscribed.items():
                if not clients:
                    continue
                text = payload_of(event, view.translate if view.translates else None)
                if text is None:
                    continue
                payload = text.encode("utf-8", "surrogateescape")
                frames: dict[tuple[int, bytes], bytes] = {}
                for client in list(clients):
                    client.deliver(channel, payload, frames)

    # -- clients ------------------------------------------------------------------------------------

    def enter(self, client: _Client, peer: str) -> ClientView | None:
        """Count a new client, and return how it sees the relay; None if there are too many."""
        self.state.counters.connections += 1
        if len(self._clients) >= self.settings.maxclients:
            self.state.counters.rejected += 1
            return None
        self._clients.add(client)
        self.state.clients = len(self._clients)
        if not self.state.accounts.open:
            self._strangers[client] = time.monotonic() + self.settings.auth_timeout
        return self._views[self.settings.range_of(peer)]

    def next_number(self) -> int:
        """Return the number of the next client."""
        self._number += 1
        return self._number

    def settle(self, client: _Client, conversation: Conversation) -> None:
        """Note whether a client has authenticated, and whether it is subscribed."""
        if self._strangers and not conversation.stranger:
            self._strangers.pop(client, None)
        subscribed = self._subscribed[conversation.view]
        if conversation.subscriptions:
            if client not in subscribed:
                subscribed[client] = None
                self.state.subscribers += 1
        elif subscribed and client in subscribed:
            del subscribed[client]
            self.state.subscribers -= 1

    def leave(self, client: _Client, conversation: Conversation | None) -> None:
        """Forget a client that is gone."""
        self._clients.discard(client)
        self._strangers.pop(client, None)
        self.state.clients = len(self._clients)
        if conversation is not None and self._subscribed[conversation.view].pop(client, self) is None:
            self.state.subscribers -= 1

    def _sweep(self) -> None:
        now = time.monotonic()
        for client, until in list(self._strangers.items()):
            if now >= until:
                self.state.counters.timed_out += 1
                client.abort()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: RelayServer) -> None:
        self._server = server
        self._conversation: Conversation | None = None
        self._transport: asyncio.Transport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports are of another class.
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        view = self._server.enter(self, peer[0])
        if view is None:
            self._transport.write(_TOO_MANY)
            self._transport.close()
            return
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        where = str(Address(peer[0], peer[1]))
        self._conversation = Conversation(view, self._server.next_number(), where, os.getpid())

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.leave(self, self._conversation)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        conversation, transport = self._conversation, self._transport
        if conversation is None or transport is None:
            return
        while True:
            moment = Moment(time.monotonic(), time.time())
            out = conversation.receive_data(data, moment)
            if out:
                transport.write(out)
            if conversation.ended or not conversation.waiting or self._paused:
                break
            data = b""
        self._server.settle(self, conversation)
        if conversation.ended:
            transport.close()

    def pause_writing(self) -> None:
        self._paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        if self._transport is None or self._transport.is_closing():
            return
        if self._conversation is not None and self._conversation.waiting:
            self.data_received(b"")
        # Answering may have paused it again, or ended it.
        transport = self._transport
        if not self._paused and not transport.is_closing():
            transport.resume_reading()

    def deliver(self, channel: bytes, payload: bytes, frames: dict[tuple[int, bytes], bytes]) -> None:
        """Send a message, if this client is subscribed to it; cut it if it does not read."""
        if self._conversation is None or self._transport is None or self._transport.is_closing():
            return
        out = self._conversation.deliver(channel, payload, frames)
        if not out:
            return
        if self._transport.get_write_buffer_size() + len(out) > self._server.settings.output_bytes:
            self._server.state.counters.cut += 1
            self.abort()
            return
        self._server.state.counters.messages += 1
        self._transport.write(out)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()
