"""Webhooks: what is posted, how it is signed, which answers are tried again, and where nothing is posted to."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from rig.reactions import HOSTILE, follow_two_switches, run, wish
from switchmaster.errors import UsageError
from switchmaster.lab.certificates import make_certificates
from switchmaster.model import Address
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.destinations import is_allowed
from switchmaster.react.webhook_action import WebhookAction, cloud_event, read_secrets, signatures

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Answer = Callable[[BaseHTTPRequestHandler], None]


class Receiver:
    """An HTTP server that answers as a test says."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Answer = lambda request: answer(request, 204)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                receiver.answer(self)

            def do_OPTIONS(self) -> None:
                answer(self, 405)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://localhost:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def answer(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def webhook(url: str, **more: Any) -> WebhookAction:
    return WebhookAction(**{"url": url, "secret_file": None, "token_file": None, "ca": None, "public": False, **more})


def test_switch_is_posted_as_a_signed_cloud_event(receiver: Receiver, tmp_path: Path) -> None:
    secrets, token = tmp_path / "secrets", tmp_path / "token"
    secrets.write_text(f"{SECRET}\n{base64.b64encode(b'new secret').decode()}\n")
    token.write_text("t0ken\n")
    action = webhook(receiver.url, secret_file=str(secrets), token_file=str(token))
    receiver.answer = lambda request: answer(request, 202, b"thanks")
    of = wish(1)
    assert asyncio.run(action.apply(of, run())) == "202: thanks"
    asyncio.run(action.apply(of, run(2)))
    (path, headers, body), (_, again, _) = receiver.requests
    event = json.loads(body)
    assert (path, headers["host"]) == ("/hook", receiver.url.split("/")[2])
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert (event["specversion"], event["type"], event["source"]) == (
        "1.0",
        "switchmaster.switch.v1",
        "/switchmaster/kvdb",
    )
    assert (event["subject"], event["data"]["new"]) == ("m1", {"host": "10.0.1.2", "port": 6379})
    assert event["id"] == headers["webhook-id"] == again["webhook-id"] == of.delivery
    assert headers["authorization"] == "Bearer t0ken"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    keys = read_secrets(secrets.read_text())
    assert headers["webhook-signature"] == signatures(keys, of.delivery, headers["webhook-timestamp"], body)
    assert len(headers["webhook-signature"].split()) == 2
    assert "t0ken" not in repr(action)
    assert SECRET not in repr(action)


def test_signature_is_that_of_the_standards_example() -> None:
    """The example of the Standard Webhooks' own test suites."""
    body = b'{"test": 2432232314}'
    made = signatures(read_secrets(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["", "  \n", "whsec_", "whsec_not base64!", "whsec_äöü"])
def test_secret_that_is_none_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises((UsageError, ValueError)) as caught:
        read_secrets(text)
    assert "base64!" not in str(caught.value)


def test_hostile_names_reach_a_receiver_as_data(receiver: Receiver) -> None:
    of = wish(1, HOSTILE, deployment=HOSTILE, new=Address("evil\r\nX-Evil: 1", 1))
    asyncio.run(webhook(receiver.url).apply(of, run()))
    [(_, headers, body)] = receiver.requests
    event = json.loads(body)
    assert event["data"]["master"] == HOSTILE
    assert event["data"]["new"]["host"] == "evil\r\nX-Evil: 1"
    assert event["subject"].isascii()
    assert not set(event["subject"] + event["source"]) & set(" \r\n'\"`$(){}\\")
    assert "x-evil" not in headers
    assert json.loads(json.dumps(cloud_event(of))) == event


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (lambda request: answer(request, 500, b"boom"), AttemptFailed, "500: boom"),
        (lambda request: answer(request, 404), AttemptFailed, "404"),
        (lambda request: answer(request, 302, location="http://127.0.0.1:1/"), AttemptFailed, "redirects are not"),
        (lambda request: answer(request, 410), GiveUp, "wants no more"),
        (lambda request: request.wfile.write(b"nonsense\r\n\r\n"), AttemptFailed, "RemoteProtocolError"),
        (lambda request: request.connection.close(), AttemptFailed, "Error"),
    ],
)
def test_answers_that_are_tried_again(receiver: Receiver, reply: Answer, error: type[Exception], words: str) -> None:
    receiver.answer = reply
    with pytest.raises(error, match=words):
        asyncio.run(webhook(receiver.url).apply(wish(), run()))
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(("given", "after"), [("7", 7.0), ("99999", 300.0), ("soon", None), ("-1", None)])
def test_receiver_says_when_to_try_again(receiver: Receiver, given: str, after: float | None) -> None:
    receiver.answer = lambda request: answer(request, 503, retry_after=given)
    with pytest.raises(AttemptFailed) as caught:
        asyncio.run(webhook(receiver.url).apply(wish(), run()))
    assert caught.value.after == after


def test_endless_answer_is_read_only_as_far_as_needed(receiver: Receiver) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"x" * 65536)
        except OSError:
            return

    receiver.answer = endless
    assert len(asyncio.run(webhook(receiver.url).apply(wish(), run()))) < 2_000


def test_receiver_that_hangs_is_left_when_the_time_is_over(receiver: Receiver) -> None:
    gate = threading.Event()
    receiver.answer = lambda request: (gate.wait(), None)[1]

    async def go() -> None:
        async with asyncio.timeout(0.2):
            await webhook(receiver.url).apply(wish(), run())

    with pytest.raises(TimeoutError):
        asyncio.run(go())
    gate.set()


def test_receiver_that_is_away_is_tried_again_and_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(AttemptFailed, match="ConnectError"):
        asyncio.run(webhook("http://127.0.0.1:1/").apply(wish(), run()))


def test_certificate_must_be_of_the_name_in_the_url(receiver: Receiver, tmp_path: Path) -> None:
    import ssl

    made = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server, made.server_key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    url = receiver.url.replace("http:", "https:")
    assert asyncio.run(webhook(url, ca=str(made.ca)).apply(wish(), run())) == "204"
    with pytest.raises(AttemptFailed, match="certificate"):
        asyncio.run(webhook(url).apply(wish(), run()))
    with pytest.raises(AttemptFailed, match=r"can't be read"):
        asyncio.run(webhook(url, ca=str(tmp_path / "none")).apply(wish(), run()))


@pytest.mark.parametrize(
    ("address", "always", "public"),
    [
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
        ("127.0.0.1", True, False),
        ("10.1.2.3", True, False),
        ("::ffff:10.1.2.3", True, False),
        ("fd00::1", True, False),
        ("8.8.8.8", True, True),
        ("2606:4700::1111", True, True),
    ],
)
def test_addresses_that_a_request_may_go_to(address: str, always: bool, public: bool) -> None:
    assert is_allowed(ip_address(address), public=False) is always
    assert is_allowed(ip_address(address), public=True) is public


def test_nothing_is_posted_to_a_refused_address(receiver: Receiver) -> None:
    with pytest.raises(GiveUp, match="not a public address"):
        asyncio.run(webhook(receiver.url, public=True).apply(wish(), run()))
    with pytest.raises(GiveUp, match="link-local"):
        asyncio.run(webhook("http://169.254.169.254/latest/meta-data").apply(wish(), run()))
    assert receiver.requests == []


def test_target_is_tested_without_a_post(receiver: Receiver) -> None:
    text = asyncio.run(webhook(receiver.url + "?key=secret").test())
    assert "answers OPTIONS with 405; nothing was posted" in text
    assert "secret" not in text
    assert receiver.requests == []
    with pytest.raises(AttemptFailed, match="ConnectError"):
        asyncio.run(webhook("http://127.0.0.1:1/").test())


def test_newest_switch_comes_last_although_the_first_was_slow(receiver: Receiver, tmp_path: Path) -> None:
    action = webhook(receiver.url)
    assert follow_two_switches(tmp_path, action, every=True) == [(1, "done"), (2, "done")]
    assert [json.loads(body)["data"]["epoch"] for _, _, body in receiver.requests] == [1, 2]
