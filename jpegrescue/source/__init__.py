"""The evidence as stacked layers of bytes, opened read-only."""
