"""An encoder as a model of `mteb`, the Massive Text Embedding Benchmark, for its video tasks."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

from slic.clips.reader import ClipReader
from slic.embeddings import Layer
from slic.errors import ProtocolError
from slic.evaluation.decoded_clips import ClipCollator
from slic.lookup import require_extra
from slic.models.backbones.base import vectors_of
from slic.models.encoder import to_input
from slic.models.sources import open_encoder

require_extra("mteb", "mteb", purpose="an evaluation with mteb")
from mteb.models.abs_encoder import AbsEncoder  # noqa: E402 (after the check)
from mteb.models.model_meta import ModelMeta, ScoringFunction  # noqa: E402

CLIPS_PER_STEP = 32
"""Clips that are embedded together."""


class MtebEncoder(AbsEncoder):  # type: ignore[misc]  # the package need not be installed
    """An encoder for ``mteb.evaluate``.

    A video becomes the mean embedding of evenly spaced clips, as in the retrieval protocols of this
    package. The parts of an encoder with several vectors are scaled to length 1 and joined. Texts
    are embedded where the encoder has a text tower.

    Args:
        model_name: What `slic.models.sources.open_encoder` takes.
        revision: Branch, tag or commit of a repository on the Hub.
        device: Where to compute; None takes the GPU if there is one.
        clips: Number of clips per video.
        layer: ``"head"`` for the output of the projection head, ``"backbone"`` for its input.

    Raises:
        CheckpointError: There is no such encoder, or its weights cannot be read.

    Example:
        >>> tasks = mteb.get_tasks(tasks=["UCF101VideoClustering"])
        >>> mteb.evaluate(MtebEncoder("run/encoder"), tasks)
    """

    def __init__(
        self,
        model_name: str | Path,
        revision: str | None = None,
        *,
        device: str | None = None,
        clips: int = 10,
        layer: Layer = "head",
        **_: Any,
    ) -> None:
        source = f"{model_name}@{revision}" if revision else model_name
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model = open_encoder(source).to(self.device)
        self.layer: Layer = layer if self.model.has_head else "backbone"
        self.parts = self.model.vectors if self.layer == "head" else vectors_of(self.model.backbone)
        self.takes_text = self.model.has_text and list(self.parts) == ["text"]
        self.collator = ClipCollator(ClipReader.of_clip(self.model.clip), clips=clips)
        self.mteb_model_meta = self._describe(Path(model_name).name)

    def encode(
        self, inputs: Any, *, show_progress_bar: bool = True, **_: Any
    ) -> Float[np.ndarray, "n d"]:
        """Return an embedding for each video or text of a data loader of ``mteb``.

        Raises:
            ProtocolError: The task has neither videos nor, for a text tower, texts.
        """
        columns = set(inputs.dataset.column_names)
        embed = self._embed_videos if "video" in columns else self._embed_texts
        if "video" in columns:
            inputs.collate_fn = self.collator
        elif "text" not in columns or not self.takes_text:
            wants = "videos or texts" if self.takes_text else "videos"
            raise ProtocolError(
                f"a task with {', '.join(sorted(columns))}: this encoder embeds {wants}."
            )
        bar = tqdm(inputs, desc="embed", unit="batch", disable=not show_progress_bar)
        with torch.inference_mode():
            return torch.cat([embed(batch) for batch in bar]).float().cpu().numpy()

    def _embed_videos(self, batch: dict[str, Any]) -> Float[Tensor, "n d"]:
        clips: Tensor = batch["video"]
        steps = torch.split(clips.flatten(0, 1), CLIPS_PER_STEP)
        z = torch.cat([self._embed_clips(step.to(self.device)) for step in steps])
        mean = z.view(*clips.shape[:2], -1).mean(dim=1)
        if len(self.parts) == 1:
            return mean
        parts = torch.split(mean, list(self.parts.values()), dim=1)
        return torch.cat([normalize(part) for part in parts], dim=1)

    def _embed_clips(self, clips: UInt8[Tensor, "n t s s 3"]) -> Float[Tensor, "n d"]:
        x = to_input(clips)
        z: Tensor = self.model(x) if self.layer == "head" else self.model.features(x)
        return z

    def _embed_texts(self, batch: dict[str, Any]) -> Float[Tensor, "n d"]:
        return self.model.encode_text(batch["text"])

    def _describe(self, name: str) -> Any:
        """Return what mteb keeps beside the results; the revision is the fingerprint."""
        return ModelMeta(
            loader=None,
            name=f"slic/{name}",
            revision=self.model.fingerprint(),
            release_date=None,
            languages=None,
            n_parameters=sum(weight.numel() for weight in self.model.parameters()),
            memory_usage_mb=None,
            max_tokens=None,
            embed_dim=sum(self.parts.values()),
            license=None,
            open_weights=True,
            public_training_code=None,
            public_training_data=None,
            framework=["PyTorch"],
            similarity_fn_name=ScoringFunction.COSINE,
            use_instructions=False,
            training_datasets=None,
            modalities=["video", "text"] if self.takes_text else ["video"],
            experiment_kwargs={"clips": self.collator.clips, "layer": self.layer},
        )
