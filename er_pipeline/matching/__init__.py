"""The pure half, continued: candidate pairs -> a model, matches, entities, what was missed."""
