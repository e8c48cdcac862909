"""An isolated arm and the other arms can't reach each other, whichever others are isolated; the hub reaches all."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from rig.netns import Network, lacking
from rig.star_network import StarNetwork

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(lacking()), reason=lacking() or "none")]

LIMIT = 0.5


@pytest.fixture
def star() -> Iterator[StarNetwork]:
    with StarNetwork(3) as star:
        yield star


def reaches(one: Network, other: Network) -> bool:
    """Whether a connection succeeds; False after silence; any other answer is a failure."""
    with other.entered():
        listening = socket.create_server((other.host, 0))
    with listening, one.entered():
        try:
            socket.create_connection(listening.getsockname(), LIMIT).close()
        except TimeoutError:
            return False
    return True


def test_isolated_arm_is_reached_by_the_hub_alone(star: StarNetwork) -> None:
    one, other, third = star.arms
    assert reaches(one, other)
    star.isolate(other)
    assert not reaches(one, other)
    assert not reaches(other, one)
    assert reaches(one, third)
    assert reaches(star.hub, other)
    assert reaches(other, star.hub)
    star.rejoin(other)
    assert reaches(one, other)
    assert reaches(other, one)


def test_rejoined_arm_does_not_reach_an_isolated_one(star: StarNetwork) -> None:
    one, other, third = star.arms
    star.isolate(other)
    star.isolate(third)
    star.rejoin(other)
    assert reaches(one, other)
    assert not reaches(other, third)
    assert not reaches(third, one)
    star.rejoin(third)
    assert reaches(other, third)


def test_open_connection_falls_silent_and_continues_after_the_isolation(star: StarNetwork) -> None:
    one, other, _ = star.arms
    with other.entered():
        listening = socket.create_server((other.host, 0))
    with listening, one.entered(), socket.create_connection(listening.getsockname(), LIMIT) as near:
        far, _address = listening.accept()
        with far:
            far.settimeout(LIMIT)
            star.isolate(one)
            near.sendall(b"lost for now")
            with pytest.raises(TimeoutError):
                far.recv(100)
            star.rejoin(one)
            far.settimeout(10)
            assert far.recv(100) == b"lost for now"
