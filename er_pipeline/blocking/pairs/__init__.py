"""Pairs: every candidate once, weighed, within the budget."""
