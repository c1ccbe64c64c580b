"""The report as JSON, its schema, and atomic output."""
