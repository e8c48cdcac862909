"""
What a Watcher needs to open a deployment's servers: secrets read from their files, TLS files named.

Needs no extra: the verbs that watch use it as the daemon does.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import UsageError
from ..url import Access, Settings

if TYPE_CHECKING:
    from ..net.access import NodeAccess
    from ..net.dial import Tls

__all__ = ["ANSWER_TIMEOUT", "fingerprint", "read_secret", "watcher_arguments", "with_secrets"]

ANSWER_TIMEOUT: Final = 1.0
SECRET_SIZE: Final = 64 * 1024


def with_secrets(settings: Settings) -> Settings:
    """
    Read the passwords that are in files.

    Raises:
        UsageError: a file can't be read, is no text, or is empty.
    """
    return replace(
        settings,
        sentinel=_with_secret(settings.sentinel, "Sentinels"),
        node=_with_secret(settings.node, "data nodes"),
        node_access={
            master: _with_secret(access, f"data nodes of {master!r}")
            for master, access in (settings.node_access or {}).items()
        }
        or None,
    )


def watcher_arguments(settings: Settings, masters: Iterable[str] = ()) -> dict[str, Any]:
    """
    Return what a Watcher takes, positional ``sentinels`` included.

    Args:
        settings: with secrets.
        masters: those that are meant; none for those of the settings.
    """
    return {
        "sentinels": settings.sentinels or (),
        "deployment": settings.deployment or "default",
        "masters": tuple(masters) or settings.masters,
        "username": settings.sentinel.username,
        "password": settings.sentinel.password,
        "tls": _tls(settings.sentinel),
        "node_username": settings.node.username,
        "node_password": settings.node.password,
        "node_tls": _tls(settings.node),
        "node_access": {master: _node_access(access) for master, access in (settings.node_access or {}).items()},
        "address_map": settings.address_map,
        "timeout": settings.timeout or ANSWER_TIMEOUT,
    }


def read_secret(path: Path, whose: str) -> str:
    """
    Read a password or a token; the line end behind it does not belong to it.

    Args:
        path: the file.
        whose: ``Sentinels``, say, for the sentence.

    Raises:
        UsageError: it can't be read, is no text, or is empty.
    """
    what = f"the password file of the {whose}"
    try:
        with open(os.path.expanduser(path), "rb") as file:
            secret = file.read(SECRET_SIZE).decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"can't read {what} {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"can't read {what} {path}: it is not UTF-8") from None
    except ValueError as error:  # a NUL in its name
        raise UsageError(f"can't read {what} {str(path)!r}: {error}") from None
    if not secret:
        raise UsageError(f"{what} {path} is empty")
    return secret


def fingerprint(arguments: Mapping[str, Any]) -> str:
    """Return what changes when a Watcher's arguments do, its passwords and the contents of TLS files included."""
    digest = hashlib.sha256()
    for name, value in _single(arguments):
        digest.update(f"{name}={value!r}\n".encode("utf-8", "surrogatepass"))
        for part in ("ca_file", "cert_file", "key_file"):
            file = getattr(value, part, None)
            if file is not None:
                digest.update(_content(Path(file)))
    return digest.hexdigest()


def _single(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each argument, in order; what opens the nodes of a master part by part, for its repr has no password."""
    for name, value in sorted(arguments.items()):
        if name != "node_access":
            yield name, value
            continue
        for master, access in sorted(value.items()):
            yield f"{name} {master!r}", access.username
            yield "password", access.password
            yield "tls", access.tls


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from None


def _with_secret(access: Access, whose: str) -> Access:
    if access.password_file is None:
        return access
    return replace(access, password=read_secret(Path(access.password_file), whose), password_file=None)


def _node_access(access: Access) -> NodeAccess:
    from ..net.access import NodeAccess

    return NodeAccess(access.username, access.password, _tls(access))


def _tls(access: Access) -> Tls | None:
    if not access.uses_tls:
        return None
    from ..net.dial import Tls

    return Tls(
        ca_file=access.ca,
        cert_file=access.cert,
        key_file=access.key,
        server_name=access.server_name,
    )
