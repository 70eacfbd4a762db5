"""Notices: how a run went, said in a few plain sentences to whom the declaration names."""
