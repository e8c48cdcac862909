"""
A temporary PostgreSQL: a cluster in a temporary folder, run by a user other than root, removed at the end.

The programs come from PATH or from Debian's package `postgresql`; the system's own clusters are not touched.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rig.conditions import eventually
from switchmaster.lab.ports import free_ports

USERS = ("postgres", "nobody")
LIMIT = 60.0
ATTEMPTS = 4


def find_or_skip(program: str) -> str:
    """Find a program of PostgreSQL; if there is none, skip the test, or fail it if all are required."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)
    found = shutil.which(program) or (str(debian[0]) if debian else None)
    if found is not None:
        return found
    reason = f"no {program} was found; on Debian: apt-get install postgresql"
    if os.environ.get("SWITCHMASTER_TEST_REQUIRE") == "all":
        pytest.fail(f"SWITCHMASTER_TEST_REQUIRE=all: {reason}", pytrace=False)
    pytest.skip(reason)


def other_user() -> str | None:
    """Return the user to run as if we are root, which PostgreSQL refuses; else None."""
    if os.geteuid() != 0:
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    return next(name for name in USERS if name in known)


class Postgres:
    """
    One cluster.

    Args:
        folder: an empty folder, whose owner is changed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = find_or_skip("postgres")
        self._initdb = find_or_skip("initdb")
        self._user = other_user()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_ports(1)[0]

    @property
    def url(self) -> str:
        """The URL of a journal in it."""
        return f"postgresql+psycopg://switchmaster@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Make the cluster."""
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._let_pass()
        words = [self._initdb, "-D", str(self.folder / "data"), "-U", "switchmaster", "-A", "trust", "--no-sync"]
        subprocess.run([*words, "-E", "UTF8", "--locale=C"], check=True, capture_output=True, **self._as())

    def _let_pass(self) -> None:
        """Let another user pass the folders above, which each start of a pytest closes; not list them."""
        if self._user is None:
            return
        for parent in self.folder.parents:
            if parent.owner() == "root" and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)

    def start(self) -> None:
        """Start the server and wait until it accepts connections; on another port if this one is taken."""
        for _ in range(ATTEMPTS):
            self._launch()
            if eventually(lambda: self._answers() or self._ended(), LIMIT) != "ended":
                return
            self.stop()
            self.port = free_ports(1)[0]
        raise AssertionError((self.folder / "log").read_text("utf-8", "replace")[-2000:])

    def _launch(self) -> None:
        self._let_pass()
        words: Sequence[str] = [
            *(self._server, "-D", str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1"),
            *("-k", str(self.folder), "-c", "shared_buffers=16MB", "-c", "max_connections=30"),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, **self._as())

    @property
    def runs(self) -> bool:
        """Whether the server was started, and not stopped since."""
        return self._process is not None

    def _ended(self) -> str:
        assert self._process is not None
        return "" if self._process.poll() is None else "ended"

    def stop(self) -> None:
        """Stop the server at once; its clients are cut off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(LIMIT)
            self._process = None

    def _as(self) -> dict[str, str]:
        return {"cwd": str(self.folder)} if self._user is None else {"cwd": str(self.folder), "user": self._user}

    def _answers(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(f"host=127.0.0.1 port={self.port} user=switchmaster dbname=postgres") as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False


@contextmanager
def running_postgres(folder: Path) -> Iterator[Postgres]:
    """Run a new cluster in a folder while the block lasts."""
    cluster = Postgres(folder)
    cluster.make()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
