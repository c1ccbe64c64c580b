"""What is truly lost, interpolated from what is known."""
