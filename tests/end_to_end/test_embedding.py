"""``slic embed``, killed and started again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.embeddings import Embeddings
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

pytestmark = pytest.mark.slow  # they start programs or train


Slic = Callable[..., Any]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """Return a folder of ten videos with a table of labels; the table names one more."""
    folder = tmp_path_factory.mktemp("collection") / "videos"
    rows = ["path,label,split"]
    for number in range(10):
        make_video(folder / f"{number}.mp4", frames=6 + 3 * number, size=(64, 48))
        rows.append(f"{number}.mp4,{'even' if number % 2 == 0 else 'odd'},")
    rows = [rows[0], *(row + ("test" if i < 4 else "train") for i, row in enumerate(rows[1:]))]
    (folder / "labels.csv").write_text("\n".join([*rows, "gone.mp4,odd,test"]) + "\n")
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny encoder with random weights."""
    torch.manual_seed(0)
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=8, embedding=4),
        clip=ClipSpec(frames=4, stride=1, size=32),
    )
    folder = tmp_path_factory.mktemp("encoder")
    VideoEncoder(config).save_pretrained(folder)
    return folder


def test_embed_killed_and_started_again_goes_on_and_ends_as_in_one_go(
    slic: Slic, videos: Path, encoder: Path, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    words = ["embed", videos, "--encoder", encoder, "--workers=0", "--clips=64", "--out"]
    assert slic(*words, tmp_path / "whole.npz").wait().code == 0
    slowly = """
import time
from slic.embeddings import cache, embedding
plain, cache.FLUSH_SECONDS = embedding._embed_batch, 0.0
def features(*arguments, **options):
    time.sleep(0.3)
    return plain(*arguments, **options)
embedding._embed_batch = features
"""
    out, kept = tmp_path / "out.npz", tmp_path / ".out.npz.features"
    running = slic(*words, out, before=slowly)
    wait_until(lambda: len(list(kept.glob("*/*.features"))) >= 3, running)
    running.kill()
    assert running.wait().code == -9
    assert not out.exists()
    counted = """
from slic.embeddings import embedding
plain = embedding._embed_batch
def features(*arguments, **options):
    print("embedded")
    return plain(*arguments, **options)
embedding._embed_batch = features
"""
    ended = slic(*words, out, before=counted).wait()
    assert ended.code == 0, ended.err
    assert ended.out.count("embedded") <= 7  # of ten
    resumed, whole = Embeddings.load(out), Embeddings.load(tmp_path / "whole.npz")
    assert resumed.ids == whole.ids
    assert np.array_equal(resumed.clips, whole.clips)
    assert not kept.exists()
