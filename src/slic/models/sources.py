"""Open an encoder by what the user calls it: a folder, or the name of a published model."""

import re
from pathlib import Path

from slic.errors import CheckpointError
from slic.files import read_json_object
from slic.models.adaptation import InitOptions, start_from
from slic.models.backbones import find_backbone
from slic.models.config import EncoderConfig, HeadSpec, find_encoder_folder
from slic.models.default import DEFAULT_ENCODER, default_encoder
from slic.models.encoder import VideoEncoder
from slic.models.hub import is_hub_id

_PUBLISHED = re.compile(r"(slic|torchvision|transformers)/.+|[A-Za-z_][\w.]*:[A-Za-z_]\w*(@.+)?")


def open_encoder(source: str | Path) -> VideoEncoder:
    """Return an encoder, on the CPU and in evaluation mode.

    Args:
        source: One of

            * ``"default"``, the encoder that is built in;
            * the folder of an encoder, or of a run;
            * ``source/name``, see `find_backbone`: the published weights, on the clips that they
              were trained on, without a head;
            * ``source/name@weights`` for other weights: a published name, or a file;
            * ``org/name`` or ``org/name@revision``, an encoder on the Hugging Face Hub.

    Raises:
        CheckpointError: There is no such encoder, or its weights cannot be read.
        RecipeError: There is no such backbone.

    Example:
        >>> open_encoder("torchvision/r3d_18@KINETICS400_V1").clip.frames
        16
    """
    name = str(source)
    if name == DEFAULT_ENCODER:
        return default_encoder()
    if _is_of_transformers(Path(name)):
        raise CheckpointError(
            f"{source}: a model of the transformers library; name it transformers/{source}"
        )
    if folder := find_encoder_folder(source):
        return VideoEncoder.from_pretrained(folder)
    if _PUBLISHED.fullmatch(name) and not Path(name).is_dir():
        backbone, _, weights = name.partition("@")
        return build_published(backbone, weights or "pretrained")
    repository, _, revision = name.partition("@")
    if is_hub_id(repository):
        return VideoEncoder.from_pretrained(repository, revision=revision or None)
    return VideoEncoder.from_pretrained(source)


def build_published(backbone: str, weights: str = "pretrained") -> VideoEncoder:
    """Return an encoder with published weights, on the clips that these take, without a head.

    Args:
        backbone: Its name, see `find_backbone`.
        weights: See `InitOptions.weights`.
    """
    clip = find_backbone(backbone).native_clip()
    head = HeadSpec(hidden=0, embedding=0)
    encoder = VideoEncoder(EncoderConfig(backbone=backbone, head=head, clip=clip))
    start_from(encoder, InitOptions(weights=weights))
    return encoder.eval()


def _is_of_transformers(folder: Path) -> bool:
    """Return whether the library saved a folder; an encoder has the model type further inside."""
    try:
        return "model_type" in read_json_object(folder / "config.json")
    except (OSError, ValueError):
        return False
