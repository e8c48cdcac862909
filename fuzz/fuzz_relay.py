"""For any bytes of a client of the relay, however cut, a Conversation raises nothing, and its answers are the same."""

from __future__ import annotations

import drive  # noqa: F401  # it says where the tests are
from drive import Target, main
from rig.relay_scene import RelayScene, request
from switchmaster.model import Moment
from switchmaster.relay.accounts import Accounts
from switchmaster.wire.resp import FrameReader

NOW = Moment(200.0, 1_700_000_000.25)
PASSWORD = "zQ7jW4kX"
SCENE = RelayScene()
ANSWERS_MAX = 16 * 1024 * 1024


def answers(data: bytes, size: int, accounts: Accounts) -> bytes:
    """Return what a client gets that sends these bytes in pieces."""
    client = SCENE.client(accounts=accounts)
    out = b""
    for start in range(0, len(data), size):
        out += client.receive_data(data[start : start + size], NOW)
        while client.waiting:
            out += client.receive_data(b"", NOW)
        for channel in (b"+sdown", b"+switch-master"):
            client.deliver(channel, b"m", {})
    return out


def check(data: bytes) -> None:
    """Take what a client sends."""
    for accounts in (Accounts(), Accounts(PASSWORD)):
        whole = answers(data, len(data) or 1, accounts)
        for size in (7 if len(data) < 4_000 else 61, 1 if len(data) < 1_500 else 1_000):
            assert answers(data, size, accounts) == whole, "the cut of the bytes changed the answers"
        assert len(whole) < ANSWERS_MAX
        assert PASSWORD.encode() not in whole or PASSWORD.encode() in data
        reader = FrameReader(ANSWERS_MAX)
        reader.read(whole)
        assert not reader.broken, "an answer is not RESP"


def seeds() -> list[bytes]:
    """Return what clients send: each command, alone and after others."""
    commands = [
        request("HELLO", "3", "AUTH", "default", PASSWORD, "SETNAME", "app"),
        request("AUTH", PASSWORD),
        request("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"),
        request("SENTINEL", "MASTERS"),
        request("SENTINEL", "REPLICAS", "mymaster"),
        request("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", "27001", "0", "*"),
        request("SENTINEL", "CONFIG", "GET", "a*[b-c]\\?"),
        request("SENTINEL", "INFO-CACHE", "mymaster", "x"),
        request("CLIENT", "SETINFO", "lib-name", "x"),
        request("CLIENT", "INFO"),
        request("SUBSCRIBE", "+switch-master", "+sdown"),
        request("PSUBSCRIBE", "+*", "[^a]*"),
        request("UNSUBSCRIBE"),
        request("COMMAND", "INFO", "ping"),
        request("INFO", "relay", "sentinel"),
        request("RESET"),
        request("QUIT"),
        b"PING 'a b' \"\\x41\"\r\n",
        b"sentinel master mymaster\r\n",
    ]
    return [*commands, b"".join(commands), *(commands[0] + one + commands[2] for one in commands)]


TARGET = Target(check, seeds, examples=300)

if __name__ == "__main__":
    main(TARGET, "relay")
