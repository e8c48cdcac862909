"""
Which node is the master, according to the data nodes.

Pure: the replies of ROLE and INFO replication go in, a choice comes out. Tests check the product against this truth, so
it never asks a Sentinel and shares nothing with the core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["NodeReport", "choose_master", "read_info", "read_report"]

NO_ID = "0" * 40


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What one data node reports about itself."""

    name: str
    role: str
    """``master`` or ``slave``."""
    follows: tuple[str, int] | None
    """Host and port of its master, for a replica."""
    linked: bool
    """Whether a replica's link to its master is up."""
    replication_id: str
    former_id: str
    """The replication id that it had as a replica, if it was promoted; otherwise forty zeros."""
    followers: int
    """The number of connected replicas."""


def read_info(text: str) -> dict[str, str]:
    """Split the reply of INFO into its fields."""
    parts = (line.partition(":") for line in text.splitlines())
    return {key: value for key, colon, value in parts if colon}


def read_report(name: str, role: Sequence[Any], replication: Mapping[str, str]) -> NodeReport:
    """
    Make a report from the replies of ROLE and INFO replication.

    ROLE is ``[master, offset, replicas]`` or ``[slave, host, port, state, offset]``.
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
    Choose the newest of the nodes that report being a master.

    After a planned failover the old master remains a second master for about 11 s, and a crashed
    one comes back as a master. The promoted node keeps the other's replication id as its second id;
    a restarted one has none.

    Returns:
        The newest, or None if no node is a master.
    """
    masters = [report for report in reports if report.role == "master"]
    parents = {report.former_id for report in masters} - {NO_ID}
    newest = [report for report in masters if report.replication_id not in parents] or masters
    return max(newest, key=lambda one: (one.former_id != NO_ID, one.followers), default=None)
