"""Routes for the timeline of a video: moments, scores, and ranges as labels and queries."""

from collections.abc import Callable

import numpy as np
import pytest
from starlette.testclient import TestClient

from slic.search import IndexedVideo, labels_of_moments, query_from_moments
from slic.studio.state import Studio

VideoOf = Callable[[str], IndexedVideo]


def test_a_timeline_has_moments_labels_and_scores(
    client: TestClient, studio: Studio, video_of: VideoOf
) -> None:
    video, other = video_of("walk"), video_of("run")
    example = min(studio.index.moment_numbers([other.id])[other.id].values())
    plain = client.post(f"/api/videos/{video.id}/timeline", json={}).json()
    assert plain["scores"] is plain["percentiles"] is None
    assert plain["seconds"] == pytest.approx(video.duration_seconds, abs=0.05)
    moments = studio.index.moments(plain["ids"])
    assert [m.start_seconds for m in moments] == plain["starts"] == sorted(plain["starts"])
    assert [m.end_seconds for m in moments] == plain["ends"]

    search = {"search": {"like": [{"moment": example}]}}
    scored = client.post(f"/api/videos/{video.id}/timeline", json=search).json()
    (query,) = query_from_moments(studio.index, [example]).vectors
    assert scored["scores"] == pytest.approx((studio.index.vectors(plain["ids"]) @ query).tolist())
    order = np.argsort(scored["scores"])
    assert (np.diff(np.array(scored["percentiles"])[order]) >= 0).all()


def test_a_labelled_range_is_in_the_timeline_and_undone(
    client: TestClient, studio: Studio, video_of: VideoOf
) -> None:
    video = video_of("walk")
    body = {"start": 0.4, "end": 1.9, "label": "übung <b>"}
    change = client.post(f"/api/videos/{video.id}/labels", json=body).json()
    assert change["segments"] == 1
    (label,) = client.post(f"/api/videos/{video.id}/timeline", json={}).json()["labels"]
    assert label == {
        "start": 0.4,
        "end": 1.9,
        "label": "übung <b>",
        "confidence": 1.0,
        "source": "given",
    }
    assert len(labels_of_moments(studio.index)) > 0
    assert client.post("/api/undo", json={"change": change["change"]}).json()["undone"] == 1
    assert labels_of_moments(studio.index) == {}


def test_a_range_of_a_video_is_an_example(client: TestClient, video_of: VideoOf) -> None:
    video = video_of("walk")
    like = {"video": video.id, "start": 0.0, "end": 2.0}
    found = client.post("/api/search", json={"like": [like]}).json()["moments"]
    assert found
    assert all(tile["video"] != video.id or tile["start"] >= 1.9 for tile in found)
    empty = client.post("/api/search", json={"like": [like | {"start": 2.0}]})
    assert empty.json()["error"].startswith("walk.mp4: the range from 2 s to 2 s is empty")


@pytest.mark.parametrize("path", ["timeline", "labels"])
def test_a_video_that_does_not_exist_is_one_line(client: TestClient, path: str) -> None:
    body = {} if path == "timeline" else {"start": 0, "end": 1, "label": "x"}
    answer = client.post(f"/api/videos/999/{path}", json=body)
    assert (answer.status_code, answer.json()) == (
        422,
        {"error": "index: there is no video 999."},
    )
