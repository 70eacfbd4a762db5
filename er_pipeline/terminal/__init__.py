"""The terminal: the command er-pipeline."""
