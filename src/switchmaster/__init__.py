"""
switchmaster knows who the master is, first, and makes everything that depends on it follow.

The public names; each is imported when it is first used, so that ``import switchmaster`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module

from ._version import __version__

TYPE_CHECKING = False  # what type checkers take for True; `typing` itself would cost more than all the rest
if TYPE_CHECKING:
    from .core.decisions import Notice as Notice
    from .core.decisions import NoticeKind as NoticeKind
    from .core.decisions import Switch as Switch
    from .core.events import Event as Event
    from .core.failover import Failover as Failover
    from .core.failover import FailoverKind as FailoverKind
    from .core.failover import Outcome as Outcome
    from .core.failover import Stage as Stage
    from .core.failover import StageEntry as StageEntry
    from .core.model import Address as Address
    from .core.model import Cause as Cause
    from .core.model import Grade as Grade
    from .core.model import Via as Via
    from .core.topology import Health as Health
    from .core.topology import MasterState as MasterState
    from .core.topology import SentinelState as SentinelState
    from .core.topology import Topology as Topology
    from .errors import AccessRefused as AccessRefused
    from .errors import NoSentinelReachable as NoSentinelReachable
    from .errors import SwitchmasterError as SwitchmasterError
    from .errors import UnknownMaster as UnknownMaster
    from .errors import UsageError as UsageError
    from .errors import WaitTimeout as WaitTimeout
    from .errors import WatcherClosed as WatcherClosed
    from .net.access import NodeAccess as NodeAccess
    from .net.credentials import CredentialProvider as CredentialProvider
    from .net.dial import Tls as Tls
    from .net.watcher import Heard as Heard
    from .net.watcher import Watcher as Watcher

_HOME = {
    "Notice": "core.decisions",
    "NoticeKind": "core.decisions",
    "Switch": "core.decisions",
    "Event": "core.events",
    "Failover": "core.failover",
    "FailoverKind": "core.failover",
    "Outcome": "core.failover",
    "Stage": "core.failover",
    "StageEntry": "core.failover",
    "Address": "core.model",
    "Cause": "core.model",
    "Grade": "core.model",
    "Via": "core.model",
    "Health": "core.topology",
    "MasterState": "core.topology",
    "SentinelState": "core.topology",
    "Topology": "core.topology",
    "AccessRefused": "errors",
    "NoSentinelReachable": "errors",
    "SwitchmasterError": "errors",
    "UnknownMaster": "errors",
    "UsageError": "errors",
    "WaitTimeout": "errors",
    "WatcherClosed": "errors",
    "NodeAccess": "net.access",
    "CredentialProvider": "net.credentials",
    "Tls": "net.dial",
    "Heard": "net.watcher",
    "Watcher": "net.watcher",
}

__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> object:
    """Import a public name on its first use (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
