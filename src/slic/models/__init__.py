"""Encoders: backbones, the projection head, and their files."""
