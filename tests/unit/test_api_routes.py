"""The API's routes: their answers from the belief and from the journal, with shapes and pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import BaseModel

from rig.api_rig import S2, A, B, C, FakeDeployment, FileJournal, asking, served
from switchmaster.account.postmortem import document
from switchmaster.account.record_lines import failover_from_line, switch_from_line
from switchmaster.model import Address, Moment
from switchmaster.server.api import shapes

Asked = Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]

HOSTILE = "<script>\udcff\u202e\r\nX: y\x00'\";--"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[FileJournal]:
    kept = FileJournal(tmp_path)
    yield kept
    kept.close()


def ask(ask_it: Asked, *told: FakeDeployment, kept: FileJournal | None = None) -> None:
    """Yield a client of the application of some deployments."""

    async def go() -> None:
        app, state = served(*told, kept=kept)
        try:
            async with asking(app) as client:
                await ask_it(client)
        finally:
            state.close()

    asyncio.run(go())


def failed_over(deployment: str = "kvdb", master: str = "mymaster1") -> FakeDeployment:
    told = FakeDeployment(deployment, [master])
    told.fail_over(master)
    return told


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/api/v1/status", shapes.Status),
        ("/api/v1/deployments", shapes.DeploymentPage),
        ("/api/v1/topology", shapes.TopologyPage),
        ("/api/v1/overview", shapes.Overview),
        ("/api/v1/masters", shapes.MasterPage),
        ("/api/v1/masters/mymaster1", shapes.MasterLine),
        ("/api/v1/sentinels", shapes.SentinelPage),
        ("/api/v1/failovers", shapes.FailoverPage),
        ("/api/v1/switches", shapes.SwitchPage),
        ("/api/v1/events", shapes.LinePage),
        ("/api/v1/observers", shapes.ObserverPage),
        ("/readyz", shapes.Ready),
        ("/masters/mymaster1/is-master?addr=10.0.1.2:6379", shapes.IsMaster),
    ],
)
def test_answer_has_the_shape_that_the_document_names(kept: FileJournal, path: str, shape: type[BaseModel]) -> None:
    told = failed_over()
    kept.write(told.entries)

    async def go(client: httpx.AsyncClient) -> None:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        shape.model_validate_json(answer.content, strict=True)
        assert answer.json().get("items", True), "an empty list shows no shape"

    ask(go, told, kept=kept)


def test_master_shows_its_last_switch_and_disagreeing_sentinels() -> None:
    told = failed_over()
    told.answer(S2, C, epoch=1)

    async def go(client: httpx.AsyncClient) -> None:
        line = (await client.get("/api/v1/masters/mymaster1")).json()
        assert line["address"] == {"host": B.host, "port": B.port}
        assert line["switch"]["new"] == {"host": B.host, "port": B.port}
        assert line["disagreeing"] == [S2]
        [row] = [row for row in (await client.get("/api/v1/sentinels")).json()["items"] if row["sentinel"] == S2]
        assert row["disagrees_on"] == ["mymaster1"]
        [of] = (await client.get("/api/v1/deployments")).json()["items"]
        assert (of["disagreements"], of["connected"]) == (1, 3)

    ask(go, told)


def test_masters_come_in_pages_in_order_over_all_deployments() -> None:
    first, second = (
        FakeDeployment("a", [f"m{number}" for number in range(5)]),
        FakeDeployment("b", ["m0", "m9"]),
    )

    async def go(client: httpx.AsyncClient) -> None:
        found, cursor = [], None
        while True:
            params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            body = (await client.get("/api/v1/masters", params=params)).json()
            assert len(body["items"]) <= 3
            found += [(line["deployment"], line["master"]) for line in body["items"]]
            cursor = body["next"]
            if cursor is None:
                break
        assert found == [*(("a", f"m{number}") for number in range(5)), ("b", "m0"), ("b", "m9")]
        only = (await client.get("/api/v1/masters", params={"deployment": "b", "health": "ok"})).json()
        assert [line["master"] for line in only["items"]] == ["m0", "m9"]
        assert (await client.get("/api/v1/masters", params={"health": "down"})).json()["items"] == []

    ask(go, first, second)


@pytest.mark.parametrize("name", ["..", ".", "a/../b?c#d&e=f+g%41", "not\udcfftext", "\ufffd", "caf\xe9"])
def test_query_finds_any_name_and_only_that(kept: FileJournal, name: str) -> None:
    told = FakeDeployment("kvdb", [name, "other", "not\ufffdtext"])
    for each in told.names:
        told.fail_over(each)
        told.now += 60
    kept.write(told.entries)

    async def go(client: httpx.AsyncClient) -> None:
        asked = quote(name, safe="", errors="surrogateescape")
        for what in ("masters", "failovers", "switches", "events"):
            answer = await client.get(f"/api/v1/{what}?deployment=kvdb&master={asked}")
            assert {line["master"] for line in answer.json()["items"]} == {name}, what

    ask(go, told, kept=kept)


def test_master_is_found_in_each_deployment_that_has_it_and_in_pages() -> None:
    deployments = [FakeDeployment(of, ["mymaster1", of]) for of in "abc"]

    async def go(client: httpx.AsyncClient) -> None:
        async def asked(**more: str) -> tuple[list[str], str | None]:
            body = (await client.get("/api/v1/masters", params={"master": "mymaster1", **more})).json()
            assert {line["master"] for line in body["items"]} <= {"mymaster1"}
            return [line["deployment"] for line in body["items"]], body["next"]

        assert await asked() == (["a", "b", "c"], None)
        first, cursor = await asked(limit="2")
        assert first == ["a", "b"]
        assert await asked(limit="2", cursor=str(cursor)) == (["c"], None)
        assert await asked(deployment="b", health="ok") == (["b"], None)
        assert await asked(health="down") == ([], None)
        assert (await client.get("/api/v1/masters?master=none")).json()["items"] == []
        answer = await client.get("/api/v1/masters?deployment=not%FFhere&master=m")
        assert (answer.status_code, "'not\\udcffhere'" in answer.json()["detail"]) == (404, True)

    ask(go, *deployments)


def test_invalid_cursor_is_refused_with_a_sentence(kept: FileJournal) -> None:
    async def go(client: httpx.AsyncClient) -> None:
        for path in ("masters", "failovers", "events", "switches"):
            for cursor in ("x", "W10", "bnVsbA", "WzEsMl0", "é", "=" * 50, "W1tbW1tb", "bmFufjE"):
                answer = await client.get(f"/api/v1/{path}", params={"cursor": cursor})
                assert answer.status_code == 400, (path, cursor)
                assert "cursor of" in answer.json()["detail"]

    ask(go, FakeDeployment(), kept=kept)


def test_failovers_come_in_pages_newest_first_and_none_twice_while_more_come(kept: FileJournal) -> None:
    told = FakeDeployment()
    for number in range(5):
        old, new = (A, B) if number % 2 == 0 else (B, A)
        told.fail_over(old=old, new=new, epoch=number + 1)
        told.now += 100
    kept.write(told.entries)

    async def go(client: httpx.AsyncClient) -> None:
        first = (await client.get("/api/v1/failovers?limit=2")).json()
        told.entries.clear()
        told.fail_over(old=B, new=A, epoch=6)
        kept.write(told.entries)
        second = (await client.get("/api/v1/failovers", params={"limit": 2, "cursor": first["next"]})).json()
        third = (await client.get("/api/v1/failovers", params={"limit": 2, "cursor": second["next"]})).json()
        assert [line["epoch"] for page in (first, second, third) for line in page["items"]] == [5, 4, 3, 2, 1]
        assert third["next"] is None
        since = (await client.get("/api/v1/failovers", params={"since": "2026-09-21T14:17:00Z"})).json()
        assert all(line["time"] >= "2026-09-21T14:17" for line in since["items"])
        assert 0 < len(since["items"]) < 6

    ask(go, told, kept=kept)


def test_events_are_the_stream_backwards_and_can_be_chosen(kept: FileJournal) -> None:
    told = failed_over()
    ids = kept.write(told.entries)

    async def go(client: httpx.AsyncClient) -> None:
        found, cursor = [], None
        while cursor is not None or not found:
            params = {"limit": 7} | ({"cursor": cursor} if cursor else {})
            body = (await client.get("/api/v1/events", params=params)).json()
            found += [line["entry"] for line in body["items"]]
            cursor = body["next"]
        assert found == sorted(ids, reverse=True)
        chosen = (await client.get("/api/v1/events?type=switch&type=notice&deployment=kvdb&master=mymaster1")).json()
        assert {line["type"] for line in chosen["items"]} == {"switch"}
        [failover] = (await client.get("/api/v1/failovers")).json()["items"]
        of_it = (await client.get("/api/v1/events", params={"failover": failover["id"]})).json()["items"]
        assert {line["id"] for line in of_it if line["type"] == "failover"} == {failover["id"]}
        assert {line["master"] for line in of_it} == {"mymaster1"}
        assert (await client.get("/api/v1/events?type=secret")).status_code == 422

    ask(go, told, kept=kept)


def test_events_are_chosen_by_when_they_were_heard(kept: FileJournal) -> None:
    told = failed_over()
    kept.write(told.entries)

    async def go(client: httpx.AsyncClient) -> None:
        everything = (await client.get("/api/v1/events?type=event")).json()["items"]
        times = sorted(line["time"] for line in everything)
        since, until = times[3], times[7]
        params = {"type": "event", "since": since, "until": until}
        found = (await client.get("/api/v1/events", params=params)).json()["items"]
        assert [line["time"] for line in found] == times[3:7][::-1]
        assert (await client.get("/api/v1/events?since=yesterday")).status_code == 422

    ask(go, told, kept=kept)


def test_cached_answer_is_not_sent_again_until_something_changes() -> None:
    told = FakeDeployment()

    async def go(client: httpx.AsyncClient) -> None:
        for path in ("/api/v1/topology", "/api/v1/masters", "/api/v1/masters/mymaster1", "/api/v1/deployments"):
            etag = (await client.get(path)).headers["ETag"]
            for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
                same = await client.get(path, headers={"If-None-Match": known})
                assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
            assert (await client.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
        etag = (await client.get("/api/v1/topology")).headers["ETag"]
        told.fail_over()
        changed = await client.get("/api/v1/topology", headers={"If-None-Match": etag})
        assert changed.status_code == 200
        assert changed.headers["ETag"] != etag

    ask(go, told)


def test_head_answers_as_get_without_a_body(kept: FileJournal) -> None:
    async def go(client: httpx.AsyncClient) -> None:
        for path in ("/api/v1/topology", "/api/v1/failovers", "/livez", "/api/v1/stream", "/api/v1/masters/unknown"):
            head = await client.head(path)
            assert head.content == b""
            if not path.endswith("stream"):
                get = await client.get(path)
                assert (head.status_code, head.headers.get("ETag")) == (get.status_code, get.headers.get("ETag"))
                assert head.headers["content-length"] == get.headers["content-length"]
            else:
                assert head.headers["content-type"].startswith("text/event-stream")

    ask(go, FakeDeployment(), kept=kept)


def test_master_name_of_two_deployments_needs_the_deployment() -> None:
    first, second = FakeDeployment("a"), FakeDeployment("b")
    second.fail_over()

    async def go(client: httpx.AsyncClient) -> None:
        for path in ("/api/v1/masters/mymaster1?", "/masters/mymaster1/is-master?addr=10.0.1.2:6379&"):
            both = await client.get(path)
            assert both.status_code == 409
            assert "'a', 'b'" in both.json()["detail"]
            assert "deployment=" in both.json()["detail"]
            assert (await client.get(f"{path}deployment=c")).status_code == 404
        at = "/masters/mymaster1/is-master?addr=10.0.1.2:6379&deployment="
        assert (await client.get(f"{at}a")).status_code == 503
        assert (await client.get(f"{at}b")).status_code == 200

    ask(go, first, second)


def test_balancer_asks_by_announced_or_dialled_address() -> None:
    told = FakeDeployment()
    told.address_map[A] = Address("192.0.2.7", 16379)

    async def go(client: httpx.AsyncClient) -> None:
        for addr, status in (
            ("10.0.1.1:6379", 200),
            ("192.0.2.7:16379", 200),
            ("10.0.1.1:6380", 503),
            ("10.0.1.2:6379", 503),
            ("10.0.1.1", 400),
            ("", 400),
            ("a:b@c:1", 400),
        ):
            answer = await client.get("/masters/mymaster1/is-master", params={"addr": addr})
            assert answer.status_code == status, (addr, answer.text)
        assert (await client.get("/masters/mymaster1/is-master")).status_code == 422
        assert (await client.get("/masters/other/is-master?addr=h:1")).status_code == 404

    ask(go, told)


def test_daemon_is_ready_when_all_its_deployments_are_known() -> None:
    late = FakeDeployment("late", up=False)

    async def go(client: httpx.AsyncClient) -> None:
        assert (await client.get("/livez")).text == "ok\n"
        waiting = await client.get("/readyz")
        assert (waiting.status_code, waiting.json()) == (503, {"ready": False, "waiting_for": ["late"]})
        late.answer(S2)
        late.now += 60
        late.watch.tick(Moment(late.now))
        assert (await client.get("/readyz")).json() == {"ready": True, "waiting_for": []}

    ask(go, FakeDeployment(), late)


def test_names_from_the_network_pass_through_json_and_never_into_headers(kept: FileJournal) -> None:
    told = FakeDeployment("kvdb", [HOSTILE])
    told.fail_over(HOSTILE)
    kept.write(told.entries)

    async def go(client: httpx.AsyncClient) -> None:
        for path in ("topology", "masters", "sentinels", "failovers", "switches", "events"):
            answer = await client.get(f"/api/v1/{path}")
            assert answer.status_code == 200
            assert answer.content.isascii()
            assert not any("script" in value and "<" in value for value in answer.headers.values())
        [line] = json.loads((await client.get("/api/v1/masters")).content)["items"]
        assert line["master"] == HOSTILE
        unknown = await client.get("/api/v1/masters/%00%0d%0aX-Y:%20z")
        assert unknown.status_code == 404
        assert "x-y" not in unknown.headers

    ask(go, told, kept=kept)


def test_live_routes_work_while_the_journal_is_unavailable(kept: FileJournal, tmp_path: Path) -> None:
    (tmp_path / "journal.db").unlink()

    async def go(client: httpx.AsyncClient) -> None:
        for path in ("failovers", "switches", "events", "observers", "stream", "failovers/20261125T030000Z-1a2b3c4d"):
            away = await client.get(f"/api/v1/{path}")
            assert away.status_code == 503, path
            assert "the journal" in away.json()["detail"]
            assert "Retry-After" in away.headers
        for path in ("status", "deployments", "topology", "masters", "sentinels"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 200

    ask(go, FakeDeployment(), kept=kept)


def test_missing_objects_are_answered_with_a_sentence(kept: FileJournal) -> None:
    async def go(client: httpx.AsyncClient) -> None:
        for path in (
            "/api/v1/masters/other",
            "/api/v1/failovers/none",
            "/api/v2",
            "/none.html",
            "/api/v1/masters?deployment=x",
        ):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert answer.json()["detail"]
            assert set(answer.json()) == {"status", "title", "detail"}
        wrong = await client.get("/api/v1/failovers?since=yesterday&limit=0&kind=odd")
        assert wrong.status_code == 422
        assert "query.since" in wrong.json()["detail"]
        assert "query.limit" in wrong.json()["detail"]

    ask(go, FakeDeployment(), kept=kept)


def test_unknown_query_parameter_is_refused_with_the_known_ones() -> None:
    async def go(client: httpx.AsyncClient) -> None:
        for path, wrong, near in (
            ("/api/v1/masters?deploymnt=kvdb", "deploymnt", "deployment"),
            ("/api/v1/failovers?from=2026-11-23T03:00:00Z", "from", None),
            ("/api/v1/status?verbose=1", "verbose", None),
            ("/api/v1/stream?types=switch", "types", "type"),
            ("/masters/mymaster1/is-master?addr=10.0.1.1:6379&master=x", "master", None),
        ):
            answer = await client.get(path)
            detail = answer.json()["detail"]
            assert (answer.status_code, f"unknown query parameter {wrong!r}" in detail) == (422, True), path
            assert (f"did you mean {near!r}?" in detail) is (near is not None), detail
        assert "known: none" in (await client.get("/api/v1/status?verbose=1")).json()["detail"]
        assert (await client.get("/metrics?x=1")).status_code == (await client.get("/livez?x=1")).status_code == 200

    ask(go, FakeDeployment())


def test_failovers_are_found_by_what_they_mention(kept: FileJournal) -> None:
    told = FakeDeployment("kvdb", ["orders", "100%_sure"])
    for name in told.names:
        told.fail_over(name)
        told.now += 60
    kept.write(told.entries)

    async def go(client: httpx.AsyncClient) -> None:
        async def found(**query: str) -> list[str]:
            return [one["master"] for one in (await client.get("/api/v1/failovers", params=query)).json()["items"]]

        both = ["100%_sure", "orders"]
        [_, first] = (await client.get("/api/v1/failovers")).json()["items"]
        kept.reader.comment(first["id"], "Ann", "the Switch in rack 7")
        assert await found(q="ORDER") == await found(q="rack 7") == await found(q="ann") == ["orders"]
        assert await found(q="0%_s") == ["100%_sure"]
        assert await found(q="%") == ["100%_sure"]  # a sign, not a pattern
        assert await found(q="10.0.1.2:6379") == await found(q="10.0.0.1:26379") == await found(q="KVDB") == both
        assert await found(q=first["id"][:-1]) == ["orders"]
        assert await found(q="10.0.9.9:6379") == await found(q="nothing like it") == []
        assert (await client.get("/api/v1/failovers", params={"q": "x" * 201})).status_code == 422

    ask(go, told, kept=kept)


def test_post_mortem_is_served_as_the_cli_writes_it(kept: FileJournal) -> None:
    told = failed_over()
    kept.write(told.entries)

    async def go(client: httpx.AsyncClient) -> None:
        [one] = (await client.get("/api/v1/failovers")).json()["items"]
        answer = await client.get(f"/api/v1/failovers/{one['id']}/postmortem")
        assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="failover-{one["id"]}.md"'
        switches = [line for _, line in kept.reader.entries(types=("switch",), failover=one["id"])]
        assert switches
        line = kept.reader.failover(one["id"])
        assert line is not None
        assert answer.text == document(failover_from_line(line), list(map(switch_from_line, switches)))
        again = await client.get(answer.url.path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
        assert (await client.get("/api/v1/failovers/none/postmortem")).status_code == 404

    ask(go, told, kept=kept)
