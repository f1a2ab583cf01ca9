"""An encoder comes back from its files as it was, or one line says why not."""

import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from slic import recipe
from slic.errors import CheckpointError, WriteError
from slic.models.backbones.motion import FRAMES_FOR_MOTION, motion_of
from slic.models.encoder import EncoderConfig, VideoEncoder, to_input

SMALL = EncoderConfig(
    backbone="r3d10", width=0.0625, hidden=8, embedding=4, frames=4, size=16, view="flow"
)


def small_encoder(seed: int = 0) -> VideoEncoder:
    torch.manual_seed(seed)
    encoder = VideoEncoder(SMALL)
    encoder(torch.randn(4, 3, 4, 16, 16))  # moves the running statistics
    return encoder.eval()


def test_pixels_become_minus_one_to_one() -> None:
    clips = torch.randint(0, 256, (2, 4, 5, 6, 3), dtype=torch.uint8)
    clips[0, 1, 2, 3] = torch.tensor([0, 255, 51], dtype=torch.uint8)
    x = to_input(clips)
    assert x.shape == (2, 3, 4, 5, 6)
    torch.testing.assert_close(x[0, :, 1, 2, 3], torch.tensor([-1.0, 1.0, -0.6]))


def test_the_embedding_is_the_head_of_the_features() -> None:
    encoder, clips = small_encoder(), torch.randn(3, 3, 4, 16, 16)
    first, norm, _, last = encoder.projection
    hidden = norm(first(encoder.backbone(clips))).clamp(min=0)
    torch.testing.assert_close(encoder(clips), last(hidden))
    torch.testing.assert_close(encoder(clips), encoder.head(encoder.features(clips)))


def test_an_encoder_comes_back_as_it_was(tmp_path: Path) -> None:
    encoder = small_encoder()
    conv = encoder.backbone.conv1
    conv.weight.data = conv.weight.data.to(memory_format=torch.channels_last_3d)
    encoder.save_pretrained(tmp_path / "encoder")
    back = VideoEncoder.from_pretrained(tmp_path / "encoder")
    assert back.config == encoder.config
    assert back.fingerprint() == encoder.fingerprint()
    assert not back.training
    for name, value in encoder.state_dict().items():
        assert torch.equal(back.state_dict()[name], value)
    assert sorted(path.name for path in (tmp_path / "encoder").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_the_fingerprint_changes_with_any_weight_and_any_setting() -> None:
    encoder = small_encoder()
    seen = {encoder.fingerprint(), small_encoder(seed=1).fingerprint()}
    encoder.config = replace(SMALL, stride=2)
    seen.add(encoder.fingerprint())
    encoder.state_dict()["backbone.bn1.running_var"][0] += 1e-6
    seen.add(encoder.fingerprint())
    assert len(seen) == 4
    assert all(len(fingerprint) == 16 for fingerprint in seen)


def test_a_full_disk_keeps_the_encoder_that_is_there(tmp_path: Path) -> None:
    small_encoder().save_pretrained(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(WriteError, match=r"model\.safetensors: could not be written"):
            small_encoder(seed=1).save_pretrained(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert VideoEncoder.from_pretrained(tmp_path).fingerprint() == small_encoder().fingerprint()


def test_weights_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    small_encoder().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["projection.9.bias"] = weights.pop("projection.0.bias")
    weights["projection.3.bias"] = torch.zeros(5)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        VideoEncoder.from_pretrained(tmp_path)
    message = str(caught.value)
    assert "missing: projection.0.bias;" in message
    assert "unexpected: projection.9.bias;" in message
    assert "of another shape: projection.3.bias (5,) instead of (4,)" in message
    assert "\n" not in message


def test_another_architecture_is_refused_in_one_short_line(tmp_path: Path) -> None:
    small_encoder().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"backbone": "r3d50"}))
    with pytest.raises(CheckpointError, match=r"missing: .* more") as caught:
        VideoEncoder.from_pretrained(tmp_path)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, r"config\.json: no encoder here \(no such file or directory\)"),
        ("config.json", b"{", r"config\.json: not an encoder's configuration"),
        ("config.json", b"[]", r"config\.json: not an encoder's configuration"),
        ("config.json", b"\xff", r"config\.json: not an encoder's configuration"),
        ("config.json", b'{"depth": 3}', r"config\.json: unknown settings depth"),
        ("config.json", b'{"backbone": "vgg"}', r"config\.json: not an encoder's configuration"),
        ("config.json", b'{"width": "1"}', r"not an encoder's configuration \(width is '1'\)"),
        ("config.json", b'{"stem_stride": [1, 2]}', r"stem_stride is \(1, 2\)"),
        ("config.json", b'{"shortcut": "C"}', r"shortcut is 'C'"),
        ("config.json", b'{"width": 0.001}', r"no encoder can be built so"),
        ("config.json", b'{"hidden": -1}', r"no encoder can be built so"),
        ("model.safetensors", None, r"model\.safetensors: no readable weights"),
        ("model.safetensors", b"half", r"model\.safetensors: no readable weights"),
    ],
)
def test_missing_and_damaged_files_are_named_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    small_encoder().save_pretrained(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        VideoEncoder.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(ValueError, match="backbone='r3d11': the backbones are r3d10"):
        EncoderConfig(backbone="r3d11")


def test_what_stands_still_is_not_seen_when_the_mean_frame_is_subtracted() -> None:
    config = EncoderConfig(
        backbone="r3d10", width=0.125, hidden=8, embedding=4, frames=4, subtract_mean_frame=True
    )
    encoder = VideoEncoder(config).eval()
    clips = torch.rand(2, 3, 4, 32, 32)
    still = torch.rand(2, 3, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(encoder(clips), encoder(clips + still), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(encoder(clips), encoder(clips.flip(2)), atol=1e-6)


def test_a_share_of_the_mean_frame_is_seen_while_it_fades_in() -> None:
    encoder = VideoEncoder(EncoderConfig(backbone="r3d10", width=0.125, hidden=8)).eval()
    clips = torch.rand(2, 3, 4, 32, 32)
    faded = clips - 0.75 * clips.mean(dim=2, keepdim=True)
    with torch.no_grad():
        whole = encoder(faded)
        encoder.mean_frame = 0.25
        torch.testing.assert_close(encoder(clips), whole, atol=1e-5, rtol=1e-5)


def test_the_backbone_sees_how_a_clip_moves_whatever_it_sees_of_the_pictures() -> None:
    torch.manual_seed(0)
    encoder = VideoEncoder(replace(SMALL, motion=True)).eval()
    clips = torch.rand(2, 3, 4, 16, 16) * 2 - 1
    encoder.mean_frame = 0.25
    first = clips[:, :, [0, 2]]  # of the two pairs of pictures
    seen = torch.cat([first - 0.75 * first.mean(2, keepdim=True), motion_of(clips).channels], dim=1)
    layout = encoder.layout(motion_of(clips).layout)
    beside = torch.cat([encoder.backbone(seen), layout], dim=1)
    torch.testing.assert_close(encoder.features(clips), beside)
    assert beside.shape[1] == encoder.feature_size
    imported = replace(SMALL, motion=True, mean=(0.1, 0.2, 0.3), std=(0.2, 0.2, 0.2))
    torch.manual_seed(0)
    other = VideoEncoder(imported).eval()  # its own zero and one, and the same motion
    pixels = (first + 1) / 2
    m, s = (torch.tensor(x).view(3, 1, 1, 1) for x in (imported.mean, imported.std))
    seen = torch.cat([(pixels - m) / s, motion_of(clips).channels], dim=1)
    features, what = other.features(clips), other.backbone(seen)
    torch.testing.assert_close(features, torch.cat([what, layout], dim=1))


def test_motion_needs_four_frames() -> None:
    with pytest.raises(ValueError, match="frames=3: motion needs at least 4"):
        EncoderConfig(motion=True, frames=3)
    layout = motion_of(torch.rand(2, 3, FRAMES_FOR_MOTION, 32, 32)).layout
    assert layout.isfinite().all()
    assert layout.square().mean(dim=1).tolist() == pytest.approx([1, 1], rel=1e-4)
    assert recipe.FRAMES_FOR_MOTION == FRAMES_FOR_MOTION
