"""Backbones: clip tensors in, one feature vector per clip out."""
