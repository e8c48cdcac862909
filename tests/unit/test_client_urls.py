"""A URL has the same meaning as in the client library: for the nodes, for the Sentinels, or for both."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

import switchmaster.redis
import switchmaster.redis.asyncio
import switchmaster.valkey
from switchmaster.client.library import bind
from switchmaster.errors import UsageError

PLAIN, TLS = "redis+sentinel://h1,h2/m?", "rediss+sentinel://h1,h2/m?"
Made = tuple[dict[str, Any], dict[str, Any]]


def made(url: str, module: Any = switchmaster.redis, **arguments: Any) -> Made:
    """Return the arguments for connections to nodes, and to Sentinels."""
    sentinel = module.Sentinel.from_url(url, **arguments)
    return sentinel.connection_kwargs, sentinel.sentinel_kwargs


@pytest.mark.parametrize("module", [switchmaster.redis, switchmaster.valkey], ids=["redis", "valkey"])
@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("ssl_check_hostname=0", False),
        ("ssl_ca_certs=%2Ftmp%2Fca.pem", "/tmp/ca.pem"),
        ("ssl_cert_reqs=none", "none"),
        ("ssl_certfile=/c", "/c"),
        ("ssl_ciphers=HIGH", "HIGH"),
        ("ssl_min_version=772", ssl.TLSVersion.TLSv1_3),
    ],
)
def test_tls_parameter_reaches_nodes_and_sentinels_or_the_sentinels_alone(module: Any, query: str, value: Any) -> None:
    if module is switchmaster.valkey and query.startswith("ssl_check_hostname"):
        query = query.replace("=0", "=1")
        value = True
    name = query.partition("=")[0]
    nodes, sentinels = made(TLS + query, module)
    assert (nodes[name], sentinels[name]) == (value, value)
    nodes, sentinels = made(f"{TLS}sentinel_{query}", module)
    assert name not in nodes
    assert sentinels[name] == value
    nodes, sentinels = made(f"{TLS}node_tls=0&{query}", module)
    assert name not in nodes
    assert sentinels[name] == value
    nodes, sentinels = made(f"{TLS}sentinel_tls=0&{query}", module)
    assert name not in sentinels
    assert nodes[name] == value


def test_check_of_host_names_is_off_in_the_watcher_too() -> None:
    settings = switchmaster.redis.Sentinel.from_url(f"{TLS}ssl_check_hostname=0")._shared.settings
    for access in (settings.node, settings.sentinel):
        context = access.context()
        assert context is not None
        assert not context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("decode_responses=1", True),
        ("decode_responses=False", False),
        ("decode_responses=yes", True),
        ("encoding_errors=replace", "replace"),
        ("lib_name=mine", "mine"),
        ("retry_on_timeout=true", True),
        ("protocol=3", 3),
        ("socket_keepalive=no", False),
    ],
)
def test_parameter_of_the_library_reaches_the_nodes(query: str, value: Any) -> None:
    nodes, sentinels = made(PLAIN + query)
    name = query.partition("=")[0]
    assert nodes[name] == value
    assert type(nodes[name]) is type(value)
    assert (name in sentinels) == name.startswith("socket_")


@pytest.mark.parametrize("name", ["redis", "valkey"])
def test_every_parameter_that_the_library_parses_is_taken(name: str) -> None:
    library = bind(name)
    module = getattr(switchmaster, name)
    for parameter, parse in library.url_parameters.items():
        if parameter in ("timeout", "db"):
            continue
        text = {"retry_on_error": "", "protocol": "3"}.get(parameter, "1")
        if "verify_flags" in parameter:
            text = "VERIFY_X509_STRICT"
        nodes, _ = made(f"{TLS}{parameter}={text}" if text else TLS, module)
        if text:
            assert nodes[parameter] == parse(text), parameter


def test_sentinel_has_its_own_timeout_and_login() -> None:
    nodes, sentinels = made(f"{PLAIN}socket_timeout=2&sentinel_socket_timeout=0.5&sentinel_password=pw&password=np")
    assert (nodes["socket_timeout"], sentinels["socket_timeout"]) == (2.0, 0.5)
    assert (nodes["password"], sentinels["password"]) == ("np", "pw")


def test_userinfo_goes_before_the_query_and_the_url_before_arguments() -> None:
    nodes, _ = made("redis+sentinel://u:real@h/m?password=query&decode_responses=0", decode_responses=True)
    assert (nodes["username"], nodes["password"], nodes["decode_responses"]) == ("u", "real", False)


def test_client_for_loops_takes_them_too() -> None:
    async def work() -> None:
        client = switchmaster.redis.asyncio.from_url(f"{TLS}ssl_check_hostname=0&decode_responses=1")
        arguments = client.connection_pool.connection_kwargs
        assert (arguments["ssl_check_hostname"], arguments["decode_responses"]) == (False, True)
        await client.aclose()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"{PLAIN}ssl_ca_certs=/ca.pem", "begin it with rediss"),
        (f"{PLAIN}sentinel_ssl_ca_certs=/ca.pem", "add sentinel_tls=1"),
        (f"{TLS}ssl_cert_reqs=sometimes", "ssl_cert_reqs has a value that can't be used"),
        (f"{PLAIN}decode_responses=perhaps", "decode_responses has a value that can't be used"),
        (f"{PLAIN}decode_response=1", "did you mean 'decode_responses'"),
        (f"{PLAIN}parser_class=x", "has no parameter 'parser_class'; it has ca, "),
        (f"{TLS}server_name=kv", "add ssl_check_hostname=0"),
    ],
)
def test_wrong_parameter_is_an_error_that_says_how_to_correct_it(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("'", ".")):
        made(url)
