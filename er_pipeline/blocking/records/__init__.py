"""Records: read, cleaned, numbered, and what is known of them."""
