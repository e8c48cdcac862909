"""The kubernetes action against a simulated API: slices and labels that never go back, and rights that are checked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rig.reactions import HOSTILE, NODES, follow_two_switches, run, wish
from rig.simulated_apis import TOKEN, SimulatedKubernetes, simulated
from switchmaster.journal.reaction_rows import RunCause
from switchmaster.model import Address
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.http_target import HttpTarget
from switchmaster.react.kubernetes_action import KubernetesAction

LABEL = "switchmaster/role"
SLICE = "redis-m1-switchmaster"


@pytest.fixture
def kubernetes() -> Iterator[SimulatedKubernetes]:
    with simulated(SimulatedKubernetes) as api:
        for number in (1, 2, 3):
            api.add_pod(f"redis-{number}", NODES[number].host, app="redis")
        api.add_pod("other", "10.0.1.2", app="other")
        yield api


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return str(file)


def slices(api: SimulatedKubernetes, token_file: str, **more: Any) -> KubernetesAction:
    given = {"namespace": api.NAMESPACE, "service": "redis-{master}", "port_name": "redis", "selector": None}
    target = HttpTarget((api.url,))
    return KubernetesAction(**{"target": target, "token_file": token_file, "label": LABEL, **given, **more})


def labels(api: SimulatedKubernetes, token_file: str) -> KubernetesAction:
    return slices(api, token_file, service=None, selector="app=redis")


def applied(action: KubernetesAction, number: int, master: str = "m1", **more: Any) -> str:
    new = {"new": more.pop("new")} if "new" in more else {}
    return asyncio.run(action.apply(wish(number, master, **new), replace(run(), **more)))


def compared(action: KubernetesAction, number: int) -> str:
    return asyncio.run(action.compare(wish(number), run()))


def roles(api: SimulatedKubernetes) -> dict[str, str | None]:
    return {name: pod["metadata"]["labels"].get(LABEL) for name, pod in api.pods.items()}


def test_slice_of_a_service_follows_a_switch(kubernetes: SimulatedKubernetes, token_file: str) -> None:
    action = slices(kubernetes, token_file)
    assert "shows nothing" in compared(action, 1)
    assert "made" in applied(action, 1)
    found = kubernetes.slices[SLICE]
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "redis-m1"
    assert found["endpoints"] == [{"addresses": ["10.0.1.2"], "conditions": {"ready": True}}]
    assert found["ports"] == [{"port": 6379, "protocol": "TCP", "name": "redis"}]
    assert compared(action, 1) == ""
    assert "is right already" in applied(action, 1)
    assert "10.0.1.2" in compared(action, 2)
    assert "written" in applied(action, 2)
    assert "made again" in applied(action, 3, new=Address("fd00::6", 6380))
    assert (kubernetes.slices[SLICE]["addressType"], len(kubernetes.slices)) == ("IPv6", 1)


def test_label_of_pods_follows_a_switch_and_is_on_one_at_most(kubernetes: SimulatedKubernetes, token_file: str) -> None:
    action = labels(kubernetes, token_file)
    assert compared(action, 1) == f"{LABEL}=master is on no pod"
    assert "redis-1; 3 pods changed" in applied(action, 1)
    assert roles(kubernetes) == {"redis-1": "master", "redis-2": "replica", "redis-3": "replica", "other": None}
    assert compared(action, 1) == ""
    before = len(kubernetes.requests)
    applied(action, 2)
    paths = [path for _, path in kubernetes.requests[before:]]
    assert [path.rpartition("/")[2] for path in paths] == ["redis-1", "redis-2"]
    assert compared(action, 1) == f"{LABEL}=master is on redis-2"
    # A host name may be a pod's, as in a StatefulSet.
    applied(action, 3, new=Address("redis-3.redis.kv.svc.cluster.local", 6379))
    assert roles(kubernetes)["redis-3"] == "master"
    with pytest.raises(AttemptFailed, match="none of 3 pods has the address"):
        applied(action, 4, new=Address("10.9.9.9", 6379))


def test_older_switch_never_follows_a_newer_one_unless_a_person_asks(
    kubernetes: SimulatedKubernetes, token_file: str
) -> None:
    for action in (slices(kubernetes, token_file), labels(kubernetes, token_file)):
        applied(action, 3)
        with pytest.raises(GiveUp, match="a newer switch is there already"):
            applied(action, 2)
        applied(action, 2, cause=RunCause.RUN)
    assert roles(kubernetes)["redis-2"] == "master"


def test_object_that_was_changed_meanwhile_is_left_alone(
    kubernetes: SimulatedKubernetes, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, others = KubernetesAction._change, [3]

    async def held_up(self: KubernetesAction, *rest: Any) -> Any:
        if others:
            await self.apply(wish(others.pop()), run())
        return await change(self, *rest)

    for action in (slices(kubernetes, token_file), labels(kubernetes, token_file)):
        others[:] = [3]
        with monkeypatch.context() as patched:
            patched.setattr(KubernetesAction, "_change", held_up)
            with pytest.raises(AttemptFailed, match="changed meanwhile"):
                applied(action, 1)
        assert compared(action, 3) == ""


def test_slice_of_another_controller_is_never_touched(kubernetes: SimulatedKubernetes, token_file: str) -> None:
    applied(slices(kubernetes, token_file), 1)
    kubernetes.slices[SLICE]["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] = "another"
    with pytest.raises(GiveUp, match="belongs to another"):
        applied(slices(kubernetes, token_file), 2)


@pytest.mark.parametrize("master", [HOSTILE, "a/b", "..", "x,app=other", "", "x" * 64, "M1%2F"])
def test_hostile_name_is_no_object_and_no_selector(
    kubernetes: SimulatedKubernetes, token_file: str, master: str
) -> None:
    chosen = slices(kubernetes, token_file, service=None, selector="app={master}")
    for action in (slices(kubernetes, token_file, service="{master}"), chosen):
        with pytest.raises(GiveUp, match=r"is no name of a Service|is no value of a label"):
            applied(action, 1, master)
    assert kubernetes.requests == []


def test_rights_are_tested_without_a_change_and_no_token_is_shown(
    kubernetes: SimulatedKubernetes, token_file: str, tmp_path: Path
) -> None:
    for action in (slices(kubernetes, token_file), labels(kubernetes, token_file)):
        assert "nothing was changed" in asyncio.run(action.test())
        assert TOKEN not in repr(action) + action.summary + action.plan(wish(1))
    kubernetes.denied.update(("delete", "patch"))
    for action, words in (
        (slices(kubernetes, token_file), "delete endpoint"),
        (labels(kubernetes, token_file), "patch"),
    ):
        with pytest.raises(AttemptFailed, match=f"may not {words}"):
            asyncio.run(action.test())
    assert {path for _, path in kubernetes.requests} == {kubernetes.REVIEWS}
    wrong = tmp_path / "wrong"
    wrong.write_text("wr0ng")
    with pytest.raises(AttemptFailed, match="401") as failed:
        applied(slices(kubernetes, str(wrong)), 1)
    assert "wr0ng" not in str(failed.value)


@pytest.mark.parametrize("kind", [slices, labels])
def test_newest_switch_comes_last_although_the_first_was_slow(
    kubernetes: SimulatedKubernetes, token_file: str, tmp_path: Path, kind: Any
) -> None:
    action = kind(kubernetes, token_file)
    assert follow_two_switches(tmp_path, action) == [(1, "superseded"), (2, "done")]
    assert compared(action, 2) == ""
