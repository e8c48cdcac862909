"""
Actions that are ready to be carried out, from the tables of ``[[actions]]``.

Each type is imported where an action of it is configured: most daemons have none, and other verbs read the same file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...errors import MissingDependency, UsageError
from ...model import Address, Grade
from ..watcher_arguments import read_secret
from .action_tables import (
    CommonActionTable,
    ConsulTable,
    CutTable,
    DnsTable,
    EtcdTable,
    FileTable,
    HaproxyTable,
    KubernetesTable,
    NotifyTable,
    ScriptTable,
    StreamTable,
    WebhookTable,
)

if TYPE_CHECKING:
    from ...react.action_kinds import Action, ConfiguredAction
    from ...react.http_target import HttpTarget

__all__ = ["action_settings"]

POD_CREDENTIALS: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts a pod's token, authority and namespace."""
DAY_SECONDS: Final = 86_400.0
CHECK_SECONDS: Final = 60.0


def action_settings(tables: Sequence[CommonActionTable], folder: Path, observer: str) -> tuple[ConfiguredAction, ...]:
    """
    Return the actions of a file.

    Args:
        tables: the tables of ``[[actions]]``.
        folder: the folder that paths are relative to.
        observer: the name of this daemon.

    Raises:
        UsageError: something that an action needs is missing or wrong; the sentence begins with the action's name.
    """
    if not tables:
        return ()
    names = [one.name for one in tables]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two actions are named {twice!r}: receipts could not tell them apart")
    return tuple(_configured(one, folder, observer) for one in tables)


def _configured(table: Any, folder: Path, observer: str) -> ConfiguredAction:
    from ...react.action_kinds import ConfiguredAction

    make, group, every = _KINDS[type(table)]
    try:
        action = make(table, folder)
    except UsageError as error:
        raise UsageError(f"the action {table.name!r} can't be used: {error}") from None
    each = every if table.every is None else table.every
    return ConfiguredAction(
        name=table.name,
        action=action,
        group=table.group or group,
        grade=Grade[table.grade.upper()],
        place=observer if table.local else "",
        masters=table.masters,
        deployments=table.deployments,
        every=each,
        correct=getattr(table, "drift", "correct") == "correct",
        check_every=getattr(table, "check_every", CHECK_SECONDS),
        timeout=table.timeout,
        give_up=table.give_up,
        max_age=table.max_age or (DAY_SECONDS if each else None),
        dry_run=table.dry_run,
    )


def _script(table: ScriptTable, folder: Path) -> Action:
    from ...react.script_action import ScriptAction

    program = os.path.expanduser(table.argv[0])
    if os.sep in program:
        program = str(folder.absolute() / program)
    if shutil.which(program) is None:
        raise UsageError(f"{program} is not there, or not executable")
    directory = _within(folder, table.directory)
    if directory is not None and not os.path.isdir(directory):
        raise UsageError(f"its directory {directory} is not there")
    return ScriptAction((program, *table.argv[1:]), table.environment, table.arguments, directory)


def _webhook(table: WebhookTable, folder: Path) -> Action:
    from ...react.webhook_action import WebhookAction, read_secrets

    files = {name: _within(folder, getattr(table, name)) for name in ("secret_file", "token_file", "ca")}
    for name, file in files.items():
        if file is not None:
            text = _readable(file)
            if name == "secret_file":
                read_secrets(text)
    return WebhookAction(url=table.url, public=table.addresses == "public", **files)


def _file(table: FileTable, folder: Path) -> Action:
    from ...react.file_action import FileAction

    if (table.template is None) == (table.template_file is None):
        raise UsageError('it needs one template: template = "env" or the like, or template_file = "FILE"')
    template_file = _within(folder, table.template_file)
    if template_file is not None and not os.path.isfile(template_file):
        raise UsageError(f"its template {template_file} is not there")
    path = str(folder.absolute() / os.path.expanduser(table.path))
    if not os.path.isdir(os.path.dirname(path)):
        raise UsageError(f"the directory of {path} is not there")
    for argv in (table.validate_with, table.reload):
        if argv and shutil.which(argv[0]) is None:
            raise UsageError(f"{argv[0]} is not there, or not executable")
    if table.template == "twemproxy" and not table.ports:
        raise UsageError("twemproxy needs a port for each master, such as ports = { mymaster1 = 22121 }")
    return FileAction(
        path,
        table.template,
        template_file,
        table.validate_with,
        table.reload,
        int(table.mode, 8),
        table.ports,
        table.bind,
    )


def _cut(table: CutTable, folder: Path) -> Action:
    from ...react.cut_action import CutAction

    return CutAction(_login(table, folder))


def _stream(table: StreamTable, folder: Path) -> Action:
    from ...react.stream_action import StreamAction

    if not (table.key or table.channel):
        raise UsageError("it needs a key, a channel, or both")
    address = Address.parse(table.address)
    return StreamAction(address, _login(table, folder), table.key, table.channel, table.max_length)


def _dns(table: DnsTable, folder: Path) -> Action:
    import dns.exception
    import dns.name

    from ...react.dns_action import DnsAction, read_key

    if "{master}" not in table.record and not _is_one(table.masters):
        raise UsageError("its record has no {master}, which all masters would share; name the only one in masters")
    try:
        zone = dns.name.from_text(table.zone)
        for name in (table.record, table.srv or table.record):
            if not dns.name.from_text(name.replace("{master}", "example")).is_subdomain(zone):
                raise UsageError(f"{name} is not in the zone {table.zone}")
    except dns.exception.DNSException as error:
        raise UsageError(f"a name is none of the DNS: {error}") from None
    key_file = _within(folder, table.key_file)
    if key_file is not None:
        read_key(_readable(key_file))
    server = Address.parse(table.server, 53)
    return DnsAction(server, table.zone, table.record, table.srv, table.ttl, key_file)


def _haproxy(table: HaproxyTable, folder: Path) -> Action:
    from ...net.haproxy_runtime import shut_sessions
    from ...react.haproxy_action import HaproxyAction

    if "{master}" not in table.backend + table.server and not _is_one(table.masters):
        raise UsageError("neither its backend nor its server has {master}; name the only one in masters")
    shut_sessions(*(name.replace("{master}", "example") for name in (table.backend, table.server)))
    path = _within(folder, table.socket)
    assert path is not None
    at = Path(path) if "/" in table.socket or ":" not in table.socket else Address.parse(table.socket)
    return HaproxyAction(at, table.backend, table.server)


def _etcd(table: EtcdTable, folder: Path) -> Action:
    from ...react.etcd_action import EtcdAction

    password_file = _within(folder, table.password_file)
    if (table.username is None) != (password_file is None):
        raise UsageError("it needs both username and password_file, or neither")
    if password_file is not None:
        _readable(password_file)
    return EtcdAction(_api(table, folder, table.endpoints), table.key, table.username, password_file)


def _consul(table: ConsulTable, folder: Path) -> Action:
    from ...react.consul_action import ConsulAction

    token_file = _within(folder, table.token_file)
    if token_file is not None:
        _readable(token_file)
    return ConsulAction(_api(table, folder, table.endpoints), table.key, table.service, table.tags, token_file)


def _kubernetes(table: KubernetesTable, folder: Path) -> Action:
    from ...react.http_target import HttpTarget
    from ...react.kubernetes_action import KubernetesAction

    if (table.service is None) == (table.pods is None):
        raise UsageError('it needs one of service = "redis-{master}" and pods = "app=redis"')
    if table.pods is not None and "{master}" not in table.pods and not _is_one(table.masters):
        raise UsageError("its pods have no {master}, so all masters would share them; name the only one in masters")
    target, api = _api(table, folder, ()), table.api
    if api is None:
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        if not host or not port:
            raise UsageError(
                "this is no pod of Kubernetes (KUBERNETES_SERVICE_HOST is not set); give api, token_file, ca"
            )
        api = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    token_file = _within(folder, table.token_file) or str(POD_CREDENTIALS / "token")
    _readable(token_file)
    own_ca = POD_CREDENTIALS / "ca.crt"
    ca = target.ca or (str(own_ca) if table.api is None and own_ca.is_file() else None)
    namespace = table.namespace or _readable(str(POD_CREDENTIALS / "namespace")).strip()
    return KubernetesAction(
        target=HttpTarget((api.rstrip("/"),), ca, target.cert, target.key),
        namespace=namespace,
        token_file=token_file,
        service=table.service,
        port_name=table.port_name,
        selector=table.pods,
        label=table.label,
    )


def _notify(table: NotifyTable, folder: Path) -> Action:
    try:
        from ...react import notify_action
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        raise UsageError(str(MissingDependency("apprise", "notify"))) from None
    from ...react.action_kinds import GiveUp

    urls_file = _within(folder, table.urls_file)
    assert urls_file is not None
    notify_action.read_services(_readable(urls_file))
    title, body = table.title or notify_action.DEFAULT_TITLE, table.body or notify_action.DEFAULT_BODY
    try:
        notify_action.rendered_message(title, body, [])
    except GiveUp as error:
        raise UsageError(error.output) from None
    if table.timeout <= table.fold:
        raise UsageError("its timeout must be longer than fold")
    return notify_action.NotifyAction(urls_file, title, body, table.fold)


def _api(table: EtcdTable | ConsulTable | KubernetesTable, folder: Path, urls: tuple[str, ...]) -> HttpTarget:
    from ...net.dial import Tls
    from ...react.http_target import HttpTarget

    ca, cert, key = (_within(folder, one) for one in (table.ca, table.cert, table.cert_key))
    Tls(ca, cert, key).context()
    return HttpTarget(urls, ca, cert, key)


def _is_one(masters: tuple[str, ...]) -> bool:
    """Return whether patterns name one master alone."""
    return len(masters) == 1 and not any(char in masters[0] for char in "*?[")


def _login(table: CutTable | StreamTable, folder: Path) -> Any:
    from ...net.dial import Tls
    from ...react.server_access import ActionLogin

    password_file, ca = _within(folder, table.password_file), _within(folder, table.ca)
    if password_file is not None:
        read_secret(Path(password_file), "action")
    if ca is not None and not table.tls:
        raise UsageError("it has a ca, and tls = false")
    if table.tls:
        Tls(ca_file=ca).context()
    return ActionLogin(table.username, password_file, table.tls, ca)


def _within(folder: Path, name: str | None) -> str | None:
    return None if name is None else str(folder.absolute() / os.path.expanduser(name))


def _readable(file: str) -> str:
    try:
        return Path(file).read_text("ascii")
    except OSError as error:
        raise UsageError(f"can't read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not ASCII") from None


_KINDS: Final[Mapping[type[CommonActionTable], tuple[Callable[[Any, Path], Action], str, bool]]] = {
    ScriptTable: (_script, "point", False),
    FileTable: (_file, "point", False),
    ConsulTable: (_consul, "point", False),
    CutTable: (_cut, "cut", True),
    DnsTable: (_dns, "point", False),
    EtcdTable: (_etcd, "point", False),
    KubernetesTable: (_kubernetes, "point", False),
    HaproxyTable: (_haproxy, "point", False),
    NotifyTable: (_notify, "notify", True),
    StreamTable: (_stream, "notify", True),
    WebhookTable: (_webhook, "notify", True),
}
"""For each type: what makes it, its group, and whether it carries out each switch."""
