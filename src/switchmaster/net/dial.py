"""
How to reach an address: TLS, and why a connection failed.

Values and pure functions, except that certificate files are read. Nothing here opens a socket. Errors of the operating
system become reasons that a person can act on.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..link.greeting import NOBODY, Credentials
from ..model import Address
from .credentials import Provided

__all__ = ["DialTarget", "Tls", "describe_error"]


@dataclass(frozen=True, slots=True)
class Tls:
    """Options for TLS. Files are read by `context`, once for each Watcher."""

    ca_file: str | os.PathLike[str] | None = None
    """The trusted authorities, as PEM; None for the system's."""
    cert_file: str | os.PathLike[str] | None = None
    """Our own certificate, as PEM, if the server wants one."""
    key_file: str | os.PathLike[str] | None = None
    """Its key; None if the certificate's file holds it."""
    server_name: str | None = None
    """The name that the server's certificate must have; None for the host that is dialled."""
    verify: bool = True
    """False trusts any server: for tests."""

    def context(self) -> ssl.SSLContext:
        """
        Build the SSLContext for all connections with these options.

        Returns:
            The context; client side, TLS 1.2 and newer.

        Raises:
            UsageError: a file is missing, cannot be read, or is not what it should be.
        """
        if self.key_file is not None and self.cert_file is None:
            raise UsageError("a TLS key was given without its certificate; give both")
        _check_readable("CA file", self.ca_file)
        _check_readable("certificate", self.cert_file)
        _check_readable("key", self.key_file)
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (ssl.SSLError, OSError) as error:
            raise UsageError(
                f"the TLS CA file {self.ca_file} holds no certificate in PEM form ({_short(error)})"
            ) from error
        if self.cert_file is not None:
            self._load_own(context, self.cert_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _load_own(self, context: ssl.SSLContext, cert_file: str | os.PathLike[str]) -> None:
        def no_password() -> str:
            # Without this OpenSSL would ask on the terminal, and wait.
            raise UsageError(f"the TLS key {self.key_file or cert_file} is encrypted; give one that is not")

        try:
            context.load_cert_chain(cert_file, self.key_file, password=no_password)
        except (ssl.SSLError, OSError) as error:
            raise UsageError(
                f"the TLS certificate {cert_file} and its key {self.key_file or cert_file} do not "
                f"load: both must be PEM, and belong together ({_short(error)})"
            ) from error


@dataclass(frozen=True, slots=True)
class DialTarget:
    """What one attempt dials."""

    address: Address
    """Where to connect; a name is resolved at each attempt."""
    context: ssl.SSLContext | None = None
    """None without TLS."""
    server_name: str | None = None
    """The name in the server's certificate; None for the host of `address`."""
    credentials: Credentials | Provided = field(default=NOBODY, repr=False)
    """The credentials, or their provider, which is asked only once there is a connection (and TLS is verified)."""

    async def login(self) -> Credentials:
        """
        Return the credentials for this connection.

        Raises:
            UsageError: the provider failed.
        """
        return await self.credentials.ask() if isinstance(self.credentials, Provided) else self.credentials


def describe_error(error: BaseException, target: Address | None, timeout: float | None) -> str:
    """
    Return why no connection could be opened, as the end of a sentence.

    Args:
        error: what the attempt raised.
        target: what was dialled; None if nothing was.
        timeout: the seconds that were allowed; None for a connection that was open already.

    Returns:
        One short reason.
    """
    match error:
        case ssl.SSLCertVerificationError():
            return f"TLS: certificate verify failed: {error.verify_message}"
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE"):
            return "TLS: it does not speak TLS on this port"
        case ssl.SSLError():
            return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
        case socket.gaierror():
            host = target.host if target is not None else "the host"
            return f"the name {host} cannot be resolved ({error.strerror})"
        case TimeoutError():
            return "it timed out" if timeout is None else f"timed out after {timeout:g} s"
        case UsageError():
            return str(error)
        case OSError():
            return _describe_os_error(error)
        case _:
            return f"{type(error).__name__}: {error}"


_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "it reset the connection",
    errno.ECONNABORTED: "the connection was aborted",
    errno.EPIPE: "the connection was cut",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "host unreachable",
    errno.EADDRNOTAVAIL: "no such address on this machine's networks",
    errno.EMFILE: "this process has too many open files",
}


def _describe_os_error(error: OSError) -> str:
    known = _REASONS.get(error.errno or 0)
    return known or error.strerror or str(error) or type(error).__name__


def _check_readable(what: str, file: str | os.PathLike[str] | None) -> None:
    if file is None:
        return
    try:
        with Path(file).open("rb"):
            pass
    except OSError as error:
        raise UsageError(f"the TLS {what} {file} cannot be read ({error.strerror})") from error


def _short(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).replace("_", " ").lower()
