"""
Where a deployment is and how to log in: URLs and environment variables as `ConnectionSettings`.

::

    redis+sentinel://user:pass@h1:26379,h2:26379/mymaster/0?sentinel_password=secret

The user and the password before the ``@`` belong to the DATA NODES, as in every redis URL. They are never sent to a
Sentinel: the Sentinels' credentials are ``sentinel_username`` and ``sentinel_password``. The scheme's TLS (``rediss``,
``valkeys``) applies to both, unless ``sentinel_tls`` or ``node_tls`` says otherwise.

Pure: text goes in, values come out. No file is read here (`ServerAccess.password_file` only names it), and no error
contains any part of a URL that could be a password.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_address
from typing import Final, TypeVar
from urllib.parse import unquote, unquote_plus

from .errors import UsageError
from .model import Address

__all__ = [
    "DEFAULT_PORT",
    "SCHEMES",
    "ConnectionSettings",
    "ServerAccess",
    "is_loopback",
    "parse_address_map",
    "parse_seconds",
    "parse_switch",
    "parse_url",
    "read_listen",
    "read_sentinels",
    "settings_from_environment",
]

_T = TypeVar("_T")

DEFAULT_PORT: Final = 26379
"""Sentinel's own default."""

SCHEMES: Final[Mapping[str, bool]] = {
    "redis+sentinel": False,
    "rediss+sentinel": True,
    "valkey+sentinel": False,
    "valkeys+sentinel": True,
}
"""The schemes, and whether they ask for TLS."""

_SHARED: Final = {"ca": "ca", "cert": "cert", "key": "key", "server_name": "server_name"}
"""Query parameters for both nodes and Sentinels."""

_OF_SENTINELS: Final = {
    "sentinel_username": "username",
    "sentinel_password": "password",
    "sentinel_ca": "ca",
    "sentinel_cert": "cert",
    "sentinel_key": "key",
    "sentinel_server_name": "server_name",
}
_PARAMETERS: Final = (*_SHARED, *_OF_SENTINELS, "sentinel_tls", "node_tls", "timeout")
_SWITCHES: Final = {"1": True, "true": True, "yes": True, "on": True,
                    "0": False, "false": False, "no": False, "off": False}  # fmt: skip
_VARIABLES: Final = {
    "USERNAME": "username",
    "PASSWORD": "password",
    "PASSWORD_FILE": "password_file",
    "TLS_CA": "ca",
    "TLS_CERT": "cert",
    "TLS_KEY": "key",
    "TLS_SERVER_NAME": "server_name",
}
VARIABLE_PREFIX: Final = "SWITCHMASTER_"


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """Credentials and TLS for one kind of server; None means not specified."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    """A file with the password; at most one of the two is set."""
    tls: bool | None = None
    ca: str | None = None
    """A file of certificate authorities to trust, instead of the system's."""
    cert: str | None = None
    key: str | None = field(default=None, repr=False)
    server_name: str | None = None
    """The name that the server's certificate must have, instead of its host."""

    def over(self, lower: ServerAccess) -> ServerAccess:
        """
        Return these values over those of lower precedence.

        Returns:
            Each field of this if it is specified, else the lower one's. Password and password file
            count as one field: if this has either, it takes neither from the lower.
        """
        if self.password is not None or self.password_file is not None:
            lower = replace(lower, password=None, password_file=None)
        if self.tls is False:
            lower = replace(lower, tls=None, ca=None, cert=None, key=None, server_name=None)
        return _over(self, lower)

    @property
    def uses_tls(self) -> bool:
        """Whether TLS is used: if it is requested, or if a file or name for TLS is given."""
        if self.tls is not None:
            return self.tls
        return any(part is not None for part in (self.ca, self.cert, self.key, self.server_name))


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Where a deployment is and its credentials, as far as one source specifies them."""

    sentinels: tuple[Address, ...] | None = None
    masters: tuple[str, ...] | None = None
    """The masters to follow; None for all."""
    db: int | None = None
    """The database number of a URL; only the client classes use it."""
    deployment: str | None = None
    sentinel: ServerAccess = ServerAccess()
    node: ServerAccess = ServerAccess()
    node_access: Mapping[str, ServerAccess] | None = None
    """Credentials for the data nodes of one master, by its name; they replace `node` as a whole."""
    address_map: Mapping[Address, Address] | None = None
    """From announced addresses to addresses to dial."""
    timeout: float | None = None
    """Seconds that a Sentinel or a node has to answer."""
    poll: float | None = None
    """Seconds between queries to a Sentinel that allows no useful subscription; None leaves it alone."""
    parameters: Mapping[str, str] | None = None
    """Further parameters of a URL, known to the caller; see `parse_url`."""

    def over(self, lower: ConnectionSettings) -> ConnectionSettings:
        """Return these values over those of lower precedence, field by field."""
        merged = _over(self, lower)
        return replace(merged, sentinel=self.sentinel.over(lower.sentinel), node=self.node.over(lower.node))


def _over(upper: _T, lower: _T) -> _T:
    said = {
        part.name: value
        for part in fields(upper)  # type: ignore[arg-type]  # both are dataclasses of this module
        if (value := getattr(upper, part.name)) is not None
    }
    return replace(lower, **said)  # type: ignore[type-var]


def read_sentinels(words: Iterable[str]) -> ConnectionSettings:
    """
    Read the words that name a deployment's Sentinels.

    Args:
        words: one URL, or any number of ``HOST:PORT``, ``[IPV6]:PORT`` or ``HOST``; a word may contain
            several, separated by commas.

    Returns:
        The settings; `ConnectionSettings.sentinels` is None if there are no words.

    Raises:
        UsageError: a word is neither, or a URL is mixed with other words.
    """
    given = [word.strip() for word in words if word.strip()]
    urls = [word for word in given if "://" in word]
    if urls and len(given) > 1:
        raise UsageError("give one URL with all Sentinels, or HOST:PORT of each, not both")
    if urls:
        return parse_url(urls[0])
    if any("@" in word for word in given):
        # A password with a blank or a comma may be split off into the word next to the '@'.
        raise UsageError("an address has no user and no '@'; to give a password, write a URL: redis+sentinel://…")
    addresses = [part for word in given for part in word.split(",") if part.strip()]
    found = tuple(dict.fromkeys(Address.parse(part, DEFAULT_PORT) for part in addresses))
    return ConnectionSettings(sentinels=found or None)


def parse_url(url: str, more: Collection[str] = ()) -> ConnectionSettings:
    """
    Read a URL such as ``redis+sentinel://user:pass@h1:26379,h2:26379/mymaster/0?timeout=0.5``.

    Shape: ``SCHEME://[[USER][:PASSWORD]@]HOST[:PORT][,…][/MASTER[/DB]][?PARAMETER=VALUE&…]``. Everything
    but the scheme and the ports is percent-decoded. The scheme is one of `SCHEMES`. Parameters:
    ``sentinel_username``, ``sentinel_password`` (the userinfo is the nodes'); ``ca``, ``cert``,
    ``key``, ``server_name`` for both, ``sentinel_ca`` … for the Sentinels; ``sentinel_tls``,
    ``node_tls`` (0 or 1); ``timeout`` in seconds.

    Args:
        url: the URL.
        more: names of further parameters that the caller knows; they go into `ConnectionSettings.parameters`.

    Raises:
        UsageError: the URL is wrong; the error never shows what could be a password.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        shown = f"the scheme {scheme!r}" if re.fullmatch(r"[A-Za-z0-9+.-]{1,40}", scheme) else "that"
        raise UsageError(f"a Sentinel URL begins with {', '.join(s + '://' for s in SCHEMES)}, not {shown}")
    userinfo, hosts, path, query = _split(rest)
    masters, db = _read_path(path)
    parameters = _read_query(query, (*_PARAMETERS, *more))
    username, password = _read_userinfo(userinfo)
    sentinel, node = _read_accesses(SCHEMES[scheme.lower()], parameters)
    others = {name: value for name, value in parameters.items() if name not in _PARAMETERS}
    return ConnectionSettings(
        sentinels=_read_hosts(hosts),
        masters=masters,
        db=db,
        sentinel=sentinel,
        node=replace(node, username=username, password=password),
        timeout=parse_seconds(parameters["timeout"], "the URL's timeout") if "timeout" in parameters else None,
        parameters=others or None,
    )


def _split(rest: str) -> tuple[str, str, str, str]:
    if "#" in rest:
        raise UsageError("a Sentinel URL has no part after '#'; in a password, write '#' as %23")
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    if "@" in path or ("@" in query and "@" not in authority):
        raise UsageError(
            "the URL has an '@' after '/' or '?': in a user name or password, write '/' as %2F, '?' as %3F and '@' as "
            "%40; in a master's name, write '@' as %40"
        )
    userinfo, _, hosts = authority.rpartition("@")
    return userinfo, hosts, path, query


def _read_userinfo(userinfo: str) -> tuple[str | None, str | None]:
    username, colon, password = userinfo.partition(":")
    return _decoded(username) or None, _decoded(password) if colon and password else None


def _decoded(text: str) -> str:
    # A password need not be UTF-8: its bytes are sent to the server as they are.
    return unquote(text, errors="surrogateescape")


def _read_hosts(text: str) -> tuple[Address, ...]:
    found = [_read_host(part, place) for place, part in enumerate(text.split(","), 1) if part]
    if not found:
        raise UsageError("the URL names no Sentinel: expected redis+sentinel://HOST:PORT,HOST:PORT/MASTER")
    return tuple(dict.fromkeys(found))


def _read_host(part: str, place: int) -> Address:
    # `Address.parse` would show the text, and a misplaced password may stand where the port should be.
    host, colon, port = part.rpartition(":")
    if not colon or (part.startswith("[") and part.endswith("]")):
        host, port = part, str(DEFAULT_PORT)
    try:
        return Address.parse(f"{_decoded(host)}:{port}")
    except UsageError:
        raise UsageError(
            f"host number {place} of the URL is not HOST:PORT with a port from 1 to 65535; an IPv6 "
            "address is "
            "written [::1]:26379, a password belongs before an '@'"
        ) from None


def _read_path(path: str) -> tuple[tuple[str, ...] | None, int | None]:
    master, _, db = path.rstrip("/").partition("/")
    if db and not (db.isascii() and db.isdigit() and len(db) < 6):
        raise UsageError("the URL's path must be /MASTER or /MASTER/DB with DB a number; write '/' in a name as %2F")
    name = _decoded(master)
    return (name,) if name else None, int(db) if db else None


def _read_query(query: str, known: Collection[str]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if name not in known:
            if "password" in query.partition(part)[0]:
                # It may be the rest of a password that contains an '&'.
                raise UsageError("the URL has an unknown parameter after a password; in a value, write '&' as %26")
            shown = repr(name) if re.fullmatch(r"[a-z][a-z_]{0,30}", name) else "one of that name"
            raise UsageError(f"a Sentinel URL has no parameter {shown}{_nearest(name, known)}")
        if name in parameters:
            raise UsageError(f"the URL gives its parameter {name!r} twice")
        parameters[name] = unquote_plus(value, errors="surrogateescape")
    return parameters


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib  # for an error alone: it takes longer to import than this module

    known = list(known)
    # Distant names do not help: "ssl_ca_certs" is not a typo of "ssl_check_hostname".
    near = difflib.get_close_matches(name, known, 1, cutoff=0.8)
    return f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(_PARAMETERS)}"


def _read_accesses(tls: bool, parameters: Mapping[str, str]) -> tuple[ServerAccess, ServerAccess]:
    shared = {name: parameters[key] for key, name in _SHARED.items() if key in parameters}
    own = {name: parameters[key] for key, name in _OF_SENTINELS.items() if key in parameters}
    switches = {
        name: parse_switch(parameters[name], f"the URL's {name}") if name in parameters else tls
        for name in ("sentinel_tls", "node_tls")
    }
    for_nodes, for_sentinels = switches["node_tls"], switches["sentinel_tls"]
    useless = own.keys() & _SHARED.keys() if not for_sentinels else set()
    if useless or (shared and not (for_nodes or for_sentinels)):
        raise UsageError(
            "the URL has files or a server name for TLS but does not use TLS: begin it with rediss+sentinel://, "
            "or add sentinel_tls=1 or node_tls=1"
        )
    sentinel = ServerAccess(tls=for_sentinels, **{**(shared if for_sentinels else {}), **own})
    return sentinel, ServerAccess(tls=for_nodes, **shared if for_nodes else {})


def parse_switch(text: str, what: str) -> bool:
    """Read 1 or 0, or a word for them; the error begins with `what`."""
    try:
        return _SWITCHES[text.strip().lower()]
    except KeyError:
        raise UsageError(f"{what} must be 1 or 0") from None


def parse_seconds(text: str, what: str) -> float:
    """Read a number of seconds above 0 and at most a day; the error begins with `what`."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86_400:
        raise UsageError(f"{what} must be a number of seconds above 0, such as 0.5")
    return seconds


def parse_address_map(pairs: Iterable[str]) -> Mapping[Address, Address] | None:
    """
    Read ``FROM=TO`` pairs: the announced address, and the address to dial instead.

    Returns:
        The map, or None if there are no pairs.

    Raises:
        UsageError: a pair is malformed; the error shows it.
    """
    found: dict[Address, Address] = {}
    for pair in pairs:
        announced, equals, dialled = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is not an address map: expected FROM=TO, such as 10.0.0.1:6379=127.0.0.1:7001")
        found[Address.parse(announced)] = Address.parse(dialled)
    return found or None


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches that host: ``localhost`` or a loopback address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_wildcard(host: str) -> bool:
    """Return whether that host stands for all addresses of this machine: ``0.0.0.0`` or ``::``."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def read_listen(text: str) -> Address:
    """
    Read a listening address ``HOST:PORT``; port 0 means any free port.

    Raises:
        UsageError: the text is not an address.
    """
    host, colon, port = text.rpartition(":")
    return Address.parse(f"{host}:1")._replace(port=0) if colon and port == "0" else Address.parse(text)


def settings_from_environment(environ: Mapping[str, str]) -> ConnectionSettings:
    """
    Read ``SWITCHMASTER_…`` variables; an empty one counts as absent.

    Args:
        environ: ``SENTINELS`` (a URL, or addresses separated by blanks or commas), ``TIMEOUT``,
            ``ADDRESS_MAP`` (pairs separated by blanks or commas); and ``SENTINEL_`` and ``NODE_`` with
            ``USERNAME``, ``PASSWORD``, ``PASSWORD_FILE``, ``TLS``, ``TLS_CA``, ``TLS_CERT``,
            ``TLS_KEY``, ``TLS_SERVER_NAME``; all with the prefix ``SWITCHMASTER_``.

    Raises:
        UsageError: a variable is wrong; the error names it and never shows a password.
    """
    given = {
        name.removeprefix(VARIABLE_PREFIX): value
        for name, value in environ.items()
        if name.startswith(VARIABLE_PREFIX) and value
    }
    own = ConnectionSettings(
        sentinel=_access_from(given, "SENTINEL_"),
        node=_access_from(given, "NODE_"),
        address_map=parse_address_map(given.get("ADDRESS_MAP", "").replace(",", " ").split()),
        timeout=parse_seconds(given["TIMEOUT"], f"{VARIABLE_PREFIX}TIMEOUT") if "TIMEOUT" in given else None,
    )
    try:
        return own.over(read_sentinels(given.get("SENTINELS", "").split()))
    except UsageError as error:
        raise UsageError(f"{VARIABLE_PREFIX}SENTINELS is wrong: {error}") from None


def _access_from(given: Mapping[str, str], which: str) -> ServerAccess:
    said = {name: given[which + variable] for variable, name in _VARIABLES.items() if which + variable in given}
    if "password" in said and "password_file" in said:
        raise UsageError(f"set {VARIABLE_PREFIX}{which}PASSWORD or {VARIABLE_PREFIX}{which}PASSWORD_FILE, not both")
    tls = parse_switch(given[which + "TLS"], f"{VARIABLE_PREFIX}{which}TLS") if which + "TLS" in given else None
    return ServerAccess(tls=tls, **said)
