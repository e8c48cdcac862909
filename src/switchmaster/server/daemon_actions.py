"""
The daemon's actions: the engine of `switchmaster.react`, with the belief that it asks and the lines that it leaves.

How each run ended becomes a line of type ``action`` in the journal's stream, and so in the log; the receipt has more.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from ..errors import UnknownMaster
from ..journal.entries import Seen
from ..journal.reaction_rows import RunOutcome
from ..journal.reaction_store import ReactionStore
from ..journal.writer import Written
from ..model import Address, Grade
from ..react.action_kinds import ConfiguredAction
from ..react.carrying import Finished
from ..react.reactor import Reactor
from ..render import iso
from .published_belief import PublishedBelief

__all__ = ["DaemonActions"]

TEXT_CHARACTERS: Final = 300
"""Characters of an action's output in the stream and the log."""


class DaemonActions:
    """
    Carries out what is configured.

    Args:
        url: of the journal.
        holder: this run's id.
        name: the name that people know this daemon by.
        beliefs: returns the belief of each deployment that is watched.
        put: takes an entry for the journal; must not block.
    """

    def __init__(
        self,
        url: str,
        holder: str,
        name: str,
        beliefs: Callable[[], Mapping[str, PublishedBelief]],
        put: Callable[[Seen], None],
    ) -> None:
        self._beliefs = beliefs
        self._put = put
        self._started = False
        self.runs: Counter[tuple[str, str]] = Counter()
        """How many runs ended, by action and outcome."""
        self.reactor = Reactor(ReactionStore(url, holder, name), self, (), self._finished)

    # -- what the engine asks, in its thread --------------------------------------------------------

    def deployments(self) -> Collection[str]:
        """Return the names of the deployments that are watched."""
        return self._beliefs().keys()

    def place(self, deployment: str, master: str) -> tuple[Address, Grade] | None:
        """Return where a master is believed to be now, and how well that is supported."""
        belief = self._beliefs().get(deployment)
        try:
            state = None if belief is None else belief.state(master)
        except UnknownMaster:
            return None
        return None if state is None or state.address is None else (state.address, state.grade)

    def _finished(self, run: Finished) -> None:
        self.runs[run.action.name, str(run.outcome)] += 1
        wish = run.row.wish
        assert wish is not None
        said = " ".join(run.output.split())[:TEXT_CHARACTERS]
        tries = "" if run.attempts < 2 else f", after {run.attempts} attempts"
        now = time.time()
        line = {
            "type": "action",
            "time": iso(now),
            "deployment": run.row.deployment,
            "master": run.row.master,
            "action": run.action.name,
            "kind": run.action.action.kind,
            "outcome": str(run.outcome),
            "cause": str(run.row.cause),
            "attempts": run.attempts,
            "seconds": round(run.seconds, 6),
            "delivery": wish.delivery,
            "new": wish.line["new"],
            "epoch": wish.epoch,
            "text": f"{run.row.master}: {run.action.name} {_WORDS[run.outcome]}{tries}{said and f': {said}'}",
        }
        self._put(Seen(now, line))

    # -- life, in the main loop ---------------------------------------------------------------------

    def written(self, news: Sequence[Written]) -> None:
        """Let the engine look when a switch was committed; called in the journal's thread."""
        if any(one.type == "switch" for one in news):
            self.reactor.wake()

    async def apply(self, actions: Sequence[ConfiguredAction]) -> None:
        """Take what is configured; the engine runs from the first action on."""
        if not self._started and actions:
            self._started = True
            await asyncio.to_thread(self.reactor.start)
        if self._started:
            self.reactor.apply(actions)

    async def close(self) -> None:
        """Interrupt what is under way: it is carried on at the next start, or by another daemon."""
        await asyncio.to_thread(self.reactor.close)


_WORDS: Final = {
    RunOutcome.DONE: "done",
    RunOutcome.GAVE_UP: "given up",
    RunOutcome.EXPIRED: "not carried out, too late",
    RunOutcome.INTERRUPTED: "interrupted",
    RunOutcome.DRY_RUN: "dry run",
    RunOutcome.DRIFTED: "shows something else",
}
