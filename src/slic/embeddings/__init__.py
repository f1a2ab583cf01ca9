"""Embed the videos of a catalog, and store the embeddings with the settings that made them."""

from slic.embeddings.embedding import AllWindows, Precision, embed
from slic.embeddings.stored import Embeddings, Layer

__all__ = ["AllWindows", "Embeddings", "Layer", "Precision", "embed"]
