"""
`switchmaster version`: `switchmaster.cli.main` answers it without importing this module, which is here for ``--help``.
"""

from __future__ import annotations

import click

from ..._version import __version__

__all__ = ["version"]


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"switchmaster {__version__}")
