"""An isolated arm and the other arms do not reach each other, whichever else is isolated; the hub reaches all."""

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
    """Whether a connection comes about; silence means that it does not, and any other answer is a failure."""
    with other.entered():
        listening = socket.create_server((other.host, 0))
    with listening, one.entered():
        try:
            socket.create_connection(listening.getsockname(), LIMIT).close()
        except TimeoutError:
            return False
    return True


def test_who_is_isolated_is_reached_by_the_hub_alone(star: StarNetwork) -> None:
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


def test_who_rejoins_does_not_reach_who_is_still_isolated(star: StarNetwork) -> None:
    one, other, third = star.arms
    star.isolate(other)
    star.isolate(third)
    star.rejoin(other)
    assert reaches(one, other)
    assert not reaches(other, third)
    assert not reaches(third, one)
    star.rejoin(third)
    assert reaches(other, third)


def test_connection_that_is_open_falls_silent_and_goes_on_where_it_was(star: StarNetwork) -> None:
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
