"""Stored views are those of the clips, and a run on them is a run like any other."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from slic.callbacks import Callback
from slic.clips.augmentation import Augmentation, draw_parameters
from slic.clips.reader import ClipReader, ClipRequest
from slic.clips.samples import RandomStream, SampleIndex, stream_rng
from slic.clips.spans import random_span
from slic.embeddings import embed
from slic.errors import RecipeError, TrainingError, VideoError, WriteError
from slic.models.adaptation import InitOptions
from slic.models.encoder import VideoEncoder, to_input
from slic.pretraining import pretrain
from slic.pretraining.build import build_encoder, build_reader
from slic.pretraining.distributed import Processes
from slic.pretraining.stored_views import StoredSampleDataset, StoredViews
from slic.pretraining.view_storage import ViewDataset, store_views
from slic.recipe import Recipe, load_recipe
from slic.runs import read_log
from slic.signals import StopRequested
from slic.videos.catalog import Catalog

VIEWS, CLIPS = 5, 3


@pytest.fixture
def recipe() -> Recipe:
    small = ["--clip.frames=4", "--clip.size=16", "--rounds.clips=3", "--rounds.every_epochs=2"]
    views = [f"--sampling.stored_views={VIEWS}", "--init.weights=random", "--train.steps=9"]
    return load_recipe("two-stream", [*small, *views, "--train.batch_size=4", "--train.workers=0"])


def stored_by(recipe: Recipe, catalog: Catalog, folder: Path) -> tuple[VideoEncoder, StoredViews]:
    encoder, reader = build_encoder(recipe).eval(), build_reader(recipe, catalog)
    dataset = ViewDataset(catalog, reader, recipe.augmentation, views=VIEWS, clips=CLIPS)
    one = Processes(Accelerator(cpu=True))
    return encoder, store_views(folder, encoder, dataset, one, workers=0, progress=False)


def test_views_are_the_features_of_augmented_clips(
    recipe: Recipe, catalog: Catalog, tmp_path: Path
) -> None:
    encoder, stored = stored_by(recipe, catalog, tmp_path)
    reader = build_reader(recipe, catalog)
    for number, video in enumerate(catalog):
        for view in range(VIEWS):
            place, look = (
                stream_rng(seed=0, epoch=view, video=number, stream=stream)
                for stream in (RandomStream.SPAN, RandomStream.VIEW)
            )
            span = random_span(reader.frame_count(video), frames=4, stride=1, rng=place)
            width, height = reader.frame_size(video)
            drawn = draw_parameters(recipe.augmentation, width=width, height=height, rng=look)
            (clip,) = reader.render([ClipRequest(video, span, drawn, "rgb")])
            alone = encoder(to_input(torch.from_numpy(clip)[None]))
            kept = encoder(torch.from_numpy(stored.views[number, view])[None])
            torch.testing.assert_close(kept, alone, atol=2e-3, rtol=0)
            assert stored.starts[number, view] == span[0]


@pytest.mark.parametrize("layer", ["head", "backbone"])
def test_clips_to_cluster_are_those_of_embed(
    recipe: Recipe, catalog: Catalog, tmp_path: Path, layer: str
) -> None:
    encoder, stored = stored_by(recipe, catalog, tmp_path)
    found = stored.mean_embeddings(encoder, range(len(catalog)), layer=layer)  # type: ignore[arg-type]
    expected = embed(encoder.eval(), catalog, clips=CLIPS, layer=layer, workers=0, progress=False)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected.mean, atol=1e-5)


def test_views_are_found_again_and_made_anew_for_others(
    recipe: Recipe, catalog: Catalog, tmp_path: Path
) -> None:
    _, stored = stored_by(recipe, catalog, tmp_path)
    views = np.array(stored.views)
    before = (tmp_path / "views.npy").stat().st_mtime_ns
    stored_by(recipe, catalog, tmp_path)
    assert (tmp_path / "views.npy").stat().st_mtime_ns == before
    plain = replace(recipe, augmentation=Augmentation(area=(1.0, 1.0), flip=0.0))
    _, other = stored_by(plain, catalog, tmp_path)
    assert not np.array_equal(views, other.views)


def test_only_missing_views_are_computed_and_a_stop_keeps_the_others(
    recipe: Recipe, catalog: Catalog, tmp_path: Path
) -> None:
    _, whole = stored_by(recipe, catalog, tmp_path / "whole")
    encoder, reader = build_encoder(recipe).eval(), build_reader(recipe, catalog)
    dataset = ViewDataset(catalog, reader, recipe.augmentation, views=VIEWS, clips=CLIPS)
    one, asked = Processes(Accelerator(cpu=True)), iter([False, False, True])
    folder = tmp_path / "stopped"
    with pytest.raises(StopRequested):
        store_views(
            folder, encoder, dataset, one, workers=0, stop_requested=lambda: next(asked),
            progress=False,
        )  # fmt: skip
    _flip_a_bit(folder / "clips.npy", video=1)  # its checksum then tells
    seen: list[int] = []

    class Noting(ViewDataset):
        def __getitem__(self, index: int) -> Any:
            seen.append(index)
            return super().__getitem__(index)

    noting = Noting(catalog, reader, recipe.augmentation, views=VIEWS, clips=CLIPS)
    resumed = store_views(folder, encoder, noting, one, workers=0, progress=False)
    assert seen == [1, *range(3, len(catalog))]
    for name in ("views", "clips", "starts", "usable"):
        assert np.array_equal(getattr(resumed, name), getattr(whole, name))


def _flip_a_bit(file: Path, *, video: int) -> None:
    rows = np.load(file, mmap_mode="r+")
    rows[video].view(np.uint8).reshape(-1)[-1] ^= 1
    rows.flush()


@pytest.mark.parametrize("name", ["views.json", "clips.npy", "starts.npy"])
def test_views_without_a_file_or_with_a_damaged_one_are_computed_anew(
    recipe: Recipe, catalog: Catalog, tmp_path: Path, name: str
) -> None:
    _, stored = stored_by(recipe, catalog, tmp_path)
    views = np.array(stored.views)
    file = tmp_path / name
    if name == "views.json":
        file.write_text(5000 * "[")
    elif name == "clips.npy":
        file.unlink()
    else:
        np.save(file, np.zeros(3))
    _, again = stored_by(recipe, catalog, tmp_path)
    assert np.array_equal(views, again.views)


def test_native_crops_are_drawn_from_native_frames(
    recipe: Recipe, catalog: Catalog, tmp_path: Path
) -> None:
    _, resized = stored_by(recipe, catalog, tmp_path / "resized")
    native = replace(recipe, augmentation=replace(recipe.augmentation, crop_from="native"))
    _, other = stored_by(native, catalog, tmp_path / "native")
    assert not np.array_equal(resized.views, other.views)
    assert np.array_equal(resized.clips, other.clips)


def test_a_full_disk_is_one_line(
    recipe: Recipe, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(WriteError, match="no space left on device"):
        stored_by(recipe, catalog, tmp_path)


def of_starts(*starts: list[int], usable: list[bool] | None = None) -> StoredViews:
    """Return views that name their video and their number."""
    first = np.array(starts)
    videos, views = first.shape
    named = np.moveaxis(np.indices((videos, views)), 0, 2).astype(np.float32)
    return StoredViews(named, first, named, np.array(usable or [True] * videos), extent=4)


def test_positives_of_one_video_share_no_frame_where_the_views_allow_it() -> None:
    dataset = StoredSampleDataset(of_starts([0, 3, 4, 9], [0, 1, 3, 2]), seed=0)
    long, short = (
        [dataset[SampleIndex(epoch, video, video)] for epoch in range(60)] for video in (0, 1)
    )
    starts = dataset.stored.starts
    pairs = {tuple(int(view) for view in sample.clips[:, 1]) for sample in long}
    apart = {(a, p) for a in range(4) for p in range(4) if abs(starts[0, a] - starts[0, p]) >= 4}
    assert pairs == apart
    assert not any(sample.overlap for sample in long)
    for sample in short:
        anchor, positive = (int(view) for view in sample.clips[:, 1])
        distance = [abs(int(starts[1, anchor] - start)) for start in starts[1]]
        assert sample.overlap
        assert anchor != positive
        assert distance[positive] == max(distance)


def test_all_views_of_a_partner_are_drawn() -> None:
    dataset = StoredSampleDataset(of_starts([0, 3], [0, 1]), seed=0)
    samples = [dataset[SampleIndex(epoch, 0, 1)] for epoch in range(40)]
    assert {tuple(sample.clips.flatten().tolist()) for sample in samples} == {
        (0, a, 1, p) for a in (0, 1) for p in (0, 1)
    }
    assert {(int(s.video), int(s.partner), int(s.overlap)) for s in samples} == {(0, 1, 0)}


def test_a_video_that_cannot_be_decoded_is_replaced_by_the_next() -> None:
    stored = of_starts([0, 9], [0, 9], [0, 9], usable=[True, False, False])
    dataset = StoredSampleDataset(stored, seed=0)
    for index in (SampleIndex(0, 1, 0), SampleIndex(0, 0, 2), SampleIndex(0, 2, 2)):
        sample = dataset[index]
        assert (int(sample.video), int(sample.partner)) == (0, 0)


def test_files_that_cannot_be_decoded_are_noted(
    recipe: Recipe, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ClipReader.read

    def read(self: ClipReader, video: object, spans: object) -> object:
        if self.unreadable == "raise" and video in broken:
            raise VideoError("no frame could be decoded")
        return whole(self, video, spans)  # type: ignore[arg-type]

    monkeypatch.setattr(ClipReader, "read", read)
    broken = [catalog[1]]
    _, stored = stored_by(recipe, catalog, tmp_path / "one")
    assert stored.usable.tolist() == [number != 1 for number in range(len(catalog))]
    broken = [*catalog]
    with pytest.raises(TrainingError, match="none of the videos can be decoded"):
        stored_by(recipe, catalog, tmp_path / "all")


def test_a_run_on_stored_views_gives_vectors_without_a_head(
    recipe: Recipe, catalog: Catalog, tmp_path: Path
) -> None:
    result = pretrain(catalog, out=tmp_path / "run", recipe=recipe, progress=False)
    encoder = VideoEncoder.from_pretrained(result.encoder)
    assert encoder.vectors == {"appearance": 196, "motion": 384}
    start = build_encoder(recipe).backbone.state_dict()  # type: ignore[attr-defined]
    for name, weight in encoder.backbone.state_dict().items():  # type: ignore[attr-defined]
        assert not torch.equal(weight, start[name])
    rounds = [r for r in read_log(tmp_path / "run" / "log.jsonl") if r["kind"] == "round"]
    assert [r["vector"] for r in rounds] == ["appearance", "motion"] * (len(rounds) // 2)
    assert sorted(p.name for p in (tmp_path / "run" / "clusters").iterdir())[:2] == [
        "epoch-0000-appearance.jsonl",
        "epoch-0000-motion.jsonl",
    ]
    assert not (tmp_path / "run" / "views").exists()


def test_stored_views_need_a_fixed_part() -> None:
    with pytest.raises(RecipeError, match="backbone 'slic/r3d18' has no fixed part"):
        load_recipe("paper-ucf101-rgb", ["--sampling.stored_views=4", "--temporal.weight=0"])
    with pytest.raises(RecipeError, match=r"stored_views is 4, but temporal\.weight is above 0"):
        load_recipe("two-stream", ["--sampling.stored_views=4", "--temporal.weight=1"])


class StopAtOnce(Callback):
    def on_start(self, run: object) -> None:  # noqa: ARG002 (an event)
        raise StopRequested


def test_a_run_that_stopped_before_its_first_checkpoint_starts_from_the_given_weights(
    recipe: Recipe, catalog: Catalog, tmp_path: Path
) -> None:
    given = pretrain(catalog, out=tmp_path / "given", recipe=recipe, progress=False).encoder
    adapted = replace(recipe, init=InitOptions(weights=str(given)))
    whole = pretrain(catalog, out=tmp_path / "whole", recipe=adapted, progress=False)
    with pytest.raises(StopRequested):
        pretrain(
            catalog, out=tmp_path / "run", recipe=adapted, callbacks=[StopAtOnce()], progress=False
        )
    saved = load_recipe(tmp_path / "run" / "recipe.yaml")
    resumed = pretrain(catalog, out=tmp_path / "run", recipe=saved, resume=True, progress=False)
    first, second = (VideoEncoder.from_pretrained(r.encoder) for r in (whole, resumed))
    assert first.fingerprint() == second.fingerprint()
