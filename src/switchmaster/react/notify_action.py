"""
People are notified of switches by one of the services that Apprise knows; a storm of switches is one message.

The first switch opens a window; the switches of all masters that come within it share one message for each service.
What a service has taken is remembered, so that another attempt goes only to those that have not. A daemon that is
killed between a message and its receipt makes it come once more.

The services' URLs hold their secrets: they come from a file, and are shown nowhere.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import apprise
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import UsageError
from ..journal.reaction_rows import RunCause
from ..journal.wishes import Wish
from ..terminal_text import neutralise
from .action_kinds import Action, AttemptFailed, GiveUp, Run

__all__ = ["NotifyAction", "Service", "read_services", "rendered_message"]

DEFAULT_TITLE: Final = (
    "{{ switches[0].master }} has moved{% if switches | length > 1 %}, and {{ switches | length - 1 }} more{% endif %}"
)
DEFAULT_BODY: Final = (
    "{% for switch in switches %}{{ switch.deployment }}/{{ switch.master }}: "
    "{{ switch.old or 'unknown' }} -> {{ switch.new }} ({{ switch.cause }}, {{ switch.grade }}), {{ switch.time }}\n"
    "{% endfor %}"
)
TITLE_CHARACTERS: Final = 250
BODY_CHARACTERS: Final = 16_000
FILE_CHARACTERS: Final = 1_000_000
TOLD_MAX: Final = 20_000
"""Pairs of a service and a delivery that are remembered; the oldest are forgotten first."""
CONNECT_SECONDS: Final = 5.0
PORTS: Final = {True: 443, False: 80}
"""By whether TLS is used."""


@dataclass(slots=True)
class _Window:
    """What is sent together."""

    wishes: list[Wish] = field(default_factory=list)
    sending: asyncio.Task[str] | None = None


_WINDOWS: dict[NotifyAction, _Window] = {}
"""Open windows; all of the engine's only loop."""
_TOLD: OrderedDict[tuple[str, str], None] = OrderedDict()
"""What services have taken: a service's id and a delivery."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service."""

    id: str
    name: str
    """Such as Slack; without anything secret."""
    plugin: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotifyAction(Action):
    """Sends messages."""

    kind: ClassVar[str] = "notify"

    urls_file: str
    """URLs of Apprise, one a line; read again with each message."""
    title: str
    body: str
    fold: float
    """Seconds for which a window is open."""

    @property
    def summary(self) -> str:
        """The file of the services."""
        return f"services of {self.urls_file}"

    async def apply(self, wish: Wish, run: Run) -> str:
        if run.cause is RunCause.RUN and run.attempt == 1:
            _forget(wish.delivery)
        window = _WINDOWS.get(self)
        if window is None:
            window = _WINDOWS[self] = _Window()
            window.sending = asyncio.create_task(self._send(window))
            window.sending.add_done_callback(lambda done: done.cancelled() or done.exception())
        window.wishes.append(wish)
        assert window.sending is not None
        # Others wait for it too.
        return await asyncio.shield(window.sending)

    async def _send(self, window: _Window) -> str:
        try:
            await asyncio.sleep(self.fold)
        finally:
            del _WINDOWS[self]
        return await asyncio.to_thread(self._notify, window.wishes)

    def _notify(self, wishes: Sequence[Wish]) -> str:
        failed = []
        services = self._services()
        for service in services:
            fresh = [one for one in wishes if (service.id, one.delivery) not in _TOLD]
            if not fresh:
                continue
            if not _notified(service, *rendered_message(self.title, self.body, fresh)):
                failed.append(service.name)
                continue
            for one in fresh:
                _TOLD[service.id, one.delivery] = None
            while len(_TOLD) > TOLD_MAX:
                _TOLD.popitem(last=False)
        if failed:
            raise AttemptFailed(f"not taken by {', '.join(failed)}; Apprise's lines in the log say why")
        together = "" if len(wishes) == 1 else f", {len(wishes)} switches together"
        return f"taken by {', '.join(one.name for one in services)}{together}"

    async def test(self) -> str:
        services = await asyncio.to_thread(self._services)
        rendered_message(self.title, self.body, [])
        reached, unknown = [], []
        for service in services:
            place = _place_of(service.plugin)
            if place is None:
                unknown.append(service.name)
                continue
            await _connect(service.name, *place)
            reached.append(service.name)
        words = [
            f"{', '.join(names)} {what}" for names, what in ((reached, "reached"), (unknown, "not tried")) if names
        ]
        return f"{'; '.join(words)}; nothing was sent, so tokens were not proved"

    def plan(self, wish: Wish) -> str:
        title, body = rendered_message(self.title, self.body, [wish])
        return f"would send {title!r}: {body!r}"

    def _services(self) -> list[Service]:
        try:
            with Path(self.urls_file).open(encoding="utf-8") as opened:
                return read_services(opened.read(FILE_CHARACTERS))
        except (OSError, UnicodeDecodeError) as error:
            raise AttemptFailed(f"can't read {self.urls_file}: {error}") from None
        except UsageError as error:
            raise AttemptFailed(f"{self.urls_file}: {error}") from None


def _forget(delivery: str) -> None:
    """Let a switch be told again: a person asks for it."""
    for pair in list(_TOLD):  # the thread of another action may add to it meanwhile
        if pair[1] == delivery:
            _TOLD.pop(pair, None)


def read_services(text: str) -> list[Service]:
    """
    Return the services of a file: a URL of Apprise a line; empty lines and those with ``#`` are left out.

    Raises:
        UsageError: there is none, or one is none; the message shows no URL.
    """
    found = []
    asset = apprise.AppriseAsset(async_mode=False, secure_logging=True)
    for number, line in enumerate(text.splitlines(), 1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if plugin is None:
            raise UsageError(f"line {number} is no URL of a service that Apprise knows")
        id = hashlib.sha256(url.encode("utf-8")).hexdigest()
        found.append(Service(id, str(plugin.service_name), plugin))
    if not found:
        raise UsageError("there is no URL of a service in it")
    return found


def rendered_message(title: str, body: str, wishes: Sequence[Wish]) -> tuple[str, str]:
    """
    Return a title and a body.

    Args:
        title: its template.
        body: its template.
        wishes: what happened; an example if there is nothing.

    Raises:
        GiveUp: a template can't be rendered.
    """
    shown = [_shown(one) for one in wishes] or [dict.fromkeys(SHOWN, "example")]
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    try:
        words, text = (environment.from_string(one).render(switches=shown) for one in (title, body))
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise GiveUp(f"its template: {type(error).__name__}: {error}") from None
    return " ".join(words.split())[:TITLE_CHARACTERS], text.strip()[:BODY_CHARACTERS]


SHOWN: Final = ("deployment", "master", "old", "new", "epoch", "grade", "cause", "time", "why")
"""What a template sees of each switch."""


def _shown(wish: Wish) -> dict[str, Any]:
    """Return a switch for a template; what is not text is as it is, and text holds no sign that is not seen."""
    found = {
        "deployment": wish.deployment,
        "master": wish.master,
        "old": None if wish.old is None else str(wish.old),
        "new": str(wish.new),
        "epoch": wish.epoch,
        **{name: wish.line[name] for name in ("grade", "cause", "time", "why")},
    }
    return {name: neutralise(value) if isinstance(value, str) else value for name, value in found.items()}


def _notified(service: Service, title: str, body: str) -> bool:
    one = apprise.Apprise(asset=service.plugin.asset)
    one.add(service.plugin)
    kind, form = apprise.NotifyType.WARNING, apprise.NotifyFormat.TEXT
    return bool(one.notify(title=title, body=body, notify_type=kind, body_format=form))


def _place_of(plugin: Any) -> tuple[str, int] | None:
    """
    Return where a service is; None if that is not known.

    What its URL has in the place of a host is a token for many services: it is used only where the service says that a
    host belongs there.
    """
    fixed = getattr(plugin, "notify_url", None)
    parts = urlsplit(fixed) if isinstance(fixed, str) else None
    if parts is not None and parts.hostname and "{" not in parts.netloc:
        return parts.hostname, parts.port or PORTS[parts.scheme == "https"]
    host = getattr(plugin, "smtp_host", None) or (plugin.host if "host" in plugin.template_tokens else None)
    return (str(host), int(plugin.port or PORTS[bool(plugin.secure)])) if host else None


async def _connect(name: str, host: str, port: int) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        raise AttemptFailed(f"{name}: {host}:{port} does not answer within {CONNECT_SECONDS:g} s") from None
    except (OSError, UnicodeError) as error:
        raise AttemptFailed(f"{name}: {host}:{port}: {error}") from None
    writer.close()
    await writer.wait_closed()
