"""cli/verbs."""
