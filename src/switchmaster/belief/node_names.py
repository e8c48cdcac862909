"""
One node, two names: Sentinels whose ``announce-hostnames`` or ``announce-ip`` differ call it by different addresses.

The run id shows that it is one node (SENTINEL MASTER, SENTINEL REPLICAS); a server draws a new one at each start.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..model import Address, Moment, Stage
from ..wire.events import EVENTS, Form, InstanceEvent, Kind, SwitchedMaster
from .notices import Notices
from .views import View
from .voters import Voters

__all__ = ["RENAMED", "NodeNames"]

_NAME_THE_SELECTED: Final = frozenset(
    spec.channel for spec in EVENTS if spec.stage in (Stage.SELECTED, Stage.PROMOTING, Stage.PROMOTED)
)
"""Channels by which a leader speaks of the replica that it promotes."""

RENAMED: Final = _NAME_THE_SELECTED | {spec.channel for spec in EVENTS if spec.form is Form.SWITCH}
"""Channels whose events may name a node otherwise than we do, even if their Sentinel calls the master as we do."""


class NodeNames:
    """
    The names of one master's node.

    A Sentinel's own name is kept in its `View`: `View.called` for the believed node, `View.promotes` for the one that
    it promotes. Only this class sets them; `Views` clears `View.called` when an address changes.

    Args:
        voters: what the Sentinels say, by run id.
        notices: where a second name is reported.
    """

    def __init__(self, voters: Voters, notices: Notices) -> None:
        self._voters, self._notices = voters, notices

    def ours(self, believed: Address | None, view: View, address: Address, run_id: str, moment: Moment) -> Address:
        """
        Return our address for a node: the believed one if a Sentinel has another for that very node.

        All Sentinels that know the believed address must give it that run id, so that one that lies can't make two
        nodes one.

        Args:
            believed: the believed address.
            view: the account of the Sentinel that names `address`.
            address: its name for a node.
            run_id: the node's run id; empty if it is not known.
            moment: when.
        """
        if believed is None or address == believed:
            return address
        if address != view.called and self._voters.run_ids(believed) != {run_id}:
            return address
        view.called = address
        self._notices.two_names(view.sentinel, address, believed, moment)
        return believed

    def in_our_words(
        self, believed: Address | None, view: View, event: InstanceEvent | SwitchedMaster, moment: Moment
    ) -> InstanceEvent | SwitchedMaster:
        """
        Return an event with our address for the believed node, if its Sentinel has another for it.

        A node that is to be promoted gets the address at which a majority lists it.
        """
        if believed is None:
            return event
        if isinstance(event, SwitchedMaster):
            known = view.replicas.get(event.new)
            old = believed if event.old == view.called else event.old
            new = event.new if known is None else self.ours(believed, view, event.new, known.run_id, moment)
            new = self._listed_at(view, new)
            return event if (old, new) == (event.old, event.new) else replace(event, old=old, new=new)
        instance, channel = event.instance, event.channel
        if view.called is not None and instance.master_address == view.called:
            address = believed if instance.kind is Kind.MASTER else instance.address
            instance = replace(instance, address=address, master_address=believed)
        if channel in _NAME_THE_SELECTED:
            listed = self._listed_at(view, instance.address)
            if listed != instance.address:
                instance = replace(instance, address=listed)
        return event if instance is event.instance else replace(event, instance=instance)

    def _listed_at(self, view: View, node: Address) -> Address:
        """
        Return the address at which a majority lists a node that one Sentinel has at another; else its own.

        A Sentinel that lies about a run id so has a node of the majority asked, and not its own.
        """
        known = view.replicas.get(node)
        if known is None:  # a leader forgets its replicas when it follows the one that it promotes
            name, ours = view.promotes or (node, node)
            return ours if name == node else node
        ours = node
        if known.run_id and self._voters.unlisted(node):
            ours = self._voters.replica(known.run_id) or node
        view.promotes = node, ours
        return ours
