"""Programs of Debian that a test runs by itself: found, or the reason why the test is skipped."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

PACKAGES = {
    "etcd": "etcd-server",
    "haproxy": "haproxy",
    "named": "bind9",
    "nginx": "nginx and libnginx-mod-stream",
    "nutcracker": "nutcracker",
}
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def program_or_skip(name: str) -> str:
    """Return the path of a program; if it is missing, skip the test, or fail it if all are required."""
    found = shutil.which(name, path=PATH)
    if found is not None:
        return found
    skip_or_fail(f"no {name} was found", PACKAGES[name])


def skip_or_fail(lack: str, packages: str) -> NoReturn:
    """
    Skip the test, or fail it if everything is required.

    Args:
        lack: what this machine has not.
        packages: those of Debian that have it.
    """
    reason = f"{lack}; on Debian: apt-get install {packages}"
    if os.environ.get("SWITCHMASTER_TEST_REQUIRE") == "all":
        pytest.fail(f"SWITCHMASTER_TEST_REQUIRE=all: {reason}", pytrace=False)
    pytest.skip(reason)
