"""Rules: can data be lost or wiped?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..inspection import MasterInspection, NodeInspection
from ..symptom import Proof, Severity, Symptom, rule
from .places import commands_for, on_hosts

__all__ = ["comes_back_without_data", "promotion_seconds", "restarts_by_itself", "writes_at_risk", "written_per_second"]

PROMOTION_SECONDS: Final = 0.45
"""From SDOWN to a writable new master: docs/topics/protocol.md, 5.3."""
DEFAULT_BACKLOG: Final = 2**20


def comes_back_without_data(node: NodeInspection) -> bool | None:
    """Return whether a restart of the node's process would bring back nothing; None if that is not known."""
    appends, save = node.number("persistence", "aof_enabled"), node.setting("save")
    if appends:
        return False
    if save is None or appends is None:
        return None
    return not save.strip()


def restarts_by_itself(node: NodeInspection) -> str:
    """Return what suggests that something restarts the process after a crash; empty if nothing does."""
    supervised = node.said("server", "process_supervised")
    if supervised not in (None, "no"):
        return f"process_supervised {supervised}"
    return "process_id 1, as in a container" if node.number("server", "process_id") == 1 else ""


def writes_at_risk(found: MasterInspection) -> tuple[int, int] | None:
    """Return min-replicas-to-write and min-replicas-max-lag (seconds) of the master; None if they were not told."""
    if found.master is None:
        return None
    told = [
        found.master.setting(*names) or ""
        for names in (
            ("min-replicas-to-write", "min-slaves-to-write"),
            ("min-replicas-max-lag", "min-slaves-max-lag"),
        )
    ]
    return (int(told[0]), int(told[1])) if all(one.isdecimal() for one in told) else None


def written_per_second(node: NodeInspection) -> float | None:
    """Return the bytes a second that a master has written to its replicas on average; None if that is not known."""
    offset, uptime = node.number("replication", "master_repl_offset"), node.number("server", "uptime_in_seconds")
    now = node.said("stats", "instantaneous_input_kbps") or ""
    if offset is None or not uptime:
        return None
    lately = float(now) * 1024 if now.replace(".", "", 1).isdecimal() else 0.0
    return max(offset / uptime, lately)


def promotion_seconds(found: MasterInspection) -> float:
    """Return the seconds from a crash of the master until another can be written to, at best."""
    down_after = max((told.master.down_after_ms for told in found.answers.values()), default=0)
    return down_after / 1000 + PROMOTION_SECONDS


@rule("R17", Severity.WARNING)
def restart_wipes_everything(found: MasterInspection) -> Iterator[Symptom]:
    """
    The master keeps nothing on disk: a restart that is faster than down-after wipes the replicas too.

    Why: it comes back empty, still as the master, before Sentinel has noticed. The replicas follow it and delete their
    data. An error if something seems to restart the process by itself (systemd, a container).

    Mend: `redis-cli -h HOST -p PORT CONFIG SET appendonly yes` on every node, then CONFIG REWRITE. Or switch off the
    automatic restart, or delay it: `RestartSec` longer than down-after plus 5 s. Or let switchmaster's guard promote a
    replica first (docs/topics/guard.md).

    Source: Valkey documentation, topics/replication.md, "Safety of replication when primary has persistence turned
    off".

    Versions: all. The setting `save` needs the right to CONFIG GET.
    """
    for one in [found.master] if found.master is not None else []:
        if comes_back_without_data(one) and found.replicas:
            restart = restarts_by_itself(one)
            seen = [Proof(str(one.address), "aof_enabled 0, save is empty")]
            seen += [Proof(str(one.address), restart)] if restart else []
            yield Symptom(
                f"the master {one.address} comes back empty, and its replicas follow",
                tuple(seen),
                commands_for(found.nodes.values(), "CONFIG", "SET", "appendonly", "yes"),
                Severity.ERROR if restart else None,
            )


@rule("R12", Severity.WARNING)
def master_accepts_writes_alone(found: MasterInspection) -> Iterator[Symptom]:
    """
    A master that is cut off from its replicas goes on accepting writes, or one loss stops all writes.

    Why: with min-replicas-to-write 0, clients on the master's side of a partition write to it for as long as that
    lasts. All of it is lost when it becomes a replica of the new master. If as many replicas are demanded as there are,
    the loss of one stops all writes.

    Mend: `redis-cli -h HOST -p PORT CONFIG SET min-replicas-to-write 1` and `min-replicas-max-lag 10` on every node
    (each may become the master), then CONFIG REWRITE.

    Source: Valkey documentation, topics/sentinel.md, Example 2; redis.conf.

    Versions: all. Where all nodes are on one host no network can part them, and it is information only.
    """
    replicas = len(found.replicas)
    hosts = len(on_hosts(found.nodes.values()))
    alone = []
    for one in found.nodes.values():
        least = one.setting("min-replicas-to-write", "min-slaves-to-write")
        if least == "0":
            alone.append(one)
        elif least is not None and least.isdecimal() and replicas and int(least) >= replicas:
            yield Symptom(
                f"{one.address} demands {least} of {replicas} replicas: the loss of one stops all writes",
                (Proof(str(one.address), f"min-replicas-to-write {least}"),),
                cause="min-replicas-to-write is as high as the number of replicas",
            )
    if alone and replicas:
        yield Symptom(
            "a master without replicas goes on accepting writes",
            tuple(Proof(str(one.address), "min-replicas-to-write 0") for one in alone),
            commands_for(alone, "CONFIG", "SET", "min-replicas-to-write", "1"),
            Severity.INFO if hosts == 1 else None,
        )


@rule("R13", Severity.WARNING)
def lag_allowed_is_long(found: MasterInspection) -> Iterator[Symptom]:
    """
    min-replicas-max-lag is longer than 2 x down-after.

    Why: for so long a master that is cut off still counts its replicas as connected and accepts writes, while another
    has been promoted already.

    Mend: `redis-cli -h HOST -p PORT CONFIG SET min-replicas-max-lag SECONDS`, about down-after; not below 2, since
    replicas report once a second.

    Source: derived from redis.conf, "min-replicas-max-lag".

    Versions: all.
    """
    least = writes_at_risk(found)
    down_after = promotion_seconds(found) - PROMOTION_SECONDS
    if least is not None and least[0] > 0 and least[1] > 2 * max(2.0, down_after) and found.master is not None:
        yield Symptom(
            f"min-replicas-max-lag {least[1]} s, down-after {down_after:g} s",
            (Proof(str(found.master.address), f"min-replicas-max-lag {least[1]}"),),
            commands_for([found.master], "CONFIG", "SET", "min-replicas-max-lag", str(max(2, round(down_after)))),
        )


@rule("R14", Severity.WARNING)
def backlog_too_small(found: MasterInspection) -> Iterator[Symptom]:
    """
    The replication backlog holds less than what is written during a failover.

    Why: a replica that was away for longer than the backlog reaches back needs a full copy, which takes minutes, and
    during which it can't be promoted.

    Mend: `redis-cli -h HOST -p PORT CONFIG SET repl-backlog-size BYTES` on every node, then CONFIG REWRITE.

    Source: redis.conf, "repl-backlog-size" (1 MB by default); cachecloud, sync_full.

    Versions: all. The rate is the master's average since its start, or the present one if that is higher.
    """
    master = found.master
    rate = None if master is None else written_per_second(master)
    size = "" if master is None else master.setting("repl-backlog-size") or ""
    if master is None or rate is None or not size.isdecimal():
        return
    needed = rate * 2 * promotion_seconds(found)
    if int(size) < needed:
        yield Symptom(
            f"repl-backlog-size {int(size)} bytes is {int(size) / rate:.1f} s of writes",
            (
                Proof(str(master.address), f"repl-backlog-size {size}"),
                Proof(str(master.address), f"{rate:.0f} bytes/s"),
            ),
            commands_for(found.nodes.values(), "CONFIG", "SET", "repl-backlog-size", str(int(10 * needed))),
        )


@rule("R15", Severity.WARNING)
def output_buffer_below_backlog(found: MasterInspection) -> Iterator[Symptom]:
    """
    The output buffer limit for replicas is lower than the replication backlog.

    Why: a replica that must catch up with the whole backlog, or with what is written during a full copy, is
    disconnected at the limit, and begins again, for ever.

    Mend: `redis-cli -h HOST -p PORT CONFIG SET client-output-buffer-limit "replica 256mb 64mb 60"`, or more.

    Source: redis.conf, "client-output-buffer-limit".

    Versions: all.
    """
    for one in found.nodes.values():
        words = (one.setting("client-output-buffer-limit") or "").split()
        backlog = one.setting("repl-backlog-size") or ""
        for name in ("slave", "replica"):
            hard = words[words.index(name) + 1] if name in words[:-1] else ""
            if hard.isdecimal() and backlog.isdecimal() and 0 < int(hard) < int(backlog):
                yield Symptom(
                    f"{one.address} disconnects a replica at {hard} bytes; its backlog is {backlog}",
                    (Proof(str(one.address), f"client-output-buffer-limit {name} {hard}"),),
                    cause="client-output-buffer-limit",
                )
