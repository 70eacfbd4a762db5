"""Neighbours: the records whose texts are most similar."""
