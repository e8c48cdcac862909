"""
Replies of recorded servers, by question, as a shell would have collected them.

`sentinel_replies` are those of tests/recorded/replies, `node_replies` the INFO of tests/recorded/node_info.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Final

import hiredis

__all__ = ["disguise", "node_replies", "sentinel_replies"]

RECORDED: Final = Path(__file__).parent


def disguise(secret: str) -> str:
    """Return what stands for a secret."""
    return f"(secret {len(secret)})"


def sentinel_replies(version: str) -> dict[tuple[str, ...], Any]:
    """Return what one Sentinel answered; INFO is put together from its two recorded sections."""
    replies: dict[tuple[str, ...], Any] = {}
    for line in (RECORDED / "replies" / f"{version}.txt").read_text(encoding="utf-8").splitlines():
        command, arrow, text = line.partition(" => ")
        if arrow and re.match(r"(SENTINEL|INFO|ACL|PING)\b", command) and not text.endswith("..."):
            replies.setdefault(tuple(command.split(" ")), _reply(text))
    replies["INFO",] = replies.pop(("INFO", "server")) + b"\r\n" + replies.pop(("INFO", "sentinel"))
    return replies


def node_replies(version: str, label: str, role: Any = None) -> dict[tuple[str, ...], Any]:
    """Return what one node answered: the INFO of the recorded line that begins with a label, and a ROLE."""
    for line in (RECORDED / "node_info" / f"{version}.txt").read_text(encoding="utf-8").splitlines():
        name, arrow, text = line.partition(" => ")
        if arrow and name.startswith(label):
            info = {("INFO",): _reply(text)}
            return info if role is None else {**info, ("ROLE",): role}
    raise LookupError(f"{label!r} was not recorded of {version}")


def _reply(text: str) -> Any:
    error = re.fullmatch(r"ERR<(.*)>", text)
    return hiredis.ReplyError(error[1]) if error else _as_bytes(ast.literal_eval(text))


def _as_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_bytes(item) for item in value]
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
