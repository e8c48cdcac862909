"""
A Sentinel whose clients follow masters: the part that threads and asyncio share.

It does everything that the library's own Sentinel does. Addresses come from the Watcher's memory, and the same
arguments return the same client, so that calling `master_for` in every request costs one look-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar, overload

from ..errors import UsageError
from ..net.arguments import check_several, read_pair
from .client_options import take_options
from .library import Library
from .pool import FollowingPool
from .route import Route
from .sameness import frozen
from .shared import Lease, share
from .tally import Tally
from .watcher_settings import question_limit_of, settings_of

if TYPE_CHECKING:
    from ..net.sync import Watcher

__all__ = ["FollowingSentinel", "client_from_url"]

KEPT_CLIENTS: Final = 256
"""Different clients that one Sentinel keeps; further ones are made for each call, as in the library."""

_ROLES: Final = ("master", "replica")
_Theirs: Any = object
"""The library's own class, before which ours is mixed in."""
ClientT = TypeVar("ClientT")
"""The library's own client, which is the default."""
OtherT = TypeVar("OtherT")


class FollowingSentinel(Generic[ClientT], _Theirs):
    """
    A Sentinel, to be mixed in before the library's own.

    Args:
        sentinels: pairs of host and port.
        min_other_sentinels: other Sentinels that one must know to be believed.
        sentinel_kwargs: arguments for connections to Sentinels; None takes those of `connection_kwargs` that begin
            with ``socket_``.
        force_master_ip: a host to dial instead of the master's own.
        connection_kwargs: arguments for connections to nodes, and ours (`Options`).

    Raises:
        UsageError: one of ours is wrong.
    """

    in_loop: ClassVar[bool] = False
    """Whether it is for asyncio."""
    library: ClassVar[Library]
    pool_class: ClassVar[type]
    client_class: ClassVar[type]

    def __init__(
        self,
        sentinels: Any,
        min_other_sentinels: int = 0,
        sentinel_kwargs: Mapping[str, Any] | None = None,
        force_master_ip: str | None = None,
        **connection_kwargs: Any,
    ) -> None:
        self.options = take_options(connection_kwargs)
        self.tally = Tally(self.options.hook, self.options.on_switch, self.in_loop)
        addresses = [tuple(read_pair(each)) for each in check_several(sentinels)]
        super().__init__(addresses, min_other_sentinels, sentinel_kwargs, **connection_kwargs)
        # valkey-py has no such argument; we implement it anyway.
        self._force_master_ip = force_master_ip
        self._shared = share(settings_of(self, None, self.options.address_map, self.library.check_hostname))
        self._lease = Lease(self._shared, self)
        self._own: dict[str, Route] = {}
        self._clients: dict[Any, Any] = {}

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> Self:
        """
        Make a Sentinel from a URL such as ``redis+sentinel://user:pass@h1:26379,h2:26379/mymaster/0?hold=1``.

        Args:
            url: see `switchmaster.url.parse_url` for its form. Beside the parameters named there it takes ours
                (``hold``, ``failover_wait``, ``drain``) and those that the library's own URLs take; see
                `switchmaster.client.url_arguments` for those that the Sentinels get.
            arguments: as for the class; the URL takes precedence.

        Raises:
            UsageError: the URL is wrong; the sentence never shows what could be a password.
        """
        from .url_arguments import arguments_of

        return cls(**arguments_of(cls.library, url, arguments)[0])

    # -- what the user sees -------------------------------------------------------------------------

    @property
    def watcher(self) -> Watcher:
        """
        The Watcher that all clients of this process with the same Sentinels and credentials share.

        It is the one for threads, and runs in a thread of its own; its callbacks (`Watcher.on_switch` ...) suit
        asyncio too. Do not close it.
        """
        self._lease.open()
        return self._shared.watcher

    @property
    def counters(self) -> dict[str, float]:
        """What happened to the clients of this Sentinel; see `switchmaster.client.tally.ClientCounters`."""
        return self.tally.read()

    # -- clients ------------------------------------------------------------------------------------

    @overload
    def master_for(
        self, service_name: str, redis_class: None = None, connection_pool_class: Any = None, **kwargs: Any
    ) -> ClientT: ...

    @overload
    def master_for(
        self, service_name: str, redis_class: type[OtherT], connection_pool_class: Any = None, **kwargs: Any
    ) -> OtherT: ...

    def master_for(
        self, service_name: str, redis_class: Any = None, connection_pool_class: Any = None, **kwargs: Any
    ) -> Any:
        """
        Return a client for a master; the same one for the same arguments.

        Args:
            service_name: the master's name.
            redis_class: the class of the client; ``valkey_class`` for valkey-py.
            connection_pool_class: the class of its pool; only ours follow by push.
            kwargs: arguments for its connections, in addition to the Sentinel's, and ours (`Options`).
        """
        return self._client(True, service_name, redis_class, connection_pool_class, kwargs)

    @overload
    def slave_for(
        self, service_name: str, redis_class: None = None, connection_pool_class: Any = None, **kwargs: Any
    ) -> ClientT: ...

    @overload
    def slave_for(
        self, service_name: str, redis_class: type[OtherT], connection_pool_class: Any = None, **kwargs: Any
    ) -> OtherT: ...

    def slave_for(
        self, service_name: str, redis_class: Any = None, connection_pool_class: Any = None, **kwargs: Any
    ) -> Any:
        """Return a client for a master's replicas, or for the master if there are none; see `master_for`."""
        return self._client(False, service_name, redis_class, connection_pool_class, kwargs)

    @overload
    def replica_for(
        self, service_name: str, redis_class: None = None, connection_pool_class: Any = None, **kwargs: Any
    ) -> ClientT: ...

    @overload
    def replica_for(
        self, service_name: str, redis_class: type[OtherT], connection_pool_class: Any = None, **kwargs: Any
    ) -> OtherT: ...

    def replica_for(
        self, service_name: str, redis_class: Any = None, connection_pool_class: Any = None, **kwargs: Any
    ) -> Any:
        """Return a client for a master's replicas: another name of `slave_for`."""
        return self._client(False, service_name, redis_class, connection_pool_class, kwargs)

    def filter_replicas(self, replicas: Any) -> Any:
        """Remove replicas that are down: another name of ``filter_slaves``."""
        return self.filter_slaves(replicas)

    def _client(self, master: bool, name: str, client_class: Any, pool_class: Any, kwargs: dict[str, Any]) -> Any:
        client_class = client_class or kwargs.pop(f"{self.library.name}_class", self.client_class)
        pool_class = pool_class or self.pool_class
        clients = self._kept()
        key = (master, name, client_class, pool_class, frozen(kwargs, self.library.values))
        client = clients.get(key)
        if client is None:
            made = self._make(master, name, client_class, pool_class, kwargs)
            if len(clients) >= KEPT_CLIENTS or not isinstance(getattr(made, "connection_pool", None), FollowingPool):
                return made
            # Without a lock, which a fork in another thread would leave held for ever: the first client counts.
            client = clients.setdefault(key, made)
            if client is made:
                return client
        client.connection_pool.shared_out = True
        return client

    def _kept(self) -> dict[Any, Any]:
        """Return the clients that this caller may share."""
        return self._clients

    def _all_kept(self) -> list[dict[Any, Any]]:
        return [self._clients]

    def _make(self, master: bool, name: str, client_class: Any, pool_class: Any, kwargs: dict[str, Any]) -> Any:
        arguments = {**self.connection_kwargs, **kwargs, "is_master": master}
        return client_class.from_pool(pool_class(name, self, **arguments))

    def library_verb(self, name: str) -> Any:
        """Return a method of the library's own Sentinel, which asks one Sentinel after the other."""
        return getattr(super(), name)

    # -- addresses ----------------------------------------------------------------------------------

    def _route(self, service_name: str) -> Route:
        route = self._own.get(service_name)
        if route is None:
            route = self._own[service_name] = Route(
                self,
                service_name,
                True,
                self._shared,
                self.options,
                self.tally,
                self.library,
                self._force_master_ip,
                self.min_other_sentinels,
                question_limit_of(self),
                counts=False,
            )
        return route

    def _let_go(self) -> None:
        """
        End this Sentinel's leases of the Watcher; the next use opens them again.

        A client that several callers share is closed by none of them, so its lease ends here as well.
        """
        given = [client.connection_pool for clients in self._all_kept() for client in clients.values()]
        held = [*self._own.values(), *(pool.route for pool in given if pool.shared_out)]
        for lease in (self._lease, *(route.lease for route in held)):
            lease.close()

    def _replicas(self, route: Route) -> list[tuple[str, int]]:
        usable = route.follower.replicas.current.usable
        return [(host, port) for host, port in (route.dialled(each, master=False) for each in usable)]


def client_from_url(sentinel_class: type[FollowingSentinel[ClientT]], url: str, arguments: dict[str, Any]) -> ClientT:
    """
    Make a client of the master that a URL names, or of its replicas if it says ``role=replica``.

    Args:
        sentinel_class: the Sentinel to make it with.
        url: see `FollowingSentinel.from_url`; it must name a master.
        arguments: as for the Sentinel.

    Raises:
        UsageError: the URL is wrong, or names no master.
    """
    from .url_arguments import arguments_of

    given, said = arguments_of(sentinel_class.library, url, arguments)
    if not said.masters:
        raise UsageError("the URL names no master: expected redis+sentinel://HOST:PORT,HOST:PORT/MASTER")
    role = (said.parameters or {}).get("role", "master")
    if role not in _ROLES:
        raise UsageError("the URL's role must be master or replica")
    sentinel = sentinel_class(**given)
    return sentinel.master_for(said.masters[0]) if role == "master" else sentinel.replica_for(said.masters[0])
