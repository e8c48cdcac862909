"""
The belief about a deployment as lines of words: a tree, and a table. Pure; it prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ..belief.topology import Health, MasterState, ReplicaState, SentinelState, Topology
from ..belief.words import HEALTH_WORDS, agreement_words, electorate_words, ghost_words, stage_words
from ..wire.facts import LinkState
from .output import Words

__all__ = ["master_rows", "topology_tree"]

_HEALTH_STYLES: Final = {
    Health.OK: "green",
    Health.SUSPECTED: "yellow",
    Health.DOWN: "bold red",
    Health.FAILING_OVER: "bold yellow",
    Health.UNKNOWN: "red",
}


def master_rows(masters: Iterable[MasterState]) -> list[Words]:
    """
    Return one line for each master: name, address, health, epoch, replicas and agreement; before them, in red, the
    masters for which no failover is possible now.

    Args:
        masters: the masters, in the order of the lines.
    """
    states = list(masters)
    name_width = max((len(state.name) for state in states), default=0)
    address_width = max((len(_address(state)) for state in states), default=0)
    warnings: list[Words] = [
        ((f"{state.name}: {electorate_words(state.electorate)}", "bold red"),)
        for state in states
        if state.electorate.obstacle is not None
    ]
    return warnings + [
        (
            (f"{state.name:<{name_width}}  ", "bold"),
            (f"{_address(state):<{address_width}}  ", ""),
            (f"{HEALTH_WORDS[state.health]:<12}  ", _HEALTH_STYLES[state.health]),
            (f"epoch {_or_unknown(state.epoch):<4}  ", ""),
            (f"{_number(len(state.replicas), 'replica')}, {agreement_words(state)}", ""),
        )
        for state in states
    ]


def topology_tree(topology: Topology) -> list[Words]:
    """
    Return the tree: each master with its replicas and its Sentinels' opinions, then each Sentinel's link.
    """
    branches = [_master_branch(state) for _, state in sorted(topology.masters.items())]
    sentinels = [(_sentinel_words(state), ()) for _, state in sorted(topology.sentinels.items())]
    branches.append(((("Sentinels", "bold"),), tuple(sentinels)))
    return [((topology.deployment, "bold"),), *_draw(branches, ())]


_Branch = tuple[Words, Sequence["_Branch"]]


def _draw(branches: Sequence[_Branch], indent: Words) -> list[Words]:
    lines: list[Words] = []
    for number, (words, below) in enumerate(branches, 1):
        last = number == len(branches)
        lines.append((*indent, ("└─ " if last else "├─ ", "dim"), *words))
        lines += _draw(below, (*indent, ("   " if last else "│  ", "dim")))
    return lines


def _master_branch(state: MasterState) -> _Branch:
    quorum = "" if state.quorum is None else f", quorum {state.quorum}"
    words: Words = (
        (state.name, "bold"),
        (f"  {_address(state)}  ", ""),
        (HEALTH_WORDS[state.health], _HEALTH_STYLES[state.health]),
        (f"  epoch {_or_unknown(state.epoch)}{quorum}, grade {state.grade}", "dim"),
    )
    below: list[_Branch] = []
    if state.electorate.obstacle is not None:
        below.append((((electorate_words(state.electorate), "bold red"),), ()))
    if state.down_by:
        below.append(((("down", "red"), (f", say {', '.join(state.down_by)}", "")), ()))
    if state.failover is not None:
        record = state.failover
        text = f"failover {record.number}: {stage_words(record.stage, True)}" if record.attempted else ""
        text = text or stage_words(record.stage, False)
        below.append((((text, "bold yellow"),), ()))
    furthest = max((row.offset for row in state.replicas if row.offset is not None), default=None)
    below += [(_replica_words(row, furthest), ()) for row in state.replicas]
    below.append((_opinions_words(state), ()))
    if state.electorate.absent:
        below.append((((ghost_words(state.electorate.absent, state.name), "yellow"),), ()))
    for opinion in state.disagreeing:
        text = f"{opinion.sentinel} gives {opinion.address} at epoch {_or_unknown(opinion.epoch)}"
        below.append(((("disagrees: ", "bold red"), (text, "")), ()))
    return words, below


def _replica_words(row: ReplicaState, furthest: int | None) -> Words:
    facts = []
    if row.link_up is not None:
        facts.append("link up" if row.link_up else "link DOWN")
    if row.offset is not None and furthest is not None:
        behind = furthest - row.offset
        facts.append(f"offset {row.offset}" + (f", {behind} bytes behind the furthest" if behind else ""))
    if row.priority == 0:
        facts.append("priority 0: never promoted")
    down: Words = ((f"  down, say {', '.join(row.down_by)}", "red"),) if row.down_by else ()
    style = "red" if row.link_up is False else "dim"
    return (("replica ", ""), (str(row.address), ""), (f"  {', '.join(facts)}", style), *down)


def _opinions_words(state: MasterState) -> Words:
    wrong = state.disagreeing or state.electorate.unaware
    return ((agreement_words(state), "red" if wrong else "dim"),)


def _sentinel_words(state: SentinelState) -> Words:
    live = state.state is LinkState.LIVE
    facts = [fact for fact in (state.version, "" if state.seed else "discovered") if fact]
    if state.also:
        facts.append(f"also {', '.join(state.also)}")
    reason = f": {state.reason}" if state.reason else ""
    tilt: Words = (("  TILT: it starts no failover", "bold yellow"),) if state.tilt and live else ()
    if state.simulates_failures and live:
        tilt += (("  SIMULATE-FAILURE: it will crash in its next failover", "bold red"),)
    shared: Words = ()
    if state.shares_id_with:
        text = f"  same id as {', '.join(state.shares_id_with)}: copied configuration"
        shared = ((text, "bold red"),)
    return (
        (state.name, ""),
        (f"  {'heard' if live else state.state}", "green" if live else "red"),
        (reason, "red"),
        (f"  {', '.join(facts)}", "dim"),
        *shared,
        *tilt,
    )


def _address(state: MasterState) -> str:
    return "not known" if state.address is None else str(state.address)


def _or_unknown(number: int | None) -> str:
    return "?" if number is None else str(number)


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
