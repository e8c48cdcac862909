"""
A master's place is a key of etcd, written by a transaction that fails if the key has changed since it was compared.

Spoken to is the JSON gateway of etcd 3.4 and later (https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/): keys and
values are base64, 64-bit numbers are strings, and what has its default value is left out.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, ClassVar

from ..journal.wishes import Wish
from .action_kinds import Action, AttemptFailed, Run
from .http_target import HttpTarget, read_token
from .stored_place import key_of, place_json, refuse_older, shows

__all__ = ["EtcdAction"]


@dataclass(frozen=True, slots=True)
class EtcdAction(Action):
    """Writes keys of etcd."""

    kind: ClassVar[str] = "etcd"
    compares: ClassVar[bool] = True

    target: HttpTarget
    key: str
    """A template, with ``{deployment}`` and ``{master}``."""
    username: str | None
    password_file: str | None
    """Read again with each attempt."""

    @property
    def summary(self) -> str:
        """The endpoints and the key."""
        return f"{self.target.summary} {self.key}"

    async def apply(self, wish: Wish, run: Run) -> str:
        headers = await self._log_in(run.attempt)
        key = key_of(self.key, wish.deployment, wish.master)
        revision, found = await self._read(key, headers, run.attempt)
        value = place_json(wish)
        if found == value:
            return f"{key} is right already"
        refuse_older(found, wish, run)
        unchanged = {"key": _encoded(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}
        put = {"request_put": {"key": _encoded(key), "value": _encoded(value)}}
        answer = await self._post("kv/txn", {"compare": [unchanged], "success": [put]}, headers, run.attempt)
        if not answer.get("succeeded"):
            raise AttemptFailed(f"{key} was changed meanwhile")
        return f"{key} written"

    async def compare(self, wish: Wish, run: Run) -> str:
        key = key_of(self.key, wish.deployment, wish.master)
        _, found = await self._read(key, await self._log_in(0), 0)
        difference = shows(found, wish)
        return f"{key}: {difference}" if difference else ""

    async def test(self) -> str:
        key = key_of(self.key, "example", "example")
        await self._read(key, await self._log_in(0), 0)
        return f"{self.target.summary} answers, and {key} may be read; nothing was written"

    def plan(self, wish: Wish) -> str:
        return f"would write {place_json(wish)} to {key_of(self.key, wish.deployment, wish.master)}"

    async def _log_in(self, turn: int) -> dict[str, str]:
        """Return the headers that prove who we are."""
        if self.username is None or self.password_file is None:
            return {}
        body = {"name": self.username, "password": read_token(self.password_file)}
        answer = await self._post("auth/authenticate", body, {}, turn)
        return {"authorization": str(answer.get("token", ""))}

    async def _read(self, key: str, headers: dict[str, str], turn: int) -> tuple[int, str | None]:
        """Return the revision that a key was last written with (0 if it is not there), and its value."""
        answer = await self._post("kv/range", {"key": _encoded(key)}, headers, turn)
        found = answer.get("kvs") or []
        if not found:
            return 0, None
        try:
            value = base64.b64decode(found[0].get("value", "")).decode("utf-8", "replace")
            return int(found[0]["mod_revision"]), value
        except (LookupError, TypeError, ValueError, AttributeError, binascii.Error):
            raise AttemptFailed(f"{self.target.summary} answers with something else than etcd") from None

    async def _post(self, path: str, body: Any, headers: dict[str, str], turn: int) -> dict[str, Any]:
        answer = (await self.target.ask("POST", f"/v3/{path}", body, headers, turn)).check()
        if not isinstance(answer.body, dict):
            raise AttemptFailed(f"{self.target.summary} answers with something else than etcd")
        return answer.body


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")
