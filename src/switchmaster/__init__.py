"""
switchmaster knows who the master is, first, and makes everything that depends on it follow.

The public names; each is imported when it is first used, so that ``import switchmaster`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module

from ._version import __version__

TYPE_CHECKING = False  # what type checkers take for True; `typing` itself would cost more than all the rest
if TYPE_CHECKING:
    from .belief.decisions import Notice as Notice
    from .belief.decisions import NoticeKind as NoticeKind
    from .belief.decisions import Switch as Switch
    from .belief.failover import Failover as Failover
    from .belief.failover import Outcome as Outcome
    from .belief.failover import StageEntry as StageEntry
    from .belief.topology import Health as Health
    from .belief.topology import MasterState as MasterState
    from .belief.topology import SentinelState as SentinelState
    from .belief.topology import Topology as Topology
    from .errors import AccessRefused as AccessRefused
    from .errors import NoSentinelReachable as NoSentinelReachable
    from .errors import SwitchmasterError as SwitchmasterError
    from .errors import UnknownMaster as UnknownMaster
    from .errors import UsageError as UsageError
    from .errors import WaitTimeout as WaitTimeout
    from .errors import WatcherClosed as WatcherClosed
    from .model import Address as Address
    from .model import Cause as Cause
    from .model import FailoverKind as FailoverKind
    from .model import Grade as Grade
    from .model import Stage as Stage
    from .model import Via as Via
    from .net.credentials import CredentialProvider as CredentialProvider
    from .net.dial import Tls as Tls
    from .net.diallers import NodeAccess as NodeAccess
    from .net.heard import Heard as Heard
    from .net.watcher import Watcher as Watcher
    from .wire.events import Event as Event

_HOME = {
    "Notice": "belief.decisions",
    "NoticeKind": "belief.decisions",
    "Switch": "belief.decisions",
    "Event": "wire.events",
    "Failover": "belief.failover",
    "Outcome": "belief.failover",
    "StageEntry": "belief.failover",
    "Address": "model",
    "Cause": "model",
    "FailoverKind": "model",
    "Grade": "model",
    "Stage": "model",
    "Via": "model",
    "Health": "belief.topology",
    "MasterState": "belief.topology",
    "SentinelState": "belief.topology",
    "Topology": "belief.topology",
    "AccessRefused": "errors",
    "NoSentinelReachable": "errors",
    "SwitchmasterError": "errors",
    "UnknownMaster": "errors",
    "UsageError": "errors",
    "WaitTimeout": "errors",
    "WatcherClosed": "errors",
    "NodeAccess": "net.diallers",
    "CredentialProvider": "net.credentials",
    "Tls": "net.dial",
    "Heard": "net.heard",
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
