"""Small models of every family, made and saved by the library itself, with their processors."""

import json
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

transformers: Any = None  # the modules of tests are skipped without it
with suppress(ImportError):
    transformers = import_module("transformers")

LAYERS = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
TWO = LAYERS | {"num_hidden_layers": 2}
FRAMES = TWO | {"image_size": 32, "patch_size": 8}
TEXT = TWO | {"max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 1}
WORDS = ["a", "person", "falls", "runs", "jumps", "dog", "cat", "on", "the", "street"]
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}

Network = Any
SaveModel = Callable[..., Path]


def _vjepa2() -> Network:
    config = transformers.VJEPA2Config(
        **TWO, crop_size=32, patch_size=8, frames_per_clip=4, pred_hidden_size=24,
        pred_num_attention_heads=2, pred_num_hidden_layers=1,
    )  # fmt: skip
    return transformers.VJEPA2Model(config)


def _videomae(network: str = "VideoMAEForVideoClassification") -> Network:
    decoder = {
        "decoder_hidden_size": 32, "decoder_num_attention_heads": 4,
        "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 64,
    }  # fmt: skip
    config = transformers.VideoMAEConfig(**FRAMES, **decoder, num_frames=4, num_labels=3)
    return getattr(transformers, network)(config)


def _timesformer() -> Network:
    config = transformers.TimesformerConfig(**FRAMES, num_frames=4)
    return transformers.TimesformerForVideoClassification(config)


def _vivit() -> Network:
    config = transformers.VivitConfig(**TWO, image_size=32, num_frames=4, tubelet_size=[2, 8, 8])
    return transformers.VivitForVideoClassification(config)


def _videoprism_vision() -> dict[str, Any]:
    return LAYERS | {
        "image_size": 32, "tubelet_size": [1, 8, 8], "num_frames": 4, "num_spatial_layers": 2,
        "num_temporal_layers": 1, "num_auxiliary_layers": 1,
    }  # fmt: skip


def _videoprism_vision_model() -> Network:
    config = transformers.VideoPrismVisionConfig(**_videoprism_vision())
    return transformers.VideoPrismVisionModel(config)


def _videoprism() -> Network:
    config = transformers.VideoPrismConfig(
        vision_config=_videoprism_vision(),
        text_config=TEXT | {"vocab_size": len(WORDS) + 2, "pad_token_id": 0},
    )
    return transformers.VideoPrismClipModel(config)


def _xclip() -> Network:
    mit = {"mit_hidden_size": 16, "mit_intermediate_size": 32, "mit_num_attention_heads": 4}
    config = transformers.XCLIPConfig(
        vision_config=FRAMES | mit | {"num_frames": 4}, projection_dim=16,
        text_config=TEXT | {"vocab_size": clip_tokenizer().vocab_size},
        prompt_num_attention_heads=4, prompt_alpha=2.0,
    )  # fmt: skip
    return transformers.XCLIPModel(config)


def _clip() -> Network:
    text = TEXT | {"vocab_size": clip_tokenizer().vocab_size}
    text["eos_token_id"] = clip_tokenizer().eos_token_id
    config = transformers.CLIPConfig(vision_config=FRAMES, text_config=text, projection_dim=16)
    return transformers.CLIPModel(config)


def _siglip() -> Network:
    config = transformers.SiglipConfig(
        vision_config=FRAMES, text_config=TEXT | {"vocab_size": len(WORDS) + 2}
    )
    return transformers.SiglipModel(config)


NETWORKS: dict[str, Callable[[], Network]] = {
    "vjepa2": _vjepa2,
    "videomae": _videomae,
    "timesformer": _timesformer,
    "vivit": _vivit,
    "videoprism_vision_model": _videoprism_vision_model,
    "videoprism": _videoprism,
    "xclip": _xclip,
    "clip": _clip,
    "siglip": _siglip,
}


def clip_tokenizer() -> Any:
    """Return a tokenizer of CLIP that knows whole words; the last id is the end, as in CLIP."""
    letters = sorted(set("".join(WORDS)))
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = []
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
            tokens.append(pieces[0])
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=list(dict.fromkeys(merges)))


def _word_tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {token: i for i, token in enumerate(["<pad>", "<unk>", *WORDS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.save(str(folder / "words.json"))
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "words.json"), pad_token="<pad>", unk_token="<unk>"
    )
    (folder / "words.json").unlink()
    return tokenizer


def save_processor(family: str, folder: Path) -> None:
    """Write the processor files as the library does for the family."""
    crop = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    if family == "xclip":
        images = transformers.VideoMAEImageProcessor(**crop, **IMAGENET)
        transformers.XCLIPProcessor(images, clip_tokenizer()).save_pretrained(folder)
    elif family == "clip":
        images = transformers.CLIPImageProcessor(**crop)
        transformers.CLIPProcessor(images, clip_tokenizer()).save_pretrained(folder)
    elif family in {"videoprism", "siglip", "videoprism_vision_model"}:
        square = {"size": {"height": 32, "width": 32}}
        name = "SiglipImageProcessor" if family == "siglip" else "LlavaOnevisionVideoProcessor"
        extra = {} if family == "siglip" else {"do_normalize": False}
        getattr(transformers, name)(**square, **extra).save_pretrained(folder)
        if family != "videoprism_vision_model":
            _word_tokenizer(folder).save_pretrained(folder)
    else:
        names = {"vjepa2": "VJEPA2", "videomae": "VideoMAE", "vivit": "Vivit"}
        name = names.get(family, "Timesformer")
        getattr(transformers, f"{name}VideoProcessor")(**crop).save_pretrained(folder)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that saves a small model of a family once, and returns its folder."""
    folders: dict[str, Path] = {}

    def save(family: str) -> Path:
        if family not in folders:
            folder = tmp_path_factory.mktemp(family)
            torch.manual_seed(len(family))
            network = NETWORKS[family]()
            _randomise_zeros(network)
            network.save_pretrained(folder)
            save_processor(family, folder)
            folders[family] = folder
        return folders[family]

    return save


def _randomise_zeros(network: Network) -> None:
    """Give weights that begin at zero, such as positions, values that a mistake would show."""
    with torch.no_grad():
        for weight in network.parameters():
            if not weight.any():
                weight.normal_(std=0.5)


def edit_json(path: Path, **values: Any) -> None:
    """Change values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
