"""
Interrupt a piece of work at every point at which the interpreter may interrupt it.

An exception from a signal handler is raised where the interpreter looks for signals: after calls, at the beginning of
functions and at the end of loops. `interrupted` raises a signal before one instruction, from a trace function, so the
exception comes at the next such point, exactly as a real one does. The work runs once to find the instructions, and
then once for each. Works only in the main thread, where Python handles signals.
"""

from __future__ import annotations

import contextlib
import ctypes
import dis
import gc
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, TypeAlias

_signal = ctypes.pythonapi.PyErr_SetInterruptEx
_signal.argtypes = (ctypes.c_int,)

Point: TypeAlias = tuple[CodeType, int, int]
"""A place in the code, and how often it has been passed."""

LOOKS = ("RESUME", "CALL", "JUMP_BACKWARD", "SEND", "WITH_EXCEPT")
"""Prefixes of the instructions at which an interrupt may be raised; before any other it comes later."""
ELSEWHERE = "/logging/"
"""Python's own logging, where an interrupt may leave a lock held forever; only Python could fix that."""
PASSES = 2
"""How often one place is interrupted at most, in a loop for instance."""


class Interrupted(BaseException):
    """The exception that interrupts; like a soft time limit, no code expects it."""


def points(work: Callable[[], Any]) -> list[Point]:
    """Run the work, and return the points where it may be interrupted, in order."""
    seen: Counter[tuple[CodeType, int]] = Counter()
    found: list[Point] = []

    def look(code: CodeType, offset: int) -> None:
        place = code, offset
        if offset in _looks(code) and ELSEWHERE not in code.co_filename:
            seen[place] += 1
            if seen[place] <= PASSES:
                found.append((*place, seen[place]))

    _traced(work, look)
    return found


def interrupted(work: Callable[[], Any], point: Point) -> bool:
    """Run the work, interrupt it at a point, and return whether the interrupt was raised."""
    code, offset, passes = point

    def handler(*_: object) -> None:
        raise Interrupted

    def tracer(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal passes
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti == offset and frame.f_code is code:
            passes -= 1
            if passes == 0:
                sys.settrace(None)
                # The loop calls this without an instruction at which the trace function itself would be interrupted.
                for _ in map(_signal, (signal.SIGUSR1,)):
                    return None
        return tracer

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with _uncollected():
            sys.settrace(tracer)
            try:
                work()
            finally:
                sys.settrace(None)
        for _ in range(100):  # if it was requested at the very end, it comes here
            pass
    except Interrupted:
        return True
    finally:
        signal.signal(signal.SIGUSR1, before)
    return False


def _traced(work: Callable[[], Any], look: Callable[[CodeType, int], None]) -> None:
    def tracer(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode":
            look(frame.f_code, frame.f_lasti)
        return tracer

    with _uncollected():
        sys.settrace(tracer)
        try:
            work()
        finally:
            sys.settrace(None)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Collect no garbage: Python 3.12.1 crashes if it visits the frame of a generator that a tracer has seen."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


_offsets: dict[CodeType, frozenset[int]] = {}


def _looks(code: CodeType) -> frozenset[int]:
    found = _offsets.get(code)
    if found is None:
        found = frozenset(each.offset for each in dis.get_instructions(code) if each.opname.startswith(LOOKS))
        _offsets[code] = found
    return found
