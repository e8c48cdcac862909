"""OpenTelemetry's own instrumentation names the node that is used, before and after a failover."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.instrumentation.redis")

from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import switchmaster.redis
import switchmaster.redis.asyncio
from rig.client_lab import end
from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster import Address

pytestmark = pytest.mark.live


def name_the_node(span: Any, client: Any, response: object) -> None:
    """The hook of docs/topics/clients.md, with an attribute of its own."""
    arguments = client.connection_pool.connection_kwargs
    span.set_attribute("answered by", f"{arguments['host']}:{arguments['port']}")


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    RedisInstrumentor().instrument(tracer_provider=provider, response_hook=name_the_node)
    yield exporter
    RedisInstrumentor().uninstrument()
    provider.shutdown()


def named(spans: InMemorySpanExporter) -> tuple[Any, Any]:
    """Return the node that the last span names."""
    attributes = spans.get_finished_spans()[-1].attributes
    assert attributes is not None
    return attributes["net.peer.name"], attributes.get("net.peer.port")


def test_spans_name_the_node_that_is_used(lab_factory: LabFactory, spans: InMemorySpanExporter) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), replicas=1, down_after_ms=3000)
    old, replica = lab.master(), lab.replicas()[0]
    sentinel = switchmaster.redis.Sentinel(lab.sentinel_addresses)
    client, reader = sentinel.master_for("mymaster"), sentinel.slave_for("mymaster")
    client.set("key", 1)
    assert named(spans)[0] == "mymaster"  # the Sentinels had not been queried when it began
    first = spans.get_finished_spans()[0].attributes
    assert first is not None
    assert first["answered by"] == str(Address(*old.address))
    client.set("key", 2)
    assert named(spans) == old.address
    client.pipeline().get("key").execute()
    assert named(spans) == old.address
    eventually(lambda: reader.get("key") == b"2", what="the value at a replica")
    reader.get("key")
    assert named(spans) == replica.address

    async def in_loop() -> None:
        async with switchmaster.redis.asyncio.Sentinel(lab.sentinel_addresses) as other:
            looping = other.master_for("mymaster")
            await looping.get("key")
            await looping.get("key")
            assert named(spans) == old.address
            await asyncio.to_thread(lab.failover)
            watcher = sentinel.watcher  # both have the same
            await asyncio.to_thread(eventually, lambda: watcher.master("mymaster").port == replica.port, 60)
            await looping.get("key")
            await looping.get("key")
            assert named(spans) == replica.address
            looping.connection_pool.shared_out = False
            await looping.aclose()

    asyncio.run(in_loop())
    client.set("key", 3)
    client.set("key", 3)
    assert named(spans) == replica.address
    end(client)
