"""Changes: what a night made of the pairs otherwise than the night before, and why."""
