"""Programs that break things on purpose, and see that nothing wrong is published."""
