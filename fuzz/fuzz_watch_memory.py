"""However often the same facts come with other numbers, a Watch's memory of one master stops growing."""

from __future__ import annotations

import gc
from types import FunctionType, MethodType, ModuleType
from typing import Final

from drive import Target, main
from fuzz_watch import SENTINELS, fact_of
from seeds import messages
from switchmaster.belief.watch import Watch
from switchmaster.model import Moment

FILLED: Final = 4_500
"""Rounds after which every limit of one master is reached: its replicas, and the remembered tries."""
LINES: Final = 6
MASTERS: Final = 8
"""More names than this count as many masters, which have a limit of their own."""


def check(data: bytes) -> None:
    """Take lines as `fuzz_watch` does; each ``#`` is a number that rises from time to time."""
    text = data.decode("utf-8", "surrogateescape")
    lines = [line for line in text.split("\n")[:LINES] if len(line) < 500]
    watch = Watch(SENTINELS)
    now = tell(watch, lines, range(1, FILLED), 1.0)
    if len(watch._masters.by_name) > MASTERS:
        return
    kept = reachable(watch)
    tell(watch, lines, range(FILLED, 2 * FILLED), now)
    if len(watch._masters.by_name) <= MASTERS:
        assert reachable(watch) <= kept * 1.05 + 200, f"from {kept} to {reachable(watch)} objects: {lines}"


def tell(watch: Watch, lines: list[str], numbers: range, now: float) -> float:
    """Feed the lines once for each number, and return the time after them."""
    for number in numbers:
        for line in lines:
            word, _, rest = line.replace("#", str(number)).partition(" ")
            if word == "T":
                now += len(rest) / 4
            elif (told := fact_of(word, rest)) is not None:
                watch.observe(*told, Moment(now))
            due = watch.deadline
            if due is not None and due <= now:
                watch.tick(Moment(now))
            watch.decisions()
    return now


def reachable(root: object) -> int:
    """Count the objects that a Watch keeps alive, except code and classes."""
    seen, todo = {id(root)}, [root]
    while todo:
        holder = todo.pop()
        # The collector skips keys that are text.
        keys = list(holder) if isinstance(holder, dict) else []
        for one in (*gc.get_referents(holder), *keys):
            if id(one) not in seen and not isinstance(one, type | ModuleType | FunctionType | MethodType):
                seen.add(id(one))
                todo.append(one)
    return len(seen)


def seeds() -> list[bytes]:
    """Return one line, or a few that belong together, for each kind of fact, with rising numbers."""
    found = [
        b"L0 live #\nL0 down \nT xxxx",
        b"A0 mymaster 127.0.0.1 6379 # master,sentinel=#=#",
        b"A0 mymaster 127.0.0.1 # # master\nA1 mymaster 127.0.0.1 # # master\nT xxxx",
        b"A0 mymaster 127.0.0.1 # 1 master\nT xxxxxxxx",
        b"Z0 mymaster\nA0 mymaster 127.0.0.1 # 0 master\nZ0 \n",
        b"P master 127.0.0.1 #\nE0 +selected-slave slave 127.0.0.1:# 127.0.0.1 # @ mymaster 127.0.0.1 6379",
        b"E0 +new-epoch #\nE0 +try-failover master mymaster 127.0.0.1 6379\nE0 +vote-for-leader # #\nT xxxx",
        b"E0 +switch-master mymaster 127.0.0.1 6379 127.0.0.1 #\nE1 +switch-master mymaster 127.0.0.1 # 127.0.0.1 6379",
    ]
    for channel, payload in messages()[::40]:
        risen = payload.replace("26", "#").replace("27", "#").replace("29", "#")
        found.append(f"E0 {channel} {risen}\nE1 {channel} {risen}\nT x".encode("utf-8", "surrogateescape"))
    return found


TARGET = Target(check, seeds, examples=8)

if __name__ == "__main__":
    main(TARGET, "watch_memory")
