"""
Where the HTTP server listens, who has read and write access, and which settings are refused as unsafe.

1. Beyond loopback nothing is served without a token.
2. POST needs ``token``, on loopback too: every process on the machine, and every page in its browser, reaches loopback.
3. GET needs ``token`` or ``read_token`` if there is a ``read_token``, and always beyond loopback. Otherwise it is open.
4. What reveals nothing about the deployments is open: `/livez`, `/readyz`, the dashboard's files, `/openapi.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import UsageError
from ...model import Address
from ...url import is_loopback

__all__ = ["HttpSettings"]


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where to serve, and who has access."""

    listen: Address
    """Port 0 means any free port."""
    token: str | None = field(default=None, repr=False)
    """Allows writing and reading; None disables writing."""
    read_token: str | None = field(default=None, repr=False)
    """Allows reading."""
    cert: str | None = None
    """The certificate file; None for plain HTTP."""
    key: str | None = field(default=None, repr=False)
    """The key file."""
    hosts: tuple[str, ...] = ()
    """Host names, without port, that requests may use besides ``localhost``, IP addresses and the host of `listen`."""
    connections: int = 256
    """Most connections with a request under way, and as many idle ones; health checks have slots of their own."""
    connections_per_peer: int = 128
    """The same for one client address."""

    def __post_init__(self) -> None:
        if not self.on_loopback and self.token is None and self.read_token is None:
            raise UsageError(
                f"refused to serve on {self.listen} without a token: any client that reaches it could read everything. "
                "Name a file with a token in http.token_file or http.read_token_file, or listen on 127.0.0.1"
            )
        for name, token in (("token", self.token), ("read_token", self.read_token)):
            if token is not None and not (token.isascii() and token.isprintable() and token == token.strip() != ""):
                raise UsageError(
                    f"http.{name} must be printable ASCII without a blank at either end: it is sent in a header"
                )
        if self.token is not None and self.token == self.read_token:
            raise UsageError("http.token and http.read_token are the same: every client with read access could write")
        if (self.cert is None) != (self.key is None):
            raise UsageError("http.tls needs both cert and key")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.listen.host)

    @property
    def reading_is_open(self) -> bool:
        """Whether reading needs no token."""
        return self.on_loopback and self.read_token is None

    def warnings(self) -> list[str]:
        """Return warnings about these settings, as sentences for the log."""
        if not self.on_loopback and self.cert is None:
            return [
                f"serving on {self.listen} without TLS: tokens can be read on the network. Set http.tls, or listen on "
                "loopback behind a proxy that speaks TLS"
            ]
        return []
