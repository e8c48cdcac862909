"""
From the arguments of a client library to those of a Watcher: the Sentinels' addresses, credentials and TLS.

Everything is read from the library's own objects (the Sentinel's clients and the pool's connection arguments), so that
every way to configure the library is understood. Equal `WatcherSettings` share one Watcher.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..errors import UsageError
from ..model import Address
from ..net.address_map import AddressMap

if TYPE_CHECKING:
    from ..net.sync import Watcher

__all__ = ["TIMEOUT", "WatcherSettings", "question_limit_of", "settings_of"]

TIMEOUT: Final = 1.0
"""Seconds for a question if the user sets no ``socket_timeout``."""
SHORTEST: Final = 0.5
"""The shortest timeout of the Watcher's own links, in seconds, however short the user's is: links stay open, and with
less a busy machine looks like a dead Sentinel."""
POLL_SECONDS: Final = 1.0
"""Seconds between two questions to a Sentinel that refuses subscriptions."""


@dataclass(frozen=True, slots=True)
class LibraryAccess:
    """Credentials and TLS for one kind of server. Equal if the arguments are equal; its repr shows no secret."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    provider: Any = field(default=None, repr=False)
    """The library's credential provider, which is called for each connection."""
    tls: tuple[tuple[str, Any], ...] | None = field(default=None, repr=False)
    """The library's TLS arguments; None without TLS."""

    @property
    def secret(self) -> bool:
        """Whether there is a password, or a provider of one."""
        return self.password is not None or self.provider is not None

    def context(self) -> ssl.SSLContext | None:
        """
        Return the context for the library's TLS arguments; None without TLS.

        Raises:
            UsageError: a file can't be read, or is of another kind.
        """
        return None if self.tls is None else _context(dict(self.tls))


@dataclass(frozen=True, slots=True)
class WatcherSettings:
    """Everything that one Watcher is made from."""

    sentinels: tuple[Address, ...]
    sentinel: LibraryAccess
    node: LibraryAccess
    timeout: float
    address_map: AddressMap | None = field(default=None, hash=False)

    def watcher(self) -> Watcher:
        """
        Return a Watcher that has not been started.

        Raises:
            UsageError: the arguments are wrong.
        """
        from ..net.sync import Watcher

        return Watcher(
            self.sentinels,
            username=self.sentinel.username,
            password=self.sentinel.password,
            credentials=self.sentinel.provider,
            tls=self.sentinel.context(),
            node_username=self.node.username,
            node_password=self.node.password,
            node_credentials=self.node.provider,
            node_tls=self.node.context(),
            address_map=self.address_map,
            timeout=self.timeout,
            poll=POLL_SECONDS,
        )

    @property
    def patience(self) -> float:
        """Seconds that a command waits for the Sentinels: for a link to connect and to answer, and a little more."""
        return 2 * self.timeout + 0.1


def settings_of(sentinel: Any, pool: Any, address_map: AddressMap | None, check_hostname: bool) -> WatcherSettings:
    """
    Read a Watcher's settings from the library's objects.

    Args:
        sentinel: the library's Sentinel, or ours.
        pool: the pool of connections to data nodes; None takes the Sentinel's own connection arguments.
        address_map: what Sentinel announces -> what can be dialled.
        check_hostname: whether the library checks a certificate's host name by default.
    """
    clients = [client.connection_pool for client in sentinel.sentinels]
    addresses = {Address(str(one.connection_kwargs["host"]), int(one.connection_kwargs["port"])) for one in clients}
    first = clients[0]
    own = dict(sentinel.connection_kwargs)
    said, tls = (own, bool(own.get("ssl"))) if pool is None else (pool.connection_kwargs, _is_tls(pool))
    return WatcherSettings(
        sentinels=tuple(sorted(addresses)),
        sentinel=_access(first.connection_kwargs, _is_tls(first), check_hostname),
        node=_access(said, tls, check_hostname),
        timeout=max(SHORTEST, question_limit_of(sentinel)),
        address_map=address_map,
    )


def question_limit_of(sentinel: Any) -> float:
    """
    Return the seconds that a question to the Sentinels may take as a whole: the user's ``socket_timeout``.

    Args:
        sentinel: the library's Sentinel, or ours; its ``sentinel_kwargs`` take precedence over its own argument.
    """
    said = (arguments.get("socket_timeout") for arguments in (sentinel.sentinel_kwargs, sentinel.connection_kwargs))
    return float(next((seconds for seconds in said if seconds), TIMEOUT))


def _is_tls(pool: Any) -> bool:
    # By name: the class is the library's SSLConnection, or one that inherits from it, of threads or of asyncio.
    return any(base.__name__ == "SSLConnection" for base in pool.connection_class.__mro__)


def _access(arguments: Mapping[str, Any], tls: bool, check_hostname: bool) -> LibraryAccess:
    said = {"ssl_check_hostname": check_hostname} | {n: v for n, v in arguments.items() if n.startswith("ssl_")}
    return LibraryAccess(
        username=arguments.get("username") or None,
        password=arguments.get("password") or None,
        provider=arguments.get("credential_provider"),
        tls=tuple((name, _hashable(value)) for name, value in sorted(said.items())) if tls else None,
    )


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_CHECKS: Final[Mapping[Any, ssl.VerifyMode]] = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
    None: ssl.CERT_NONE,
}


def _context(said: Mapping[str, Any]) -> ssl.SSLContext:
    """Build what redis-py and valkey-py build from the same arguments (SSLConnection._wrap_socket_with_ssl)."""
    context = ssl.create_default_context()
    required = said.get("ssl_cert_reqs", "required")
    mode = _CHECKS[required] if required in _CHECKS else ssl.VerifyMode(required)
    context.check_hostname = bool(said["ssl_check_hostname"]) and mode is not ssl.CERT_NONE
    context.verify_mode = mode
    for flag in said.get("ssl_include_verify_flags") or ():
        context.verify_flags |= flag
    for flag in said.get("ssl_exclude_verify_flags") or ():
        context.verify_flags &= ~flag
    certificate, key = said.get("ssl_certfile"), said.get("ssl_keyfile")
    authorities = {name: said.get(f"ssl_{text}") for name, text in _AUTHORITIES.items()}
    try:
        if certificate or key:
            # Without a password OpenSSL would ask on the terminal, and wait.
            context.load_cert_chain(str(certificate), key, password=said.get("ssl_password") or "")
        if any(authorities.values()):
            context.load_verify_locations(**authorities)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise UsageError(f"the TLS certificate, key or authorities can't be used: {error}") from error
    if said.get("ssl_min_version") is not None:
        context.minimum_version = said["ssl_min_version"]
    if said.get("ssl_ciphers"):
        context.set_ciphers(said["ssl_ciphers"])
    return context


_AUTHORITIES: Final = {"cafile": "ca_certs", "capath": "ca_path", "cadata": "ca_data"}
