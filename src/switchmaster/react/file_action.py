"""
A file is rendered from the masters' places, checked by a command, replaced in one step, and its reader told.

Templates are Jinja2 in a sandbox: they see `masters` and nothing of this process. What the network says reaches them
only as names and addresses of harmless characters (`is_harmless`), with which no line of a configuration can be ended.
A master with another name is left out, and its own run gives up.

One run at a time renders a file, and reads the newest wishes while it holds the file's lock: an older content never
follows a newer one. It is meant for `local` actions: the file belongs to one daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..journal.reaction_rows import RunCause
from ..journal.wishes import Wish
from ..model import is_ip
from .action_kinds import Action, AttemptFailed, GiveUp, Run

__all__ = ["BUILT_IN", "FileAction", "is_harmless"]

FILE_BYTES: Final = 16 * 2**20
"""Most bytes of a template, and of what it renders."""
OUTPUT_BYTES: Final = 2_000
PLACEHOLDER: Final = "{file}"
_HARMLESS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}")
_LOCKS: dict[str, asyncio.Lock] = {}
"""One for each file; all of the engine's only loop."""

BUILT_IN: Final = ("env", "envoy-eds", "haproxy", "hosts", "json", "nginx-stream", "twemproxy")
"""Names of the templates that come along, files of the folder `TEMPLATES`."""
TEMPLATES: Final = Path(__file__).with_name("templates")
EXAMPLE_HOST: Final = "192.0.2.1"
"""Of no machine: for documentation (RFC 5737)."""


class ShownMaster(NamedTuple):
    """A master as a template may see it: names and addresses of harmless characters."""

    deployment: str
    """Empty where it has other characters."""
    name: str
    host: str
    port: int
    epoch: int | None


@dataclass(frozen=True, slots=True)
class FileAction(Action):
    """Writes a file."""

    kind: ClassVar[str] = "file"
    compares: ClassVar[bool] = True

    path: str
    template: str | None
    """The name of one of `BUILT_IN`."""
    template_file: str | None
    """Read again with each attempt."""
    validate: tuple[str, ...]
    """A program that checks a file before it is used; `PLACEHOLDER` stands for its path."""
    reload: tuple[str, ...]
    """A program to run once the file has changed."""
    mode: int
    ports: Mapping[str, int] = field(default_factory=dict)
    """Where a proxy listens for each master, by the master's name."""
    bind: str = "127.0.0.1"
    """The address of those ports."""

    @property
    def summary(self) -> str:
        """The file."""
        return self.path

    async def apply(self, wish: Wish, run: Run) -> str:
        if not (is_harmless(wish.master) and is_harmless_host(wish.new.host)):
            raise GiveUp(f"{wish.master!r} at {wish.new.host!r} is left out: other characters than A-Z a-z 0-9 . _ : -")
        async with _LOCKS.setdefault(self.path, asyncio.Lock()):
            content = await asyncio.to_thread(self._rendered, run)
            changed = content != await asyncio.to_thread(_read, self.path)
            if changed:
                await self._replace(content)
            # After a failed attempt, or at a person's word, the reader may not know what the file says.
            if self.reload and (changed or run.attempt > 1 or run.cause is RunCause.RUN):
                await _call(self.reload, "reload")
                return f"{self.path} {'written' if changed else 'unchanged'}, and its reader told"
        return f"{self.path} {'written' if changed else 'is right already'}"

    async def compare(self, wish: Wish, run: Run) -> str:
        async with _LOCKS.setdefault(self.path, asyncio.Lock()):
            content = await asyncio.to_thread(self._rendered, run)
            found = await asyncio.to_thread(_read, self.path)
        if found is None:
            return f"{self.path} is not there"
        return "" if found == content else f"{self.path} was changed by another hand"

    async def test(self) -> str:
        folder = os.path.dirname(self.path)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise AttemptFailed(f"{folder} is not there, or can't be written")
        examples = [ShownMaster("", name, EXAMPLE_HOST, 6379, None) for name in self.ports or ("example",)]
        content = await asyncio.to_thread(self._render, examples)
        # A program may want the masters that there are: what is there is checked, the example only before the first.
        found = await asyncio.to_thread(_read, self.path)
        content = content if found is None else found
        async with _temporary(self.path, content, self.mode) as file:
            if self.validate:
                await _call([word.replace(PLACEHOLDER, file) for word in self.validate], "validate")
        return f"{folder} can be written, and the template renders an example; nothing was changed"

    def plan(self, wish: Wish) -> str:
        return f"would write {self.path} with {wish.master!r} at {str(wish.new)!r}"

    def _rendered(self, run: Run) -> bytes:
        kept = [one for one in run.elsewhere() if is_harmless(one.master) and is_harmless_host(one.new.host)]
        return self._render(
            [
                ShownMaster(one.deployment if is_harmless(one.deployment) else "", one.master, *one.new, one.epoch)
                for one in sorted(kept, key=lambda one: (one.deployment, one.master))
            ]
        )

    def _render(self, shown: Sequence[ShownMaster]) -> bytes:
        ours = self.template is not None
        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=ours, lstrip_blocks=ours
        )
        try:
            text = environment.from_string(self._source()).render(masters=self._masters(shown))
        except TemplateError as error:
            raise AttemptFailed(f"its template: {type(error).__name__}: {error}") from None
        except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise AttemptFailed(f"its template failed: {type(error).__name__}: {error}") from None
        content = text.encode("utf-8", "backslashreplace")
        if len(content) > FILE_BYTES:
            raise AttemptFailed(f"its template renders more than {FILE_BYTES} bytes")
        return content

    def _masters(self, shown: Sequence[ShownMaster]) -> list[dict[str, Any]]:
        """Return what a template sees."""
        of = Counter(one.name for one in shown)
        found = []
        for one in shown:
            section = one.name if of[one.name] == 1 else f"{one.deployment}.{one.name}"
            listen = self.ports.get(one.name)
            found.append(
                {
                    "deployment": one.deployment,
                    "name": one.name,
                    "host": one.host,
                    "port": one.port,
                    "epoch": one.epoch,
                    "address": f"[{one.host}]:{one.port}" if ":" in one.host else f"{one.host}:{one.port}",
                    "numeric": is_ip(one.host),
                    "section": section,
                    "variable": re.sub(r"[^A-Z0-9]", "_", section.upper()),
                    "listen": None if listen is None else f"{self.bind}:{listen}",
                }
            )
        return found

    def _source(self) -> str:
        if self.template is not None:
            return (TEMPLATES / f"{self.template}.j2").read_text("utf-8")
        found = _read(self.template_file or "")
        if found is None:
            raise AttemptFailed(f"its template {self.template_file} is not there")
        return found.decode("utf-8", "replace")

    async def _replace(self, content: bytes) -> None:
        async with _temporary(self.path, content, self.mode) as file:
            if self.validate:
                await _call([word.replace(PLACEHOLDER, file) for word in self.validate], "validate")
            try:
                await asyncio.to_thread(_move, file, self.path)
            except OSError as error:
                raise AttemptFailed(f"{self.path} can't be replaced: {error.strerror}") from None


def is_harmless(text: str) -> bool:
    """Return whether a name or address has only characters that mean nothing in a configuration."""
    return _HARMLESS.fullmatch(text) is not None


def is_harmless_host(host: str) -> bool:
    """Return the same of a host, which may be an IPv6 address that begins with ``::``."""
    return is_harmless(host) or (host.startswith("::") and "%" not in host and is_ip(host))


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AttemptFailed(f"{path} can't be read: {error.strerror}") from None


@contextlib.asynccontextmanager
async def _temporary(path: str, content: bytes, mode: int) -> Any:
    """Write a file beside another one, and yield its path; it is removed if it is still there afterwards."""
    try:
        file = await asyncio.to_thread(_write, path, content, mode)
    except OSError as error:
        raise AttemptFailed(f"{os.path.dirname(path)} can't be written: {error.strerror}") from None
    try:
        yield file
    finally:
        Path(file).unlink(missing_ok=True)


def _write(path: str, content: bytes, mode: int) -> str:
    folder, name = os.path.split(path)
    descriptor, file = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    with open(descriptor, "wb") as opened:
        os.fchmod(descriptor, mode)
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)
    return file


def _move(file: str, path: str) -> None:
    os.replace(file, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def _call(argv: Sequence[str], what: str) -> None:
    """Run a program to its end, without a shell; it must end with 0."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=kept,
            start_new_session=True,
        )
    except OSError as error:
        raise AttemptFailed(f"{what}: {argv[0]}: {error.strerror}") from None
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        said = output[-OUTPUT_BYTES:].decode("utf-8", "replace").strip()
        raise AttemptFailed(f"{what}: exit code {process.returncode}: {said}")
