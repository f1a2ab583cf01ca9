"""An encoder comes back from its files as it was, or one line says why not."""

import json
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from slic.errors import CheckpointError, FormatError, RecipeError, WriteError
from slic.models.backbones import R3D, ClipSpec
from slic.models.encoder import (
    EncoderConfig,
    HeadSpec,
    ProjectionHead,
    VideoEncoder,
    to_input,
)

SMALL = EncoderConfig(
    backbone="slic/r3d10",
    arguments={"width": 0.0625},
    head=HeadSpec(hidden=8, embedding=4),
    clip=ClipSpec(frames=4, size=16),
    modalities=("flow",),
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
    assert isinstance(encoder.head, ProjectionHead)
    first, norm, _, last = encoder.head
    hidden = norm(first(encoder.backbone(clips))).clamp(min=0)
    torch.testing.assert_close(encoder(clips), last(hidden))
    torch.testing.assert_close(encoder(clips), encoder.head(encoder.features(clips)))


def test_an_encoder_comes_back_as_it_was(tmp_path: Path) -> None:
    encoder = small_encoder()
    conv = encoder.get_submodule("backbone.conv1")
    assert isinstance(conv, nn.Conv3d)
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
    for changed in (
        replace(SMALL, clip=ClipSpec(frames=4, size=16, stride=2)),
        replace(SMALL, clip=ClipSpec(frames=4, size=16, fps=25.0)),
        replace(SMALL, arguments={**SMALL.arguments, "mean_frame_weight": 0.5}),
        replace(SMALL, modalities=("rgb",)),
    ):
        torch.manual_seed(0)
        seen.add(VideoEncoder(changed).fingerprint())
    assert isinstance(encoder.backbone, R3D)
    encoder.backbone.mean_frame_weight = 0.25  # as while it fades in
    seen.add(encoder.fingerprint())
    encoder.backbone.version = 2
    seen.add(encoder.fingerprint())
    encoder.state_dict()["backbone.bn1.running_var"][0] += 1e-6
    seen.add(encoder.fingerprint())
    assert len(seen) == 9
    assert all(len(fingerprint) == 16 for fingerprint in seen)


def test_a_rate_is_saved_and_an_encoder_without_one_is_as_before_there_was_one(
    tmp_path: Path,
) -> None:
    small_encoder().save_pretrained(tmp_path / "frames")
    clip = json.loads((tmp_path / "frames" / "config.json").read_text())["clip"]
    assert list(clip) == ["frames", "stride", "size", "mean", "std"]
    assert VideoEncoder.from_pretrained(tmp_path / "frames").clip.fps is None
    at_rate = VideoEncoder(replace(SMALL, clip=ClipSpec(frames=4, size=16, fps=12.5)))
    at_rate.save_pretrained(tmp_path / "rate")
    assert VideoEncoder.from_pretrained(tmp_path / "rate").clip.fps == 12.5


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
    weights["head.9.bias"] = weights.pop("head.0.bias")
    weights["head.3.bias"] = torch.zeros(5)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        VideoEncoder.from_pretrained(tmp_path)
    message = str(caught.value)
    assert "missing: head.0.bias;" in message
    assert "unexpected: head.9.bias;" in message
    assert "of another shape: head.3.bias (5,) instead of (4,)" in message
    assert "\n" not in message


def test_another_architecture_is_refused_in_one_short_line(tmp_path: Path) -> None:
    small_encoder().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["backbone"] = "slic/r3d50"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"missing: .* more") as caught:
        VideoEncoder.from_pretrained(tmp_path)
    assert len(str(caught.value)) < 1500


def test_a_changed_bit_of_the_weights_is_noticed(tmp_path: Path) -> None:
    small_encoder().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 4
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged, its checksum"):
        VideoEncoder.from_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["weights_sha256"]  # changed on purpose
    (tmp_path / "config.json").write_text(json.dumps(config))
    VideoEncoder.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"arguments": {"width": 400.0}}, {"arguments": {"width": 1e300}}, {"head": {"hidden": 2**40}}],
)
def test_a_configuration_that_would_fill_the_memory_is_refused_before(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    small_encoder().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for name, values in change.items():
        config[name] |= values
    (tmp_path / "config.json").write_text(json.dumps(config))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError) as caught:
        VideoEncoder.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def with_version(text: str) -> bytes:
    return text.replace("{", '{"format": 2, "backbone_version": 1, ', 1).encode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, r"config\.json: there is no encoder \(no such file or directory\)"),
        ("config.json", b"{", r"config\.json: not the configuration of an encoder"),
        ("config.json", b"[]", r"config\.json: not the configuration of an encoder"),
        ("config.json", b"\xff", r"config\.json: not the configuration of an encoder"),
        ("config.json", with_version('{"depth": 3}'), "depth"),
        ("config.json", with_version('{"backbone": "vgg"}'), "unknown backbone 'vgg'"),
        ("config.json", with_version('{"arguments": {"width": "wide"}}'), "backbone.width"),
        ("config.json", with_version('{"arguments": {"stem_stride": [1, 2]}}'), "stem_stride"),
        ("config.json", with_version('{"arguments": {"shortcut": "C"}}'), "shortcut"),
        ("config.json", with_version('{"arguments": {"width": 0.001}}'), "width is 0.001"),
        ("config.json", with_version('{"head": {"hidden": -1}}'), "hidden is -1"),
        ("config.json", with_version('{"clip": {"frames": 0}}'), "frames is 0"),
        ("config.json", with_version('{"clip": {"frames": 10000000}}'), "frames x size x size is"),
        ("config.json", with_version('{"clip": {"resize": 99999}}'), "resize is 99999"),
        ("model.safetensors", None, r"model\.safetensors: weights cannot be read"),
        ("model.safetensors", b"half", r"model\.safetensors: weights cannot be read"),
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


@pytest.mark.parametrize(
    ("key", "value"), [("format", 0), ("format", None), ("backbone_version", 0)]
)
def test_another_version_is_refused_by_name(tmp_path: Path, key: str, value: int | None) -> None:
    small_encoder().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(FormatError, match=f"version {value}, but this package"):
        VideoEncoder.from_pretrained(tmp_path)


def test_an_unknown_backbone_or_argument_is_refused() -> None:
    with pytest.raises(
        RecipeError, match=r"unknown backbone 'slic/r3d11'\. Did you mean 'slic/r3d1."
    ):
        VideoEncoder(EncoderConfig(backbone="slic/r3d11"))
    with pytest.raises(RecipeError, match=r"unknown setting 'backbone\.dept'"):
        VideoEncoder(EncoderConfig(arguments={"dept": 10}))


def test_an_encoder_without_a_head_gives_features() -> None:
    encoder = VideoEncoder(replace(SMALL, head=HeadSpec(hidden=0, embedding=0))).eval()
    clips = torch.randn(2, 3, 4, 16, 16)
    assert not encoder.has_head
    assert encoder.embedding_size == encoder.feature_size == encoder(clips).shape[1]
    assert torch.equal(encoder(clips), encoder.features(clips))


def test_clips_are_normalised_for_the_backbone() -> None:
    clip = ClipSpec(frames=4, size=16, mean=(0.1, 0.2, 0.3), std=(0.2, 0.3, 0.4))
    torch.manual_seed(0)
    encoder = VideoEncoder(replace(SMALL, clip=clip)).eval()
    pixels = torch.rand(2, 3, 4, 16, 16)
    mean, std = (torch.tensor(x).view(3, 1, 1, 1) for x in (clip.mean, clip.std))
    expected = encoder.backbone((pixels - mean) / std)
    torch.testing.assert_close(encoder.features(2 * pixels - 1), expected, rtol=1e-4, atol=1e-5)


def test_the_weight_of_the_mean_frame_is_saved(tmp_path: Path) -> None:
    encoder = small_encoder()
    assert isinstance(encoder.backbone, R3D)
    encoder.backbone.mean_frame_weight = 0.25
    encoder.save_pretrained(tmp_path)
    back = VideoEncoder.from_pretrained(tmp_path)
    clips = torch.randn(2, 3, 4, 16, 16)
    assert back.config.arguments["mean_frame_weight"] == 0.25
    assert torch.equal(back(clips), encoder(clips))
