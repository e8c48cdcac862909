"""
The clients of Node.js, installed once by npm into the user's cache and nowhere else.

Gives a folder to import them from, or a sentence that says why there is none. npm uses the registry that it is
configured for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["FOLDER", "lacking", "version"]

FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "switchmaster-bench")
PACKAGES = {"ioredis": "6", "redis": "6"}
LIMIT = 120.0


def version(package: str) -> str | None:
    """Return the version that is installed; None if there is none."""
    try:
        found = json.loads((FOLDER / "node_modules" / package / "package.json").read_text(encoding="utf-8"))
    except OSError:
        return None
    return str(found["version"])


def lacking() -> str:
    """Install what is missing, and return what could not be; an empty text if everything is there."""
    if not shutil.which("node"):
        return "Node.js is not found"
    if all((version(package) or "").split(".")[0] == major for package, major in PACKAGES.items()):
        return ""
    if not shutil.which("npm"):
        return "npm is not found"
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Without a package.json here, npm would install into a parent folder.
    (FOLDER / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    command = ["npm", "install", "--no-audit", "--no-fund", *(f"{name}@{major}" for name, major in PACKAGES.items())]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"npm install was not done after {LIMIT:.0f} s"
    return "" if done.returncode == 0 else f"npm install failed: {' '.join(done.stderr.split())[-200:]}"
