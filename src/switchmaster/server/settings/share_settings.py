"""
How daemons share their deployments, from ``[share]``: how many watch each, and what this one keeps for itself.

A deployment's relay and proxy serve clients on addresses of this daemon, and an action with ``local = true`` acts on
this machine: they need the belief here, so such a deployment is never left to others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...journal.engine import parse_url
from .tables import ShareTable

if TYPE_CHECKING:
    from ...react.action_kinds import ConfiguredAction
    from .configuration import DeploymentSettings

__all__ = ["ShareSettings", "share_settings"]


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """How the deployments of this daemon are shared with others on the same journal."""

    daemons: int
    """How many daemons watch each deployment."""
    lease: float
    """Seconds after which a silent daemon counts as dead."""
    kept: frozenset[str]
    """Deployments that this daemon watches whatever the others do."""


def share_settings(
    table: ShareTable, url: str, deployments: Iterable[DeploymentSettings], actions: Iterable[ConfiguredAction]
) -> ShareSettings | None:
    """
    Return how deployments are shared; None if they are not.

    Args:
        table: ``[share]``.
        url: of the journal.
        deployments: all of the file.
        actions: all of the file.

    Raises:
        UsageError: the journal is not in PostgreSQL.
    """
    if table.daemons is None:
        return None
    if parse_url(url).get_backend_name() != "postgresql":
        raise UsageError("needs a journal in PostgreSQL that the daemons have in common: set journal.url")
    local = [one.deployments for one in actions if one.place]
    kept = frozenset(
        one.name
        for one in deployments
        if one.relay is not None or one.proxy is not None or any(not wanted or one.name in wanted for wanted in local)
    )
    return ShareSettings(table.daemons, table.lease, kept)
