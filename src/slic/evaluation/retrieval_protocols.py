"""Retrieval protocols: how a video becomes the vector that is compared (docs/protocols.md)."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from slic.embeddings import AllWindows, Embeddings, Layer, embed
from slic.errors import ProtocolError
from slic.evaluation.base import LabelledSplit
from slic.evaluation.retrieval import RetrievalScores, evaluate
from slic.models.encoder import VideoEncoder


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

    Example:
        >>> scores = RETRIEVAL_PROTOCOLS["paper"].score(encoder, split)
        >>> scores.recall[1]
    """

    name: str
    layer: Layer
    clips: int | AllWindows = 10
    centre: bool = False

    @property
    def description(self) -> str:
        """The protocol in one line."""
        clips = f"{self.clips} clips"
        if self.clips == "windows":
            clips = "all half-overlapping windows, each of length 1"
        centred = ", mean-centred per split" if self.centre else ""
        return f"{self.name}: {self.layer} output, mean over {clips}{centred}, cosine, any match"

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
        embedded = self.embed_split(encoder, split, workers=workers, cache=cache, progress=progress)
        return self.compare(split, *embedded)

    def embed_split(
        self,
        encoder: VideoEncoder,
        split: LabelledSplit,
        *,
        workers: int = 2,
        cache: Path | None = None,
        progress: bool = True,
    ) -> tuple[Embeddings, Embeddings]:
        """Return the embeddings of the queries and of the gallery.

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
        """Return the scores of embeddings that `embed_split` made."""
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
        # Han, Xie and Zisserman, CoCLR, NeurIPS 2020; docs/protocols.md lists the differences
        RetrievalProtocol(name="sliding-windows", layer="backbone", clips="windows", centre=True),
    )
}
