"""
The confirmation of what can't be taken back: the master's name, typed once more.
"""

from __future__ import annotations

import sys

import click

from ..errors import UsageError

__all__ = ["confirm_by_name", "is_interactive"]


def is_interactive() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty()


def confirm_by_name(name: str, warning: str, prompt: str, unattended: str) -> None:
    """
    Ask for the master's name.

    Args:
        name: the master's.
        warning: what is about to happen.
        prompt: what is asked.
        unattended: the sentence for a script, which says what to do instead.

    Raises:
        UsageError: there is no terminal, or another name was typed; nothing was done.
    """
    if not is_interactive():
        raise UsageError(unattended)
    if warning:
        click.echo(warning, err=True)
    if click.prompt(prompt, err=True, default="", show_default=False) != name:
        raise UsageError("that is not the master's name; nothing was done")
