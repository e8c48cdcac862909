"""server/settings."""
