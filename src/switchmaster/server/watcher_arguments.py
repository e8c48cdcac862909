"""
The arguments of a Watcher from settings: password files are read with each connection, TLS files are named.

It needs no extra: the verbs that watch use it as the daemon does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import UsageError
from ..url import ConnectionSettings, ServerAccess

if TYPE_CHECKING:
    from ..net.dial import Tls
    from ..net.diallers import NodeAccess

__all__ = ["ANSWER_TIMEOUT_SECONDS", "PasswordFile", "checked", "fingerprint", "read_secret", "watcher_arguments"]

ANSWER_TIMEOUT_SECONDS: Final = 1.0
SECRET_BYTES: Final = 64 * 1024


_SENTINELS: Final = "Sentinels"
_NODES: Final = "data nodes"


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """A credential provider that reads its file with each connection, so that a rotated password needs no reload."""

    file: Path
    username: str | None
    whose: str
    """Whose password it is, for errors: ``Sentinels``, for example."""

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """
        Return ``(password,)`` or ``(username, password)``.

        Raises:
            UsageError: the file can't be read, is not UTF-8, or is empty.
        """
        password = read_secret(self.file, self.whose)
        return (password,) if self.username is None else (self.username, password)


def checked(settings: ConnectionSettings) -> ConnectionSettings:
    """
    Return the settings unchanged after reading every password file once.

    Raises:
        UsageError: a file can't be read, is not UTF-8, or is empty.
    """
    accesses = [(settings.sentinel, _SENTINELS), (settings.node, _NODES)]
    accesses += [(access, _nodes_of(master)) for master, access in (settings.node_access or {}).items()]
    for access, whose in accesses:
        if access.password_file is not None:
            read_secret(Path(access.password_file), whose)
    return settings


def watcher_arguments(settings: ConnectionSettings, masters: Iterable[str] = ()) -> dict[str, Any]:
    """
    Return the arguments of a Watcher, its positional ``sentinels`` included.

    Args:
        settings: what was configured.
        masters: the masters to follow; none for those of the settings.
    """
    sentinel, node = _node_access(settings.sentinel, _SENTINELS), _node_access(settings.node, _NODES)
    return {
        "sentinels": settings.sentinels or (),
        "deployment": settings.deployment or "default",
        "masters": tuple(masters) or settings.masters,
        "username": sentinel.username,
        "password": sentinel.password,
        "credentials": sentinel.credentials,
        "tls": sentinel.tls,
        "node_username": node.username,
        "node_password": node.password,
        "node_credentials": node.credentials,
        "node_tls": node.tls,
        "node_access": {
            master: _node_access(access, _nodes_of(master)) for master, access in (settings.node_access or {}).items()
        },
        "address_map": settings.address_map,
        "timeout": settings.timeout or ANSWER_TIMEOUT_SECONDS,
        "poll": settings.poll,
    }


def read_secret(path: Path, whose: str) -> str:
    """
    Read a password or a token, without the line end after it.

    Args:
        path: the file.
        whose: whose password it is, for errors: ``Sentinels``, for example.

    Raises:
        UsageError: it can't be read, is not UTF-8, or is empty.
    """
    what = f"the password file of the {whose}"
    try:
        with open(os.path.expanduser(path), "rb") as file:
            secret = file.read(SECRET_BYTES).decode("utf-8").rstrip("\r\n")
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
    """
    Return a digest of a Watcher's arguments, its passwords and the contents of TLS files included.

    A password file counts by its path only: its content is read again with each connection.
    """
    import hashlib  # of the daemon alone: a verb that asks once starts faster without

    digest = hashlib.sha256()
    for name, value in _single(arguments):
        digest.update(f"{name}={value!r}\n".encode("utf-8", "surrogatepass"))
        for part in ("ca_file", "cert_file", "key_file"):
            file = getattr(value, part, None)
            if file is not None:
                digest.update(_content(Path(file)))
    return digest.hexdigest()


def _single(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the arguments in order; node access field by field, because its repr hides the password."""
    for name, value in sorted(arguments.items()):
        if name != "node_access":
            yield name, value
            continue
        for master, access in sorted(value.items()):
            yield f"{name} {master!r}", access.username
            yield "password", access.password
            yield "credentials", access.credentials
            yield "tls", access.tls


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from None


def _nodes_of(master: str) -> str:
    return f"data nodes of {master!r}"


def _node_access(access: ServerAccess, whose: str) -> NodeAccess:
    from ..net.diallers import NodeAccess

    if access.password_file is None:
        return NodeAccess(access.username, access.password, _tls(access))
    return NodeAccess(tls=_tls(access), credentials=PasswordFile(Path(access.password_file), access.username, whose))


def _tls(access: ServerAccess) -> Tls | None:
    if not access.uses_tls:
        return None
    from ..net.dial import Tls

    return Tls(
        ca_file=access.ca,
        cert_file=access.cert,
        key_file=access.key,
        server_name=access.server_name,
    )
