"""Celery's transport and backend of ours are found by name, keep their options, and never become kombu's own."""

from __future__ import annotations

import subprocess
import sys

import pytest

kombu = pytest.importorskip("kombu")
pytest.importorskip("celery")

import celery.app.backends  # noqa: E402

import switchmaster.celery as ours  # noqa: E402

SEVERAL = "sentinel://h1:1001/3;sentinel://h2:1002/3"
BY_CLASS = {"transport": "switchmaster.celery:Transport"}


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        (SEVERAL, BY_CLASS),
        (f"switchmaster+{SEVERAL}", {}),
        (SEVERAL.replace("sentinel:", "switchmaster+sentinel:"), {}),
    ],
    ids=["class", "scheme", "each scheme"],
)
def test_connection_stays_with_our_transport_after_errors(url: str, arguments: dict[str, str]) -> None:
    connection = kombu.Connection(url, **arguments)
    assert type(connection.transport) is ours.Transport
    connection.maybe_switch_next()
    assert type(connection.transport) is ours.Transport
    assert type(connection.clone().transport) is ours.Transport


class Place:
    """As much of kombu's transport as a channel asks for its addresses."""

    default_port = 26379

    def __init__(self, connection: object) -> None:
        self.client = connection


@pytest.mark.parametrize(
    ("url", "arguments", "addresses"),
    [
        (SEVERAL, BY_CLASS, [("h1", 1001), ("h2", 1002)]),
        (f"switchmaster+{SEVERAL}", {}, [("h1", 1001), ("h2", 1002)]),
        ("sentinel://h1:1001", BY_CLASS, [("h1", 1001)]),
        ("sentinel://h1", BY_CLASS, [("h1", 26379)]),
        ("switchmaster+sentinel://h1:1001/3", {}, [("h1", 1001)]),
    ],
)
def test_every_sentinel_of_the_url_is_asked(
    url: str, arguments: dict[str, str], addresses: list[tuple[str, int]]
) -> None:
    channel = object.__new__(ours.Channel)
    channel.connection = Place(kombu.Connection(url, **arguments))
    assert list(channel._addresses()) == addresses


@pytest.mark.parametrize("arguments", [BY_CLASS, {}], ids=["class", "scheme"])
def test_database_of_the_url_is_used(arguments: dict[str, str]) -> None:
    channel = object.__new__(ours.Channel)
    url = SEVERAL if arguments else f"switchmaster+{SEVERAL}"
    channel.connection = Place(kombu.Connection(url, **arguments))
    assert channel._connparams()["db"] == 3


def test_options_of_the_transport_include_ours() -> None:
    assert {"hold", "failover_wait", "master_name", "sentinel_kwargs"} <= set(ours.Channel.from_transport_options)


def test_a_channel_without_a_master_says_what_is_missing() -> None:
    channel = object.__new__(ours.Channel)
    channel.connection = Place(kombu.Connection(SEVERAL, **BY_CLASS))
    with pytest.raises(ValueError, match="broker_transport_options names no master"):
        channel._sentinel_managed_pool()


def test_result_backend_is_found_by_its_scheme() -> None:
    found, url = celery.app.backends.by_url(f"switchmaster+{SEVERAL}", celery.Celery(set_as_current=False).loader)
    assert found is ours.Backend
    assert url == SEVERAL


def test_result_backend_gives_our_sentinel_its_options() -> None:
    app = celery.Celery(set_as_current=False)
    app.conf.result_backend_transport_options = {"master_name": "mymaster", "hold": 5, "failover_wait": 20}
    backend = ours.Backend(app=app, url=SEVERAL)
    sentinel = backend._get_sentinel_instance(**backend.connparams)
    assert (sentinel.options.hold, sentinel.options.failover_wait) == (5.0, 20.0)
    assert sentinel.connection_kwargs["db"] == 3


def test_no_framework_is_imported_with_switchmaster() -> None:
    program = (
        "import sys, switchmaster, switchmaster.redis, switchmaster.redis.asyncio; "
        "print(sorted({'celery', 'kombu', 'django'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
