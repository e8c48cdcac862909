"""The arguments of the drop-in: our options, and the libraries' own arguments turned into a Watcher's."""

from __future__ import annotations

import asyncio
import importlib
import logging
import pickle
import ssl
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis.asyncio.sentinel
import redis.backoff
import redis.credentials
import redis.exceptions
import redis.retry
import redis.sentinel
import trustme
import valkey.asyncio.sentinel
import valkey.backoff
import valkey.credentials
import valkey.retry
import valkey.sentinel
from redis.cache import CacheConfig

import switchmaster.redis
import switchmaster.redis.asyncio
import switchmaster.valkey
import switchmaster.valkey.asyncio
from switchmaster import errors
from switchmaster.client.client_options import Options, take_options
from switchmaster.client.library import bind
from switchmaster.client.sameness import frozen
from switchmaster.client.tally import Tally
from switchmaster.client.watcher_settings import settings_of
from switchmaster.errors import MissingDependency, UsageError
from switchmaster.model import Address

TWO = [("127.0.0.1", 26379), ("127.0.0.1", 26380)]


def settings(sentinel: object, pool: object = None) -> object:
    return settings_of(sentinel, pool, None, True)


def test_options_are_taken_out_of_the_arguments_and_the_rest_is_left() -> None:
    arguments = {"hold": 1, "drain": "0.5", "db": 3}
    options = take_options(arguments)
    assert (options.hold, options.drain, options.failover_wait) == (1.0, 0.5, 10.0)
    assert arguments == {"db": 3}
    assert take_options({}, options) == options


@pytest.mark.parametrize("wrong", [{"hold": -1}, {"failover_wait": "soon"}, {"drain": float("inf")}, {"hold": None}])
def test_options_that_are_no_seconds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="number of seconds"):
        take_options(dict(wrong))


def test_address_map_must_be_a_table_or_a_function() -> None:
    with pytest.raises(UsageError, match="table or a function"):
        take_options({"address_map": 5})


def test_watchers_are_shared_for_the_same_settings_only() -> None:
    one = redis.sentinel.Sentinel(TWO, password="a", sentinel_kwargs={"password": "b"})
    same = redis.asyncio.sentinel.Sentinel(TWO[::-1], password="a", sentinel_kwargs={"password": "b"})
    other = redis.sentinel.Sentinel(TWO, password="c", sentinel_kwargs={"password": "b"})
    assert settings(one) == settings(same)
    assert hash(settings(one)) == hash(settings(same))
    assert settings(one) != settings(other)
    assert settings(one, one.master_for("mymaster").connection_pool) == settings(one)
    assert settings(one, one.master_for("mymaster", password="d").connection_pool) != settings(one)


def test_no_repr_shows_a_secret() -> None:
    sentinel = switchmaster.redis.Sentinel(TWO, password="s3cret", sentinel_kwargs={"password": "s3cret"})
    shown = [sentinel, settings(sentinel), sentinel._shared, sentinel.master_for("mymaster").connection_pool]
    assert "s3cret" not in "".join(map(repr, shown))


def test_timeout_is_the_sentinels_own_and_never_too_short() -> None:
    assert settings(redis.sentinel.Sentinel(TWO, socket_timeout=2.5)).timeout == 2.5  # type: ignore[attr-defined]
    assert settings(redis.sentinel.Sentinel(TWO, socket_timeout=0.01)).timeout == 0.5  # type: ignore[attr-defined]
    assert settings(redis.sentinel.Sentinel(TWO)).timeout == 1.0  # type: ignore[attr-defined]


def test_tls_arguments_are_read_as_the_library_reads_them(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("client.test")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    said = {"ssl": True, "ssl_ca_certs": str(tmp_path / "ca.pem"), "ssl_certfile": str(tmp_path / "own.pem")}
    sentinel = redis.sentinel.Sentinel(TWO, sentinel_kwargs={**said, "ssl_check_hostname": False}, **said)
    found = settings(sentinel)
    node, of_sentinel = found.node.context(), found.sentinel.context()  # type: ignore[attr-defined]
    assert node.verify_mode is ssl.CERT_REQUIRED
    assert node.check_hostname
    assert not of_sentinel.check_hostname
    assert found == settings(sentinel, sentinel.master_for("mymaster").connection_pool)
    unchecked = settings(redis.sentinel.Sentinel(TWO, ssl=True, ssl_cert_reqs="none"))
    assert unchecked.node.context().verify_mode is ssl.CERT_NONE  # type: ignore[attr-defined]
    assert unchecked.sentinel.context() is None  # type: ignore[attr-defined]


def test_tls_file_that_is_missing_is_a_usage_error() -> None:
    found = settings(redis.sentinel.Sentinel(TWO, ssl=True, ssl_ca_certs="/absent.pem"))
    with pytest.raises(UsageError, match="TLS certificate"):
        found.node.context()  # type: ignore[attr-defined]


def test_credential_provider_is_asked_for_user_and_password() -> None:
    class Provider(redis.CredentialProvider):
        def get_credentials(self) -> tuple[str, ...]:
            return ("user", "pw")

    found = settings(redis.sentinel.Sentinel(TWO, credential_provider=Provider()))
    assert found.node.provider.get_credentials() == ("user", "pw")  # type: ignore[attr-defined]
    assert found.node.secret  # type: ignore[attr-defined]


@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_every_error_of_ours_is_also_the_librarys(library: str) -> None:
    bound = bind(library)
    given = bound.error(errors.NoMasterElected("mymaster", 3.0, "nobody is left"))
    assert isinstance(given, (errors.NoMasterElected, bound.exceptions.ConnectionError))
    assert isinstance(given, __import__(f"{library}.sentinel").sentinel.MasterNotFoundError)
    assert isinstance(given, __import__(f"{library}.asyncio.sentinel").asyncio.sentinel.MasterNotFoundError)
    assert "waited 3 s" in str(given)
    assert given.waited == 3.0  # type: ignore[attr-defined]


def test_errors_survive_being_sent_to_another_process() -> None:
    for error in (
        switchmaster.redis.NoMasterElected("mymaster", 3.0, "nobody is left"),
        switchmaster.redis.NoSentinelReachable({"s1:26379": "refused"}, 1.0),
        switchmaster.redis.UnknownMaster("mymaster", ("other",), ("s1:26379",)),
        switchmaster.redis.StaleMaster("mymaster", "a:6379", "slave"),
        switchmaster.redis.TransactionMoved("mymaster"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)


def test_missing_library_is_named_with_its_pip_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "absent.exceptions", None)
    with pytest.raises(MissingDependency, match=r"pip install 'switchmaster\[absent\]'"):
        bind("absent")


@pytest.mark.parametrize("ours", [switchmaster.redis, switchmaster.redis.asyncio, switchmaster.valkey])
def test_classes_are_the_library_s_own_too(ours: object) -> None:
    for name in ("Sentinel", "SentinelConnectionPool", "SentinelManagedConnection", "SentinelManagedSSLConnection"):
        theirs = [base for base in getattr(ours, name).__mro__ if base.__module__.split(".")[0] in ("redis", "valkey")]
        assert theirs[0].__name__ == name


def test_nothing_is_started_before_it_is_used() -> None:
    sentinel = switchmaster.redis.Sentinel(TWO)
    sentinel.master_for("mymaster")
    assert sentinel._shared._watcher is None


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (switchmaster.redis, redis.sentinel),
        (switchmaster.redis.asyncio, redis.asyncio.sentinel),
        (switchmaster.valkey, valkey.sentinel),
        (switchmaster.valkey.asyncio, valkey.asyncio.sentinel),
    ],
)
def test_both_names_of_replica_not_found_can_be_imported(ours: ModuleType, theirs: ModuleType) -> None:
    assert ours.SlaveNotFoundError is ours.ReplicaNotFoundError is theirs.SlaveNotFoundError


class Client:
    """A client of a Sentinel whose close fails."""

    closed = 0

    def close(self) -> None:
        self.closed += 1
        raise OSError("closed already")

    async def aclose(self) -> None:
        self.close()


def test_close_closes_every_client_even_if_one_fails() -> None:
    sentinel, clients = switchmaster.redis.Sentinel(TWO), [Client(), Client()]
    sentinel.sentinels = clients
    with pytest.raises(OSError, match="closed already"):
        sentinel.close()
    assert [client.closed for client in clients] == [1, 1]


def test_close_in_a_loop_closes_every_client_even_if_one_fails() -> None:
    sentinel, clients = switchmaster.redis.asyncio.Sentinel(TWO), [Client(), Client()]
    sentinel.sentinels = clients
    with pytest.raises(OSError, match="closed already"):
        asyncio.run(sentinel.aclose())
    assert [client.closed for client in clients] == [1, 1]


def test_sentinel_without_any_address_is_refused() -> None:
    with pytest.raises(UsageError, match="it was empty"):
        switchmaster.redis.Sentinel([])


class Hook:
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def on_cut(self, *what: object) -> None:
        self.told.append(what)

    def on_held(self, master: str, seconds: float) -> None:
        raise ValueError("the user's own mistake")


def test_tally_counts_and_reports_and_survives_a_failing_hook(caplog: pytest.LogCaptureFixture) -> None:
    hook = Hook()
    account = Tally(hook)  # type: ignore[arg-type]  # every method of a hook is optional
    account.cut("mymaster", Address("a", 1), 3)
    account.held("mymaster", 0.5, ran_out=False)
    account.held("mymaster", 1.5, ran_out=True)
    assert hook.told == [("mymaster", Address("a", 1), 3)]
    counted = account.read()
    assert (counted["connections_cut"], counted["commands_held"], counted["waits_ran_out"]) == (3, 2, 1)
    assert (counted["held_seconds"], counted["longest_hold"], counted["hook_errors"]) == (2.0, 1.5, 2)
    assert "on_held failed" in caplog.text


def test_tally_logs_each_warning_once(caplog: pytest.LogCaptureFixture) -> None:
    account = Tally()
    with caplog.at_level(logging.WARNING, "switchmaster.client"):
        account.say_once("this")
        account.say_once("this")
        account.say_once("that")
    assert [record.getMessage() for record in caplog.records] == ["this", "that"]


def test_defaults_are_those_that_are_documented() -> None:
    assert Options() == Options(hold=2.0, failover_wait=10.0, drain=0.0, address_map=None, hook=None)


EQUAL = ("retry_on_error", "socket_keepalive_options", "empty", "retry", "credential_provider", "cache_config", "flags")


def built(library: ModuleType, what: str) -> dict[str, Any]:
    """Build some arguments from scratch."""
    choices: dict[str, dict[str, Any]] = {
        "retry_on_error": {"retry_on_error": [ConnectionError, TimeoutError]},
        "socket_keepalive_options": {"socket_keepalive_options": {4: 1, 5: 60}},
        "empty": {"socket_keepalive_options": {}},
        "retry": {"retry": library.retry.Retry(library.backoff.ExponentialBackoff(cap=1), 3)},
        "credential_provider": {
            "credential_provider": library.credentials.UsernamePasswordCredentialProvider("u", "p")
        },
        "cache_config": {"cache_config": CacheConfig(max_size=5), "protocol": 3} if library is redis else {},
        "flags": {"ssl": True, "ssl_include_verify_flags": [ssl.VERIFY_X509_STRICT]} if library is redis else {},
    }
    return choices[what]


@pytest.mark.parametrize("what", EQUAL)
@pytest.mark.parametrize("library", [redis, valkey])
def test_equal_arguments_are_one_client_however_freshly_they_are_built(library: ModuleType, what: str) -> None:
    sentinel = importlib.import_module(f"switchmaster.{library.__name__}").Sentinel([("127.0.0.1", 1)])
    clients = [sentinel.master_for("mymaster", **built(library, what)) for _ in range(200)]
    assert len({id(client) for client in clients}) == 1
    assert sentinel.master_for("mymaster", db=3, **built(library, what)) is not clients[0]


@pytest.mark.parametrize("library", [redis, valkey])
def test_arguments_that_differ_are_different_clients(library: ModuleType) -> None:
    sentinel = importlib.import_module(f"switchmaster.{library.__name__}").Sentinel([("127.0.0.1", 1)])
    different: list[dict[str, Any]] = [
        {},
        {"retry_on_error": [ConnectionError]},
        {"retry_on_error": [TimeoutError]},
        *({"retry": library.retry.Retry(library.backoff.ExponentialBackoff(cap=each), 3)} for each in (1, 2)),
        {"retry": library.retry.Retry(library.backoff.ExponentialBackoff(cap=1), 4)},
        *({"credential_provider": library.credentials.UsernamePasswordCredentialProvider("u", p)} for p in ("p", "q")),
        {"socket_keepalive_options": {4: 1}},
        {"socket_keepalive_options": {4: 2}},
    ]
    clients = [sentinel.master_for("mymaster", **each) for each in different]
    assert len({id(client) for client in clients}) == len(different)


def test_unhashable_argument_equals_only_itself() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

    one, other = Odd(), Odd()
    assert frozen(one, ()) == frozen(one, ())
    assert frozen(one, ()) != frozen(other, ())
