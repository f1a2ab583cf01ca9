"""A video is not embedded again unless the encoder, the settings or its file changed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.devices import PendingCopy
from slic.embeddings import cache, embed, embedding
from slic.embeddings.cache import FEATURE_CACHE_FORMAT, FeatureCache, video_state
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.sealed import Seal
from slic.videos.catalog import Catalog

SETTINGS: dict[str, Any] = {"clips": 2, "workers": 0, "batch_size": 4, "progress": False}


@pytest.fixture
def catalog(tmp_path: Path, make_video: Callable[..., Path]) -> Catalog:
    """Return seven videos: four batches."""
    for number in range(7):
        make_video(tmp_path / "videos" / f"{number}.mp4", frames=6 + 2 * number, size=(64, 48))
    return Catalog.from_folder(tmp_path / "videos", progress=False)


def new_encoder(seed: int = 0) -> VideoEncoder:
    torch.manual_seed(seed)
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=8, embedding=4),
        clip=ClipSpec(frames=4, stride=1, size=32),
    )
    return VideoEncoder(config).eval()


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the number of clips of every batch that is embedded."""
    counted: list[int] = []
    plain = embedding._embed_batch

    def features(encoder: VideoEncoder, clips: torch.Tensor, **options: Any) -> PendingCopy:
        counted.append(len(clips))
        return plain(encoder, clips, **options)

    monkeypatch.setattr(embedding, "_embed_batch", features)
    return counted


@pytest.mark.parametrize("clips", [2, "windows"])
def test_stopped_anywhere_and_resumed_it_is_bit_for_bit_that_of_one_go(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: int | str
) -> None:
    encoder, settings = new_encoder(), SETTINGS | {"clips": clips}
    whole = embed(encoder, catalog, **settings).clips
    plain = embedding._embed_batch
    for batches in range(3):
        left = [batches]

        def features(*arguments: Any, left: list[int] = left, **options: Any) -> PendingCopy:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return plain(*arguments, **options)

        monkeypatch.setattr(embedding, "_embed_batch", features)
        with pytest.raises(KeyboardInterrupt):
            embed(encoder, catalog, cache=tmp_path / "kept", **settings)
        monkeypatch.setattr(embedding, "_embed_batch", plain)
    resumed = embed(encoder, catalog, cache=tmp_path / "kept", **settings).clips
    assert np.array_equal(resumed, whole)


def test_cached_videos_are_not_embedded_again(
    catalog: Catalog, tmp_path: Path, embedded: list[int]
) -> None:
    encoder = new_encoder()
    first = embed(encoder, catalog.subset(["1.mp4", "4.mp4"]), cache=tmp_path, **SETTINGS)
    assert sum(embedded) == 4
    both = embed(encoder, catalog, cache=tmp_path, **SETTINGS)
    assert sum(embedded) == 2 * len(catalog)
    assert np.array_equal(both.clips[[1, 4]], first.clips)
    again = embed(encoder, catalog, cache=tmp_path, **SETTINGS)
    assert sum(embedded) == 2 * len(catalog)
    assert np.array_equal(again.clips, both.clips)
    assert again.ids == both.ids


@pytest.mark.parametrize(
    "change",
    [{"layer": "backbone"}, {"modality": "flow"}, {"clips": 3}, {"clips": "windows"},
     {"weights": 1}],
)  # fmt: skip
def test_another_encoder_or_setting_is_never_served_from_the_cache(
    catalog: Catalog, tmp_path: Path, change: dict[str, Any]
) -> None:
    embed(new_encoder(), catalog, cache=tmp_path, **SETTINGS)
    encoder = new_encoder(seed=change.pop("weights", 0))
    settings = SETTINGS | change
    kept = embed(encoder, catalog, cache=tmp_path, **settings)
    assert np.array_equal(kept.clips, embed(encoder, catalog, **settings).clips)
    assert kept.encoder == encoder.fingerprint()


def test_a_single_changed_weight_is_another_encoder(
    catalog: Catalog, tmp_path: Path, embedded: list[int]
) -> None:
    encoder = new_encoder()
    embed(encoder, catalog, cache=tmp_path, **SETTINGS)
    with torch.no_grad():
        next(encoder.parameters()).view(-1)[0] += 1.0
    kept = embed(encoder, catalog, cache=tmp_path, **SETTINGS)
    assert sum(embedded) == 2 * 2 * len(catalog)
    assert np.array_equal(kept.clips, embed(encoder, catalog, **SETTINGS).clips)


def test_a_changed_video_is_embedded_again_and_only_it(
    catalog: Catalog, tmp_path: Path, make_video: Callable[..., Path], embedded: list[int]
) -> None:
    encoder = new_encoder()
    embed(encoder, catalog, cache=tmp_path / "kept", **SETTINGS)
    make_video(catalog.root / "3.mp4", frames=9, size=(96, 48))
    changed = Catalog.from_folder(catalog.root, progress=False)
    done = sum(embedded)
    kept = embed(encoder, changed, cache=tmp_path / "kept", **SETTINGS)
    assert sum(embedded) - done == 2
    np.testing.assert_allclose(
        kept.clips, embed(encoder, changed, **SETTINGS).clips, rtol=2e-4, atol=1e-5
    )


def test_a_video_that_is_replaced_while_it_is_read_is_not_reused(
    catalog: Catalog, tmp_path: Path, embedded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = embedding._embed_batch

    def replaced(*arguments: Any, **options: Any) -> PendingCopy:
        os.utime(catalog[1].path, ns=(1, 1))
        return plain(*arguments, **options)

    encoder = new_encoder()
    with monkeypatch.context() as patch:
        patch.setattr(embedding, "_embed_batch", replaced)
        embed(encoder, catalog, cache=tmp_path / "kept", **SETTINGS)
    done = sum(embedded)
    embed(encoder, catalog, cache=tmp_path / "kept", **SETTINGS)
    assert sum(embedded) - done == 2


def test_a_damaged_file_is_reported_and_computed_again(
    catalog: Catalog, tmp_path: Path, embedded: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    whole = embed(new_encoder(), catalog, cache=tmp_path, **SETTINGS)
    (chunk,) = tmp_path.rglob("*.features")
    chunk.write_bytes(chunk.read_bytes()[:-30])
    again = embed(new_encoder(), catalog, cache=tmp_path, **SETTINGS)
    assert sum(embedded) == 2 * 2 * len(catalog)
    assert f"{chunk}: skipped, its videos are embedded again" in caplog.text
    assert np.array_equal(again.clips, whole.clips)


def test_a_file_of_another_format_is_reported_and_computed_again(
    catalog: Catalog,
    tmp_path: Path,
    embedded: list[int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embed(new_encoder(), catalog, cache=tmp_path, **SETTINGS)
    monkeypatch.setattr(cache, "_SEAL", Seal("features", 99))
    embed(new_encoder(), catalog, cache=tmp_path, **SETTINGS)
    assert sum(embedded) == 2 * 2 * len(catalog)
    assert (
        f"its videos are embedded again (version {FEATURE_CACHE_FORMAT} instead of 99)"
        in caplog.text
    )


def test_features_are_on_disk_before_the_end(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "FLUSH_SECONDS", 0.0)
    settings = {"what": "a test"}
    kept = FeatureCache(tmp_path, settings)  # never closed: what a kill leaves
    row = np.arange(3, dtype=np.float32)[None]
    kept.add(catalog[2], video_state(catalog[2]), row)
    (found,) = FeatureCache(tmp_path, settings).load(catalog)
    assert found[0] == 2
    assert np.array_equal(found[1], row)
    assert list(FeatureCache(tmp_path, {"what": "another"}).load(catalog)) == []
    os.utime(catalog[2].path, ns=(1, 1))
    assert list(FeatureCache(tmp_path, settings).load(catalog)) == []
    shutil.rmtree(tmp_path / "videos")
    assert list(FeatureCache(tmp_path, settings).load(catalog)) == []
