"""What must be put back, on the disk: found after its run has died, and never while it lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.guard_cases import SENTINELS, B, C
from switchmaster.model import SentinelName
from switchmaster.net.wish_files import WishFile, state_folder
from switchmaster.planned.preference import KeptWish, PriorityChange

WISH = KeptWish("mymaster", (PriorityChange(C, 100, 99), PriorityChange(B, 1, 2)))


def left(folder: Path, master: str = "mymaster", sentinels: list[SentinelName] = SENTINELS) -> list[KeptWish]:
    files = list(WishFile.find(folder, master, sentinels))
    for file in files:
        file.close()
    return [file.wish for file in files]


def test_wish_of_a_dead_run_is_found_until_it_is_put_back(tmp_path: Path) -> None:
    file = WishFile.write(tmp_path / "deep" / "er", SENTINELS, WISH)
    folder = file.path.parent
    assert left(folder) == [], "its run lives"
    file.close()
    assert left(folder) == [WISH]
    [again] = WishFile.find(folder, "mymaster", SENTINELS[2:])
    again.remove()
    assert left(folder) == []
    assert list(folder.iterdir()) == []


def test_wish_says_whether_the_failover_was_ordered(tmp_path: Path) -> None:
    file = WishFile.write(tmp_path, SENTINELS, WISH)
    file.order()
    file.close()
    [found] = left(tmp_path)
    assert found.ordered


def test_wish_of_another_master_or_deployment_is_left_alone(tmp_path: Path) -> None:
    WishFile.write(tmp_path, SENTINELS, WISH).close()
    assert left(tmp_path, "other") == []
    assert left(tmp_path, sentinels=[SentinelName("10.9.9.9:26379")]) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n", b'{"master": "mymaster"}\n', b"\xff\n"])
def test_file_that_is_no_wish_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.wish").write_bytes(content)
    assert left(tmp_path) == []


def test_wish_is_kept_where_the_user_or_the_service_keeps_state() -> None:
    assert state_folder({"SWITCHMASTER_STATE": "/s", "STATE_DIRECTORY": "/d"}) == Path("/s")
    assert state_folder({"STATE_DIRECTORY": "/d:/e", "HOME": "/h"}) == Path("/d")
    assert state_folder({"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/switchmaster")
    assert state_folder({"HOME": "/h"}) == Path("/h/.local/state/switchmaster")
