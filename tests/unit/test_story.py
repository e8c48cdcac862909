"""The reader of stories: what it feeds to the Watch, and that it hides no difference."""

from __future__ import annotations

import pytest

from rig.scenario import A, B
from rig.story import FAILOVER, play

SWITCH = "0.30 => switch A -> B, epoch 1, promoted by role"


def test_story_feeds_what_is_said_and_shows_what_is_decided() -> None:
    scene = play(f"# A comment.\n\n{FAILOVER}\n0.3 B answers master\n{SWITCH}\n")
    assert [(one.old, one.new) for one in scene.switches] == [(A, B)]
    assert scene.now == pytest.approx(101.3)


def test_story_shows_a_decision_of_a_time_at_which_nothing_is_said() -> None:
    announced = "0.30 S1 +promoted-slave slave B @ mymaster A"
    switch = "10.30 => switch A -> B, epoch 1, announced by +promoted-slave"
    play(f"{FAILOVER}\n{announced}\n{switch}\n11.0 ..")


@pytest.mark.parametrize(
    "rest",
    [
        "0.3 B answers master",  # a decision that the story lacks
        f"0.3 B answers slave of A\n{SWITCH}",  # one that is not made
        f"{SWITCH}\n0.3 B answers master",  # one in another place
        f"0.3 B answers master\n{SWITCH.replace('0.30', '0.31')}",  # one at another time
        f"0.3 B answers master\n{SWITCH.replace('epoch 1', 'epoch 2')}",  # another one
        f"0.3 B answers master\n{SWITCH}\n{SWITCH}",  # one that is made only once
    ],
)
def test_story_fails_if_other_decisions_are_made(rest: str) -> None:
    with pytest.raises(AssertionError, match="switch A -> B"):
        play(f"{FAILOVER}\n{rest}")


@pytest.mark.parametrize(
    "line",
    [
        "0.0 S4 is lost",
        "0.0 S1 answers D at 1",
        "0.0 S1 is gone",
        "0.0 B answers slave of D",
        "0.0 .. more",
        "S1 is lost",
    ],
)
def test_story_refuses_a_line_that_it_cannot_read(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of a story"):
        play(line)


def test_story_refuses_a_line_that_is_earlier_than_the_one_before() -> None:
    with pytest.raises(ValueError, match="earlier"):
        play("1.0 ..\n0.5 ..")


def test_story_tells_sentinels_apart_and_gives_their_answers() -> None:
    scene = play(
        """
        0.0  S3  is lost
        0.1  S3  is heard, answers A at 0
        0.2  S3  answers B at 7, sdown
        """,
        probing=False,
    )
    [opinion] = [one for one in scene.watch.topology.masters["mymaster"].opinions if one.address == B]
    assert (opinion.sentinel, opinion.epoch) == ("127.0.0.1:27013", 7)
