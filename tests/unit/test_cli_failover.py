"""`switchmaster failover` and `rolling` without servers: their arguments, and their words."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from rig.failover_rig import ended
from rig.guard_cases import A, B
from rig.planned_cases import WANTED, plan, survey
from switchmaster.cli.group import cli
from switchmaster.cli.output import Words
from switchmaster.cli.plan_words import conclusion_words, plan_words
from switchmaster.cli.verbs.rolling import command_for
from switchmaster.errors import UsageError
from switchmaster.model import Address
from switchmaster.planned.plan import make_plan
from switchmaster.planned.progress import FailoverProgress

NOWHERE = "127.0.0.1:1"


def text(lines: list[Words]) -> list[str]:
    return ["".join(part for part, _ in line) for line in lines]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["failover", "mymaster", NOWHERE], "add --yes"),
        (["failover", "mymaster", NOWHERE, "--yes", "--to", "nowhere"], "HOST:PORT"),
        (["rolling", "mymaster", NOWHERE, "--each", "restart {port}"], "add --yes"),
        (["rolling", "mymaster", NOWHERE, "--yes", "--each", "'"], "can't be read"),
        (["rolling", "mymaster", NOWHERE, "--yes", "--each", ""], "is empty"),
        (["rolling", "mymaster", NOWHERE, "--yes"], "--each"),
        (["rolling", "mymaster", NOWHERE, "--yes", "--each", "restart {port}", "--to", "nowhere"], "HOST:PORT"),
    ],
)
def test_order_that_is_not_whole_is_wrong_usage(words: list[str], sentence: str) -> None:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2
    assert sentence in done.output


def test_sentinels_that_can_not_be_reached_have_their_own_exit_code() -> None:
    done = CliRunner().invoke(cli, ["failover", "mymaster", NOWHERE, "--yes", "--answer-timeout", "0.2"])
    assert done.exit_code == 3


def test_command_is_run_without_a_shell_and_names_the_node() -> None:
    words = command_for("ssh {host} 'systemctl restart redis@{port}; true'", Address("::1", 6379))
    assert words == ["ssh", "::1", "systemctl restart redis@6379; true"]
    with pytest.raises(UsageError, match="empty"):
        command_for("  ", A)


def test_plan_says_what_will_happen_or_what_refuses() -> None:
    shown = text(list(plan_words(plan())))
    assert shown[0] == f"mymaster: {A} -> {B}"
    assert any("SENTINEL FAILOVER mymaster" in line for line in shown)
    refused = text(list(plan_words(make_plan(WANTED, survey(since_switch=1.0)))))
    assert any(line.startswith("  refused  the last failover was 1 s ago") for line in refused)
    assert not any("SENTINEL FAILOVER mymaster to" in line for line in refused)


def test_what_went_wrong_comes_with_the_state_and_what_to_do() -> None:
    conclusion = ended().conclusion
    assert conclusion is not None
    done = text(list(conclusion_words(conclusion)))
    assert done[0] == f"mymaster: DONE  {A} -> {B}"
    assert not any("What to do next" in line for line in done)
    stopped = FailoverProgress(plan(), 100.0, survey()).conclude(survey(), 1_000.0)
    assert stopped is not None
    wrong = text(list(conclusion_words(stopped)))
    assert wrong[0].startswith("mymaster: TIMED-OUT")
    assert sum(line.startswith("  sentinel ") for line in wrong) == 3
    assert sum(line.startswith("  node ") for line in wrong) == 3
    assert wrong[-1].startswith("What to do next: Sentinel may still carry it out")
