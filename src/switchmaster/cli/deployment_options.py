"""
The options that select a deployment and its credentials, the same for every verb that asks Sentinels.

Precedence is flag, then environment, then the file of ``--config``, field by field. Passwords come from files, from the
environment, or in a URL. No option takes a password, because every user of the machine can read a command line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from ..errors import UsageError
from ..server.watcher_arguments import ANSWER_TIMEOUT_SECONDS, checked, watcher_arguments
from ..url import (
    ConnectionSettings,
    ServerAccess,
    parse_address_map,
    parse_seconds,
    read_sentinels,
    settings_from_environment,
)

__all__ = ["DeploymentOptions", "deployment_options", "read_settings", "sentinels_argument", "to_seconds"]


def to_seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read an option's number of seconds (a click callback)."""
    if value is None:
        return None
    try:
        return parse_seconds(value, "it")
    except UsageError as error:
        raise click.BadParameter(str(error), context, parameter) from None


sentinels_argument: Callable[[Any], Any] = click.argument("sentinels", nargs=-1, metavar="[HOST:PORT...|URL]")

_OPTIONS: Final = (
    click.option("--config", metavar="FILE", help="TOML file with [deployments.NAME]."),
    click.option("--deployment", metavar="NAME", help="Deployment in that file."),
    click.option("--sentinel-user", metavar="USER", help="ACL user for the Sentinels."),
    click.option("--sentinel-password-file", metavar="FILE", help="File with the Sentinels' password."),
    click.option("--tls", is_flag=True, default=None, help="Use TLS with the Sentinels."),
    click.option("--tls-ca", metavar="FILE", help="Certificate authorities to trust. [default: the system's]"),
    click.option("--tls-cert", metavar="FILE", help="Client certificate for the Sentinels."),
    click.option("--tls-key", metavar="FILE", help="Key of that certificate."),
    click.option("--tls-server-name", metavar="NAME", help="Expected name in the Sentinels' certificates."),
    click.option("--node-user", metavar="USER", help="ACL user for the data nodes."),
    click.option("--node-password-file", metavar="FILE", help="File with the data nodes' password."),
    click.option("--node-tls", is_flag=True, default=None, help="Use TLS with the data nodes."),
    click.option("--node-tls-ca", metavar="FILE", help="The same as above, for the data nodes."),
    click.option("--node-tls-cert", metavar="FILE"),
    click.option("--node-tls-key", metavar="FILE"),
    click.option("--node-tls-server-name", metavar="NAME"),
    click.option(
        "--address-map",
        multiple=True,
        metavar="FROM=TO",
        help="Dial TO when Sentinel announces FROM; repeatable.",
    ),
)


@dataclass(frozen=True, slots=True)
class DeploymentOptions:
    """A deployment that is ready to be dialled: all sources are read."""

    settings: ConnectionSettings

    @property
    def timeout(self) -> float:
        """Seconds that a Sentinel or a node has to answer."""
        return self.settings.timeout or ANSWER_TIMEOUT_SECONDS

    def watcher_arguments(self, masters: Iterable[str] = ()) -> dict[str, Any]:
        """
        Return the arguments of a Watcher, its positional ``sentinels`` included.

        Args:
            masters: the masters that the verb was given; empty for those of the URL or the file.
        """
        return watcher_arguments(self.settings, masters)


def deployment_options(
    answer_names: tuple[str, ...] = ("--answer-timeout",),
) -> Callable[[Any], Any]:
    """
    Make the decorator that adds all options of a deployment.

    Args:
        answer_names: the names of the option that limits how long a server may take to answer.
    """
    answer = click.option(
        *answer_names,
        "answer_timeout",
        metavar="S",
        callback=to_seconds,
        help="Seconds that a server has to answer. [default: 1]",
    )

    def decorate(function: Any) -> Any:
        for option in reversed((*_OPTIONS, answer)):
            function = option(function)
        return function

    return decorate


def read_settings(
    sentinels: Iterable[str], given: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> DeploymentOptions:
    """
    Combine flags, environment and file.

    Args:
        sentinels: the words of the command line.
        given: the values of `deployment_options`, by their names.
        environ: the environment; None for the process's.

    Raises:
        UsageError: something is wrong, or no Sentinel was given.
    """
    environ = os.environ if environ is None else environ
    settings = _from_flags(sentinels, given).over(settings_from_environment(environ))
    file = given.get("config") or environ.get("SWITCHMASTER_CONFIG")
    if file:
        from ..server.settings.file import read_deployment

        settings = settings.over(read_deployment(Path(os.path.expanduser(file)), given.get("deployment")))
    if not settings.sentinels:
        raise UsageError(
            "no Sentinel was given: name HOST:PORT..., a URL such as redis+sentinel://10.0.0.1:26379/mymaster, "
            "--config FILE, or set SWITCHMASTER_SENTINELS"
        )
    return DeploymentOptions(checked(settings))


def _from_flags(sentinels: Iterable[str], given: Mapping[str, Any]) -> ConnectionSettings:
    own = ConnectionSettings(
        deployment=given.get("deployment"),
        sentinel=_access_from(given, "sentinel_", "tls"),
        node=_access_from(given, "node_", "node_tls"),
        address_map=parse_address_map(given.get("address_map") or ()),
        timeout=given.get("answer_timeout"),
    )
    return own.over(read_sentinels(sentinels))


def _access_from(given: Mapping[str, Any], who: str, tls: str) -> ServerAccess:
    parts = {name: given.get(f"{tls}_{name}") for name in ("ca", "cert", "key", "server_name")}
    wanted = given.get(tls) or any(part is not None for part in parts.values())
    return ServerAccess(
        username=given.get(f"{who}user"),
        password_file=given.get(f"{who}password_file"),
        tls=True if wanted else None,
        **parts,
    )
