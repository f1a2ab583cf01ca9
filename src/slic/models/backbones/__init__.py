"""Backbones: clips in, one feature vector per clip out.

A recipe or a command names a backbone as ``source/name``: a key of `BACKBONES`,
``transformers/<hub id or local folder>``, or an import path outside the package.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from slic.errors import RecipeError
from slic.lookup import look_up
from slic.models.backbones.base import Backbone, ClipSpec
from slic.models.backbones.motion import MotionR3D
from slic.models.backbones.r3d import R3D
from slic.models.backbones.torchvision import PUBLISHED, TorchvisionBackbone
from slic.models.backbones.transformers import TransformersBackbone
from slic.models.backbones.two_stream import TwoStreams

FILLED_IN = frozenset({"clip", "input_channels"})
"""Constructor arguments of a backbone that are not settings."""


@dataclass(frozen=True)
class BackboneEntry:
    """What the name of a backbone stands for.

    Attributes:
        build: The class. It is called with ``clip``, the fixed arguments and the settings.
        fixed: Arguments that follow from the name, such as ``depth``.
    """

    build: Callable[..., Any]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def not_settings(self) -> Collection[str]:
        """Names of the constructor arguments that are not settings."""
        return FILLED_IN | set(self.fixed)

    @property
    def has_native_clip(self) -> bool:
        """Whether there are published weights that were trained on certain clips."""
        return hasattr(self.build, "native_clip")

    def native_clip(self) -> ClipSpec:
        """Return the clips that the published weights take; the paper's if there are none."""
        build: Any = self.build
        clip: ClipSpec = build.native_clip(**self.fixed) if self.has_native_clip else ClipSpec()
        return clip


BACKBONES: dict[str, BackboneEntry] = {
    "slic/r3d10": BackboneEntry(R3D, {"depth": 10}),
    "slic/r3d18": BackboneEntry(R3D, {"depth": 18}),
    "slic/r3d34": BackboneEntry(R3D, {"depth": 34}),
    "slic/r3d50": BackboneEntry(R3D, {"depth": 50}),
    "slic/motion": BackboneEntry(MotionR3D),
    "slic/two-stream": BackboneEntry(TwoStreams),
    **{
        f"torchvision/{model}": BackboneEntry(TorchvisionBackbone, {"model": model})
        for model in PUBLISHED
    },
}

__all__ = [
    "BACKBONES",
    "R3D",
    "Backbone",
    "BackboneEntry",
    "ClipSpec",
    "MotionR3D",
    "TransformersBackbone",
    "TwoStreams",
    "find_backbone",
]


def find_backbone(name: str) -> BackboneEntry:
    """Return what the name of a backbone stands for.

    Args:
        name: A key of `BACKBONES`, ``transformers/`` with a hub id or a local folder, or an import
            path such as ``my_module:MyBackbone``.

    Raises:
        RecipeError: There is no such backbone; the message lists the known names.

    Example:
        >>> find_backbone("slic/r3d18").build(ClipSpec(), depth=18)
    """
    source, _, model = name.partition("/")
    if source == "transformers" and model:
        return BackboneEntry(TransformersBackbone, {"model": model})
    found = look_up(name, BACKBONES, kind="backbone", error=RecipeError)
    return found if isinstance(found, BackboneEntry) else BackboneEntry(found)
