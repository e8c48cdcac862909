"""
The HAProxy that is ours: checked, started, found running again, reloaded, ended.

It runs as a daemon of its own in master/worker mode, no child of ours: it goes on when we die, and the next run finds
it by the master's socket in the same folder, and reloads it. One that was found is treated as one that was started.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..errors import UsageError
from ..net.haproxy_runtime import HaproxyProcess, HaproxyRuntime
from ..terminal_text import neutralise
from .haproxy_config import WORKER_SOCKET

__all__ = ["HaproxyProgram", "find_program"]

START_SECONDS: Final = 15.0
"""How long HAProxy has to start or to reload."""
END_SECONDS: Final = 5.0
"""How long it has to end before it is killed."""
POLL_SECONDS: Final = 0.02
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
"""Seconds before HAProxy is started again, at first and at most."""
WELL_SECONDS: Final = 30.0
"""Seconds after which one that ended counts as one that had worked."""
TAIL_BYTES: Final = 2000


def find_program(program: str) -> str:
    """
    Return the path of HAProxy's program; Debian's is in /usr/sbin, which users' PATH need not have.

    Raises:
        UsageError: it is not there.
    """
    found = shutil.which(program, path=_search_path())
    if found is None:
        raise UsageError(f"HAProxy is not installed: there is no {program}. Install it: `apt install haproxy`")
    return found


def _search_path() -> str:
    return f"{os.environ.get('PATH') or os.defpath}:/usr/local/sbin:/usr/sbin:/sbin"


class HaproxyProgram:
    """
    One HAProxy.

    Args:
        program: its name or path.
        folder: for its files; ours alone.
        on_end: called when it has ended by itself.
    """

    def __init__(self, program: str, folder: Path, on_end: Callable[[], None]) -> None:
        self._program, self._folder, self._on_end = program, folder, on_end
        self.runtime = HaproxyRuntime(folder / WORKER_SOCKET)
        """The runtime API of its current worker: one process less on the way to a move than by the master."""
        self._master = HaproxyRuntime(folder / "master", of_master=True)
        self.starts = 0
        self.reloads = 0
        self.pid: int | None = None
        """Of the current worker, when it was last asked; None if none ran."""
        self.version: str | None = None
        self._started_at = float("-inf")
        self._pause = FIRST_PAUSE
        self._watched: int | None = None
        """The descriptor that becomes readable when HAProxy's master ends."""
        self._written = ""
        """What is in the file."""
        self._old_workers = False
        """Whether workers of before a reload may still have sessions."""
        self._lock: int | None = None

    def __repr__(self) -> str:
        return f"<HaproxyProgram in {self._folder}>"

    @property
    def file(self) -> Path:
        """The configuration."""
        return self._folder / "haproxy.cfg"

    def claim(self) -> None:
        """
        Claim the folder.

        Raises:
            UsageError: another process of ours uses it.
        """
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise UsageError(f"another switchmaster runs the proxy in {self._folder}") from None
        self._lock = lock

    async def running(self) -> bool:
        """Return whether it runs, started by this run or an earlier one."""
        found = await self._processes()
        worker = next((one for one in found if one.kind == "worker" and not one.reloads), None)
        self.pid, self.version = (None, None) if worker is None else (worker.pid, worker.version)
        return any(one.kind == "worker" for one in found)

    async def check(self, text: str) -> None:
        """
        Have HAProxy read a configuration without running it.

        Raises:
            UsageError: HAProxy is not installed, or refuses it; the sentence says why.
        """
        candidate = self._folder / "haproxy.check"
        _write(candidate, text)
        try:
            code, output = await self._run("-c", "-f", str(candidate))
        finally:
            candidate.unlink(missing_ok=True)
        if code != 0:
            raise UsageError(f"HAProxy refuses its configuration: {_reason(output)}")

    async def apply(self, text: str) -> None:
        """
        Run with this configuration, which `check` has seen: start, or reload what runs.

        Raises:
            UsageError: HAProxy is not installed, or does not start; the sentence says why.
        """
        self.write(text)
        if await self.running():
            await self._reload()
        else:
            await self._start()

    def write(self, text: str) -> None:
        """Write the configuration for the next start or reload, in one step."""
        if text == self._written:
            return
        self._written = ""
        _write(self._folder / "haproxy.next", text)
        os.replace(self._folder / "haproxy.next", self.file)
        self._written = text

    async def end_old_workers(self) -> None:
        """End the workers of before a reload, with their sessions: what is moved now reaches the new one alone."""
        if not self._old_workers:
            return
        for one in await self._processes():
            if one.kind == "worker" and one.reloads > 0:
                _signal(one.pid, signal.SIGTERM)
        self._old_workers = False

    async def close(self, end: bool = True) -> None:
        """
        Give it up.

        Args:
            end: whether HAProxy ends too; else it goes on by its own checks, and the next run finds it.
        """
        self._unwatch()
        if end:
            await self._end()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- steps --------------------------------------------------------------------------------------

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() > self._started_at + WELL_SECONDS:
            self._pause = FIRST_PAUSE
        else:
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._started_at = loop.time()
        self.starts += 1
        socket = f"{self._folder / 'master'},mode,600"
        code, output = await self._run("-W", "-D", "-S", socket, "-f", str(self.file))
        if code != 0:
            raise UsageError(f"HAProxy did not start: {_reason(output)}")
        await self._wait_for_worker(set(), "start", output)

    async def _reload(self) -> None:
        before = {one.pid for one in await self._processes()}
        self.reloads += 1
        self._old_workers = True
        with contextlib.suppress(OSError):  # the master may end the connection as it begins
            await self._master.reload()
        await self._wait_for_worker(before, "reload", b"")

    async def _wait_for_worker(self, before: set[int], what: str, output: bytes) -> None:
        """Wait for a worker that was not there before, and watch its master."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    found = await self._processes()
                    if any(one.kind == "worker" and not one.reloads and one.pid not in before for one in found):
                        break
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise UsageError(f"HAProxy did not {what} within {START_SECONDS:g} s: {_reason(output)}") from None
        self._watch(next(one.pid for one in found if one.kind == "master"))

    async def _processes(self) -> tuple[HaproxyProcess, ...]:
        with contextlib.suppress(OSError, TimeoutError):
            return await self._master.processes()
        return ()

    async def _run(self, *arguments: str) -> tuple[int, bytes]:
        """Run HAProxy until it has checked or begun, and return its exit code and the end of its output."""
        program = find_program(self._program)
        # To a file: the daemon that it becomes would keep a pipe open.
        log = self._folder / "haproxy.log"
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # Nothing of our environment: HAProxy would put variables into its configuration.
                env={"PATH": _search_path()},
            )
        except OSError as error:
            raise UsageError(f"HAProxy can't be run ({program}: {error.strerror})") from None
        finally:
            os.close(output)
        try:
            async with asyncio.timeout(START_SECONDS):
                code = await process.wait()
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise UsageError(f"HAProxy neither began nor failed within {START_SECONDS:g} s") from None
            raise
        return code, _tail(log)

    def _watch(self, master: int) -> None:
        """Call back as soon as HAProxy's master ends; where Linux can't say so, the next look finds it."""
        self._unwatch()
        try:
            self._watched = os.pidfd_open(master)
        except (AttributeError, OSError):
            return
        asyncio.get_running_loop().add_reader(self._watched, self._ended)

    def _unwatch(self) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            os.close(self._watched)
            self._watched = None

    def _ended(self) -> None:
        self._unwatch()
        self._on_end()

    async def _end(self) -> None:
        found = await self._processes()
        for one in found:
            if one.kind == "master":
                _signal(one.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(END_SECONDS):
                while await self._processes():
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            for one in found:
                _signal(one.pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _write(file: Path, text: str) -> None:
    # It may hold a password.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as opened:
        opened.write(text)


def _tail(log: Path) -> bytes:
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return opened.read()
    except OSError:
        return b""


def _reason(output: bytes) -> str:
    """Return what HAProxy says is wrong, on one line."""
    lines = output.decode("utf-8", "replace").splitlines()
    alerts = [line for line in lines if "[ALERT]" in line] or lines[-1:]
    return neutralise(" ".join(line.partition(" : ")[2] or line for line in alerts))[:500] or "it says nothing"
