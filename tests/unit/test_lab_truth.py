"""Which node is the master, by the nodes' own reports."""

from __future__ import annotations

import pytest

from switchmaster.errors import UsageError
from switchmaster.lab import LabOptions
from switchmaster.lab.truth import NO_ID, NodeReport, choose_master


def master(name: str, own: str, former: str = NO_ID, followers: int = 0) -> NodeReport:
    return NodeReport(name, "master", None, False, own, former, followers)


def test_truth_is_the_promoted_node_while_the_old_master_still_has_a_replica() -> None:
    old = master("a", own="1" * 40, followers=1)
    new = master("b", own="2" * 40, former="1" * 40)
    assert choose_master([old, new]) == new
    assert choose_master([new, old]) == new


def test_truth_is_the_promoted_node_when_the_old_master_restarted_empty() -> None:
    restarted = master("a", own="3" * 40)
    new = master("b", own="2" * 40, former="1" * 40, followers=1)
    assert choose_master([restarted, new]) == new


def test_truth_is_the_last_of_a_chain_of_promotions() -> None:
    first = master("a", own="1" * 40)
    second = master("b", own="2" * 40, former="1" * 40, followers=3)
    third = master("c", own="3" * 40, former="2" * 40)
    assert choose_master([second, third, first]) == third


def test_truth_is_none_when_all_are_replicas() -> None:
    replica = NodeReport("a", "slave", ("127.0.0.1", 1), True, "1" * 40, NO_ID, 0)
    assert choose_master([replica]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"masters": ()},
        {"masters": ("a", "a")},
        {"masters": ("my master",)},
        {"masters": ("../up",)},
        {"replicas": -1},
        {"sentinels": 0},
        {"quorum": 4},
        {"quorum": 0},
        {"down_after_ms": 0},
        {"password": 'a"b'},
        {"sentinel_password": ""},
        {"host": "0.0.0.0"},
    ],
)
def test_lab_options_refuse_what_no_server_would_accept(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="invalid lab options"):
        LabOptions(**wrong)  # type: ignore[arg-type]


def test_lab_options_show_no_secret() -> None:
    options = LabOptions(
        password="hidden1",
        sentinel_password="hidden2",
        node_users=("user a on >hidden3 ~* +@all",),
        sentinel_users=("user b on >hidden4 +@all",),
    )
    assert "hidden" not in repr(options)
    assert sorted(options.secrets()) == ["hidden1", "hidden2", "hidden3", "hidden4"]
