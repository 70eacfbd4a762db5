"""The spec: what a defs.yaml says."""
