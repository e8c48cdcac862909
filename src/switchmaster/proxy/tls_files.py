"""
The TLS files that HAProxy is given: copies in the proxy's folder, named by their content.

HAProxy reads certificates when it starts and reloads. Under another name a renewed certificate changes the
configuration, so that HAProxy is reloaded; and a path of the user's, whatever characters it has, is no word of the
configuration. HAProxy wants a certificate and its key in one file, and so they are.

A file is checked before HAProxy gets it. If it can't be used any more, as while it is being replaced, the last good
copy stays.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..errors import UsageError
from ..net.dial import Tls
from ..net.diallers import AnyTls
from .haproxy_config import ListenTls, NodeTls

__all__ = ["TlsFiles", "check_node_tls"]

_log = logging.getLogger("switchmaster.proxy")

KEPT_SECONDS: Final = 10.0
"""Seconds after which files are read again."""
FILE_BYTES: Final = 4 * 1024 * 1024
_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
"""A DNS name; an address has no letter, or a colon."""


def check_node_tls(tls: AnyTls) -> None:
    """
    Refuse TLS that HAProxy can't speak to nodes; None is fine.

    HAProxy compares names of a certificate with DNS names only (``ssl_sock_srv_verifycbk`` looks at no IP address), and
    a server that moves keeps the name that the configuration gave it. So all nodes must have one name.

    Raises:
        UsageError: the sentence says what is missing.
    """
    if tls is None:
        return
    if not isinstance(tls, Tls):
        raise UsageError("the proxy needs the nodes' TLS as files for HAProxy, not as a context of Python")
    if not tls.verify:
        return
    if tls.server_name is None:
        raise UsageError(
            "the proxy needs server_name in the TLS of the nodes: HAProxy checks no IP address in a certificate, so "
            "give a DNS name that the certificates of all nodes have"
        )
    if len(tls.server_name) > 253 or not _NAME.fullmatch(tls.server_name):
        raise UsageError(f"server_name {tls.server_name!r} is no DNS name, and HAProxy checks no other names")


class TlsFiles:
    """
    The copies in one folder.

    Args:
        folder: of the proxy, ours alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[tuple[str, tuple[str, ...]], tuple[float, Path]] = {}
        """By kind and sources: when they were read, and the copy."""

    def for_nodes(self, tls: AnyTls) -> NodeTls | None:
        """
        Return what HAProxy needs for nodes; None without TLS.

        Raises:
            UsageError: HAProxy can't speak this TLS, or a file can't be used.
        """
        check_node_tls(tls)
        if not isinstance(tls, Tls):
            return None
        ca = None if tls.ca_file is None else self._copy("ca", _is_ca, tls.ca_file)
        cert = None
        if tls.cert_file is not None:
            cert = self._copy("node", _is_pair, tls.cert_file, *(() if tls.key_file is None else (tls.key_file,)))
        return NodeTls(tls.server_name if tls.verify else None, ca, cert)

    def for_clients(self, cert: str | None, key: str | None, client_ca: str | None) -> ListenTls | None:
        """
        Return what HAProxy needs for clients; None without TLS.

        Args:
            cert: the certificate's file; None for no TLS.
            key: its key's file.
            client_ca: file of authorities; None if clients need no certificate.

        Raises:
            UsageError: a file can't be used.
        """
        if cert is None:
            return None
        pair = self._copy("listen", _is_pair, cert, *(() if key is None else (key,)))
        return ListenTls(pair, None if client_ca is None else self._copy("client-ca", _is_ca, client_ca))

    def forget_others(self) -> None:
        """Remove the copies that no longer count: HAProxy has read its own."""
        kept = {copy for _, copy in self._kept.values()}
        for file in self._folder.glob("tls-*.pem"):
            if file not in kept:
                file.unlink(missing_ok=True)

    def _copy(self, kind: str, check: Callable[[Path], None], *sources: str | os.PathLike[str]) -> Path:
        key = (kind, tuple(os.fspath(source) for source in sources))
        read_at, kept = self._kept.get(key, (0.0, None))
        now = time.monotonic()
        if kept is not None and now < read_at + KEPT_SECONDS and kept.exists():
            return kept
        try:
            found = _copied(self._folder, kind, check, key[1])
        except UsageError as error:
            if kept is None or not kept.exists():
                raise
            _log.warning("the proxy keeps its copy of a TLS file: %s", error)
            found = kept
        self._kept[key] = (now, found)
        return found


def _copied(folder: Path, kind: str, check: Callable[[Path], None], sources: tuple[str, ...]) -> Path:
    data = b"\n".join(_read(Path(source)) for source in sources) + b"\n"
    copy = folder / f"tls-{kind}-{hashlib.sha256(data).hexdigest()[:16]}.pem"
    if copy.exists():
        return copy
    fresh = folder / "tls-next"
    fresh.unlink(missing_ok=True)
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as opened:
            opened.write(data)
        try:
            check(fresh)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise UsageError(f"the TLS file {' with '.join(sources)} can't be used: {reason}") from None
        fresh.replace(copy)
    except OSError as error:
        raise UsageError(f"the proxy's folder {folder} can't be used: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)
    return copy


def _read(source: Path) -> bytes:
    try:
        with source.open("rb") as opened:
            data = opened.read(FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the TLS file {source} can't be read: {error.strerror}") from None
    if len(data) > FILE_BYTES:
        raise UsageError(f"the TLS file {source} is too large")
    return data


def _is_pair(file: Path) -> None:
    """Fail unless a file has a certificate and its key, without a password."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, password=_no_password)


def _is_ca(file: Path) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal, and wait.
    raise ValueError("its key is encrypted")
