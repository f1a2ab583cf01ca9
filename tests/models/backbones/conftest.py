"""Clips in which a patch moves over a texture; networks of torchvision with random weights."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift
from torch import Tensor, nn

from slic.callbacks import Callback
from slic.cli import main
from slic.models.backbones.base import ClipSpec
from slic.models.backbones.torchvision import TorchvisionBackbone
from slic.models.backbones.torchvision_networks import FAMILIES
from slic.models.encoder import to_input
from slic.models.sources import open_encoder
from slic.pretraining import pretrain
from slic.recipe import load_recipe

SIDE, FRAMES = 48, 4


def clouds(seed: int, *, side: int = SIDE, fineness: float = 2.0) -> np.ndarray:
    """Return a smooth grey texture in 0..1."""
    noise = np.random.default_rng(seed).standard_normal((side, side))
    smooth = gaussian_filter(noise, fineness, mode="wrap")
    return np.asarray((smooth - smooth.min()) / np.ptp(smooth))


def as_clip(pictures: np.ndarray) -> Tensor:
    """Return grey pictures (t, h, w) in 0..1 as one clip in -1..1."""
    clip = torch.from_numpy(np.asarray(pictures, np.float32)) * 2 - 1
    return clip.expand(3, *clip.shape)[None]


def patch_that_moves(step: tuple[float, float], camera: tuple[float, float] = (0, 0)) -> Tensor:
    """Return a clip in which the middle moves by (right, down) a frame, and all by the camera's."""
    ground, thing = clouds(0, side=2 * SIDE), clouds(1, side=2 * SIDE)
    rows, columns = np.mgrid[: 2 * SIDE, : 2 * SIDE] - SIDE
    inside = (np.hypot(rows, columns) < 12).astype(float)
    pictures = []
    for t in range(FRAMES):
        moved = [shift(x, (t * step[1], t * step[0]), order=3) for x in (thing, inside)]
        picture = moved[0] * moved[1] + ground * (1 - moved[1])
        panned = shift(picture, (t * camera[1], t * camera[0]), order=3, mode="wrap")
        pictures.append(panned[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2])
    return as_clip(np.array(pictures))


@pytest.fixture(scope="session")
def moving_patch() -> Callable[..., Tensor]:
    """Return :func:`patch_that_moves`."""
    return patch_that_moves


def draw_clips(clip: ClipSpec) -> Tensor:
    """Return two clips of noise."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn((2, 3, clip.frames, clip.size, clip.size), generator=generator)


@pytest.fixture(scope="session")
def random_clips() -> Callable[[ClipSpec], Tensor]:
    """Return :func:`draw_clips`."""
    return draw_clips


def draw_network(model: str) -> Any:
    """Return torchvision's network with weights and statistics that are all random."""
    from torchvision import models

    torch.manual_seed(0)
    net = models.get_model(model, weights=None)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif value.is_floating_point() and value.ndim == 1:
                value.normal_(0.0 if name.endswith(("bias", "mean")) else 1.0, 0.1)
            elif value.ndim == 5:
                nn.init.kaiming_normal_(value)  # S3D's own are so small that all clips look alike
    return net.eval()


@pytest.fixture(scope="session")
def torchvision_network() -> Callable[[str], Any]:
    """Return :func:`draw_network`."""
    return draw_network


def check_features(backbone: TorchvisionBackbone, theirs: Any) -> None:
    """Compare features with what torchvision's network gives its classifier."""
    setattr(theirs, FAMILIES[backbone.model].classifier, nn.Identity())
    x = draw_clips(backbone.clip)
    with torch.no_grad():
        ours, expected = backbone.eval()(x), theirs(x)
    assert ours.shape == expected.shape == (2, backbone.feature_size)
    assert expected.std(dim=0).max() > 1e-3  # the clips differ
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="session")
def assert_same_features() -> Callable[[TorchvisionBackbone, Any], None]:
    """Return :func:`check_features`."""
    return check_features


class StopBefore(Callback):
    """End a run without warning, as a killed process does."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_begin(self, run: Any) -> None:
        if run.state.epoch == self.epoch:
            raise ConnectionAbortedError


@pytest.fixture(scope="session")
def few_videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """Return a folder of eight videos."""
    folder = tmp_path_factory.mktemp("few") / "videos"
    for number in range(8):
        make_video(folder / f"{number}.mp4", frames=30 + number, size=(64, 48))
    return folder


@pytest.fixture
def whole_way(few_videos: Path, tmp_path: Path) -> Callable[[str, Sequence[str]], None]:
    """Return a function that indexes, searches, adapts, resumes, loads and exports an encoder.

    It takes the name of the encoder as it is, and the settings of its adaptation.
    """

    def go(name: str, words: Sequence[str]) -> None:
        index = tmp_path / "index"
        main(["index", str(few_videos), "--encoder", name, "--out", str(index), "--workers=0"])
        main(["search", str(index), str(few_videos / "3.mp4")])

        quick = ["--train.epochs=10", "--train.batch_size=4", "--train.workers=0"]
        recipe = load_recipe(
            "adapt", [*quick, "--head.hidden=16", "--train.precision=fp32", *words]
        )
        straight = pretrain(few_videos, out=tmp_path / "a", recipe=recipe, progress=False)
        assert straight.steps == 20
        killed = [StopBefore(5)]
        with pytest.raises(ConnectionAbortedError):
            pretrain(
                few_videos, out=tmp_path / "b", recipe=recipe, callbacks=killed, progress=False
            )
        again = load_recipe(tmp_path / "b" / "recipe.yaml")
        resumed = pretrain(
            few_videos, out=tmp_path / "b", recipe=again, resume=True, progress=False
        )
        weights = "model.safetensors"
        bytes_of = [(run.encoder / weights).read_bytes() for run in (straight, resumed)]
        assert bytes_of[0] == bytes_of[1]

        encoder = open_encoder(tmp_path / "a")
        generator = torch.Generator().manual_seed(0)
        shape = (3, encoder.clip.frames, encoder.clip.size, encoder.clip.size, 3)
        clips = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        with torch.no_grad():
            expected = encoder(to_input(clips)).numpy()
        main(["export", "onnx", str(tmp_path / "a"), "--out", str(tmp_path / "a.onnx")])
        session = onnxruntime.InferenceSession(
            tmp_path / "a.onnx", providers=["CPUExecutionProvider"]
        )
        np.testing.assert_allclose(
            session.run(None, {"clips": clips.numpy()})[0], expected, rtol=1e-3, atol=1e-3
        )

    return go
