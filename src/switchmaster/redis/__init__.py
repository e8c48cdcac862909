"""
A drop-in for `redis.sentinel`: same names, same arguments; clients follow the master at once.

::

    from switchmaster.redis import Sentinel      # was: from redis.sentinel import Sentinel

Works with redis-py 6 to 8. Needs the extra ``redis``. For asyncio: `switchmaster.redis.asyncio`.
As a member of redis-py's ``MultiDBClient``: `switchmaster.redis.multidb`.
"""

from __future__ import annotations

from ..client.drop_in import drop_in

_NAMES = drop_in(__name__)
__all__ = sorted(_NAMES)
globals().update(_NAMES)
