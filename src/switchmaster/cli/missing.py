"""What is said when a package of the extra ``cli`` is not there; imports none of them."""

from __future__ import annotations

import sys
from typing import NoReturn

from ..errors import MissingDependency

__all__ = ["explain", "missing"]


def missing(error: ModuleNotFoundError) -> MissingDependency:
    """
    Turn a failed import into the sentence that says what to install.

    Raises:
        ModuleNotFoundError: the one given, where no package of an extra is missing: a bug of ours.
    """
    package = (error.name or "").partition(".")[0]
    if package not in ("click", "rich"):
        raise error
    return MissingDependency(package, "cli")


def explain(error: ModuleNotFoundError) -> NoReturn:
    """Say it on standard error, and exit."""
    sentence = missing(error)
    print(f"switchmaster: {sentence}", file=sys.stderr)
    sys.exit(sentence.exit_code)
