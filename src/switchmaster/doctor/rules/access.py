"""Rules: passwords, rights, TLS and clocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...wire.refusal import Refusal
from ..inspection import Inspection, MasterInspection
from ..least_rights import lacking_rights
from ..symptom import Proof, Severity, Symptom, rule
from .places import commands_for, is_loopback

__all__: list[str] = []

CERTIFICATE_DAYS: Final = 30
SKEW_SECONDS: Final = 1.0
DAY: Final = 86_400


@rule.whole("S01", Severity.ERROR)
def rights_are_lacking(found: Inspection) -> Iterator[Symptom]:
    """
    Our user is refused, or lacks a right (a warning) that rules need.

    Why: what can't be asked can't be checked: rules that need it are silent. What watching needs is lacking for the
    daemon too.

    Mend: the evidence names the ACL rules to grant; `switchmaster doctor --acl` prints the whole lines.

    Source: Valkey documentation, topics/acl.md; docs/topics/protocol.md, 3.3.

    Versions: all. Before Redis 6 there are no users, only a password.
    """
    for one in (*found.sentinels, *found.nodes):
        rules = lacking_rights(one)
        if one.refusal is Refusal.PASSWORD:
            yield Symptom(f"{one.address} refuses our login", (Proof(str(one.address), one.reason),), cause="login")
        elif rules:
            user = one.user or "USER"
            yield Symptom(
                f"our user on {one.address} may not ask everything",
                (Proof(str(one.address), f"lacks {' '.join(rules)}"),),
                commands_for([one], "ACL", "SETUSER", user, *rules),
                Severity.WARNING,
                cause=f"lacking {' '.join(rules)}",
            )


@rule("S02", Severity.ERROR)
def replica_cannot_log_in(found: MasterInspection) -> Iterator[Symptom]:
    """
    A node's masterauth is missing, or is not the password of the nodes that it may have to follow.

    Why: after a failover it can't log in to the new master. That holds for the old master too, which comes back as a
    replica: it needs `masterauth` before it has ever been one.

    Mend: the same `requirepass` and `masterauth` on every node:
    `redis-cli -h HOST -p PORT CONFIG SET masterauth PASSWORD`, then CONFIG REWRITE.

    Source: redis#9009; CloudPirates/helm-charts#751.

    Versions: all. Passwords are compared by digests; nodes that log in by `masteruser` are left out.
    """
    demanding = [(secret, one) for one in found.nodes.values() if (secret := one.setting("requirepass"))]
    for one in found.nodes.values():
        own = one.setting("masterauth", "primaryauth")
        if own is None or one.setting("masteruser", "primaryuser"):
            continue
        other = next((node for secret, node in demanding if secret != own and node is not one), None)
        alone = one if own == "" and demanding and other is None else None
        for target in [each for each in (other, alone) if each is not None]:
            how = "no masterauth" if own == "" else "another masterauth"
            yield Symptom(
                f"{one.address} has {how}, and {target.address} demands a password",
                (
                    Proof(str(one.address), f"masterauth {own or 'is empty'}"),
                    Proof(str(target.address), "requirepass set"),
                ),
                commands_for([one], "CONFIG", "SET", "masterauth", "PASSWORD"),
                cause="masterauth",
            )


@rule("S03", Severity.ERROR)
def sentinel_cannot_use_a_node(found: MasterInspection) -> Iterator[Symptom]:
    """
    A node is down for a Sentinel, and answers us.

    Why: that Sentinel has a wrong `auth-pass` or user, or no way there. If it is the master, a failover of a healthy
    master is one more vote away; if it is a replica, it is not promoted.

    Mend: `redis-cli -h HOST -p PORT SENTINEL SET NAME auth-pass PASSWORD` (and `auth-user`) on that Sentinel; see its
    log for the reason.

    Source: Red Skull, "invalid auth"; spotahome operator, WRONG_PASSWORD_USED.

    Versions: all.
    """
    for name, told in sorted(found.answers.items()):
        rows = [(told.master.address, told.master.flags), *((each.address, each.flags) for each in told.replicas or ())]
        for address, flags in rows:
            node = found.nodes.get(address)
            if flags & {"s_down", "o_down"} and node is not None and node.answered:
                yield Symptom(
                    f"{address} is down for {name}, and answers us",
                    (Proof(name, ",".join(sorted(flags))), Proof(str(address), "answers PING")),
                    commands_for([found.sentinels[name]], "SENTINEL", "SET", found.name, "auth-pass", "PASSWORD"),
                    cause=f"replica {address}" if address != found.address else "master is down for Sentinels",
                )


@rule("S04", Severity.ERROR)
def sentinels_cannot_log_in_to_each_other(found: MasterInspection) -> Iterator[Symptom]:
    """
    A Sentinel is down for another, and answers us; or their passwords for each other differ (a warning).

    Why: they can't ask each other whether the master is down, and count each other as lost.

    Mend: the same `requirepass` and `sentinel sentinel-pass` in the configuration of all Sentinels, or
    `redis-cli -h HOST -p PORT SENTINEL CONFIG SET sentinel-pass PASSWORD`.

    Source: sentinel.conf, "sentinel-pass"; redis#9772.

    Versions: all; `sentinel-pass` 6.2 and later.
    """
    by_id = {one.run_id: one for one in found.sentinels.values() if one.run_id and one.answered}
    for name, told in sorted(found.answers.items()):
        for each in told.sentinels or ():
            if "s_down" in each.flags and each.run_id in by_id:
                yield Symptom(
                    f"{by_id[each.run_id].name} is down for {name}, and answers us",
                    (Proof(name, ",".join(sorted(each.flags))),),
                    cause="quorum is not reachable",
                )
    secrets = {
        one.name: secret for one in found.sentinels.values() if (secret := one.setting("sentinel-pass")) is not None
    }
    if len(set(secrets.values())) > 1:
        yield Symptom(
            "sentinel-pass is not the same on all Sentinels",
            tuple(Proof(name, f"sentinel-pass {secret or 'is empty'}") for name, secret in sorted(secrets.items())),
            severity=Severity.WARNING,
        )


@rule("S05", Severity.ERROR)
def sentinels_user_lacks_rights(found: MasterInspection) -> Iterator[Symptom]:
    """
    The user by which Sentinels log in to a node lacks a right.

    Why: without `SUBSCRIBE` and `PUBLISH` on `__sentinel__:hello` Sentinels do not find each other; without MULTI,
    SLAVEOF, CONFIG REWRITE, CLIENT KILL and EXEC the transaction that promotes a replica fails as a whole. A warning if
    only SENTINEL FAILOVER COORDINATED is affected.

    Mend: on each node, and in its configuration or ACL file:
    `ACL SETUSER USER resetchannels &__sentinel__:hello +multi +slaveof +ping +exec +subscribe +publish
    +config|rewrite +role +info +client|setname +client|kill +script|kill`; for COORDINATED also
    `+failover +client|pause +client|unpause`.

    Source: valkey#744; redis#13192; Valkey documentation, topics/sentinel.md, "Access Control List authentication".

    Versions: Redis 7.0 and later (ACL DRYRUN); needs the rights to `CLIENT LIST` and `ACL DRYRUN`.
    """
    for one in found.nodes.values():
        for user, rights in one.sentinel_users.items():
            denied = [command for command, may in rights.items() if not may]
            vital = [command for command in denied if not command.startswith(("FAILOVER", "CLIENT PAUSE"))]
            if denied:
                yield Symptom(
                    f"the Sentinels' user {user} on {one.address} may not {', '.join(vital or denied)}",
                    tuple(Proof(str(one.address), f"ACL DRYRUN {user} {command}: no") for command in denied),
                    commands_for([one], "ACL", "SETUSER", user, *_acl_of(denied)),
                    None if vital else Severity.WARNING,
                    cause="+failover is lacking" if not vital else f"rights of {user}",
                )


@rule.whole("S06", Severity.WARNING)
def sentinel_is_open(found: Inspection) -> Iterator[Symptom]:
    """
    A Sentinel lets anyone in.

    Why: whoever reaches its port can move every master (SENTINEL FAILOVER, SET, REMOVE; or a hello with a high epoch),
    and by `notification-script`, where reconfiguration of scripts is allowed, run programs.

    Mend: `requirepass` (and `sentinel sentinel-pass`) on all Sentinels, or ACL users; or a firewall, and `bind`.

    Source: sentinel.conf, "protected-mode no" is the Sentinel default; docs/topics/protocol.md, 6.

    Versions: all. Only Sentinels that are reached over a network, and only if no password was sent.
    """
    open_ones = [
        one
        for one in found.sentinels
        if one.answered and not one.logged_in and one.may_failover and not is_loopback(one.dialled_ip or "")
    ]
    if open_ones:
        yield Symptom(
            f"{len(open_ones)} Sentinels need no password",
            tuple(Proof(one.name, f"user {one.user or 'default'}, no password sent") for one in open_ones),
        )


@rule.whole("S07", Severity.ERROR)
def protected_mode(found: Inspection) -> Iterator[Symptom]:
    """
    A server is in protected mode, and refuses other hosts.

    Why: neither Sentinels nor replicas on other hosts reach it, so it is down for all of them.

    Mend: give it a password (`requirepass`) and `bind` to its address; then `protected-mode no` is safe.

    Source: redis.conf, "protected-mode".

    Versions: all.
    """
    for one in (*found.sentinels, *found.nodes):
        if one.refusal is Refusal.PROTECTED or Refusal.PROTECTED in one.refused.values():
            yield Symptom(f"{one.address} is in protected mode", (Proof(str(one.address), one.reason or "DENIED"),))


@rule.whole("S08", Severity.WARNING)
def certificate_expires(found: Inspection) -> Iterator[Symptom]:
    """
    A TLS certificate expires within 30 days.

    Why: from then on no new connection is made: neither by clients nor, after a failover, by replicas.

    Mend: renew it, and load it without a restart: `CONFIG SET tls-cert-file FILE` on a node; a Sentinel is restarted.

    Source: derived.

    Versions: with TLS, where the certificate is verified.
    """
    for one in (*found.sentinels, *found.nodes):
        if one.certificate_ends is not None and one.certificate_ends - found.wall < CERTIFICATE_DAYS * DAY:
            days = (one.certificate_ends - found.wall) / DAY
            yield Symptom(
                f"the certificate of {one.address} expires in {days:.0f} days",
                (Proof(str(one.address), f"{days:.1f} days"),),
                severity=Severity.ERROR if days < 3 else None,
                cause="certificate",
            )


@rule("S09", Severity.WARNING)
def command_is_renamed(found: MasterInspection) -> Iterator[Symptom]:
    """
    A command that Sentinel needs is renamed or disabled on a node.

    Why: if CONFIG is unknown, SLAVEOF may be too, and the transaction of a failover fails, unless every Sentinel has a
    matching `sentinel rename-command`.

    Mend: `SENTINEL SET NAME rename-command CONFIG NEWNAME` on every Sentinel, or use ACL rules instead of
    `rename-command`.

    Source: sentinel.conf, "sentinel rename-command".

    Versions: all. Whether a Sentinel knows the new name can't be seen from outside.
    """
    for one in found.nodes.values():
        unknown = [words[0] for words, kind in one.refused.items() if kind is Refusal.UNKNOWN_COMMAND]
        if unknown:
            yield Symptom(
                f"{one.address} does not know {', '.join(sorted(set(unknown)))}",
                (Proof(str(one.address), "unknown command"),),
                cause="rename-command",
            )


@rule.whole("S10", Severity.INFO)
def default_user_may_do_everything(found: Inspection) -> Iterator[Symptom]:
    """
    We are logged in to the Sentinels as the user default, which may order failovers.

    Why: watching needs no such right. A user of its own with the least rights limits what a stolen password can do.

    Mend: `switchmaster doctor --acl` prints the line for a user that watches.

    Source: Valkey documentation, topics/sentinel.md, "Access Control List authentication".

    Versions: 6.0 and later.
    """
    ours = [one for one in found.sentinels if one.user == "default" and one.may_failover]
    if ours:
        yield Symptom(
            f"the user default may order failovers on {len(ours)} Sentinels",
            tuple(Proof(one.name, "ACL WHOAMI default") for one in ours),
        )


@rule.whole("O06", Severity.WARNING)
def clocks_differ(found: Inspection) -> Iterator[Symptom]:
    """
    The clocks of two servers differ by more than 1 s.

    Why: logs of different hosts can't be put in order, and a clock that is corrected in a step sends its Sentinel into
    TILT.

    Mend: run chrony or another NTP client on every host, and let it slew.

    Source: sentinel.c, sentinelCheckTiltCondition(); server_time_usec in INFO.

    Versions: Redis 6.2 and later; known within half a round trip.
    """
    told = {one.address: one.clock_ahead for one in (*found.sentinels, *found.nodes) if one.clock_ahead is not None}
    unsure = max((one.round_trip or 0.0 for one in (*found.sentinels, *found.nodes)), default=0.0)
    if told and max(told.values()) - min(told.values()) > SKEW_SECONDS + unsure:
        last, first = max(told, key=lambda one: told[one]), min(told, key=lambda one: told[one])
        yield Symptom(
            f"the clock of {last} is {told[last] - told[first]:.1f} s ahead of that of {first}",
            (
                Proof(str(last), f"{told[last]:+.2f} s to here"),
                Proof(str(first), f"{told[first]:+.2f} s to here"),
            ),
        )


def _acl_of(commands: list[str]) -> list[str]:
    """Return the ACL rules for commands that a dry run denied."""
    rules: dict[str, None] = {}
    for command in commands:
        words = command.lower().split(" ")
        rules["+" + "|".join(words[:2] if words[0] in ("client", "config") else words[:1])] = None
        if words[0] in ("subscribe", "publish"):
            rules["&__sentinel__:hello"] = None
    return list(rules)
