"""
Planned failovers of real servers that do not go as planned: what goes wrong is done to the servers at the moment of the
order, and the ending says what came of it, with its own exit code. And two daemons that are asked at once.

A proof on demand, ``make proofs``: pytest does not collect this file by itself.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import find_or_skip
from rig.postgres import running_postgres
from switchmaster import Watcher
from switchmaster.lab import FaultyProxy, Lab, LabServer
from switchmaster.model import Address
from switchmaster.net.planned_failover import PlannedFailover
from switchmaster.planned import progress
from switchmaster.planned.plan import Plan
from switchmaster.planned.progress import Conclusion, Ending
from switchmaster.planned.request import FailoverRequest

pytestmark = [pytest.mark.live, pytest.mark.slow]

NAME = "mymaster"
LIMIT = 100.0
TOKEN = "act-1234"
FAILOVER_TIMEOUT_MS = 3000
LATE_BYTES = 4_000_000
Fault = Callable[[Plan], None]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    # Sentinel gives up an attempt after 3 s, and begins none by itself.
    binary = str(find_or_skip("valkey-9.1").path)
    with Lab(binary=binary, down_after_ms=60_000, failover_timeout_ms=FAILOVER_TIMEOUT_MS) as lab:
        for sentinel in lab.sentinels:
            sentinel.call("SENTINEL", "DEBUG", "INFO-PERIOD", "500")
        yield lab


@pytest.fixture(autouse=True)
def _in_order(lab: Lab) -> None:
    lab.wait_until_settled()


def node(lab: Lab, address: Address | None) -> LabServer:
    return next(each for each in lab.nodes(NAME) if address is not None and each.port == address.port)


def follow(server: LabServer, master: LabServer | FaultyProxy) -> None:
    """Do as an operator what Sentinel does some 10 s later."""
    server.call("REPLICAOF", *map(str, master.address))


def fail_over(
    lab: Lab,
    folder: Path,
    fault: Fault = lambda plan: None,
    on_failover: Callable[[bool], None] = bool,
    on_waiting: Callable[[str], None] = str,
    **wanted: object,
) -> Conclusion:
    """
    Order a failover.

    Args:
        lab: the servers.
        folder: where a changed priority is kept.
        fault: done when everything was checked, just before the order.
        on_failover: takes whether the failover is over, each time its record changes.
        on_waiting: takes what refuses, before anything is done.
        wanted: of the request.
    """
    request = FailoverRequest(NAME, **{"cool_down": 0.0, "timeout": LIMIT, **wanted})  # type: ignore[arg-type]
    plans: list[Plan] = []

    def say(sentence: str) -> None:
        if sentence.startswith("waiting: "):
            on_waiting(sentence)
        if sentence.startswith("SENTINEL FAILOVER"):
            fault(plans[0])

    async def run() -> Conclusion:
        async with (
            Watcher(lab.sentinel_addresses) as watcher,
            PlannedFailover(watcher, request, folder, say, 5.0) as planned,
        ):
            watcher.on_failover(lambda record: on_failover(record.closed))
            plans.append(await planned.plan(wait=LIMIT))
            assert not plans[0].refusals, plans[0].refusals
            return await planned.carry_out(plans[0])

    return asyncio.run(run())


def test_it_is_done_with_a_dead_sentinel(lab: Lab, tmp_path: Path) -> None:
    lab.crash(lab.sentinels[0])
    try:
        found = fail_over(lab, tmp_path, wait_replicas=True)
        assert (found.ending, found.ending.exit_code) == (Ending.DONE, 0), found.reason
        assert lab.master(NAME) is node(lab, found.new)
    finally:
        lab.restart(lab.sentinels[0])


def test_lagging_replica_is_waited_for_and_lacks_nothing(lab: Lab, tmp_path: Path) -> None:
    old, wanted, heard = lab.master(NAME), lab.replicas(NAME)[-1], []
    # Sentinel would soon let it follow the master without the proxy.
    lab.sentinel_set(NAME, "failover-timeout", 600_000)
    with FaultyProxy(old.address) as proxy:
        follow(wanted, proxy)
        eventually(lambda: wanted.call("ROLE")[3] == "connected", LIMIT, what="the replica behind the proxy")
        proxy.drip(100_000)
        old.call("SET", "late", "x" * LATE_BYTES, timeout=LIMIT)

        def catch_up(sentence: str) -> None:
            heard.append(sentence)
            if "bytes behind, more than 1,048,576" in sentence:
                proxy.pass_()

        try:
            found = fail_over(lab, tmp_path, on_waiting=catch_up, to=Address(*wanted.address))
        finally:
            if wanted not in lab.masters(NAME):
                follow(wanted, lab.master(NAME))
            lab.sentinel_set(NAME, "failover-timeout", FAILOVER_TIMEOUT_MS)
    assert any(f"{wanted.host}:{wanted.port} is " in sentence and "bytes behind" in sentence for sentence in heard)
    assert (found.ending, found.new) == (Ending.DONE, Address(*wanted.address)), found.reason
    assert wanted.call("STRLEN", "late") == LATE_BYTES


def test_failover_that_somebody_else_has_just_ordered_is_a_refusal(lab: Lab, tmp_path: Path) -> None:
    old = lab.master(NAME)

    def somebody_else(plan: Plan) -> None:
        asked = next(each for each in lab.sentinels if str(plan.sentinel).endswith(f":{each.port}"))
        asked.call("SENTINEL", "FAILOVER", NAME)

    found = fail_over(lab, tmp_path, somebody_else)
    assert (found.ending, found.ending.exit_code) == (Ending.REFUSED, 1), found.reason
    assert "INPROG" in found.reason
    # Theirs goes on.
    new = eventually(lambda: next((each for each in lab.masters(NAME) if each is not old), None), LIMIT)
    assert new is not None
    follow(old, new)


def test_replica_promoted_after_the_abort_is_a_rogue(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "ABORTED_FOR", 15.0)  # however late this machine is
    old, chosen = lab.master(NAME), []

    def chosen_hangs(plan: Plan) -> None:
        chosen.append(node(lab, plan.candidate))
        lab.hang(chosen[0])

    def wake(over: bool) -> None:
        if over:
            lab.resume(chosen[0])

    try:
        found = fail_over(lab, tmp_path, chosen_hangs, wake)
    finally:
        lab.resume(chosen[0])
        follow(chosen[0], old)
    assert (found.ending, found.ending.exit_code) == (Ending.ROGUE, 7), found.reason
    assert f"REPLICAOF {old.host} {old.port} on {found.plan.candidate}" in found.advice


def test_other_replica_than_the_planned_one_is_told(lab: Lab, tmp_path: Path) -> None:
    wanted, old = lab.replicas(NAME)[-1], lab.master(NAME)

    def wanted_dies(plan: Plan) -> None:
        lab.crash(wanted)

    def comes_back(over: bool) -> None:
        new = next((each for each in lab.nodes(NAME) if each.alive and each not in (old, wanted)), None)
        if over and new is not None and not wanted.alive:
            lab.restart(wanted)
            follow(wanted, new)

    found = fail_over(lab, tmp_path, wanted_dies, comes_back, to=Address(*wanted.address))
    assert (found.ending, found.ending.exit_code) == (Ending.ELSEWHERE, 6), found.reason
    assert found.reason == f"{found.new} was promoted, not {wanted.host}:{wanted.port}"


def test_of_two_daemons_on_one_postgresql_one_moves_the_master(lab: Lab, tmp_path: Path) -> None:
    old, token = lab.master(NAME), {"Authorization": f"Bearer {TOKEN}"}
    seeds = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
    folder = tmp_path / "pg"
    folder.mkdir()
    with running_postgres(folder) as postgres, ExitStack() as stack:
        paths = []
        for name in ("one", "two"):
            own = {
                "SWITCHMASTER_STATE": str(tmp_path / name / "state"),
                "SWITCHMASTER_HTTP_TOKEN": TOKEN,
                "SWITCHMASTER_JOURNAL_OBSERVER": name,
            }
            daemon = stack.enter_context(Daemon(tmp_path / name, *seeds, "--journal", postgres.url, **own))
            paths.append(f"{daemon.url}api/v1/masters/{NAME}/planned-failover")

        def ask(path: str, order: Any = None) -> dict[str, Any]:
            method = "GET" if order is None else "POST"
            found = httpx.request(method, path, json=order, headers=token, timeout=LIMIT)
            assert found.is_success, found.text
            line: dict[str, Any] = found.json()
            return line

        for path in paths:
            possible = partial(ask, path, {"dry_run": True})
            eventually(lambda ask=possible: ask()["plan"]["possible"], LIMIT, what="nothing to refuse")
        for path in paths:
            ask(path, {"confirm": NAME, "by": "ada"})
        eventually(lambda: not any(ask(path)["running"] for path in paths), LIMIT, what="both to end")
        ended = [ask(path) for path in paths]
    done = [each for each in ended if each["conclusion"] is not None and each["conclusion"]["ending"] == "done"]
    [other] = [each for each in ended if each not in done]
    assert len(done) == 1, ended
    # It lost the race for the lease, or came when all was over, within the cool-down.
    assert "another daemon" in (other["error"] or "") or other["conclusion"]["ending"] == "refused", other
    new = lab.master(NAME)
    assert new is not old
    assert [each.call("ROLE")[:3] for each in lab.nodes(NAME) if each is not new] == [["slave", new.host, new.port]] * 2


def test_split_vote_is_an_abort(lab: Lab, tmp_path: Path) -> None:
    """
    Of three Sentinels one is dead, and the others ask to lead at the same moment: each votes for itself.

    Until both have voted, neither may ask the other: it would vote for who asks, and Valkey asks only once.
    """
    old, dead, alive = lab.master(NAME), lab.sentinels[-1], lab.sentinels[:-1]
    before = {each.name: len(lab.log(each)) for each in alive}

    def heard(pattern: str) -> bool:
        return all(re.search(pattern, lab.log(each)[before[each.name] :]) for each in alive)

    def may_ask(sign: str) -> None:
        for each in alive:
            each.call("ACL", "SETUSER", "default", f"{sign}sentinel|is-master-down-by-addr")

    def rival(plan: Plan) -> None:
        may_ask("-")
        voted.start()
        [other] = [each for each in alive if not str(plan.sentinel).endswith(f":{each.port}")]
        other.call("SENTINEL", "FAILOVER", NAME, "COORDINATED")

    def let_them_ask() -> None:
        try:
            eventually(lambda: heard(r"\+vote-for-leader"), LIMIT)
        finally:
            may_ask("+")

    voted = threading.Thread(target=let_them_ask)
    lab.crash(dead)
    try:
        found = fail_over(lab, tmp_path, rival, coordinated=True)
        voted.join()
        assert (found.ending, found.ending.exit_code) == (Ending.ABORTED, 6), found.reason
        assert "no Sentinel won the election" in found.reason
        eventually(lambda: heard("-failover-abort-not-elected"), LIMIT, what="both to give it up")
        votes = [re.findall(r"\+vote-for-leader (\w{40}) (\d+)", lab.log(each))[-1] for each in alive]
        own = [str(each.call("SENTINEL", "MYID")) for each in alive]
        assert votes == [(id, votes[0][1]) for id in own]  # at one epoch
    finally:
        lab.restart(dead)
    assert lab.master(NAME) is old


def test_election_without_a_majority_is_an_abort(lab: Lab, tmp_path: Path) -> None:
    old = lab.master(NAME)

    def two_die(plan: Plan) -> None:
        for each in lab.sentinels:
            if not str(plan.sentinel).endswith(f":{each.port}"):
                lab.crash(each)

    try:
        found = fail_over(lab, tmp_path, two_die, coordinated=True)
    finally:
        for each in lab.sentinels:
            if not each.alive:
                lab.restart(each)
    assert (found.ending, found.ending.exit_code) == (Ending.ABORTED, 6), found.reason
    assert "no Sentinel won the election" in found.reason
    assert lab.master(NAME) is old
