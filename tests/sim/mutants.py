"""
Deliberate faults, put into the product one at a time; the simulation, the replay or the tests that feed a `Watch` and a
`Belief` must catch each, in this order. Mutants that no honest Sentinel reveals are for the last alone.

``python tests/sim/mutants.py`` makes a copy of the sources for each, and fails where one survives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

try:
    from .guard_mutants import GUARD_FAULTS
except ImportError:  # run as a script
    from guard_mutants import GUARD_FAULTS

ROOT = Path(__file__).parents[2]
SRC, TESTS = ROOT / "src", ROOT / "tests"
LIES = ("test_liar.py", "test_members.py", "test_roster.py")
"""Tests of a Sentinel that lies."""
GUARD = tuple(sorted(path.name for path in (TESTS / "unit").glob("test_guard_*.py")))
"""Tests of the rules of the guard."""
TOLD = (*LIES, "test_decide.py", "test_watch.py")
"""Tests of the belief, step by step: rare sequences that few stories of the simulation contain."""


class Mutant(NamedTuple):
    """One fault: its name, its file, and the change that makes it."""

    name: str
    file: str
    old: str
    new: str
    more: tuple[tuple[str, str], ...] = ()
    """Further changes in that file."""
    first: int = 0
    """The first seed that is tried; for mutants that few stories catch."""
    lie: bool = False
    """Only a Sentinel that lies reveals it."""
    guard: bool = False
    """It is one of the guard's rules, which have tests of their own."""

    @property
    def path(self) -> Path:
        return SRC / "switchmaster" / self.file


MUTANTS = [
    Mutant(
        "ignore epochs",
        "belief/decide.py",
        "elif epoch > believed.floor or self._candidates",
        "elif True or self._candidates",
        (
            ("self.believed.outdated(epoch) or self._impossible", "self._impossible"),
            ("        if believed.outdated(epoch):\n            return\n", ""),
            ("(candidate.begins is None and self.believed.outdated(candidate.epoch))", "False"),
            ("candidate.epoch is None or self.believed.outdated(other.epoch)", "candidate.epoch is None"),
        ),
    ),
    Mutant(
        "accept the first answer after a reconnect",
        "belief/decide.py",
        "if believed.address is None or (not believed.established",
        "if believed.address is None or returned or (not believed.established",
    ),
    Mutant(
        "drop witnesses",
        "belief/believed.py",
        "if switch is not None and sentinel not in switch.witnesses and len(",
        "if switch is not None and False and len(",
    ),
    Mutant("forget incarnations", "belief/believed.py", "        self.incarnation += 1\n", ""),
    Mutant(
        "listen to one Sentinel",
        "net/watcher.py",
        "        if name in self._connections:\n            return\n",
        "        if self._connections:\n            return\n",
    ),
    Mutant("trust SENTINEL MASTER's address", "link/snapshot.py", "address=announced,", "address=master.address,"),
    Mutant("never time out a hold", "follow/gate.py", "return phase.since + self.hold", "return phase.since + 1e6"),
    Mutant(
        "hold nothing in a planned failover",
        "follow/gate.py",
        "return GateState.HELD, selected.at",
        "return GateState.OPEN, 0.0",
    ),
    Mutant(
        "send where a connection has gone ahead",
        "follow/reach.py",
        "if (yield from self._held(phase)):",
        "if self._connection.at in (None, phase.address) and (yield from self._held(phase)):",
        (
            (
                "if self._connection.at == phase.address:",
                "if self._connection.at in {phase.address, phase.next} - {None}:",
            ),
        ),
    ),
    Mutant(
        "never let a command give up",
        "follow/reach.py",
        "return self._started + self._patience",
        "return 1e6 + self._patience",
    ),
    Mutant(
        "never ask again beside the events",
        "link/link.py",
        "self._reconcile_at = self._next_round()\n\n    def _next",
        "self._reconcile_at = None\n\n    def _next",
    ),
    Mutant(
        "ask nothing after a subscription",
        "link/link.py",
        "        self._inquiry.want()\n        self._inquiry.pump()\n\n    def _revoke",
        "        self._end_round(self._now, 0)\n\n    def _revoke",
    ),
    Mutant("never ping", "link/request_stream.py", "return not self._requests and now >=", "return False and now >="),
    Mutant(
        "wait for ever for a reply",
        "link/request_stream.py",
        "if not self._requests or now < self.deadline:",
        "if True:",
    ),
    Mutant(
        "wait ever longer to dial again",
        "link/backoff.py",
        "cap: float = 2.0, factor: float = 2.0",
        "cap: float = 500.0, factor: float = 9.0",
    ),
    Mutant("dial one stream where RESP2 needs two", "link/link.py", "self._wanted = 2", "self._wanted = 1"),
    Mutant("take one Sentinel for a majority", "belief/voters.py", "return self.count // 2 + 1", "return 1"),
    Mutant(
        "count no Sentinel that has left",
        "belief/voters.py",
        "if self._left:  # hardly",
        "if False:  # hardly",
        first=290,
    ),
    Mutant(
        "take any answer to ROLE for a promotion",
        "belief/decide.py",
        'proved = candidate.role == "master"',
        "proved = candidate.role is not None",
        (("        if candidate.denied:\n            return None\n", ""),),
    ),
    Mutant(
        "call a switch promoted that is only announced",
        "belief/decide.py",
        "return Grade.ANNOUNCED if (unasked or late) and not contradicted",
        "return Grade.PROMOTED if (unasked or late) and not contradicted",
    ),
    Mutant(
        "decide what is outdated",
        "belief/believed.py",
        "return epoch is not None and epoch <= self.floor",
        "return False",
    ),
    Mutant(
        "follow a promotion whose failover was aborted",
        "belief/decide.py",
        "            candidate.withdraw(now)\n",
        "            pass\n",
    ),
    Mutant(
        "never settle a new incarnation",
        "belief/standing.py",
        "all(now >= self.held_since(view) + patience for view in group)",
        "False",
        first=370,
    ),
    Mutant("settle a new incarnation at once", "belief/standing.py", "SETTLE: Final = 10.0", "SETTLE: Final = 0.0"),
    Mutant(
        "believe an unannounced promotion for ever",
        "belief/standing.py",
        "UNSEEN: Final = 30.0",
        "UNSEEN: Final = 1e6",
        (("ABANDONED: Final = 5.0", "ABANDONED: Final = 1e6"),),
        first=150,
    ),
    Mutant(
        "learn the epoch from any answer",
        "belief/decide.py",
        "        if believed.epoch is None and epoch >= believed.floor:\n",
        "        if believed.epoch is None:\n",
        first=1700,
    ),
    Mutant(
        "decide nothing by time",
        "belief/watch.py",
        "        self._establish(moment)\n        for name",
        "        return self._establish(moment)\n        for name",
    ),
    Mutant(
        "ask no node for its ROLE",
        "net/probes.py",
        "        if (node, dialler) in self._asked:\n",
        "        if len(node) > 0:\n            return\n        if (node, dialler) in self._asked:\n",
    ),
    Mutant(
        "dial a node again only after a pause",
        "link/node_link.py",
        "if not self._answered or recent:",
        "if True:",
    ),
    Mutant(
        "never stop asking a node",
        "belief/candidate_masters.py",
        "            self._out(StopProbe(node, self._master))",
        "            pass",
    ),
    Mutant("do not count what a feed drops", "net/feeds.py", "            self.missed += 1\n", ""),
    Mutant("let a feed grow", "net/feeds.py", "if len(self._items) >= self._limit:", "if False:"),
    Mutant(
        "leave a task behind",
        "net/shell.py",
        "self._attempts.pop(stream).cancel()",
        "self._attempts.pop(stream)",
        (("await asyncio.wait(list(self._leaving))", "return"),),
    ),
    Mutant(
        "follow a node that denies",
        "belief/decide.py",
        "        if candidate.denied:\n            return None\n",
        "",
        lie=True,
    ),
    Mutant(
        "take a Sentinel for a node that can't be asked",
        "belief/candidate_masters.py",
        'return self.role not in (None, "master")',
        'return self.role == "slave"',
        lie=True,
    ),
    Mutant(
        "follow one Sentinel against the others",
        "belief/decide.py",
        "if (unasked or late) and not contradicted else None",
        "if unasked or late else None",
        lie=True,
    ),
    Mutant(
        "take the word of a stranger for a promotion",
        "belief/decide.py",
        ' == "master" and not self.voters.unlisted(candidate.node)',
        ' == "master"',
        lie=True,
    ),
    Mutant(
        "let one Sentinel introduce a stranger",
        "belief/voters.py",
        "and 2 * sum(known) <= len(known)",
        "and not any(known)",
        lie=True,
    ),
    Mutant(
        "ask no contradicting Sentinel again",
        "belief/decide.py",
        "            self._out += [Ask(view.sentinel, (self.master,), why) for view in against]\n",
        "",
        lie=True,
    ),
    Mutant(
        "be contradicted by a Sentinel that does not answer",
        "belief/voters.py",
        "and (patient or view.answered_at >= since)",
        "",
        lie=True,
    ),
    Mutant(
        "let no Sentinel contradict that finds its master down",
        "belief/voters.py",
        "if view.address not in (None, node)\n",
        "if view.address not in (None, node) and not (view.sdown or view.odown)\n",
        lie=True,
    ),
    Mutant(
        "follow an announcement while most Sentinels are lost",
        "belief/voters.py",
        "return 2 * sum(heard) > len(heard)",
        "return any(heard)",
        lie=True,
    ),
    Mutant(
        "never give up what is contradicted",
        "belief/decide.py",
        "                self._disbelieve(candidate, moment)\n",
        "",
        lie=True,
    ),
    Mutant(
        "follow an impossible address",
        "belief/decide.py",
        "        return not node.possible\n",
        "        return False\n",
        lie=True,
    ),
    Mutant(
        "let one Sentinel raise the epoch",
        "belief/decide.py",
        "        backed = self.voters.backed(self.address)\n",
        "        backed = epoch\n",
        lie=True,
    ),
    Mutant(
        "keep an epoch that one Sentinel made up",
        "belief/decide.py",
        "believed.backed <= long_backed < believed.floor",
        "False",
        lie=True,
    ),
    Mutant(
        "begin with the highest epoch",
        "belief/decide.py",
        "        if most is None or backed is None:\n",
        "        if True:\n",
        lie=True,
    ),
    Mutant(
        "believe the first majority though it differs",
        "belief/watch.py",
        "agreed = self._roster.heard_all or all(",
        "agreed = True or all(",
        lie=True,
    ),
    Mutant(
        "let any Sentinel vote",
        "belief/voters.py",
        "if members is None or view.sentinel in members]",
        "]",
        lie=True,
    ),
    Mutant(
        "let one Sentinel name members",
        "belief/members.py",
        "> len(voters)\n\n",
        "> 0\n\n",
        lie=True,
    ),
    Mutant(
        "let seeds vote only while they are heard",
        "belief/members.py",
        "self.silent: set[SentinelName] = set(seeds)",
        "self.silent: set[SentinelName] = set()",
        lie=True,
    ),
    Mutant(
        "believe how many Sentinels one says there are",
        "belief/voters.py",
        "sorted(counts, reverse=True)[(len(counts) - 1) // 2]",
        "max(counts)",
        lie=True,
    ),
    Mutant(
        "let no member leave",
        "belief/roster.py",
        "leaves = self.members.missing(sentinel.name, lists())",
        "leaves = False",
        lie=True,
    ),
    Mutant(
        "let one Sentinel make a member leave",
        "belief/members.py",
        "for by in self._members) > len(self._members)",
        "for by in self._members) > 0",
        lie=True,
    ),
    Mutant(
        "grow without discovery",
        "belief/members.py",
        "if not self.grows or name in",
        "if name in",
        lie=True,
    ),
    Mutant(
        "give a vote to a Sentinel that claims a member's id",
        "belief/roster.py",
        "if other.name in self.members and sentinel.name not in self.members:",
        "if False:",
        lie=True,
    ),
    *(Mutant(name, f"guard/{file}", old, new, guard=True) for name, file, old, new in GUARD_FAULTS),
]


def mutate(mutant: Mutant) -> str:
    """Return the text of the file with that fault in it."""
    text = mutant.path.read_text(encoding="utf-8")
    for old, new in ((mutant.old, mutant.new), *mutant.more):
        if text.count(old) != 1:
            raise ValueError(f"{mutant.name!r}: {mutant.file} has {text.count(old)} times {old!r}")
        text = text.replace(old, new)
    return text


def hunt(mutant: Mutant, seeds: int) -> str:
    """Return what catches a fault, or nothing."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        shutil.copytree(SRC, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "src" / "switchmaster" / mutant.file).write_text(mutate(mutant), encoding="utf-8")
        simulation = ["sim", "--first", str(mutant.first), "--seeds", str(seeds), "--jobs", "1", "--stop"]
        replay = ["pytest", "-q", "-x", "-p", "no:cacheprovider", str(TESTS / "replay")]
        told = ["pytest", "-q", "-x", "-p", "no:cacheprovider"]
        told += [str(TESTS / "unit" / name) for name in (GUARD if mutant.guard else LIES if mutant.lie else TOLD)]
        if mutant.lie or mutant.guard:
            return _caught(folder, told, "FAILED")
        hunts = [(simulation, "seed "), (replay, "FAILED"), (told, "FAILED")]
        return next(filter(None, (_caught(folder, words, sign) for words, sign in hunts)), "")


def _caught(folder: Path, words: list[str], sign: str) -> str:
    """Return the line that begins with `sign` of what a module prints that fails with the sources in a folder."""
    paths = os.pathsep.join(map(str, (folder / "src", TESTS)))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True, text=True)
    if not ran.returncode:
        return ""
    found = next((line for line in ran.stdout.splitlines() if line.startswith(sign)), None)
    if found is None:  # a fault that does not even run proves nothing
        raise SystemExit(f"{words[0]} did not run: {(ran.stdout + ran.stderr)[-500:]}")
    return f"{words[0]}, {found}"


def main() -> int:
    """Hunt every mutant; return 1 where one survives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=150, help="how many stories may try to catch one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="those whose name or file has this in it")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not options.only or options.only in f"{mutant.name} {mutant.file}"]
    began, survivors = time.perf_counter(), 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, caught in zip(chosen, pool.map(lambda each: hunt(each, options.seeds), chosen), strict=True):
            survivors += not caught
            print(f"{'caught  ' if caught else 'SURVIVES'}  {mutant.name}: {caught[:150]}", flush=True)
    print(f"{len(chosen)} mutants in {time.perf_counter() - began:.0f} s, {survivors} survive")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
