"""Files: rendered from all masters, checked before they are used, replaced in one step, and no hostile name in them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rig.conditions import eventually
from rig.reactions import HOSTILE, NODES, Believed, JournalOfSwitches, configured, run, switch, wish
from switchmaster.journal.reaction_store import ReactionStore
from switchmaster.journal.wishes import Wish
from switchmaster.model import Address
from switchmaster.react import file_action
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.file_action import FileAction, is_harmless, is_harmless_host
from switchmaster.react.reactor import Reactor

LIMIT = 60.0


@pytest.fixture(autouse=True)
def _own_locks() -> Iterator[None]:
    # A lock belongs to the loop that it was first waited for in.
    file_action._LOCKS.clear()
    yield
    file_action._LOCKS.clear()


def file_of(folder: Path, text: str | None = None, **more: Any) -> FileAction:
    template = folder / "template"
    if text is not None:
        template.write_text(text)
    given = {
        "path": str(folder / "out"),
        "template": "env" if text is None else None,
        "template_file": None if text is None else str(template),
        "validate": (),
        "reload": (),
        "mode": 0o640,
    }
    return FileAction(**{**given, **more})


def applied(action: FileAction, *wishes: Wish, attempt: int = 1) -> str:
    with_all = replace(run(attempt), elsewhere=lambda: list(wishes))
    return asyncio.run(action.apply(wishes[0], with_all))


def test_file_has_all_masters_and_is_told_once(tmp_path: Path) -> None:
    told = tmp_path / "told"
    action = file_of(tmp_path, reload=("sh", "-c", f"echo x >> {told}"))
    assert "written, and its reader told" in applied(action, wish(1), wish(2, "cache-eu"))
    out = tmp_path / "out"
    assert out.read_text() == "CACHE_EU_HOST=10.0.1.3\nCACHE_EU_PORT=6379\nM1_HOST=10.0.1.2\nM1_PORT=6379\n"
    assert out.stat().st_mode & 0o777 == 0o640
    assert "is right already" in applied(action, wish(1), wish(2, "cache-eu"))
    assert told.read_text() == "x\n"
    assert "unchanged, and its reader told" in applied(action, wish(1), wish(2, "cache-eu"), attempt=2)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "told"]


@pytest.mark.parametrize(
    ("template", "content"),
    [
        ("hosts", "10.0.1.2 m1\n"),
        (
            "json",
            [
                {
                    **{"deployment": "kvdb", "name": "m1", "host": "10.0.1.2", "port": 6379, "epoch": 1},
                    **{"variable": "M1", "address": "10.0.1.2:6379", "section": "m1"},
                    **{"numeric": True, "listen": None},
                }
            ],
        ),
    ],
)
def test_templates_that_come_along(tmp_path: Path, template: str, content: Any) -> None:
    applied(file_of(tmp_path, template=template), wish(1))
    text = (tmp_path / "out").read_text()
    assert (text if template == "hosts" else json.loads(text)) == content


def test_file_that_is_not_valid_is_never_used(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    action = file_of(tmp_path, validate=("sh", "-c", 'cat "$1"; exit 3', "sh", "{file}"), reload=("false",))
    with pytest.raises(AttemptFailed, match=r"validate: exit code 3: M1_HOST=10.0.1.2"):
        applied(action, wish(1))
    assert out.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_failed_reload_is_tried_again_although_the_file_is_right(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    action = file_of(tmp_path, reload=("test", "-e", str(flag)))
    with pytest.raises(AttemptFailed, match="reload: exit code 1"):
        applied(action, wish(1))
    flag.touch()
    assert "unchanged, and its reader told" in applied(action, wish(1), attempt=2)


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ masters.append(1) }}",
        "{{ unknown }}",
        "{% for",
        "{{ 1 / 0 }}",
        "{{ masters[9].x }}",
    ],
)
def test_template_can_not_leave_its_sandbox_or_fail_unnoticed(tmp_path: Path, text: str) -> None:
    with pytest.raises(AttemptFailed, match="its template"):
        applied(file_of(tmp_path, text), wish(1))
    assert not (tmp_path / "out").exists()


def test_hostile_names_are_left_out_of_a_file(tmp_path: Path) -> None:
    action = file_of(tmp_path, "{% for m in masters %}server {{ m.name }} {{ m.host }}:{{ m.port }}\n{% endfor %}")
    hostile = [
        wish(1, HOSTILE),
        wish(1, "x\nserver evil 6.6.6.6:1"),
        wish(1, "y", new=Address("6.6.6.6:1 check\nserver z 6.6.6.6", 1)),
        wish(1, "-option"),
    ]
    applied(action, wish(1), *hostile)
    assert (tmp_path / "out").read_text() == "server m1 10.0.1.2:6379\n"
    for one in hostile:
        with pytest.raises(GiveUp, match="is left out"):
            applied(action, one)
    assert not is_harmless("")
    assert is_harmless("fe80::1")
    assert not any(map(is_harmless_host, ("", "::1 x", "::1\\nserver", ":::1", "::1%lo", "::ffff:1.2.3.4;")))


def test_address_that_begins_with_colons_is_written(tmp_path: Path) -> None:
    applied(file_of(tmp_path), wish(1, new=Address("::1", 6379)))
    assert (tmp_path / "out").read_text() == "M1_HOST=::1\nM1_PORT=6379\n"


def test_file_is_tested_without_a_change(tmp_path: Path) -> None:
    assert "nothing was changed" in asyncio.run(file_of(tmp_path, validate=("test", "-f", "{file}")).test())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AttemptFailed, match="is not there"):
        asyncio.run(file_of(tmp_path, path=str(tmp_path / "none" / "out")).test())


def test_engine_keeps_a_file_right_and_ends_with_the_newest_switch(tmp_path: Path) -> None:
    out, gate = tmp_path / "out", tmp_path / "gate"
    journal = JournalOfSwitches(tmp_path)
    # The first check hangs until the gate opens: the second switch comes meanwhile.
    slow = ("sh", "-c", f'grep -q 10.0.1.2 "$1" && while [ ! -e {gate} ]; do sleep 0.02; done; exit 0', "sh", "{file}")
    action = configured(file_of(tmp_path, "{% for m in masters %}{{ m.host }}\n{% endfor %}", validate=slow))
    with ExitStack() as stack:
        stack.callback(journal.close)
        reactor = Reactor(ReactionStore(journal.url, "1" * 32, "here"), Believed(), [action], lambda _: None)
        reactor.start()
        stack.callback(reactor.close)
        journal.sight("m1", NODES[0])
        eventually(lambda: out.read_text() == "10.0.1.1\n", LIMIT, what="the master's place")
        journal.write(switch(1))
        reactor.wake()
        eventually(lambda: [one for one in tmp_path.glob(".out.*") if "10.0.1.2" in one.read_text()], LIMIT)
        journal.write(switch(2))
        reactor.wake()
        eventually(lambda: out.read_text() == "10.0.1.3\n", LIMIT, what="the newest place")
        gate.touch()
        out.write_text("another hand")
        eventually(lambda: out.read_text() == "10.0.1.3\n", LIMIT, what="the file to be put right")
