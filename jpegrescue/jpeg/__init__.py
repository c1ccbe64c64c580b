"""JPEG as a format: markers, tables, entropy decoding, pixels, thumbnails. Mechanism only, no policy."""
