"""
Permanent errors are raised at once, as the library raises them: TLS, logins, rights, databases, other protocols.

In each case the Sentinels are right and the nodes wrong. A command waits only for a node that is down, busy or not the
master yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions
import trustme

import switchmaster.redis
import switchmaster.redis.asyncio
from rig.client_lab import end, in_thread
from rig.lab_fixtures import find_or_skip
from switchmaster.errors import UsageError
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

WAIT = 30.0
"""Seconds that a command would wait for a failover."""
AT_ONCE = 10.0
"""Far less than that, and far more than two busy cores add to an attempt."""
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(
        binary=str(find_or_skip("redis-7.0").path),
        replicas=1,
        tls=True,
        tls_client_auth=True,
        node_users=("user nobody on >pw -@all",),
    ) as lab:
        yield lab


class Impostor:
    """A server that answers each connection with the same bytes, or nothing; over TLS if it has a context."""

    def __init__(self, answer: bytes = b"", context: ssl.SSLContext | None = None) -> None:
        self._answer, self._context = answer, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                opened, _ = self._listener.accept()
            except OSError:
                return
            try:
                with opened if self._context is None else self._context.wrap_socket(opened, server_side=True) as one:
                    one.recv(4096)
                    one.sendall(self._answer)
            except OSError:
                continue

    def close(self) -> None:
        self._listener.close()


def right(lab: Lab) -> dict[str, Any]:
    assert lab.certificates is not None
    return {
        "ssl": True,
        "ssl_ca_certs": str(lab.certificates.ca),
        "ssl_certfile": str(lab.certificates.client),
        "ssl_keyfile": str(lab.certificates.client_key),
    }


def outcomes(lab: Lab, nodes: dict[str, Any]) -> list[tuple[Exception, float]]:
    """Return the outcome of a command, with threads and with asyncio, and after how long."""
    given = {"sentinel_kwargs": right(lab), "failover_wait": WAIT, "socket_timeout": 5.0, **nodes}

    def plainly() -> None:
        sentinel = switchmaster.redis.Sentinel(lab.sentinel_addresses, **given)
        client = sentinel.master_for("mymaster")
        try:
            client.set("k", 1)
        finally:
            end(client)

    async def in_loop() -> None:
        async with switchmaster.redis.asyncio.Sentinel(lab.sentinel_addresses, **given) as sentinel:
            client = sentinel.master_for("mymaster")
            try:
                await client.set("k", 1)
            finally:
                client.connection_pool.shared_out = False
                await client.aclose()

    found = []
    for work in (plainly, lambda: asyncio.run(in_loop())):
        began = time.monotonic()
        with pytest.raises(Exception) as caught:  # noqa: PT011  # which one it is, is what the test looks at
            work()
        found.append((caught.value, time.monotonic() - began))
    return found


def check(lab: Lab, nodes: dict[str, Any], kind: type[Exception], words: str) -> None:
    for error, after in outcomes(lab, nodes):
        assert isinstance(error, kind), repr(error)
        assert not isinstance(error, switchmaster.redis.NoMasterElected), repr(error)
        assert words in str(error), repr(error)
        assert after < AT_ONCE, (after, repr(error))


CASES: dict[str, tuple[Callable[[Lab, Path], dict[str, Any]], type[Exception], str]] = {
    "file missing": (
        lambda lab, folder: right(lab) | {"ssl_ca_certs": str(folder / "absent.pem")},
        UsageError,
        "No such file",
    ),
    "no client certificate": (
        lambda lab, _: {"ssl": True, "ssl_ca_certs": right(lab)["ssl_ca_certs"]},
        redis.exceptions.ConnectionError,
        "",
    ),
    "wrong password": (
        lambda lab, _: right(lab) | {"username": "nobody", "password": "wrong"},
        redis.exceptions.AuthenticationError,
        "invalid username-password pair",
    ),
    "no right": (
        lambda lab, _: right(lab) | {"username": "nobody", "password": "pw", "client_name": "me"},
        redis.exceptions.NoPermissionError,
        "permission",
    ),
    "wrong database": (lambda lab, _: right(lab) | {"db": 99}, redis.exceptions.ResponseError, "DB index"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_configuration_is_raised_at_once(lab: Lab, case: str, tmp_path: Path) -> None:
    nodes, kind, words = CASES[case]
    check(lab, nodes(lab, tmp_path), kind, words)


@pytest.mark.parametrize(
    ("names", "trusted", "expired", "words"),
    [
        (("elsewhere.test",), True, False, "CERTIFICATE_VERIFY_FAILED"),
        (("127.0.0.1",), False, False, "CERTIFICATE_VERIFY_FAILED"),
        (("127.0.0.1",), True, True, "CERTIFICATE_VERIFY_FAILED"),
    ],
    ids=["another name", "another authority", "expired"],
)
def test_wrong_certificate_of_a_node_is_raised_at_once(
    lab: Lab, tmp_path: Path, names: tuple[str, ...], trusted: bool, expired: bool, words: str
) -> None:
    authority, known = trustme.CA(), trustme.CA()
    (authority if trusted else known).cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert(*names, not_before=PAST if expired else None, not_after=PAST if expired else None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    with closing(Impostor(context=context)) as impostor:
        nodes = right(lab) | {
            "ssl_ca_certs": str(tmp_path / "ca.pem"),
            "ssl_check_hostname": True,
            "address_map": {lab.master().address: impostor.address},
        }
        check(lab, nodes, redis.exceptions.ConnectionError, words)


@pytest.mark.parametrize("tls", [False, True], ids=["plainly", "TLS"])
def test_peer_that_speaks_something_else_is_raised_at_once(lab: Lab, tls: bool) -> None:
    with closing(Impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as impostor:
        nodes: dict[str, Any] = {"address_map": {lab.master().address: impostor.address}}
        if tls:
            check(lab, nodes | right(lab), redis.exceptions.ConnectionError, "SSL")
        else:
            check(lab, nodes, redis.exceptions.RedisError, "rotocol")


def test_missing_master_is_waited_for_while_the_caller_handles_a_tls_error(lab: Lab) -> None:
    with closing(Impostor()) as absent:
        pass
    nodes = right(lab) | {"address_map": {lab.master().address: absent.address}, "failover_wait": 0.5}

    def work() -> Any:
        try:
            raise ssl.SSLError("handled by the caller")
        except ssl.SSLError:
            return outcomes(lab, nodes)

    thread, came = in_thread(work)
    thread.join(WAIT)
    for error, _ in came[0]:
        assert isinstance(error, switchmaster.redis.NoMasterElected), repr(error)


def test_hanging_up_on_a_hung_master_over_tls_leaves_no_socket_behind(lab: Lab) -> None:
    """A hung peer answers no TLS shutdown, so asyncio would keep the socket for 30 s or beyond the end of its loop."""
    hung = lab.master()

    async def go() -> int:
        options = {"sentinel_kwargs": right(lab), **right(lab)}
        async with switchmaster.redis.asyncio.Sentinel(lab.sentinel_addresses, **options) as sentinel:
            pool = sentinel.master_for("mymaster").connection_pool
            connection = await pool.get_connection()
            opened = connection._writer.get_extra_info("socket")
            lab.hang(hung)
            try:
                await connection.disconnect(nowait=True)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        while opened.fileno() >= 0:
                            await asyncio.sleep(0.01)
                return int(opened.fileno())
            finally:
                lab.resume(hung)
                await pool.release(connection)

    assert asyncio.run(go()) == -1
