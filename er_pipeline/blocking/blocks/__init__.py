"""Blocks: the records that share a key, sized, filtered and divided."""
