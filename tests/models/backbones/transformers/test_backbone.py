"""Features, texts and files of a backbone are those of the library, by a direct call."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from slic.errors import CheckpointError, RecipeError
from slic.models.backbones import ClipSpec
from slic.models.backbones.transformers import FAMILIES, TransformersBackbone
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.models.sources import open_encoder

transformers = pytest.importorskip("transformers")

Saved = Callable[[str], Path]
TEXTS = ["a person falls", "dog runs on the street", "cat"]
TOWERS = [name for name, family in FAMILIES.items() if family.padding]


def load(folder: Path, clip: ClipSpec | None = None, **arguments: Any) -> TransformersBackbone:
    clip = clip or TransformersBackbone.native_clip(model=str(folder))
    backbone = TransformersBackbone(clip, model=str(folder), **arguments)
    backbone.load_pretrained()
    return backbone.eval()


def draw(clip: ClipSpec, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, clip.frames, clip.size, clip.size, generator=generator)


def of_tokens(folder: Path, name: str, clips: Tensor, first: int | None) -> Tensor:
    """Return the mean token of the library's own model, or its class token."""
    network = getattr(transformers, name).from_pretrained(folder).eval()
    tokens: Tensor = network(clips.transpose(1, 2)).last_hidden_state
    return tokens[:, 0] if first is None else tokens[:, first:].mean(dim=1)


def of_videomae(folder: Path, clips: Tensor) -> Tensor:
    """Return what the library's classifier sees."""
    network = transformers.VideoMAEForVideoClassification.from_pretrained(folder).eval()
    network.classifier = torch.nn.Identity()
    logits: Tensor = network(clips.transpose(1, 2)).logits
    return logits


def of_tower(folder: Path, name: str, clips: Tensor) -> Tensor:
    network = getattr(transformers, name).from_pretrained(folder).eval()
    if hasattr(network, "get_video_features") and name != "CLIPModel":
        features: Tensor = network.get_video_features(clips.transpose(1, 2)).pooler_output
        return features.flatten(1)
    frames = [network.get_image_features(clips[:, :, i]).pooler_output for i in range(8)]
    return torch.stack([F.normalize(x, dim=1) for x in frames]).mean(dim=0)


DIRECT: dict[str, Callable[[Path, Tensor], Tensor]] = {
    "vjepa2": lambda folder, x: of_tokens(folder, "VJEPA2Model", x, 0),
    "videomae": of_videomae,
    "timesformer": lambda folder, x: of_tokens(folder, "TimesformerModel", x, None),
    "vivit": lambda folder, x: of_tokens(folder, "VivitModel", x, None),
    "videoprism_vision_model": lambda f, x: of_tokens(f, "VideoPrismVisionModel", x, 0),
    "videoprism": lambda folder, x: of_tower(folder, "VideoPrismClipModel", x),
    "xclip": lambda folder, x: of_tower(folder, "XCLIPModel", x),
    "clip": lambda folder, x: of_tower(folder, "CLIPModel", x),
    "siglip": lambda folder, x: of_tower(folder, "SiglipModel", x),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_features_equal_a_direct_call_of_the_library(family: str, saved: Saved) -> None:
    backbone = load(saved(family))
    clips = draw(backbone.clip)
    with torch.no_grad():
        features, direct = backbone(clips), DIRECT[family](saved(family), clips)
    assert features.shape == (2, backbone.feature_size)
    assert sum(backbone.vectors.values()) == backbone.feature_size
    assert (features - direct).abs().max() < 1e-5
    assert (features[0] - features[1]).abs().max() > 1e-4  # the clips differ


@pytest.mark.parametrize("family", ["timesformer", "vivit"])
def test_the_mean_leaves_the_class_token_out(family: str, saved: Saved) -> None:
    name = {"timesformer": "TimesformerModel", "vivit": "VivitModel"}[family]
    backbone = load(saved(family), pool="mean")
    clips = draw(backbone.clip)
    with torch.no_grad():
        direct = of_tokens(saved(family), name, clips, 1)
        assert (backbone(clips) - direct).abs().max() < 1e-5


@pytest.mark.parametrize("family", TOWERS)
def test_texts_equal_those_of_the_library(family: str, saved: Saved) -> None:
    backbone = load(saved(family))
    network = getattr(transformers, FAMILIES[family].network).from_pretrained(saved(family)).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved(family))
    most = network.config.text_config.max_position_embeddings
    padding = {"padding": "max_length", "max_length": most}
    if family in {"xclip", "clip"}:
        padding = {"padding": True}
    tokens = tokenizer(TEXTS, return_tensors="pt", **padding)
    tokens.pop("token_type_ids", None)
    with torch.no_grad():
        direct = network.get_text_features(**tokens).pooler_output
    texts = backbone.encode_text(TEXTS)
    assert texts.shape == (3, backbone.vectors["text"])
    assert (texts - direct).abs().max() < 1e-5
    assert (texts[0] - texts[1]).abs().max() > 1e-4


@pytest.mark.parametrize("family", ["xclip", "clip", "siglip", "videoprism"])
def test_text_similarities_are_the_library_s(family: str, saved: Saved) -> None:
    backbone = load(saved(family))
    clips = draw(backbone.clip, 5)
    network = getattr(transformers, FAMILIES[family].network).from_pretrained(saved(family)).eval()
    tokens = backbone._tokens(TEXTS)
    with torch.no_grad():
        if family == "xclip":
            logits = network(pixel_values=clips.transpose(1, 2), **tokens).logits_per_video
            direct = logits / network.logit_scale.exp()
        else:
            texts = network.get_text_features(**tokens).pooler_output
            videos = DIRECT[family](saved(family), clips)
            direct = F.normalize(videos, dim=1) @ F.normalize(texts, dim=1).T
    assert (backbone.text_similarities(clips, TEXTS) - direct).abs().max() < 1e-5


def test_x_clip_ranks_by_the_cosine_and_again_with_its_prompts(saved: Saved) -> None:
    """The prompts change the order, so the best hits are ranked again by the model itself."""
    backbone = load(saved("xclip"))
    clips = draw(backbone.clip, 12)
    with torch.no_grad():
        cosines = F.cosine_similarity(backbone(clips)[:, None], backbone.encode_text(TEXTS), dim=2)
    prompted = backbone.text_similarities(clips, TEXTS)
    assert (cosines - prompted).abs().max() > 1e-2
    network = transformers.XCLIPModel.from_pretrained(saved("xclip")).eval()
    tokens = backbone._tokens(TEXTS)
    with torch.no_grad():
        logits = network(pixel_values=clips.transpose(1, 2), **tokens).logits_per_video
    for text in range(3):
        hits = cosines[:, text].argsort(descending=True)[:12]
        again = hits[prompted[hits, text].argsort(descending=True)]
        assert again.tolist() == logits[:, text].argsort(descending=True).tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_arguments_rebuild_it_without_its_folder(
    family: str, saved: Saved, tmp_path: Path
) -> None:
    shutil.copytree(saved(family), tmp_path / "model")
    backbone = load(tmp_path / "model")
    backbone.save_files(tmp_path / "encoder")
    shutil.rmtree(tmp_path / "model")
    rebuilt = TransformersBackbone(backbone.clip, model=backbone.model, **backbone.arguments)
    assert all(weight.isnan().all() for weight in rebuilt.parameters())
    rebuilt.load_state_dict(backbone.state_dict())
    rebuilt.load_files(tmp_path / "encoder")
    clips = draw(backbone.clip)
    with torch.no_grad():
        assert torch.equal(rebuilt.eval()(clips), backbone(clips))
    assert rebuilt.arguments == backbone.arguments
    if family in TOWERS:
        assert torch.equal(rebuilt.encode_text(TEXTS), backbone.encode_text(TEXTS))


@pytest.mark.parametrize("family", FAMILIES)
def test_it_takes_other_frames_and_another_size(family: str, saved: Saved) -> None:
    native = load(saved(family))
    clip = replace(native.clip, frames=2 * native.clip.frames, size=48, resize=48)
    larger = load(saved(family), clip)
    with torch.no_grad():
        features = larger(draw(clip))
    assert features.shape == (2, native.feature_size)
    assert features.isfinite().all()
    rebuilt = TransformersBackbone(clip, model="gone/away", **larger.arguments)
    rebuilt.load_state_dict(larger.state_dict())
    with torch.no_grad():
        assert torch.equal(rebuilt.eval()(draw(clip)), features)


def test_a_clip_at_twice_the_size_has_nearly_the_same_features(saved: Saved) -> None:
    """With patches of one colour, interpolated positions give each place its own code again."""
    folder = saved("videomae")
    native = load(folder)
    table = native.network.videomae.embeddings.position_embeddings  # type: ignore[union-attr]
    larger = load(folder, replace(native.clip, size=64, resize=64))
    finer = larger.network.videomae.embeddings.position_embeddings  # type: ignore[union-attr]
    assert isinstance(table, Tensor)
    assert isinstance(finer, Tensor)
    blocks = finer.reshape(2, 4, 2, 4, 2, 32).mean(dim=(2, 4))  # the mean of 2 by 2 patches
    middle = blocks[:, 1:3, 1:3], table.reshape(2, 4, 4, 32)[:, 1:3, 1:3]
    assert F.cosine_similarity(*middle, dim=-1).min() > 0.95


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"frames": 5}, "clip.frames is 5, but it must be a multiple of 2"),
        ({"size": 36}, "clip.size is 36, but it must be a multiple of 8"),
    ],
)
def test_clips_that_no_patches_fill_are_refused(
    change: dict[str, Any], rule: str, saved: Saved
) -> None:
    clip = TransformersBackbone.native_clip(model=str(saved("videomae")))
    with pytest.raises(RecipeError, match=rule):
        TransformersBackbone(replace(clip, **change), model=str(saved("videomae")))


@pytest.mark.parametrize(
    ("family", "message"), [("vjepa2", "no class token; use 'mean'"), ("clip", "leave it out")]
)
def test_a_pooling_that_the_family_lacks_is_refused(
    family: str, message: str, saved: Saved
) -> None:
    clip = TransformersBackbone.native_clip(model=str(saved(family)))
    with pytest.raises(RecipeError, match=message):
        TransformersBackbone(clip, model=str(saved(family)), pool="cls")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_trained_weight_is_in_one_block_and_has_a_gradient(family: str, saved: Saved) -> None:
    backbone = load(saved(family)).train()
    backbone.gradient_checkpointing(True)
    clips = draw(backbone.clip)
    backbone(clips).square().sum().backward()
    trained = {id(p): n for n, p in backbone.named_parameters() if p.requires_grad}
    placed = [id(weight) for block in backbone.blocks for weight in block.parameters()]
    assert len(placed) == len(set(placed))
    assert {trained[i] for i in placed} == set(trained.values())
    assert all(p.grad is not None for p in backbone.parameters() if p.requires_grad)
    again = load(saved(family)).train()
    again(clips).square().sum().backward()
    for ours, theirs in zip(backbone.parameters(), again.parameters(), strict=True):
        if ours.requires_grad:
            assert ours.grad is not None
            torch.testing.assert_close(ours.grad, theirs.grad)
    backbone.gradient_checkpointing(False)


def test_other_weights_are_loaded_by_the_names_of_the_library(saved: Saved) -> None:
    from safetensors.torch import load_file

    backbone = load(saved("vivit"))
    fresh = TransformersBackbone(backbone.clip, model=str(saved("vivit"))).eval()
    path = saved("vivit") / "model.safetensors"
    fresh.load_weights(load_file(path), source=path)
    with torch.no_grad():
        assert torch.equal(fresh(draw(fresh.clip)), backbone(draw(fresh.clip)))


def test_weights_of_another_shape_are_refused_in_one_line(saved: Saved) -> None:
    from safetensors.torch import load_file

    backbone = load(saved("vivit"))
    path = saved("vivit") / "model.safetensors"
    state = load_file(path)
    name = next(n for n in state if n.endswith("layernorm.weight"))
    with pytest.raises(CheckpointError, match=r"another shape: .*\(7,\) instead of \(32,\)"):
        backbone.load_weights(state | {name: torch.ones(7)}, source=path)
    del state[name]
    with pytest.raises(CheckpointError, match=r"missing: layernorm\.weight"):
        backbone.load_weights(state, source=path)


def test_there_are_only_the_weights_of_the_model(saved: Saved) -> None:
    with pytest.raises(CheckpointError, match="no weights 'KINETICS400_V1'"):
        load(saved("vivit")).load_pretrained("KINETICS400_V1")


def test_a_model_without_texts_says_so(saved: Saved, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no text tower"):
        load(saved("vivit")).encode_text(["a"])
    backbone = load(saved("xclip"))
    backbone.load_files(tmp_path)
    with pytest.raises(CheckpointError, match="saved without a tokenizer"):
        backbone.encode_text(["a"])


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_comes_back_without_the_model_and_the_hub(
    family: str, saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shutil.copytree(saved(family), tmp_path / "model")
    encoder = open_encoder(f"transformers/{model}")
    encoder.save_pretrained(tmp_path / "encoder")
    shutil.rmtree(model)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    again = open_encoder(tmp_path / "encoder")
    assert again.fingerprint() == encoder.fingerprint()
    clips = draw(encoder.clip).clamp(-1, 1)
    with torch.no_grad():
        assert torch.equal(again(clips), encoder(clips))
    assert again.vectors == encoder.vectors
    assert again.has_text == (family in TOWERS)
    if again.has_text:
        assert torch.equal(again.encode_text(TEXTS), encoder.encode_text(TEXTS))


def test_a_fingerprint_does_not_depend_on_where_the_folder_is(saved: Saved, tmp_path: Path) -> None:
    first = open_encoder(f"transformers/{shutil.copytree(saved('clip'), tmp_path / 'a' / 'net')}")
    other = open_encoder(f"transformers/{shutil.copytree(saved('clip'), tmp_path / 'b' / 'net')}")
    assert first.config.backbone == "transformers/net"
    assert first.fingerprint() == other.fingerprint()
    with torch.no_grad():
        next(other.parameters()).add_(1e-3)
    assert first.fingerprint() != other.fingerprint()


def test_pooling_and_clips_are_part_of_the_fingerprint(saved: Saved) -> None:
    name = f"transformers/{saved('timesformer')}"
    clip = TransformersBackbone.native_clip(model=str(saved("timesformer")))
    head = HeadSpec(hidden=0, embedding=0)
    prints = set()
    for pool, stride in [("cls", 32), ("mean", 32), ("cls", 8)]:
        torch.manual_seed(0)
        config = EncoderConfig(
            backbone=name, arguments={"pool": pool}, head=head, clip=replace(clip, stride=stride)
        )
        prints.add(VideoEncoder(config).fingerprint())
    assert len(prints) == 3


def test_the_folder_of_a_model_is_asked_for_by_its_source(saved: Saved) -> None:
    with pytest.raises(CheckpointError, match="name it transformers/"):
        open_encoder(saved("clip"))
