"""The built-in encoder: it needs no download and no training."""

from typing import Final

from slic.models.backbones.two_stream import TwoStreams
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

DEFAULT_ENCODER: Final = "default"
"""Name of the built-in encoder, where an encoder is asked for."""

DEFAULT_ENCODER_NOTE: Final = (
    "encoder: built in, not trained (appearance: colours and edges; motion: optical flow). Better "
    "results: `slic pretrain` learns from these videos; `slic backbones` lists published encoders."
)
"""One line for the user of a command that was given no encoder."""


def default_encoder() -> VideoEncoder:
    """Return the built-in encoder, on the CPU and in evaluation mode.

    Its embedding has two vectors of unit length, ``"appearance"`` and ``"motion"``; see
    `TwoStreams`. `docs/results.md` compares it with trained encoders.

    Example:
        >>> default_encoder().vectors
        {'appearance': 196, 'motion': 384}
    """
    config = EncoderConfig(
        backbone="slic/two-stream",
        head=HeadSpec(hidden=0, embedding=0),
        clip=TwoStreams.native_clip(),
    )
    encoder = VideoEncoder(config)
    encoder.backbone.load_pretrained("pretrained")  # type: ignore[attr-defined]
    return encoder.eval()
