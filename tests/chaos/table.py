"""
The table that a run of chaos prints. Pure: from an outcome to text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from rig.growth import FEWEST, thirds

from .schedule import Kind
from .stock_clients import experience_of
from .story import Outcome
from .verdict import Told, happened

__all__ = ["table"]

PLANNED = (Kind.PLANNED, Kind.COORDINATED)


def table(outcome: Outcome) -> str:
    """Return the table: what was done, what was reported, what it cost, and what grew."""
    pace = outcome.pace
    looked = ", ".join(f"{name} {pace[name]:g}" for name in ("p50", "p99", "worst") if name in pace)
    head = (
        f"{outcome.server}, seed {outcome.seed}, {outcome.seconds:g} s: 3 masters with 2 replicas each, 5 Sentinels; "
        f"ROLE of each node was known every (ms): {looked}"
    )
    parts = [head, _faults(outcome), _switches(outcome), _writes(outcome), _clients(outcome), _growth(outcome)]
    findings = outcome.findings()
    parts.append("\n".join(f"FOUND {each}" for each in findings) or "no findings")
    return "\n\n".join(parts)


def _rows(rows: Iterable[Sequence[object]]) -> str:
    texts = [[f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in texts
    )


def _faults(outcome: Outcome) -> str:
    rows: list[Sequence[object]] = [("faults", "done", "skipped", "gave up")]
    given_up = Counter(deed.fault.kind for deed in outcome.deeds if deed.begun is not None and deed.skipped)
    for kind, (done, skipped) in happened(outcome.deeds).items():
        if done or skipped:
            rows.append((kind, done, skipped, given_up[kind]))
    return _rows(rows)


def _switches(outcome: Outcome) -> str:
    rows: list[Sequence[object]] = [
        ("switches by", "kept", "reported", "clear", "known ms p50", "worst", "hampered p50", "worst", "writes lost")
    ]
    told, lost = outcome.verdict.told, outcome.account.lost
    kinds = list(dict.fromkeys([*(each.kind for each in told), *lost]))
    for kind in sorted(kinds):
        rows.append((kind, *_counts([each for each in told if each.kind == kind]), lost[kind]))
    rows.append(("all", *_counts(told), lost.total()))
    verdict = outcome.verdict
    last = (
        f"missed {len(verdict.missed)}, reported twice {len(verdict.doubled)}, invented {len(verdict.invented)}; "
        f"reports of promotions that the Sentinels gave up, and of the ways back: {len(verdict.undone)}"
    )
    return f"{_rows(rows)}\n{last}"


def _counts(told: Sequence[Told]) -> tuple[object, ...]:
    clear = [1000 * each.knew for each in told if each.clear and each.knew is not None]
    hampered = [1000 * each.knew for each in told if not each.clear and each.knew is not None]
    return (len(told), sum(each.report is not None for each in told), len(clear), *_two(clear), *_two(hampered))


def _two(values: Sequence[float]) -> tuple[str, str]:
    return (f"{median(values):.1f}", f"{max(values):.1f}") if values else ("-", "-")


def _writes(outcome: Outcome) -> str:
    came = outcome.account
    rows: list[Sequence[object]] = [("errors during", "count", "types")]
    for kind, errors in sorted(came.errors.items()):
        rows.append((kind, errors.total(), ", ".join(f"{name} {many}" for name, many in errors.most_common())))
    failed = _rows(rows) if came.errors else "no command failed"
    again = f"; a server applied {came.replayed.total()} again by itself" if came.replayed.total() else ""
    return f"{came.acknowledged} writes were acknowledged, {came.lost.total()} of them lost{again}\n{failed}"


def _clients(outcome: Outcome) -> str:
    rows: list[Sequence[object]] = [
        ("clients", "acknowledged", "lost", "when planned", "failed", "when planned", "longest gap in s")
    ]
    kinds = [("ours", outcome.written, outcome.account)]
    for way, written in outcome.stock.items():
        kinds.append((f"redis-py's own, by the {way}", written, outcome.stock_accounts[way]))
    for name, written, came in kinds:
        had = experience_of(written)
        lost = sum(came.lost[kind] for kind in PLANNED)
        failed = sum(came.errors.get(kind, Counter()).total() for kind in PLANNED)
        gap = f"{had.longest_gap:.2f}"
        rows.append((name, had.acknowledged, came.lost.total(), lost, had.failed, failed, gap))
    return _rows(rows)


def _growth(outcome: Outcome) -> str:
    rows: list[Sequence[object]] = [
        ("memory and handles", "first", "1st third", "2nd third", "3rd third", "last", "most")
    ]
    for name, values in outcome.samples.items():
        if len(values) >= FEWEST:
            rows.append((name, *map(float, (values[0], *thirds(values), values[-1], max(values)))))
    return _rows(rows)
