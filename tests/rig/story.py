"""
A story: what Sentinels and nodes say to a Watch, and what it decides, as one text.

    0.10  S1  +selected-slave slave B @ mymaster A
    0.20  B   answers master
    0.20  =>  switch A -> B, epoch 1, promoted by role
    9.00  ..

Each line has the seconds since the beginning, who speaks, and what is said:

- A Sentinel, S1 to S3: a channel and its payload. A, B and C stand for addresses (``slave B`` for an instance with its
  name), S1 to S3 for run ids. Or ``is lost``; ``answers B at 7``, with flags after a comma; or with ``is heard, ``
  before it, if it was lost.
- A node, A to C: ``answers master``, ``answers slave of A``, ``ends the connection``, ``gives no answer: REASON``.
- ``=>``: a decision, its time with two decimals. All switches and notices must be there, in order, and no others.
- ``..``: nothing is said until then.

A line that is empty or begins with ``#`` says nothing. All Sentinels give A at epoch 0 before the beginning.
"""

from __future__ import annotations

import difflib
import re
from typing import Final

from recorded.answers import snapshot
from rig.scenario import IDS, SENTINELS, A, B, C, Scenario
from switchmaster.belief.decisions import Notice, Switch
from switchmaster.model import Address, Grade, SentinelName
from switchmaster.wire.facts import Probe

__all__ = ["FAILOVER", "play"]

NODES: Final = {"A": A, "B": B, "C": C}
NAMED: Final = {f"S{number}": name for number, name in enumerate(SENTINELS, 1)}
_LINE: Final = re.compile(r"(\d+\.\d+)\s+(\S+)\s*(.*)")
_ANSWER: Final = re.compile(r"(is heard, )?answers ([ABC]) at (\d+)((?:, \w+)*)")
_REPLICA: Final = "answers slave of "
_NO_ANSWER: Final = "gives no answer: "
_ENDED: Final = "ends the connection"

FAILOVER: Final = """
    0.00  S1  +sdown master mymaster A
    0.05  S1  +odown master mymaster A #quorum 2/2
    0.05  S1  +new-epoch 1
    0.05  S1  +try-failover master mymaster A
    0.10  S1  +elected-leader master mymaster A
    0.15  S1  +selected-slave slave B @ mymaster A
    0.20  S1  +failover-state-wait-promotion slave B @ mymaster A
"""
"""How a story may begin: S1 has ordered B to become the master."""


def play(text: str, *, policy: Grade = Grade.PROMOTED, probing: bool = True) -> Scenario:
    """
    Tell a Watch a story, and hold its decisions against those in the text.

    Args:
        text: the story.
        policy: the grade that a switch needs.
        probing: whether nodes can be asked; their lines are for a Watch that asks them.

    Returns:
        The scenario at the end of the story, for what the text does not show.

    Raises:
        AssertionError: the Watch decided something else; it shows the difference.
        ValueError: a line that is none of the above.
    """
    scene = Scenario(policy=policy, probing=probing)
    begun, seen = scene.now, len(scene.decisions)
    expected, found = list[str](), list[str]()
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("#"):
            continue
        time, who, what = _parts(line)
        expected.append(" ".join(line.split()))
        if who == "=>":
            continue
        if begun + time < scene.now:
            raise ValueError(f"earlier than the line before it: {line!r}")
        scene.wait(begun + time - scene.now)
        found += _lines(scene.decisions[seen:], begun)
        seen = len(scene.decisions)
        found.append(expected[-1])
        _speak(scene, who, what, line)
        found += _lines(scene.decisions[seen:], begun)
        seen = len(scene.decisions)
    if found != expected:
        raise AssertionError("\n".join(difflib.unified_diff(expected, found, "told", "decided", lineterm="", n=3)))
    return scene


def _parts(line: str) -> tuple[float, str, str]:
    parts = _LINE.fullmatch(line)
    if parts is None:
        raise ValueError(f"not a line of a story: {line!r}")
    return float(parts[1]), parts[2], parts[3]


def _speak(scene: Scenario, who: str, what: str, line: str) -> None:
    if who == ".." and not what:
        return
    if who in NAMED and what.startswith(("+", "-")):
        return scene.say(NAMED[who], _on_the_wire(what))
    if who in NAMED and what == "is lost":
        return scene.down(NAMED[who])
    answer = _ANSWER.fullmatch(what)
    if who in NAMED and answer:
        return _answer(scene, NAMED[who], answer)
    if who in NODES:
        return scene.tell(None, _probe(NODES[who], what, line))
    raise ValueError(f"not a line of a story: {line!r}")


def _answer(scene: Scenario, sentinel: SentinelName, answer: re.Match[str]) -> None:
    heard, node, epoch, flags = answer.groups()
    if heard:
        return scene.up(sentinel, NODES[node], int(epoch))
    scene.tell(sentinel, snapshot(NODES[node], int(epoch), flags=flags.split(", ")[1:]))


def _probe(node: Address, what: str, line: str) -> Probe:
    if what == "answers master":
        return Probe(node, "master")
    if what.startswith(_REPLICA) and what.removeprefix(_REPLICA) in NODES:
        return Probe(node, "slave", following=NODES[what.removeprefix(_REPLICA)])
    if what == _ENDED:
        return Probe(node, None, "the node closed the connection", ended=True)
    if what.startswith(_NO_ANSWER):
        return Probe(node, None, what.removeprefix(_NO_ANSWER))
    raise ValueError(f"not a line of a story: {line!r}")


def _on_the_wire(said: str) -> str:
    """Return an event as a Sentinel publishes it, its letters replaced."""

    def address(found: re.Match[str]) -> str:
        node = NODES[found[2]]
        return f"slave {node} {node.host} {node.port}" if found[1] else f"{node.host} {node.port}"

    written = re.sub(r"\b(slave )?([ABC])\b", address, said)
    return re.sub(r"\bS[123]\b", lambda found: IDS[NAMED[found[0]]], written)


def _lines(decisions: list[object], begun: float) -> list[str]:
    return [f"{one.at - begun:.2f} => {_shown(one)}" for one in decisions if isinstance(one, Switch | Notice)]


def _shown(decision: Switch | Notice) -> str:
    if isinstance(decision, Notice):
        return f"notice {decision.kind}"
    letters = {address: letter for letter, address in NODES.items()}
    old = "none" if decision.old is None else letters[decision.old]
    epoch = "unknown" if decision.epoch is None else decision.epoch
    text = f"switch {old} -> {letters[decision.new]}, epoch {epoch}, {decision.grade} by {decision.via}"
    return f"{text}, incarnation {decision.incarnation} ({decision.cause})" if decision.incarnation else text
