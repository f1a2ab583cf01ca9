"""TransformersBackbone: a video encoder of the transformers library, by hub id or folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slic.errors import CheckpointError, RecipeError
from slic.files import write_atomically
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.transformers import source as files
from slic.models.backbones.transformers.families import Family, Pool, find_family, list_blocks
from slic.models.backbones.transformers.native_clip import (
    native_clip_of,
    network_frames,
    network_size,
    token_grid,
)
from slic.models.backbones.transformers.networks import build_config, build_network, load_network
from slic.models.backbones.transformers.positions import TokenGrid, resample_positions

TOKENIZER_FOLDER = "tokenizer"


class TransformersBackbone(nn.Module):
    """A video encoder of the transformers library: V-JEPA 2, VideoMAE, X-CLIP and others.

    Classifiers and decoders are left out. Where frames or size differ from those of the weights,
    position embeddings are interpolated linearly (`resample_positions`); V-JEPA 2 has rotary ones,
    which need nothing. A text tower is kept, but not trained.

    Args:
        clip: The clips that it takes.
        model: Hub id, or a folder that transformers saved.
        config: Configuration of the model; weights of a saved encoder have to follow, until then
            they are NaN. None reads it from ``model`` and draws random weights.
        pool: How tokens become one vector: ``"mean"`` of all patches, or the class token
            ``"cls"``. None takes what the family is used with, the first of `Family.pools`.

    Raises:
        CheckpointError: A file of the model is missing or damaged.
        RecipeError: The architecture is unknown, or an argument does not fit it.
        SlicError: The library is not installed.

    Example:
        >>> clip = TransformersBackbone.native_clip(model="facebook/vjepa2-vitl-fpc64-256")
        >>> backbone = TransformersBackbone(clip, model="facebook/vjepa2-vitl-fpc64-256")
    """

    version: int = 1
    modalities: tuple[str, ...] = ("rgb",)
    extra: str | None = files.EXTRA
    licence: str = "see the card of the model"

    def __init__(
        self,
        clip: ClipSpec,
        *,
        model: str,
        config: dict[str, Any] | None = None,
        pool: Pool | None = None,
    ) -> None:
        super().__init__()
        library = files.load_library(model)
        given = files.read_config(model) if config is None else config
        self.clip, self.model = clip, model
        self._is_folder = Path(model).is_dir()
        self._family = find_family(given, model=model)
        self._settings = files.architecture_of(given)
        self._native = build_config(library, self._family, self._settings, model=model)
        self._pool = _checked_pool(self._family, pool, model=model)
        self.network = build_network(
            library, self._family, self._native, clip=clip, model=model,
            grids=(self._native_grid, self._grid), draw=config is None,
        )  # fmt: skip
        size = getattr(self._native, "projection_dim", None)
        vision = getattr(self._native, "vision_config", self._native)
        self.feature_size: int = size or vision.hidden_size
        self._tokenizer: Any = None
        self._tokenizer_source = model if config is None else None

    @staticmethod
    def native_clip(model: str) -> ClipSpec:
        """Return the clips of the published weights, from the model's own files.

        Args:
            model: Hub id or folder.

        Raises:
            CheckpointError: A file of the model is missing or damaged.
            RecipeError: The architecture is unknown.
        """
        library = files.load_library(model)
        settings = files.read_config(model)
        family = find_family(settings, model=model)
        config = build_config(library, family, files.architecture_of(settings), model=model)
        return native_clip_of(family, config, files.read_processor(model), model=model)

    @property
    def portable_name(self) -> str:
        """The name in saved encoders. It has no local path, so fingerprints do not depend on it."""
        return f"transformers/{Path(self.model).name if self._is_folder else self.model}"

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments that rebuild the backbone without files of the model."""
        return {"config": self._settings, "pool": self._pool}

    @property
    def vectors(self) -> dict[str, int]:
        """The features lie in the space of texts where there is a text tower."""
        return {"embedding" if self._family.padding is None else "text": self.feature_size}

    @property
    def text_needs_clip(self) -> bool:
        """Whether `text_similarities` is more than the cosine of features and `encode_text`."""
        return self._family.similarities is not None

    @property
    def blocks(self) -> list[nn.Module]:
        """The embedding of patches, then each layer; the last has the layers that follow it."""
        return list_blocks(self.network, self._family)

    def forward(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b f"]:
        """Return one feature vector per clip."""
        return self._family.features(self.network, clips.transpose(1, 2), self._pool)

    def gradient_checkpointing(self, enabled: bool) -> None:
        """Compute the activations of each layer again in the backward pass."""
        network: Any = self.network
        if hasattr(network, "activation_checkpointing_enable"):
            verb = "enable" if enabled else "disable"
            getattr(network, f"activation_checkpointing_{verb}")()
        elif enabled:  # the name in earlier versions
            network.gradient_checkpointing_enable({"use_reentrant": False})
        else:
            network.gradient_checkpointing_disable()

    def load_pretrained(self, weights: str = "pretrained") -> None:
        """Load the published weights.

        Args:
            weights: ``"pretrained"``; a model of the hub has one set of weights.

        Raises:
            CheckpointError: There are no such weights, or they are damaged or do not fit.
        """
        if weights != "pretrained":
            raise CheckpointError(
                f"{self.model}: no weights {weights!r}; it has 'pretrained' only. "
                "Name other weights by the folder or hub id of their model."
            )
        self._take(load_network(self._family, self._native, model=self.model))
        self._tokenizer, self._tokenizer_source = None, self.model

    def load_weights(self, state: Mapping[str, Tensor], *, source: Path) -> None:
        """Load weights under the names that the library saves; a classifier is left out.

        Args:
            state: The weights, for the frames and size of the configuration.
            source: The file that they come from, for the message.

        Raises:
            CheckpointError: They do not fit.
        """
        self._take(
            load_network(self._family, self._native, model=self.model, state=state, source=source)
        )

    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Return the embeddings of texts in the space of the features, not normalised.

        Texts that are too long for the model are cut off.

        Raises:
            CheckpointError: The tokenizer's files are missing.
            RecipeError: There is no text tower.
        """
        network: Any = self.network
        tokens = self._tokens(texts)
        with torch.no_grad():
            embeddings: Tensor = network.get_text_features(**tokens).pooler_output
        return embeddings.reshape(len(texts), -1)

    def text_similarities(
        self, clips: Float[Tensor, "b 3 t h w"], texts: Sequence[str]
    ) -> Float[Tensor, "b n"]:
        """Return the similarity of each clip and text as the model computes it, in [-1, 1].

        For X-CLIP that is more than the cosine of features and `encode_text`: its text embedding
        also depends on the clip (prompts, Ni et al., arXiv 2208.02816). An index cannot hold
        that, so it ranks by the cosine, and this ranks the best hits again.

        Args:
            clips: Pixels, normalised with the mean and standard deviation of ``clip``.
            texts: The texts.

        Raises:
            CheckpointError: The tokenizer's files are missing.
            RecipeError: There is no text tower.
        """
        with torch.no_grad():
            if self._family.similarities is not None:
                tokens = self._tokens(texts)
                return self._family.similarities(self.network, clips.transpose(1, 2), tokens)
            return F.normalize(self(clips), dim=1) @ F.normalize(self.encode_text(texts), dim=1).T

    def save_files(self, folder: Path) -> None:
        """Write the tokenizer to a folder, where there is one.

        Raises:
            CheckpointError: The tokenizer cannot be read.
            WriteError: The files cannot be written.
        """
        if self._family.padding is None or not self._has_tokenizer():
            return
        with TemporaryDirectory() as temporary:
            self._load_tokenizer().save_pretrained(temporary)
            for path in sorted(Path(temporary).iterdir()):
                write_atomically(folder / TOKENIZER_FOLDER / path.name, path.read_bytes())

    def load_files(self, folder: Path) -> None:
        """Take the tokenizer that `save_files` wrote."""
        path = folder / TOKENIZER_FOLDER
        self._tokenizer, self._tokenizer_source = None, str(path) if path.is_dir() else None

    @property
    def _native_grid(self) -> TokenGrid:
        frames, size = network_frames(self._native), network_size(self._native)
        return token_grid(self._native, frames=frames, size=size, model=self.model)

    @property
    def _grid(self) -> TokenGrid:
        clip = self.clip
        return token_grid(self._native, frames=clip.frames, size=clip.size, model=self.model)

    def _take(self, network: nn.Module) -> None:
        """Copy the weights of a network for the native clips."""
        names = self.network.state_dict().keys()
        state = {name: value for name, value in network.state_dict().items() if name in names}
        positions = self._family.positions
        state = resample_positions(state, positions, old=self._native_grid, new=self._grid)
        self.network.load_state_dict(state)

    def _tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        if self._family.padding is None:
            raise RecipeError(
                f"{self.model}: this model has no text tower, so texts do not fit it."
            )
        tokens = self._load_tokenizer()(
            list(texts), padding=self._family.padding, truncation=True, return_tensors="pt",
            max_length=self._native.text_config.max_position_embeddings,
        )  # fmt: skip
        device = next(self.network.parameters()).device
        wanted = ("input_ids", "attention_mask")
        return {name: tokens[name].to(device) for name in wanted if name in tokens}

    def _load_tokenizer(self) -> Any:
        if self._tokenizer is None:
            if self._tokenizer_source is None:
                raise CheckpointError(
                    f"{self.model}: the encoder was saved without a tokenizer, so it cannot read "
                    "texts; save it again from a model folder that has tokenizer files."
                )
            self._tokenizer = files.load_tokenizer(self._tokenizer_source)
        return self._tokenizer

    def _has_tokenizer(self) -> bool:
        where, names = self._tokenizer_source, ("tokenizer_config.json", "tokenizer.json")
        return where is not None and any(files.find_file(where, name) for name in names)


def _checked_pool(family: Family, pool: Pool | None, *, model: str) -> Pool | None:
    """Return how to pool tokens; None where the network does it."""
    if pool is None or pool in family.pools:
        return pool or next(iter(family.pools), None)
    if family.pools:
        raise RecipeError(f"pool is {pool!r}, but {model} has no class token; use 'mean'.")
    raise RecipeError(f"pool is {pool!r}, but {model} pools its tokens itself; leave it out.")
