"""
Daemons that share deployments through a PostgreSQL of our own: what each holds, and how long a move takes.

`DEPLOYMENTS` deployments of `MASTERS` masters each, whose Sentinels are a process of their own (`fleet_sentinels`).
One, two and three daemons share them: memory and processor of each, at rest. Then one of three is killed, again and
again: a move takes from the signal until the others know the masters of all that it watched. Last, one is asked to end
(SIGTERM): it hands over before.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from daemon_process import Client, Served, launched, line_of
from figures import Figure, Table, median, report
from switchmaster.lab.ports import free_ports

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from rig.postgres import running_postgres

DEPLOYMENTS = 30
MASTERS = 100
SENTINELS = 3
DAEMONS = 3
KILLS = int(os.environ.get("SWITCHMASTER_BENCH_KILLS", "10"))
CALM = 10.0
REST = 10.0
PATIENCE = 120.0
POLL = 0.02
PEER = Path(__file__).with_name("fleet_sentinels.py")


class Fleet:
    """Daemons with the same deployments, by name."""

    def __init__(self, folder: Path, url: str, sentinels: str, wanted: int) -> None:
        self._folder, self._url, self._sentinels, self._wanted = folder, url, sentinels, wanted
        self._stack = ExitStack()
        self.daemons: dict[str, Served] = {}

    def start(self, name: str) -> None:
        [port] = free_ports(1)
        tables = "".join(
            f"[deployments.d{number:02}]\nsentinels = [{self._sentinels}]\n"
            "probe = false\ndiscover = false\ntimeout = 10\n"
            for number in range(DEPLOYMENTS)
        )
        config = self._folder / f"{name}.toml"
        config.write_text(
            f'{tables}[share]\ndaemons = {self._wanted}\n[journal]\nurl = "{self._url}"\nobserver = "{name}"\n'
            f'[http]\nlisten = "127.0.0.1:{port}"\n',
            encoding="utf-8",
        )
        log = self._stack.enter_context((self._folder / f"{name}.log").open("ab"))
        command = (sys.executable, "-m", "switchmaster", "serve", "--config", str(config))
        self.daemons[name] = Served(self._stack.enter_context(launched(*command, log=log)), port)

    def end(self, name: str, number: int) -> None:
        """Send a signal to a daemon, and wait for its end."""
        process = self.daemons.pop(name).process
        process.send_signal(number)
        process.wait(PATIENCE)

    def watchers(self, name: str) -> list[list[str]]:
        """Return the living daemons that know each deployment's masters, as one of them sees it."""
        client = Client(self.daemons[name].port)
        try:
            lines: list[dict[str, Any]] = client.page("/api/v1/claims")["items"]
        finally:
            client.close()
        return [
            [
                one["daemon"]
                for one in line["daemons"]
                if one["state"] == "ready" and one["masters"] == MASTERS and one["daemon"] in self.daemons
            ]
            for line in lines
        ]

    def until_spread(self, evenly: bool = True) -> None:
        """Wait until as many daemons as are wanted watch each deployment, and all of them equally many."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                found = self.watchers(next(iter(self.daemons)))
            except (OSError, RuntimeError):
                found = []
            wanted = min(self._wanted, len(self.daemons))
            counts = [sum(name in one for one in found) for name in self.daemons]
            even = not evenly or max(counts) - min(counts) <= max(1, 0.1 * sum(counts) / len(counts))
            if len(found) == DEPLOYMENTS and all(len(one) == wanted for one in found) and even:
                return
            time.sleep(POLL)
        logs = {name: (self._folder / f"{name}.log").read_text("utf-8")[-1000:] for name in self.daemons}
        raise RuntimeError(f"the deployments were not spread within {PATIENCE:g} s: {found} {logs}")

    def close(self) -> None:
        self._stack.close()


@contextmanager
def shared(url: str, sentinels: str, wanted: int, daemons: int) -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder), url, sentinels, wanted)
        try:
            for number in range(daemons):
                fleet.start(f"daemon{number}")
            fleet.until_spread()
            yield fleet
        finally:
            fleet.close()


def spent(served: Served) -> float:
    """Return the seconds of processor time that a daemon has used."""
    fields = Path(f"/proc/{served.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def at_rest(url: str, sentinels: str, daemons: int) -> tuple[float, float]:
    """Return the most memory (MB) and the largest share of a core of some daemons that share everything."""
    with shared(url, sentinels, 1, daemons) as fleet:
        time.sleep(CALM)
        before = {name: spent(one) for name, one in fleet.daemons.items()}
        time.sleep(REST)
        shares = [(spent(one) - before[name]) / REST for name, one in fleet.daemons.items()]
        return max(one.resident() for one in fleet.daemons.values()), max(shares)


def moves(url: str, sentinels: str, wanted: int, number: int, times: int) -> list[float]:
    """Return how long each move from a daemon took that got a signal, from the signal on."""
    took = []
    with shared(url, sentinels, wanted, DAEMONS) as fleet:
        for turn in range(times):
            name = f"daemon{turn % DAEMONS}"
            begun = time.monotonic()
            fleet.end(name, number)
            fleet.until_spread(evenly=False)
            took.append(time.monotonic() - begun)
            fleet.start(name)
            fleet.until_spread()
    return took


def measure() -> list[Figure | Table]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        (folder / "pg").mkdir()
        url = stack.enter_context(running_postgres(folder / "pg")).url
        peer: subprocess.Popen[bytes] = stack.enter_context(
            launched(sys.executable, str(PEER), str(MASTERS), str(SENTINELS))
        )
        sentinels = ", ".join(f'"127.0.0.1:{int(each)}"' for each in line_of(peer).split())
        rest = {daemons: at_rest(url, sentinels, daemons) for daemons in range(1, DAEMONS + 1)}
        killed = {wanted: moves(url, sentinels, wanted, signal.SIGKILL, KILLS) for wanted in (1, 2)}
        ended = moves(url, sentinels, 1, signal.SIGTERM, max(1, KILLS // 2))
    rows = [[str(daemons), f"{memory:.0f} MB", f"{100 * share:.1f} %"] for daemons, (memory, share) in rest.items()]
    setting = (
        f"{DEPLOYMENTS} deployments of {MASTERS} masters on {SENTINELS} Sentinels each, watched by one daemon each: "
        "the largest of the daemons."
    )
    return [
        *(
            Figure(
                f"one of {DAEMONS} daemons is killed, {wanted} watch each deployment: until all is watched as before",
                f"{median(took):.2f} s (at most {max(took):.2f} s of {len(took)})",
                goal="<= 5 s",
            )
            for wanted, took in killed.items()
        ),
        Figure(
            "one of them is ended by SIGTERM: the same",
            f"{median(ended):.2f} s (at most {max(ended):.2f} s of {len(ended)})",
        ),
        Table("daemons that share deployments, at rest", setting, ["daemons", "memory", "processor"], rows),
    ]


if __name__ == "__main__":
    report(measure)
