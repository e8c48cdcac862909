"""
The group of all verbs: it imports a verb when that verb is called, and turns its exceptions into one sentence.

Nothing that the outside world can cause ends in a traceback; a bug of ours does.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final, TextIO

import click
from click.shell_completion import CompletionItem

from .._version import __version__
from ..errors import SwitchmasterError
from .missing import missing
from .output import complain

__all__ = ["VERBS", "cli"]

VERBS: Final = (
    *("watch", "masters", "master", "topology", "replay", "why", "import", "explain", "doctor"),
    *(
        "failover",
        "rolling",
        "serve",
        "relay",
        "proxy",
        "guard",
        "actions",
        "history",
        "show",
        "ack",
        "comment",
        "config",
    ),
    *("lab", "demo", "completion", "version"),
)
"""The verbs, in the order of ``--help``; each is the click command of that name in the module of that name."""

RENAMED_MODULES: Final = {"import": ("importing", "import_")}
"""Module and command of verbs whose name is a Python keyword."""

INTERRUPTED: Final = 130
"""128 + SIGINT, as in a shell."""


class Verbs(click.Group):
    """Imports each verb when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, name = RENAMED_MODULES.get(cmd_name, (cmd_name, cmd_name))
        verb = getattr(importlib.import_module(f"switchmaster.cli.verbs.{module}"), name)
        assert isinstance(verb, click.Command)
        return verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # click suggests only from loaded commands; ours are loaded when they are called.
        if args[0] not in VERBS and not args[0].startswith("-") and (near := _near(args[0])):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near!r}?")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # click would import every verb for its help, which takes longer than a person waits for a TAB.
        verbs = [CompletionItem(verb) for verb in VERBS if verb.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            _never_fail_to_encode(stream)
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except SwitchmasterError as error:
            complain(str(error))
            ctx.exit(error.exit_code)
        except ModuleNotFoundError as error:
            sentence = missing(error)
            complain(str(sentence))
            ctx.exit(sentence.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            _discard_output()
            ctx.exit(0)
        except OSError as error:
            subject = f" {error.filename}" if error.filename else ""
            complain(f"the system refused{subject}: {error.strerror or error}")
            ctx.exit(1)
        return result


def _near(word: str) -> str:
    """Return the verb that a word resembles; empty if none."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, VERBS, 1)), "")


def _never_fail_to_encode(stream: TextIO) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    # The reader of our output has closed it. Python would flush once more at exit, and complain.
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # standard output is not a file, as in a test
        return


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="switchmaster %(version)s")
def cli() -> None:
    """
    Know first which server is the master of a Redis or Valkey Sentinel deployment, and why.

    Give Sentinels as HOST:PORT..., as a URL (redis+sentinel://user:pass@h1:26379,h2:26379/mymaster,
    whose user and password are for the DATA NODES), with --config FILE, or in SWITCHMASTER_SENTINELS.

    Exit codes: 0 done, 1 a negative answer, 2 wrong usage or configuration, 3 no Sentinel or daemon
    could be reached, 4 no such master, 5 the Sentinels or the daemon refuse to answer, 6 a failover was
    begun and did not end as it should, 7 and left two nodes that take writes, 8 or no known new master.
    """
