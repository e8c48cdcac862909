"""
Steering a running lab from another terminal.

`Publication` writes one JSON file that names the servers, without secrets, into a directory that only this user can
enter; `attach()` reads it and returns an `AttachedLab`. A pid in the file is never trusted alone: its start time must
match. Passwords stay in the lab's own folder, in a file of mode 0600.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchmaster.errors import LabError
from switchmaster.lab.certificates import Certificates
from switchmaster.lab.deployment import Lab
from switchmaster.lab.lab_client import LabCredentials
from switchmaster.lab.processes import ForeignProcess, process_facts
from switchmaster.lab.servers import LabServer, wait_for
from switchmaster.lab.steering import Steering

__all__ = ["AttachedLab", "Publication", "attach", "state_directory"]

FORMAT = 1
DOWN_TIMEOUT = 20.0
RESTART_TIMEOUT = 15.0
NONE_UP = "no lab is up; start one with: switchmaster lab up"


def state_directory() -> Path:
    """
    Return the directory of the state file; create it if needed.

    Raises:
        LabError: it can't be made, or other users have access (they could name pids to kill).
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    shared = Path(tempfile.gettempdir(), f"switchmaster-lab-{os.getuid()}")
    directory = Path(runtime, "switchmaster-lab") if runtime else shared
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        facts = directory.lstat()
    except OSError as error:
        raise LabError(f"can't make {directory} for the lab's state: {error.strerror or error}") from error
    ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o077
    if not ours:
        raise LabError(f"{directory} is not a directory that only you can access (mode 0700); remove it and try again")
    return directory


@dataclass(frozen=True, slots=True)
class Publication:
    """
    The state file of a lab that this process runs.

    Args:
        lab: a started lab.
    """

    lab: Lab

    @classmethod
    @contextlib.contextmanager
    def of(cls, lab: Lab) -> Iterator[Publication]:
        """
        Publish a lab for the length of a block.

        Raises:
            LabError: another lab of this user is published.
        """
        check_none_up()
        publication = cls(lab)
        publication.write()
        try:
            yield publication
        finally:
            _state_file().unlink(missing_ok=True)

    def write(self) -> None:
        """Write the current state atomically."""
        assert self.lab.folder is not None  # it was started
        secrets = {
            "node": self.lab.options.password,
            "sentinel": self.lab.options.sentinel_password,
        }
        try:
            _write(self.lab.folder / "secrets.json", secrets)
            _write(_state_file(), self._state())
        except OSError as error:
            raise LabError(f"can't write the lab's state {error.filename}: {error.strerror}") from error

    def serve_requests(self) -> list[str]:
        """
        Restart the servers that another terminal asked for.

        Returns:
            Their names.
        """
        done = []
        for request in sorted(_state_file().parent.glob("start-*")):
            request.unlink(missing_ok=True)
            name = request.name.removeprefix("start-")
            for server in self.lab.servers:
                if server.name == name and not server.alive:
                    self.lab.restart(server)
                    done.append(name)
        if done:
            self.write()
        return done

    def _state(self) -> dict[str, Any]:
        lab = self.lab
        return {
            "format": FORMAT,
            "owner": _identity(os.getpid()),
            "folder": str(lab.folder),
            "temporary": lab.options.directory is None and not lab.keep,
            "server": lab.binary.describe() if lab.binary else "",
            "tls": lab.options.tls,
            "masters": list(lab.options.masters),
            "servers": [_of_server(server) for server in lab.servers],
        }


class AttachedLab(Steering):
    """A lab that another process runs."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.folder = Path(state["folder"])
        self.temporary: bool = state["temporary"]
        self.binary: str = state["server"]
        self.tls: bool = state["tls"]
        self.owner = ForeignProcess(**state["owner"])
        super().__init__(map(self._server, state["servers"]), state["masters"])

    def restart(self, server: LabServer) -> None:
        """
        Ask the process that runs the lab to restart a dead server, and wait until it answers.

        Raises:
            LabError: it is still running, or does not answer in time.
        """
        if server.alive:
            raise LabError(f"{server.describe()} is still running")
        (_state_file().parent / f"start-{server.name}").touch(mode=0o600)
        wait_for(lambda: self._lacking_start(server), RESTART_TIMEOUT)

    def down(self) -> None:
        """End the lab: ask the process that runs it, and clean up in its place if it is gone."""
        self.owner.signal(signal.SIGTERM)
        self.owner.wait(DOWN_TIMEOUT)
        for server in self.servers:
            if server.alive:
                self.crash(server)
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
        _state_file().unlink(missing_ok=True)

    def _lacking_start(self, server: LabServer) -> str:
        state = _read()
        for entry in state["servers"] if state else ():
            if entry["name"] == server.name and entry["pid"] != server.pid:
                server.process = ForeignProcess(entry["pid"], entry["started"])
        return "" if server.alive and server.answers() else f"{server.describe()} was not restarted"

    def _server(self, entry: dict[str, Any]) -> LabServer:
        secrets = json.loads((self.folder / "secrets.json").read_text(encoding="utf-8"))
        tls = Certificates.inside(self.folder).client_context() if self.tls else None
        server = LabServer(
            name=entry["name"],
            kind=entry["kind"],
            master=entry["master"],
            host=entry["host"],
            port=entry["port"],
            folder=self.folder,
            credentials=LabCredentials(secrets[entry["kind"]], tls=tls),
        )
        if entry["pid"] is not None:
            server.process = ForeignProcess(entry["pid"], entry["started"])
        return server


def attach() -> AttachedLab:
    """
    Return the lab that this user runs in another process.

    Raises:
        LabError: there is none.
    """
    state = _read()
    if state is None:
        raise LabError(NONE_UP)
    try:
        lab = AttachedLab(state)
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise LabError(f"the lab described in {_state_file()} is gone; {NONE_UP}") from error
    if not lab.owner.alive and not any(server.alive for server in lab.servers):
        raise LabError(NONE_UP)
    return lab


def check_none_up() -> None:
    """
    Make sure that no other lab of this user is published.

    Raises:
        LabError: one is; the error says how to end it.
    """
    state = _read()
    if state is not None and ForeignProcess(**state["owner"]).alive:
        raise LabError(f"a lab is up already (process {state['owner']['pid']}); end it with: switchmaster lab down")


def _identity(pid: int | None) -> dict[str, Any]:
    facts = process_facts(pid) if pid is not None else None
    return {"pid": pid, "started": facts.started if facts else ""}


def _of_server(server: LabServer) -> dict[str, Any]:
    where = {"name": server.name, "kind": server.kind, "master": server.master}
    started = getattr(server.process, "started", "")
    return where | {"host": server.host, "port": server.port, "pid": server.pid, "started": started}


def _state_file() -> Path:
    return state_directory() / "lab.json"


def _read() -> dict[str, Any] | None:
    try:
        state = json.loads(_state_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and state.get("format") == FORMAT else None


def _write(path: Path, value: Any) -> None:
    part = path.with_suffix(f".{os.getpid()}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
    part.replace(path)
