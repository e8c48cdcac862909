"""
What the scripts that generate docs/reference share: writing a page, or checking that it is up to date.

``make docs`` runs each without arguments, ``make check`` with ``--check``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["REFERENCE", "write_or_check"]

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def write_or_check(pages: Mapping[str, str], arguments: list[str] | None = None, folder: Path = REFERENCE) -> int:
    """
    Write pages, or check them.

    Args:
        pages: the pages' text, by file name.
        arguments: the command line; None for the process's own.
        folder: the pages' folder.

    Returns:
        The exit code: 1 if --check finds a page missing or stale, else 0.
    """
    parser = argparse.ArgumentParser(description=f"Write {', '.join(pages)} in {folder.name}.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if one is stale")
    if not parser.parse_args(arguments).check:
        for name, text in pages.items():
            (folder / name).write_text(text, encoding="utf-8")
        return 0
    stale = [name for name, text in pages.items() if not _holds(folder / name, text)]
    if stale:
        print(f"{', '.join(stale)} is stale: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
