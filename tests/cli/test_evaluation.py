"""``slic evaluate``: its help comes from the table, and a protocol may be an import path."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slic.evaluation import PROTOCOLS

Lines = Callable[..., tuple[int, list[str], list[str]]]

PROTOCOL = '''
"""A protocol outside the package."""

from dataclasses import dataclass
from slic.evaluation.retrieval import evaluate
from slic.embeddings import embed

@dataclass(frozen=True)
class FirstClip:
    """Retrieval by a single clip.

    Args:
        k: Number of neighbours.
        layer: Output to compare.
    """

    k: int = 1
    layer: str = "head"

    def score(self, encoder, split, *, workers=2, cache=None, progress=True):
        query, gallery = (
            embed(encoder, part, clips=1, layer=self.layer, workers=workers, progress=False).clips
            for part in (split.test, split.train)
        )
        labels = (split.test_labels, split.train_labels)
        return evaluate(query, labels[0], gallery, labels[1], ks=(self.k,), protocol="first clip")
'''


def test_the_help_lists_every_protocol(lines: Lines) -> None:
    code, out, _ = lines("evaluate", "--help")
    assert code == 0
    listed = [line.split()[0] for line in out[out.index("protocols:") + 1 :]]
    assert listed == list(PROTOCOLS)


def test_a_protocol_outside_the_package_is_run_by_its_import_path(
    lines: Lines,
    labelled_videos: Path,
    encoder_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "protocol_of_a_test.py").write_text(PROTOCOL)
    monkeypatch.syspath_prepend(tmp_path)
    labels, scores = labelled_videos / "labels.csv", tmp_path / "scores.json"
    words = [labelled_videos, "--encoder", encoder_folder, "--labels", labels, "--workers=0"]
    name = "protocol_of_a_test.FirstClip"
    code, out, err = lines("evaluate", name, *words, "--k=6", "--json", scores)
    assert code == 0, err
    assert out[0] == "retrieval (first clip)"
    as_json = json.loads(scores.read_text())
    assert as_json["recall"] == {"6": 1.0}
    assert as_json["settings"] == {"k": 6, "layer": "head"}
    code, out, _ = lines("evaluate", name, "--help")
    assert code == 0
    assert "  --k K" in "\n".join(out)
    assert "Retrieval by a single clip." in out


@pytest.mark.parametrize("words", [["evaluate"], ["evaluate", "paper"], ["evaluate", "probe", "x"]])
def test_missing_words_are_wrong_usage(lines: Lines, words: list[str]) -> None:
    code, _, err = lines(*words)
    assert code == 2
    assert "the following arguments are required" in err[-1]
