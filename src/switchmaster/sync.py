"""For threads: ``from switchmaster.sync import Watcher``, with the same names as the asyncio one."""

from .net.sync import Stream, Watcher

__all__ = ["Stream", "Watcher"]
