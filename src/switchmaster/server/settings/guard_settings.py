"""
What operators decided about the guards: a complete `Policy` for each master, from the tables of the file.

A key of a master's own table wins over its deployment's, that over ``[guard]``, that over the default of `Policy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...guard.policy import Arming, Policy
from .tables import GuardTable

__all__ = ["GuardSettings", "guard_settings"]

_FIELDS: Final = {"armed": "arming"}
"""Keys whose field in `Policy` has another name."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """The policies of one deployment's masters."""

    every: Policy = field(default_factory=Policy)
    """Of masters without a table of their own."""
    own: Mapping[str, Policy] = field(default_factory=dict)
    """By the master's name."""

    def policy(self, master: str) -> Policy:
        """Return the policy of a master."""
        return self.own.get(master, self.every)

    @property
    def wanted(self) -> bool:
        """Whether any master is guarded, armed or as a dry run."""
        return any(one.arming is not Arming.DISARMED for one in (self.every, *self.own.values()))


def guard_settings(common: GuardTable, deployment: GuardTable, masters: Mapping[str, GuardTable]) -> GuardSettings:
    """
    Return the policies of one deployment.

    Args:
        common: ``[guard]``.
        deployment: ``[deployments.NAME.guard]``.
        masters: the tables of ``[deployments.NAME.guards]``.
    """
    above = _given(common) | _given(deployment)
    return GuardSettings(Policy(**above), {name: Policy(**(above | _given(own))) for name, own in masters.items()})


def _given(table: GuardTable) -> dict[str, Any]:
    return {_FIELDS.get(key, key): value for key, value in table if value is not None}
