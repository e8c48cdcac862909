"""
Who is the master, by the data nodes' own word.

Pure: enters what ROLE and INFO replication said, leaves a choice. This is the truth that tests hold
the product against, so it never asks a Sentinel and shares nothing with the core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["NodeReport", "choose_master", "read_info", "read_report"]

NO_ID = "0" * 40


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What one data node says of itself."""

    name: str
    role: str
    """``master`` or ``slave``."""
    follows: tuple[str, int] | None
    """Host and port of its master, for a replica."""
    linked: bool
    """Whether a replica's link to its master is up."""
    replication_id: str
    former_id: str
    """The replication id that it had as a replica, if it was promoted; else forty zeros."""
    followers: int
    """How many replicas are connected to it."""


def read_info(text: str) -> dict[str, str]:
    """Split the reply of INFO into its fields."""
    parts = (line.partition(":") for line in text.splitlines())
    return {key: value for key, colon, value in parts if colon}


def read_report(name: str, role: Sequence[Any], replication: Mapping[str, str]) -> NodeReport:
    """
    Make a report of the replies of ROLE and INFO replication.

    Shape: ROLE is ``[master, offset, replicas]`` or ``[slave, host, port, state, offset]``.
    """
    replica = role[0] == "slave"
    return NodeReport(
        name=name,
        role=str(role[0]),
        follows=(str(role[1]), int(role[2])) if replica else None,
        linked=replica and role[3] == "connected",
        replication_id=replication.get("master_replid", NO_ID),
        former_id=replication.get("master_replid2", NO_ID),
        followers=0 if replica else len(role[2]),
    )


def choose_master(reports: Sequence[NodeReport]) -> NodeReport | None:
    """
    Choose the newest among the nodes that call themselves master.

    After a planned failover the old master goes on as a second one for about 11 s, and one that
    crashed comes back as a master. The promoted one keeps the other's replication id as its second
    id; one that restarted has none.

    Returns:
        the newest, or None when no node is a master.
    """
    masters = [report for report in reports if report.role == "master"]
    parents = {report.former_id for report in masters} - {NO_ID}
    newest = [report for report in masters if report.replication_id not in parents] or masters
    return max(newest, key=lambda one: (one.former_id != NO_ID, one.followers), default=None)
