"""Sinks: places outside the lake that get chosen tables, as the catalog shows them."""
