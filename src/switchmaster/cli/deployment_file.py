"""
The file of `--config`: which deployments there are, as TOML.

::

    [deployments.kvdb]
    sentinels = ["10.209.10.30:46390", "10.209.10.31:46390"]     # or one URL
    masters = ["mymaster1"]                                      # all that they monitor, unless
    named timeout = 0.5
    address_map = { "10.209.10.30:6390" = "127.0.0.1:7001" }
    [deployments.kvdb.sentinel]                                  # and [deployments.kvdb.node]
    username = "watch"
    password_file = "/run/secrets/sentinel"
    tls = { ca = "ca.pem", cert = "c.pem", key = "k.pem", server_name = "kv" }   # or true

Enters: a path. Leaves: `Settings`. Files that it names are taken relative to its own folder, and
not opened here. A key that is not known is refused with the nearest that is; secrets have no key,
only files.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from ..core.model import Address
from ..errors import UsageError
from ..url import Access, Settings, parse_sentinels

__all__ = ["read_deployment"]

TOP: Final = ("deployments", "journal", "http")
"""``journal`` and ``http`` are the daemon's; the verbs that only watch do not look at them."""
DEPLOYMENT: Final = ("sentinels", "masters", "address_map", "timeout", "sentinel", "node")
ACCESS: Final = ("username", "password_file", "tls")
TLS: Final = ("ca", "cert", "key", "server_name")
SIZE: Final = 4 * 1024 * 1024


def read_deployment(path: Path, name: str | None) -> Settings:
    """
    Read one deployment of a file.

    Args:
        path: the TOML file.
        name: the deployment's name; None where the file has only one.

    Raises:
        UsageError: the file can't be read, is no TOML, or something in it is wrong; the sentence
            names the file, the line where it is known, and the key.
    """
    file = _File(path, _read(path))
    file.check(file.tables, TOP, "")
    deployments = file.table(file.tables, "deployments", "")
    chosen = _choose(file, deployments, name)
    where = f"deployments.{chosen}"
    table = file.table(deployments, chosen, "deployments")
    file.check(table, DEPLOYMENT, where)
    return _settings(file, table, where, chosen)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE + 1)
        if len(data) > SIZE:
            raise UsageError(f"can't read {path}: it is larger than {SIZE // 2**20} MB, so it is no configuration")
        return data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"can't read {path}: it is not UTF-8") from None


class _File:
    """A parsed file that knows how to complain about itself."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        try:
            self.tables: dict[str, Any] = tomllib.loads(text)
        except ValueError as error:  # TOMLDecodeError is one; a number of 5,000 digits is another
            raise UsageError(f"{path} is no valid TOML: {error}") from None
        except RecursionError:
            raise UsageError(f"{path} can't be read: its tables or arrays are nested too deeply") from None

    def wrong(self, where: str, key: str, what: str) -> NoReturn:
        """Raise the sentence about one key."""
        line = self._line_of(key)
        place = f"{self.path}, line {line}" if line else f"{self.path}"
        raise UsageError(f"{place}: {f'{where}.{key}' if where else key} {what}")

    def check(self, table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
        """Refuse the first key that is not known."""
        known = tuple(known)
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                self.wrong(where, key, f"is not known; {advice}")

    def table(self, parent: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
        """Return a table, empty where there is none."""
        table = parent.get(key, {})
        if not isinstance(table, dict):
            self.wrong(where, key, "must be a table")
        return table

    def text_of(self, table: Mapping[str, Any], key: str, where: str) -> str | None:
        """Return a string, None where there is none."""
        value = table.get(key)
        if value is not None and not (isinstance(value, str) and value):
            self.wrong(where, key, "must be a string that is not empty")
        return value

    def file_of(self, table: Mapping[str, Any], key: str, where: str) -> str | None:
        """Return a path, relative to this file's folder, None where there is none."""
        value = self.text_of(table, key, where)
        return None if value is None else str(self.path.parent / os.path.expanduser(value))

    def texts_of(self, table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...] | None:
        """Return an array of strings, or one string as an array; None where there is none."""
        value = table.get(key)
        values = [value] if isinstance(value, str) else value
        if values is None:
            return None
        if not (isinstance(values, list) and values and all(isinstance(one, str) and one for one in values)):
            self.wrong(where, key, "must be an array of strings")
        return tuple(values)

    def _line_of(self, key: str) -> int | None:
        name = rf"""(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')"""
        found = re.search(rf"^\s*(?:\[[^\]\n]*{name}[^\n]*\]|[^#\n]*?{name}\s*[=.])", self.text, re.MULTILINE)
        return None if found is None else self.text.count("\n", 0, found.end()) + 1


def _choose(file: _File, deployments: Mapping[str, Any], name: str | None) -> str:
    there = ", ".join(repr(one) for one in deployments) or "none"
    if name is None and len(deployments) == 1:
        return next(iter(deployments))
    if name is None:
        raise UsageError(
            f"{file.path} has {len(deployments)} deployments ({there}); name one with --deployment NAME"
            if deployments
            else f"{file.path} has no deployment; write one as [deployments.NAME] with sentinels = [...]"
        )
    if name not in deployments:
        raise UsageError(f"{file.path} has no deployment {name!r}; it has {there}")
    return name


def _settings(file: _File, table: Mapping[str, Any], where: str, name: str) -> Settings:
    own = Settings(
        masters=file.texts_of(table, "masters", where),
        deployment=name,
        sentinel=_access(file, table, "sentinel", where),
        node=_access(file, table, "node", where),
        address_map=_address_map(file, table, where),
        timeout=_timeout(file, table, where),
    )
    try:
        return own.over(parse_sentinels(file.texts_of(table, "sentinels", where) or ()))
    except UsageError as error:
        file.wrong(where, "sentinels", f"is wrong: {error}")


def _access(file: _File, parent: Mapping[str, Any], key: str, where: str) -> Access:
    table = file.table(parent, key, where)
    where = f"{where}.{key}"
    if "password" in table:
        file.wrong(
            where,
            "password",
            "has no place in the file; name a file that holds it in password_file",
        )
    file.check(table, ACCESS, where)
    access = Access(
        username=file.text_of(table, "username", where),
        password_file=file.file_of(table, "password_file", where),
    )
    tls = table.get("tls")
    if tls is None or isinstance(tls, bool):
        return access.over(Access(tls=tls))
    files = file.table(table, "tls", where)
    file.check(files, TLS, f"{where}.tls")
    paths = {name: file.file_of(files, name, f"{where}.tls") for name in TLS[:3]}
    server_name = file.text_of(files, "server_name", f"{where}.tls")
    return access.over(Access(tls=True, server_name=server_name, **paths))


def _address_map(file: _File, table: Mapping[str, Any], where: str) -> Mapping[Address, Address] | None:
    pairs = file.table(table, "address_map", where)
    found: dict[Address, Address] = {}
    for announced, dialled in pairs.items():
        try:
            found[Address.parse(announced)] = Address.parse(str(dialled))
        except UsageError as error:
            file.wrong(f"{where}.address_map", announced, f"is wrong: {error}")
    return found or None


def _timeout(file: _File, table: Mapping[str, Any], where: str) -> float | None:
    value = table.get("timeout")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 86_400:
        file.wrong(where, "timeout", "must be a number of seconds above 0, such as 0.5")
    return float(value)
