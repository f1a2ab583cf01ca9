"""VideoEncoder: a backbone and a projection head, saved in the Hugging Face layout."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from slic.arguments import one_line, parse_arguments, require
from slic.errors import CheckpointError, EmbeddingsError, FormatError, SlicError
from slic.files import write_atomically
from slic.lookup import require_trust
from slic.models.backbones import Backbone, ClipSpec, find_backbone
from slic.models.backbones.base import current_arguments, vectors_of
from slic.models.config import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    EncoderConfig,
    HeadSpec,
    config_to_json,
    read_config_file,
)
from slic.models.hub import download_encoder, is_hub_id, upload_folder
from slic.models.weights import check_shapes, load_exactly

MAX_MODEL_FRAMES, MAX_MODEL_SIZE = 1024, 2048  # of the clips of a model of transformers

__all__ = ["EncoderConfig", "HeadSpec", "ProjectionHead", "VideoEncoder", "to_input"]


class VideoEncoder(nn.Module):
    """Backbone and projection head: clips to embeddings.

    Args:
        config: What to build. The weights are random.

    Attributes:
        backbone: Clips to features.
        head: Features to embeddings.
        feature_size: Length of the features of a clip.
        embedding_size: Length of an embedding.

    Raises:
        RecipeError: There is no such backbone, or an argument of it is out of its range.

    Example:
        >>> encoder = VideoEncoder.from_pretrained("run/encoder")
        >>> embeddings = encoder(to_input(clips))
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self._frozen: tuple[nn.Module, ...] = ()
        entry = find_backbone(config.backbone)
        arguments = parse_arguments(
            entry.build, config.arguments, key="backbone", skip=entry.not_settings
        )
        self._config = replace(config, arguments=arguments)
        self.backbone: Backbone = entry.build(clip=config.clip, **entry.fixed, **arguments)
        self.head = build_head(vectors_of(self.backbone), config.head)

    @property
    def config(self) -> EncoderConfig:
        """The configuration that rebuilds the encoder as it is now."""
        arguments = current_arguments(self.backbone, self._config.arguments)
        name = getattr(self.backbone, "portable_name", self._config.backbone)
        return replace(self._config, backbone=name, arguments=arguments)

    @property
    def clip(self) -> ClipSpec:
        """The clips that the encoder takes."""
        return self.backbone.clip

    @property
    def feature_size(self) -> int:
        """Length of the features of a clip."""
        return self.backbone.feature_size

    @property
    def has_head(self) -> bool:
        """Whether there is a projection head. Without one, embeddings are features."""
        return self._config.head.embedding > 0

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return sum(self.vectors.values())

    def freeze(self, modules: Sequence[nn.Module]) -> None:
        """Keep modules as they are in training: their weights, and their running statistics."""
        self._frozen = tuple(modules)
        for module in self._frozen:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "VideoEncoder":
        """Set the mode of all modules but the frozen ones, which stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    @property
    def vectors(self) -> dict[str, int]:
        """Names and lengths of the parts of an embedding, in their order.

        Each part is compared on its own. A search can weight them.
        """
        vectors = vectors_of(self.backbone)
        return dict.fromkeys(vectors, self._config.head.embedding) if self.has_head else vectors

    @property
    def has_text(self) -> bool:
        """Whether texts can be embedded, in the space of the part ``"text"``."""
        return "text" in self.vectors and hasattr(self.backbone, "encode_text")

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Return the embeddings of texts, in the space of the part ``"text"`` of an embedding.

        Args:
            texts: The texts.

        Raises:
            EmbeddingsError: The encoder has no text tower.
        """
        if not self.has_text:
            raise EmbeddingsError(
                f"the backbone {self.config.backbone!r} has no text tower. Text queries need one, "
                "such as X-CLIP's."
            )
        embeddings: Tensor = self.backbone.encode_text(texts)  # type: ignore[attr-defined]
        return embeddings

    @property
    def text_needs_clip(self) -> bool:
        """Whether the similarity of a clip and a text is more than the cosine of embeddings."""
        return self.has_text and bool(getattr(self.backbone, "text_needs_clip", False))

    def text_similarities(
        self, clips: Float[Tensor, "b 3 t h w"], texts: Sequence[str]
    ) -> Float[Tensor, "b n"]:
        """Return the similarity of each clip in [-1, 1] and each text, as the model computes it."""
        backbone: Any = self.backbone
        similarities: Tensor = backbone.text_similarities(self._normalised(clips), texts)
        return similarities

    def forward(
        self, clips: Float[Tensor, "b 3 t h w"] | Float[Tensor, "b s"]
    ) -> Float[Tensor, "b d"]:
        """Return the embeddings of clips: the output of the head, not normalised.

        Args:
            clips: Clips in [-1, 1], see `to_input`; or their `fixed_features`.
        """
        embeddings: Tensor = self.head(self.features(clips))
        return embeddings

    def features(
        self, clips: Float[Tensor, "b 3 t h w"] | Float[Tensor, "b s"]
    ) -> Float[Tensor, "b f"]:
        """Return the backbone features of clips in [-1, 1], or of clips by their fixed features."""
        if clips.ndim == 2:
            features: Tensor = self.backbone.from_fixed(clips)  # type: ignore[attr-defined]
            return features
        return self.backbone(self._normalised(clips))

    def fixed_features(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b s"]:
        """Return what the backbone computes of clips in [-1, 1] before its first trained layer."""
        fixed: Tensor = self.backbone.fixed_features(self._normalised(clips))  # type: ignore[attr-defined]
        return fixed

    def _normalised(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b 3 t h w"]:
        """Normalise clips in [-1, 1] with the mean and standard deviation of the backbone."""
        mean, std = self.clip.mean, self.clip.std
        if mean == std == (0.5, 0.5, 0.5):  # that is [-1, 1] itself
            return clips
        m, s = (clips.new_tensor(x).view(3, 1, 1, 1) for x in (mean, std))
        return (0.5 * clips + 0.5 - m) / s

    def without_head(self) -> "VideoEncoder":
        """Return an encoder of the same backbone, whose embeddings are the features."""
        bare = copy(self)
        bare._modules = dict(self._modules)  # a copy shares the modules, and here loses the head
        bare._config = replace(self._config, head=HeadSpec(hidden=0, embedding=0))
        bare.head = build_head({}, bare._config.head)
        return bare

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that identify the weights and the configuration.

        They change with any weight, any setting and the version of the backbone. Embeddings with
        different fingerprints must not be compared.
        """
        digest = hashlib.sha256(config_to_json(self.config, self.backbone.version))
        for name, tensor in sorted(self.state_dict().items()):
            value = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors``; a reader never sees half a file.

        Args:
            folder: The folder, which is created if it does not exist.

        Raises:
            WriteError: The files cannot be written.
        """
        state = {
            name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()
        }
        weights = save(state, metadata={"format": "pt"})
        write_atomically(Path(folder) / WEIGHTS_FILE, weights)
        if hasattr(self.backbone, "save_files"):
            self.backbone.save_files(Path(folder))
        digest = hashlib.sha256(weights).hexdigest()
        config = config_to_json(self.config, self.backbone.version, weights_sha256=digest)
        write_atomically(Path(folder) / CONFIG_FILE, config)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        card: str = "",
        revision: str | None = None,
        private: bool | None = None,
        token: str | None = None,
    ) -> str:
        """Save the encoder in a repository of the Hugging Face Hub.

        Args:
            repo_id: ``org/name``; it is created if it does not exist.
            card: The model card, see `slic.models.card.write_card`. An empty one is left out.
            revision: Branch to write to; None is ``main``.
            private: Whether a new repository is private; None leaves that to the organisation.
            token: Access token; None takes the one of ``hf auth login``.

        Returns:
            The address of the commit.

        Raises:
            WriteError: The Hub cannot be reached or refuses.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            if card:
                write_atomically(Path(folder) / "README.md", card.encode())
            message = f"Encoder {self.fingerprint()}"
            return upload_folder(
                Path(folder), repo_id, revision=revision, private=private, token=token,
                message=message,
            )  # fmt: skip

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, revision: str | None = None, token: str | None = None
    ) -> "VideoEncoder":
        """Return an encoder that `save_pretrained` wrote, on the CPU and in evaluation mode.

        Nothing in its files is executed. A module that they name is imported only if the user
        trusts it, see `slic.lookup.require_trust`.

        Args:
            source: The folder; or ``org/name``, a repository of the Hugging Face Hub.
            revision: Branch, tag or commit of the repository; None is the latest of ``main``.
            token: Access token for the Hub; None takes the one of ``hf auth login``.

        Raises:
            CheckpointError: A file is missing or damaged, the weights do not fit the configuration,
                or it names a module that is not trusted; a folder is given with a revision; the Hub
                has no such encoder, or one whose backbone is a class of another package.
            FormatError: The files have another format version.
        """
        if not is_hub_id(source):
            if revision is not None:
                raise CheckpointError(f"{source}: is a folder, which has no revision {revision!r}.")
            return cls._from_folder(Path(source))
        folder = download_encoder(str(source), revision=revision, token=token)
        config = read_config_file(folder / CONFIG_FILE).config
        if "/" not in config.backbone:  # an import path
            raise CheckpointError(
                f"{source}: its backbone is the class {config.backbone!r}, which is not of this "
                f"package. If you trust it and have it, open the folder {folder}."
            )
        return cls._from_folder(folder)

    @classmethod
    def _from_folder(cls, folder: Path) -> "VideoEncoder":
        path = folder / CONFIG_FILE
        config, backbone_version, digest = read_config_file(path)
        require_trust(config.backbone, kind="backbone", source=path, error=CheckpointError)
        if "/" in config.backbone:  # the constructor of somebody's own class may need a device
            cls._check_before_allocating(config, folder)
        try:
            encoder = cls(config)
        except (SlicError, ValueError, RuntimeError, TypeError) as error:
            raise CheckpointError(f"{path}: no encoder can be built from it ({error})") from error
        if backbone_version != encoder.backbone.version:
            raise FormatError(
                f"{path}: backbone {config.backbone!r} has version {backbone_version}, but this "
                f"package computes version {encoder.backbone.version}. Train the encoder again."
            )
        path = folder / WEIGHTS_FILE
        with _reading(path):
            _check_digest(path, digest)
            state = load_file(path)
        load_exactly(encoder, state, source=path)
        if hasattr(encoder.backbone, "load_files"):
            encoder.backbone.load_files(folder)
        return encoder.eval()

    @classmethod
    def _check_before_allocating(cls, config: EncoderConfig, folder: Path) -> None:
        """Compare the encoder that a configuration describes with the weights beside it.

        A configuration of a few bytes may describe an encoder that fills the memory.

        Raises:
            CheckpointError: They do not fit, or no such encoder can be built.
        """
        path = folder / WEIGHTS_FILE
        with _reading(path), safe_open(path, framework="pt") as weights:
            names: list[str] = list(weights.keys())
            shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in names}
        try:
            if config.backbone.startswith("transformers/"):
                _check_model_config(config.arguments.get("config"), len(names))
            with torch.device("meta"):
                described = cls(config)
        except (SlicError, ValueError, RuntimeError, TypeError, OverflowError) as error:
            raise CheckpointError(
                f"{folder / CONFIG_FILE}: no encoder can be built from it ({one_line(error)})"
            ) from error
        check_shapes(described, shapes, source=path)


def _check_model_config(config: object, tensors: int) -> None:
    """Check the configuration of a model of transformers, for which tables are computed at once.

    Args:
        config: The configuration that a saved encoder has. Nothing is downloaded without it: a
            file must not choose what is.
        tensors: Number of weights.

    Raises:
        RecipeError: It is missing, or has more layers than weights, or larger clips than any model.
    """
    require(isinstance(config, dict), "backbone.config", config, "the configuration of the model")
    pending = [config]
    while pending:
        values: Any = pending.pop()
        pending += [value for value in values.values() if isinstance(value, dict)]
        sizes = {key: value for key, value in values.items() if isinstance(value, int)}
        for key, value in sizes.items():
            if key.endswith("layers"):
                require(value <= tensors, key, value, f"at most the {tensors} weights")
            elif key.endswith(("frames", "frames_per_clip")):
                require(value <= MAX_MODEL_FRAMES, key, value, f"at most {MAX_MODEL_FRAMES}")
            elif key.endswith(("image_size", "crop_size")):
                require(value <= MAX_MODEL_SIZE, key, value, f"at most {MAX_MODEL_SIZE} pixels")


@contextmanager
def _reading(weights: Path) -> Iterator[None]:
    """Raise errors of a file of weights as a `CheckpointError` with the reason."""
    try:
        weights.open("rb").close()  # safetensors takes every failure for a missing file
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{weights}: weights cannot be read ({one_line(error)}).") from error


def _check_digest(weights: Path, wanted: str | None) -> None:
    """Check that weights are those that were saved with the configuration, if it says which."""
    if wanted is None:
        return
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise CheckpointError(
            f"{weights}: damaged, its checksum is not the one in {CONFIG_FILE}. Restore the file; "
            "if you changed the weights on purpose, remove weights_sha256 there."
        )


class ProjectionHead(nn.Sequential):
    """Linear, batch norm, ReLU, linear.

    Args:
        features: Length of the features.
        spec: Sizes of the layers.
    """

    def __init__(self, features: int, spec: HeadSpec) -> None:
        super().__init__(
            nn.Linear(features, spec.hidden),
            nn.BatchNorm1d(spec.hidden),
            nn.ReLU(),
            nn.Linear(spec.hidden, spec.embedding),
        )


class HeadOfEachVector(nn.ModuleDict):
    """A projection head for each of several vectors, by their names.

    Args:
        vectors: Names and lengths of the vectors.
        spec: Sizes of the layers of each head.
    """

    def __init__(self, vectors: Mapping[str, int], spec: HeadSpec) -> None:
        super().__init__({name: ProjectionHead(size, spec) for name, size in vectors.items()})
        self.lengths = list(vectors.values())

    def forward(self, features: Float[Tensor, "b f"]) -> Float[Tensor, "b d"]:
        """Return the embeddings of all vectors, side by side."""
        parts = zip(self.values(), torch.split(features, self.lengths, dim=1), strict=True)
        return torch.cat([head(part) for head, part in parts], dim=1)


def build_head(vectors: Mapping[str, int], spec: HeadSpec) -> nn.Module:
    """Return the projection head of features with these vectors; nothing for an embedding of 0."""
    if not spec.embedding:
        return nn.Sequential()
    if len(vectors) > 1:
        return HeadOfEachVector(vectors, spec)
    return ProjectionHead(sum(vectors.values()), spec)


def to_input(clips: UInt8[Tensor, "b t h w 3"]) -> Float[Tensor, "b 3 t h w"]:
    """Turn pixels in 0..255 into the input of an encoder, in [-1, 1]."""
    return clips.permute(0, 4, 1, 2, 3).float().div_(127.5).sub_(1.0)
