"""Commands: parse, wire, print, exit code."""
