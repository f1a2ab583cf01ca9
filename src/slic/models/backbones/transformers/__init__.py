"""Video encoders of the transformers library, by hub id or local folder.

The library is an optional dependency and is imported when a model is built. Code from a model
repository is never run.
"""

from slic.models.backbones.transformers.backbone import TransformersBackbone
from slic.models.backbones.transformers.families import FAMILIES, Family, Pool

__all__ = ["FAMILIES", "Family", "Pool", "TransformersBackbone"]
