"""
The words for what is believed: the only place where a state gets its name for people.

The log, the command line, the API and the notices use them unchanged. The dashboard has its own copy in ``words.js``,
which a test holds equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .failover import Outcome, Stage
from .topology import Electorate, Health, MasterState, Obstacle

__all__ = [
    "HEALTH_WORDS",
    "OUTCOME_WORDS",
    "STAGE_WORDS",
    "SUSPICION_ENDED",
    "agreement_words",
    "electorate_words",
    "ghost_words",
    "record_words",
    "shared_id_words",
    "stage_words",
]

STAGE_WORDS: Final[Mapping[str, str]] = {stage: str(stage).replace("-", " ") for stage in Stage}
"""A stage's name for people."""

SUSPICION_ENDED: Final = "suspicion ended"
"""The last stage of a record in which no Sentinel tried a failover: nothing was aborted."""

HEALTH_WORDS: Final[Mapping[str, str]] = {
    Health.OK: "ok",
    Health.SUSPECTED: STAGE_WORDS[Stage.SUSPECTED],
    Health.DOWN: STAGE_WORDS[Stage.AGREED_DOWN],
    Health.FAILING_OVER: "failing over",
    Health.UNKNOWN: "unknown",
}
"""A master's health for people."""

OUTCOME_WORDS: Final[Mapping[str, str]] = {
    Outcome.IN_PROGRESS: HEALTH_WORDS[Health.FAILING_OVER],
    Outcome.COMPLETED: "completed",
    Outcome.ABORTED: STAGE_WORDS[Stage.ABORTED],
}
"""For people, the outcome of a failover that a Sentinel tried."""


def stage_words(stage: str, attempted: bool) -> str:
    """Return a stage's name in a record; `attempted` says whether a Sentinel tried a failover."""
    return SUSPICION_ENDED if stage == Stage.ABORTED and not attempted else STAGE_WORDS.get(stage, stage)


def record_words(outcome: str, attempted: bool, closed: bool, stage: str | None) -> str:
    """
    Return the state of a failover's record, for people.

    Args:
        outcome: one of `Outcome`.
        attempted: whether a Sentinel tried a failover.
        closed: whether it has ended.
        stage: the last stage; None if there is none.
    """
    if attempted:
        return OUTCOME_WORDS.get(outcome, outcome)
    return SUSPICION_ENDED if closed or stage is None else stage_words(stage, attempted)


def electorate_words(electorate: Electorate) -> str:
    """Return whether a failover is possible, and why not, without a full stop; empty if that is not known."""
    if electorate.counted is None:
        return ""
    match electorate.obstacle:
        case None:
            return f"a failover is possible: {_answering(electorate)}, {electorate.needed} are needed"
        case Obstacle.QUORUM_TOO_HIGH:
            why = f"the quorum is {electorate.needed}, and there {_are(electorate.counted)}"
        case Obstacle.TOO_FEW:
            why = f"{_answering(electorate)}, {electorate.needed} are needed"
        case Obstacle.TILT:
            why = f"{_answering(electorate)}, but too many of them are in TILT"
    return f"no failover possible: {why}"


def agreement_words(state: MasterState) -> str:
    """Return how many of the known Sentinels give the believed address, and which do not monitor the master."""
    live = [opinion for opinion in state.opinions if opinion.live]
    electorate = state.electorate
    known = max(electorate.known, len(live))
    text = f"{sum(opinion.agrees for opinion in live)} of {_sentinels(known)} agree"
    silent = known - len(live) - len(electorate.unaware)
    if silent > 0 and live:
        text += f", {silent} not heard"
    if electorate.unaware:
        verb = "does" if len(electorate.unaware) == 1 else "do"
        text += f", {', '.join(electorate.unaware)} {verb} not monitor it"
    return text


def ghost_words(sentinels: Sequence[str], master: str) -> str:
    """Return which Sentinels are counted and answer none of the others, and what to do about it."""
    one = len(sentinels) == 1
    return (
        f"{', '.join(sentinels)} {'is' if one else 'are'} counted and {'does' if one else 'do'} not answer: "
        f"if gone for good, run SENTINEL RESET {master} on each Sentinel, one at a time, 30 s apart"
    )


def shared_id_words(sentinels: Sequence[str]) -> str:
    """Return which Sentinels have one id, and what to do about it."""
    return (
        f"{', '.join(sentinels)} have the same Sentinel id: a configuration was copied. They do not see each other; "
        "remove `sentinel myid` from the configuration of all but one, and restart those"
    )


def _answering(electorate: Electorate) -> str:
    answering = electorate.answering or 0
    return f"{answering} of {_sentinels(electorate.counted or 0)} {'answers' if answering == 1 else 'answer'}"


def _are(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} only {_sentinels(count)}"


def _sentinels(count: int) -> str:
    return f"{count} Sentinel{'' if count == 1 else 's'}"
