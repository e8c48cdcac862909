"""^C is raised where it does no harm, and never lost."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from switchmaster.cli.interrupt import Interrupt


def press() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def _handled_as_ever() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(work: Callable[[Interrupt, list[str]], None]) -> list[str]:
    """Run steps in a block that ^C ends; return how far it came."""
    passed: list[str] = []
    interrupt = Interrupt()

    def block() -> None:
        with interrupt:
            work(interrupt, passed)

    with pytest.raises(KeyboardInterrupt):
        block()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return passed


def test_interrupt_is_recorded_and_raised_by_a_check() -> None:
    def work(interrupt: Interrupt, passed: list[str]) -> None:
        interrupt.check()
        press()
        passed.append("the press")
        interrupt.check()
        passed.append("the check")

    assert interrupted(work) == ["the press"]


def test_unchecked_interrupt_is_raised_at_the_end() -> None:
    def work(_: Interrupt, passed: list[str]) -> None:
        press()
        passed.append("the press")

    assert interrupted(work) == ["the press"]


def test_interrupt_is_raised_at_once_while_writing() -> None:
    def work(interrupt: Interrupt, passed: list[str]) -> None:
        with interrupt.writing():
            press()
            passed.append("the press")

    assert interrupted(work) == []


def test_second_interrupt_is_raised_at_once() -> None:
    def work(_: Interrupt, passed: list[str]) -> None:
        press()
        passed.append("the first")
        press()
        passed.append("the second")

    assert interrupted(work) == ["the first"]


def test_interrupt_that_came_before_is_raised_before_anything_is_written() -> None:
    def work(interrupt: Interrupt, passed: list[str]) -> None:
        press()
        with interrupt.writing():
            passed.append("a line")

    assert interrupted(work) == []


def test_interrupt_of_an_earlier_block_is_forgotten() -> None:
    interrupt = Interrupt()

    def block() -> None:
        with interrupt:
            press()

    with pytest.raises(KeyboardInterrupt):
        block()
    with interrupt:
        interrupt.check()


def test_ignored_sigint_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupt():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
