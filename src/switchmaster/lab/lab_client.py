"""
A small blocking client, so that the lab shares no code with what it tests.

Replies are str, int, list, dict or None (text is UTF-8 with surrogateescape). Every wait has a limit. Errors name the
server and never contain a secret.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import hiredis

from switchmaster.errors import LabError

__all__ = ["CommandRefused", "LabClient", "LabCredentials", "ServerSilent"]

LabReply = Any
"""What a server answers: str, int, float, bool, None, or lists and dicts of them."""


class ServerSilent(LabError):
    """A server could not be reached, closed the connection, or did not answer in time."""


class CommandRefused(LabError):
    """
    A server answered with an error.

    Args:
        sentence: which server refused which command.
        text: the server's own words, such as ``INPROG Failover already in progress``.
    """

    def __init__(self, sentence: str, text: str) -> None:
        super().__init__(sentence)
        self.text = text


@dataclass(frozen=True, slots=True)
class LabCredentials:
    """Password, user and TLS for a connection."""

    password: str | None = field(default=None, repr=False)
    username: str | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class LabClient:
    """
    One connection, as a context manager.

    Args:
        address: host and port.
        name: the name of the server in errors.
        credentials: if there is a password, AUTH is sent at once.
        timeout: limit for the connect and for each reply, in seconds.

    Raises:
        ServerSilent: no connection within the limit.
        CommandRefused: the password is wrong.
    """

    def __init__(
        self,
        address: tuple[str, int],
        name: str = "",
        credentials: LabCredentials | None = None,
        timeout: float = 1.0,
    ) -> None:
        self.name = f"{name or 'the server'} ({address[0]}:{address[1]})"
        self.timeout = timeout
        self._reader = hiredis.Reader(encoding="utf-8", errors="surrogateescape")
        credentials = credentials or LabCredentials()
        self._socket = self._connect(address, credentials.tls)
        try:
            if credentials.password is not None:
                self.call("AUTH", *filter(None, [credentials.username]), credentials.password)
        except BaseException:
            self.close()
            raise

    def call(self, *args: str | bytes | int) -> LabReply:
        """
        Send one command and wait for its reply.

        Raises:
            CommandRefused: the reply is an error.
            ServerSilent: no complete reply within the limit.
        """
        self.send(*args)
        reply = self.receive()
        if isinstance(reply, hiredis.HiredisError):
            verb = args[0].decode() if isinstance(args[0], bytes) else args[0]
            raise CommandRefused(f"{self.name} refused {verb}: {reply}", str(reply))
        return reply

    def send(self, *args: str | bytes | int) -> None:
        """Send one command without waiting for a reply, for example SUBSCRIBE."""
        try:
            self._socket.settimeout(self.timeout)
            self._socket.sendall(hiredis.pack_command(args))  # type: ignore[arg-type]
        except OSError as error:
            raise ServerSilent(f"could not send to {self.name}: {_reason(error)}") from error

    def receive(self, timeout: float | None = None) -> LabReply:
        """
        Return the next reply or message; an error reply is returned as a value.

        Args:
            timeout: limit in seconds, instead of the client's own.
        """
        limit = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        while (reply := self._reader.gets()) is False:
            self._fill(deadline, limit)
        return reply

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._socket.close()

    def _connect(self, address: tuple[str, int], tls: ssl.SSLContext | None) -> socket.socket:
        try:
            plain = socket.create_connection(address, self.timeout)
        except OSError as error:
            raise ServerSilent(f"could not connect to {self.name}: {_reason(error)}") from error
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return tls.wrap_socket(plain, server_hostname=address[0]) if tls else plain
        except OSError as error:
            plain.close()
            raise ServerSilent(f"no TLS with {self.name}: {_reason(error)}") from error

    def _fill(self, deadline: float, limit: float) -> None:
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            data = self._socket.recv(65536)
        except TimeoutError as error:
            raise ServerSilent(f"{self.name} gave no answer within {limit:g} s") from error
        except OSError as error:
            raise ServerSilent(f"lost the connection to {self.name}: {_reason(error)}") from error
        if not data:
            raise ServerSilent(f"{self.name} closed the connection")
        self._reader.feed(data)

    def __enter__(self) -> LabClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error)
