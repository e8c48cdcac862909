"""
From a ``redis+sentinel://`` URL to the arguments of a Sentinel.

It takes the parameters of the library's own URLs, by the same names, and every argument of its connections that can be
written as text. Those that begin with ``socket_`` and ``ssl_`` are for nodes and Sentinels; with the prefix
``sentinel_`` each of them is for the Sentinels alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from ..errors import UsageError
from ..url import ConnectionSettings, ServerAccess, parse_switch, parse_url
from .library import Library

__all__ = ["arguments_of"]

Cast = Callable[[str], Any]

_OURS: Final[Mapping[str, Cast]] = {"hold": float, "failover_wait": float, "drain": float}
_SENTINELS: Final = "sentinel_"
_SHARED: Final = ("socket_", "ssl_")
"""Prefixes of the parameters that are for both nodes and Sentinels."""


def _checks(text: str) -> str:
    if text not in ("none", "optional", "required"):
        raise ValueError(text)
    return text


_switch: Final = partial(parse_switch, what="it")
_MORE: Final[Mapping[str, Cast]] = {
    "client_name": str, "lib_name": str, "lib_version": str, "username": str, "password": str,
    "encoding": str, "encoding_errors": str, "decode_responses": _switch, "protocol": int,
    "ssl_ca_certs": str, "ssl_ca_path": str, "ssl_ca_data": str, "ssl_certfile": str, "ssl_keyfile": str,
    "ssl_password": str, "ssl_ciphers": str, "ssl_cert_reqs": _checks,
    "ssl_validate_ocsp": _switch, "ssl_validate_ocsp_stapled": _switch, "ssl_min_version": int,
}  # fmt: skip
"""Arguments of the libraries' connections that they take from a URL as text, or could if text could be False."""


def arguments_of(library: Library, url: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], ConnectionSettings]:
    """
    Turn a URL into arguments for a Sentinel.

    Args:
        library: the client library.
        url: see `switchmaster.url.parse_url` for its form.
        arguments: what was given beside it; the URL takes precedence.

    Returns:
        The arguments, and everything else that the URL says.

    Raises:
        UsageError: the URL is wrong; the sentence never shows what could be a password.
    """
    taken: dict[str, Cast] = {name: cast for name, cast in _MORE.items() if name in library.arguments}
    taken |= library.url_parameters
    taken.pop("timeout", None)  # ours: seconds in which a Sentinel must answer
    known = {**taken, **_OURS, **{_SENTINELS + name: cast for name, cast in taken.items()}}
    said = parse_url(url, (*known, "role"))
    parameters = {name: text for name, text in (said.parameters or {}).items() if name != "role"}
    values = {name: _cast(name, text, known[name]) for name, text in parameters.items()}
    _check_tls(values, said)
    own = {name.removeprefix(_SENTINELS): value for name, value in values.items() if name.startswith(_SENTINELS)}
    of_nodes = {name: value for name, value in values.items() if not name.startswith(_SENTINELS)}
    given = _fitting({**arguments, **of_nodes}, said.node)
    if said.db is not None:
        given["db"] = said.db
    given |= _opened(said.node)
    shared = {name: value for name, value in {**arguments, **of_nodes}.items() if name.startswith("socket_")}
    shared |= {name: value for name, value in of_nodes.items() if name.startswith("ssl_")}
    sentinel = dict(given.pop("sentinel_kwargs", None) or {}) | _fitting(shared, said.sentinel)
    if said.timeout is not None:
        sentinel |= {"socket_timeout": said.timeout, "socket_connect_timeout": said.timeout}
    sentinel |= _opened(said.sentinel) | own
    return {**given, "sentinels": list(said.sentinels or ()), "sentinel_kwargs": sentinel}, said


def _cast(name: str, text: str, cast: Cast) -> Any:
    try:
        return cast(text)
    except (TypeError, ValueError, UsageError):
        raise UsageError(f"the URL's {name} has a value that can't be used") from None


def _check_tls(values: Mapping[str, Any], said: ConnectionSettings) -> None:
    for name in values:
        of_sentinels = name.startswith(f"{_SENTINELS}ssl_")
        if of_sentinels and not said.sentinel.uses_tls:
            raise UsageError(
                f"the URL's {name} is for TLS to the Sentinels, which is not turned on: add sentinel_tls=1"
            )
        if name.startswith("ssl_") and not (said.node.uses_tls or said.sentinel.uses_tls):
            raise UsageError(f"the URL's {name} is for TLS, which is not turned on: begin it with rediss+sentinel://")


def _fitting(values: Mapping[str, Any], access: ServerAccess) -> dict[str, Any]:
    """Return the arguments for a server; without those for TLS if it has none, as plain connections refuse them."""
    return {name: value for name, value in values.items() if access.uses_tls or not name.startswith("ssl_")}


def _opened(access: ServerAccess) -> dict[str, Any]:
    if access.server_name is not None:
        raise UsageError(
            "client libraries can't check another server name than the host's: give the Sentinels and nodes "
            "certificates for their own names, or add ssl_check_hostname=0"
        )
    said = {"username": access.username, "password": access.password}
    if access.uses_tls:
        said |= {"ssl": True, "ssl_ca_certs": access.ca, "ssl_certfile": access.cert, "ssl_keyfile": access.key}  # type: ignore[dict-item]
    return {name: value for name, value in said.items() if value is not None}
