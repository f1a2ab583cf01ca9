"""A text search with a small X-CLIP that the library saved: its order is the library's own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from slic.errors import SearchError
from slic.models.backbones.transformers import TransformersBackbone
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.search import Index, create_index, query_from_text, search, update_index
from slic.search.text_ranking import rank_by_text
from slic.videos.catalog import Catalog

transformers = pytest.importorskip("transformers")

WORDS = ["a", "person", "falls", "dog", "runs", "cat", "jumps"]
TEXT = "a dog jumps"
VIDEOS = 8


def save_x_clip(folder: Path) -> None:
    """Save an X-CLIP with random weights and a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    layers = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    two = layers | {"num_hidden_layers": 2}
    config = transformers.XCLIPConfig(
        vision_config=two | {
            "image_size": 32, "patch_size": 8, "num_frames": 4, "mit_hidden_size": 16,
            "mit_intermediate_size": 32, "mit_num_attention_heads": 4,
        },
        text_config=two | {"vocab_size": 16, "max_position_embeddings": 8, "pad_token_id": 0},
        projection_dim=16, prompt_num_attention_heads=4, prompt_alpha=4.0,
    )  # fmt: skip
    torch.manual_seed(3)
    network = transformers.XCLIPModel(config)
    network.save_pretrained(folder)
    images = transformers.VideoMAEImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    images.save_pretrained(folder)
    vocabulary = {word: number for number, word in enumerate(["<pad>", "<unk>", *WORDS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xclip")
    save_x_clip(folder)
    return folder


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of eight videos of random pictures, as numbered PNG files."""
    folder = tmp_path_factory.mktemp("videos")
    generator = np.random.default_rng(0)
    for number in range(VIDEOS):
        (folder / f"v{number}").mkdir()
        for frame in range(4):
            coarse = generator.integers(0, 255, (4, 4, 3), dtype=np.uint8)
            picture = cv2.resize(coarse, (32, 32), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(folder / f"v{number}" / f"image_{frame:05d}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def index(model: Path, videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    name = f"transformers/{model}"
    clip = replace(TransformersBackbone.native_clip(model=str(model)), fps=25.0)
    head = HeadSpec(hidden=0, embedding=0)
    encoder = VideoEncoder(EncoderConfig(backbone=name, clip=clip, head=head))
    backbone: Any = encoder.backbone
    backbone.load_pretrained()
    made = create_index(tmp_path_factory.mktemp("text") / "index", encoder.eval())
    catalog = Catalog.from_folder(videos, workers=1, cache=False, progress=False)
    update_index(made, catalog, workers=0, progress=False)
    return made


def library_outputs(model: Path, videos: Path) -> Any:
    """Return what the library's model gives for all videos and the text, read without slic."""
    clips = []
    for number in range(VIDEOS):
        paths = sorted((videos / f"v{number}").iterdir())
        frames = [np.asarray(cv2.imread(str(path)))[..., ::-1].copy() for path in paths]
        processor = transformers.AutoImageProcessor.from_pretrained(model)
        clips.append(processor([frames], return_tensors="pt").pixel_values[0])
    tokens = transformers.AutoTokenizer.from_pretrained(model)([TEXT], return_tensors="pt")
    network = transformers.XCLIPModel.from_pretrained(model).eval()
    with torch.no_grad():
        return network(
            input_ids=tokens.input_ids,
            attention_mask=tokens.attention_mask,
            pixel_values=torch.stack(clips),
        ), network.get_text_features(**{k: tokens[k] for k in ("input_ids", "attention_mask")})


def order_of(similarities: Tensor) -> list[str]:
    return [f"v{i}" for i in similarities.argsort(descending=True).tolist()]


def test_a_text_search_has_the_order_of_the_library(
    index: Index, model: Path, videos: Path
) -> None:
    outputs, texts = library_outputs(model, videos)
    cosines = torch.cosine_similarity(outputs.video_embeds, texts.pooler_output)
    hits = search(index, query_from_text(index, TEXT), k=VIDEOS)
    assert [hit.path for hit in hits] == order_of(cosines)
    assert [hit.score for hit in hits] == pytest.approx(sorted(cosines.tolist())[::-1], abs=1e-5)
    assert index.encoder.text_needs_clip
    logits = outputs.logits_per_video[:, 0]
    again = rank_by_text(index, hits, TEXT)
    assert [hit.path for hit in again] == order_of(logits) != order_of(cosines)
    with_prompts = logits.sort(descending=True).values
    scale = transformers.XCLIPModel.from_pretrained(model).logit_scale.exp().item()
    assert [hit.score * scale for hit in again] == pytest.approx(with_prompts.tolist(), abs=1e-4)


def test_an_index_without_texts_says_so(
    fill: Callable[..., Index], rows: Callable[..., np.ndarray]
) -> None:
    made = fill({"a.mp4": rows(3)})
    with pytest.raises(SearchError, match="no text"):
        rank_by_text(made, [], "a dog")
