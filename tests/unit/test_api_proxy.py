"""The API's route of proxies: a line for each master, in the shape of the document."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rig.api_rig import FakeDeployment, request_once
from rig.proxy_rig import proxy_line
from switchmaster.server.api import shapes


def request(path: str, *lines: dict[str, Any]) -> Any:
    told = FakeDeployment(masters=("mymaster1", "other"))
    source = SimpleNamespace(readings={}, masters={}, lines=lines)
    return request_once("GET", path, told, proxies=lambda: {"kvdb": source})


def test_proxies_are_a_list_by_name() -> None:
    lines = proxy_line("mymaster1"), proxy_line("other", state="holding", address=None, since=None)
    found = request("/api/v1/proxy", *lines)
    assert found.status_code == 200
    page = shapes.ProxyPage.model_validate_json(found.content, strict=True)
    assert [(one.master, one.state) for one in page.items] == [("mymaster1", "serving"), ("other", "holding")]
    [one] = request("/api/v1/proxy?master=other", *lines).json()["items"]
    assert one["master"] == "other"
    assert request("/api/v1/proxy?deployment=none", *lines).status_code == 404
    assert "ETag" in found.headers


def test_without_a_proxy_the_list_is_empty() -> None:
    assert request("/api/v1/proxy").json() == {"items": [], "next": None}
