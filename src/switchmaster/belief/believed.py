"""
What is believed of one master: its address, the epoch of that, and the incarnation in which epochs are compared.

`BelievedMaster` owns these values and the `Switch` that led to them. It holds their invariants and moves them together;
whether they should move is decided in `decide`.
"""

from __future__ import annotations

from dataclasses import replace

from ..model import LIMITS, Address, SentinelName
from .decisions import Switch
from .past_addresses import PastAddresses, Transition

__all__ = ["BelievedMaster"]


class BelievedMaster:
    """
    The address that is believed, and what orders it against other words.

    It begins without an address. The first word gives one (`begin`), the first answers settle it (`settle`), and from
    then on every other address is a `Switch` (`move`).
    """

    __slots__ = ("address", "backed", "epoch", "established", "floor", "incarnation", "past", "since", "switch")

    def __init__(self) -> None:
        self.address: Address | None = None
        """None until a Sentinel has named one; never None again."""
        self.epoch: int | None = None
        """The config epoch of `address`; None if no fact has named it."""
        self.floor = -1
        """
        The highest epoch known to belong to this address or to an earlier one of the incarnation.

        A fact at or below it never moves the address. It rises only with what is believed, by an answer of the first
        phase, a majority or a switch, so that one Sentinel's word can't make the others' outdated. Only a new
        incarnation lowers it. ``+monitor`` names epoch 0 and leaves it.
        """
        self.backed = -1
        """The highest epoch at which a majority gave the address in this incarnation; -1 where none has."""
        self.incarnation = 0
        """How often epochs began again. It only rises; epochs are compared within one incarnation."""
        self.established = False
        """False while the first answers come in: until then the highest epoch wins, and no change is a switch."""
        self.since = 0.0
        """Since when the address is believed, in monotonic seconds."""
        self.switch: Switch | None = None
        """The last switch, with the witnesses and the epoch that have come since."""
        self.past = PastAddresses()
        """The switches of this incarnation."""

    def outdated(self, epoch: int | None) -> bool:
        """Return whether what was said at an epoch can't move the address; False if the epoch is not known."""
        return epoch is not None and epoch <= self.floor

    def place(self, address: Address) -> int:
        """Return how many switches a Sentinel that holds to this address has made."""
        return self.past.made if address == self.address else self.past.index_of(address)

    # -- moves --------------------------------------------------------------------------------------

    def begin(self, address: Address, now: float, epoch: int | None = None) -> None:
        """
        Record the first address.

        Args:
            address: the address.
            now: monotonic seconds.
            epoch: its epoch, if it is known.
        """
        self.address, self.epoch, self.since = address, epoch, now

    def answer(self, address: Address, epoch: int, now: float) -> None:
        """
        Record an answer of the first phase: the first one, or one of a higher epoch.

        Args:
            address: the address.
            epoch: its config epoch.
            now: monotonic seconds.
        """
        self.begin(address, now, epoch)
        self.floor = epoch

    def skip_first_phase(self) -> None:
        """Record that no answers are to come: what a Sentinel that can't be asked says counts at once."""
        self.established = True

    def establish(self, now: float) -> bool:
        """End the first phase, if an address is known by now; return whether that is news."""
        before, self.since = self.established, now
        self.established = self.address is not None
        return self.established and not before

    def settle(self, address: Address, epoch: int) -> None:
        """Record what a majority gives at the end of the first phase."""
        self.address, self.epoch, self.floor, self.backed = address, epoch, epoch, epoch

    def move(self, switch: Switch, now: float) -> None:
        """Record a switch that was decided."""
        self.switch, self.established = switch, True
        self.past.add(Transition(switch.epoch, switch.old, switch.new))
        self.address, self.epoch, self.since = switch.new, switch.epoch, now
        self.floor = max(self.floor, -1 if switch.epoch is None else switch.epoch)

    def date(self, epoch: int) -> None:
        """Record the epoch of the address: the first that is named, or the one that a majority gives now."""
        self.epoch = self.floor = epoch
        switch = self.switch
        if switch is not None and switch.epoch is None and switch.new == self.address:
            self.switch = replace(switch, epoch=epoch)

    def back(self, epoch: int | None) -> None:
        """Record the epoch at which a majority gives the address; None if none does."""
        self.backed = max(self.backed, -1 if epoch is None else epoch)

    def renew(self) -> None:
        """Begin a new incarnation: no epoch is known of it yet, and no switch."""
        self.incarnation += 1
        self.past.clear()
        self.floor = self.backed = -1

    def witness(self, sentinel: SentinelName) -> None:
        """Add a Sentinel that gives the new address to the witnesses of the last switch."""
        switch = self.switch
        if switch is not None and sentinel not in switch.witnesses and len(switch.witnesses) < LIMITS.witnesses:
            self.switch = replace(switch, witnesses=(*switch.witnesses, sentinel))
