"""
A program is run for a switch: no shell, its own process group, killed at the timeout, and with its daemon.

It gets the arguments of Sentinel's ``client-reconfig-script``, the facts as variables, and the switch as JSON on
standard input. Of the daemon's environment it gets only what `PASSED` names: the rest may hold passwords. Exit codes
as Sentinel reads them: 0 done, 1 or a signal try again, 2 and more give up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from ..journal.wishes import Wish
from .action_kinds import Action, AttemptFailed, GiveUp, Run
from .switch_facts import arguments_of, input_of, variables_of

__all__ = ["ScriptAction"]

PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Variables of the daemon that a script gets too."""
OUTPUT_BYTES: Final = 4_000
"""The end of the output that is kept."""
TERM_SECONDS: Final = 1.0
"""Seconds between SIGTERM and SIGKILL."""
TAIL_SECONDS: Final = 0.5
"""Seconds to wait for more output once the script has ended: a background process may hold the pipe for ever."""
GUARDIAN: Final = Path(__file__).with_name("script_guardian.py")
RETRY: Final = 1
"""The exit code that asks for another attempt."""


@dataclass(frozen=True, slots=True)
class ScriptAction(Action):
    """Runs a program."""

    kind: ClassVar[str] = "script"

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    """Variables of the operator's own; they may hold secrets."""
    arguments: bool
    """Whether Sentinel's arguments follow those of `argv`."""
    directory: str | None
    """Where it runs; None for ``/``."""

    @property
    def summary(self) -> str:
        """The program and its own arguments."""
        return " ".join(self.argv)

    async def apply(self, wish: Wish, run: Run) -> str:
        argv = [*self.argv, *(arguments_of(wish) if self.arguments else ())]
        kept = {name: os.environ[name] for name in PASSED if name in os.environ}
        environment = {**kept, **self.environment, **variables_of(wish, run)}
        code, output = await self._run(argv, environment, input_of(wish, run))
        text = output.decode("utf-8", "replace").strip()
        words = f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
        said = f"{words}: {text}" if text else words
        if code == 0:
            return text or "exit code 0"
        if code == RETRY or code < 0:
            raise AttemptFailed(said)
        raise GiveUp(said)

    async def _run(self, argv: list[str], environment: Mapping[str, str], given: bytes) -> tuple[int, bytes]:
        """Run to the end, and return the exit code (negative for a signal) and the end of the output."""
        control, held = os.pipe()
        # Not asyncio's pipe: it would count a process as running while a background process holds the pipe.
        reads, said = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(GUARDIAN), str(control), *argv),
                stdin=asyncio.subprocess.PIPE,
                stdout=said,
                stderr=said,
                env=environment,
                cwd=self.directory or "/",
                pass_fds=(control,),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            os.close(held)
            os.close(reads)
            raise AttemptFailed(f"it could not be started: {error}") from None
        finally:
            os.close(control)
            os.close(said)
        output = bytearray()
        reading = asyncio.create_task(_read(reads, output))
        try:
            await _write(process, given)
            code = await process.wait()
            await asyncio.wait((reading,), timeout=TAIL_SECONDS)
            return code, bytes(output)
        except asyncio.CancelledError:
            await asyncio.shield(_end(process))
            raise
        finally:
            os.close(held)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def test(self) -> str:
        found = shutil.which(self.argv[0])
        if found is None:
            raise AttemptFailed(f"{self.argv[0]} is not there, or not executable")
        if self.directory is not None and not os.path.isdir(self.directory):
            raise AttemptFailed(f"its directory {self.directory} is not there")
        return f"{found} is executable; it was not run"

    def plan(self, wish: Wish) -> str:
        argv = [*self.argv, *(arguments_of(wish) if self.arguments else ())]
        return f"would run {argv!r}"


async def _read(pipe: int, output: bytearray) -> None:
    """Keep the end of what comes through a pipe, until it ends or we are cancelled; close it."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb"))
    try:
        while part := await reader.read(65536):
            output += part
            del output[:-OUTPUT_BYTES]
    finally:
        transport.close()


async def _write(process: asyncio.subprocess.Process, given: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it may end, or close its input, without reading it
        process.stdin.write(given)
        await process.stdin.drain()
        process.stdin.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the whole group: it may tidy up for a moment."""
    for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, TERM_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
    # The guardian may have ended at once, and left others of its group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
