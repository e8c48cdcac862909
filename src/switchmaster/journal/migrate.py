"""Bring a database to the schema of this version."""

from __future__ import annotations

from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from ..errors import UsageError

__all__ = ["is_current", "upgrade"]

SCRIPTS: Final = "switchmaster.journal:migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    return config


def is_current(connection: Connection) -> bool:
    """Return whether the schema is this version's."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


def upgrade(connection: Connection, revision: str = "head") -> None:
    """
    Run the missing migrations inside the caller's transaction: all of them or none.

    Args:
        connection: of a writing engine, so that two daemons that start together don't both migrate.
        revision: the last one to run; by default this version's.

    Raises:
        UsageError: the database was made by a later version of switchmaster.
    """
    if is_current(connection):
        return
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise UsageError(
            f"the journal was written by a later version of switchmaster ({error}); install that version, "
            "or name another database in [journal] url"
        ) from None
