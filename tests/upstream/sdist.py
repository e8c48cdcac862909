"""
Fetch the tests of the installed redis-py, as its authors published them.

They go into a folder with redis-py's ``tests`` and its pyproject.toml, in a cache outside the checkout: nothing of it
is ever part of this repository. The folder does not contain the library itself, so that the tests use the installed
one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

WANTED = ("tests", "pyproject.toml")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "20")
LIMIT = 60.0
"""Seconds that pip may take."""


class SdistMissing(Exception):
    """The tests are not in the cache and can't be fetched; the sentence says why."""


def redis_py_tests() -> Path:
    """
    Return the folder with redis-py's tests; fetch them if the cache lacks them.

    Raises:
        SdistMissing: they are not there, and could not be fetched.
    """
    version = metadata.version("redis")
    home = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(home) if home else Path.home() / ".cache") / "switchmaster-tests"
    folder = cache / f"redis-py-{version}"
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # First into a folder of our own: another run may fetch the same at this moment.
        with tempfile.TemporaryDirectory(dir=cache) as part:
            unpacked = Path(part) / "unpacked"
            _unpack(_download(version, Path(part)), unpacked)
            unpacked.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise SdistMissing(f"redis-py's tests can't be kept in {cache}: {error}") from error
    return folder


def _download(version: str, folder: Path) -> Path:
    which = f"redis=={version}"
    command = [*PIP, "download", "-qq", "--no-deps", "--no-binary", "redis", "--dest", str(folder), which]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise SdistMissing(f"pip can't get the sdist of {which}: not done within {LIMIT:g} s") from error
    archives = list(folder.glob("redis-*.tar.gz"))
    if done.returncode != 0 or not archives:
        words = (done.stderr.strip() or done.stdout.strip() or "it says nothing").splitlines()[-1]
        raise SdistMissing(f"pip can't get the sdist of {which}: {words}")
    return archives[0]


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            _, _, member.name = member.name.partition("/")
            if member.name.split("/")[0] in WANTED:
                tar.extract(member, folder, filter="data")
