"""Programs of Debian that a test runs by itself: found, or the reason why the test is skipped."""

from __future__ import annotations

import os
import shutil

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
    reason = f"no {name} was found; on Debian: apt-get install {PACKAGES[name]}"
    if os.environ.get("SWITCHMASTER_TEST_REQUIRE") == "all":
        pytest.fail(f"SWITCHMASTER_TEST_REQUIRE=all: {reason}", pytrace=False)
    pytest.skip(reason)
