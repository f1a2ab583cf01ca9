"""Retrieval protocols: how a video becomes the vector that is compared.

See docs/explanation/protocols.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from slic.embeddings import AllWindows, Embeddings, Layer, embed
from slic.errors import ProtocolError
from slic.evaluation.base import LabelledSplit
from slic.evaluation.retrieval import RetrievalScores, evaluate
from slic.models.backbones.base import vectors_of
from slic.models.encoder import VideoEncoder
from slic.neighbours.rows import normalise, slices_of


@dataclass(frozen=True, kw_only=True)
class RetrievalProtocol:
    """Nearest-neighbour retrieval of test videos (queries) among training videos (gallery).

    Attributes:
        name: Name of the protocol, printed beside the numbers.
        layer: ``"head"`` for the output of the projection head, ``"backbone"`` for its input.
        clips: Number of evenly spaced clips whose embeddings are averaged; their centres are
            ``linspace(L / 2, T - L / 2, clips)``. ``"windows"`` averages all half-overlapping
            windows, each scaled to unit length.
        centre: Subtract the mean vector of each split from its vectors.
        vector: Name of the vector to compare, where an encoder has several, such as ``"motion"``.
            None joins all of them, each at unit length.
        parts: Names and lengths of the vectors of an encoder, see `of`. Not needed where it has
            one.

    Example:
        >>> scores = RETRIEVAL_PROTOCOLS["paper"].score(encoder, split)
        >>> scores.recall[1]
    """

    name: str
    layer: Layer
    clips: int | AllWindows = 10
    centre: bool = False
    vector: str | None = None
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """The protocol in one line."""
        clips = f"{self.clips} clips"
        if self.clips == "windows":
            clips = "all half-overlapping windows, each of length 1"
        centred = ", mean-centred per split" if self.centre else ""
        compared = ""
        if self.vector:
            compared = f", vector {self.vector}"
        elif len(self.parts) > 1:
            compared = f", vectors {' and '.join(self.parts)} with equal weights"
        return (
            f"{self.name}: {self.layer} output{compared}, mean over {clips}{centred}, cosine, "
            "any match"
        )

    def of(self, encoder: VideoEncoder) -> "RetrievalProtocol":
        """Return the protocol for an encoder: it then names the vectors that are compared.

        Raises:
            ProtocolError: The encoder has no such vector.
        """
        parts = encoder.vectors if self.layer == "head" else vectors_of(encoder.backbone)
        if self.vector and self.vector not in parts:
            raise ProtocolError(
                f"vector {self.vector!r}: the encoder has no such vector; it has "
                f"{', '.join(parts)}."
            )
        return replace(self, parts=parts if len(parts) > 1 else {})

    def selected(self, embeddings: Embeddings) -> Embeddings:
        """Return what is compared: one vector of several, or all of them at unit length."""
        if not self.parts:
            return embeddings
        slices = slices_of(self.parts)
        if self.vector:
            return replace(embeddings, clips=embeddings.clips[:, :, slices[self.vector]])
        joined = [normalise(embeddings.mean[:, part]) for part in slices.values()]
        return replace(embeddings, clips=np.hstack(joined).astype(np.float32)[:, None])

    def score(
        self,
        encoder: VideoEncoder,
        split: LabelledSplit,
        *,
        workers: int = 2,
        cache: Path | None = None,
        progress: bool = True,
    ) -> RetrievalScores:
        """Return the scores of an encoder; see `slic.evaluation.base.EvaluationProtocol`."""
        protocol = self.of(encoder)
        embedded = self.embed_split(encoder, split, workers=workers, cache=cache, progress=progress)
        return protocol.compare(split, *map(protocol.selected, embedded))

    def embed_split(
        self,
        encoder: VideoEncoder,
        split: LabelledSplit,
        *,
        workers: int = 2,
        cache: Path | None = None,
        progress: bool = True,
    ) -> tuple[Embeddings, Embeddings]:
        """Return the embeddings of the queries and of the gallery, with all vectors.

        Raises:
            ProtocolError: The protocol compares the output of the head and the encoder has none.
        """
        if self.layer == "head" and not encoder.has_head:
            raise ProtocolError(
                f"protocol {self.name!r} compares the output of the head, and this encoder has no "
                f"head. Use protocol {self.name.replace('paper', 'backbone')!r}."
            )
        vectors = partial(
            embed, encoder, clips=self.clips, layer=self.layer, workers=workers, cache=cache,
            progress=progress,
        )  # fmt: skip
        return vectors(split.test), vectors(split.train)

    def compare(
        self,
        split: LabelledSplit,
        queries: Embeddings,
        gallery: Embeddings,
        *,
        average_precision: bool = True,
    ) -> RetrievalScores:
        """Return the scores of embeddings that `embed_split` made and `selected` chose from."""
        return evaluate(
            queries.clips,
            split.test_labels,
            gallery.clips,
            split.train_labels,
            centre=self.centre,
            average_precision=average_precision,
            protocol=self.description,
        )


RETRIEVAL_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        RetrievalProtocol(name="paper", layer="head"),
        RetrievalProtocol(name="backbone", layer="backbone"),
        RetrievalProtocol(name="paper-centred", layer="head", centre=True),
        RetrievalProtocol(name="backbone-centred", layer="backbone", centre=True),
        # Han, Xie and Zisserman, CoCLR, NeurIPS 2020; protocols.md lists the differences
        RetrievalProtocol(name="sliding-windows", layer="backbone", clips="windows", centre=True),
    )
}
