"""Weights to start from, and which of them are trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from slic.errors import CheckpointError, RecipeError
from slic.models.adaptation import (
    AdaptationOptions,
    InitOptions,
    adapt_only,
    layer_groups,
    start_from,
)
from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder

SMALL = EncoderConfig(
    backbone="slic/r3d10",
    arguments={"width": 0.0625},
    head=HeadSpec(hidden=6, embedding=5),
    clip=ClipSpec(frames=4, size=16),
)


def encoder_of(seed: int, config: EncoderConfig = SMALL) -> VideoEncoder:
    torch.manual_seed(seed)
    return VideoEncoder(config)


def same(ours: Any, theirs: Any) -> bool:
    pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    encoder_of(1).save_pretrained(tmp_path / "run" / "encoder")
    return tmp_path / "run"


@pytest.mark.parametrize("part", [".", "encoder"])
@pytest.mark.parametrize("head", ["new", "kept"])
def test_a_run_and_its_encoder_give_their_weights(saved: Path, part: str, head: str) -> None:
    encoder, other = encoder_of(2), encoder_of(2)
    start_from(encoder, InitOptions(weights=str(saved / part), head=head))  # type: ignore[arg-type]
    assert same(encoder.backbone, encoder_of(1).backbone)
    assert same(encoder.head, encoder_of(1).head if head == "kept" else other.head)


def test_random_weights_stay() -> None:
    encoder = encoder_of(2)
    start_from(encoder, InitOptions())
    assert same(encoder, encoder_of(2))


@pytest.mark.parametrize("suffix", [".pth", ".pth.tar"])
def test_a_checkpoint_of_the_authors_gives_its_weights(tmp_path: Path, suffix: str) -> None:
    names = {"head.0.": "fc1.", "head.1.": "bn_proj.", "head.3.": "fc2."}
    state = {}
    for name, value in encoder_of(1).state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs) if name.startswith(ours) else name
        state[f"module.{name.removeprefix('backbone.')}"] = value
    torch.save({"state_dict": state}, tmp_path / f"theirs{suffix}")
    encoder = encoder_of(2)
    start_from(encoder, InitOptions(weights=str(tmp_path / f"theirs{suffix}"), head="kept"))
    assert same(encoder, encoder_of(1))


@pytest.mark.parametrize(
    ("weights", "head", "error", "said"),
    [
        ("nothing", "new", RecipeError, "no such file or encoder folder"),
        ("pretrained", "new", RecipeError, "has no published weights"),
        ("random", "kept", RecipeError, "no encoder with a head"),
        ("damaged.pth", "new", CheckpointError, r"damaged\.pth: no readable checkpoint"),
        ("other", "new", CheckpointError, "its backbone is 'slic/r3d18', not 'slic/r3d10'"),
        ("wider", "new", CheckpointError, "of another shape"),
        ("headless", "kept", CheckpointError, "no head to keep"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(
    weights: str,
    head: str,
    error: type[Exception],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.pth").write_bytes(b"no weights")
    small, none = {"width": 0.0625}, HeadSpec(hidden=0, embedding=0)
    other = EncoderConfig(backbone="slic/r3d18", arguments=small, head=SMALL.head)
    encoder_of(1, other).save_pretrained(tmp_path / "other")
    wider = EncoderConfig(backbone="slic/r3d10", arguments={"width": 0.125}, head=SMALL.head)
    encoder_of(1, wider).save_pretrained(tmp_path / "wider")
    headless = EncoderConfig(backbone="slic/r3d10", arguments=small, head=none)
    encoder_of(1, headless).save_pretrained(tmp_path / "headless")
    with pytest.raises(error, match=said) as caught:
        start_from(encoder_of(2), InitOptions(weights=weights, head=head))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("trained", [0, 1, 3])
def test_frozen_blocks_do_not_change_in_training(trained: int) -> None:
    encoder = encoder_of(0)
    adapt_only(encoder, AdaptationOptions(trained_blocks=trained))
    encoder.train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    weights = [weight for weight in encoder.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    encoder(torch.randn(4, 3, 4, 16, 16)).square().sum().backward()
    optimizer.step()
    after = encoder.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    blocks: list[nn.Module] = encoder.backbone.blocks  # type: ignore[attr-defined]
    last = {
        value.data_ptr()
        for b in blocks[len(blocks) - trained :]
        for value in b.state_dict().values()
    }
    state = encoder.backbone.state_dict()  # type: ignore[attr-defined]
    expected = {f"backbone.{name}" for name, value in state.items() if value.data_ptr() in last}
    assert {name for name in changed if name.startswith("backbone.")} == expected
    assert any(name.startswith("head.") for name in changed)


def test_all_blocks_are_all_weights_and_more_do_not_exist() -> None:
    encoder = encoder_of(0)
    adapt_only(encoder, AdaptationOptions(trained_blocks=5))  # the stem and four blocks
    assert all(weight.requires_grad for weight in encoder.parameters())
    with pytest.raises(RecipeError, match="at most 5, the number of blocks of 'slic/r3d10'"):
        adapt_only(encoder, AdaptationOptions(trained_blocks=6))


def test_learning_rates_fall_by_the_same_factor_from_block_to_block() -> None:
    encoder = encoder_of(0)
    groups = layer_groups(encoder, 0.5)
    scale = {w: group["scale"] for group in groups for w in group["params"]}  # type: ignore[index]
    assert set(scale) == set(encoder.parameters())
    assert {scale[weight] for weight in encoder.head.parameters()} == {1.0}
    for distance, block in enumerate(reversed(encoder.backbone.blocks), start=1):  # type: ignore[attr-defined]
        assert {scale[weight] for weight in block.parameters()} == {0.5**distance}
    assert layer_groups(encoder, 1.0) == list(encoder.parameters())


@pytest.mark.parametrize("backbone", ["slic/r3d10", "slic/motion"])
def test_recomputed_activations_give_the_same_gradients_and_statistics(backbone: str) -> None:
    depth = {"depth": 10} if backbone == "slic/motion" else {}
    config = EncoderConfig(
        backbone=backbone,
        arguments={"width": 0.0625} | depth,
        head=SMALL.head,
        clip=ClipSpec(frames=8, size=32),
    )
    plain, saving = encoder_of(0, config).train(), encoder_of(0, config).train()
    adapt_only(saving, AdaptationOptions(gradient_checkpointing=True))
    clips = torch.randn(3, 3, 8, 32, 32)
    for encoder in (plain, saving):
        encoder(clips).square().sum().backward()
    assert same(plain, saving)
    for ours, theirs in zip(saving.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7)
