"""``switchmaster completion``: the script that completes verbs, options and files in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]

VARIABLE = "_SWITCHMASTER_COMPLETE"
"""The environment variable by which the script asks; click derives the same from the program's name."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """
    Print the script that completes verbs, options and file names in a shell.

    Add the line for yours to its start-up file:

    \b
      bash  eval "$(switchmaster completion bash)"             # ~/.bashrc, bash 4.4 or newer
      zsh   eval "$(switchmaster completion zsh)"              # ~/.zshrc, after compinit
      fish  switchmaster completion fish | source              # ~/.config/fish/config.fish

    Where starting a program for each new shell is too slow, write the output to a file once, and source that.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "switchmaster", VARIABLE).source())
