"""
A drop-in for `valkey.asyncio.sentinel`: same names, same arguments; clients follow the master at once.

::

    from switchmaster.valkey.asyncio import Sentinel      # was: from valkey.asyncio.sentinel import Sentinel
"""

from __future__ import annotations

from ..client.drop_in import drop_in

_NAMES = drop_in(__name__)
__all__ = sorted(_NAMES)
globals().update(_NAMES)
