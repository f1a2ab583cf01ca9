"""Backbones: clips in, one feature vector per clip out.

A recipe names a backbone by a key of `BACKBONES`, or by an import path outside the package.
"""

from slic.models.backbones.base import Backbone, ClipSpec
from slic.models.backbones.motion import MotionR3D
from slic.models.backbones.r3d import R3D

BACKBONES: dict[str, type] = {"r3d": R3D, "motion": MotionR3D}

__all__ = ["BACKBONES", "R3D", "Backbone", "ClipSpec", "MotionR3D"]
