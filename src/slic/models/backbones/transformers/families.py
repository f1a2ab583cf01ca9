"""The model families of the transformers library that are known, and what differs between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slic.errors import RecipeError
from slic.models.backbones.transformers.positions import Axes

Pool = Literal["mean", "cls"]
Padding = Literal["longest", "max_length"]
Similarities = Callable[[Any, Tensor, Mapping[str, Tensor]], Tensor]
Features = Callable[[Any, Tensor, Pool | None], Tensor]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What is particular to one model family.

    Attributes:
        network: Name of the class in the library.
        features: Turns clips ``b t 3 h w`` into features, given the network and the pooling.
        rate: How far apart frames are, where the processor does not say: ``stride`` in video
            frames, ``fps``, or the ``seconds`` over which the frames are spread.
        pools: Ways to pool tokens, the default first; none where the network pools by itself.
        positions: Weights that hold position embeddings, with the axes that they vary along.
        blocks: Parts of the network from input to output. A list of layers counts one by one, and
            what follows the layers belongs to the last one.
        arguments: Arguments of the class besides the configuration.
        settings: Values of the configuration that are always set.
        removed: Parts that features do not need.
        frozen: Parts that only texts need; they are not trained.
        may_be_new: Weights that a file may lack, by the beginning of their names.
        fixed_positions: Position tables that are computed, not learnt, so not in the weights.
        padding: How token ids are padded, where there is a text tower; otherwise None.
        similarities: Cosines of clips and tokens, where they are not those of their embeddings.
    """

    network: str
    features: Features
    rate: Mapping[str, int | float]
    pools: tuple[Pool, ...] = ()
    positions: Mapping[str, Axes] = field(default_factory=dict)
    blocks: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    may_be_new: tuple[str, ...] = ()
    fixed_positions: Mapping[str, Axes] = field(default_factory=dict)
    padding: Padding | None = None
    similarities: Similarities | None = None


def find_family(config: Mapping[str, Any], *, model: str) -> Family:
    """Return the family of a configuration.

    Raises:
        RecipeError: The architecture is unknown.
    """
    kind = config.get("model_type")
    if kind in FAMILIES:
        return FAMILIES[kind]
    code = " The code in its repository is not run." if "auto_map" in config else ""
    raise RecipeError(
        f"{model}: the model type {kind!r} of its config.json is no video encoder that slic knows."
        f"{code} Known: {', '.join(FAMILIES)}."
    )


def _pool(tokens: Float[Tensor, "b n f"], pool: Pool | None, *, first: int) -> Float[Tensor, "b f"]:
    """Pool tokens; the patches begin with token ``first``."""
    return tokens[:, 0] if pool == "cls" else tokens[:, first:].mean(dim=1)


def _of_patches(
    network: Any, clips: Float[Tensor, "b t 3 h w"], pool: Pool | None
) -> Float[Tensor, "b f"]:
    return _pool(network(clips).last_hidden_state, pool, first=0)


def _of_patches_after_class_token(
    network: Any, clips: Float[Tensor, "b t 3 h w"], pool: Pool | None
) -> Float[Tensor, "b f"]:
    return _pool(network(clips).last_hidden_state, pool, first=1)


def _of_vjepa2(
    network: Any, clips: Float[Tensor, "b t 3 h w"], pool: Pool | None
) -> Float[Tensor, "b f"]:
    return _of_patches(network.encoder, clips, pool)


def _of_videomae(
    network: Any, clips: Float[Tensor, "b t 3 h w"], pool: Pool | None
) -> Float[Tensor, "b f"]:
    """Return what the library's classifier sees: the mean token, then its layer norm."""
    features = _of_patches(network.videomae, clips, pool)
    normalised: Tensor = features if network.fc_norm is None else network.fc_norm(features)
    return normalised


def _of_video_tower(
    network: Any, clips: Float[Tensor, "b t 3 h w"], _: Pool | None
) -> Float[Tensor, "b f"]:
    embeddings: Tensor = network.get_video_features(clips).pooler_output
    return embeddings.flatten(1)  # a `len` would fix the batch size of an exported graph


def _of_image_tower(
    network: Any, clips: Float[Tensor, "b t 3 h w"], _: Pool | None
) -> Float[Tensor, "b f"]:
    """Return the mean direction of the frames (Luo et al., arXiv 2104.08860)."""
    frames = network.get_image_features(clips.flatten(0, 1)).pooler_output
    return F.normalize(frames, dim=1).view(*clips.shape[:2], -1).mean(dim=1)


def _with_prompts(
    network: Any, clips: Float[Tensor, "b t 3 h w"], tokens: Mapping[str, Tensor]
) -> Float[Tensor, "b n"]:
    """Return the cosines of X-CLIP, which adds a prompt made from the clip to each text."""
    logits: Tensor = network(pixel_values=clips, **tokens).logits_per_video
    similarities: Tensor = logits / network.logit_scale.exp()
    return similarities


_SPREAD = {"seconds": 4.0}
"""Where training spreads the frames evenly over a video of any length; short, to find moments."""

FAMILIES: dict[str, Family] = {
    "vjepa2": Family(  # 4 frames per second: arXiv 2506.09985
        network="VJEPA2Model", features=_of_vjepa2, rate={"fps": 4.0}, pools=("mean",),
        blocks=("encoder.embeddings", "encoder.layer", "encoder.layernorm"), removed=("predictor",),
    ),
    "videomae": Family(  # stride 4 on Kinetics: arXiv 2203.12602
        network="VideoMAEForVideoClassification", features=_of_videomae, rate={"stride": 4},
        pools=("mean",), settings={"num_labels": 0}, may_be_new=("fc_norm.",),
        fixed_positions={"videomae.embeddings.position_embeddings": "space-time"},
        blocks=("videomae.embeddings", "videomae.encoder.layer", "videomae.layernorm", "fc_norm"),
    ),
    "timesformer": Family(  # 8 frames, stride 32: arXiv 2102.05095
        network="TimesformerModel", features=_of_patches_after_class_token, rate={"stride": 32},
        pools=("cls", "mean"), blocks=("embeddings", "encoder.layer", "layernorm"),
        positions={"embeddings.position_embeddings": "space", "embeddings.time_embeddings": "time"},
    ),
    "vivit": Family(  # 32 frames, stride 2: arXiv 2103.15691
        network="VivitModel", features=_of_patches_after_class_token, rate={"stride": 2},
        pools=("cls", "mean"), blocks=("embeddings", "layers", "layernorm"),
        positions={"embeddings.position_embeddings": "space-time"},
        arguments={"add_pooling_layer": False},
    ),
    "videoprism_vision_model": Family(
        network="VideoPrismVisionModel", features=_of_patches, rate=_SPREAD, pools=("mean",),
        blocks=("spatial_embeddings", "spatial_layers", "layernorm1",
                "temporal_embeddings", "temporal_layers", "layernorm2"),
        positions={"spatial_embeddings.position_embeddings": "space",
                   "temporal_embeddings.position_embeddings": "time"},
    ),
    "videoprism": Family(
        network="VideoPrismClipModel", features=_of_video_tower, rate=_SPREAD,
        blocks=("video_model.vision_model.spatial_embeddings",
                "video_model.vision_model.spatial_layers",
                "video_model.vision_model.layernorm1",
                "video_model.vision_model.temporal_embeddings",
                "video_model.vision_model.temporal_layers",
                "video_model.vision_model.layernorm2",
                "video_model.auxiliary_layers", "video_model.head", "video_model.head_layernorm"),
        positions={"video_model.vision_model.spatial_embeddings.position_embeddings": "space",
                   "video_model.vision_model.temporal_embeddings.position_embeddings": "time"},
        frozen=("text_model",), padding="max_length",
    ),
    "xclip": Family(
        network="XCLIPModel", features=_of_video_tower, rate=_SPREAD,
        blocks=("vision_model.embeddings", "vision_model.pre_layernorm",
                "vision_model.encoder.layers", "vision_model.post_layernorm", "visual_projection",
                "mit"),
        positions={"vision_model.embeddings.position_embedding.weight": "space",
                   "mit.position_embedding": "time"},
        frozen=("text_model", "text_projection", "logit_scale", "prompts_visual_layernorm",
                "prompts_visual_projection", "prompts_generator"),
        padding="longest", similarities=_with_prompts,
    ),
    "clip": Family(
        network="CLIPModel", features=_of_image_tower, rate=_SPREAD,
        blocks=("vision_model.embeddings", "vision_model.pre_layrnorm",
                "vision_model.encoder.layers", "vision_model.post_layernorm", "visual_projection"),
        positions={"vision_model.embeddings.position_embedding.weight": "space"},
        frozen=("text_model", "text_projection", "logit_scale"), padding="longest",
    ),
    "siglip": Family(
        network="SiglipModel", features=_of_image_tower, rate=_SPREAD,
        blocks=("vision_model.embeddings", "vision_model.encoder.layers",
                "vision_model.post_layernorm", "vision_model.head"),
        positions={"vision_model.embeddings.position_embedding.weight": "space"},
        frozen=("text_model", "logit_scale", "logit_bias"), padding="max_length",
    ),
}  # fmt: skip
"""By the ``model_type`` of ``config.json``."""


def list_blocks(network: nn.Module, family: Family) -> list[nn.Module]:
    """Return the blocks of a network from input to output; see `Family.blocks`."""
    groups: list[list[nn.Module]] = [[]]
    modules = dict(network.named_modules())
    for part in (modules[name] for name in family.blocks if name in modules):
        if isinstance(part, nn.ModuleList):
            groups += [[layer] for layer in part]
        else:
            groups[-1].append(part)
    return [group[0] if len(group) == 1 else nn.ModuleList(group) for group in groups]
