"""Clip tensors in, embeddings out: backbones, the projection head, and their files."""
