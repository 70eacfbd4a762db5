"""The Dagster half: when to run what, with which settings."""
