"""Undoing flipped bits: search, verification, and what may be claimed of the result."""
