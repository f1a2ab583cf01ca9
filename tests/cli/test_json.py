"""Every verb with a result prints it as one JSON document with ``--json``."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.cli import build_parser
from slic.cli.evaluation import build_clusters_parser
from slic.cli.protocols import build_protocol_parser
from slic.cli.retrieval import build_retrieval_parser
from slic.evaluation import PROTOCOLS
from slic.evaluation.retrieval_protocols import RETRIEVAL_PROTOCOLS
from slic.search import Index

Lines = Callable[..., tuple[int, list[str], list[str]]]
Document = Callable[..., dict[str, Any]]
WITHOUT_RESULT = {
    "slic completion",  # prints a script
    "slic evaluate",  # has a parser for each name, below
    "slic studio",  # serves a page until it is stopped
}


def verbs_of(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """Yield the parsers of all verbs that can be called."""
    if parser.get_default("verb"):
        yield parser
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for inner in action.choices.values():
                yield from verbs_of(inner)


def evaluations() -> Iterator[ArgumentParser]:
    yield build_clusters_parser()
    yield build_retrieval_parser("retrieval")
    for name, part in PROTOCOLS.items():
        if name in RETRIEVAL_PROTOCOLS:
            yield build_retrieval_parser(name)
        else:
            yield build_protocol_parser(name, part)


def test_every_verb_takes_json_or_has_no_result() -> None:
    parsers = {parser.prog: parser for parser in (*verbs_of(build_parser()), *evaluations())}
    takes = {name for name, parser in parsers.items() if "--json" in parser.format_help()}
    assert set(parsers) - takes == WITHOUT_RESULT
    assert len(parsers) > 30


@pytest.fixture
def document(lines: Lines) -> Document:
    """Return a function that runs the command and reads the one document on its stdout."""

    def run(*words: object) -> dict[str, Any]:
        code, out, err = lines(*words, "--json")
        assert code == 0, err
        found: dict[str, Any] = json.loads("\n".join(out), parse_constant=pytest.fail)
        return found

    return run


def test_what_needs_no_videos(document: Document) -> None:
    sets = document("data")
    assert sets["next"] == "slic data check ucf101 ROOT"
    assert sets["datasets"]["ucf101"]["labels"] == ["ucf101:1", "ucf101:2", "ucf101:3"]
    first = document("backbones")["backbones"][0]
    assert (first["name"], first["licence"], first["installed"]) == (
        "slic/r3d10", "Apache-2.0", True,
    )  # fmt: skip
    assert document("pretrain", "--print_config")["train"]["steps"] == "auto"


def test_videos_embedded_prepared_and_indexed(
    tmp_path: Path,
    labelled_videos: Path,
    encoder_folder: Path,
    document: Document,
) -> None:
    common = ("--encoder", encoder_folder, "--workers=0")
    found = document("embed", labelled_videos, *common, "--clips=1", "--out", tmp_path / "e.npz")
    assert (found["videos"], found["clips"], found["dimension"]) == (10, 1, 4)
    found = document("index", labelled_videos, *common, "--out", tmp_path / "index")
    assert found["videos"]["added"] == 10
    assert found["next"] == f"slic search {tmp_path / 'index'} CLIP"
    found = document("export", "embeddings", tmp_path / "index", "--out", tmp_path / "e.parquet")
    assert found["dimension"] == 4
    words = ("prepare", labelled_videos, "--proxies", "--workers=1", "--out", tmp_path / "small")
    assert document(*words, "--short-side=32")["videos"] == 10
    assert document(*words, "--short-side=32")["videos"] == 0  # they are there


@pytest.mark.parametrize("name", ["retrieval", "backbone"])
def test_scores_without_a_file_are_printed_alone(
    name: str,
    labelled_videos: Path,
    encoder_folder: Path,
    document: Document,
) -> None:
    words = (labelled_videos, "--labels", labelled_videos / "labels.csv", "--workers=0")
    found = document("evaluate", name, *words, "--encoder", encoder_folder, "--skip-map")
    assert 0 <= found["recall"]["1"] <= 1
    assert found["mean_average_precision"] is None
    assert not Path("-").exists()


def test_scores_of_clusters_are_printed_alone(tmp_path: Path, document: Document) -> None:
    (tmp_path / "clusters.csv").write_text("path,cluster\na.mp4,0\nb.mp4,1\n")
    (tmp_path / "labels.csv").write_text("path,label\na.mp4,run\nb.mp4,jump\n")
    labels = ("--labels", tmp_path / "labels.csv")
    found = document("evaluate", "clusters", tmp_path / "clusters.csv", *labels)
    assert found["partitions"][0]["nmi"] == 1.0


def test_labels(make_index: Callable[..., Index], document: Document) -> None:
    index = make_index({"a.mp4": 3, "b.mp4": 3}).path
    assert document("labels", "set", index, "a.mp4@1", " run ") == {"moments": 1, "label": "run"}
    document("labels", "set", index, "b.mp4@1", "jump")
    found = document("labels", "list", index)
    assert found["labels"] == {
        "jump": {"given": 1, "spread": 0},
        "run": {"given": 1, "spread": 0},
    }
    assert set(found["leave_one_out"]) == {"correct", "wrong", "unknown"}
    assert document("labels", "spread", index, "--confidence=1")["moments"] >= 0
    assert document("labels", "undo", index)["labels"] >= 0
    assert document("labels", "remove", index, "a.mp4@1")["label"] is None


def test_an_error_leaves_stdout_empty(lines: Lines, tmp_path: Path) -> None:
    code, out, err = lines("scan", tmp_path / "none", "--json")
    assert (code, out) == (1, [])
    assert len(err) == 1


def test_numbers_of_numpy_are_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    from slic.cli.output import print_json

    print_json({"single": np.float32(0.5), "count": np.int64(3), "row": np.arange(2)})
    assert json.loads(capsys.readouterr().out) == {"single": 0.5, "count": 3, "row": [0, 1]}
