"""
``[[actions]]``: what follows a switch, one table for each action, its keys by its ``type``.

`ActionTable` is the union of all types. Values are checked one by one here; `action_settings` makes actions of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema

from .value_types import Age, Seconds, Table, Text, Texts, wrong

__all__ = [
    "ActionTable",
    "CommonActionTable",
    "ConsulTable",
    "CutTable",
    "DnsTable",
    "EtcdTable",
    "FileTable",
    "HaproxyTable",
    "KubernetesTable",
    "NotifyTable",
    "ScriptTable",
    "StreamTable",
    "WebhookTable",
]

_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"


def _name(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(_NAME[1:-1], value):
        raise wrong("must be a name of letters, digits, '.', '_' and '-'")
    return value


def _url(value: Any) -> Any:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        valid = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not isinstance(value, str) or not value.isascii() or any(char <= " " for char in value):
        raise wrong("must be an http:// or https:// URL")
    if "@" in urlsplit(value).netloc:
        raise wrong("must hold no user and no password; put a token in a file and name that file in token_file")
    return value


def _urls(value: Any) -> Any:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not values:
        raise wrong("must be an array of http:// or https:// URLs")
    for one in values:
        parts = urlsplit(_url(one))
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise wrong("must be URLs without a path")
    return tuple(one.rstrip("/") for one in values)


def _key_template(value: Any) -> Any:
    if not isinstance(value, str) or "{master}" not in value or not value.isascii() or not value.isprintable():
        raise wrong("must be a key with {master} in it")
    return value


def _service_template(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9-]*\{master\}[a-z0-9-]*", value):
        raise wrong("must be a name of small letters, digits and '-' with {master} in it")
    return value


def _variables(value: Any) -> Any:
    named = isinstance(value, Mapping) and all(re.fullmatch(_VARIABLE[1:-1], str(key)) for key in value)
    if not named or not all(isinstance(one, str) and "\0" not in one for one in value.values()):
        raise wrong('must be a table of variables, such as { ZONE = "a" }')
    ours = [key for key in value if key.upper().startswith("SWITCHMASTER_")]
    if ours:
        raise wrong(f"must not set {ours[0]}: those names are taken")
    return dict(value)


def _ports(value: Any) -> Any:
    numbers = list(value.values()) if isinstance(value, Mapping) else [None]
    if not all(isinstance(one, int) and not isinstance(one, bool) and 0 < one < 65536 for one in numbers):
        raise wrong("must be a table of ports, such as { mymaster1 = 22121 }")
    if len(set(numbers)) < len(numbers):
        raise wrong("must give each master a port of its own")
    return dict(value)


ActionName = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": _NAME})]
Url = Annotated[str, BeforeValidator(_url), WithJsonSchema({"type": "string", "pattern": r"^https?://"})]
Urls = Annotated[
    tuple[str, ...],
    BeforeValidator(_urls),
    WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": r"^https?://"}, "minItems": 1}),
]
ServiceTemplate = Annotated[
    str, BeforeValidator(_service_template), WithJsonSchema({"type": "string", "pattern": r"\{master\}"})
]
KeyTemplate = Annotated[
    str, BeforeValidator(_key_template), WithJsonSchema({"type": "string", "pattern": r"\{master\}"})
]
Variables = Annotated[
    dict[str, str],
    BeforeValidator(_variables),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]


Ports = Annotated[
    dict[str, int],
    BeforeValidator(_ports),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 65535}}),
]


class CommonActionTable(Table):
    """What every action has."""

    name: ActionName = Field(description="The action's name, in receipts and for `switchmaster actions`.")
    masters: Texts = Field(
        default=(), description="Names or patterns (`*`, `?`) of the masters that it follows; all by default."
    )
    deployments: Texts = Field(default=(), description="Names of their deployments; all by default.")
    group: Literal["cut", "point", "notify"] | None = Field(
        default=None,
        description="When it comes: first all of `cut`, then `point`, then `notify`. By default by its type.",
    )
    grade: Literal["announced", "promoted", "agreed"] = Field(
        default="announced",
        description="Lowest grade of a switch that it carries out; `agreed` waits for a majority of the Sentinels. "
        "By default whatever the deployment's `grade` reports.",
    )
    local: bool = Field(
        default=False,
        description="`true` if each daemon does it for itself, as for a HAProxy beside it; else one of all "
        "daemons on the journal does.",
    )
    every: bool | None = Field(
        default=None,
        description="`true` to carry out each switch in order, `false` for only the newest. By default by its type.",
    )
    timeout: Seconds = Field(default=10.0, description="Seconds of one attempt.")
    give_up: Age = Field(default="1d", description="How long it is tried before it is given up.", validate_default=True)
    max_age: Age | None = Field(
        default=None,
        description='Age from which a switch is not carried out any more; `"1d"` by default where each switch is '
        "carried out, no limit else.",
    )
    dry_run: bool = Field(default=False, description="`true` to record what it would do, and do nothing.")


class ScriptTable(CommonActionTable):
    """A program, run without a shell."""

    type: Literal["script"] = Field(description="`script`: run a program.")
    argv: Texts = Field(description="The program and its arguments; the facts of the switch come after them.")
    arguments: bool = Field(
        default=True,
        description="Whether Sentinel's arguments follow (master, role, state, from-ip, from-port, to-ip, to-port).",
    )
    environment: Variables = Field(default_factory=dict, description="More variables for it.")
    directory: Text | None = Field(default=None, description="The directory in which it runs; `/` by default.")


class WebhookTable(CommonActionTable):
    """A URL to which switches are posted."""

    type: Literal["webhook"] = Field(description="`webhook`: post a CloudEvent.")
    url: Url = Field(description="Where to post to.")
    secret_file: Text | None = Field(
        default=None,
        description="File with the secrets that sign (Standard Webhooks), one a line: `whsec_` and base64. Read again "
        "with each attempt.",
    )
    token_file: Text | None = Field(default=None, description="File with a token for `Authorization: Bearer`.")
    ca: Text | None = Field(default=None, description="Certificate authorities to trust, instead of the system's.")
    addresses: Literal["any", "public"] = Field(
        default="any",
        description="`public` refuses receivers at addresses that are not of the public Internet. Link-local ones are "
        "always refused.",
    )


class FileTable(CommonActionTable):
    """A file that is rendered from the masters' places."""

    type: Literal["file"] = Field(description="`file`: write a file from a template.")
    path: Text = Field(description="The file.")
    template: Literal["env", "envoy-eds", "haproxy", "hosts", "json", "nginx-stream", "twemproxy"] | None = Field(
        default=None, description="A template that comes with switchmaster; or give `template_file`."
    )
    ports: Ports = Field(
        default_factory=dict,
        description="Ports on which a proxy listens, by the master's name, for the templates that make listeners.",
    )
    bind: Text = Field(default="127.0.0.1", description="The address of those ports.")
    template_file: Text | None = Field(default=None, description="File with a Jinja2 template.")
    validate_with: Texts = Field(
        default=(), description="Program that must accept the new file before it is used; `{file}` is its path."
    )
    reload: Texts = Field(default=(), description="Program to run once the file has changed.")
    mode: Annotated[str, Field(pattern=r"^0?[0-7]{3}$")] = Field(default="0644", description="Its permissions.")
    local: bool = Field(default=True, description="`true`, because the file is on this daemon's host.")
    drift: Literal["correct", "report"] = Field(
        default="correct", description="Whether a file that was changed by another hand is written again or reported."
    )
    check_every: Seconds = Field(default=60.0, description="Seconds between two comparisons of the file.")


class _LoginTable(CommonActionTable):
    username: Text | None = Field(default=None, description="The ACL user.")
    password_file: Text | None = Field(
        default=None, description="File with the password; it is read again with each attempt."
    )
    tls: bool = Field(default=False, description="Whether to use TLS.")
    ca: Text | None = Field(default=None, description="Certificate authorities to trust, instead of the system's.")


class CutTable(_LoginTable):
    """The clients of a demoted master are disconnected."""

    type: Literal["cut"] = Field(description="`cut`: disconnect the clients of the old master.")
    give_up: Age = Field(
        default="10m",
        description="How long it is tried: by then Sentinel has made the node a replica.",
        validate_default=True,
    )


class StreamTable(_LoginTable):
    """A stream or channel to which switches are added."""

    type: Literal["stream"] = Field(description="`stream`: XADD and PUBLISH.")
    address: Text = Field(description="`HOST:PORT` of the server.")
    key: str = Field(default="", max_length=1_000, description="The stream; none by default.")
    channel: str = Field(default="", max_length=1_000, description="The channel; none by default.")
    max_length: int = Field(default=10_000, ge=1, le=10**9, description="About how many entries the stream keeps.")


class _StandingTable(CommonActionTable):
    drift: Literal["correct", "report"] = Field(
        default="correct", description="Whether what another hand has changed is put right or reported."
    )
    check_every: Seconds = Field(default=60.0, description="Seconds between two comparisons of the target.")


class DnsTable(_StandingTable):
    """A record of a zone is kept by dynamic updates."""

    type: Literal["dns"] = Field(description="`dns`: keep a record by dynamic updates (RFC 2136).")
    server: Text = Field(description="`HOST:PORT` of the primary, such as `10.0.0.53:53`; TCP is used.")
    zone: Text = Field(description="The zone, such as `kv.example.net`.")
    record: Text = Field(
        description="The name of the record, such as `{master}.kv.example.net`: `A`, `AAAA`, or `CNAME` where Sentinel "
        "announces host names."
    )
    srv: Text | None = Field(
        default=None,
        description="The name of a SRV record, which has the port, such as `_redis._tcp.{master}.kv.example.net`.",
    )
    ttl: int = Field(default=5, ge=0, le=86_400, description="Seconds for which resolvers may keep the records.")
    key_file: Text | None = Field(
        default=None, description="File with the key of TSIG, as `tsig-keygen` writes it; read again with each attempt."
    )


class HaproxyTable(_StandingTable):
    """A server of an existing HAProxy."""

    type: Literal["haproxy"] = Field(description="`haproxy`: point a server of an existing HAProxy at the master.")
    socket: Text = Field(description="The stats socket, of the level `admin`: a path, or `HOST:PORT`.")
    backend: Text = Field(default="{master}", description="The name of the backend.")
    server: Text = Field(default="master", description="The name of the server in it.")
    local: bool = Field(default=True, description="`true`, because the HAProxy is beside this daemon.")


class _ApiTable(_StandingTable):
    ca: Text | None = Field(default=None, description="Certificate authorities to trust, instead of the system's.")
    cert: Text | None = Field(default=None, description="File of a certificate to show, PEM.")
    cert_key: Text | None = Field(default=None, description="File of its key.")


class EtcdTable(_ApiTable):
    """A key of etcd."""

    type: Literal["etcd"] = Field(description="`etcd`: keep a key of etcd.")
    endpoints: Urls = Field(description="URLs of the members, such as `https://10.0.0.1:2379`; 3.4 and later.")
    key: KeyTemplate = Field(
        default="/switchmaster/{deployment}/{master}", description="The key; its value is JSON with `host` and `port`."
    )
    username: Text | None = Field(default=None, description="The user.")
    password_file: Text | None = Field(
        default=None, description="File with the password; it is read again with each attempt."
    )


class ConsulTable(_ApiTable):
    """A key of Consul, and a service of its catalog."""

    type: Literal["consul"] = Field(description="`consul`: keep a key of Consul, and a service.")
    endpoints: Urls = Field(description="URLs of the API, such as `http://127.0.0.1:8500`.")
    key: KeyTemplate = Field(
        default="switchmaster/{deployment}/{master}", description="The key; its value is JSON with `host` and `port`."
    )
    service: ServiceTemplate | None = Field(
        default=None, description="A service to register too, such as `redis-{master}`; none by default."
    )
    tags: Texts = Field(default=(), description="Tags of the service.")
    token_file: Text | None = Field(
        default=None, description="File with the token; it is read again with each attempt."
    )


class KubernetesTable(_ApiTable):
    """The endpoints of a Service, or a label of pods."""

    type: Literal["kubernetes"] = Field(
        description="`kubernetes`: keep the endpoints of a Service, or a label of pods."
    )
    service: ServiceTemplate | None = Field(
        default=None,
        description="The Service without a selector whose EndpointSlice shows the master, such as `redis-{master}`; or "
        "give `pods`.",
    )
    port_name: str = Field(default="", max_length=63, description="The name of the Service's port, if it has one.")
    pods: Text | None = Field(
        default=None, description="The selector of the pods to label, such as `app=redis` or `shard={master}`."
    )
    label: Text = Field(
        default="switchmaster/role", description="The label of those pods: `master` on one, `replica` on the others."
    )
    namespace: Text | None = Field(default=None, description="The namespace; the pod's own by default.")
    api: Url | None = Field(default=None, description="URL of the API server; inside a cluster, its own by default.")
    token_file: Text | None = Field(
        default=None, description="File with the token, read again with each attempt; the pod's own by default."
    )


class NotifyTable(CommonActionTable):
    """People are notified."""

    type: Literal["notify"] = Field(description="`notify`: send a message by a service that Apprise knows.")
    urls_file: Text = Field(
        description="File with the services' URLs, one a line, as Apprise writes them; read again with each message."
    )
    title: Text | None = Field(default=None, description="Jinja2 template of the title; it sees `switches`.")
    body: Text | None = Field(default=None, description="Jinja2 template of the text; it sees `switches`.")
    fold: Seconds = Field(
        default=2.0, description="Seconds after the first switch whose switches, of all masters, share one message."
    )
    timeout: Seconds = Field(default=60.0, description="Seconds of one attempt, `fold` included.")


ActionTable = Annotated[
    ScriptTable
    | WebhookTable
    | FileTable
    | CutTable
    | StreamTable
    | DnsTable
    | EtcdTable
    | HaproxyTable
    | ConsulTable
    | KubernetesTable
    | NotifyTable,
    Field(discriminator="type"),
]
