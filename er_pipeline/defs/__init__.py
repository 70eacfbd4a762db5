"""Datasets: one folder each, with one defs.yaml."""
