"""Embeddings of videos, in memory and as a file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float32

from slic.arguments import one_line
from slic.arrays import read_arrays
from slic.clips.reader import Modality
from slic.errors import EmbeddingsError, FormatError
from slic.files import atomic_path, reason_of
from slic.parsing import parse_json

Layer = Literal["head", "backbone"]

EMBEDDINGS_FORMAT: Final = 1
"""Version of the ``.npz`` files that :meth:`Embeddings.save` writes."""


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Embeddings of the clips of a list of videos.

    Args:
        ids: Ids of the videos.
        clips: One embedding per clip.
        encoder: Fingerprint of the encoder.
        layer: ``"head"`` (output of the projection head) or ``"backbone"`` (its input).
        modality: ``"rgb"`` or ``"flow"``.

    Example:
        >>> embeddings = Embeddings.load("embeddings.npz")
        >>> dict(zip(embeddings.ids, embeddings.mean))
    """

    ids: tuple[str, ...]
    clips: Float32[np.ndarray, "n c d"]
    encoder: str
    layer: Layer
    modality: Modality

    @property
    def mean(self) -> Float32[np.ndarray, "n d"]:
        """The mean over the clips of each video."""
        return np.asarray(self.clips.mean(axis=1))

    def save(self, path: str | Path) -> None:
        """Write one ``.npz`` file for :meth:`load`.

        Raises:
            WriteError: The file cannot be written.
        """
        about = {"slic_embeddings": EMBEDDINGS_FORMAT} | asdict(self)
        del about["clips"]
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(file, clips=self.clips, about=np.array(json.dumps(about)))

    @classmethod
    def load(cls, path: str | Path) -> "Embeddings":
        """Read a file that :meth:`save` wrote.

        Raises:
            EmbeddingsError: The file is missing, damaged, or holds something else.
            FormatError: The file has another format version.
        """
        try:
            with Path(path).open("rb") as file:
                text, clips = read_arrays(file, "about", "clips")
            about: dict[str, Any] = parse_json(str(text))
            version = about.pop("slic_embeddings", None)
            if version == EMBEDDINGS_FORMAT:
                return cls(ids=tuple(about.pop("ids")), clips=clips, **about)._checked()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else one_line(error)
            raise EmbeddingsError(
                f"{path}: is not a file of embeddings ({reason}). Write one with `slic embed`."
            ) from error
        raise FormatError(
            f"{path}: these embeddings have format {version}; this version of slic reads format "
            f"{EMBEDDINGS_FORMAT}. Write them again with `slic embed`."
        )

    def _checked(self) -> "Embeddings":
        """Return these embeddings if their fields fit each other, as in a file of ours."""
        texts = (*self.ids, self.encoder, self.layer, self.modality)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("an id or name is no text")
        if self.clips.dtype != np.float32 or self.clips.ndim != 3:
            raise ValueError(f"clips are {self.clips.dtype} of shape {self.clips.shape}")
        if len(self.ids) != len(self.clips):
            raise ValueError(f"{len(self.ids)} ids for {len(self.clips)} videos")
        return self
