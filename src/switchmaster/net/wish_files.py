"""
What must be put back after a planned failover, kept in a file until it was: so that it survives our own death.

One file for each run, in a folder of this user or service: a line of JSON, and a second line once the failover was
ordered. The process that made it holds a lock on it (flock), which ends with the process: a file without a lock is what
a dead run has left behind. Files are found by the master's name and the Sentinels, whatever they were given as.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from ..model import Address, SentinelName
from ..planned.preference import KeptWish, PriorityChange

__all__ = ["WishFile", "any_left_over", "state_folder"]

ENDING: Final = ".wish"
ORDERED: Final = "ordered"
BYTES_MAX: Final = 1 << 20


def state_folder(environ: Mapping[str, str]) -> Path:
    """
    Return where a run keeps what must survive it.

    Args:
        environ: the environment: ``SWITCHMASTER_STATE``, else systemd's ``STATE_DIRECTORY``, else the user's own.
    """
    if environ.get("SWITCHMASTER_STATE"):
        return Path(environ["SWITCHMASTER_STATE"])
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].partition(":")[0])
    home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".local" / "state")
    return Path(home) / "switchmaster"


def any_left_over(folder: Path) -> bool:
    """Return whether a folder holds any file of a wish, of whichever master, also one that a living run holds."""
    return any(folder.glob(f"*{ENDING}"))


class WishFile:
    """
    One file; made by `write` or `find`.

    Args:
        path: where it is.
        descriptor: the open file, with the lock.
        wish: what it says.
    """

    def __init__(self, path: Path, descriptor: int, wish: KeptWish) -> None:
        self.path, self.wish = path, wish
        self._descriptor = descriptor

    @classmethod
    def write(cls, folder: Path, sentinels: Iterable[SentinelName], wish: KeptWish) -> Self:
        """
        Keep a wish; it is on the disk when this returns.

        Args:
            folder: where; it is made if it does not exist.
            sentinels: that know the master.
            wish: what is about to be changed.

        Raises:
            OSError: the folder or the file can't be written.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{secrets.token_hex(8)}{ENDING}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        line = {
            "master": wish.master,
            "sentinels": sorted(sentinels),
            "changes": [[*each.node, each.before, each.during] for each in wish.changes],
        }
        os.write(descriptor, json.dumps(line).encode("ascii") + b"\n")
        os.fsync(descriptor)
        return cls(path, descriptor, wish)

    @classmethod
    def find(cls, folder: Path, master: str, sentinels: Iterable[SentinelName]) -> Iterator[Self]:
        """
        Yield what dead runs have left behind for one master; the caller holds each from then on.

        Args:
            folder: where; it need not exist.
            master: its name.
            sentinels: all that are known: a file belongs to them if it names one of them.
        """
        known = set(sentinels)
        for path in sorted(folder.glob(f"*{ENDING}")):
            with suppress(OSError, ValueError, KeyError, TypeError, IndexError):
                line, ordered = _read(path)
                if line["master"] != master or not known & set(line["sentinels"]):
                    continue
                descriptor = os.open(path, os.O_RDWR)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if not path.exists():  # its run has just ended and put back
                        raise FileNotFoundError(path)
                    changes = tuple(
                        PriorityChange(Address(str(a), int(b)), int(c), int(d)) for a, b, c, d in line["changes"]
                    )
                    wish = KeptWish(master, changes, ordered)
                except BaseException:
                    os.close(descriptor)
                    raise
                yield cls(path, descriptor, wish)

    def order(self) -> None:
        """Record that the failover is about to be ordered."""
        os.lseek(self._descriptor, 0, os.SEEK_END)
        os.write(self._descriptor, ORDERED.encode() + b"\n")
        os.fsync(self._descriptor)

    def remove(self) -> None:
        """Remove it: everything was put back."""
        with suppress(FileNotFoundError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Leave it to the next run."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _read(path: Path) -> tuple[dict[str, Any], bool]:
    with open(path, "rb") as file:
        first, *rest = file.read(BYTES_MAX).decode("ascii").splitlines()
    line = json.loads(first)
    if not isinstance(line, dict):
        raise ValueError
    return line, ORDERED in rest
