"""
What a lab looks like, and the configuration files for it.

Pure: a `LabOptions` and addresses go in, the text of configuration files comes out; every line is valid for the
server's version. It never writes a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from switchmaster.errors import UsageError
from switchmaster.lab.binaries import ServerBinary
from switchmaster.lab.certificates import Certificates

__all__ = ["LabOptions", "Listener", "node_configuration", "sentinel_configuration"]

BAD_NAME = re.compile(r"[\s,/\\'\"#\x00-\x1f\x7f]")
BAD_PASSWORD = re.compile(r"[\s'\"#\\\x00-\x1f\x7f]")
HOSTS = ("127.0.0.1", "::1")
USER_PASSWORD = re.compile(r"(?<=\s)[>#]\S+")


@dataclass(frozen=True)
class LabOptions:
    """
    What a lab looks like. Construction raises UsageError if it is not possible.

    All times are milliseconds, as in Sentinel's own configuration.
    """

    masters: tuple[str, ...] = ("mymaster",)
    replicas: int = 2
    """Replicas of each master."""
    sentinels: int = 3
    quorum: int | None = None
    """None for the majority of the Sentinels."""
    binary: str | None = None
    """What `switchmaster.lab.find_binary` takes."""
    down_after_ms: int = 1000
    failover_timeout_ms: int = 10000
    parallel_syncs: int = 1
    password: str | None = field(default=None, repr=False)
    """The data nodes' password."""
    sentinel_password: str | None = field(default=None, repr=False)
    """The Sentinels' own password."""
    node_users: tuple[str, ...] = field(default=(), repr=False)
    """ACL lines for the data nodes, such as ``user watcher on >secret +role``."""
    sentinel_users: tuple[str, ...] = field(default=(), repr=False)
    """ACL lines for the Sentinels."""
    node_lines: tuple[str, ...] = ()
    """Further configuration lines of the data nodes, verbatim."""
    sentinel_lines: tuple[str, ...] = ()
    """Further configuration lines of the Sentinels, verbatim."""
    tls: bool = False
    """Only TLS, on nodes and Sentinels; needs the extra `lab-tls` and a server built with TLS."""
    tls_client_auth: bool = False
    """Whether the servers demand a client certificate."""
    host: str = "127.0.0.1"
    """127.0.0.1 or ::1."""
    directory: Path | None = None
    """Folder in which configuration and logs stay; None for a temporary folder, removed at the end."""
    hostnames: bool = False
    """Whether to announce and resolve the name ``localhost`` instead of addresses."""

    def __post_init__(self) -> None:
        """Refuse options that no server would accept."""
        for wrong, sentence in self._checks():
            if wrong:
                raise UsageError(f"invalid lab options: {sentence}")

    def _checks(self) -> Iterable[tuple[bool, str]]:
        names = self.masters
        yield not names, "it needs at least one master"
        yield len(set(names)) != len(names), "two masters have the same name"
        for name in names:
            yield (
                not name or bool(BAD_NAME.search(name)),
                f"{name!r} is not a name that Sentinel can store",
            )
        yield (
            self.replicas < 0 or self.sentinels < 1,
            "replicas must be 0 or more, Sentinels 1 or more",
        )
        yield (
            not 1 <= self.votes <= self.sentinels,
            "the quorum must be between 1 and the number of Sentinels",
        )
        yield min(self.down_after_ms, self.failover_timeout_ms) < 1, "times must be 1 ms or more"
        yield self.parallel_syncs < 1, "parallel_syncs must be 1 or more"
        yield self.host not in HOSTS, "the host must be 127.0.0.1 or ::1"
        for password in (self.password, self.sentinel_password):
            bad = password is not None and (not password or bool(BAD_PASSWORD.search(password)))
            yield bad, "a password is empty or contains a blank, a quote, # or a backslash"

    @property
    def votes(self) -> int:
        """The quorum in the configuration."""
        return self.sentinels // 2 + 1 if self.quorum is None else self.quorum

    @property
    def announced_host(self) -> str:
        """The host that the servers announce."""
        return "localhost" if self.hostnames else self.host

    def secrets(self) -> tuple[str, ...]:
        """Return all secrets, for redaction."""
        words = [word for line in (*self.node_users, *self.sentinel_users) for word in USER_PASSWORD.findall(line)]
        own = [word for word in (self.password, self.sentinel_password) if word]
        return (*own, *(word[1:] for word in words if len(word) > 1))


@dataclass(frozen=True, slots=True)
class Listener:
    """Where one server of the lab listens and writes."""

    port: int
    folder: Path
    log: Path


def node_configuration(
    options: LabOptions,
    binary: ServerBinary,
    listener: Listener,
    master_port: int | None,
    certificates: Certificates | None,
) -> str:
    """
    Return a data node's configuration.

    Args:
        options: the lab's.
        binary: the server program that will read it.
        listener: where it listens.
        master_port: the port of its master; None for a master.
        certificates: for TLS, or None.
    """
    lines = _common(options, listener, certificates)
    # Nothing is persisted; a full resynchronisation starts at once and goes over the socket.
    lines += ['save ""', "appendonly no", "repl-diskless-sync yes", "repl-diskless-sync-delay 0"]
    lines += ["repl-ping-replica-period 1", "repl-backlog-size 4mb"]
    if binary.kind == "valkey" or binary.version >= (7,):
        # From 7.0 on, SIGTERM waits up to 10 s for lagging replicas, and DEBUG is disabled.
        lines += ["shutdown-timeout 0", "enable-debug-command local"]
    if options.hostnames:
        lines.append(f"replica-announce-ip {options.announced_host}")
    if options.password is not None:
        lines += [f'requirepass "{options.password}"', f'masterauth "{options.password}"']
    if master_port is not None:
        lines.append(f"replicaof {options.announced_host} {master_port}")
    return _text([*lines, *options.node_users, *options.node_lines])


def sentinel_configuration(
    options: LabOptions,
    listener: Listener,
    masters: Sequence[tuple[str, int]],
    certificates: Certificates | None,
) -> str:
    """
    Return a Sentinel's first configuration; the Sentinel rewrites it later.

    Args:
        options: the lab's.
        listener: where it listens.
        masters: name and port of each master to monitor.
        certificates: for TLS, or None.
    """
    lines = _common(options, listener, certificates)
    if options.hostnames:  # before the first monitor line, which it allows to contain a name
        lines += ["sentinel resolve-hostnames yes", "sentinel announce-hostnames yes"]
        lines.append(f"sentinel announce-ip {options.announced_host}")
    if options.sentinel_password is not None:
        lines.append(f'requirepass "{options.sentinel_password}"')
        lines.append(f'sentinel sentinel-pass "{options.sentinel_password}"')
    for name, port in masters:
        lines.append(f'sentinel monitor "{name}" {options.announced_host} {port} {options.votes}')
        lines.append(f'sentinel down-after-milliseconds "{name}" {options.down_after_ms}')
        lines.append(f'sentinel failover-timeout "{name}" {options.failover_timeout_ms}')
        lines.append(f'sentinel parallel-syncs "{name}" {options.parallel_syncs}')
        if options.password is not None:
            lines.append(f'sentinel auth-pass "{name}" "{options.password}"')
    return _text([*lines, *options.sentinel_users, *options.sentinel_lines])


def _common(options: LabOptions, listener: Listener, certificates: Certificates | None) -> list[str]:
    # localhost may mean either loopback address; with "-" a machine without IPv6 starts anyway.
    bind = "127.0.0.1 -::1" if options.hostnames else options.host
    lines = [f"bind {bind}", "protected-mode no", "daemonize no"]
    lines += [f"dir {_quoted(listener.folder)}", f"logfile {_quoted(listener.log)}"]
    if certificates is None:
        return [*lines, f"port {listener.port}"]
    demand = "yes" if options.tls_client_auth else "optional"
    lines += [
        "port 0",
        f"tls-port {listener.port}",
        "tls-replication yes",
        f"tls-auth-clients {demand}",
    ]
    lines += [f"tls-cert-file {_quoted(certificates.server)}"]
    lines += [f"tls-key-file {_quoted(certificates.server_key)}"]
    return [*lines, f"tls-ca-cert-file {_quoted(certificates.ca)}"]


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
