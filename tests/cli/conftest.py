"""The command in this process."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from slic.cli import main
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.search import Index

Lines = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return a function that runs the command here: exit code, lines on stdout and on stderr."""

    def run(*words: object) -> tuple[int, list[str], list[str]]:
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return run


@pytest.fixture
def make_index(fill: Callable[..., Index], rows: Callable[..., np.ndarray]) -> Callable[..., Index]:
    """Return a function that makes an index of drawn moments, given their number by path."""

    def make(moments: Mapping[str, int], *, name: str = "index") -> Index:
        return fill({path: rows(count) for path, count in moments.items()}, name=name)

    return make


@pytest.fixture(scope="session")
def labelled_videos(
    tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]
) -> Path:
    """Return a folder of ten videos with ``labels.csv``, which lists one more."""
    folder = tmp_path_factory.mktemp("collection") / "videos"
    rows = ["path,label,split"]
    for number in range(10):
        make_video(folder / f"{number}.mp4", frames=6 + 3 * number, size=(64, 48))
        label = "even" if number % 2 == 0 else "odd"
        rows.append(f"{number}.mp4,{label},{'test' if number < 4 else 'train'}")
    (folder / "labels.csv").write_text("\n".join([*rows, "gone.mp4,odd,test"]) + "\n")
    return folder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny encoder with random weights."""
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=8, embedding=4),
        clip=ClipSpec(frames=4, stride=1, size=32),
    )
    folder = tmp_path_factory.mktemp("encoder")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        VideoEncoder(config).save_pretrained(folder)
    return folder
