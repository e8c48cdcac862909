"""
How the servers of a deployment are dialled: with which credentials, TLS and address.

There is one `Dialler` for the Sentinels, and one for each `NodeAccess`: the deployment's own, and those of masters that
have another. No repr shows a password. Nothing here opens a socket.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Self, TypeAlias

from ..errors import UsageError
from ..link.greeting import NOBODY, WITHHELD, Credentials
from ..model import Address
from .address_map import AddressMap, map_address
from .credentials import CredentialProvider, Provided
from .dial import DialTarget, Tls

__all__ = ["AnyTls", "Dialler", "NodeAccess", "NodeDiallers", "read_tls"]


AnyTls: TypeAlias = Tls | ssl.SSLContext | None
"""TLS as a user gives it; None for none."""


def read_tls(tls: AnyTls) -> ssl.SSLContext | None:
    """
    Return the context for connections, with the certificates read; None without TLS.

    Raises:
        UsageError: a file can't be used.
    """
    return tls.context() if isinstance(tls, Tls) else tls


@dataclass(frozen=True, slots=True)
class NodeAccess:
    """Credentials and TLS for the data nodes of one master, as a whole; its repr shows no password."""

    username: str | None = None
    """The ACL user, which needs no more than ROLE; None for ``default``."""
    password: str | None = field(default=None, repr=False)
    """None for none."""
    tls: AnyTls = None
    """None for none."""
    credentials: CredentialProvider | None = field(default=None, repr=False, hash=False)
    """A provider of user and password, called for each connection, instead of the two; None for none."""


@dataclass(frozen=True, slots=True, eq=False)
class Dialler:
    """Credentials and TLS for servers of one kind, and what is dialled for each. Equal to nothing but itself."""

    credentials: Credentials | Provided = field(repr=False)
    """User and password, or their provider, which is called for each connection."""
    context: ssl.SSLContext | None
    """None without TLS."""
    server_name: str | None
    """The name in the servers' certificates; None for the host that is dialled."""
    address_map: AddressMap | None = field(repr=False)
    tls: AnyTls = field(default=None, repr=False)
    """What the user gave, for programs of others that dial too."""

    @classmethod
    def opened_by(
        cls,
        access: NodeAccess,
        address_map: AddressMap | None,
        whose: str,
        read: Callable[[AnyTls], ssl.SSLContext | None] = read_tls,
    ) -> Self:
        """
        Make one from what the user gave.

        Args:
            access: credentials and TLS.
            address_map: what Sentinel announces -> what can be dialled.
            whose: which servers, for errors and the log.
            read: makes the context for TLS.

        Raises:
            UsageError: a TLS file can't be used, or there are both a password and a provider.
        """
        credentials: Credentials | Provided = Credentials(access.username, access.password)
        if access.credentials is not None:
            if access.username is not None or access.password is not None:
                raise UsageError(f"give {whose} either a username and a password, or a credential provider")
            credentials = Provided(access.credentials, whose)
        server_name = access.tls.server_name if isinstance(access.tls, Tls) else None
        return cls(credentials, read(access.tls), server_name, address_map, access.tls)

    def target(self, address: Address, trusted: bool = True) -> DialTarget:
        """
        Return what one attempt dials.

        Args:
            address: as Sentinel announces it.
            trusted: whether the user or a majority of the Sentinels name it: otherwise it gets no credentials.

        Raises:
            UsageError: the address map failed.
        """
        credentials = self.credentials if trusted or self.credentials == NOBODY else WITHHELD
        return DialTarget(map_address(self.address_map, address), self.context, self.server_name, credentials)


class NodeDiallers:
    """
    How the data nodes of each master are dialled.

    Args:
        own: the deployment's access, for all masters that have none in `by_master`.
        by_master: another one, by the master's name. It replaces `own` as a whole: what it leaves out is not taken from
            there.
        address_map: what Sentinel announces -> what can be dialled.

    Masters with equal accesses have the same `Dialler`, and equal `Tls` are read once.

    Raises:
        UsageError: a TLS file can't be used, or a value is no `NodeAccess`.
    """

    def __init__(
        self, own: NodeAccess, by_master: Mapping[str, NodeAccess] | None, address_map: AddressMap | None
    ) -> None:
        read = cache(read_tls)

        @cache
        def dialler(access: NodeAccess) -> Dialler:
            return Dialler.opened_by(access, address_map, "the data nodes", read)

        self._own = dialler(own)
        self._by_master = {master: dialler(_checked(master, access)) for master, access in (by_master or {}).items()}

    def of(self, master: str | None) -> Dialler:
        """
        Return the dialler for the nodes of one master.

        Args:
            master: its name; None for the deployment's own access.
        """
        return self._own if master is None else self._by_master.get(master, self._own)


def _checked(master: str, access: object) -> NodeAccess:
    if not isinstance(access, NodeAccess):
        # The value may hold a password, so only its type is shown.
        raise UsageError(f"node_access of {master!r} must be a NodeAccess, not a {type(access).__name__}")
    return access
