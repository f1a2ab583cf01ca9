"""Embeddings are those of plain calls, whatever the batches and workers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from slic.clips.clip_dataset import ClipDataset
from slic.clips.reader import ClipReader, Modality
from slic.embeddings import Layer, embed, embedding
from slic.errors import CatalogError, EmbeddingsError
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder, to_input
from slic.videos.catalog import Catalog


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Catalog:
    """Return five videos."""
    folder = tmp_path_factory.mktemp("embedded")
    for number in range(5):
        make_video(folder / f"{number}.mp4", frames=3 + 5 * number, size=(64, 48))
    return Catalog.from_folder(folder, progress=False)


@pytest.fixture
def encoder() -> VideoEncoder:
    """Return a tiny encoder with random weights, in training mode."""
    torch.manual_seed(0)
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=8, embedding=4),
        clip=ClipSpec(frames=4, stride=1, size=32),
    )
    return VideoEncoder(config)


@pytest.mark.parametrize(("layer", "modality"), [("head", "rgb"), ("backbone", "flow")])
def test_embeddings_are_the_encoders_on_one_clip_after_another(
    catalog: Catalog, encoder: VideoEncoder, layer: Layer, modality: Modality
) -> None:
    reader = ClipReader(frames=4, stride=1, size=32)
    dataset = ClipDataset(catalog, reader, clips=3, modality=modality)
    embedded = [
        embed(encoder, catalog, clips=3, layer=layer, modality=modality, batch_size=size,
              workers=workers, progress=False)
        for size, workers in ((1, 0), (7, 1), (64, 0))
    ]  # fmt: skip
    assert encoder.training  # as it came in
    encoder.eval()
    for video in range(len(catalog)):
        for clip in range(3):
            x = to_input(dataset[video][clip : clip + 1])
            with torch.no_grad():
                z = encoder(x) if layer == "head" else encoder.features(x)
            for result in embedded:
                np.testing.assert_allclose(result.clips[video, clip], z[0], rtol=2e-4, atol=1e-5)
    result = embedded[0]
    assert result.ids == tuple(video.id for video in catalog)
    assert (result.layer, result.modality) == (layer, modality)
    assert result.encoder == encoder.fingerprint()
    np.testing.assert_allclose(result.mean[2], result.clips[2].mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_windows_are_the_mean_of_unit_features_of_plain_calls(
    catalog: Catalog, encoder: VideoEncoder, modality: Modality, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "WINDOWS_PER_BATCH", 3)
    reader = ClipReader(frames=4, stride=1, size=32)
    embedded = [
        embed(encoder, catalog, clips="windows", layer="backbone", modality=modality,
              workers=workers, progress=False)
        for workers in (0, 2)
    ]  # fmt: skip
    encoder.eval()
    for position, video in enumerate(catalog):
        unit, start = [], 0
        while start == 0 or start + 4 <= video.frames:
            (clip,) = reader.read(video, [start + np.arange(4)])
            x = torch.from_numpy(reader.centred(clip, modality))[None]
            with torch.no_grad():
                z = encoder.features(to_input(x))[0].numpy()
            unit.append(z / np.linalg.norm(z))
            start += 1  # 4 // 2 - 1
        for result in embedded:
            np.testing.assert_allclose(result.clips[position], [sum(unit) / len(unit)], rtol=2e-3)


def test_embedding_changes_nothing_in_the_encoder(catalog: Catalog, encoder: VideoEncoder) -> None:
    before = encoder.fingerprint()
    embed(encoder, catalog, clips=1, workers=0, progress=False)
    assert encoder.fingerprint() == before


def test_flow_is_refused_by_a_backbone_that_takes_only_rgb(catalog: Catalog) -> None:
    config = EncoderConfig(
        backbone="slic/motion", arguments={"depth": 10, "width": 0.125}, clip=ClipSpec(size=32)
    )
    with pytest.raises(EmbeddingsError, match=r"modality 'flow': .* takes only clips of rgb"):
        embed(VideoEncoder(config), catalog, modality="flow", workers=0, progress=False)


def test_an_empty_catalog_is_refused(catalog: Catalog, encoder: VideoEncoder) -> None:
    with pytest.raises(CatalogError, match="no usable video"):
        embed(encoder, catalog.subset([]), workers=0, progress=False)
