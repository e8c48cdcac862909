"""
Where the HTTP server listens, who may look and who may act; and which settings would leave a door open.

1. Beyond loopback nothing is served without a token.
2. POST needs ``token``, on loopback too: any process of the machine, and any page in its browser, gets to loopback.
3. GET needs ``token`` or ``read_token`` where there is a ``read_token``, and beyond loopback always. Else it is open.
4. What says nothing of the deployments is open: `/livez`, `/readyz`, the dashboard's files, `/openapi.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from ...errors import UsageError
from ...model import Address

__all__ = ["HttpSettings", "is_loopback", "read_listen"]


def is_loopback(host: str) -> bool:
    """Return whether nobody but this machine gets to that host: ``localhost`` or an address of loopback."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_listen(text: str) -> Address:
    """
    Read where to listen: ``HOST:PORT``; port 0 takes any that is free.

    Raises:
        UsageError: the text is no address.
    """
    host, colon, port = text.rpartition(":")
    return Address.parse(f"{host}:1")._replace(port=0) if colon and port == "0" else Address.parse(text)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What is served, and to whom."""

    listen: Address
    """Port 0 takes any that is free."""
    token: str | None = field(default=None, repr=False)
    """Lets somebody act; None where nobody may."""
    read_token: str | None = field(default=None, repr=False)
    """Lets somebody look."""
    cert: str | None = None
    """The certificate's file; None for plain HTTP."""
    key: str | None = field(default=None, repr=False)
    """Its key's file."""
    hosts: tuple[str, ...] = ()
    """Names, without port, by which clients may call this server, besides ``localhost``, IP addresses and the host
    that it listens on."""
    connections: int = 256
    """That ask at once at most, and as many idle; those that ask for health have slots of their own."""
    connections_per_peer: int = 128
    """The same, of one address."""

    def __post_init__(self) -> None:
        if not self.on_loopback and self.token is None and self.read_token is None:
            raise UsageError(
                f"refused to serve on {self.listen} without a token: whoever gets there could look at everything; "
                "name a file that holds one in http.token_file or http.read_token_file, or listen on 127.0.0.1"
            )
        for name, token in (("token", self.token), ("read_token", self.read_token)):
            if token is not None and not (token.isascii() and token.isprintable() and token == token.strip() != ""):
                raise UsageError(f"http.{name} must be printable ASCII, no blank at either end: it is sent in a header")
        if self.token is not None and self.token == self.read_token:
            raise UsageError("http.token and http.read_token are the same: whoever may look could act")
        if (self.cert is None) != (self.key is None):
            raise UsageError("http.tls needs both cert and key")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine gets here."""
        return is_loopback(self.listen.host)

    @property
    def reading_is_open(self) -> bool:
        """Whether everybody who gets here may look."""
        return self.on_loopback and self.read_token is None

    def warnings(self) -> list[str]:
        """Return what a person should know of these settings, as sentences for the log."""
        if not self.on_loopback and self.cert is None:
            return [
                f"serving on {self.listen} without TLS: tokens can be read on the way; set http.tls, or put a proxy "
                "that speaks TLS before it and listen on loopback"
            ]
        return []
