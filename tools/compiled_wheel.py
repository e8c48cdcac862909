"""
Build the wheel whose pure core is compiled by mypyc: ``tools/compiled_wheel.py FOLDER``.

The same sources make two wheels: one for any Python and platform, and this one, for a Python and its platform, in which
`switchmaster.model`, `wire`, `link` and `belief` are compiled. pip takes the compiled one where it fits. mypyc writes
beside what it compiles, so a copy is built, and nothing is left in the sources. It needs a C compiler, a package index,
and about two minutes of a core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PARTS = ("pyproject.toml", "README.md", "LICENSE", "man", "src")
"""What the wheel is made of."""
SWITCH = {"HATCH_BUILD_HOOK_ENABLE_MYPYC": "true"}
"""What turns compiling on; pyproject.toml says what is compiled."""


def build(root: Path, folder: Path, python: str = sys.executable) -> Path:
    """
    Build the compiled wheel.

    Args:
        root: the sources; only read.
        folder: where the wheel goes; created if it is missing.
        python: for which Python; it needs pip.

    Returns:
        The wheel.

    Raises:
        subprocess.CalledProcessError: it can't be built; pip has said why.
    """
    with tempfile.TemporaryDirectory() as place:
        copy, made = Path(place) / "sources", Path(place) / "made"
        copy.mkdir()
        for name in PARTS:
            if (root / name).is_dir():
                shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
            else:
                shutil.copy(root / name, copy / name)
        words = [python, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps", "-w", str(made)]
        subprocess.run([*words, str(copy)], check=True, env=os.environ | SWITCH)
        [wheel] = made.glob("*.whl")
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(wheel, folder / wheel.name))


def main() -> None:
    """Build it, and print where it is."""
    parser = argparse.ArgumentParser(description="Build the wheel whose pure core is compiled.")
    parser.add_argument("folder", type=Path, help="where the wheel goes")
    print(build(ROOT, parser.parse_args().folder))


if __name__ == "__main__":
    main()
