"""Slow, plain, independent implementations that tests compare the package with."""
