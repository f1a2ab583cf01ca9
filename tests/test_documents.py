"""What docs/python.md shows runs as it stands there, and gives what the product gives."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import slic
from slic.embeddings import Layer
from slic.pretraining.parts import new_encoder

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_the_page_on_python_runs_and_its_clip_is_the_one_that_is_embedded(
    tmp_path: Path, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        make_video(tmp_path / "videos" / f"{number}.mp4", frames=40 + number, size=(160, 120))
    small = ["--clip.size=32", "--clip.stride=2", "--encoder.width=0.125"]
    new_encoder(slic.load_recipe("best", small)).save_pretrained("run/encoder")
    shown: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(block, shown)
    ours: slic.VideoEncoder = shown["encoder"]
    found: dict[Layer, Any] = {"backbone": shown["features"], "head": shown["embedding"]}
    for layer, vector in found.items():
        wanted = slic.embed(ours, shown["catalog"], clips=1, layer=layer, progress=False)
        np.testing.assert_allclose(vector.numpy(), wanted.mean[:1], rtol=1e-4, atol=1e-5)
    assert shown["embeddings"].clips.shape[:2] == (2, 10)
