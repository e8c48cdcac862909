"""Scripts: what they get, what their exit codes mean, and that nothing of them is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import switchmaster
from rig.conditions import eventually
from rig.reactions import HOSTILE, NODES, follow_two_switches, run, wish
from switchmaster.journal.wishes import Wish
from switchmaster.model import Address
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.script_action import ScriptAction

LIMIT = 30.0
SRC = str(Path(switchmaster.__file__).parent.parent)
SHOW = (
    "import json, os, sys; print(json.dumps([[os.fsencode(one).hex() for one in sys.argv[1:]], "
    "{name: os.fsencode(value).hex() for name, value in os.environ.items()}, len(sys.stdin.read())]))"
)
"""Prints what it got, in hexadecimal: little enough to be kept whole."""
READ = "import sys; print(sys.stdin.read())"


def script(*argv: str, arguments: bool = True, **environment: str) -> ScriptAction:
    return ScriptAction(argv, environment, arguments, None)


def python(code: str, arguments: bool = False, **environment: str) -> ScriptAction:
    return script(sys.executable, "-c", code, arguments=arguments, **environment)


def shown(action: ScriptAction, of: Wish, attempt: int = 1) -> tuple[list[str], Mapping[str, str]]:
    """Return the arguments and variables that a script gets."""
    argv, variables, size = json.loads(asyncio.run(action.apply(of, run(attempt))))
    assert size > 0
    decoded = {name: os.fsdecode(bytes.fromhex(value)) for name, value in variables.items()}
    return [os.fsdecode(bytes.fromhex(word)) for word in argv], decoded


def given(of: Wish) -> dict[str, object]:
    """Return the standard input that a script gets."""
    found: dict[str, object] = json.loads(asyncio.run(python(READ).apply(of, run())))
    return found


def test_script_gets_sentinels_arguments_the_facts_and_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHMASTER_HTTP_TOKEN", "secret-1")
    monkeypatch.setenv("PGPASSWORD", "secret-2")
    of = wish(1)
    argv, variables = shown(python(SHOW, arguments=True, ZONE="a"), of, 2)
    assert argv == ["m1", "leader", "start", "10.0.1.1", "6379", "10.0.1.2", "6379"]
    assert (variables["SWITCHMASTER_NEW_HOST"], variables["SWITCHMASTER_OLD_PORT"]) == ("10.0.1.2", "6379")
    assert (variables["SWITCHMASTER_ATTEMPT"], variables["SWITCHMASTER_DELIVERY"]) == ("2", of.delivery)
    assert (variables["ZONE"], variables["SWITCHMASTER_EPOCH"]) == ("a", "1")
    assert "secret" not in "".join(variables.values())
    found = given(of)
    assert (found["master"], found["delivery"], found["new"]) == ("m1", of.delivery, {"host": "10.0.1.2", "port": 6379})


def test_hostile_names_reach_a_script_as_data(tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    name = HOSTILE.replace("/tmp/owned", str(mark))
    of = wish(1, name, new=Address(f"$(touch {mark})", 1))
    argv, variables = shown(python(SHOW, arguments=True), of)
    assert (argv[0], argv[5]) == (name, f"$(touch {mark})")
    assert variables["SWITCHMASTER_MASTER"] == given(of)["master"] == name
    assert not mark.exists()


@pytest.mark.parametrize("name", ["-rf", "--help", "a\0b"])
def test_name_that_can_not_be_an_argument_is_refused(name: str) -> None:
    with pytest.raises(GiveUp, match=r"option|NUL"):
        asyncio.run(python(SHOW, arguments=True).apply(wish(1, name), run()))


@pytest.mark.parametrize(
    ("code", "error"),
    [("exit(0)", None), ("exit(1)", AttemptFailed), ("exit(2)", GiveUp), ("exit(77)", GiveUp)],
)
def test_exit_codes_mean_what_they_mean_to_sentinel(code: str, error: type[Exception] | None) -> None:
    action = python(f"print('said'); {code}")
    if error is None:
        assert asyncio.run(action.apply(wish(), run())) == "said"
        return
    with pytest.raises(error, match=r"exit code \d+: said"):
        asyncio.run(action.apply(wish(), run()))


def test_script_that_a_signal_ends_is_tried_again() -> None:
    with pytest.raises(AttemptFailed, match="signal 9"):
        asyncio.run(python("import os; os.kill(os.getpid(), 9)").apply(wish(), run()))


def test_script_that_is_not_there_is_given_up() -> None:
    with pytest.raises(GiveUp, match="No such file"):
        asyncio.run(script("/nowhere/at-all").apply(wish(), run()))
    with pytest.raises(AttemptFailed, match="is not there"):
        asyncio.run(script("/nowhere/at-all").test())
    assert "is executable; it was not run" in asyncio.run(script(sys.executable).test())


def test_only_the_end_of_a_long_output_is_kept() -> None:
    output = asyncio.run(python("print('x' * 10_000_000 + 'end')").apply(wish(), run()))
    assert len(output) <= 4_000
    assert output.endswith("end")


def test_script_that_leaves_a_background_process_is_done_when_it_ends(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    action = script("/bin/sh", "-c", f"sleep 600 & echo $! > {pid}", arguments=False)
    asyncio.run(action.apply(wish(), run()))
    os.kill(int(pid.read_text()), signal.SIGKILL)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def tree(folder: Path) -> ScriptAction:
    """A script that ignores SIGTERM, and has a child."""
    code = f"trap '' TERM; sleep 600 & echo $! > {folder}/child; echo $$ > {folder}/own; wait; sleep 600"
    return script("/bin/sh", "-c", code, arguments=False)


def pids(folder: Path) -> list[int]:
    files = [folder / "child", folder / "own"]
    found = eventually(lambda: [one.read_text().strip() for one in files if one.exists()], LIMIT)
    return [int(one) for one in found] if len(found) == 2 and all(found) else []


def test_script_is_killed_with_its_children_when_its_time_is_over(tmp_path: Path) -> None:
    async def go() -> list[int]:
        task = asyncio.create_task(tree(tmp_path).apply(wish(), run()))
        while not (found := await asyncio.to_thread(pids, tmp_path)):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return found

    found = asyncio.run(go())
    assert len(found) == 2
    eventually(lambda: not any(map(running, found)), LIMIT, what="both to end")


def test_script_ends_with_its_daemon_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; sys.path.insert(0, sys.argv[2]); from rig.reactions import wish, run; "
        "from pathlib import Path; sys.path.insert(0, str(Path(sys.argv[2]) / 'shell')); "
        "from test_script_action import tree; asyncio.run(tree(Path(sys.argv[1])).apply(wish(), run()))"
    )
    tests = str(Path(__file__).parent.parent)
    daemon = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), tests], env={**os.environ, "PYTHONPATH": SRC}
    )
    found = eventually(lambda: pids(tmp_path), LIMIT, what="the script")
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    eventually(lambda: not any(map(running, found)), LIMIT, what="the script to end with its daemon")


def test_newest_switch_comes_last_although_the_first_was_slow(tmp_path: Path) -> None:
    out = tmp_path / "out"
    action = script("sh", "-c", f'echo "$SWITCHMASTER_NEW_HOST" >>{out}', arguments=False)
    assert follow_two_switches(tmp_path, action) == [(1, "superseded"), (2, "done")]
    assert out.read_text() == f"{NODES[2].host}\n"
