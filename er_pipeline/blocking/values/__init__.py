"""Values: how one value is cleaned, and the keys that are made of values."""
