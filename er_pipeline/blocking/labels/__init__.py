"""Labels: pairs that people have judged, and those to ask about next."""
