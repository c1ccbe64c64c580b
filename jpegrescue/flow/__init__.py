"""The order of stages: the only place that knows it."""
