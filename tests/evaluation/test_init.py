"""Protocols are found by name or by import path, also one that is defined outside the package."""

from pathlib import Path
from typing import Any

import pytest

from slic.datasets import Labels
from slic.errors import ProtocolError
from slic.evaluation import PROTOCOLS, EvaluationProtocol, Scores, find_protocol
from slic.evaluation.base import split_by_labels
from slic.evaluation.classification import LinearProbe
from slic.models.encoder import VideoEncoder
from slic.videos.catalog import Catalog

OUTSIDE = '''
"""A protocol outside the package."""

from dataclasses import dataclass

@dataclass(frozen=True)
class LongestVideo:
    """Say how often the longest training video has the label of a test video.

    Args:
        scale: Factor on the share.
    """

    scale: float = 1.0

    def score(self, encoder, split, *, workers=2, cache=None, progress=True):
        longest = max(range(len(split.train)), key=lambda i: split.train[i].frames)
        right = [label == split.train_labels[longest] for label in split.test_labels]
        return Share(self.scale * sum(right) / len(right))

@dataclass(frozen=True)
class Share:
    share: float
    protocol: str = "longest video"

    def as_dict(self):
        return {"protocol": self.protocol, "share": self.share}

    def table(self):
        return f"{self.protocol}: {self.share:.2f}"
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the import path of a protocol in a module of the test."""
    (tmp_path / "module_of_the_test.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    return "module_of_the_test.LongestVideo"


def test_a_protocol_outside_the_package_scores_an_encoder(
    outside: str, six_videos: Catalog, seven_labels: Labels, tiny_encoder: VideoEncoder
) -> None:
    protocol_class: Any = find_protocol(outside)
    protocol = protocol_class(scale=2.0)
    assert isinstance(protocol, EvaluationProtocol)
    scores = protocol.score(tiny_encoder, split_by_labels(six_videos, seven_labels))
    assert isinstance(scores, Scores)
    assert scores.as_dict() == {"protocol": "longest video", "share": 1.0}  # 5.mp4 is a "b"


def test_names_of_the_table_are_found() -> None:
    assert find_protocol("probe") is LinearProbe
    assert all(find_protocol(name) is protocol for name, protocol in PROTOCOLS.items())


def test_an_unknown_protocol_names_the_nearest_and_all_known_ones() -> None:
    with pytest.raises(ProtocolError, match=r"'papre'. Did you mean 'paper'\? Known: paper, back"):
        find_protocol("papre")


def test_what_has_no_score_is_not_a_protocol() -> None:
    with pytest.raises(ProtocolError, match=r"'json\.JSONDecoder': it has no method 'score'"):
        find_protocol("json.JSONDecoder")
