"""
The few names in which client libraries differ: redis-py 6 to 8, and valkey-py 6, which is a fork of an older redis-py.

`bind` imports a library and returns a `Library`. All our classes take their exceptions from there, so that an
application catches what it always caught: every error of ours is also the library's ``MasterNotFoundError`` (for
threads and for asyncio) or its ``ConnectionError``.
"""

from __future__ import annotations

import functools
import inspect
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from .. import errors

__all__ = ["Library", "bind"]


@dataclass(frozen=True, slots=True)
class Library:
    """One client library."""

    name: str
    """``redis`` or ``valkey``; also the extra that brings it."""
    exceptions: Any
    """Its module of exceptions."""
    no_retry: Any
    """Its `Retry` that tries once, for threads."""
    no_retry_in_loop: Any
    """The same for asyncio."""
    check_hostname: bool
    """Whether it checks the host name of a certificate by default."""
    url_parameters: dict[str, Any]
    """The parameters of its URLs, and how each value is read."""
    arguments: frozenset[str]
    """The arguments of its connections for threads, TLS included."""
    master_not_found: type[Exception]
    """Its ``MasterNotFoundError``, for threads and for asyncio, and its ``SlaveNotFoundError``, as one class."""
    subscribers: tuple[type, ...]
    """Its ``PubSub``, of threads and of asyncio."""
    values: tuple[type, ...]
    """Its classes whose instances are equal if their attributes are, even if the library compares them otherwise."""
    raised: dict[type[errors.SwitchmasterError], type[Exception]]
    """Our errors as the library's: the classes that are raised to its users."""

    @property
    def unreachable(self) -> tuple[type[Exception], ...]:
        """The errors of a connection that could not be made, or was lost."""
        return (self.exceptions.ConnectionError, self.exceptions.TimeoutError, OSError)

    @property
    def intact(self) -> tuple[type[Exception], ...]:
        """The errors that end the reading of an answer without leaving it half read."""
        return (self.exceptions.TimeoutError, self.exceptions.ResponseError)

    @property
    def read_failures(self) -> tuple[type[Exception], ...]:
        """The errors that the reading of an answer may end with."""
        return (self.exceptions.ResponseError, self.exceptions.ConnectionError, self.exceptions.TimeoutError)

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """The errors that an attempt to connect may end with, `may_pass` or not."""
        own = getattr(self.exceptions, f"{self.name.capitalize()}Error")
        return (own, OSError, UnicodeError, errors.StaleMaster)

    def may_pass(self, failure: BaseException, handled: BaseException | None = None) -> bool:
        """
        Tell whether waiting may help after a failed attempt to connect.

        It may if the node is away, busy or not the master (yet): refused, reset, timed out, LOADING, a name that can't
        be resolved (in Kubernetes names come and go with their servers). It can't if the configuration is wrong: a
        certificate or another TLS matter, a file that can't be read, a login or a right that is refused, a database
        that does not exist, a peer that speaks another protocol.

        Decided by the classes of the library's errors, which it chooses by the server's error code, and of Python's.

        Args:
            failure: the error that the attempt ended with.
            handled: the exception that the caller was handling when the attempt began; it is no cause of this one.
        """
        if isinstance(failure, errors.StaleMaster):
            return True
        if isinstance(failure, (self.exceptions.AuthenticationError, self.exceptions.AuthorizationError)):
            return False
        if not isinstance(failure, self.unreachable):
            return False
        cause = _cause(failure, handled)
        return isinstance(cause, _PASSING_TLS) or not isinstance(cause, _CONFIGURATION)

    def lost(self, sentence: str) -> Exception:
        """Return the library's ConnectionError."""
        return _made(self.exceptions.ConnectionError, sentence)

    def not_here(self, master: str) -> Exception:
        """
        Return the error of a command that would wait in a thread of ours, which brings what it would wait for.

        It is the library's widest one: a `Retry` does not repeat it.

        Args:
            master: the master's name.
        """
        own: type[Exception] = getattr(self.exceptions, f"{self.name.capitalize()}Error")
        return _made(
            own,
            f"the address of {master!r} is not known yet and can't be waited for here: this is the Watcher's own "
            "thread, which finds it. Nothing was sent. A callback of the Watcher, or a finalizer that the garbage "
            "collector runs there, can't use a client during a failover: hand the work to a thread of your own",
        )

    def timeout(self, sentence: str) -> Exception:
        """Return the library's TimeoutError."""
        return _made(self.exceptions.TimeoutError, sentence)

    def not_found(self, sentence: str) -> Exception:
        """Return the library's own MasterNotFoundError, for threads and for asyncio."""
        return self.master_not_found(sentence)

    def error(self, error: errors.SwitchmasterError) -> Exception:
        """Return one of our errors as an instance of the library's class too."""
        kind = self.raised.get(type(error))
        return error if kind is None else kind(*error.args)


_CONFIGURATION: Final = (
    ssl.SSLError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, UnicodeError,
)  # fmt: skip
"""Waiting can't help. A missing file can only be one of certificates; a `UnicodeError` is an impossible host name."""
_PASSING_TLS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""The peer went away during the handshake, as a killed one does."""
_DEPTH: Final = 8
"""Errors that are followed, from the library's own to Python's that caused it."""


def _cause(failure: BaseException, handled: BaseException | None) -> BaseException:
    """Return the error of Python that caused the library's; the library's own if there is none."""
    found: BaseException | None = failure
    for _ in range(_DEPTH):
        if found is None or found is handled:
            break
        if isinstance(found, (OSError, UnicodeError)):
            return found
        found = found.__context__ if found.__cause__ in (None, found) else found.__cause__
    return failure


def _made(kind: type[Exception], sentence: str) -> Exception:
    return kind(sentence)


@functools.cache
def bind(name: str) -> Library:
    """
    Import a client library.

    Args:
        name: ``redis`` or ``valkey``.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        exceptions = import_module(f"{name}.exceptions")
    except ImportError:
        raise errors.MissingDependency(name, name) from None
    retry, backoff = import_module(f"{name}.retry").Retry, import_module(f"{name}.backoff").NoBackoff
    connection = import_module(f"{name}.connection")
    parsers = getattr(connection, "URL_QUERY_ARGUMENT_PARSERS", None)
    if parsers is None:  # valkey-py has a module for it
        parsers = import_module(f"{name}._parsers.url_parser").URL_QUERY_ARGUMENT_PARSERS
    return Library(
        name=name,
        exceptions=exceptions,
        no_retry=retry(backoff(), 0),
        no_retry_in_loop=import_module(f"{name}.asyncio.retry").Retry(backoff(), 0),
        check_hostname=bool(
            inspect.signature(connection.SSLConnection.__init__).parameters["ssl_check_hostname"].default
        ),
        url_parameters=dict(parsers),
        arguments=frozenset(
            name
            for kind in (connection.AbstractConnection, connection.Connection, connection.SSLConnection)
            for name in inspect.signature(kind.__init__).parameters
        ),
        master_not_found=type("MasterNotFoundError", tuple(_not_found(name)), {"__module__": f"switchmaster.{name}"}),
        subscribers=tuple(import_module(f"{name}.{part}").PubSub for part in ("client", "asyncio.client")),
        values=tuple(_values(name)),
        raised=_errors(name, exceptions),
    )


def _values(name: str) -> Iterator[type]:
    for module, kind in _VALUES:
        try:
            yield getattr(import_module(f"{name}.{module}"), kind)
        except (ImportError, AttributeError):  # older versions, and valkey-py, lack some
            continue


_VALUES: Final = (
    ("retry", "Retry"),
    ("asyncio.retry", "Retry"),
    ("backoff", "AbstractBackoff"),
    ("credentials", "UsernamePasswordCredentialProvider"),
    ("cache", "CacheConfig"),
    ("driver_info", "DriverInfo"),
)


def _not_found(name: str) -> list[type[Exception]]:
    modules = [import_module(f"{name}.sentinel"), import_module(f"{name}.asyncio.sentinel")]
    return [getattr(module, kind) for kind in ("MasterNotFoundError", "SlaveNotFoundError") for module in modules]


def _errors(name: str, exceptions: Any) -> dict[type[errors.SwitchmasterError], type[Exception]]:
    """Make, for each error that reaches the library's users, a class that is both ours and the library's."""
    not_found = _not_found(name)
    bases: dict[type[errors.SwitchmasterError], list[type[Exception]]] = {
        errors.NoSentinelReachable: not_found,
        errors.UnknownMaster: not_found,
        errors.NoMasterElected: not_found,
        errors.StaleMaster: not_found,
        errors.TransactionMoved: [exceptions.ConnectionError],
        errors.SessionMoved: [exceptions.ConnectionError],
    }
    made: dict[type[errors.SwitchmasterError], type[Exception]] = {
        ours: type(ours.__name__, (ours, *theirs), {"__doc__": ours.__doc__, "__module__": f"switchmaster.{name}"})
        for ours, theirs in bases.items()
    }
    # A handler for the wider class, by its name here, catches this too.
    refused = (errors.AccessRefused, made[errors.NoSentinelReachable])
    described = {"__doc__": errors.AccessRefused.__doc__, "__module__": f"switchmaster.{name}"}
    return made | {errors.AccessRefused: type("AccessRefused", refused, described)}
