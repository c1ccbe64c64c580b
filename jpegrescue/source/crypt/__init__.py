"""Sector ciphers over a byte source."""
