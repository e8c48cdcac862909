"""
A master's place is a key of Consul, and if wanted a service of its catalog, both changed in one transaction.

The transaction fails if the key has changed since it was compared (``cas``), so the service never goes back either.
Source: https://developer.hashicorp.com/consul/api-docs/txn. The service belongs to a node of its own that no agent
runs on, as Consul's documentation asks of external services.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import quote

from ..journal.wishes import Wish
from .action_kinds import Action, AttemptFailed, GiveUp, Run
from .http_target import HttpTarget, read_token
from .stored_place import key_of, place_json, refuse_older, shows

__all__ = ["ConsulAction"]

CONFLICT: Final = 409
NOT_FOUND: Final = 404
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class ConsulAction(Action):
    """Writes keys and services of Consul."""

    kind: ClassVar[str] = "consul"
    compares: ClassVar[bool] = True

    target: HttpTarget
    key: str
    """A template, with ``{deployment}`` and ``{master}``."""
    service: str | None
    """The same for the service's name, which must be a label of the DNS; None for none."""
    tags: tuple[str, ...]
    token_file: str | None
    """Read again with each attempt."""

    @property
    def summary(self) -> str:
        """The API, the key and the service."""
        return f"{self.target.summary} {self.key}{f', service {self.service}' if self.service else ''}"

    async def apply(self, wish: Wish, run: Run) -> str:
        key, service = self._names(wish)
        headers = self._headers()
        index, found = await self._read(key, headers, run.attempt)
        value = place_json(wish)
        if found != value:
            refuse_older(found, wish, run)
        elif not await self._service_difference(service, wish, headers, run.attempt):
            return f"{key} is right already"
        operations = [{"KV": {"Verb": "cas", "Key": key, "Value": _encoded(value), "Index": index}}]
        if service is not None:
            operations += _service_operations(service, wish, self.tags)
        answer = await self.target.ask("PUT", "/v1/txn", operations, headers, run.attempt)
        if answer.status == CONFLICT:
            raise AttemptFailed(f"{key} was changed meanwhile: {answer.said}")
        answer.check()
        return f"{key} written" + (f", service {service} too" if service is not None else "")

    async def compare(self, wish: Wish, run: Run) -> str:
        key, service = self._names(wish)
        headers = self._headers()
        _, found = await self._read(key, headers, 0)
        difference = shows(found, wish)
        return f"{key}: {difference}" if difference else await self._service_difference(service, wish, headers, 0)

    async def test(self) -> str:
        key = key_of(self.key, "example", "example")
        await self._read(key, self._headers(), 0)
        return f"{self.target.summary} answers, and {key} may be read; nothing was written"

    def plan(self, wish: Wish) -> str:
        key, service = self._names(wish)
        return f"would write {place_json(wish)} to {key}{f', and the service {service}' if service else ''}"

    def _names(self, wish: Wish) -> tuple[str, str | None]:
        key = key_of(self.key, wish.deployment, wish.master)
        if any(part in (".", "..") for part in key.split("/")):
            raise GiveUp(f"{key} is no key: a part of it is '.' or '..'")
        if self.service is None:
            return key, None
        service = self.service.replace("{deployment}", wish.deployment).replace("{master}", wish.master)
        if not _LABEL.fullmatch(service):
            raise GiveUp(f"{service!r} is no name of a service: letters, digits and '-', at most 63")
        return key, service

    def _headers(self) -> dict[str, str]:
        return {} if self.token_file is None else {"x-consul-token": read_token(self.token_file)}

    async def _read(self, key: str, headers: dict[str, str], turn: int) -> tuple[int, str | None]:
        """Return the index that a key was last written at (0 if it is not there), and its value."""
        answer = await self.target.ask("GET", f"/v1/kv/{quote(key)}?consistent", None, headers, turn)
        if answer.check(NOT_FOUND).status == NOT_FOUND:
            return 0, None
        try:
            [found] = answer.body
            value = base64.b64decode(found["Value"] or "").decode("utf-8", "replace")
            return int(found["ModifyIndex"]), value
        except (LookupError, TypeError, ValueError, binascii.Error):
            raise AttemptFailed(f"{self.target.summary} answers with something else than Consul") from None

    async def _service_difference(self, service: str | None, wish: Wish, headers: dict[str, str], turn: int) -> str:
        if service is None:
            return ""
        path = f"/v1/catalog/service/{quote(service)}?consistent"
        answer = (await self.target.ask("GET", path, None, headers, turn)).check()
        if not isinstance(answer.body, list):
            raise AttemptFailed(f"{self.target.summary} answers with something else than Consul")
        found = [(one.get("ServiceAddress"), one.get("ServicePort")) for one in answer.body if isinstance(one, dict)]
        if found == [tuple(wish.new)]:
            return ""
        return f"service {service} shows {', '.join(f'{host}:{port}' for host, port in found) or 'nothing'}"


def _service_operations(service: str, wish: Wish, tags: tuple[str, ...]) -> list[dict[str, Any]]:
    host, port = wish.new
    node = {"Node": service, "Address": host, "Meta": {"external-node": "true", "external-source": "switchmaster"}}
    registered = {"ID": service, "Service": service, "Address": host, "Port": port, "Tags": list(tags)}
    return [
        {"Node": {"Verb": "set", "Node": node}},
        {"Service": {"Verb": "set", "Node": service, "Service": registered}},
    ]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("ascii")).decode("ascii")
