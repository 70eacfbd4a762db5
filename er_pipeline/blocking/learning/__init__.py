"""Learning: conjunctions of keys chosen for what they find and what they cost."""
