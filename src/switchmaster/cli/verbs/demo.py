"""
`switchmaster demo`: a real master is killed, and you watch the failover live.

The output is the failover as it happens, and at the end its cost for a steady writer compared with the cost of waiting
for ``+switch-master``; meanwhile a daemon shows the same in its dashboard. All servers run on loopback and are removed
afterwards, also after ^C. With ``--keep`` they stay until then, to be broken from a second terminal.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from ...belief.failover import Failover, Outcome, Stage
from ...errors import WaitTimeout
from ..demo_writer import KEY, SteadyWriter
from ..deployment_options import DeploymentOptions
from ..output import Output, Words
from .watch import LiveReport, News

if TYPE_CHECKING:
    from ...lab import Lab
    from ..demo_daemon import DemoDaemon

__all__ = ["demo"]

MASTER: Final = "mymaster"
DOWN_AFTER_MS: Final = 1000
BEFORE_CRASH_SECONDS: Final = 3.0
AFTER_SETTLED_SECONDS: Final = 1.0
REQUEST_POLL_SECONDS: Final = 0.1
"""Seconds between two checks for requests from a second terminal."""
FAILOVER_SECONDS_MAX: Final = 60.0
"""Most seconds that the failover may take: a split vote costs one more round."""


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running until ^C or `switchmaster lab down`.")
def demo(keep: bool) -> None:
    """
    Crash a real master on loopback, and watch the failover live.

    Starts one master, two replicas and three Sentinels with valkey-server, redis-server or the server
    in the wheel of switchmaster[lab], and a daemon with its dashboard. Needs no root and no network,
    and leaves nothing behind.
    """
    from ...lab import Lab
    from ...lab.publication import check_none_up
    from ..demo_daemon import demo_daemon
    from .lab import until_interrupted

    output = Output("pretty")
    if keep:
        check_none_up()
    _say(output, "Starting one master, two replicas and three Sentinels on loopback ...")
    with Lab(masters=(MASTER,), down_after_ms=DOWN_AFTER_MS) as lab:
        if lab.binary is not None:
            _say(output, f"They run {lab.binary.describe()} ({lab.binary.path}).")
        assert lab.folder is not None
        sentinels = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
        with demo_daemon(sentinels, lab.folder) as daemon:
            if daemon.pid is not None:
                lab.guard(daemon.pid)
            shown = f"A daemon shows it at {daemon.url}" if daemon.url else f"No daemon shows it: {daemon.reason}"
            ends = " until the demo ends (with --keep until ^C)" if daemon.url and not keep else ""
            _say(output, shown + ends)
            if keep:
                with until_interrupted():
                    _show(output, lab, daemon)
            else:
                _show(output, lab)


def _show(output: Output, lab: Lab, kept: DemoDaemon | None = None) -> None:
    from ...model import Address
    from ...url import ConnectionSettings
    from ..command_watcher import command_watcher, links_settled

    sentinels = tuple(Address(*address) for address in lab.sentinel_addresses)
    deployment = DeploymentOptions(ConnectionSettings(sentinels=sentinels, deployment="demo"))
    with command_watcher(deployment, [MASTER]) as watcher:
        account = LiveReport(watcher, output)
        account.begin(links_settled(watcher, 2 * deployment.timeout))
        with _writing(SteadyWriter(lambda: watcher.master(MASTER))) as writer:
            _say(output, "", "A writer sends one write a millisecond to the master.")
            account.follow(time.monotonic() + BEFORE_CRASH_SECONDS)
            victim = lab.master(MASTER)
            _say(output, "", f"kill -9: the master {Address(*victim.address)} is gone.")
            crashed = time.monotonic()
            lab.crash(victim)
            record = _await_end(account)
            account.follow(time.monotonic() + AFTER_SETTLED_SECONDS)
        output.all_words(_summary(record, writer, crashed, _lost(lab, writer)))
        if kept is not None:
            _stay(output, lab, account, kept)


def _stay(output: Output, lab: Lab, account: LiveReport, kept: DemoDaemon) -> None:
    """Continue reporting, and let a second terminal steer the lab, until interrupted."""
    from ...lab.publication import Publication

    with Publication.of(lab) as publication:
        _say(output, "", "Everything keeps running until ^C. In a second terminal:")
        verbs = ["lab crash", "lab resume", "lab failover", "lab down", f"history --journal {kept.journal}"]
        _say(output, *(f"  switchmaster {verb}" for verb in (verbs if kept.url else verbs[:-1])), "")
        while True:
            account.follow(time.monotonic() + REQUEST_POLL_SECONDS)
            for name in publication.serve_requests():
                _say(output, f"started {name} again")


@contextmanager
def _writing(writer: SteadyWriter) -> Iterator[SteadyWriter]:
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def _await_end(account: LiveReport) -> Failover:
    ended: list[Failover] = []

    def is_end(item: News) -> bool:
        if isinstance(item, Failover) and item.closed and item.outcome is Outcome.COMPLETED:
            ended.append(item)
        return bool(ended)

    if not account.follow(time.monotonic() + FAILOVER_SECONDS_MAX, is_end):
        raise WaitTimeout("the end of the failover", FAILOVER_SECONDS_MAX, "this machine may be too busy; try again")
    return ended[0]


def _lost(lab: Lab, writer: SteadyWriter) -> int:
    there = {int(number) for number in lab.master(MASTER).call("LRANGE", KEY, 0, -1, timeout=10.0)}
    return sum(number not in there for number, _ in writer.acknowledged)


def _summary(record: Failover, writer: SteadyWriter, crashed: float, lost: int) -> list[Words]:
    lines: list[Words] = [(), (("What the writer saw", "bold"),)]
    gap = writer.longest_gap(crashed)
    during = [why for when, why in writer.failures if when >= crashed]
    before = len(writer.failures) - len(during)
    lines += _table(
        (
            "writes acknowledged",
            f"{len(writer.acknowledged):,}, {before} failures before the crash",
        ),
        (
            "outage",
            "writes never succeeded again" if gap is None else f"{gap[1] - gap[0]:.3f} s without a write",
        ),
        ("failed attempts meanwhile", str(len(during))),
        (
            "acknowledged, then lost",
            f"{lost} (replication is asynchronous: what the dead master had not yet sent)",
        ),
    )
    lines += [(), (("Where the time went, in seconds after the crash", "bold"),)]
    lines += _table(*_stages(record, crashed, gap))
    lines += [(), (("What waiting for +switch-master would have cost", "bold"),)]
    lines += _table(*_costs(record, gap))
    return lines


def _stages(record: Failover, crashed: float, gap: tuple[float, float] | None) -> list[tuple[str, str]]:
    meanings = {
        Stage.SUSPECTED: f"the first Sentinel has had no valid answer for {DOWN_AFTER_MS} ms (down-after)",
        Stage.AGREED_DOWN: "the quorum agrees",
        Stage.ELECTED: "a leader is elected",
        Stage.SELECTED: "a replica is selected: we connect to it",
        Stage.PROMOTED: "it answers ROLE master: we know the new master",
        Stage.SWITCHED: "the first Sentinel publishes +switch-master",
        Stage.SETTLED: "the leader publishes its own +switch-master",
    }
    rows = []
    for stage, meaning in meanings.items():
        entry = record.entry(stage)
        if entry is not None:
            rows.append((entry.at - crashed, meaning))
    if gap is not None:
        rows.append((gap[1] - crashed, "the writer's first write on the new master is acknowledged"))
    return [(f"{seconds:8.3f}", meaning) for seconds, meaning in sorted(rows)]


def _costs(record: Failover, gap: tuple[float, float] | None) -> list[tuple[str, str]]:
    promoted = record.entry(Stage.PROMOTED)
    rows = []
    for stage, whose in (
        (Stage.SWITCHED, "the first Sentinel's"),
        (Stage.SETTLED, "the leader's, the last"),
    ):
        entry = record.entry(stage)
        if entry is None or promoted is None:
            continue
        total = "" if gap is None else f": an outage of {entry.at - gap[0]:.3f} s instead of {gap[1] - gap[0]:.3f} s"
        rows.append((whose, f"{entry.at - promoted.at:.3f} s more{total}"))
    return rows or [("not known", "the promotion or the announcement was not heard")]


def _table(*rows: tuple[str, str]) -> list[Words]:
    width = max(len(name) for name, _ in rows)
    return [((f"  {name:<{width}}  ", "cyan"), (text, "")) for name, text in rows]


def _say(output: Output, *lines: str) -> None:
    for line in lines:
        output.words(((line, "bold"),))
