"""
A drop-in for `valkey.sentinel`: same names, same arguments; clients follow the master at once.

::

    from switchmaster.valkey import Sentinel      # was: from valkey.sentinel import Sentinel

Works with valkey-py 6. Needs the extra ``valkey``. For asyncio: `switchmaster.valkey.asyncio`.
"""

from __future__ import annotations

from ..client.drop_in import drop_in

_NAMES = drop_in(__name__)
__all__ = sorted(_NAMES)
globals().update(_NAMES)
