"""Embeddings of videos, in memory and as a file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float32

from slic.clips.reader import Modality
from slic.errors import CheckpointError
from slic.files import atomic_path

Layer = Literal["head", "backbone"]


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The clip embeddings of a list of videos.

    Attributes:
        ids: Video ids, one a row.
        clips: One embedding a clip; `mean` is one a video.
        encoder: Fingerprint of the encoder that made them.
        layer: ``head`` (the projection) or ``backbone`` (before it).
        view: ``rgb`` or ``flow``.
    """

    ids: tuple[str, ...]
    clips: Float32[np.ndarray, "n c d"]
    encoder: str
    layer: Layer
    view: Modality

    @property
    def mean(self) -> Float32[np.ndarray, "n d"]:
        """The mean over the clips of each video."""
        return np.asarray(self.clips.mean(axis=1))

    def save(self, path: str | Path) -> None:
        """Write one ``.npz`` file that `load` reads back."""
        about = asdict(self) | {"clips": None}
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(file, clips=self.clips, about=np.array(json.dumps(about)))

    @classmethod
    def load(cls, path: str | Path) -> "Embeddings":
        """Read what `save` wrote; raises CheckpointError when the file is something else."""
        try:
            # numpy does not close a damaged file that it opened itself
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                about.update(clips=stored["clips"], ids=tuple(about["ids"]))
            return cls(**about)
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise CheckpointError(f"{path}: no embeddings of `slic embed` ({error}).") from error
