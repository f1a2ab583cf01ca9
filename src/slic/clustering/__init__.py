"""Embeddings in, pseudo-labels out."""
