"""Each protocol scores the embeddings that its description names."""

from dataclasses import replace

import numpy as np
import pytest

from slic.datasets import Labels
from slic.embeddings import AllWindows, Layer, embed
from slic.errors import ProtocolError
from slic.evaluation.base import split_by_labels
from slic.evaluation.retrieval import evaluate
from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS
from slic.models.encoder import HeadSpec, VideoEncoder
from slic.videos.catalog import Catalog


@pytest.mark.parametrize("name", RETRIEVAL_PROTOCOLS)
def test_scores_are_those_of_the_embeddings_that_the_protocol_names(
    six_videos: Catalog, seven_labels: Labels, tiny_encoder: VideoEncoder, name: str
) -> None:
    split, protocol = split_by_labels(six_videos, seven_labels), RETRIEVAL_PROTOCOLS[name]
    queries, gallery = protocol.embed_split(tiny_encoder, split, workers=0, progress=False)
    layer: Layer = "head" if "paper" in name else "backbone"
    windows = name == "sliding-windows"
    clips: int | AllWindows = "windows" if windows else 10
    expected = [
        embed(tiny_encoder, part, clips=clips, layer=layer, workers=0, progress=False).clips
        for part in (split.test, split.train)
    ]
    assert np.array_equal(queries.clips, expected[0])
    assert np.array_equal(gallery.clips, expected[1])
    scores = protocol.score(tiny_encoder, split, workers=0, progress=False)
    plain = evaluate(
        expected[0],
        split.test_labels,
        expected[1],
        split.train_labels,
        centre=windows or "centred" in name,
    )
    assert scores.recall == plain.recall
    assert scores.mean_average_precision == plain.mean_average_precision
    mean = "all half-overlapping windows, each of length 1" if windows else "10 clips"
    assert scores.protocol.startswith(f"{name}: {layer} output, mean over {mean}")


def test_an_encoder_without_a_head_is_refused_by_the_protocols_of_the_head(
    six_videos: Catalog, seven_labels: Labels, tiny_encoder: VideoEncoder
) -> None:
    headless = VideoEncoder(replace(tiny_encoder.config, head=HeadSpec(embedding=0))).eval()
    split = split_by_labels(six_videos, seven_labels)
    with pytest.raises(ProtocolError, match=r"no head\. Use protocol 'backbone-centred'"):
        RETRIEVAL_PROTOCOLS["paper-centred"].score(headless, split, workers=0, progress=False)
    embeddings = embed(headless, split.test, clips=1, layer="head", workers=0, progress=False)
    assert embeddings.layer == "backbone"
