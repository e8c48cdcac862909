"""
A whole deployment of real servers on loopback: masters, replicas and Sentinels.

After `stop()` no process and no temporary folder is left, whatever happened meanwhile. The same holds at interpreter
exit and, through a guardian process, if the lab itself was killed.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from switchmaster.errors import LabError
from switchmaster.lab.binaries import ServerBinary, find_binary
from switchmaster.lab.certificates import Certificates, make_certificates
from switchmaster.lab.lab_client import LabCredentials
from switchmaster.lab.lab_options import (
    LabOptions,
    Listener,
    node_configuration,
    sentinel_configuration,
)
from switchmaster.lab.ports import free_ports
from switchmaster.lab.processes import Guardian, OwnedProcess
from switchmaster.lab.servers import LabServer, wait_for
from switchmaster.lab.steering import Steering
from switchmaster.lab.truth import read_info

__all__ = ["Lab"]

START_ATTEMPTS = 4
READY_TIMEOUT = 10.0
SETTLE_TIMEOUT = 15.0
FREE_BYTES_MIN = 64 * 1024
"""With less free disk space than this, no server can work."""
IN_USE = "Address already in use"


class PortTaken(LabError):
    """Another program took a port between choosing and using it."""


class Lab(Steering):
    """
    A deployment, as a context manager, or by `start()` and `stop()`.

    Args:
        options: what the lab looks like; None for one master, two replicas and three Sentinels.
        keep: whether to keep the temporary folder with the logs.
        changes: fields of `LabOptions` that replace those of `options`.

    Raises:
        UsageError: such a lab is not possible.
    """

    def __init__(self, options: LabOptions | None = None, *, keep: bool = False, **changes: Any) -> None:
        self.options = dataclasses.replace(options or LabOptions(), **changes)
        super().__init__(masters=self.options.masters)
        self.keep = keep
        self.binary: ServerBinary | None = None
        self.folder: Path | None = None
        self.certificates: Certificates | None = None
        self._guardian: Guardian | None = None
        self._owner = os.getpid()
        self._added = 0

    # Life

    def start(self) -> Self:
        """
        Start all servers and wait until they know each other; if the lab is up, do nothing.

        Raises:
            LabError: no server program was found, a server exited at once (the error has its last output), the
                folder can't be written, or the servers did not find each other in time. Nothing is left running.
            MissingDependency: TLS without the extra `lab-tls`.
        """
        if self.folder is not None:
            return self
        self.binary = find_binary(self.options.binary)
        self._owner = os.getpid()
        atexit.register(self.stop)
        try:
            with self._disk_errors():
                self._prepare_folder()
                self._start_servers()
                self.wait_until_settled(SETTLE_TIMEOUT)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Kill all servers and remove the temporary folder; a second call does nothing."""
        if self.folder is None or os.getpid() != self._owner:  # a forked child must not end its parent's lab
            return
        folder, self.folder = self.folder, None
        self._kill_all()
        if self._guardian is not None:
            self._guardian.dismiss()
            self._guardian = None
        if self._is_temporary:
            shutil.rmtree(folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What only the lab that started the servers can do

    def guard(self, pid: int) -> None:
        """Have another process of ours killed too, if this process is killed first."""
        if self._guardian is not None:
            self._guardian.add(pid)

    def restart(self, server: LabServer) -> None:
        """
        Restart a server with its configuration file, and wait until it answers.

        A running server is killed first.
        """
        if server.alive:
            self.crash(server)
        with self._disk_errors():
            self._launch(server)
        self._wait_ready([server])

    def restart_sentinel(self, index: int, keep_config: bool = True) -> None:
        """
        Kill a Sentinel and restart it.

        Args:
            index: its index in `sentinels`.
            keep_config: False restores its first configuration: it then has no memory of the other
                Sentinels, its own id and every failover since, and names the first master again.
        """
        sentinel = self._sentinel(index)
        if sentinel.alive:
            self.crash(sentinel)
        if not keep_config:
            with self._disk_errors():
                _write(sentinel.config, sentinel.first_config)
        self.restart(sentinel)

    def add_sentinel(self) -> LabServer:
        """
        Start one more Sentinel that monitors the same masters at their current addresses.

        Returns:
            The new Sentinel, once it answers; the others discover it within about 2 s.
        """
        masters = [(name, self.master(name).port) for name in self.options.masters]
        [port] = free_ports(1, self.options.host)
        sentinel = self._new_sentinel(port, masters)
        with self._disk_errors():
            _write(sentinel.config, sentinel.first_config)
            self._launch(sentinel)
        self._wait_ready([sentinel])
        return sentinel

    def remove_sentinel(self, index: int) -> None:
        """Kill a Sentinel and remove it from `sentinels`; the other Sentinels still remember it."""
        sentinel = self._sentinel(index)
        if sentinel.alive:
            self.crash(sentinel)
        self.servers.remove(sentinel)

    # Start, step by step

    def _prepare_folder(self) -> None:
        given = self.options.directory
        if given is None:
            self.folder = Path(tempfile.mkdtemp(prefix="switchmaster-lab-"))
        else:
            # From here on there is something to clean up, even if the folder can't be made.
            self.folder = given.absolute()
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.options.tls:
            self.certificates = make_certificates(self.folder)
        self._guardian = Guardian(self.folder if self._is_temporary else None)

    def _start_servers(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._plan()
                self._launch_all()
                return
            except PortTaken:
                self._kill_all()
                if attempt == START_ATTEMPTS:
                    raise

    def _plan(self) -> None:
        self.servers.clear()
        self._added = 0
        options = self.options
        groups = 1 + options.replicas
        ports = iter(free_ports(len(options.masters) * groups + options.sentinels, options.host))
        masters = []
        for name in options.masters:
            own = [next(ports) for _ in range(groups)]
            masters.append((name, own[0]))
            for number, port in enumerate(own, 1):
                self._new_node(f"{name}-{number}", name, port, None if number == 1 else own[0])
        for port in ports:
            self._new_sentinel(port, masters)
        for server in self.servers:
            for file in (server.log, server.output):  # from an earlier lab in the same folder
                file.unlink(missing_ok=True)
            _write(server.config, server.first_config)

    def _launch_all(self) -> None:
        # Masters first: a replica without a master retries after 1 s. Sentinels last: one that asks a
        # master without replicas asks again after 10 s.
        nodes = [server for server in self.servers if server.kind == "node"]
        first = [node for node in nodes if "\nreplicaof " not in node.first_config]
        for group in (first, [node for node in nodes if node not in first]):
            for node in group:
                self._launch(node)
            self._wait_ready(group)
        wait_for(lambda: self._unlinked(first), READY_TIMEOUT)
        for sentinel in self.sentinels:
            self._launch(sentinel)
        self._wait_ready(self.sentinels)

    def _unlinked(self, masters: Iterable[LabServer]) -> str:
        for master in masters:
            info = read_info(master.call("INFO", "replication"))
            online = sum(key.startswith("slave") and "state=online" in value for key, value in info.items())
            if online < self.options.replicas:
                return f"{master.describe()} has {online} of {self.options.replicas} replicas online"
        return ""

    def _launch(self, server: LabServer) -> None:
        assert self.binary is not None  # start() found it
        command = [str(self.binary.path), str(server.config)]
        with server.output.open("wb") as output:
            server.process = OwnedProcess([*command, "--sentinel"] if server.kind == "sentinel" else command, output)
        if self._guardian is not None:
            self._guardian.add(server.process.pid)

    def _wait_ready(self, servers: list[LabServer]) -> None:
        waiting = list(servers)

        def lacking() -> str:
            while waiting and self._is_ready(waiting[0]):
                waiting.pop(0)
            return f"{waiting[0].describe()} does not answer" if waiting else ""

        wait_for(lacking, READY_TIMEOUT)

    def _is_ready(self, server: LabServer) -> bool:
        if not server.alive:
            raise self._died(server)
        return server.answers()

    def _died(self, server: LabServer) -> LabError:
        self._forget(server)
        words = self._redacted(server.last_words())
        sentence = f"{server.describe()} exited right after its start: {words}"
        if IN_USE in words:
            return PortTaken(f"{sentence}; free that port, or start the lab again")
        if self.options.tls and "tls" in words.lower():
            return LabError(f"{sentence}; is {self.binary and self.binary.path} built without TLS?")
        return LabError(sentence)

    # Servers

    def _new_node(self, name: str, master: str, port: int, master_port: int | None) -> None:
        node = self._new(name, "node", master, port, self.options.password)
        assert self.binary is not None  # start() found it
        node.first_config = node_configuration(
            self.options, self.binary, self._listener(node), master_port, self.certificates
        )

    def _new_sentinel(self, port: int, masters: list[tuple[str, int]]) -> LabServer:
        self._added += 1
        sentinel = self._new(f"s{self._added}", "sentinel", "", port, self.options.sentinel_password)
        sentinel.first_config = sentinel_configuration(
            self.options, self._listener(sentinel), masters, self.certificates
        )
        return sentinel

    def _new(self, name: str, kind: Any, master: str, port: int, password: str | None) -> LabServer:
        assert self.folder is not None  # start() made it
        tls = self.certificates.client_context() if self.certificates else None
        host = self.options.announced_host
        server = LabServer(name, kind, master, host, port, self.folder, LabCredentials(password, tls=tls))
        self.servers.append(server)
        return server

    def _listener(self, server: LabServer) -> Listener:
        return Listener(server.port, server.folder, server.log)

    # End

    def _kill_all(self) -> None:
        running = [server for server in self.servers if server.alive]
        for server in running:
            server.signal(signal.SIGKILL)
        for server in running:
            self._wait_end(server)

    def _wait_end(self, server: LabServer) -> None:
        super()._wait_end(server)
        self._forget(server)

    def _forget(self, server: LabServer) -> None:
        if self._guardian is not None and server.pid is not None:
            self._guardian.remove(server.pid)

    @property
    def _is_temporary(self) -> bool:
        return self.options.directory is None and not self.keep

    def _redacted(self, text: str) -> str:
        for secret in self.options.secrets():
            text = text.replace(secret, "***")
        return text

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.folder
            raise LabError(
                f"the lab can't write {where}: {error.strerror or error}; free some space or choose another folder"
            ) from error
        except LabError as error:
            # A server does not report a full disk: its replicas or Sentinels never come up.
            if self.folder is None or _free_bytes(self.folder) > FREE_BYTES_MIN:
                raise
            raise LabError(
                f"{error}; the disk of {self.folder} is full: free some space or choose another folder"
            ) from error


def _free_bytes(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # the folder could not be made
        return float("inf")


def _write(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
