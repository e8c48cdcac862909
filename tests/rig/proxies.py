"""
``switchmaster proxy`` as a process, with Debian's HAProxy behind it.

The folder is removed at the end, and a HAProxy that still runs in it is ended, by the process numbers that its own
master's socket gives.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig.conditions import eventually
from rig.programs import program_or_skip
from switchmaster.lab import Lab
from switchmaster.lab.ports import free_ports
from switchmaster.net.haproxy_runtime import HaproxyProcess, HaproxyRuntime

LIMIT = 60.0
HOST = "127.0.0.1"


class ProxyRig:
    """
    A proxy of a lab: its ports and folder stay while the process is ended, killed and started again.

    Args:
        lab: with one master.
        folder: short enough for sockets.
        options: more options of the command line.
    """

    def __init__(self, lab: Lab, folder: Path, *options: str) -> None:
        self.lab, self.folder = lab, folder
        self.writes, self.reads, self.health = free_ports(3)
        self.options = options
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []
        self.complaints: list[str] = []
        self._readers: list[threading.Thread] = []

    def start(self) -> None:
        """Start the process, and wait until it says where clients find the master."""
        ports = ("--port", self.writes, "--reads-port", self.reads, "--health-port", self.health)
        program = program_or_skip("haproxy")
        sentinels = [f"{host}:{port}" for host, port in self.lab.sentinel_addresses]
        command = [sys.executable, "-m", "switchmaster", "proxy", *sentinels, *map(str, ports), "--haproxy", program]
        self.lines, self.complaints = [], []
        self.process = process = subprocess.Popen(
            [*command, "--folder", str(self.folder), "--format", "json", *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        streams = ((process.stdout, self.lines), (process.stderr, self.complaints))
        self._readers = [
            threading.Thread(target=lambda stream=stream, lines=lines: lines.extend(iter(stream.readline, "")))
            for stream, lines in streams
        ]
        for reader in self._readers:
            reader.start()
        eventually(lambda: "clients find" in "".join(self.complaints), LIMIT, what="the proxy to begin")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process by a signal, and return its exit code."""
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(number)
        code = process.wait(LIMIT)
        for reader in self._readers:
            reader.join(LIMIT)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        return code

    def haproxies(self) -> tuple[HaproxyProcess, ...]:
        """Return the processes of its HAProxy; none if it does not run."""
        with contextlib.suppress(OSError, TimeoutError):
            return asyncio.run(HaproxyRuntime(self.folder / "master", LIMIT, of_master=True).processes())
        return ()

    def pid(self, kind: str) -> int:
        """Return the process number of HAProxy's master or current worker; 0 if it does not run."""
        return next(
            (one.pid for one in self.haproxies() if one.kind == kind and (kind == "master" or not one.reloads)), 0
        )


@contextmanager
def proxied(lab: Lab, *options: str) -> Iterator[ProxyRig]:
    """Run a proxy of a lab; nothing of it is left at the end."""
    program_or_skip("haproxy")
    folder = Path(tempfile.mkdtemp(prefix="smp-", dir="/tmp"))
    rig = ProxyRig(lab, folder, *options)
    try:
        rig.start()
        yield rig
    finally:
        if rig.process is not None:
            rig.stop()
        for one in rig.haproxies():
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
