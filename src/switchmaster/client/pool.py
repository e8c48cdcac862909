"""A pool of connections that follow a master: the part that threads and asyncio share."""

from __future__ import annotations

from typing import Any, ClassVar

from .client_options import Options, take_options
from .connection import FollowingConnection
from .library import Library
from .route import Route
from .shared import share
from .tally import Tally
from .watcher_settings import question_limit_of, settings_of

__all__ = ["FollowingPool"]

_Theirs: Any = object
"""The library's own class, before which ours is mixed in."""


class FollowingPool(_Theirs):
    """
    A pool, to be mixed in before the library's own ``SentinelConnectionPool``.

    Args:
        service_name: the master's name.
        sentinel_manager: a Sentinel, ours or the library's: programs that build pools themselves (Celery and
            django-redis do) get a pool that follows too.
        arguments: as for the library's pool, and ours (`Options`).

    Raises:
        UsageError: one of ours is wrong.
    """

    in_loop: ClassVar[bool] = False
    """Whether it is for asyncio."""
    library: ClassVar[Library]
    plain_connection: ClassVar[type]
    tls_connection: ClassVar[type]

    shared_out = False
    """Whether several callers of `master_for` have it: then none of them may end all connections."""
    route: Route

    def __init__(self, service_name: str, sentinel_manager: Any, **arguments: Any) -> None:
        defaults = getattr(sentinel_manager, "options", Options())
        options = take_options(arguments, defaults)
        connection = self.tls_connection if arguments.pop("ssl", False) else self.plain_connection
        arguments.setdefault("connection_class", connection)
        super().__init__(service_name, sentinel_manager, **arguments)
        # For tracers; `Route` keeps them up to date. Connections learn where to go whenever they connect. Set last:
        # given a host, redis-py's pool for asyncio expects maintenance notices, and takes a dead idle connection for a
        # good one.
        self.connection_kwargs |= {"host": service_name, "port": 0}
        tally = getattr(sentinel_manager, "tally", None)
        if tally is None or tally.hook is not options.hook or tally.on_switch != options.on_switch:
            tally = Tally(options.hook, options.on_switch, self.in_loop)
        self.route = Route(
            self,
            service_name,
            self.is_master,
            share(settings_of(sentinel_manager, self, options.address_map, self.library.check_hostname)),
            options,
            tally,
            self.library,
            getattr(sentinel_manager, "_force_master_ip", None),
            getattr(sentinel_manager, "min_other_sentinels", 0),
            question_limit_of(sentinel_manager),
        )
        proxy = getattr(self, "proxy", None)  # of threads
        if proxy is not None:
            # Connections hold the proxy. In a finalizer the pool may be gone already, and they must still work.
            proxy.route = self.route
            # redis-py's MultiDBClient makes a client of its own from these, for health checks (`redis.multidb`).
            proxy.connection_kwargs = self.connection_kwargs

    @property
    def master_address(self) -> tuple[str, int] | None:
        """Where its master is, as it is dialled; None if that is not known."""
        route = getattr(self, "route", None)
        address = route.follower.phases.current.address if route is not None else None
        if route is None or address is None:
            return None
        host, port = route.dialled(address, True)
        return host, port

    @master_address.setter
    def master_address(self, value: object) -> None:
        """Ignore the value: the library keeps and resets it, we derive it."""

    @staticmethod
    def _finish(connection: Any) -> None:
        """End what the last user of a connection left unfinished."""
        # redis-py's client-side cache wraps our connection; a user's own class is not ours.
        ours = getattr(connection, "_conn", connection)
        if isinstance(ours, FollowingConnection):
            ours.finish()

    def _spared(self, in_use: bool) -> bool:
        """Return whether connections in use are to be disconnected too; if all are, the lease ends."""
        if self.shared_out:
            return False
        if in_use and hasattr(self, "route"):
            self.route.lease.close()
        return in_use
