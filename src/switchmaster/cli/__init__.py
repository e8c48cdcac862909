"""
The command line: ``switchmaster VERB``.

What comes in: arguments, environment variables, and for some verbs a configuration file. What goes out: results on
standard output, everything else on standard error, and an exit code: 0 done, 1 a negative answer, 2 usage or
configuration, 3 no Sentinel or daemon reached, 4 no such master, 5 the Sentinels or the daemon refuse to answer; 6, 7
and 8 are the endings of a failover that did not go as planned (docs/reference/errors.md).

`main` is the console script. It answers ``version`` before it imports anything, because scripts ask for it often.
`group` imports a verb's module (`verbs`) only when that verb is called, and turns exceptions into one sentence and an
exit code. `missing` words the error of an extra that is not installed.

Options that several verbs share: `deployment_options` (which Sentinels, with which credentials), `journal_options`
(which journal, which failover), `daemon_client` (which daemon, and requests to it), `local_time` (``--utc``, and
moments such as ``7d`` or ``03:12``), `sources` (files of logs and transcripts).

What the verbs share on the way out: `output` (text, JSON or TSV; it escapes what a terminal would obey), `wrap` (line
breaks between words), `narrator` (a failover reported while it happens), `chart` (one failover of the journal), `tree`
(a topology), `explained` and `down_after_words` (what `explain` says), `diagnosis_words` (what the doctor found).

A planned failover: `confirmation` (the master's name, typed once more; the guard's verb asks for it too), `operation`
(a Watcher in the foreground, and an orderly end by signals), `plan_words` (the plan and how it ended), `canary` (a
writer through our client meanwhile).

What verbs run: `command_watcher` (a Watcher for one command), `front` (a relay or a proxy in the foreground),
`inspected` (everything asked once), `measured` (pauses, measured or kept), `news_feed` and `interrupt` (news from the
Watcher's thread, and ^C, without a lost lock), `incidents` (files replayed into failovers), `demo_daemon` and
`demo_writer` (what the demo shows).

Invariants: no traceback for anything that the outside world can cause; text from the network reaches a terminal only
through `output` or `switchmaster.terminal_text`; a verb imports neither `rich` nor the server's libraries unless it
uses them.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process, and exit."""
    if sys.argv[1:] in (["version"], ["--version"]):
        from switchmaster._version import __version__

        print(f"switchmaster {__version__}")
        return
    try:
        from switchmaster.cli.group import cli
    except ModuleNotFoundError as error:
        from switchmaster.cli.missing import exit_with_advice

        exit_with_advice(error)
    else:
        cli.main(prog_name="switchmaster")
