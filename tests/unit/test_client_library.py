"""Which failures of an attempt to connect are temporary, by their classes alone; the same for both libraries."""

from __future__ import annotations

import socket
import ssl

import pytest

from switchmaster.client.library import Library, bind
from switchmaster.errors import StaleMaster


@pytest.fixture(params=["redis", "valkey"])
def library(request: pytest.FixtureRequest) -> Library:
    return bind(request.param)


def made(library: Library, cause: Exception) -> Exception:
    """Return the error that a library raises for one of the operating system."""
    try:
        try:
            raise cause
        except Exception:
            raise library.exceptions.ConnectionError(f"Error connecting: {cause}")  # noqa: B904  # as the library does
    except library.exceptions.ConnectionError as error:
        return error  # type: ignore[no-any-return]


MENDED_BY_NOTHING = [
    ssl.SSLCertVerificationError("certificate verify failed"),
    ssl.SSLError(1, "wrong version number"),
    FileNotFoundError("ca.pem"),
    PermissionError("key.pem"),
    UnicodeError("label too long"),
]
MAY_PASS = [
    ConnectionRefusedError(),
    ConnectionResetError(),
    OSError(113, "no route to host"),
    TimeoutError(),
    socket.gaierror(socket.EAI_NONAME, "not known"),
    ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
    ssl.SSLZeroReturnError(6, "closed"),
]


@pytest.mark.parametrize("cause", MENDED_BY_NOTHING, ids=repr)
def test_wrong_configuration_is_permanent(library: Library, cause: Exception) -> None:
    assert not library.may_pass(made(library, cause))
    assert not library.may_pass(cause)


@pytest.mark.parametrize("cause", MAY_PASS, ids=repr)
def test_unavailable_server_may_come_back(library: Library, cause: Exception) -> None:
    assert library.may_pass(made(library, cause))
    assert library.may_pass(cause)


def test_replies_are_judged_by_their_class(library: Library) -> None:
    kinds = library.exceptions
    for refusal in ("AuthenticationError", "AuthorizationError", "NoPermissionError", "ResponseError"):
        assert not library.may_pass(getattr(kinds, refusal)("certificate verify failed; try again"))
    assert not library.may_pass(kinds.InvalidResponse("Protocol Error: b'HTTP/1.1'"))
    assert library.may_pass(kinds.BusyLoadingError("Redis is loading the dataset in memory"))
    assert library.may_pass(StaleMaster("mymaster", "10.0.0.1:6379", "slave"))


def test_error_that_the_caller_was_handling_is_no_cause(library: Library) -> None:
    handled = ssl.SSLCertVerificationError("another server's")
    try:
        raise handled
    except ssl.SSLError:
        lost = made(library, ConnectionRefusedError())
        try:
            raise library.exceptions.ConnectionError("Connection closed by server.")
        except library.exceptions.ConnectionError as error:
            closed = error
    assert library.may_pass(lost, handled)
    assert not library.may_pass(closed)
    assert library.may_pass(closed, handled)


def test_error_that_is_its_own_cause_is_looked_through(library: Library) -> None:
    error = made(library, ssl.SSLError(1, "alert certificate required"))
    error.__cause__ = error
    assert not library.may_pass(error)
