"""
The file of ``--config``: read, checked against `tables`, with a sentence for every problem.

::

    [deployments.kvdb]
    sentinels = ["10.209.10.30:46390", "10.209.10.31:46390"]     # or one URL
    [deployments.kvdb.sentinel]                                  # and [deployments.kvdb.node]
    password_file = "/run/secrets/sentinel"
    [deployments.kvdb.nodes.mymaster1]                           # instead of [deployments.kvdb.node], for this master
    password_file = "/run/secrets/mymaster1"
    [deployments.kvdb.guard]                                     # over [guard], under [deployments.kvdb.guards.MASTER]
    armed = "dry-run"
    [deployments.kvdb.relay]                                     # over [relay]
    listen = "127.0.0.1:26379"
    [deployments.kvdb.proxy]                                     # over [proxy]
    writes = "127.0.0.1:6379"
    [journal]
    url = "sqlite:////var/lib/switchmaster/journal.db"

A sentence names the file, the line, the key and, for an unknown key, the nearest known one. Files that the
configuration names are relative to its own folder; they are not opened here.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ...errors import UsageError
from ...model import Address
from ...url import ConnectionSettings, ServerAccess, read_sentinels
from .tables import AccessTable, DeploymentTable, File, TlsTable
from .toml_lines import KeyPath, line_of, lines_of

__all__ = ["ConfigFile", "deployment_settings", "read_deployment", "read_file"]

CONFIG_BYTES_MAX: Final = 4 * 1024 * 1024
_SENTENCES: Final[Mapping[str, str]] = {
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "list_type": "must be an array of tables",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "missing": "is missing",
}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read, with its problems."""

    path: Path
    tables: File
    """Its values; all defaults if there is any problem."""
    problems: tuple[str, ...]
    """Sentences, in the order of their lines."""
    lines: Mapping[KeyPath, int]

    def wrong(self, path: KeyPath, what: str) -> str:
        """Return a sentence about one key, with file and line."""
        line = line_of(self.lines, path)
        place = f"{self.path}, line {line}" if line else f"{self.path}"
        return f"{place}: {'.'.join(path)} {what}"

    def check(self) -> None:
        """
        Refuse a file that has problems.

        Raises:
            UsageError: the first problem, and how many more there are.
        """
        if not self.problems:
            return
        more = len(self.problems) - 1
        tail = f" (and {more} more; `switchmaster config check` lists them)" if more else ""
        raise UsageError(self.problems[0] + tail)


def read_file(path: Path) -> ConfigFile:
    """
    Read a file.

    Args:
        path: of the TOML file.

    Raises:
        UsageError: it can't be read, or is not TOML.
    """
    text = _read(path)
    try:
        values = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one; a number of 5,000 digits is another
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{path} can't be read: its tables or arrays are nested too deeply") from None
    file = ConfigFile(path, File(), (), lines_of(text))
    try:
        tables = File.model_validate(values)
        found = [*_strangers(file, tables), *_unknown_rules(file, tables)]
    except ValidationError as error:
        tables = File()
        found = [_problem(file, detail) for detail in error.errors(include_url=False, include_input=False)]
    problems = tuple(sentence for _, sentence in sorted(found))
    return replace(file, tables=File() if problems else tables, problems=problems)


def read_deployment(path: Path, name: str | None) -> ConnectionSettings:
    """
    Read one deployment of a file, for verbs that only watch.

    Args:
        path: the TOML file.
        name: the deployment's name; None if the file has only one.

    Raises:
        UsageError: the file can't be read, is not TOML, or has a problem; the sentence
            names the file, the line if known, and the key.
    """
    file = read_file(path)
    file.check()
    chosen = _choose(path, file.tables.deployments, name)
    return deployment_settings(chosen, file.tables.deployments[chosen], path.parent)


def deployment_settings(name: str, table: DeploymentTable, folder: Path) -> ConnectionSettings:
    """
    Return where a deployment is, and its credentials.

    Args:
        name: its name.
        table: its table in the file.
        folder: the folder that paths in it are relative to.
    """
    pairs = {Address.parse(announced): Address.parse(dialled) for announced, dialled in table.address_map.items()}
    own = ConnectionSettings(
        masters=table.masters,
        deployment=name,
        sentinel=_access(table.sentinel, folder),
        node=_access(table.node, folder),
        node_access={master: _access(own, folder) for master, own in table.nodes.items()} or None,
        address_map=pairs or None,
        timeout=table.timeout,
        poll=table.poll,
    )
    return own.over(read_sentinels(table.sentinels or ()))


def _access(table: AccessTable, folder: Path) -> ServerAccess:
    access = ServerAccess(username=table.username, password_file=_within(folder, table.password_file))
    if not isinstance(table.tls, TlsTable):
        return access.over(ServerAccess(tls=table.tls))
    files = {name: _within(folder, getattr(table.tls, name)) for name in ("ca", "cert", "key")}
    return access.over(ServerAccess(tls=True, server_name=table.tls.server_name, **files))


def _within(folder: Path, name: str | None) -> str | None:
    return None if name is None else str(folder / os.path.expanduser(name))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
        if len(data) > CONFIG_BYTES_MAX:
            raise UsageError(
                f"can't read {path}: it is larger than {CONFIG_BYTES_MAX // 2**20} MB, which is not a "
                "configuration file"
            )
        return data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"can't read {path}: it is not UTF-8") from None


def _choose(path: Path, deployments: Mapping[str, Any], name: str | None) -> str:
    there = ", ".join(repr(one) for one in deployments) or "none"
    if name is None and len(deployments) == 1:
        return next(iter(deployments))
    if name is None:
        raise UsageError(
            f"{path} has {len(deployments)} deployments ({there}); name one with --deployment NAME"
            if deployments
            else f"{path} has no deployment; add one as [deployments.NAME] with sentinels = [...]"
        )
    if name not in deployments:
        raise UsageError(f"{path} has no deployment {name!r}; it has {there}")
    return name


# -- sentences ------------------------------------------------------------------------------------


_Problem: TypeAlias = tuple[int, str]
"""The line (0 if unknown) and the sentence."""


def _problem(file: ConfigFile, detail: ErrorDetails) -> _Problem:
    path, table = _place(detail["loc"])
    return _at(file, path, _what(path[-1] if path else "", table, detail))


def _strangers(file: ConfigFile, tables: File) -> Iterator[_Problem]:
    """Yield a problem for each master that has a table but that its deployment does not follow."""
    for name, table in tables.deployments.items():
        masters = table.masters or read_sentinels(table.sentinels or ()).masters
        if not masters:
            continue
        for key, own in (("nodes", table.nodes), ("guards", table.guards)):
            for master in own.keys() - masters:
                advice = _nearest(master, masters) or "add it to masters, or remove this table"
                yield _at(file, ("deployments", name, key, master), f"is not one of its masters; {advice}")


def _unknown_rules(file: ConfigFile, tables: File) -> Iterator[_Problem]:
    """Yield a problem for each suppressed rule that the doctor does not have."""
    if not tables.doctor.suppress:
        return
    from ...doctor.examine import RULE_IDS

    for rule in tables.doctor.suppress.keys() - RULE_IDS:
        advice = _nearest(rule, RULE_IDS) or "docs/reference/doctor.md lists them"
        yield _at(file, ("doctor", "suppress", rule), f"is no rule of the doctor; {advice}")


def _at(file: ConfigFile, path: KeyPath, what: str) -> _Problem:
    return line_of(file.lines, path) or 0, file.wrong(path, what)


def _what(key: str, table: type[BaseModel], detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(key, table)
    if kind == "literal_error":
        return f"must be {detail['ctx']['expected']}"
    if kind == "union_tag_not_found":
        return 'has no type: add one, such as type = "script"'
    if kind == "union_tag_invalid":
        return f"has an unknown type; known: {detail['ctx']['expected_tags']}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"must be {'at least' if kind.startswith('g') else 'at most'} {next(iter(detail['ctx'].values()))}"
    return _SENTENCES.get(kind, detail["msg"])


def _unknown(key: str, table: type[BaseModel]) -> str:
    if key in ("password", "token"):
        return f"is not allowed here; put it in a file and name that file in {key}_file"
    known = ", ".join(table.model_fields)
    return f"is unknown; {_nearest(key, table.model_fields) or f'known keys: {known}'}"


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _place(parts: Iterable[int | str]) -> tuple[KeyPath, type[BaseModel]]:
    """
    Return the path of keys for a pydantic location, and the table class that holds the last key.

    A deployment or a master may have the name of a key or a class, so the meaning of a part follows from its position.
    """
    path: list[str] = []
    table: type[BaseModel] = File
    rest = map(str, parts)
    for part in rest:
        path.append(part)
        field = table.model_fields.get(part)
        within = None if field is None else _model_in(field.annotation)
        if field is None or within is None:
            break
        if get_origin(field.annotation) is list:
            path[-1] += "".join(f"[{number}]" for number in islice(rest, 1))
            table = _tagged(field.annotation, next(rest, None)) or within
            continue
        if get_origin(field.annotation) is dict:
            path.extend(islice(rest, 1))  # the name that the user gave
        elif within is TlsTable:
            next(rest, None)  # which alternative it was read as
        table = within
    return tuple(path), table


def _tagged(annotation: Any, tag: str | None) -> type[BaseModel] | None:
    """Return the table class of an array whose ``type`` is a tag."""
    kinds: tuple[type[BaseModel], ...] = get_args(get_args(get_args(annotation)[0])[0])
    for one in kinds:
        if tag in get_args(one.model_fields["type"].annotation):
            return one
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
