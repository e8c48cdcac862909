"""
A master behind Sentinel as a member of redis-py's ``MultiDBClient`` (redis-py 8; also that of ``redis.asyncio``).

::

    member = DatabaseConfig(from_pool=SentinelConnectionPool("mymaster1", sentinel), weight=1.0)
    client = MultiDBClient(MultiDbConfig([member, other], health_checks=[MasterHealthCheck()]))

redis-py's own health checks connect to the member's host and port with a client that they make themselves. A pool of
ours has neither: it follows the master. So a health check for it has to go through the member's own client.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from redis.asyncio.multidb.healthcheck import AbstractHealthCheck

__all__ = ["MasterHealthCheck"]


class MasterHealthCheck(AbstractHealthCheck):
    """
    A PING through the member's own client, wherever its master is.

    During a failover it waits as every command does. With a ``health_check_timeout`` that is longer than a failover
    takes the member stays active; with a shorter one ``MultiDBClient`` goes to another member meanwhile.

    Args:
        health_check_probes: as for redis-py's ``PingHealthCheck``, like the others.
        health_check_delay: seconds between two probes.
        health_check_timeout: seconds for all probes.
    """

    async def check_health(self, database: Any, hc_client: Any) -> bool:
        client = database.client
        if inspect.iscoroutinefunction(client.execute_command):
            return bool(await client.ping())
        return bool(await asyncio.to_thread(client.ping))
