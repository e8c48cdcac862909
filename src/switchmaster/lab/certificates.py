"""
The certificates of a TLS lab: an authority, a server's and a client's certificate, valid only for loopback names.

It uses `trustme` (the extra `lab-tls`), which is made for tests: never use it in production.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from switchmaster.errors import MissingDependency

__all__ = ["Certificates", "make_certificates"]

CERTIFICATE_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files (PEM) of a TLS lab."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    @classmethod
    def inside(cls, folder: Path) -> Certificates:
        """Return the paths inside a folder, whether the files exist or not."""
        names = ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")
        return cls(*(folder / name for name in names))

    def client_context(self) -> ssl.SSLContext:
        """Return a context that trusts the lab's authority and presents the client's certificate."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.client, self.client_key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """
    Write a new authority and its certificates into `folder`.

    Raises:
        MissingDependency: `trustme` is not installed.
        OSError: the folder can't be written.
    """
    try:
        import trustme
    except ImportError as error:
        raise MissingDependency("trustme", "lab-tls") from error
    files = Certificates.inside(folder)
    authority = trustme.CA()
    files.ca.write_bytes(authority.cert_pem.bytes())
    server = authority.issue_cert(*CERTIFICATE_NAMES)
    client = authority.issue_cert("lab-client")
    for issued, chain, key in (
        (server, files.server, files.server_key),
        (client, files.client, files.client_key),
    ):
        chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        _write_secret(key, issued.private_key_pem.bytes())
    return files


def _write_secret(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
