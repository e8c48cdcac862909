"""Text from the network, made harmless for a terminal: everything that the CLI prints in words goes through here."""

from __future__ import annotations

from ..harmless import neutralise

__all__ = ["neutralise"]
