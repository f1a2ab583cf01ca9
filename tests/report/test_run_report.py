"""The report is one file that loads nothing, and no file name can add an element to it."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slic.errors import WriteError
from slic.report.embedding_map import EmbeddingMap, embedding_map
from slic.report.neighbour_rows import NeighbourRow, NeighbourTile
from slic.report.run_report import HeadlineScore, write_report
from slic.videos.thumbnails import Filmstrip

HOSTILE = """</script><script>alert(1)</script><img src=x onerror="alert('2')">{{script}}&"""
STRIP = Filmstrip("data:image/webp;base64,UklGRg==", 12, 144, 108)
LOG: list[dict[str, Any]] = [
    {"kind": "round", "step": 0, "epoch": 0, "clusters": 9, "singletons": 1, "largest": 4},
    *(
        {"kind": "step", "step": i, "loss": 3.0 / (i + 1), "instance": 1.0, "active": None}
        for i in range(20)
    ),
]


class Page(HTMLParser):
    """The elements of a page and the addresses they name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]


def points(name: str) -> EmbeddingMap:
    rng = np.random.default_rng(0)
    return embedding_map(
        rng.normal(size=(12, 5)),
        [f"{name}{i}" for i in range(12)],
        [name] * 6 + ["run"] * 6,
        queries=[i % 3 == 0 for i in range(12)],
        strip_of=lambda _: STRIP,
    )


def write(path: Path, name: str = "train/0001.mp4") -> str:
    found = tuple(
        NeighbourTile(name=name, label=label, strip=STRIP, similarity=0.5)
        for label in (name, "run")
    )
    row = NeighbourRow(
        query=NeighbourTile(name=name, label=name, strip=None),
        neighbours=found,
        kind="some right",
        share=0.25,
    )
    write_report(
        path,
        title=name,
        facts=[(name, name)],
        summary=[(name, name)],
        headline=[
            HeadlineScore(
                name=name, value=0.825, protocol=name, meaning=name, baselines={name: 0.1}
            )
        ],
        baselines=[(name, name)],
        log=LOG,
        points=points(name),
        rows=[row],
        next_steps=[name],
    )
    return path.read_text(encoding="utf-8")


def test_hostile_names_add_no_element_and_no_handler(tmp_path: Path) -> None:
    plain, hostile = Page(write(tmp_path / "a.html")), Page(write(tmp_path / "b.html", HOSTILE))
    assert hostile.tags == plain.tags
    assert hostile.tags.count("script") == 2
    assert hostile.handlers == []


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    text = write(tmp_path / "report.html")
    page = Page(text)
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert not {"iframe", "object", "embed", "form"} & set(page.tags)
    assert re.search(r"https?://|@import|\bfetch\(|XMLHttpRequest", text) is None
    assert set(re.findall(r"url\(([a-z$]*)", text)) <= {"data", "$"}
    assert "default-src 'none'" in text


def test_equal_input_gives_equal_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    assert write(tmp_path / "a.html") == write(tmp_path / "b.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_a_failed_write_keeps_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write(tmp_path / "report.html")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(WriteError, match="no space"):
        write(tmp_path / "report.html", "other")
    assert [path.read_text() for path in tmp_path.iterdir()] == [old]


def test_right_and_wrong_neighbours_have_words_and_signs(tmp_path: Path) -> None:
    text = write(tmp_path / "report.html")
    assert text.count('aria-label="right">✓') == 1
    assert text.count('aria-label="wrong">✗') == 1
    assert "Some right <small>25 % of all queries" in text


def test_numbers_have_their_baselines(tmp_path: Path) -> None:
    text = write(tmp_path / "report.html", "chance")
    assert "82.5<small>%" in text
    assert '<th scope="row">chance</th><td><span style="width:10.00%"></span></td><td>10.0' in text


def test_an_almost_empty_report_has_no_empty_sections(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "report.html"
    write_report(path, title="t", facts=[("a", "b")], headline=[], log=[])
    assert re.findall(r'<section id="(\w+)"', path.read_text()) == ["run"]


def test_a_map_with_too_many_bytes_has_no_thumbnails(tmp_path: Path) -> None:
    heavy = Filmstrip("data:image/webp;base64," + "A" * 400_000, 6, 96, 72)
    many = replace(points("x"), strips=(heavy,) * 12)
    path = tmp_path / "report.html"
    write_report(path, title="t", facts=[], headline=[], log=[], points=many)
    assert path.stat().st_size < 100_000


def test_the_map_has_a_legend_and_the_data_of_its_tooltips(tmp_path: Path) -> None:
    page = write(tmp_path / "report.html", "</script><!--")
    legend = re.findall(r"</svg>([^<]*) <small>(\d+)</small></button>", page)
    assert legend == [("&lt;/script&gt;&lt;!--", "6"), ("run", "6")]
    data = re.search(r'id="map-data">(.*?)</script>', page)
    assert data is not None
    points = json.loads(data[1])
    assert len(points) == 12
    assert points[0]["name"] == "</script><!--0"
    assert points[0]["uri"] == STRIP.uri
