"""Putting colours and blocks back where they belong."""
