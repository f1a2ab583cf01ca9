"""The two streams of the built-in encoder, on clips whose appearance and motion are known."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from slic.errors import CheckpointError, RecipeError
from slic.models.backbones import ClipSpec
from slic.models.backbones.appearance_descriptor import appearance_descriptor
from slic.models.backbones.motion_descriptor import motion_features
from slic.models.backbones.two_stream import MOTION_SIZE, TwoStreams

MovingPatch = Callable[..., Tensor]
SPEED = (0.6, 0.3)
SIGNATURE = """
import json, torch
from slic.models.backbones.two_stream import TwoStreams
torch.set_num_threads({threads})
backbone = TwoStreams(TwoStreams.native_clip())
backbone.load_pretrained("pretrained")
clips = torch.rand(5, 3, 16, 12, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1
clips = torch.nn.functional.interpolate(clips.flatten(0, 1), size=96, mode="bilinear")
print(json.dumps(backbone(clips.view(5, 3, 16, 96, 96)).tolist()))
"""


@pytest.fixture(scope="module")
def streams() -> TwoStreams:
    backbone = TwoStreams(TwoStreams.native_clip())
    backbone.load_pretrained("pretrained")
    return backbone.eval().requires_grad_(False)


def parts(streams: TwoStreams, clips: Tensor) -> dict[str, Tensor]:
    names, lengths = zip(*streams.vectors.items(), strict=True)
    return dict(zip(names, streams(clips).split(lengths, dim=1), strict=True))


def waving(*, shade: float = 0.0, gain: float = 1.0) -> Tensor:
    """Return a clip (1, 3, 16, 96, 96) of a textured square that swings to and fro."""
    generator = torch.Generator().manual_seed(0)
    ground = torch.rand(1, 1, 24, 24, generator=generator)
    ground = torch.nn.functional.interpolate(ground, size=96, mode="bilinear")
    square = torch.rand(1, 1, 8, 8, generator=generator)
    square = torch.nn.functional.interpolate(square, size=32, mode="bilinear")
    frames = []
    for t in range(16):
        frame = ground.clone()
        column = 30 + round(6 * torch.sin(torch.tensor(0.8 * t)).item())
        frame[..., 30:62, column : column + 32] = square
        frames.append(frame)
    grey = gain * torch.stack(frames, dim=2).expand(-1, 3, -1, -1, -1).clone()
    grey[:, 0] += 0.587 * shade  # this pair of changes leaves the brightness as it is
    grey[:, 1] -= 0.299 * shade
    return (0.2 + 0.6 * grey) * 2 - 1


def test_both_vectors_have_unit_length_and_are_named_in_order(streams: TwoStreams) -> None:
    found = parts(streams, waving())
    assert list(found) == ["appearance", "motion"]
    assert sum(streams.vectors.values()) == streams.feature_size <= 768
    for vector in found.values():
        torch.testing.assert_close(vector.norm(dim=1), torch.ones(1))


def test_each_vector_is_a_linear_map_of_its_descriptor(streams: TwoStreams) -> None:
    clips, found = waving(), parts(streams, waving())
    unit = torch.nn.functional.normalize
    appearance = unit(streams.appearance(appearance_descriptor(clips)))
    torch.testing.assert_close(found["appearance"], appearance)
    motion = unit(streams.motion(motion_features(clips).descriptor))
    torch.testing.assert_close(unit(found["motion"][:, :-1]), motion)


def test_where_nothing_moves_two_clips_are_alike_in_motion(streams: TwoStreams) -> None:
    still = waving()[:, :, :1].expand(-1, -1, 16, -1, -1)
    other = still.flip(-1, -2) * 0.8
    noise = 0.004 * torch.randn(still.shape, generator=torch.Generator().manual_seed(1))
    motion = parts(streams, torch.cat([still, other, still + noise, waving()]))["motion"]
    assert (motion[:3, -1] > 0.99).all()
    assert motion[3, -1] < 0.05
    cosines = motion @ motion.T
    assert (cosines[:3, :3] > 0.98).all()
    assert (cosines[3, :3].abs() < 0.2).all()


def test_a_clip_played_backwards_has_the_same_appearance(streams: TwoStreams) -> None:
    forward, backward = parts(streams, waving()), parts(streams, waving().flip(2))
    torch.testing.assert_close(backward["appearance"], forward["appearance"], atol=1e-5, rtol=0)


def test_motion_does_not_depend_on_colour_and_hardly_on_contrast(streams: TwoStreams) -> None:
    plain = parts(streams, waving())
    tinted = parts(streams, waving(shade=0.3))
    torch.testing.assert_close(tinted["motion"], plain["motion"], atol=2e-3, rtol=0)
    assert (tinted["appearance"] * plain["appearance"]).sum() < 0.9
    fainter = parts(streams, waving(gain=0.7))
    assert (fainter["motion"] * plain["motion"]).sum() > 0.95


@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0])
def test_a_clip_of_one_colour_gives_finite_unit_vectors(streams: TwoStreams, level: float) -> None:
    for vector in parts(streams, torch.full((1, 3, 16, 96, 96), level)).values():
        torch.testing.assert_close(vector.norm(dim=1), torch.ones(1))


def test_a_video_of_two_frames_gives_finite_unit_vectors(streams: TwoStreams) -> None:
    clip = waving()
    padded = torch.cat([clip[:, :, :1], clip[:, :, 1:2].expand(-1, -1, 15, -1, -1)], dim=2)
    for vector in parts(streams, padded).values():
        torch.testing.assert_close(vector.norm(dim=1), torch.ones(1))


def test_other_clips_are_taken_where_the_weights_fit() -> None:
    spec = ClipSpec(frames=8, size=64, mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))
    streams = TwoStreams(spec)
    streams.load_pretrained("pretrained")
    clips = waving()[:, :, :8, :64, :64]
    plain = TwoStreams(ClipSpec(frames=8, size=64))
    plain.load_pretrained("pretrained")
    normalised = (0.5 * clips + 0.5 - 0.4) / 0.2
    torch.testing.assert_close(streams(normalised), plain(clips), atol=1e-3, rtol=0)
    with pytest.raises(CheckpointError, match=r"motion\.weight .* instead of"):
        TwoStreams(ClipSpec(frames=4)).load_pretrained("pretrained")
    with pytest.raises(CheckpointError, match="no weights 'best'; it has 'pretrained'"):
        streams.load_pretrained("best")
    with pytest.raises(RecipeError, match="at least 4 for the backbone 'slic/two-stream'"):
        TwoStreams(ClipSpec(frames=3))


def test_its_layers_can_be_trained() -> None:
    backbone = TwoStreams(ClipSpec(frames=6, size=32))
    backbone(torch.rand(2, 3, 6, 32, 32))[:, : -MOTION_SIZE + 9].sum().backward()
    assert all(weight.grad is not None for weight in backbone.parameters())
    (block,) = backbone.blocks
    assert {*map(id, block.parameters())} == {*map(id, backbone.parameters())}


@pytest.mark.slow
def test_all_processes_and_numbers_of_threads_compute_the_same() -> None:
    found = [
        subprocess.run(
            [sys.executable, "-c", SIGNATURE.format(threads=threads)],
            capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for threads, seed in ((1, "1"), (2, "2"))
    ]  # fmt: skip
    one, two = (torch.tensor(json.loads(text)) for text in found)
    torch.testing.assert_close(two, one, atol=1e-6, rtol=0)


def test_the_residual_block_begins_as_the_identity_and_is_trained(streams: TwoStreams) -> None:
    deeper = TwoStreams(TwoStreams.native_clip(), hidden=8)
    deeper.load_pretrained("pretrained")
    clips = torch.cat([waving(), waving(shade=0.3)])
    torch.testing.assert_close(deeper(clips), streams(clips), atol=1e-6, rtol=0)
    deeper(clips)[:, -9:].sum().backward()
    assert [*deeper.blocks[0].modules()][-1] is [*deeper.modules()][-1]  # the block is a part
    last = [*deeper.children()][-1][-1]  # type: ignore[index]
    gradients = [weight.grad for weight in last.parameters()]
    assert all(gradient is not None and gradient.any() for gradient in gradients)
    with pytest.raises(RecipeError, match=r"hidden is -1, but it must be at least 0"):
        TwoStreams(TwoStreams.native_clip(), hidden=-1)
