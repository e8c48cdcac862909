"""Which requests are let in: tokens, Host, Origin, bodies; and the security headers of every answer."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from rig.api_rig import LOOPBACK, FakeDeployment, FileJournal, asking, served
from switchmaster.errors import UsageError
from switchmaster.journal import open_reader
from switchmaster.model import Address
from switchmaster.server.api import HttpSettings, ServedState, admission, create_app
from switchmaster.url import read_listen

PUBLIC = Address("0.0.0.0", 8370)
TOKEN, READ = "act-1234", "look-5678"
ACT, LOOK = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {READ}"}
BODY = {"by": "ann", "comment": "known"}
ID = "20261125T030000Z-1a2b3c4d"


class Door:
    """The application with its admission layer, for single requests."""

    made: ClassVar[list[Door]] = []

    def __init__(self, settings: HttpSettings, kept: FileJournal | None = None, web: Path | None = None) -> None:
        self.app, self.state = served(FakeDeployment(), kept=kept, settings=settings, web=web or Path("none"))
        self.made.append(self)

    def __call__(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            async with asking(self.app) as client:
                return await client.request(method, path, **more)

        return asyncio.run(go())

    @property
    def refused(self) -> Counter[str]:
        return self.state.refused


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while Door.made:
        Door.made.pop().state.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[FileJournal]:
    kept = FileJournal(tmp_path)
    yield kept
    kept.close()


# -- settings that are refused before anything is served -------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "kv.example", ""])
def test_public_address_without_a_token_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="without a token") as refused:
        HttpSettings(Address(host, 8370))
    assert "token_file" in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert HttpSettings(Address(host, 8370)).reading_is_open


def test_useless_tokens_are_refused_and_never_shown() -> None:
    for wrong in (
        {"token": "s3cret\n"},
        {"token": " s3cret"},
        {"read_token": "s3crét"},
        {"token": ""},
        {"token": "s3cret", "read_token": "s3cret"},
    ):
        with pytest.raises(UsageError) as refused:
            HttpSettings(PUBLIC, **{"read_token": "other"} | wrong)
        assert "s3cr" not in str(refused.value)
    settings = HttpSettings(PUBLIC, token="s3cret", read_token="s3cret too", cert="c", key="k")
    assert "s3cret" not in repr(settings)
    with pytest.raises(UsageError, match="both cert and key"):
        HttpSettings(LOOPBACK, cert="c")


def test_public_address_without_tls_is_warned_of() -> None:
    [warning] = HttpSettings(PUBLIC, token=TOKEN).warnings()
    assert "without TLS" in warning
    assert HttpSettings(PUBLIC, token=TOKEN, cert="c", key="k").warnings() == HttpSettings(LOOPBACK).warnings() == []


# -- tokens ------------------------------------------------------------------------------------------

GUARDED = ("/api/v1/status", "/api/v1/topology", "/metrics", "/masters/mymaster1/is-master?addr=10.0.1.1:6379")


@pytest.mark.parametrize(
    "settings",
    [HttpSettings(PUBLIC, token=TOKEN, read_token=READ), HttpSettings(LOOPBACK, token=TOKEN, read_token=READ)],
    ids=repr,
)
def test_reading_needs_either_token(settings: HttpSettings) -> None:
    door = Door(settings)
    for path in GUARDED:
        for method in ("GET", "HEAD"):
            none = door(path, method)
            assert none.status_code == 401
            assert none.headers["WWW-Authenticate"].startswith("Bearer")
        assert door(path, headers=LOOK).status_code != 401
        assert door(path, headers=ACT).status_code != 401
    assert door.refused["token"] == 2 * len(GUARDED)
    for path in ("/livez", "/readyz", "/openapi.json"):
        assert door(path).status_code == 200
    assert "kvdb" not in door("/readyz").text


def test_reading_is_open_on_loopback_without_a_read_token() -> None:
    assert Door(HttpSettings(LOOPBACK, token=TOKEN))("/api/v1/topology").status_code == 200


def test_single_token_on_a_public_address_is_needed_for_reading_too() -> None:
    door = Door(HttpSettings(PUBLIC, token=TOKEN))
    assert door("/api/v1/topology").status_code == 401
    assert door("/api/v1/topology", headers=ACT).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        "Bearer \xff\xfe",
        f"Bearer {TOKEN} {TOKEN}",
        "Bearer " + "x" * 10_000,
    ],
)
def test_wrong_token_is_refused(given: str) -> None:
    door = Door(HttpSettings(PUBLIC, token=TOKEN))
    answer = door("/api/v1/status", headers={"Authorization": given.encode("latin-1")})
    assert answer.status_code == 401
    assert TOKEN not in answer.text


def test_two_tokens_at_once_are_refused() -> None:
    door = Door(HttpSettings(PUBLIC, token=TOKEN))
    twice = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
    assert door("/api/v1/status", headers=twice).status_code == 401


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    real = admission.hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    door = Door(HttpSettings(PUBLIC, token=TOKEN, read_token=READ))
    monkeypatch.setattr(admission.hmac, "compare_digest", compare)
    for given in (TOKEN, READ, "x", "y" * 100):
        door("/api/v1/status", headers={"Authorization": f"Bearer {given}"})
    assert compared == [(32, 32)] * 8, "every request compares as much with each token"


# -- writing -----------------------------------------------------------------------------------------


def acting(door: Door, **headers: str) -> httpx.Response:
    return door(f"/api/v1/failovers/{ID}/acknowledge", "POST", json=BODY, headers=headers)


def test_writing_needs_the_token_on_loopback_too(kept: FileJournal) -> None:
    door = Door(HttpSettings(LOOPBACK, token=TOKEN, read_token=READ), kept)
    assert acting(door).status_code == 401
    assert acting(door, **LOOK).status_code == 403
    assert "reading only" in acting(door, **LOOK).json()["detail"]
    assert acting(door, **ACT).status_code == 404  # it was admitted and reached the journal
    nobody = Door(HttpSettings(LOOPBACK), kept)
    for headers in ({}, ACT, LOOK):
        answer = acting(nobody, **headers)
        assert answer.status_code == 403
        assert "http.token_file" in answer.json()["detail"]


def test_failover_is_acknowledged_and_commented(kept: FileJournal) -> None:
    told = FakeDeployment()
    told.fail_over()
    kept.write(told.entries)
    door = Door(HttpSettings(LOOPBACK, token=TOKEN), kept)
    [line] = door("/api/v1/failovers").json()["items"]
    assert line["acknowledged"] is None
    place = f"/api/v1/failovers/{line['id']}"
    seen = door(f"{place}/acknowledge", "POST", json=BODY, headers=ACT).json()
    assert seen["acknowledged"] is not None
    again = door(f"{place}/acknowledge", "POST", json=BODY, headers=ACT | {"If-None-Match": "*"})
    assert again.status_code == 200
    odd = json.dumps({"by": "<b>", "text": "a\u2028b\x00"}).encode("ascii")
    typed = {"Content-Type": "application/json"}
    said = door(f"{place}/comments", "POST", content=odd, headers=ACT | typed).json()
    assert [(one["by"], one["text"], one["acknowledges"]) for one in said["comments"]] == [
        ("ann", "known", True),
        ("ann", "known", True),
        ("<b>", "a\u2028b\x00", False),
    ]
    # U+0085 and U+FEFF are whitespace to some readers of the document and not to others: a comment of these is refused.
    blanks = [{"by": "ann", "text": blank} for blank in ("  ", "\u0085", "\ufeff")]
    for wrong in (*blanks, {"text": "x"}, {"by": "", "text": "x"}, {**BODY, "text": "x"}, [], 1):
        assert door(f"{place}/comments", "POST", json=wrong, headers=ACT).status_code == 422
    for wrong in (b"{", b"[" * 200_000, b'{"by": "\\ud800", "text": "half a letter"}', b"\xff"):
        assert door(f"{place}/comments", "POST", content=wrong, headers=ACT | typed).status_code in (400, 422)
    assert len(door(place).json()["comments"]) == 3
    assert door("/api/v1/failovers?acknowledged=false").json()["items"] == []


# -- Host and Origin ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8370", 200),
        ("127.0.0.1", 200),
        ("localhost:8370", 200),
        ("LOCALHOST", 200),
        ("[::1]:8370", 200),
        ("192.0.2.9", 200),
        ("kv.example:8370", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("kv.example.evil.example", 421),
        ("evil.example@127.0.0.1", 421),
        ("127.0.0.1/evil", 421),
        ("127.0.0.1:port", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_host_that_is_not_ours_is_refused(host: str, status: int) -> None:
    door = Door(HttpSettings(LOOPBACK, hosts=("kv.example",)))
    answer = door("/api/v1/status", headers={"Host": host})
    assert answer.status_code == status
    assert door.refused["host"] == (status == 421)
    assert status == 200 or "http.hosts" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"Origin": "http://127.0.0.1:8370"}, 404),
        ({"Origin": "https://127.0.0.1:8370"}, 404),
        ({"Origin": "http://127.0.0.1:8370", "Sec-Fetch-Site": "same-origin"}, 404),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "http://localhost:8370"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "file://127.0.0.1:8370"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_page_of_another_origin_must_not_write(kept: FileJournal, headers: dict[str, str], status: int) -> None:
    door = Door(HttpSettings(LOOPBACK, token=TOKEN), kept)
    assert acting(door, **ACT, **headers).status_code == status
    assert door.refused["origin"] == (status == 403)


def test_page_of_another_origin_must_not_read() -> None:
    answer = Door(HttpSettings(LOOPBACK))("/api/v1/status", headers={"Origin": "https://evil.example"})
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "POKE"])
def test_other_methods_are_refused(method: str) -> None:
    answer = Door(HttpSettings(LOOPBACK, token=TOKEN))("/api/v1/status", method, headers=ACT)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"


def test_method_that_a_route_does_not_know_is_refused() -> None:
    door = Door(HttpSettings(LOOPBACK, token=TOKEN))
    assert door("/api/v1/status", "POST", headers=ACT).status_code == 405
    assert door(f"/api/v1/failovers/{ID}/acknowledge").status_code == 405


# -- bodies ------------------------------------------------------------------------------------------


def test_body_over_the_limit_is_refused_with_or_without_a_length(kept: FileJournal) -> None:
    door = Door(HttpSettings(LOOPBACK, token=TOKEN), kept)
    path = f"/api/v1/failovers/{ID}/comments"

    async def drip() -> Any:
        for _ in range(100):
            yield b" " * 4_000

    for content in (b" " * (admission.BODY_BYTES + 1), drip()):
        answer = door(path, "POST", content=content, headers=ACT)
        assert answer.status_code == 413
        assert answer.headers["Connection"] == "close"
    lying = door(path, "POST", content=b"{}", headers={**ACT, "Content-Length": "9" * 30})
    assert lying.status_code == 413
    assert door.refused["body"] == 3


def test_missing_body_times_out(kept: FileJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "BODY_SECONDS", 0.05)

    async def stall() -> Any:
        yield b"{"
        await asyncio.sleep(60)

    door = Door(HttpSettings(LOOPBACK, token=TOKEN), kept)
    answer = door(f"/api/v1/failovers/{ID}/comments", "POST", content=stall(), headers=ACT)
    assert answer.status_code == 408


# -- headers of every answer --------------------------------------------------------------------------


def test_every_answer_tells_browsers_to_trust_nothing(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>hello", encoding="utf-8")
    (tmp_path / "app.js").write_text("export {}", encoding="utf-8")
    door = Door(HttpSettings(LOOPBACK, read_token=READ), web=tmp_path)
    for path, status in (("/", 200), ("/app.js", 200), ("/none", 404), ("/api/v1/status", 401), ("/livez", 200)):
        answer = door(path)
        assert answer.status_code == status
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "server" not in answer.headers
    assert door("/app.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/%2e%2e/secret", "/..%2fsecret", "/a/../../secret", "//etc/hosts"]
)
def test_dashboard_serves_no_file_outside_its_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("s3cret", encoding="utf-8")
    web = tmp_path / "web"
    web.mkdir()
    answer = Door(HttpSettings(LOOPBACK), web=web)(path)
    assert answer.status_code == 404
    assert "s3cret" not in answer.text


def test_internal_error_reveals_nothing() -> None:
    app, state = served(FakeDeployment())

    def broken() -> Any:
        raise RuntimeError("s3cret")

    state.deployments = broken

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/api/v1/status")

    answer = asyncio.run(go())
    assert answer.status_code == 500
    assert "s3cret" not in answer.text


def test_any_free_port_may_be_asked_for() -> None:
    assert read_listen("127.0.0.1:0") == Address("127.0.0.1", 0)
    assert read_listen("[::1]:0") == Address("::1", 0)
    assert read_listen("kv:8370") == Address("kv", 8370)
    for wrong in ("0", ":0", "127.0.0.1", "127.0.0.1:00", "::1:0", "a b:0"):
        with pytest.raises(UsageError):
            read_listen(wrong)


def test_no_answer_holds_a_secret() -> None:
    told = FakeDeployment()
    state = ServedState(lambda: {"kvdb": told}, open_reader("postgresql+psycopg://ann:s3cret@127.0.0.1:1/journal"))
    app = create_app(state, HttpSettings(LOOPBACK, token=TOKEN, read_token=READ))

    async def go() -> None:
        async with asking(app, **LOOK) as client:
            for path in (path for path in app.openapi()["paths"] if "{" not in path):
                answer = await client.get(path)
                said = answer.text + repr(answer.headers)
                assert not any(secret in said for secret in ("s3cret", TOKEN, READ)), path
            away = await client.get("/api/v1/failovers")
            assert away.status_code == 503
            assert "127.0.0.1" in away.json()["detail"]

    asyncio.run(go())
    state.close()
    assert state.reader is not None
    state.reader.close()
