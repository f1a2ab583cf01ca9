"""A file of embeddings gives back what was saved, and any other file is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from slic.embeddings import Embeddings, stored
from slic.errors import EmbeddingsError, FormatError


@pytest.fixture
def embeddings() -> Embeddings:
    """Return embeddings of three videos, two clips each."""
    clips = np.random.default_rng(0).standard_normal((3, 2, 4)).astype(np.float32)
    ids = ("a.mp4", "sub/ü.mp4", 'c "quoted".mp4')
    return Embeddings(ids=ids, clips=clips, encoder="0123abcd", layer="head", modality="flow")


def test_a_file_gives_back_what_was_saved(embeddings: Embeddings, tmp_path: Path) -> None:
    path = tmp_path / "new" / "embeddings.npz"
    embeddings.save(path)
    loaded = Embeddings.load(path)
    assert np.array_equal(loaded.clips, embeddings.clips)
    for name in ("ids", "encoder", "layer", "modality"):
        assert getattr(loaded, name) == getattr(embeddings, name)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["missing", "text", "cut", "other"])
def test_a_file_that_is_something_else_is_named(
    embeddings: Embeddings, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "embeddings.npz"
    if kind == "text":
        path.write_text("hello")
    elif kind == "cut":
        embeddings.save(path)
        path.write_bytes(path.read_bytes()[:-40])
    elif kind == "other":
        np.savez(path, x=np.zeros(3))
    with pytest.raises(
        EmbeddingsError, match=r"embeddings.npz: is not a file of embeddings .* with `slic embed`"
    ):
        Embeddings.load(path)


def test_a_file_of_another_format_is_refused(
    embeddings: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "embeddings.npz"
    monkeypatch.setattr(stored, "EMBEDDINGS_FORMAT", 99)
    embeddings.save(path)
    monkeypatch.undo()
    with pytest.raises(FormatError, match=r"format 99; .* reads format 1\. .* `slic embed`"):
        Embeddings.load(path)
    first = {"ids": ["a.mp4"], "encoder": "0", "layer": "head", "view": "rgb"}  # before versions
    np.savez(path, clips=np.zeros((1, 1, 4), np.float32), about=np.array(json.dumps(first)))
    with pytest.raises(FormatError, match="format None"):
        Embeddings.load(path)
