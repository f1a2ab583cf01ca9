"""A file of embeddings gives back what was saved, and any other file is refused."""

import json
from pathlib import Path
from typing import Any

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


def test_no_changed_bit_gives_other_embeddings(embeddings: Embeddings, tmp_path: Path) -> None:
    path = tmp_path / "embeddings.npz"
    embeddings.save(path)
    whole, harmless = path.read_bytes(), 0
    for bit in np.random.default_rng(0).choice(8 * len(whole), 1000, replace=False).tolist():
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = Embeddings.load(path)
        except (EmbeddingsError, FormatError):
            continue
        harmless += 1  # such as the time of a member of the archive
        assert np.array_equal(found.clips, embeddings.clips)
        assert (found.ids, found.encoder) == (embeddings.ids, embeddings.encoder)
    assert harmless < 500


@pytest.mark.parametrize(
    "fault",
    [
        {"ids": ["a.mp4", 3]}, {"ids": []}, {"encoder": None},
        {"clips": np.zeros((2, 4), np.float32)}, {"clips": np.zeros((2, 1, 4))},
    ],
)  # fmt: skip
def test_fields_that_do_not_fit_are_refused(tmp_path: Path, fault: dict[str, Any]) -> None:
    fields: dict[str, Any] = {
        "slic_embeddings": 1, "ids": ["a", "b"], "encoder": "0", "layer": "head",
        "modality": "rgb", "clips": np.zeros((2, 1, 4), np.float32),
    }  # fmt: skip
    fields |= fault
    path = tmp_path / "x.npz"
    np.savez(path, clips=fields.pop("clips"), about=np.array(json.dumps(fields)))
    with pytest.raises(EmbeddingsError, match="is not a file of embeddings"):
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
