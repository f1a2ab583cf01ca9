"""The same query in two indexes: places, overlap, and what the second index cannot answer."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

from slic.models.backbones import ClipSpec
from slic.models.encoder import EncoderConfig, HeadSpec, VideoEncoder
from slic.search import Index, create_index, query_from_moments, search, update_index
from slic.search.labels import segments_of
from slic.search.repository.labels import Segment
from slic.studio.comparison import overlap_at_k
from slic.studio.state import Studio
from slic.videos.catalog import Catalog

ClientOf = Callable[[Studio], TestClient]


@pytest.fixture(scope="module")
def other_index(shared_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an index of some of the videos, with another encoder and longer windows."""
    folder = tmp_path_factory.mktemp("other")
    for name in ("walk.mp4", "run.webm", "jump.avi"):
        (folder / "videos").mkdir(exist_ok=True)
        shutil.copy(shared_index.parent / "videos" / name, folder / "videos" / f"moved {name}")
    torch.manual_seed(1)
    config = EncoderConfig(
        backbone="slic/r3d10",
        arguments={"width": 0.125},
        head=HeadSpec(hidden=0, embedding=0),
        clip=ClipSpec(frames=4, stride=1, size=32),
    )
    index = create_index(folder / "index", VideoEncoder(config).eval(), window_seconds=1.5)
    catalog = Catalog.from_folder(folder / "videos", workers=1, cache=False, progress=False)
    update_index(index, catalog, workers=0, progress=False)
    index.close()
    return folder / "index"


@pytest.fixture
def both(shared_index: Path, other_index: Path) -> Iterator[Studio]:
    made = Studio(Index.open(shared_index), compared=Index.open(other_index))
    yield made
    made.close()


def place_of(index: Index, tile: dict[str, object]) -> Segment:
    content = index.video(int(str(tile["video"]))).content_id
    return Segment(content, float(str(tile["start"])), float(str(tile["end"])))


def same(one: Segment, other: Segment) -> bool:
    shared = min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
    shorter = min(p.end_seconds - p.start_seconds for p in (one, other))
    return one.content_id == other.content_id and shared >= shorter / 2


def test_results_are_those_of_the_other_index_matched_by_content_and_time(
    both: Studio, client_of: ClientOf
) -> None:
    client, compared = client_of(both), both.compared
    assert compared is not None
    liked = both.index.moment_at("walk.mp4", 1.0)
    query = {"like": [{"moment": liked}], "k": 9}
    ours = client.post("/api/search", json=query).json()["moments"]
    spans = [(tile["start"], tile["end"]) for tile in ours]
    shown = {"shown": [tile["moment"] for tile in ours], "spans": spans}
    answer = client.post("/api/compare", json={**query, **shown}).json()
    theirs = answer["moments"]

    (place,) = segments_of(both.index, [liked])
    nearest = compared.index.moment_at("moved walk.mp4", (place[1] + place[2]) / 2)
    expected = search(compared.index, query_from_moments(compared.index, [nearest]), k=9)
    assert [tile["path"] for tile in theirs] == [hit.path for hit in expected]
    assert [tile["score"] for tile in theirs] == pytest.approx([hit.score for hit in expected])

    left = [place_of(both.index, tile) for tile in ours]
    right = [place_of(compared.index, tile) for tile in theirs]
    ranks = [next((j + 1 for j, b in enumerate(right) if same(a, b)), None) for a in left]
    assert answer["also"] == ranks
    assert [tile["also"] for tile in theirs] == [
        next((i + 1 for i, a in enumerate(left) if same(a, b)), None) for b in right
    ]
    k = min(len(ours), len(theirs))
    assert answer["k"] == k > 1
    assert answer["overlap"] == sum(rank is not None and rank <= k for rank in ranks[:k]) / k
    for tile in theirs:
        assert tile["collection"] == "compared"
        twin = both.index.moments([tile["twin"]])[0]
        assert twin.path == tile["path"].removeprefix("moved ")
    address = f"/media/compared/{theirs[0]['video']}"
    file = compared.index.video(theirs[0]["video"]).file
    if theirs[0]["plays"]:
        assert client.get(address).content == file.read_bytes()
    assert client.get(f"{address}/thumbnail.webp?at=1").content[8:12] == b"WEBP"


def test_what_the_other_index_cannot_answer_is_one_line(
    both: Studio, client_of: ClientOf, client: TestClient
) -> None:
    asked = client_of(both)
    ids = both.index.ids().tolist()
    absent = both.index.moment_at("deep/down/wave.mp4", 1.0)
    cases = [
        ({"like": [{"moment": absent}]}, "does not have the video of the query"),
        ({"text": "red"}, "no text search"),
        ({"like": [{"moment": ids[0]}], "scope": {"lasso": [[0, 0], [1, 0], [1, 1]]}}, "A lasso"),
        ({"like": [{"moment": ids[0]}], "shown": ids[:2]}, "one for each"),
    ]
    for body, message in cases:
        refused = asked.post("/api/compare", json=body)
        assert refused.status_code == 422
        assert message in refused.json()["error"]
        assert "/tmp" not in refused.text
    walk = both.index.moment_at("walk.mp4", 1.0)
    partly = asked.post("/api/compare", json={"like": [{"moment": absent}, {"moment": walk}]})
    assert partly.json()["skipped"] == 1
    summary = asked.get("/api/summary").json()["compared"]
    assert [one["encoder"] for one in summary] == ["slic/r3d10", "slic/r3d10"]
    assert len(asked.get("/api/about").json()["indexes"]) == 2

    alone = client.post("/api/compare", json={"like": [{"moment": ids[0]}]})
    assert "No index is compared" in alone.json()["error"]
    assert client.get("/media/compared/1").status_code == 404


def test_an_uploaded_clip_is_embedded_by_both(both: Studio, client_of: ClientOf) -> None:
    client = client_of(both)
    file = next(v.file for v in both.index.videos() if v.path == "jump.avi")
    key = client.post("/api/uploads", content=file.read_bytes()).json()["upload"]
    like = [{"upload": key, "start": 0.0, "end": 1.5}]
    answer = client.post("/api/compare", json={"like": like}).json()
    assert answer["moments"][0]["path"] == "moved jump.avi"
    assert answer["moments"][0]["score"] == pytest.approx(1.0, abs=1e-3)


def test_overlap_counts_each_place_once() -> None:
    pairs = [(0, 0), (0, 1), (1, 5), (2, 2), (4, 0)]
    assert overlap_at_k(pairs, 3) == 2 / 3  # 0 and 2; the place of 1 comes too late
    assert overlap_at_k(pairs, 6) == 4 / 6
