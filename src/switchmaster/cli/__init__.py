"""
The command line: one file per verb, imported when it is called.

`main` is the console script. ``version`` is answered before anything is imported: scripts ask for
it often. Exit codes: 0 done, 1 a negative answer, 2 usage or configuration, 3 no Sentinel reached,
4 no such master, 5 the Sentinels refuse to answer.
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
