"""
The daemon's configuration: flags over environment over file over defaults, as complete values.

`read_configuration` is called at the start and again at each reload. Variables: ``SWITCHMASTER_JOURNAL_URL``,
``SWITCHMASTER_HTTP_LISTEN``, ``SWITCHMASTER_LOG_FORMAT`` and so on: section, then key.
``SWITCHMASTER_JOURNAL_PASSWORD``, ``SWITCHMASTER_HTTP_TOKEN`` and ``SWITCHMASTER_HTTP_READ_TOKEN`` hold secrets
themselves. The variables of the other verbs (``SWITCHMASTER_SENTINELS`` and others, see `switchmaster.url`) apply to a
configuration with one deployment.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from ...errors import UsageError
from ...journal.engine import shown
from ...model import Grade
from ...net.diallers import read_tls
from ...url import VARIABLE_PREFIX, ConnectionSettings, read_listen, read_sentinels, settings_from_environment
from ..watcher_arguments import checked, fingerprint, read_secret, watcher_arguments
from .action_settings import action_settings
from .doctor_settings import DoctorSettings, doctor_settings
from .file import ConfigFile, deployment_settings, read_file
from .guard_settings import GuardSettings, guard_settings
from .http_settings import HttpSettings
from .journal_place import has_password, named_journal
from .share_settings import ShareSettings, share_settings
from .tables import DeploymentTable, File, HttpTable, JournalTable, LogTable, ProxyTable, RelayTable, ShareTable
from .value_types import Table

if TYPE_CHECKING:
    from ...proxy.proxy_settings import ProxySettings
    from ...react.action_kinds import ConfiguredAction
    from ...relay.relay_settings import RelaySettings

__all__ = [
    "Configuration",
    "DeploymentSettings",
    "HttpSettings",
    "JournalSettings",
    "journal_url_of_file",
    "problems_of",
    "read_configuration",
]

SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "journal": JournalTable,
    "share": ShareTable,
    "http": HttpTable,
    "log": LogTable,
}
BEGUN: Final[Mapping[str, type[Table]]] = {"relay": RelayTable, "proxy": ProxyTable}
"""Sections that begin something: with their variables alone, too."""


@dataclass(frozen=True, slots=True)
class DeploymentSettings:
    """A deployment that is ready to be watched."""

    name: str
    arguments: Mapping[str, Any] = field(repr=False)
    """The arguments of its Watcher, ``sentinels`` included; with secrets."""
    fingerprint: str = field(repr=False)
    """Changes with everything that needs a new Watcher."""
    guard: GuardSettings = field(default_factory=GuardSettings)
    """The policies of its masters' guards."""
    relay: RelaySettings | None = None
    """Its relay; None if it has none."""
    proxy: ProxySettings | None = None
    """Its proxy; None if it has none."""
    measure_pauses: bool = False
    """Whether its nodes' pauses are measured."""
    doctor: DoctorSettings = field(default_factory=DoctorSettings)
    """How often it is inspected, and what is known."""


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Where the journal is, and how long it keeps what."""

    url: str = field(repr=False)
    """With the password."""
    observer: str
    events: bool
    keep: float
    """Seconds that failovers and switches are kept."""
    keep_events: float
    """Seconds that everything else is kept."""
    max_size: int
    """Bytes."""
    queue: int
    """Entries that may wait in memory."""

    @property
    def shown(self) -> str:
        """The URL without the password."""
        return shown(self.url)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole configuration of the daemon."""

    deployments: tuple[DeploymentSettings, ...]
    journal: JournalSettings
    http: HttpSettings
    log: LogTable
    path: Path | None
    """The file; None if there is none."""
    actions: tuple[ConfiguredAction, ...] = ()
    """What follows a switch."""
    share: ShareSettings | None = None
    """How deployments are shared with other daemons; None if they are not."""


def read_configuration(
    path: Path | None,
    sentinels: Iterable[str] = (),
    journal: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Configuration:
    """
    Combine flags, environment and file.

    Args:
        path: the TOML file; None for none.
        sentinels: words of the command line that name Sentinels; empty for those of environment and file.
        journal: the journal's URL, if a flag gives it.
        environ: the environment; None for the process's.

    Raises:
        UsageError: something is wrong; the first problem.
    """
    environ = os.environ if environ is None else environ
    file = read_file(path) if path is not None else ConfigFile(Path(), File(), (), {})
    file.check()
    begun = {name: _begun(name, kind, file.tables, environ) for name, kind in BEGUN.items()}
    file = replace(file, tables=file.tables.model_copy(update=begun))
    folder = Path() if path is None else path.parent
    sections = {name: _section(name, getattr(file.tables, name), environ) for name in SECTIONS}
    kept = _journal(sections["journal"], folder, journal, environ, file)
    deployments = _deployments(file, folder, read_sentinels(sentinels), environ)
    actions = _actions(file, folder, kept.observer)
    return Configuration(
        deployments=deployments,
        journal=kept,
        http=_http(sections["http"], folder, environ),
        log=sections["log"],
        path=path,
        actions=actions,
        share=_share(file, sections["share"], kept.url, deployments, actions),
    )


def problems_of(path: Path, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """
    Return all problems of a file; none if the daemon would accept it.

    Raises:
        UsageError: it can't be read, or is not TOML.
    """
    file = read_file(path)
    if file.problems:
        return file.problems
    try:
        read_configuration(path, environ=environ)
    except UsageError as error:
        return (str(error),)
    return ()


def journal_url_of_file(path: Path, given: str | None, environ: Mapping[str, str]) -> str:
    """
    Return the URL of the journal, with its password; the whole file is checked (see `journal_place`).

    Args:
        path: the TOML file.
        given: the URL of a flag; it wins.
        environ: the environment.

    Raises:
        UsageError: something is wrong.
    """
    file = read_file(path)
    file.check()
    return _journal(_section("journal", file.tables.journal, environ), path.parent, given, environ, file).url


# -- sections --------------------------------------------------------------------------------------


def _section(name: str, table: Any, environ: Mapping[str, str]) -> Any:
    """Return the table with the environment's values over the file's."""
    given: dict[str, Any] = {}
    for key, info in type(table).model_fields.items():
        variable = f"{VARIABLE_PREFIX}{name.upper()}_{key.upper()}"
        if not environ.get(variable) or key == "tls":
            continue
        try:
            given[key] = _read_variable(TypeAdapter(info.rebuild_annotation()), environ[variable])
        except ValidationError as error:
            raise UsageError(f"{variable} {error.errors()[0]['msg']}") from None
    return table.model_copy(update=given) if given else table


def _read_variable(adapter: TypeAdapter[Any], text: str) -> Any:
    """Return a variable's value: a number where a key wants one, several words with commas where it wants an array."""
    try:
        value = adapter.validate_strings(text)
    except ValidationError as error:
        try:
            return adapter.validate_python(float(text))
        except ValueError:  # a ValidationError is one
            raise error from None
    if isinstance(value, tuple):
        value = adapter.validate_python(tuple(filter(None, map(str.strip, text.split(",")))))
    return value


def _begun(name: str, kind: type[Table], tables: File, environ: Mapping[str, str]) -> Any:
    """Return the table of what a file need not have, with the environment's values; None if neither has any."""
    found = getattr(tables, name)
    table = _section(name, kind() if found is None else found, environ)
    return table if found is not None or table != kind() else None


def _journal(
    table: JournalTable, folder: Path, flag: str | None, environ: Mapping[str, str], file: ConfigFile
) -> JournalSettings:
    in_file = file.tables.journal.url
    if in_file is not None and has_password(in_file):
        raise UsageError(
            file.wrong(
                ("journal", "url"), "contains a password; put it in a file and name that file in journal.password_file"
            )
        )
    url = named_journal(flag or table.url, table.password_file, folder, environ)
    return JournalSettings(
        url=url,
        observer=table.observer or socket.gethostname(),
        events=table.events,
        keep=table.keep,
        keep_events=table.keep_events,
        max_size=table.max_size,
        queue=table.queue,
    )


def _share(
    file: ConfigFile,
    table: ShareTable,
    url: str,
    deployments: tuple[DeploymentSettings, ...],
    actions: tuple[ConfiguredAction, ...],
) -> ShareSettings | None:
    try:
        return share_settings(table, url, deployments, actions)
    except UsageError as error:
        place = ("share", "daemons")
        raise UsageError(file.wrong(place, str(error)) if file.lines else f"{'.'.join(place)} {error}") from None


def _http(table: HttpTable, folder: Path, environ: Mapping[str, str]) -> HttpSettings:
    tokens = {}
    for name in ("token", "read_token"):
        file = getattr(table, f"{name}_file")
        tokens[name] = environ.get(f"{VARIABLE_PREFIX}HTTP_{name.upper()}") or None
        if tokens[name] is None and file is not None:
            tokens[name] = read_secret(folder / os.path.expanduser(file), f"HTTP {name.replace('_', ' ')}")
    tls = {} if table.tls is None else {"cert": table.tls.cert, "key": table.tls.key}
    files = {name: str(folder / os.path.expanduser(value)) for name, value in tls.items()}
    return HttpSettings(
        listen=read_listen(table.listen),
        hosts=table.hosts,
        connections=table.connections,
        connections_per_peer=table.connections_per_peer,
        **tokens,
        **files,
    )


def _actions(file: ConfigFile, folder: Path, observer: str) -> tuple[ConfiguredAction, ...]:
    try:
        return action_settings(file.tables.actions, folder, observer)
    except UsageError as error:
        raise UsageError(f"{file.path}: {error}") from None


# -- deployments -----------------------------------------------------------------------------------


def _deployments(
    file: ConfigFile, folder: Path, given: ConnectionSettings, environ: Mapping[str, str]
) -> tuple[DeploymentSettings, ...]:
    tables = dict(file.tables.deployments)
    outside = given.over(settings_from_environment(environ))
    if not tables and outside.sentinels:
        tables["default"] = DeploymentTable()
    if not tables:
        where = f"{file.path} has no deployment: " if file.lines else "nothing to watch: "
        raise UsageError(f"{where}add one as [deployments.NAME] with sentinels = [...], or give HOST:PORT...")
    if outside != ConnectionSettings() and len(tables) > 1:
        raise UsageError(
            f"{file.path} has {len(tables)} deployments, but Sentinels, passwords and TLS from the command line "
            "or from "
            f"{VARIABLE_PREFIX}... variables apply to a single one: write them in the file"
        )
    for part in ("relay", "proxy"):
        own = [getattr(table, part) for table in tables.values()]
        if getattr(file.tables, part) is not None and len(own) > 1 and not any(own):
            place = f"[deployments.NAME.{part}]"
            what = f"is for one deployment: give each deployment that is to have a {part} a table {place}"
            raise UsageError(file.wrong((part,), what))
    found = tuple(_deployment(file, name, table, folder, outside, environ) for name, table in tables.items())
    relays = {one.name: one.relay for one in found if one.relay is not None}
    if len(relays) > 1:
        from .relay_configuration import check_apart

        check_apart(relays)
    proxies = {one.name: one.proxy for one in found if one.proxy is not None}
    if len(proxies) > 1:
        from .proxy_configuration import check_ports_apart

        check_ports_apart(proxies)
    return found


def _deployment(
    file: ConfigFile,
    name: str,
    table: DeploymentTable,
    folder: Path,
    outside: ConnectionSettings,
    environ: Mapping[str, str],
) -> DeploymentSettings:
    settings = outside.over(deployment_settings(name, table, folder))
    place = ("deployments", name)
    if not settings.sentinels:
        raise UsageError(file.wrong(place, 'has no Sentinel; add sentinels = ["HOST:PORT"]'))
    try:
        arguments = watcher_arguments(checked(settings)) | {
            "grade": Grade[table.grade.upper()],
            "discover": table.discover,
            "probe": table.probe,
            "reconcile": table.reconcile,
        }
        of_masters = (access.tls for access in arguments["node_access"].values())
        for tls in dict.fromkeys((arguments["tls"], arguments["node_tls"], *of_masters)):
            read_tls(tls)
        guard = guard_settings(file.tables.guard, table.guard, table.guards)
        relay, doctor = _relay(file.tables, table, folder), doctor_settings(file.tables.doctor)
        return DeploymentSettings(
            name,
            arguments,
            fingerprint(arguments),
            guard,
            relay,
            _proxy(name, file.tables, table, environ, folder, arguments),
            table.measure_pauses,
            doctor,
        )
    except UsageError as error:
        raise UsageError(file.wrong(place, f"can't be used: {error}") if file.lines else str(error)) from None


def _proxy(
    name: str,
    tables: File,
    table: DeploymentTable,
    environ: Mapping[str, str],
    folder: Path,
    arguments: Mapping[str, Any],
) -> ProxySettings | None:
    if table.proxy is None and tables.proxy is None:
        return None
    from ...proxy.tls_files import check_node_tls
    from .proxy_configuration import proxy_settings

    found = proxy_settings(name, tables.proxy, table.proxy, len(tables.deployments) <= 1, environ, folder)
    if found is not None:
        of_masters = arguments["node_access"]
        for master in found.ports or (None,):
            check_node_tls(of_masters[master].tls if master in of_masters else arguments["node_tls"])
    return found


def _relay(tables: File, table: DeploymentTable, folder: Path) -> RelaySettings | None:
    if table.relay is None and tables.relay is None:
        return None
    # Imported only now: most readers of a configuration need no relay.
    from .relay_configuration import relay_settings

    return relay_settings(tables.relay, table.relay, len(tables.deployments) <= 1, folder)
