"""Past damage: restart anchors, and the segments that a damaged scan decodes into."""
