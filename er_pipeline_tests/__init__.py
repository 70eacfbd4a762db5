"""Tests of er_pipeline: one file per module, real data where it is at hand."""
