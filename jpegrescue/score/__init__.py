"""Plausibility of decoded MCUs, and how far an embedded preview can be trusted."""
