"""``slic embed`` and ``slic evaluate``: what they print and write, also after a kill."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slic.embeddings import Embeddings
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

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
        arguments={"depth": 10, "width": 0.125},
        head=HeadSpec(hidden=8, embedding=4),
        clip=ClipSpec(frames=4, stride=1, size=32),
    )
    folder = tmp_path_factory.mktemp("encoder")
    VideoEncoder(config).save_pretrained(folder)
    return folder


def test_retrieval_prints_what_was_compared_and_writes_scores_and_pictures(
    slic: Slic, videos: Path, encoder: Path, tmp_path: Path
) -> None:
    words = ["--encoder", encoder, "--labels", videos / "labels.csv", "--workers=0"]
    outputs = ["--json", tmp_path / "scores.json", "--pictures", tmp_path / "page.html"]
    ended = slic(
        "evaluate", "retrieval", videos, *words, *outputs, "--protocol", "sliding-windows"
    ).wait()
    assert ended.code == 0, ended.err
    fingerprint = VideoEncoder.from_pretrained(encoder).fingerprint()
    assert f"encoder {encoder} ({fingerprint})" in ended.out
    assert f"videos {videos}, labels {videos}/labels.csv, queries test, gallery train" in ended.out
    assert "1 videos of these splits are absent, the first: gone.mp4" in ended.out
    assert "retrieval (sliding-windows: backbone output, mean over all half-overl" in ended.out
    assert "4 queries, gallery of 6" in ended.out
    told = json.loads((tmp_path / "scores.json").read_text())
    assert (told["encoder"], told["absent_videos"]) == (fingerprint, 1)
    assert sum(sum(found.values()) for found in told["confusion"].values()) == 4
    assert (tmp_path / "page.html").read_text().count('class="row"') == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "scores.json"]


def test_the_map_can_be_left_out_and_an_unknown_protocol_is_named(
    slic: Slic, videos: Path, encoder: Path, tmp_path: Path
) -> None:
    words = ["--encoder", encoder, "--labels", videos / "labels.csv", "--workers=0"]
    kept = ["--cache", tmp_path / "kept", "--skip-map"]
    ended = slic("evaluate", "retrieval", videos, *words, *kept).wait()
    assert ended.code == 0, ended.err
    assert "mAP" not in ended.out
    assert list((tmp_path / "kept").glob("*/*.npz"))
    wrong = slic("evaluate", "retrieval", videos, *words, "--protocol=papre").wait()
    assert wrong.code == 1
    assert wrong.err == (
        "slic: unknown protocol 'papre'. Did you mean 'paper'? Known: paper, backbone, "
        "paper-centred, backbone-centred, sliding-windows, finetune, linear, probe; "
        "or an import path such as my_module.MyClass.\n"
    )


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
    wait_until(lambda: len(list(kept.glob("*/*.npz"))) >= 3, running)
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


def test_clusters_of_embeddings_and_of_a_table(
    slic: Slic, videos: Path, encoder: Path, tmp_path: Path
) -> None:
    out, labels = tmp_path / "embeddings.npz", videos / "labels.csv"
    assert slic("embed", videos, "--encoder", encoder, "--workers=0", "--out", out).wait().code == 0
    outputs = ["--json", tmp_path / "told.json", "--picture", tmp_path / "page.html"]
    ended = slic("evaluate", "clusters", out, "--labels", labels, *outputs).wait()
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"clusters of {out}, 10 videos, labels {labels}\npartition ")
    told = json.loads((tmp_path / "told.json").read_text())
    assert [row["partition"] for row in told["partitions"]][:1] == ["FINCH 0"]
    assert (tmp_path / "page.html").read_text().count('class="chart"') == 3
    table = tmp_path / "mine.csv"
    table.write_text("path,cluster\n" + "".join(f"{i}.mp4,{'ab'[i % 2]}\n" for i in range(10)))
    ended = slic("evaluate", "clusters", table, "--labels", labels).wait()
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[2].split()[-3:] == ["1.000"] * 3
    wrong = slic("evaluate", "clusters", tmp_path, "--labels", labels).wait()
    assert wrong.code == 1
    assert f"{tmp_path}: no clusters/epoch-*.jsonl here" in wrong.err.splitlines()[-1]
