"""
Two networks joined by one cable, made for one test and removed after it: Linux network namespaces and a veth pair.

Needs root and the program `ip`. What a thread opens or starts inside `Network.entered()` belongs to that network, its
new threads and processes included; nothing outside the two is touched.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

CLONE_NEWNET = 0x40000000
CABLE = "cable"
NEAR, FAR = "192.0.2.1", "192.0.2.2"


def lacking() -> str:
    """Return why no namespace can be made here; an empty text if it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need the program ip (iproute2)"
    tried = subprocess.run(["ip", "netns", "add", (name := new_name())], capture_output=True, text=True)
    if tried.returncode:
        return f"network namespaces can't be made here: {tried.stderr.strip()}"
    ip("netns", "del", name)
    return ""


@dataclass(frozen=True)
class Network:
    """One namespace."""

    name: str
    host: str
    """Its address on the cable."""

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move the calling thread into this network for the length of a block."""
        with ExitStack() as stack:
            before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            stack.callback(os.close, before)
            other = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            stack.callback(os.close, other)
            _set_network(other)
            stack.callback(_set_network, before)
            yield

    def ip(self, *words: str) -> None:
        ip("-n", self.name, *words)


class Cable:
    """Two networks and the cable between them, for the length of a block."""

    def __init__(self) -> None:
        begin = new_name()
        self.near, self.far = Network(f"{begin}-near", NEAR), Network(f"{begin}-far", FAR)
        self._stack = ExitStack()

    def cut(self) -> None:
        """Drop everything silently: neither side gets an error."""
        self.far.ip("link", "set", CABLE, "down")

    def mend(self) -> None:
        self.far.ip("link", "set", CABLE, "up")
        self._introduce()

    def __enter__(self) -> Self:
        with self._stack:
            for network in (self.near, self.far):
                ip("netns", "add", network.name)
                self._stack.callback(ip, "netns", "del", network.name)
                network.ip("link", "set", "lo", "up")
            self.near.ip("link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", self.far.name)
            for network in (self.near, self.far):
                network.ip("addr", "add", f"{network.host}/30", "dev", CABLE)
                network.ip("link", "set", CABLE, "up")
            self._introduce()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _introduce(self) -> None:
        # A fixed ARP entry: if a neighbour did not answer ARP, the senders would get an error.
        for network, other in ((self.near, self.far), (self.far, self.near)):
            network.ip("neigh", "replace", other.host, "lladdr", _card(other), "dev", CABLE, "nud", "permanent")


def _card(network: Network) -> str:
    said = subprocess.run(
        ["ip", "-n", network.name, "-br", "link", "show", CABLE], check=True, capture_output=True, text=True
    )
    return said.stdout.split()[2]


def _set_network(descriptor: int) -> None:
    # os.setns came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def new_name() -> str:
    return f"switchmaster-{secrets.token_hex(4)}"


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"
