"""
How a listener reads on when its connection is lost, and how it is pinged: plans, without I/O, clock or threads.

As in `switchmaster.follow.reach` a plan is a generator that yields what to do. It yields `Call` where the client
library is to do what the plan is for: read a message, or send a PING. The answer is the outcome; an error of the
library's is raised here, where it is decided whether the listener comes back (`ComeBack`) or its reader gets the error.

Every plan holds to this: a connection whose reading was interrupted in the midst of a message is never read again, and
a listener that loses its connection remains a listener, so that its next read comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from ..model import Address
from .gate import WaitLimits
from .reach import HangUp
from .session import COMEBACKS, LISTENING, LOST, Session

__all__ = ["CALL", "Call", "ComeBack", "ListenEffect", "ListeningConnection", "listen", "ping"]


class ListeningConnection(Protocol):
    """A connection with a subscription, as its plans see it."""

    @property
    def at(self) -> Address | None:
        """The node to which it is connected; None if it is not connected, or can't be used as it is."""

    @property
    def restores(self) -> bool:
        """Whether a new connection in its place would be subscribed to the same, and read by the same reader."""

    def may_pass(self, failure: Exception) -> bool:
        """Whether waiting may help after this failure; otherwise the configuration is wrong."""

    def is_whole_after(self, error: BaseException) -> bool:
        """Whether a read that ended with this error left no message half read, so that another read may follow."""

    def is_lost_by(self, error: BaseException) -> bool:
        """Whether this error says that the connection is lost."""

    def explain(self, error: Exception) -> Exception:
        """Return the error of a lost connection, with the reason if we ended it."""


@dataclass(frozen=True, slots=True)
class Call:
    """Have the library do what the plan is for; its answer is the outcome, its error is raised in the plan."""


class ComeBack(NamedTuple):
    """Connect, and so subscribe again; the error is raised in the plan if that fails."""

    limits: WaitLimits


CALL: Final = Call()
"""The only one; compare it by identity."""
HANG_UP: Final = HangUp()
ListenEffect: TypeAlias = Call | ComeBack | HangUp


def listen(
    connection: ListeningConnection,
    session: Session,
    limits: WaitLimits,
    timeout: Any,
    clock: Callable[[], float],
    failed: BaseException | None = None,
) -> Generator[ListenEffect, Any, Any]:
    """
    Plan the reading of what was published; if the connection is lost, come back and read on.

    A read on a connection that is up needs no plan: its driver reads first, and begins with the error if that failed.

    Args:
        connection: the connection.
        session: its session.
        limits: how long the user lets commands wait.
        timeout: the seconds that the reader has; anything but a finite number is for ever.
        clock: returns monotonic seconds.
        failed: what the first read ended with, if its driver has tried that already.

    Returns:
        What was read; None if the connection is not back yet and the reader's time is over.

    Raises:
        Exception: the library's: what the read ended with, if the listener does not come back from that by itself.
    """
    if failed is None and session.stage is LOST:
        yield HANG_UP
    for left in reversed(range(COMEBACKS)):
        if failed is None and connection.at is None and connection.restores:
            back = yield from _come_back(connection, session, limits, timeout, clock)
            if not back:
                break
        whole = False
        try:
            if failed is not None:
                raise failed
            answer = yield CALL
            whole = True
            return answer
        except BaseException as error:
            failed = None
            whole = connection.is_whole_after(error)
            if whole or not isinstance(error, Exception) or not connection.is_lost_by(error):
                raise
            if not left or not _comes_back(connection, limits, error):
                raise connection.explain(error) from error
            session.use = LISTENING
            yield HANG_UP
        finally:
            if not whole:
                session.stage = LOST
    return None


def ping(connection: ListeningConnection, session: Session, limits: WaitLimits) -> Generator[ListenEffect, Any, None]:
    """
    Plan a PING of a listener's; if the connection is lost, the next read notices, and comes back.

    Args:
        connection: the connection.
        session: its session.
        limits: how long the user lets commands wait.

    Raises:
        Exception: the library's, if the listener does not come back from that by itself.
    """
    if connection.at is None:
        return
    try:
        yield CALL
    except Exception as error:
        if not connection.is_lost_by(error) or not _comes_back(connection, limits, error):
            raise
        session.use = LISTENING


def _come_back(
    connection: ListeningConnection, session: Session, limits: WaitLimits, timeout: Any, clock: Callable[[], float]
) -> Generator[ListenEffect, Any, bool]:
    """Connect and so subscribe again; return whether it succeeded within the reader's time."""
    try:
        yield ComeBack(session.limits_to_come_back(timeout, limits, clock()))
    except Exception as error:
        if not session.may_be_silent(limits, clock()) or not connection.may_pass(error):
            raise
        return False
    session.lost_at = None
    return True


def _comes_back(connection: ListeningConnection, limits: WaitLimits, error: Exception) -> bool:
    """Whether a listener that got this error comes back by itself."""
    return limits.failover_wait > 0 and connection.may_pass(error) and connection.restores
