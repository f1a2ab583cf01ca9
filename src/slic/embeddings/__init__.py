"""Embed a catalog; embeddings know which videos, encoder and protocol they come from."""

from slic.embeddings.embedding import AllWindows, Precision, centred_unit_rows, embed
from slic.embeddings.stored import Embeddings, Layer

__all__ = ["AllWindows", "Embeddings", "Layer", "Precision", "centred_unit_rows", "embed"]
