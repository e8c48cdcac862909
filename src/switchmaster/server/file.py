"""
The file of ``--config``: read, checked against `model`, and every complaint as a sentence.

::

    [deployments.kvdb]
    sentinels = ["10.209.10.30:46390", "10.209.10.31:46390"]     # or one URL
    [deployments.kvdb.sentinel]                                  # and [deployments.kvdb.node]
    password_file = "/run/secrets/sentinel"
    [journal]
    url = "sqlite:////var/lib/switchmaster/journal.db"

Enters: a path. Leaves: a `File`, or sentences with file, line, key and, for a key that is not known, the nearest that
is. Files that it names are taken relative to its own folder, and not opened here.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..core.model import Address
from ..errors import UsageError
from ..url import Access, Settings, parse_sentinels
from .model import AccessTable, DeploymentTable, File, TlsTable
from .toml import KeyPath, line_of, lines_of

__all__ = ["ConfigFile", "deployment_settings", "read_deployment", "read_file"]

SIZE: Final = 4 * 1024 * 1024
_SENTENCES: Final[Mapping[str, str]] = {
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "missing": "is missing",
}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read, with what is wrong with it."""

    path: Path
    tables: File
    """What is right in it; the defaults where anything is wrong."""
    problems: tuple[str, ...]
    """Sentences, in the order of the lines they are about."""
    lines: Mapping[KeyPath, int]

    def wrong(self, path: KeyPath, what: str) -> str:
        """Return the sentence about one key."""
        line = line_of(self.lines, path)
        place = f"{self.path}, line {line}" if line else f"{self.path}"
        return f"{place}: {'.'.join(path)} {what}"

    def check(self) -> None:
        """
        Refuse a file with anything wrong in it.

        Raises:
            UsageError: the first sentence, and how many more there are.
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
        UsageError: it can't be read, or is no TOML.
    """
    text = _read(path)
    try:
        values = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one; a number of 5,000 digits is another
        raise UsageError(f"{path} is no valid TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{path} can't be read: its tables or arrays are nested too deeply") from None
    lines = lines_of(text)
    try:
        return ConfigFile(path, File.model_validate(values), (), lines)
    except ValidationError as error:
        file = ConfigFile(path, File(), (), lines)
        found = [_problem(file, detail) for detail in error.errors(include_url=False, include_input=False)]
        return ConfigFile(path, File(), tuple(sentence for _, sentence in sorted(found)), lines)


def read_deployment(path: Path, name: str | None) -> Settings:
    """
    Read one deployment of a file, for the verbs that only watch.

    Args:
        path: the TOML file.
        name: the deployment's name; None where the file has only one.

    Raises:
        UsageError: the file can't be read, is no TOML, or something in it is wrong; the sentence
            names the file, the line where it is known, and the key.
    """
    file = read_file(path)
    file.check()
    chosen = _choose(path, file.tables.deployments, name)
    return deployment_settings(chosen, file.tables.deployments[chosen], path.parent)


def deployment_settings(name: str, table: DeploymentTable, folder: Path) -> Settings:
    """
    Return where a deployment is and what opens it.

    Args:
        name: its name.
        table: what the file says of it.
        folder: what paths in it are relative to.
    """
    pairs = {Address.parse(announced): Address.parse(dialled) for announced, dialled in table.address_map.items()}
    own = Settings(
        masters=table.masters,
        deployment=name,
        sentinel=_access(table.sentinel, folder),
        node=_access(table.node, folder),
        address_map=pairs or None,
        timeout=table.timeout,
    )
    return own.over(parse_sentinels(table.sentinels or ()))


def _access(table: AccessTable, folder: Path) -> Access:
    access = Access(username=table.username, password_file=_within(folder, table.password_file))
    if not isinstance(table.tls, TlsTable):
        return access.over(Access(tls=table.tls))
    files = {name: _within(folder, getattr(table.tls, name)) for name in ("ca", "cert", "key")}
    return access.over(Access(tls=True, server_name=table.tls.server_name, **files))


def _within(folder: Path, name: str | None) -> str | None:
    return None if name is None else str(folder / os.path.expanduser(name))


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


def _choose(path: Path, deployments: Mapping[str, Any], name: str | None) -> str:
    there = ", ".join(repr(one) for one in deployments) or "none"
    if name is None and len(deployments) == 1:
        return next(iter(deployments))
    if name is None:
        raise UsageError(
            f"{path} has {len(deployments)} deployments ({there}); name one with --deployment NAME"
            if deployments
            else f"{path} has no deployment; write one as [deployments.NAME] with sentinels = [...]"
        )
    if name not in deployments:
        raise UsageError(f"{path} has no deployment {name!r}; it has {there}")
    return name


# -- sentences ------------------------------------------------------------------------------------


def _problem(file: ConfigFile, detail: ErrorDetails) -> tuple[int, str]:
    # A model among alternatives has its own name in the place; keys of the file never do.
    path = tuple(str(part) for part in detail["loc"] if part not in ("TlsTable", "bool"))
    sentence = file.wrong(path, _what(path, detail))
    return line_of(file.lines, path) or 0, sentence


def _what(path: KeyPath, detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind == "literal_error":
        return f"must be {detail['ctx']['expected']}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"must be {'at least' if kind.startswith('g') else 'at most'} {next(iter(detail['ctx'].values()))}"
    return _SENTENCES.get(kind, detail["msg"])


def _unknown(path: KeyPath) -> str:
    *parents, key = path
    if key in ("password", "token"):
        return f"has no place in the file; name a file that holds it in {key}_file"
    known = tuple(_table_at(parents).model_fields)
    near = difflib.get_close_matches(key, known, 1)
    advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"is not known; {advice}"


def _table_at(path: list[str]) -> type[BaseModel]:
    """Return the model of the table at a place that was found in the file."""
    model: type[BaseModel] = File
    for key in path:
        field = model.model_fields.get(key)
        if field is not None:
            model = _model_in(field.annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
