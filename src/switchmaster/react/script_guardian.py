"""
Run a script, and end it if the daemon that started it was killed.

A program of its own, run as ``python -I -S script_guardian.py FD ARGV...`` as the leader of a process group. FD is the
reading end of a pipe whose other end only the daemon has: when it ends, the whole group is killed, so that no script
runs beside the one that another daemon starts. It ends as the script did, by the same code or signal.
"""

from __future__ import annotations

import os
import select
import signal
import sys

NOT_STARTED = 127
"""The exit code if there is no such program, as in a shell."""


def run(control: int, argv: list[str]) -> int:
    """Run a program to its end; return its exit code, or the negative number of the signal that ended it."""
    os.set_inheritable(control, False)
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # The daemon ends the group by SIGTERM first: the script may tidy up, and is still watched.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        child = os.posix_spawnp(argv[0], argv, os.environ, setsigdef=[signal.SIGTERM, signal.SIGPIPE])
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode(errors="surrogateescape"))
        return NOT_STARTED
    while True:
        ready, _, _ = select.select([control, woken], [], [])
        if control in ready:
            os.killpg(0, signal.SIGKILL)
        os.read(woken, 4096)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    code = run(int(sys.argv[1]), sys.argv[2:])
    if code < 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
