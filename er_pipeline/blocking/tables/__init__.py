"""Tables: where they lie, what they hold, and the engine that reads and writes them."""
