"""Rules: the Sentinels' own settings, and what hinders them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from ...wire.replies import MasterReply
from ..inspection import Inspection, MasterInspection, SentinelInspection
from ..symptom import Proof, Severity, Symptom, rule
from .places import commands_for

__all__ = ["TILT_MS"]

TILT_MS: Final = 30_000
"""Milliseconds for which a Sentinel stays in TILT (SENTINEL_TILT_PERIOD)."""
SHORT_MS, LOW_MS, HIGH_MS = 1_000, 5_000, 60_000
SCRIPTS_AT_ONCE: Final = 16
"""SENTINEL_SCRIPT_MAX_RUNNING."""
_TIMERS: Final = {
    "info-period": "10000",
    "ping-period": "1000",
    "ask-period": "1000",
    "publish-period": "2000",
    "tilt-trigger": "2000",
    "tilt-period": "30000",
    "slave-reconf-timeout": "10000",
    "min-link-reconnect-period": "15000",
    "election-timeout": "10000",
    "script-max-runtime": "60000",
    "script-retry-delay": "30000",
}
"""Defaults in sentinel.c, Redis 7.0 to Valkey 9.1."""
_VOLATILE: Final = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/")  # compared with, not written to
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


@rule("C01", Severity.INFO)
def down_after_out_of_range(found: MasterInspection) -> Iterator[Symptom]:
    """
    down-after-milliseconds is very short or very long.

    Why: Sentinel sends a PING each second (or each down-after, if that is less). Below 1 s a late answer, a slow
    command or a reconnect looks like a death (a warning); below 5 s a pause of a few seconds does. Above 60 s every
    crash costs as long (a warning).

    Mend: `redis-cli -h HOST -p PORT SENTINEL SET NAME down-after-milliseconds 5000` on every Sentinel.
    `switchmaster explain NAME --down-after` derives a value from what was measured.

    Source: sentinel.c, sentinelCheckSubjectivelyDown(), sentinelSendPeriodicCommands(); docs/topics/protocol.md, 5.4;
    redis#8607; bitnami's default is 60 s.

    Versions: all.
    """
    for value, names in _values(found, lambda master: master.down_after_ms).items():
        if value < LOW_MS or value > HIGH_MS:
            short = value < LOW_MS
            yield Symptom(
                f"down-after-milliseconds {value}: "
                + ("a pause of that length starts a failover" if short else "a crash is noticed so late"),
                _seen(names, f"down-after-milliseconds {value}"),
                _set(found, names, "down-after-milliseconds", LOW_MS if short else TILT_MS),
                Severity.WARNING if value < SHORT_MS or not short else None,
                cause="down-after",
            )


@rule("C02", Severity.WARNING)
def failover_timeout_too_short(found: MasterInspection) -> Iterator[Symptom]:
    """
    failover-timeout is not longer than down-after-milliseconds.

    Why: an attempt that is begun late, or a replica that needs a full synchronisation, takes longer and is given up.
    The next attempt comes only 2 x failover-timeout after the last.

    Mend: `redis-cli -h HOST -p PORT SENTINEL SET NAME failover-timeout N` on every Sentinel: longer than a full
    synchronisation of a replica.

    Source: sentinel.conf, "failover-timeout"; sentinel.c, sentinelFailoverWaitPromotion().

    Versions: all.
    """
    for (timeout, down_after), names in _values(
        found, lambda master: (master.failover_timeout_ms, master.down_after_ms)
    ).items():
        if timeout <= down_after:
            yield Symptom(
                f"failover-timeout {timeout} ms, down-after-milliseconds {down_after} ms",
                _seen(names, f"failover-timeout {timeout}"),
                _set(found, names, "failover-timeout", max(60_000, 4 * down_after)),
            )


@rule("C03", Severity.WARNING)
def all_replicas_synchronise_at_once(found: MasterInspection) -> Iterator[Symptom]:
    """
    parallel-syncs is as high as the number of replicas.

    Why: after a failover all replicas may load a full copy at the same time. None of them answers reads then, and
    there is none to promote if the new master dies too.

    Mend: `redis-cli -h HOST -p PORT SENTINEL SET NAME parallel-syncs 1` on every Sentinel.

    Source: sentinel.conf, "parallel-syncs".

    Versions: all.
    """
    for value, names in _values(found, lambda master: master.parallel_syncs).items():
        others = len(found.replicas) - 1
        if others > 1 and value >= others:
            yield Symptom(
                f"parallel-syncs {value}: all {others} replicas that are left may synchronise at once",
                _seen(names, f"parallel-syncs {value}"),
                _set(found, names, "parallel-syncs", 1),
            )


@rule("C04", Severity.INFO)
def link_age_limit_below_tilt(found: MasterInspection) -> Iterator[Symptom]:
    """
    10 x down-after-milliseconds is shorter than TILT.

    Why: a replica whose link to the master has been down for more than 10 x down-after (plus the time for which the
    master is known to be down) is never promoted. If all Sentinels were away or in TILT (30 s) when the master died,
    that limit is passed before they look: each attempt ends with `-failover-abort-no-good-slave`, for ever.

    Mend: `redis-cli -h HOST -p PORT SENTINEL SET NAME down-after-milliseconds 3100` or more. If it has happened:
    promote by hand, `REPLICAOF NO ONE` on the best replica, then `SENTINEL REMOVE` and `MONITOR`.

    Source: sentinel.c, sentinelSelectSlave(); docs/topics/protocol.md, 4 (6 of 6 tries); redis#5677.

    Versions: all.
    """
    for value, names in _values(found, lambda master: master.down_after_ms).items():
        if 10 * value < TILT_MS:
            yield Symptom(
                f"10 x down-after-milliseconds is {value / 100:g} s, TILT lasts {TILT_MS / 1000:g} s",
                _seen(names, f"down-after-milliseconds {value}"),
                _set(found, names, "down-after-milliseconds", LOW_MS),
                cause="down-after",
            )


@rule("C06", Severity.WARNING)
def names_and_addresses_mixed(found: MasterInspection) -> Iterator[Symptom]:
    """
    Some Sentinels announce host names and others IP addresses.

    Why: one node then has two names, and clients and Sentinels that compare them see a change of master where there is
    none.

    Mend: the same `sentinel resolve-hostnames` and `sentinel announce-hostnames` in the configuration of all, or
    `redis-cli -h HOST -p PORT SENTINEL CONFIG SET announce-hostnames no`.

    Source: Valkey documentation, topics/sentinel.md, "IP Addresses and DNS names".

    Versions: 6.2 and later.
    """
    for name in ("resolve-hostnames", "announce-hostnames"):
        told = {one.name: value for one in found.sentinels.values() if (value := one.setting(name)) in ("yes", "no")}
        if len(set(told.values())) > 1:
            yes = [found.sentinels[one] for one, value in told.items() if value == "yes"]
            yield Symptom(
                f"{name} differs between Sentinels",
                tuple(Proof(one, f"{name} {value}") for one, value in sorted(told.items())),
                commands_for(yes, "SENTINEL", "CONFIG", "SET", name, "no"),
            )


@rule("C07", Severity.ERROR)
def announced_address_not_reachable(found: MasterInspection) -> Iterator[Symptom]:
    """
    An address that Sentinel announces can't be reached from here.

    Why: clients are sent to that address. Behind NAT or in containers it is often one that only the servers reach, or
    one of a host that is gone; a replica that only Sentinel's list knows can't be promoted.

    Mend: `replica-announce-ip` and `replica-announce-port` on the node, `sentinel announce-ip` and `announce-port` on
    the Sentinel, then a restart. If only this host can't reach it, give switchmaster an `address_map`.

    Source: Valkey documentation, topics/sentinel.md, "Sentinel, Docker, NAT, and possible issues"; redis#2335.

    Versions: all.
    """
    for address, one in sorted(found.nodes.items()):
        if one.round_trip is None and one.refusal is None:
            where = "the master" if address == found.address else "a replica"
            cause = f"replica {address}" if address != found.address else "master is down for Sentinels"
            yield Symptom(f"{address}, {where}, can't be reached", (Proof(str(address), one.reason),), cause=cause)
    for name, told in sorted(found.answers.items()):
        listed = [each.address for each in told.replicas or ()] + [each.address for each in told.sentinels or ()]
        for address in listed:
            if not address.possible:
                yield Symptom(f"{name} lists the impossible address {address}", (Proof(name, str(address)),))


@rule.whole("C09", Severity.ERROR)
def sentinel_in_tilt(found: Inspection) -> Iterator[Symptom]:
    """
    A Sentinel is in TILT.

    Why: for 30 s after its clock jumped or its process stood still for 2 s it declares nothing down and starts no
    failover. CKQUORUM says OK all the same.

    Mend: look for what stops the process: memory (swap), a paused virtual machine, an overloaded host, a clock that is
    set in steps. Each such moment begins the 30 s again.

    Source: sentinel.c, sentinelCheckTiltCondition(); redis#10547; bitnami/charts#36305 (name resolution).

    Versions: all; how often it was in TILT since its start is told by Redis 8.2, Valkey 9.0 and later (information
    only).
    """
    for one in found.sentinels:
        info = one.info
        if info is not None and info.tilt:
            yield Symptom(f"{one.name} is in TILT", (Proof(one.name, f"for {info.tilt_since_seconds} s"),))
        elif info is not None and info.total_tilt:
            yield Symptom(
                f"{one.name} was in TILT {info.total_tilt} times since its start",
                (Proof(one.name, f"sentinel_total_tilt {info.total_tilt}"),),
                severity=Severity.INFO,
            )


@rule.whole("C10", Severity.WARNING)
def failure_is_simulated(found: Inspection) -> Iterator[Symptom]:
    """
    SENTINEL SIMULATE-FAILURE was left on.

    Why: this Sentinel exits in the middle of the next failover that it leads.

    Mend: restart it, or `redis-cli -h HOST -p PORT SENTINEL SIMULATE-FAILURE HELP`, which clears the flags first.

    Source: sentinel.c, sentinelSimFailureCrash().

    Versions: all.
    """
    for one in found.sentinels:
        if one.info is not None and one.info.simulate_failure_flags:
            yield Symptom(
                f"{one.name} will crash in its next failover",
                (Proof(one.name, f"sentinel_simulate_failure_flags {one.info.simulate_failure_flags}"),),
                commands_for([one], "SENTINEL", "SIMULATE-FAILURE", "HELP"),
            )


@rule("C11", Severity.WARNING)
def scripts_differ_or_wait(found: MasterInspection) -> Iterator[Symptom]:
    """
    A script is configured on some Sentinels only, or scripts wait.

    Why: client-reconfig-script runs on every Sentinel, the leader and the others; what only some run depends on who
    leads. Scripts that wait run late: at most 16 run at once, each up to 60 s.

    Mend: the same `sentinel notification-script` and `client-reconfig-script` lines everywhere, or none. See the
    Sentinel's log for `-script-error` and `-script-timeout`.

    Source: sentinel.c, sentinelScheduleScriptExecution(), sentinelRunPendingScripts(); codis#1307.

    Versions: all.
    """
    for what in ("notification_script", "reconfig_script"):
        told = {name: str(getattr(each.master, what)) for name, each in sorted(found.answers.items())}
        if len(set(told.values())) > 1:
            yield Symptom(
                f"the {what.replace('_', ' ')} is not the same on all Sentinels",
                tuple(Proof(name, script or "none") for name, script in told.items()),
            )
    for name in sorted(found.answers):
        info = found.sentinels[name].info
        if info is not None and (info.scripts_queue_length or 0) > (info.running_scripts or 0) >= SCRIPTS_AT_ONCE:
            yield Symptom(
                f"{info.scripts_queue_length} scripts wait on {name}",
                (Proof(name, f"sentinel_running_scripts {info.running_scripts}"),),
            )


@rule.whole("C12", Severity.INFO)
def timers_changed(found: Inspection) -> Iterator[Symptom]:
    """
    A time constant was changed by SENTINEL DEBUG.

    Why: it is meant for tests, is lost at a restart, and moves what everything here is computed from.

    Mend: restart the Sentinel, or set the default again: `SENTINEL DEBUG PARAMETER VALUE`.

    Source: sentinel.c, sentinelDebugCommand().

    Versions: 7.0 and later.
    """
    for one in found.sentinels:
        changed = {name: value for name, value in (one.timers or {}).items() if _TIMERS.get(name, value) != value}
        for name, value in sorted(changed.items()):
            yield Symptom(
                f"{name} is {value} ms on {one.name}; the default is {_TIMERS[name]} ms",
                (Proof(one.name, f"{name} {value}"),),
                commands_for([one], "SENTINEL", "DEBUG", name, _TIMERS[name]),
                cause=f"{name} {value}",
            )


@rule.whole("C13", Severity.WARNING)
def sentinel_configuration_is_volatile(found: Inspection) -> Iterator[Symptom]:
    """
    A Sentinel's configuration file is in a temporary folder.

    Why: its id, the epochs and what it knows are in that file. If it is lost, the Sentinel comes back as another one,
    and its old self stays as a ghost in every majority (Q10).

    Mend: put the file on a disk that stays: a persistent volume, /var/lib.

    Source: Valkey documentation, topics/sentinel.md; OT-CONTAINER-KIT operator, `dir /tmp`.

    Versions: all. The path is that of INFO's config_file.
    """
    for one in found.sentinels:
        path = one.said("server", "config_file") or ""
        if path.startswith(_VOLATILE):
            yield Symptom(
                f"{one.name} keeps its state in {path}",
                (Proof(one.name, f"config_file {path}"),),
                cause="temporary folder",
            )


@rule("C15", Severity.INFO)
def odd_name(found: MasterInspection) -> Iterator[Symptom]:
    """
    The master's name has characters that Sentinel does not document.

    Why: with a comma the Sentinels never find each other; with a space the Sentinel does not start again.

    Mend: monitor it under another name of A-Z, a-z, 0-9, '.', '-' and '_'.

    Source: sentinel.conf, "sentinel monitor"; docs/topics/protocol.md, 1.4.

    Versions: all.
    """
    if not _NAME.fullmatch(found.name):
        severe = Severity.ERROR if "," in found.name or " " in found.name else None
        yield Symptom(f"the name {found.name!r}", (Proof("SENTINEL MASTERS", found.name),), severity=severe)


@rule("C16", Severity.WARNING)
def settings_differ(found: MasterInspection) -> Iterator[Symptom]:
    """
    down-after-milliseconds, failover-timeout or parallel-syncs differ between Sentinels.

    Why: settings are not passed on between Sentinels. Which of them notices first and which one leads decides how long
    a failover takes.

    Mend: `redis-cli -h HOST -p PORT SENTINEL SET NAME OPTION VALUE` on each.

    Source: Valkey documentation, topics/sentinel.md: "SENTINEL SET … does not propagate".

    Versions: all. The quorum has a rule of its own, Q15.
    """
    options: tuple[tuple[str, Callable[[MasterReply], int]], ...] = (
        ("down-after-milliseconds", lambda master: master.down_after_ms),
        ("failover-timeout", lambda master: master.failover_timeout_ms),
        ("parallel-syncs", lambda master: master.parallel_syncs),
    )
    for option, of in options:
        values = _values(found, of)
        if len(values) > 1:
            usual = max(values, key=lambda value: len(values[value]))
            odd = [one for value, several in values.items() if value != usual for one in several]
            yield Symptom(
                f"{option} is {' or '.join(map(str, sorted(values)))}",
                tuple(Proof(one.name, f"{option} {value}") for value, several in values.items() for one in several),
                _set(found, odd, option, usual),
            )


def _values(found: MasterInspection, of: Callable[[MasterReply], object]) -> dict[Any, list[SentinelInspection]]:
    """Return the Sentinels by their value of a setting."""
    values: dict[Any, list[SentinelInspection]] = {}
    for name, told in sorted(found.answers.items()):
        values.setdefault(of(told.master), []).append(found.sentinels[name])
    return values


def _seen(sentinels: list[SentinelInspection], value: str) -> tuple[Proof, ...]:
    return tuple(Proof(one.name, value) for one in sentinels)


def _set(found: MasterInspection, sentinels: list[SentinelInspection], name: str, value: int) -> tuple[str, ...]:
    return commands_for(sentinels, "SENTINEL", "SET", found.name, name, str(value))
