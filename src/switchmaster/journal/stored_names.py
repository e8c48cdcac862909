"""How names from the network are written so that any database keeps them; see `schema.Name`."""

from __future__ import annotations

import json
from functools import lru_cache

__all__ = ["plain", "stored"]


@lru_cache(maxsize=16_384)
def stored(name: str) -> str:
    """
    Write a name so that any database keeps it.

    Args:
        name: a name from the network.

    Returns:
        The name itself; as JSON if it holds NUL or bytes that are not UTF-8, or begins like JSON.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return json.dumps(name)
    return json.dumps(name) if "\0" in name or name.startswith('"') else name


def plain(name: str) -> str:
    """Read what `stored` wrote."""
    return str(json.loads(name)) if name.startswith('"') else name
