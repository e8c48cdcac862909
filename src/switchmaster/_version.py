"""The version, written here and nowhere else. Imports nothing: asking for it costs nothing."""

__version__ = "0.1.0"
