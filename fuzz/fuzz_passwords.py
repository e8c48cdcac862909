"""A password that a Sentinel publishes in `+set` is in no part of the resulting event."""

from __future__ import annotations

from drive import Target, main
from seeds import messages
from switchmaster.wire.events import Configured, Unrecognised
from switchmaster.wire.grammar import parse_event

SECRET = b"zQ7jW4kX"


def check(data: bytes) -> None:
    """Take a master's name and host, a line feed, the password's beginning, a line feed, and its end."""
    instance, before, after = [*data.split(b"\n", 2), b"", b""][:3]
    for option in (b"auth-pass", b"AUTH-PASS"):
        event = parse_event(b"+set", b"master %s 6379 %s %s%s%s" % (instance, option, before, SECRET, after))
        assert isinstance(event, Configured | Unrecognised)
        assert SECRET.decode() not in repr(event), event


def seeds() -> list[bytes]:
    """Return the instances of recorded options, before passwords of all sorts."""
    instances = {" ".join(payload.split(" ")[1:3]) for channel, payload in messages() if channel == "+set"}
    passwords = ["\n", "p\n quorum 2", "x\n 1.2.3.4 5 quorum 2", "émile\n", '"\n"', " \n auth-user x"]
    return [f"{instance}\n{password}".encode() for instance in sorted(instances) for password in passwords]


TARGET = Target(check, seeds, examples=1000)

if __name__ == "__main__":
    main(TARGET, "passwords")
