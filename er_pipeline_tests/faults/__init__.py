"""Faults: programs that break a lake on purpose, and count what of it is then wrong."""
