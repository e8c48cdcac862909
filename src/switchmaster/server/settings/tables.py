"""
What the file of ``--config`` may contain: the single source of the JSON Schema and of the reference page.

Each class is a table of the file, each field a key; a field's description is its text in the reference. Values are
checked one by one here; `configuration` checks what several keys mean together. Passwords have no key: only files that
hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from .action_tables import ActionTable
from .value_types import (
    AddressPairs,
    AfterRestart,
    Age,
    Armed,
    Day,
    Listen,
    Listens,
    Pause,
    RangedPairs,
    Seconds,
    Sentinels,
    Size,
    Table,
    Text,
    Texts,
)

__all__ = [
    "AccessTable",
    "DeploymentTable",
    "DoctorTable",
    "File",
    "GuardTable",
    "HttpTable",
    "JournalTable",
    "LogTable",
    "ProxyTable",
    "RelayTable",
    "ShareTable",
    "SuppressTable",
    "TlsTable",
]


def _tls_kind(value: Any) -> str:
    return "TlsTable" if isinstance(value, (Mapping, BaseModel)) else "bool"


class TlsTable(Table):
    """Files and server name for TLS; paths are relative to the folder of the configuration file."""

    ca: Text | None = Field(default=None, description="Certificate authorities to trust, instead of the system's.")
    cert: Text | None = Field(default=None, description="Client certificate.")
    key: Text | None = Field(default=None, description="Its key.")
    server_name: Text | None = Field(default=None, description="Expected name in the servers' certificates.")


TlsOption = Annotated[Annotated[bool, Tag("bool")] | Annotated[TlsTable, Tag("TlsTable")], Discriminator(_tls_kind)]


class AccessTable(Table):
    """Credentials and TLS for one kind of server."""

    username: Text | None = Field(default=None, description="The ACL user.")
    password_file: Text | None = Field(
        default=None, description="File with the password; it is read again with each connection."
    )
    tls: TlsOption | None = Field(default=None, description="`true` for TLS with the system's authorities, or a table.")


class GuardTable(Table):
    """The guard; a key that is missing here has the value of the table around it, or its default."""

    armed: Armed | None = Field(
        default=None,
        description='`true` orders failovers, `"dry-run"` only records what it would have ordered; `false` by '
        "default, because a failover is never without cost.",
    )
    grace: Pause | None = Field(
        default=None,
        description="Seconds between two samples that must both prove the death; 0.25 by default: enough for a "
        "supervisor's instant restart, and a hundredth of Sentinel's own 30 s. It is not waited for where a "
        "restart is known to bring back nothing.",
    )
    evidence_timeout: Seconds | None = Field(
        default=None,
        description="Seconds in which all witnesses must answer; 0.15 by default: a round trip of 100 ms fits. A late "
        "answer counts for the master's life.",
    )
    max_lag: Pause | None = Field(
        default=None,
        description="Seconds since the last acknowledgement of the replica to be promoted, beyond which no failover is "
        "ordered; 10 by default: what was written after it is lost.",
    )
    restart: AfterRestart | None = Field(
        default=None,
        description="What a restarted master comes back with: nothing (`wipes`), its data (`keeps`), or what the "
        "node says of its RDB and AOF (`unknown`, the default).",
    )
    cool_down: Pause | None = Field(
        default=None,
        description="Seconds after any failover in which none is ordered; 60 by default: a second death so soon is a "
        "matter for people.",
    )
    orderly: bool | None = Field(
        default=None,
        description="Whether to act after an announced shutdown too; `false` by default: whoever sends SHUTDOWN has "
        "a plan.",
    )


class ListenTlsTable(Table):
    """Certificate and key for clients."""

    cert: Text = Field(description="The certificate.")
    key: Text = Field(description="Its key.")
    client_ca: Text | None = Field(
        default=None, description="Authorities of which clients must show a certificate; none is asked for by default."
    )


class RelayTable(Table):
    """A front for unmodified clients, in Sentinel's own protocol; a key that is missing has the value of `[relay]`."""

    listen: Listen | None = Field(
        default=None,
        description="Address to listen on, `127.0.0.1:26379` by default, where a Sentinel would be; beyond loopback "
        "only with a password.",
    )
    announce: Listen | None = Field(
        default=None,
        description="`HOST:PORT` where clients on other machines reach this relay: what the relays of other daemons on "
        "the same journal name to their clients. `listen` by default, if that is neither loopback nor a wildcard.",
    )
    password_file: Text | None = Field(default=None, description="File with the password of the default user.")
    users: dict[str, str] | None = Field(
        default=None, description="Password files of named users, by name. All users may only read."
    )
    tls: ListenTlsTable | None = Field(default=None, description="Certificate and key, to serve TLS.")
    grade: Literal["announced", "promoted", "agreed"] | None = Field(
        default=None,
        description="Lowest grade at which clients are told of a switch; the deployment's by default, below which it "
        "can't go.",
    )
    planned: Literal["early", "announced"] | None = Field(
        default=None,
        description="In a planned failover, tell clients at the promotion (`early`, the default: what they write to "
        "the old master afterwards is lost), or when the first Sentinel uses the new master (`announced`).",
    )
    stale_for: Seconds | None = Field(
        default=None,
        description="Seconds that the last belief is served while no Sentinel is connected; 60 by default: longer than "
        "a restart of the Sentinels.",
    )
    peers: Texts | None = Field(
        default=None,
        description="`HOST:PORT` of the other relays: what SENTINEL SENTINELS names instead of Sentinels. "
        "Relays of daemons on the same journal find each other.",
    )
    address_map: AddressPairs | None = Field(
        default=None, description="Announced address = address that clients are told instead."
    )
    address_maps: RangedPairs | None = Field(
        default=None,
        description="The same for clients of a range of addresses, such as `10.1.0.0/16`, instead of `address_map`; "
        "the narrowest range counts.",
    )
    maxclients: int | None = Field(
        default=None, ge=1, le=100_000, description="Most clients; 10,000 by default, as a Sentinel."
    )
    output_bytes: int | None = Field(
        default=None,
        ge=64 * 1024,
        le=2**31,
        description="Bytes that may wait for a subscriber that does not read, before it is cut; 8 MiB by default.",
    )


class ProxyTable(Table):
    """A HAProxy for clients that know no Sentinel; a key that is missing has the value of `[proxy]`."""

    writes: Listens | None = Field(
        default=None,
        description='Address on which clients find the master, such as `"127.0.0.1:6379"`; a table by the master\'s '
        "name if there are several. There is no default: without it nothing can be proxied.",
    )
    reads: Listens | None = Field(
        default=None,
        description="The same for its replicas, or the master where no replica is well; none by default.",
    )
    health: Listen | None = Field(
        default=None,
        description="Address on which HAProxy answers `/livez` and `/readyz` without touching a node; none by default.",
    )
    max_lag: Seconds | None = Field(
        default=None,
        description="Seconds since a replica had news of its master, as it says itself, beyond which it is not read "
        "from; 15 by default, because an idle master sends news every 10 s (`repl-ping-replica-period`).",
    )
    hold: Pause | None = Field(
        default=None,
        description="Seconds that new connections wait in a planned failover, from the selection of the replica on; 2 "
        "by default, twice what a promotion takes. 0: they go on to the old master, and what they write is lost.",
    )
    failover_wait: Pause | None = Field(
        default=None,
        description="Seconds that new connections wait for a master whose process is gone, or that is agreed to be "
        "down; 10 by default. 0: they are refused.",
    )
    maxconn: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Most connections to each port; 2,000 by default, which needs twice as many open files.",
    )
    tls: ListenTlsTable | None = Field(
        default=None, description="Certificate and key, to serve TLS on the ports for writes and reads."
    )
    program: Text | None = Field(default=None, description="HAProxy's program; `haproxy` by default.")
    folder: Text | None = Field(
        default=None,
        description="Folder for its files and sockets, ours alone; by default one in systemd's runtime directory, the "
        "user's, or `/run`. The next start finds in it the HAProxy that went on.",
    )


class DeploymentTable(Table):
    """One set of Sentinels and the masters that they monitor."""

    sentinels: Sentinels | None = Field(
        default=None, description="`HOST:PORT` of some Sentinels (the others are discovered), or one URL."
    )
    masters: Texts | None = Field(default=None, description="Names of the masters to follow; all by default.")
    address_map: AddressPairs = Field(default_factory=dict, description="Announced address = address to dial instead.")
    timeout: Seconds | None = Field(default=None, description="Seconds that a server has to answer; 1 by default.")
    grade: Literal["announced", "promoted", "agreed"] = Field(
        default="promoted", description="Lowest grade at which a switch is reported."
    )
    discover: bool = Field(default=True, description="Whether to connect to Sentinels that other Sentinels know.")
    probe: bool = Field(default=True, description="Whether to ask data nodes for their ROLE.")
    measure_pauses: bool = Field(
        default=False,
        description="Whether to PING each data node once a second, over a connection of its own, and keep how long "
        "that took: the evidence for `switchmaster explain NAME --down-after`. At most 512 nodes.",
    )
    reconcile: Seconds = Field(
        default=10.0, description="Seconds between two rounds of queries in addition to the events."
    )
    poll: Seconds | None = Field(
        default=None,
        description="Seconds between queries to a Sentinel that allows no useful subscription.",
    )
    sentinel: AccessTable = Field(default=AccessTable(), description="Credentials and TLS for the Sentinels.")
    node: AccessTable = Field(default=AccessTable(), description="Credentials and TLS for the data nodes.")
    nodes: dict[str, AccessTable] = Field(
        default_factory=dict,
        description="The same for the data nodes of one master, by its name; it replaces `node` as a whole.",
    )
    guard: GuardTable = Field(default=GuardTable(), description="The guard of this deployment's masters.")
    guards: dict[str, GuardTable] = Field(
        default_factory=dict, description="The guard of one master, by its name; its keys win over those of `guard`."
    )
    relay: RelayTable | None = Field(default=None, description="The relay of this deployment.")
    proxy: ProxyTable | None = Field(default=None, description="The proxy of this deployment.")


class SuppressTable(Table):
    """A finding of the doctor's that is known."""

    reason: Text = Field(description="Why it is no reason to act; shown beside the finding.")
    until: Day | None = Field(
        default=None, description="The day, in UTC, from which it is reported again; never by default."
    )
    masters: Texts | None = Field(default=None, description="The masters for which it holds; all by default.")


class DoctorTable(Table):
    """The doctor."""

    every: Seconds | None = Field(
        default=None,
        description="Seconds between two inspections by the daemon; none by default, because they need more rights "
        "than watching (`switchmaster doctor --acl`).",
    )
    zones: dict[str, Text] = Field(
        default_factory=dict,
        description='The zone of each host, as Sentinel announces it: `"10.0.0.1" = "west"`; for the doctor and '
        "`explain --if-dies zone:west`.",
    )
    suppress: dict[str, SuppressTable] = Field(
        default_factory=dict, description="Findings that are not reported, each by the id of its rule."
    )


class JournalTable(Table):
    """Where the journal is, and how long it keeps what."""

    url: Text | None = Field(
        default=None,
        description="`sqlite:////ABSOLUTE/PATH`, `sqlite:///PATH` (relative to the working directory) or "
        "`postgresql+psycopg://USER@HOST/DATABASE`; by default `journal.db` in the state directory.",
    )
    password_file: Text | None = Field(default=None, description="File with the password for PostgreSQL.")
    observer: Text | None = Field(
        default=None, description="Name of this daemon in the journal; the host's name by default."
    )
    events: bool = Field(default=True, description="Whether to keep every event of every Sentinel too.")
    keep: Age = Field(default="730d", description="How long failovers and switches are kept.", validate_default=True)
    keep_events: Age = Field(default="30d", description="How long everything else is kept.", validate_default=True)
    max_size: Size = Field(
        default="2GB",
        description="Above this size the oldest events are removed first, whatever their age.",
        validate_default=True,
    )
    queue: int = Field(
        default=100_000,
        ge=100,
        le=10_000_000,
        description="Entries that may wait in memory while the database is unavailable.",
    )


class ShareTable(Table):
    """How the deployments are shared with other daemons on the same journal."""

    daemons: int | None = Field(
        default=None,
        ge=1,
        le=16,
        description="How many daemons watch each deployment; none by default: this daemon watches all of its file, "
        "whatever others do. The others must share too, and the journal must be in PostgreSQL. What this daemon has a "
        "relay, a proxy or a `local` action for, it watches in any case.",
    )
    lease: float = Field(
        default=2.0,
        ge=1.0,
        le=60.0,
        description="Seconds after which a daemon that is silent counts as dead, and others watch what it watched. "
        "It looks six times as often.",
    )


class HttpTlsTable(Table):
    """Certificate and key of the HTTP server."""

    cert: Text = Field(description="The server's certificate.")
    key: Text = Field(description="Its key.")


class HttpTable(Table):
    """The HTTP API, the metrics and the dashboard."""

    listen: Listen = Field(
        default="127.0.0.1:8370", description="Address to listen on; beyond loopback only with a token."
    )
    token_file: Text | None = Field(default=None, description="File with the token for writing (and reading).")
    read_token_file: Text | None = Field(default=None, description="File with the token for reading.")
    tls: HttpTlsTable | None = Field(default=None, description="Certificate and key, to serve HTTPS.")
    hosts: Texts = Field(
        default=(),
        description="Host names that requests may use, besides `localhost`, IP addresses and the host of `listen`.",
    )
    connections: int = Field(
        default=256,
        ge=32,
        le=10_000,
        description="Most connections with a request under way, and as many idle ones; health checks have "
        "slots of their own.",
    )
    connections_per_peer: int = Field(
        default=128,
        ge=32,
        le=10_000,
        description="The same for one client address (for IPv6, one /64). Raise it behind a proxy.",
    )


class LogTable(Table):
    """The daemon's log on standard error."""

    format: Literal["text", "json"] = Field(default="text", description="Text for people, or one JSON object a line.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is logged."
    )


class File(Table):
    """The whole file."""

    deployments: dict[str, DeploymentTable] = Field(
        default_factory=dict, description="Deployments to watch, each under a name of your choice."
    )
    guard: GuardTable = Field(default=GuardTable(), description="The guard of all deployments.")
    relay: RelayTable | None = Field(
        default=None,
        description="The relay; with several deployments, what their own `relay` tables leave out.",
    )
    proxy: ProxyTable | None = Field(
        default=None,
        description="The proxy; with several deployments, what their own `proxy` tables leave out.",
    )
    doctor: DoctorTable = Field(default=DoctorTable(), description="The doctor.")
    actions: list[ActionTable] = Field(
        default_factory=list, description="What follows a switch: one `[[actions]]` for each action."
    )
    journal: JournalTable = Field(default=JournalTable(), description="The journal.")
    share: ShareTable = Field(default=ShareTable(), description="Deployments that several daemons share.")
    http: HttpTable = Field(default=HttpTable(), description="The HTTP server.")
    log: LogTable = Field(default=LogTable(), description="The log.")
