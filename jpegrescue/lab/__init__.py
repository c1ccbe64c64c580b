"""The laboratory: data sets with known damage, and what a run is worth against them."""
