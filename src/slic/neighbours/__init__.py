"""Cosine nearest-neighbour search and row-wise vector arithmetic."""
