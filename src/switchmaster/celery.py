"""
Celery and kombu on a master that is followed: a transport for the broker, and a result backend.

::

    broker_transport = "switchmaster.celery:Transport"
    broker_url = "sentinel://h1:26379;sentinel://h2:26379"
    broker_transport_options = {"master_name": "mymaster"}
    result_backend = "switchmaster+sentinel://h1:26379;sentinel://h2:26379"
    result_backend_transport_options = {"master_name": "mymaster"}

URLs and options are those of Celery's own ``sentinel://``; the options may also hold ours
(`switchmaster.client.client_options.Options`). Once this module is imported ``switchmaster+sentinel://`` is a name for
the broker too; kombu finds no transport by an entry point, as Celery finds its backends.

A worker stays: its connections end in a failover, because kombu polls their descriptors itself, and they are made again
at the new master, without Celery's starting its consumer again. Works with Celery 5.4 and kombu 5.4 on; with a kombu
older than 5.7 the consumer starts again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty
from typing import Any, Final

from celery.backends.redis import SentinelBackend
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import MultiChannelPoller, QoS, SentinelChannel, SentinelTransport
from kombu.utils.url import url_to_parts

from . import redis
from .client.sameness import frozen

__all__ = ["Backend", "Channel", "Transport", "UnackedMessages"]

OWN_OPTIONS: Final = ("hold", "failover_wait", "drain", "address_map", "hook")
SCHEMES: Final = ("sentinel", "switchmaster+sentinel")
COMES_BACK: Final = hasattr(MultiChannelPoller, "_discard_paused_connection")
"""Whether this kombu goes on polling after one of its connections has ended."""

_Sentinel: Any = redis.Sentinel
_Pool: Any = redis.SentinelConnectionPool
_sentinels: dict[Any, Any] = {}
"""One for the same arguments, kept for the whole process: kombu closes and opens channels in a failover, and a Watcher
that ended with them would miss the news."""


class UnackedMessages(QoS):
    """
    kombu's record of messages that are delivered and not acknowledged, at the master.

    Each of its steps may be repeated, so one whose answer was lost with the master is: otherwise a task would be lost,
    or run again after the visibility timeout.
    """

    def append(self, message: Any, delivery_tag: Any) -> None:
        self._twice(lambda: super(UnackedMessages, self).append(message, delivery_tag))

    def ack(self, delivery_tag: Any) -> None:
        self._twice(lambda: super(UnackedMessages, self).ack(delivery_tag))

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        self._twice(lambda: super(UnackedMessages, self).reject(delivery_tag, requeue))

    def _twice(self, step: Callable[[], None]) -> None:
        try:
            step()
        except self.channel.connection_errors:
            step()  # it waits for the new master by itself


class Channel(SentinelChannel):
    """A channel of kombu whose connections follow the master."""

    connection_class = redis.SentinelManagedConnection
    connection_class_ssl = redis.SentinelManagedSSLConnection
    from_transport_options = (*SentinelChannel.from_transport_options, *OWN_OPTIONS)
    QoS = UnackedMessages

    # -- where it connects --------------------------------------------------------------------------

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous)
        url = self.connection.client.hostname or ""
        if "://" in url and (database := url_to_parts(url).path):
            # kombu leaves the rest of switchmaster+sentinel:// unread, and takes no database from it.
            parameters["db"] = self._prepare_virtual_host(database)
        return parameters

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        name = getattr(self, "master_name", None)
        if name is None:
            raise ValueError("broker_transport_options names no master: expected {'master_name': ...}")
        arguments = {**self._connparams(asynchronous)}
        for place in ("host", "port"):
            arguments.pop(place, None)
        kind = arguments.pop("connection_class")
        sentinel = self._sentinel(arguments)
        return _Pool(name, sentinel, **{**sentinel.connection_kwargs, "connection_class": kind})

    def _sentinel(self, arguments: dict[str, Any]) -> Any:
        """Return the process's Sentinel for these arguments of connections."""
        said = {name: getattr(self, name) for name in OWN_OPTIONS if hasattr(self, name)}
        for option in ("min_other_sentinels", "sentinel_kwargs"):
            if (value := getattr(self, option, None)) is not None:
                said[option] = value
        said = {**arguments, **said, "sentinels": tuple(self._addresses())}
        key = frozen(said, _Sentinel.library.values)
        found = _sentinels.get(key)
        if found is None:
            found = _sentinels.setdefault(key, _Sentinel(**said))
            _ = found.watcher  # from here on it listens, whichever channels there are
        return found

    def _addresses(self) -> Iterator[tuple[str, int]]:
        client = self.connection.client
        for each in client.alt or [client.hostname or ""]:
            if "://" not in each:
                yield each or "127.0.0.1", client.port or self.connection.default_port
                continue
            parts = url_to_parts(each)
            if parts.scheme in SCHEMES:
                yield parts.hostname or "127.0.0.1", parts.port or self.connection.default_port

    # -- after a failover ---------------------------------------------------------------------------

    def _brpop_start(self, timeout: float | None = None) -> None:
        self._start(self.client, "BRPOP", lambda: super(Channel, self)._brpop_start(timeout))

    def _subscribe(self) -> None:
        self._start(self.subclient, "LISTEN", super()._subscribe)

    def _brpop_read(self, **options: Any) -> Any:
        return self._read(self.client, "BRPOP", lambda: super(Channel, self)._brpop_read(**options))

    def _receive(self) -> Any:
        return self._read(self.subclient, "LISTEN", super()._receive)

    def _start(self, client: Any, kind: str, start: Callable[[], None]) -> None:
        """Begin to wait for messages; on a new connection if the one that is polled must not move unnoticed."""
        try:
            start()
        except self.connection_errors:
            if not COMES_BACK:
                raise
            self._let_go(client, kind)
            self.connection.cycle._register(self, client, kind)
            start()

    def _read(self, client: Any, kind: str, read: Callable[[], Any]) -> Any:
        """Read messages; if the connection has ended there is none, and kombu's next turn makes a new one."""
        connection = client.connection
        opened = connection._sock if connection is not None else None
        try:
            return read()
        except self.connection_errors:
            # What a message leads to may fail too, on other connections. A PubSub is connected again by now.
            if not COMES_BACK or opened is None:
                raise
            if connection._sock is opened and connection.at is not None and not connection.ended:
                raise
            self._let_go(client, kind)
            raise Empty from None

    def _let_go(self, client: Any, kind: str) -> None:
        """End a connection, so that kombu neither polls it nor takes the next for it."""
        client.connection.disconnect()
        self.connection.cycle._chan_to_sock.pop((self, client, kind), None)


class Poller(MultiChannelPoller):
    """
    What waits for the connections of all channels; one that ends is forgotten, so that the next turn makes it again.

    kombu's own does so only in its event loop, which greenlets don't have. There it would go on polling the number of a
    socket that is closed, which soon is another socket's, and then wait on a connection that has nothing to read.
    """

    def _on_connection_disconnect(self, connection: Any) -> None:
        self._discard_paused_connection(connection)
        ended = set()
        for channel, client, kind in list(self._chan_to_sock):
            if client.connection is connection:
                del self._chan_to_sock[channel, client, kind]
                ended.add((channel, kind))
        for number, place in list(self._fd_to_chan.items()):
            if place in ended:
                del self._fd_to_chan[number]
                with suppress(OSError, KeyError):  # as the system may have done by itself
                    self.poller.unregister(number)


class Transport(SentinelTransport):
    """The transport: ``broker_transport = "switchmaster.celery:Transport"``."""

    Channel = Channel

    def __init__(self, client: Any, **arguments: Any) -> None:
        super().__init__(client, **arguments)
        if COMES_BACK:
            self.cycle = Poller()
        # kombu would go from one Sentinel to the next, and with sentinel:// to its own transport; ours asks all.
        client.cycle = None


class Backend(SentinelBackend):
    """The result backend: ``result_backend = "switchmaster+sentinel://..."``."""

    sentinel = redis
    connection_class_ssl = redis.SentinelManagedSSLConnection

    def _get_sentinel_instance(self, **parameters: Any) -> Any:
        options = self._transport_options
        said = {name: options[name] for name in OWN_OPTIONS if name in options}
        return super()._get_sentinel_instance(**parameters, **said)


for _name in ("switchmaster", *SCHEMES[1:]):
    TRANSPORT_ALIASES.setdefault(_name, f"{__name__}:Transport")
