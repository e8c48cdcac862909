"""
`switchmaster version`: answered by `switchmaster.cli.main` before this is imported; here for
``--help``.
"""

from __future__ import annotations

import click

from ..._version import __version__

__all__ = ["version"]


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"switchmaster {__version__}")
