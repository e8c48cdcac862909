"""
What `switchmaster explain --down-after` says, as lines of words. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..explain.down_after import DownAfterAdvice, Suspicions
from ..explain.pauses import Pauses
from .local_time import day_and_clock
from .output import Words

__all__ = ["down_after_words"]


def down_after_words(
    heading: str, master: str, found: DownAfterAdvice, pauses: Pauses, nodes: int, suspicions: Suspicions | None
) -> Iterator[Words]:
    """
    Describe what down-after-milliseconds costs, and which value would do.

    Args:
        heading: the deployment and the master.
        master: its name.
        found: the advice.
        pauses: the measurements that it is made from.
        nodes: of how many nodes.
        suspicions: what the journal knows; None if there is no journal.
    """
    yield ((f"{heading}  ", "bold"), (f"down-after-milliseconds {found.present * 1000:.0f}", ""))
    low, high = found.outage
    yield (
        ("Each crash costs ", ""),
        (f"{low:.1f} to {high:.1f} s", "bold"),
        (
            f" without a master: {found.present:g} s until a Sentinel suspects it, then until a replica takes writes",
            "",
        ),
    )
    yield from _measured(found, pauses, nodes)
    yield from _suspicions(suspicions, found.present)
    yield from _advice(found, master)


def _measured(found: DownAfterAdvice, pauses: Pauses, nodes: int) -> Iterator[Words]:
    if found.measured <= 0:
        yield (
            ("Nothing was measured. ", "yellow"),
            ("--measure S measures now; the daemon does with measure_pauses = true in [deployments.NAME]", ""),
        )
        return
    left = f", {pauses.left_out:,} left out because we were late ourselves" if pauses.left_out else ""
    whose = "1 node" if nodes == 1 else f"{nodes} nodes together"
    yield (
        ("Measured  ", "bold"),
        (f"{_long(found.measured)} on {whose}: {pauses.answers:,} answers to PING{left}", ""),
    )
    quantiles = [(f"p{part:g}", pauses.quantile(part / 100)) for part in (50, 99, 99.9)]
    shown = ", ".join(f"{name} {_short(value)}" for name, value in quantiles if value is not None)
    yield (("  answers   ", "dim"), (shown, ""))
    longest = ", ".join(f"{_short(each.seconds)} ({day_and_clock(each.time)})" for each in pauses.longest[:5])
    yield (("  longest   ", "dim"), (longest or "none above 0.05 s", ""))
    if found.hangs:
        yield (("  hangs     ", "dim"), (f"{found.hangs}, so long that a failover is right", ""))
    if pauses.restarts:
        yield (("  restarts  ", "dim"), (f"{pauses.restarts}: the process was gone, which is no pause", ""))


def _suspicions(suspicions: Suspicions | None, present: float) -> Iterator[Words]:
    if suspicions is not None:
        yield (
            ("Journal   ", "bold"),
            (
                f"in {_long(suspicions.watched)}: suspected without a failover {suspicions.false}, automatic failovers "
                f"{suspicions.failovers}, whatever down-after was then",
                "",
            ),
        )


def _advice(found: DownAfterAdvice, master: str) -> Iterator[Words]:
    wanted = f"{found.wanted_per_year:g} false alarm{'s' if found.wanted_per_year != 1 else ''} a year"
    if found.shown_per_year is not None:
        yield (
            ("Risk      ", "bold"),
            (f"with {found.present:g} s the measurements allow up to {_rate(found.shown_per_year)} a year (95 %)", ""),
        )
    outage = found.outage_advised
    if found.advised is None or outage is None:
        yield (
            ("Advice    ", "bold"),
            (
                f"too little data to keep below {wanted}: showing it takes {_long(found.needed)} without a longer "
                "pause (of all nodes together), extrapolating it a day with 8 pauses of more than 0.05 s",
                "yellow",
            ),
        )
        if found.longest is not None:
            yield (("          ", ""), (f"nothing longer than {_short(found.longest)} was seen so far", "dim"))
        return
    sure = "shown by the measurements" if found.shown is not None else "extrapolated from the longest pauses"
    yield (("Advice    ", "bold"), (f"{found.advised:g} s keeps below {wanted}, {sure}", "green"))
    saved = found.present - found.advised
    change = f"{abs(saved):g} s {'less' if saved > 0 else 'more'} than now" if saved else "as now"
    yield (("          ", ""), (f"each crash then costs {outage[0]:.1f} to {outage[1]:.1f} s, {change}", ""))
    if saved:
        command = f"SENTINEL SET {master} down-after-milliseconds {found.advised * 1000:.0f}"
        yield (("          ", ""), (f"on every Sentinel: {command}", ""))


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.2g} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def _long(seconds: float) -> str:
    for unit, size in (("years", 365.25 * 86_400), ("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _rate(rate: float) -> str:
    return f"{rate:,.0f} false alarms" if rate >= 10 else f"{rate:.2g} false alarms"
