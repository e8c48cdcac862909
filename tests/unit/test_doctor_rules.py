"""Every rule of the doctor: silent on a deployment in order, and heard when the one value that it looks at is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from rig.inspected import (
    HEALTHY,
    NODES,
    SENTINELS,
    in_info,
    in_settings,
    of_answers,
    of_node,
    of_replica,
    of_sentinel,
)
from switchmaster.doctor.diagnosis_lines import diagnosis_lines, diagnosis_rows, markdown
from switchmaster.doctor.examine import Suppression, examine
from switchmaster.doctor.inspection import Inspection, MasterAnswers
from switchmaster.doctor.risk import risk_of
from switchmaster.doctor.symptom import RULES, SECTIONS, Severity, sections
from switchmaster.model import Address, RunId
from switchmaster.wire.events import Kind
from switchmaster.wire.info import InfoReply
from switchmaster.wire.refusal import Refusal
from switchmaster.wire.replies import QuorumReply, RoleReply

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741
Spoil = Callable[[Inspection], Inspection]


def master(*indexes: int, **changes: object) -> Spoil:
    """Change what Sentinels say in SENTINEL MASTER."""
    return lambda found: of_answers(
        found,
        lambda told: replace(told, master=replace(told.master, **changes)),  # type: ignore[arg-type]
        *indexes,
    )


def answers(change: Callable[[MasterAnswers], MasterAnswers], *indexes: int) -> Spoil:
    return lambda found: of_answers(found, change, *indexes)


def sentinel(*indexes: int, **changes: object) -> Spoil:
    return lambda found: of_sentinel(found, *indexes, **changes)


def node(*indexes: int, **changes: object) -> Spoil:
    return lambda found: of_node(found, *indexes, **changes)


def replica(place: int, **changes: object) -> Spoil:
    return lambda found: of_replica(found, place, **changes)


def settings(*indexes: int, **changes: str) -> Spoil:
    return lambda found: in_settings(found, *indexes, **changes)


def info(section: str, *indexes: int, **fields: str) -> Spoil:
    return lambda found: in_info(found, section, *indexes, **fields)


def sentinel_info(*indexes: int, **changes: object) -> Spoil:
    def spoil(found: Inspection) -> Inspection:
        for place in indexes or range(3):
            told = found.sentinels[place].info
            assert told is not None
            found = of_sentinel(found, place, info=replace(told, **changes))  # type: ignore[arg-type]
        return found

    return spoil


def every_info(**changes: object) -> Spoil:
    def spoil(found: Inspection) -> Inspection:
        for place, one in enumerate(found.nodes):
            assert one.info is not None
            found = of_node(found, place, info=replace(one.info, **changes))  # type: ignore[arg-type]
        return sentinel_info(**changes)(found)

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(found: Inspection) -> Inspection:
        for one in spoils:
            found = one(found)
        return found

    return spoil


def row(which: str, place: int, at: tuple[int, ...] = (), **changes: object) -> Spoil:
    """Change one row of SENTINEL SENTINELS."""

    def change(told: MasterAnswers) -> MasterAnswers:
        rows = list(getattr(told, which))
        rows[place] = replace(rows[place], **changes)
        return replace(told, **{which: tuple(rows)})

    return answers(change, *at)


def zones(*names: str) -> Spoil:
    return lambda found: replace(found, zones={node.host: name for node, name in zip(NODES, names, strict=True)})


def config_file(path: str) -> Spoil:
    def spoil(found: Inspection) -> Inspection:
        told = found.sentinels[0].info
        assert told is not None
        server = {**told.sections["server"], "config_file": path}
        return sentinel_info(0, sections={**told.sections, "server": server})(found)

    return spoil


def renamed(name: str) -> Spoil:
    def spoil(found: Inspection) -> Inspection:
        for place, one in enumerate(found.sentinels):
            told = one.masters["m"]
            found = of_sentinel(found, place, masters={name: replace(told, master=replace(told.master, name=name))})
        return of_node(found, masters=frozenset({name}))

    return spoil


GONE: Final = sentinel(2, round_trip=None, reason="timed out after 1 s", masters={})
NO_QUORUM: Final = QuorumReply(False, 1, "NOQUORUM 1 usable Sentinels.")
ELSEWHERE: Final = Address("10.0.0.9", 6379)
FOLLOWER: Final = RoleReply(Kind.REPLICA, master=NODES[0], state="connected", offset=1000)
LEADER: Final = RoleReply(Kind.MASTER, offset=1000)
FAILING_OVER: Final = frozenset({"master", "failover_in_progress"})

CASES: Final[dict[str, list[tuple[Severity, Spoil]]]] = {
    "Q01": [(E, both(master(num_other_sentinels=1), answers(lambda told: replace(told, sentinels=None))))],
    "Q02": [(W, master(num_other_sentinels=3))],
    "Q03": [(E, master(1, quorum=4))],
    "Q04": [(W, master(quorum=1)), (W, master(quorum=3))],
    "Q05": [(E, answers(lambda told: replace(told, quorum=NO_QUORUM), 1))],
    "Q06": [(E, sentinel(0, 1, dialled_ip="10.0.0.1")), (E, zones("west", "west", "east"))],
    "Q07": [(W, both(master(num_other_sentinels=4), sentinel(0, 1, dialled_ip="10.0.0.1")))],
    "Q08": [
        (W, node(0, 1, dialled_ip="10.0.0.1")),
        (E, node(dialled_ip="10.0.0.1")),
        (W, zones("west", "west", "west")),
    ],
    "Q09": [(E, master(2, num_other_sentinels=1))],
    "Q10": [
        (
            W,
            both(
                master(num_other_sentinels=4),
                GONE,
                row("sentinels", 1, (0, 1), flags=frozenset({"s_down"}), last_hello_ms=90_000),
            ),
        ),
        (E, both(GONE, row("sentinels", 1, (0, 1), flags=frozenset({"s_down"}), last_hello_ms=90_000))),
    ],
    "Q11": [
        (W, sentinel(1, run_id=RunId("a" * 40))),
        (W, row("sentinels", 0, (0,), run_id=RunId("e" * 40))),
    ],
    "Q12": [(E, answers(lambda told: replace(told, sentinels=()), 2))],
    "Q13": [(W, GONE)],
    "Q14": [(E, sentinel(2, masters={}))],
    "Q15": [(W, master(2, quorum=3))],
    "A01": [(E, answers(lambda told: replace(told, address=NODES[1]), 2))],
    "A02": [
        (W, master(2, config_epoch=7)),
        (E, answers(lambda told: replace(told, address=NODES[1]), 2)),
    ],
    "A03": [(E, both(node(0, role=replace(FOLLOWER, master=NODES[1])), node(1, role=LEADER)))],
    "A04": [(E, node(1, role=LEADER))],
    "A05": [(E, node(0, role=replace(FOLLOWER, master=NODES[1])))],
    "A06": [
        (W, node(2, role=replace(FOLLOWER, master=NODES[1]))),
        (E, node(2, role=replace(FOLLOWER, master=ELSEWHERE))),
    ],
    "A07": [(E, node(1, masters=frozenset({"m", "other"})))],
    "A08": [(W, info("replication", 1, master_replid="e" * 40))],
    "A09": [
        (E, answers(lambda told: replace(told, master=replace(told.master, address=Address("127.0.0.1", 6379))), 1))
    ],
    "A10": [(W, master(0, flags=FAILING_OVER))],
    "A11": [(I, both(master(0, flags=FAILING_OVER), answers(lambda told: replace(told, address=NODES[1]), 0)))],
    "C01": [
        (I, master(down_after_ms=3100)),
        (W, master(down_after_ms=500)),
        (W, master(down_after_ms=90_000, failover_timeout_ms=180_000)),
    ],
    "C02": [(W, master(failover_timeout_ms=5000))],
    "C03": [(W, both(master(parallel_syncs=2), lambda found: with_third_replica(found)))],
    "C04": [(I, master(down_after_ms=2000))],
    "C06": [(W, sentinel(0, settings={"announce-hostnames": "yes", "resolve-hostnames": "no"}))],
    "C07": [
        (E, node(1, round_trip=None, reason="connection refused")),
        (E, row("sentinels", 0, (0,), address=Address("10.0.0.2", 0))),
    ],
    "C09": [(E, sentinel_info(1, tilt=True, tilt_since_seconds=3)), (I, sentinel_info(1, total_tilt=2))],
    "C10": [(W, sentinel_info(1, simulate_failure_flags=1))],
    "C11": [
        (W, master(0, reconfig_script="/bin/x")),
        (W, sentinel_info(0, scripts_queue_length=40, running_scripts=16)),
    ],
    "C12": [(I, sentinel(1, timers={"info-period": "1000"}))],
    "C13": [(W, config_file("/tmp/sentinel.conf"))],
    "C15": [(I, renamed("my:master")), (E, renamed("my,master"))],
    "C16": [(W, master(2, failover_timeout_ms=70_000))],
    "R01": [
        (E, both(master(num_replicas=0), answers(lambda told: replace(told, replicas=())))),
        (W, both(master(num_replicas=1), answers(lambda told: replace(told, replicas=(told.replicas or ())[:1])))),
    ],
    "R02": [(E, both(replica(0, priority=0), replica(1, flags=frozenset({"slave", "s_down"}))))],
    "R03": [(W, replica(0, priority=0)), (W, settings(0, replica_priority="0"))],
    "R04": [(W, master(num_replicas=3))],
    "R05": [(W, info("replication", 0, slave1="ip=10.0.0.9,port=6379,state=online,offset=1,lag=0"))],
    "R06": [
        (W, node(1, role=replace(FOLLOWER, state="connect"))),
        (W, info("replication", 0, master_repl_offset=str(10**9))),
    ],
    "R07": [(W, settings(1, maxmemory="1000")), (W, settings(2, appendonly="no"))],
    "R08": [(W, settings(1, replica_read_only="no"))],
    "R09": [
        (W, sentinel_info(0, version="7.2.0")),
        (E, lambda found: of_node(found, 1, info=older(found.nodes[1].info))),
    ],
    "R10": [
        (
            E,
            both(
                every_info(server="valkey", version="9.0.0"),
                node(1, sentinel_users={"sentinel": {"FAILOVER TO h 1": False}}),
            ),
        )
    ],
    "R11": [(W, every_info(server="valkey", version="9.1.0"))],
    "R12": [(W, settings(min_replicas_to_write="0")), (W, settings(min_replicas_to_write="2"))],
    "R13": [(W, settings(min_replicas_max_lag="60"))],
    "R14": [(W, info("stats", 0, instantaneous_input_kbps="9000"))],
    "R15": [(W, settings(repl_backlog_size="500000000"))],
    "R16": [
        (W, info("persistence", 1, rdb_last_bgsave_status="err")),
        (W, info("stats", 1, latest_fork_usec="900000")),
    ],
    "R17": [
        (W, both(settings(appendonly="no"), info("persistence", aof_enabled="0"))),
        (
            E,
            both(
                settings(appendonly="no"),
                info("persistence", aof_enabled="0"),
                info("server", process_supervised="systemd"),
            ),
        ),
    ],
    "R18": [(W, info("server", 2, config_file=""))],
    "S01": [
        (E, node(1, refusal=Refusal.PASSWORD, reason="it refuses the password")),
        (W, sentinel(1, refused={("SENTINEL", "CKQUORUM", "m"): Refusal.PERMISSION})),
    ],
    "S02": [
        (E, settings(requirepass="(secret 1)")),
        (E, both(settings(requirepass="(secret 1)", masterauth="(secret 1)"), settings(0, masterauth="(secret 2)"))),
        (E, both(settings(requirepass="(secret 1)", masterauth="(secret 1)"), settings(2, masterauth="(secret 2)"))),
    ],
    "S03": [
        (E, master(1, flags=frozenset({"master", "s_down"}))),
        (E, replica(0, flags=frozenset({"slave", "s_down"}))),
    ],
    "S04": [
        (E, row("sentinels", 0, (0,), flags=frozenset({"sentinel", "s_down"}))),
        (W, sentinel(1, settings={"sentinel-pass": "(secret 1)"})),
    ],
    "S05": [
        (E, node(1, sentinel_users={"sentinel": {"PING": True, "EXEC": False}})),
        (W, node(1, sentinel_users={"sentinel": {"PING": True, "FAILOVER TO h 1": False}})),
    ],
    "S06": [(W, sentinel(logged_in=False, may_failover=True))],
    "S07": [(E, node(1, refusal=Refusal.PROTECTED, round_trip=None, reason="it is in protected mode"))],
    "S08": [
        (W, node(1, certificate_ends=HEALTHY.wall + 10 * 86_400)),
        (E, sentinel(1, certificate_ends=HEALTHY.wall + 86_400)),
    ],
    "S09": [(W, node(1, refused={("CONFIG", "GET", "*"): Refusal.UNKNOWN_COMMAND}))],
    "S10": [(I, sentinel(user="default", may_failover=True))],
    "O06": [(W, node(2, clock_ahead=-3.0))],
}
"""For each rule: what spoils a deployment so that it fires, and how gravely."""


def older(told: InfoReply | None) -> InfoReply:
    assert told is not None
    return replace(told, version="6.2.14")


def with_third_replica(found: Inspection) -> Inspection:
    more = replace(found.nodes[2], address=ELSEWHERE, dialled_ip=ELSEWHERE.host)
    return replace(found, nodes=(*found.nodes, more))


def test_deployment_in_order_has_no_finding() -> None:
    assert examine(HEALTHY).findings == ()


def test_every_rule_has_a_case() -> None:
    assert list(CASES) == list(dict.fromkeys(CASES))
    assert CASES.keys() == RULES.keys()


@pytest.mark.parametrize(
    ("rule", "severity", "spoil"),
    [(rule, severity, spoil) for rule, cases in CASES.items() for severity, spoil in cases],
    ids=[f"{rule}-{severity}" for rule, cases in CASES.items() for severity, _ in cases],
)
def test_rule_fires_with_its_evidence(rule: str, severity: Severity, spoil: Spoil) -> None:
    found = [each for one in examine(spoil(HEALTHY)).findings for each in (one, *one.also) if each.rule == rule]
    assert [one.severity for one in found if one.severity is severity], "it does not fire"
    for one in found:
        assert one.symptom.sentence
        assert one.symptom.seen
        assert all(seen.where and seen.value for seen in one.symptom.seen)


def test_zones_of_three_are_no_finding() -> None:
    assert examine(zones("west", "east", "north")(HEALTHY)).findings == ()


def test_findings_with_one_cause_are_one_and_suppressed_ones_are_apart() -> None:
    spoiled = both(sentinel(0, 1, dialled_ip="10.0.0.1"), settings(1, maxmemory="1000"))(HEALTHY)
    found = examine(spoiled)
    assert [(one.rule, [also.rule for also in one.also]) for one in found.findings] == [("Q06", ["Q07"]), ("R07", [])]
    assert (found.worst, found.count(E), found.count(W)) == (E, 1, 1)
    known = [
        Suppression("Q06", "a test", until_wall=HEALTHY.wall + 1),
        Suppression("Q07", "a test", master="another"),
        Suppression("R07", "expired", until_wall=HEALTHY.wall),
    ]
    found = examine(spoiled, known)
    assert [one.rule for one in found.findings] == ["Q07", "R07"]
    assert [(one.rule, cover.reason) for one, cover in found.suppressed] == [("Q06", "a test")]


def test_lines_of_a_diagnosis_are_neutral_in_markdown() -> None:
    found = both(renamed("a|b*[c](d)`"), node(1, reason="x\x1b[31m", round_trip=None))(HEALTHY)
    text = markdown(found, examine(found))
    assert "\x1b" not in text
    assert "a\\|b\\*\\[c\\](d)\\`" in text
    kinds = [line["type"] for line in diagnosis_lines(found, examine(found))]
    assert kinds[0] == "risk"
    assert kinds[-1] == "diagnosis"
    assert {"risk", "finding", "diagnosis"} == {line["type"] for line in diagnosis_rows(found, examine(found))}


def test_risk_of_a_deployment_in_order_and_of_bad_ones() -> None:
    def of(found: Inspection) -> tuple[list[Severity | None], list[float | None]]:
        risk = risk_of(found.of_master("m"))
        return [one.severity for one in risk.losses], [one.seconds for one in risk.scenarios]

    seconds = 5.45
    assert of(HEALTHY) == ([None, None, None], [seconds, seconds, seconds])
    wiped = info("persistence", aof_enabled="0")(HEALTHY)
    assert of(wiped)[0] == [W, None, None]
    assert of(settings(min_replicas_to_write="0")(HEALTHY))[0] == [None, W, None]
    assert of(replica(0, priority=0)(replica(1, priority=0)(HEALTHY))) == ([None, None, E], [None, None, None])
    assert of(sentinel(0, 1, dialled_ip="10.0.0.1")(HEALTHY))[1] == [seconds, None, seconds]
    assert of(sentinel_info(1, tilt=True)(HEALTHY))[0] == [None, None, E]


@pytest.mark.parametrize("rule", RULES)
def test_documentation_of_a_rule_is_whole(rule: str) -> None:
    parts = sections(RULES[rule].text)
    assert list(parts) == ["What", *SECTIONS]
    assert all(parts.values())


def test_names_and_addresses_of_one_node_are_the_same_node() -> None:
    named = {node: Address(f"node-{place}", node.port) for place, node in enumerate(NODES)}
    rows = {f"slave{place}": f"ip=node-{place + 1},port=6379,state=online,offset=1000,lag=0" for place in range(2)}
    found = in_info(HEALTHY, "replication", 0, **rows)
    for place, one in enumerate(found.nodes):
        found = of_node(found, place, address=named[one.address])

    def renamed(told: MasterAnswers) -> MasterAnswers:
        replicas = tuple(replace(each, address=named[each.address]) for each in told.replicas or ())
        master = replace(told.master, address=named[NODES[0]])
        return replace(told, master=master, address=named[NODES[0]], replicas=replicas)

    assert examine(of_answers(found, renamed)).findings == ()
    # One Sentinel that gives the IP address of the same node does not disagree.
    mixed = of_answers(of_answers(found, renamed), lambda told: replace(told, address=NODES[0]), 2)
    assert "A01" not in {one.rule for one in examine(mixed).findings}


def test_nothing_that_could_not_be_asked_is_a_finding() -> None:
    blind = of_node(HEALTHY, info=None, settings=None, role=None, sentinel_users={}, clock_ahead=None)
    blind = of_sentinel(blind, info=None, settings=None, timers=None, user=None, clock_ahead=None, may_failover=None)
    blind = of_answers(blind, lambda told: replace(told, replicas=None, sentinels=None, quorum=None))
    assert examine(blind).findings == ()


def test_mute_deployment_has_no_finding_but_that_it_is_mute() -> None:
    mute = of_sentinel(HEALTHY, masters={}, round_trip=None, reason="timed out", info=None, settings=None)
    assert {one.rule for one in examine(replace(mute, nodes=())).findings} == {"Q13"}
    assert SENTINELS[0] in {one.address for one in mute.sentinels}
