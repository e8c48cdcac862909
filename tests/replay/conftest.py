"""The option that rewrites golden transcripts."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `pytest tests/replay --rewrite` replace what follows `----` in each golden transcript."""
    parser.addoption("--rewrite", action="store_true", help="rewrite the golden transcripts")
