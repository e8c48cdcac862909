"""Rules: are there enough Sentinels, on enough hosts, that know each other?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...model import SentinelName
from ..inspection import Inspection, MasterAnswers, MasterInspection
from ..symptom import Proof, Severity, Symptom, rule
from .places import commands_for, in_zones, on_hosts, place_of, voting

__all__: list[str] = []

HELLO_OLD_MS: Final = 60_000
"""Milliseconds after which a Sentinel that others have not heard of counts as gone: a hello comes every 2 s."""
_DOWN: Final = {"s_down", "o_down", "disconnected"}


@rule("Q01", Severity.ERROR)
def too_few_sentinels(found: MasterInspection) -> Iterator[Symptom]:
    """
    Fewer than 3 Sentinels know the master.

    Why: with 2 Sentinels a majority is both of them: the loss of either, often together with the master's host, stops
    every failover. With 1 there is no second opinion at all.

    Mend: start a third Sentinel on a host of its own with the same `sentinel monitor` line; the others find it by
    themselves.

    Source: Valkey documentation, topics/sentinel.md: "You need at least three Sentinel instances".

    Versions: all.
    """
    if 0 < found.known_sentinels < 3:
        told = tuple(Proof(name, f"num-other-sentinels {a.master.num_other_sentinels}") for name, a in _answers(found))
        newest = found.newest
        line = f"sentinel monitor {found.name} {_spaced(found)} {newest.master.quorum if newest else 2}"
        yield Symptom(f"only {found.known_sentinels} of at least 3 Sentinels", told, (line,))


@rule("Q02", Severity.WARNING)
def even_number_of_sentinels(found: MasterInspection) -> Iterator[Symptom]:
    """
    The number of Sentinels is even.

    Why: 4 Sentinels survive the loss of 1, as 3 do, and a partition into halves leaves no majority on either side.

    Mend: add one Sentinel, or take one away: stop it, then `SENTINEL RESET NAME` on each other Sentinel, one after the
    other, 30 s apart.

    Source: derived from the majority rule of sentinelVoteLeader() and sentinelGetLeader() in sentinel.c.

    Versions: all.
    """
    if found.known_sentinels >= 4 and found.known_sentinels % 2 == 0:
        yield Symptom(
            f"{found.known_sentinels} Sentinels survive no more losses than {found.known_sentinels - 1}",
            tuple(Proof(name, f"num-other-sentinels {a.master.num_other_sentinels}") for name, a in _answers(found)),
        )


@rule("Q03", Severity.ERROR)
def quorum_above_sentinels(found: MasterInspection) -> Iterator[Symptom]:
    """
    The quorum is higher than the number of Sentinels.

    Why: as many Sentinels as the quorum must agree that the master is down; so many do not exist, so it never fails
    over.

    Mend: lower it on every Sentinel, since settings are not passed on:
    `redis-cli -h HOST -p PORT SENTINEL SET NAME quorum N`, with N the majority of the Sentinels.

    Source: sentinel.c, sentinelIsQuorumReachable().

    Versions: all.
    """
    for name, told in _answers(found):
        known = 1 + told.master.num_other_sentinels
        if told.master.quorum > known:
            yield Symptom(
                f"{name} needs {told.master.quorum} Sentinels to agree, and knows {known}",
                (Proof(name, f"quorum {told.master.quorum}"),),
                commands_for([found.sentinels[name]], "SENTINEL", "SET", found.name, "quorum", str(found.majority)),
                cause="quorum is not reachable",
            )


@rule("Q04", Severity.WARNING)
def odd_quorum(found: MasterInspection) -> Iterator[Symptom]:
    """
    The quorum is 1, or higher than a majority.

    Why: with 1, a single Sentinel that loses its way to the master starts a failover of a healthy one. Above the
    majority, fewer losses than possible are survived: the failover needs the quorum as well as the majority.

    Mend: `redis-cli -h HOST -p PORT SENTINEL SET NAME quorum N` on every Sentinel, with N the majority.

    Source: Valkey documentation, topics/sentinel.md, "Fundamental things to know"; sentinel.c, sentinelGetLeader().

    Versions: all.
    """
    for name, told in _answers(found):
        quorum, known = told.master.quorum, 1 + told.master.num_other_sentinels
        if (quorum == 1 and known > 1) or known // 2 + 1 < quorum <= known:
            yield Symptom(
                f"quorum {quorum} of {known} Sentinels on {name}; a majority is {known // 2 + 1}",
                (Proof(name, f"quorum {quorum}"),),
                commands_for([found.sentinels[name]], "SENTINEL", "SET", found.name, "quorum", str(known // 2 + 1)),
                cause=f"quorum {quorum}",
            )


@rule("Q05", Severity.ERROR)
def quorum_not_reachable(found: MasterInspection) -> Iterator[Symptom]:
    """
    SENTINEL CKQUORUM fails on a Sentinel.

    Why: that Sentinel reaches too few others to agree that the master is down, or to be elected.

    Mend: start the Sentinels that are down, or mend the network between them. If they are gone for good, let the others
    forget them: `SENTINEL RESET NAME` on each, one after the other, 30 s apart.

    Source: sentinel.c, sentinelIsQuorumReachable(). The answer of one Sentinel holds for that one only, and is OK in
    TILT too; so all are asked, and C09 looks at TILT.

    Versions: all.
    """
    for name, told in _answers(found):
        if told.quorum is not None and not told.quorum.reachable:
            yield Symptom(
                f"{name} reaches {told.quorum.usable} of {1 + told.master.num_other_sentinels} Sentinels",
                (Proof(name, told.quorum.message),),
                cause="quorum is not reachable",
            )


@rule("Q06", Severity.ERROR)
def one_host_takes_the_majority(found: MasterInspection) -> Iterator[Symptom]:
    """
    After the loss of one host, or of one zone, no majority of the Sentinels is left.

    Why: the majority counts all Sentinels that are known, also those that are gone. If the host with the most Sentinels
    dies, and the master with it, none of the others may fail over.

    Mend: spread the Sentinels over at least 3 hosts (and zones) so that no host has as many as a majority needs.

    Source: Valkey documentation, topics/sentinel.md, Example 1 and 2.

    Versions: all. Hosts are told apart by the IP address that the connection goes to; zones are those of
    `[doctor.zones]` in the configuration.
    """
    known, hosts = found.known_sentinels, on_hosts(voting(found))
    for zone, several in in_zones(found, voting(found)).items():
        left = known - len(several)
        if known >= 2 and left < found.majority and several not in hosts.values():
            yield Symptom(
                f"if zone {zone} is lost, {left} of {known} Sentinels are left; {found.majority} are needed",
                tuple(Proof(str(one.address), f"zone {zone}") for one in several),
                cause=f"one zone: {zone}",
            )
    for host, several in hosts.items():
        left = known - len(several)
        if known >= 2 and left < found.majority:
            yield Symptom(
                f"if host {host} dies, {left} of {known} Sentinels are left; {found.majority} are needed",
                tuple(Proof(str(one.address), host) for one in several),
                cause=f"one host: {host}",
            )


@rule("Q07", Severity.WARNING)
def sentinels_share_a_host(found: MasterInspection) -> Iterator[Symptom]:
    """
    Several Sentinels are on one host.

    Why: they die together, so they count as one against the loss of a host, but as several in every majority.

    Mend: move all but one of them to other hosts.

    Source: Valkey documentation, topics/sentinel.md: "computers or virtual machines that are believed to fail in an
    independent way"; the topology exam of cachecloud.

    Versions: all.
    """
    for host, several in on_hosts(voting(found)).items():
        if len(several) > 1:
            yield Symptom(
                f"{len(several)} Sentinels are on host {host}",
                tuple(Proof(str(one.address), host) for one in several),
                cause=f"one host: {host}",
            )


@rule("Q08", Severity.WARNING)
def master_shares_its_host(found: MasterInspection) -> Iterator[Symptom]:
    """
    The master and a replica are on one host, or all replicas are in the master's zone.

    Why: the replica dies with the master. An error if all replicas are on its host: nothing is left to promote.

    Mend: move the replica to another host.

    Source: the topology exam of cachecloud.

    Versions: all.
    """
    master = found.master
    if master is None:
        return
    zones = in_zones(found, [master, *found.replicas])
    if found.replicas and len(zones) == 1 and sum(map(len, zones.values())) == 1 + len(found.replicas):
        (zone,) = zones
        yield Symptom(
            f"the master and all its replicas are in zone {zone}",
            tuple(Proof(str(one.address), f"zone {zone}") for one in zones[zone]),
            cause=f"one zone: {zone}",
        )
    with_it = [one for one in found.replicas if place_of(one) == place_of(master)]
    if with_it:
        every = len(with_it) == len(found.replicas)
        yield Symptom(
            f"{len(with_it)} of {len(found.replicas)} replicas are on the master's host {place_of(master)}",
            tuple(Proof(str(one.address), place_of(one)) for one in [master, *with_it]),
            severity=Severity.ERROR if every else None,
            cause=f"one host: {place_of(master)}",
        )


@rule("Q09", Severity.ERROR)
def sentinels_count_differently(found: MasterInspection) -> Iterator[Symptom]:
    """
    The Sentinels do not know the same number of Sentinels.

    Why: each computes its majority from its own list. One that knows too few can be elected by a minority; one that
    knows too many can't be elected by the ones that live.

    Mend: find out which list is right, then `SENTINEL RESET NAME` on the wrong ones, one after the other, 30 s apart.

    Source: Valkey documentation, topics/sentinel.md, "Adding or removing Sentinels".

    Versions: all. A Sentinel that started less than 10 s ago may not have heard of all others yet.
    """
    counts = {name: told.master.num_other_sentinels for name, told in _answers(found)}
    if len(set(counts.values())) > 1:
        yield Symptom(
            f"between {1 + min(counts.values())} and {1 + max(counts.values())} Sentinels are known",
            tuple(Proof(name, f"num-other-sentinels {count}") for name, count in counts.items()),
            cause="Sentinels do not know each other",
        )


@rule("Q10", Severity.WARNING)
def ghost_sentinel(found: MasterInspection) -> Iterator[Symptom]:
    """
    A Sentinel is listed that no longer exists.

    Why: Sentinels never forget each other, and a gone one still counts in every majority. An error if those that live
    are no majority any more.

    Mend: on each Sentinel that lists it, one after the other, 30 s apart:
    `redis-cli -h HOST -p PORT SENTINEL RESET NAME`. Check `SENTINEL MASTER NAME` on it before the next.

    Source: Valkey documentation, topics/sentinel.md: "Sentinels never forget already seen Sentinels"; redis#1972.

    Versions: all. It counts as gone if it is down for a Sentinel that has had no hello of it for 60 s, and does not
    answer us.
    """
    answering = {one.address for one in found.sentinels.values() if one.answered}
    ghosts: dict[str, dict[SentinelName, str]] = {}
    for name, told in _answers(found):
        for each in told.sentinels or ():
            if each.flags & _DOWN and each.last_hello_ms > HELLO_OLD_MS and each.address not in answering:
                value = f"{','.join(sorted(each.flags))}, last hello {each.last_hello_ms / 1000:.0f} s ago"
                ghosts.setdefault(f"{each.address} ({each.run_id[:8]})", {})[name] = value
    live = found.known_sentinels - len(ghosts)
    for ghost, seen in ghosts.items():
        yield Symptom(
            f"the Sentinel {ghost} is gone, and still counts: {live} of {found.known_sentinels} live, "
            f"{found.majority} are needed",
            tuple(Proof(name, value) for name, value in seen.items()),
            commands_for([found.sentinels[name] for name in seen], "SENTINEL", "RESET", found.name),
            Severity.ERROR if live <= found.majority else None,
        )


@rule("Q11", Severity.WARNING)
def sentinels_with_one_identity(found: MasterInspection) -> Iterator[Symptom]:
    """
    Two Sentinels have one id, or one address has two ids.

    Why: Sentinels know each other by `myid`. Copies of one sentinel.conf replace each other in every list, so that
    there are fewer votes than Sentinels; an address with two ids counts twice.

    Mend: stop the copy, delete its `sentinel myid` and `sentinel known-sentinel` lines, and start it again: it makes a
    new id. Then `SENTINEL RESET NAME` on the others, 30 s apart.

    Source: redis#6194; sentinel.c, removeMatchingSentinelFromMaster().

    Versions: all; Redis 6.2 keeps an outdated address with port 0.
    """
    by_id: dict[str, set[str]] = {}
    by_address: dict[str, set[str]] = {}
    for name, one in found.sentinels.items():
        if one.run_id is not None:
            by_id.setdefault(one.run_id, set()).add(name)
    for _, told in _answers(found):
        for each in told.sentinels or ():
            by_address.setdefault(str(each.address), set()).add(each.run_id)
    for run_id, names in by_id.items():
        if len(names) > 1:
            yield Symptom(f"{' and '.join(sorted(names))} have the same id", (Proof("SENTINEL MYID", run_id),))
    for address, ids in by_address.items():
        if len(ids) > 1:
            yield Symptom(
                f"{address} is listed with {len(ids)} ids",
                tuple(Proof("SENTINEL SENTINELS", i) for i in sorted(ids)),
            )


@rule("Q12", Severity.ERROR)
def sentinels_do_not_know_each_other(found: MasterInspection) -> Iterator[Symptom]:
    """
    One Sentinel lists another that does not list it.

    Why: they find each other by hellos through the data nodes. If one does not hear the other, their counts differ, and
    it neither asks nor counts its vote.

    Mend: check that the Sentinel's user on the nodes may `SUBSCRIBE __sentinel__:hello` and PUBLISH to it, and what
    address it announces (`sentinel announce-ip`, `announce-port`).

    Source: sentinel.c, sentinelProcessHelloMessage(); valkey#744; derived.

    Versions: all.
    """
    ids = {found.sentinels[name].run_id: name for name, _ in _answers(found) if found.sentinels[name].run_id}
    lists = {
        name: {each.run_id for each in told.sentinels} for name, told in _answers(found) if told.sentinels is not None
    }
    for name, listed in lists.items():
        for run_id in listed & ids.keys():
            other = ids[run_id]
            if other in lists and found.sentinels[name].run_id not in lists[other]:
                yield Symptom(
                    f"{name} knows {other}, which does not know it",
                    (Proof(other, f"lists {len(lists[other])} others"),),
                    cause="Sentinels do not know each other",
                )


@rule.whole("Q13", Severity.WARNING)
def sentinel_does_not_answer(found: Inspection) -> Iterator[Symptom]:
    """
    A Sentinel that you named, or that others list, does not answer.

    Why: it counts in every majority, and can neither vote nor lead.

    Mend: start it, or open the way to it from here. If it is gone for good, see Q10.

    Source: x-pipe, "missing Sentinel".

    Versions: all.
    """
    for one in found.sentinels:
        if not one.answered and one.refusal is None:
            how = "you named" if one.given else "the others list"
            yield Symptom(f"the Sentinel {one.name}, which {how}, does not answer", (Proof(one.name, one.reason),))


@rule("Q14", Severity.ERROR)
def master_not_monitored_everywhere(found: MasterInspection) -> Iterator[Symptom]:
    """
    A Sentinel does not monitor a master that others monitor.

    Why: it has no vote in that master's elections, and gives its clients no answer; or it belongs to another
    deployment.

    Mend: `redis-cli -h HOST -p PORT SENTINEL MONITOR NAME IP PORT QUORUM`, then set its options with `SENTINEL SET`.

    Source: x-pipe, "Sentinel monitors a redundant master".

    Versions: all.
    """
    newest = found.newest
    unaware = [
        one
        for one in found.sentinels.values()
        if one.answered and found.name not in one.masters and not one.lacks("SENTINEL", "MASTERS")
    ]
    if unaware and newest is not None:
        words = ("SENTINEL", "MONITOR", found.name, *_spaced(found).split(" "), str(newest.master.quorum))
        yield Symptom(
            f"{len(unaware)} of {len(found.sentinels)} Sentinels do not monitor {found.name}",
            tuple(Proof(one.name, f"monitors {', '.join(sorted(one.masters)) or 'nothing'}") for one in unaware),
            commands_for(unaware, *words),
        )


@rule("Q15", Severity.WARNING)
def quorums_differ(found: MasterInspection) -> Iterator[Symptom]:
    """
    The quorum differs between Sentinels.

    Why: settings are not passed on between Sentinels, so a change was made on some of them only; which one leads
    decides what counts.

    Mend: `redis-cli -h HOST -p PORT SENTINEL SET NAME quorum N` on each.

    Source: Valkey documentation, topics/sentinel.md: "SENTINEL SET … does not propagate".

    Versions: all.
    """
    quorums = {name: told.master.quorum for name, told in _answers(found)}
    if len(set(quorums.values())) > 1:
        yield Symptom(
            f"quorums from {min(quorums.values())} to {max(quorums.values())}",
            tuple(Proof(name, f"quorum {quorum}") for name, quorum in quorums.items()),
            commands_for(
                [found.sentinels[name] for name in quorums],
                "SENTINEL",
                "SET",
                found.name,
                "quorum",
                str(found.majority),
            ),
        )


def _answers(found: MasterInspection) -> list[tuple[SentinelName, MasterAnswers]]:
    return sorted(found.answers.items())


def _spaced(found: MasterInspection) -> str:
    return f"{found.address.host} {found.address.port}" if found.address is not None else "IP PORT"
