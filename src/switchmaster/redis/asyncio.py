"""
A drop-in for `redis.asyncio.sentinel`: same names, same arguments; clients follow the master at once.

::

    from switchmaster.redis.asyncio import Sentinel      # was: from redis.asyncio.sentinel import Sentinel
"""

from __future__ import annotations

from ..client.drop_in import drop_in

_NAMES = drop_in(__name__)
__all__ = sorted(_NAMES)
globals().update(_NAMES)
