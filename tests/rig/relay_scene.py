"""A Watch of three Sentinels with a relay behind it, and what clients of the relay are told; for tests of its core."""

from __future__ import annotations

from rig.scenario import Scenario
from switchmaster.belief.decisions import Switch
from switchmaster.belief.topology import MasterState
from switchmaster.model import Address, Grade, Moment, SentinelName
from switchmaster.relay.protocol import Conversation
from switchmaster.relay.relay_core import RelayCore
from switchmaster.relay.relay_state import ClientView, RelayState
from switchmaster.relay.served_masters import Move, RelayPolicy
from switchmaster.wire.facts import Fact
from switchmaster.wire.resp import FrameReader

__all__ = ["RelayScene", "request"]


def request(*words: str | bytes) -> bytes:
    """Return a command as clients send it."""
    encoded = [word if isinstance(word, bytes) else word.encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)


class RelayScene(Scenario):
    """Everything that the Sentinels say reaches the Watch and then the relay, one fact a turn."""

    def __init__(self, policy: RelayPolicy | None = None, grade: Grade = Grade.PROMOTED, started: bool = True) -> None:
        self.core = RelayCore(self, policy or RelayPolicy())
        self.moves: list[Move] = []
        self.published: list[tuple[str, str]] = []
        self.untrusted: set[SentinelName] = set()
        self.silent_since: dict[SentinelName, float] = {}
        super().__init__(policy=grade, started=started)

    def tell(self, source: SentinelName | None, *facts: Fact) -> None:
        for fact in facts:
            self.turn_of(source, fact)

    def turn_of(self, source: SentinelName | None, *facts: Fact) -> None:
        """Feed several facts that came at once: in one turn of the loop."""
        if source is not None:
            self.core.heard(source, facts, self.now)
        for fact in facts:
            self.watch.observe(source, fact, Moment(self.now, self.now))
        self.decide()
        self.turn()

    def decide(self) -> None:
        decided = self.watch.decisions()
        self.decisions += decided
        for one in decided:
            if isinstance(one, Switch):
                self.core.touch(one.master)

    def turn(self) -> None:
        moves, events = self.core.turn(self.now)
        self.moves += moves
        self.published += [(event.channel, event.payload) for event in events]

    def wait(self, seconds: float) -> None:
        seen = len(self.decisions)
        super().wait(seconds)
        for one in self.decisions[seen:]:
            if isinstance(one, Switch):
                self.core.touch(one.master)
        self.core.look_at_all(self.watch.sentinels)
        self.turn()

    def channels(self) -> list[str]:
        """Return the channels of what was published, in order."""
        return [channel for channel, _ in self.published]

    def client(self, address_map: dict[Address, Address] | None = None, **state: object) -> Conversation:
        """Return a client's conversation with the relay."""
        return Conversation(ClientView(RelayState(self.core.masters, **state), address_map), 7, "127.0.0.1:5")  # type: ignore[arg-type]

    def ask(self, client: Conversation, *words: str | bytes) -> object:
        """Send a command, and return the one reply."""
        frames = FrameReader().read(client.receive_data(request(*words), Moment(self.now, self.now)))
        assert len(frames) == 1
        return frames[0]

    # What the core asks about the belief.

    def address(self, name: str) -> Address | None:
        return self.watch.address(name)

    def state(self, name: str) -> MasterState | None:
        return self.watch.state(name)

    def names(self) -> tuple[str, ...]:
        return self.watch.names

    def hearing(self) -> bool:
        return self.watch.hearing

    def established(self) -> bool:
        return self.watch.established

    def trusted(self, sentinel: SentinelName) -> bool:
        return sentinel not in self.untrusted

    def last_heard(self, sentinel: SentinelName) -> float | None:
        return self.silent_since.get(sentinel, self.now)
