"""
The error for a missing package of an extra; this module imports none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final, NoReturn

from ..errors import MissingDependency

__all__ = ["exit_with_advice", "missing"]

_EXTRAS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("click", "pydantic", "pydantic_core", "rich"), "cli"),
    **dict.fromkeys(
        ("alembic", "fastapi", "msgspec", "prometheus_client", "psycopg", "sqlalchemy", "uvicorn"), "server"
    ),
}
"""Which extra brings which package."""


def missing(error: ModuleNotFoundError) -> MissingDependency:
    """
    Turn a failed import into an error that says what to install.

    Raises:
        ModuleNotFoundError: the given error, if the missing module is not part of an extra (a bug of ours).
    """
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        raise error
    return MissingDependency(package.replace("_", "-"), _EXTRAS[package])


def exit_with_advice(error: ModuleNotFoundError) -> NoReturn:
    """Print that error on standard error, and exit."""
    sentence = missing(error)
    print(f"switchmaster: {sentence}", file=sys.stderr)
    sys.exit(sentence.exit_code)
