"""Weights: how much every agreement says for a match."""
