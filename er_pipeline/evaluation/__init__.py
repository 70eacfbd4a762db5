"""Evaluation: what the pairs and matches are worth, and what was missed."""
