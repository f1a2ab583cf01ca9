"""What the page asks: moments, films, names, and what must not be answered."""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import uvicorn
from starlette.testclient import TestClient

from slic.errors import SearchError
from slic.search import (
    Index,
    assign_name,
    cluster_members,
    list_clusters,
    query_from_moments,
    search,
)
from slic.studio import uploads
from slic.studio.app import create_app
from slic.studio.guard import PAGE_TOKEN_HEADER, Access
from slic.studio.projection import make_map
from slic.studio.state import Studio

Nobody = Callable[[], AbstractContextManager[None]]


def video_of(studio: Studio, start: str) -> Any:
    return next(v for v in studio.index.videos() if v.path.startswith(start))


def test_the_page_escapes_the_name_of_the_index(client: TestClient, studio: Studio) -> None:
    studio.index.path = studio.index.path.parent / '"><script>alert(1)<'
    page = client.get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert 'name="slic-token"' in page
    assert "http://" not in page
    assert "https://" not in page


def test_an_index_whose_folder_has_no_text_for_a_name(
    client_of: Callable[[Studio], TestClient], index_folder: Path
) -> None:
    studio = Studio(Index.open(index_folder.rename(index_folder.with_name(os.fsdecode(b"\xe9")))))
    client = client_of(studio)
    assert "<title>\N{REPLACEMENT CHARACTER} · slic studio</title>" in client.get("/").text
    assert client.get("/api/about").json()["title"] == "\N{REPLACEMENT CHARACTER}"
    studio.close()


def test_browsing_shows_every_moment_once(client: TestClient, studio: Studio) -> None:
    seen: list[int] = []
    while True:
        body = {"offset": len(seen), "limit": 7}
        answer = client.post("/api/browse", json=body).json()
        assert answer["total"] == studio.index.count
        seen += [tile["moment"] for tile in answer["moments"]]
        if not answer["moments"]:
            break
    assert sorted(seen) == studio.index.ids().tolist()


def test_searching_is_what_the_index_finds(client: TestClient, studio: Studio) -> None:
    moment = int(studio.index.ids()[4])
    answer = client.post("/api/search", json={"like": [{"moment": moment}], "k": 5}).json()
    hits = search(studio.index, query_from_moments(studio.index, [moment]), k=5)
    assert [tile["moment"] for tile in answer["moments"]] == [hit.moment_id for hit in hits]
    assert [tile["score"] for tile in answer["moments"]] == pytest.approx([h.score for h in hits])


def test_searching_within_a_cluster_compares_all_of_it(client: TestClient, studio: Studio) -> None:
    cluster = list_clusters(studio.index)[0]
    members = cluster_members(studio.index, cluster.id).tolist()
    query, others = members[0], members[1:]
    within = {"cluster": {"level": cluster.level, "id": cluster.id}}
    body = {"like": [{"moment": query}], "within": within}
    found = [tile["moment"] for tile in client.post("/api/search", json=body).json()["moments"]]
    vectors = studio.index.vectors([query, *others])
    expected = [others[i] for i in np.argsort(-(vectors[1:] @ vectors[0]), kind="stable")]
    assert found == expected


def test_filters_are_those_of_the_index(client: TestClient, studio: Studio) -> None:
    where = "path like 'deep/%' and start_seconds > 0.4"
    answer = client.post("/api/browse", json={"within": {"where": where}}).json()
    assert {t["moment"] for t in answer["moments"]} == set(studio.index.matching(where).tolist())
    for bad in ("path like", "1; drop table names", "(select count(*) from sqlite_master) > 0"):
        refused = client.post("/api/browse", json={"within": {"where": bad}})
        assert refused.status_code == 422
        assert "\n" not in refused.json()["error"]


def test_a_lasso_picks_what_lies_inside(client: TestClient, studio: Studio) -> None:
    assert "still being made" in browse_lasso(client, [[0, 0], [1, 0], [1, 1]]).json()["error"]
    drawn = make_map(studio.index.path)
    everything = browse_lasso(client, [[-0.1, -0.1], [1.1, -0.1], [1.1, 1.1], [-0.1, 1.1]]).json()
    assert everything["total"] == studio.index.count
    left = browse_lasso(client, [[-0.1, -0.1], [0.5, -0.1], [0.5, 1.1], [-0.1, 1.1]]).json()
    expected = set(drawn.ids[drawn.places[:, 0] < 0.5 * 65535].tolist())
    assert {tile["moment"] for tile in left["moments"]} == expected


def browse_lasso(client: TestClient, lasso: list[list[float]]) -> Any:
    return client.post("/api/browse", json={"within": {"lasso": lasso}, "limit": 500})


def test_names_are_given_at_once_and_undone(client: TestClient, studio: Studio) -> None:
    moments = studio.index.ids()[:3].tolist()
    hostile = "<b onmouseover=alert(1)>'; drop table names --"
    assert client.post("/api/names", json={"moments": moments, "name": hostile}).status_code == 200
    assert {"name": hostile, "moments": 3} in client.get("/api/about").json()["names"]
    assert client.post("/api/undo", json={}).json()["undone"] == 3
    assert client.get("/api/about").json()["names"] == []
    refused = client.post("/api/names", json={"moments": [10**9], "name": "x"})
    assert refused.status_code == 422
    assert "no moment" in refused.json()["error"]


def test_a_naming_that_is_not_the_last_any_more_is_not_undone(
    client: TestClient, studio: Studio
) -> None:
    moments = studio.index.ids()[:3].tolist()
    mine = client.post("/api/names", json={"moments": moments, "name": "mine"}).json()
    theirs = client.post("/api/names", json={"moments": moments[:1], "name": "theirs"}).json()
    refused = client.post("/api/undo", json={"batch": mine["batch"]})
    assert refused.status_code == 422
    assert "only the last change" in refused.json()["error"]
    assert client.post("/api/undo", json={"batch": theirs["batch"]}).json() == {"undone": 1}
    taken = client.post("/api/names", json={"moments": studio.index.ids()[5:8].tolist()}).json()
    assert taken["named"] == 0


def test_a_cluster_is_named_wholly(client: TestClient) -> None:
    cluster = client.get("/api/clusters").json()["clusters"][0]
    within = {"cluster": {"level": cluster["level"], "id": cluster["id"]}}
    named = client.post("/api/names", json={"within": within, "name": "wave"}).json()["named"]
    assert named == cluster["size"]
    assert client.get("/api/clusters").json()["clusters"][0]["name"] == "wave"


def test_names_of_another_process_are_seen(client: TestClient, studio: Studio) -> None:
    client.get("/api/about")
    assign_name(studio.index, studio.index.ids()[:2].tolist(), "from the command line")
    assert client.get("/api/about").json()["names"][0]["moments"] == 2


def test_the_map_is_sent_packed(client: TestClient, studio: Studio) -> None:
    drawn = make_map(studio.index.path)
    for path, head in (("/api/map", "count"), ("/api/map/colours?by=cluster", "legend")):
        body = client.get(path).content
        length = int.from_bytes(body[:4], "little")
        assert head in body[4 : 4 + length].decode()
        rest = body[4 + length :]
        if head == "count":
            ids, places = rest[: 4 * len(drawn.ids)], rest[4 * len(drawn.ids) :]
            assert np.array_equal(np.frombuffer(ids, "<u4"), drawn.ids)
            assert np.array_equal(np.frombuffer(places, "<u2").reshape(-1, 2), drawn.places)
        else:
            sizes = np.bincount(np.frombuffer(rest, "<u2"))
            assert sizes.tolist() == [cluster.size for cluster in list_clusters(studio.index)]


def test_who_may_not_write_into_the_index_has_a_map_too(
    studio_of_others: Studio, nobody: Nobody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio_of_others._mapper, "call", lambda made, *given: made(*given))
    with nobody():
        while (drawn := studio_of_others.map()) is None:
            time.sleep(0.01)
    assert np.array_equal(drawn.ids, studio_of_others.index.ids())
    assert not (studio_of_others.index.path / "map.npz").exists()


def test_a_map_that_could_not_be_made_is_tried_again(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SearchError("no memory left")

    def answered() -> Any:
        while (answer := client.get("/api/map")).status_code == 202:
            time.sleep(0.01)
        return answer

    monkeypatch.setattr(studio._mapper, "call", fail)
    assert answered().json() == {"error": "no memory left"}
    monkeypatch.setattr(studio._mapper, "call", lambda made, *given: made(*given))
    assert answered().status_code == 200


def test_the_map_tells_which_state_of_the_index_it_is_of(
    client: TestClient, studio: Studio
) -> None:
    make_map(studio.index.path)
    for path in ("/api/map", "/api/map/colours"):
        head = f'"generation": {studio.index.generation}'
        assert head.encode() in client.get(path).content


def test_a_file_that_browsers_play_is_sent_in_ranges(client: TestClient, studio: Studio) -> None:
    video = video_of(studio, "walk")
    whole = video.file.read_bytes()
    address = f"/media/videos/{video.id}"
    assert client.get(address).content == whole
    part = client.get(address, headers={"Range": "bytes=10-99"})
    assert part.status_code == 206
    assert part.content == whole[10:100]
    assert part.headers["content-range"] == f"bytes 10-99/{len(whole)}"
    assert client.get(address, headers={"Range": "bytes=99999999-"}).status_code == 416


@pytest.mark.parametrize("start", ["jump", "walk", "quotes"])
def test_any_moment_is_a_film_for_any_browser(
    client: TestClient, studio: Studio, tmp_path: Path, start: str
) -> None:
    video = video_of(studio, start)
    address = f"/media/videos/{video.id}/film.mp4?start=0.4&end=1.4"
    (tmp_path / "film.mp4").write_bytes(client.get(address).content)
    with av.open(str(tmp_path / "film.mp4")) as film:
        stream = film.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert sum(1 for _ in film.decode(stream)) == 25
    assert client.get(f"/media/videos/{video.id}/still.webp?at=1").content[8:12] == b"WEBP"


def test_a_file_no_browser_plays_is_not_sent_as_it_is(client: TestClient, studio: Studio) -> None:
    assert client.get(f"/media/videos/{video_of(studio, 'jump').id}").status_code == 415


@pytest.mark.parametrize(
    "path",
    [
        "/media/videos/..%2f..%2f..%2fetc%2fpasswd",
        "/media/videos/%2fetc%2fpasswd/film.mp4?start=0&end=1",
        "/media/uploads/..%2f..%2fetc%2fpasswd/film.mp4",
        "/static/..%2f..%2f__init__.py",
        "/static/%2e%2e/app.py",
        "/static/../app.py",
        "/media/videos/999999",
        "/media/videos/-1/still.webp?at=0",
        "/media/videos/1/film.mp4?start=nan&end=1",
        "/media/videos/1/film.mp4?start=-1&end=1e300",
        "/openapi.json",
        "/docs",
    ],
)
def test_no_path_reaches_the_file_system(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert 400 <= answer.status_code < 500
    assert "root:" not in answer.text
    assert "import " not in answer.text


def test_a_file_that_is_gone_is_said_to_be(client: TestClient, studio: Studio) -> None:
    video = video_of(studio, "walk")
    away = video.file.rename(video.file.with_suffix(".away"))
    try:
        answer = client.get(f"/media/videos/{video.id}/still.webp?at=1")
    finally:
        away.rename(video.file)
    assert answer.status_code == 404
    assert answer.json()["error"] == (
        "walk.mp4: the file cannot be reached (No such file or directory); "
        "if it was moved or is gone, run `slic index` again."
    )


def test_videos_out_of_reach_are_moments_without_pictures(
    studio_of_others: Studio, client_of: Callable[[Studio], TestClient], nobody: Nobody
) -> None:
    client = client_of(studio_of_others)
    video = video_of(studio_of_others, "walk")
    like = [{"moment": int(studio_of_others.index.ids()[0])}]
    with nobody():
        tiles = client.post("/api/browse", json={}).json()["moments"]
        assert not any(tile["native"] or tile["light"] for tile in tiles)
        assert client.post("/api/search", json={"like": like}).status_code == 200
        assert client.get("/api/clusters").status_code == 200
        answer = client.get(f"/media/videos/{video.id}/still.webp?at=1")
        assert answer.status_code == 404
        assert "walk.mp4: the file cannot be reached (Permission denied)" in answer.text
    again = client.post("/api/browse", json={}).json()["moments"]
    assert any(tile["native"] for tile in again)  # what could not be reached was not kept


def test_a_moment_tells_which_content_it_is_of(client: TestClient, studio: Studio) -> None:
    marks = {video.id: video.fingerprint[:12] for video in studio.index.videos()}
    for tile in client.post("/api/browse", json={}).json()["moments"]:
        assert tile["mark"] == marks[tile["video"]]


@pytest.mark.parametrize(
    "body",
    [
        {"like": []},
        {"like": [{"moment": "1; drop"}]},
        {"like": [{"moment": 1}], "k": 10**9},
        {"like": [{"moment": 1, "path": "/etc/passwd"}]},
        {"like": [{"upload": "../../etc/passwd", "start": 0, "end": 1}]},
        {"like": [{}]},
        {"like": [{"moment": 10**20}]},
        {"like": [{"moment": 1}], "within": {"cluster": {"level": 0, "id": 10**20}}},
    ],
)
def test_a_strange_request_is_one_line(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post("/api/search", json=body)
    assert answer.status_code == 422
    assert set(answer.json()) == {"error"}
    assert "\n" not in answer.json()["error"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/api/moments/{}", "/media/videos/{}"])
def test_a_number_that_no_database_holds_is_one_line(client: TestClient, path: str) -> None:
    answer = client.get(path.format(10**20))
    assert answer.status_code == 422
    assert set(answer.json()) == {"error"}


def test_a_failure_of_ours_shows_no_trace(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(studio, "map", fail)
    answer = client.get("/api/map")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "error" in answer.json()


def test_a_clip_is_taken_and_searched(client: TestClient, studio: Studio) -> None:
    video = video_of(studio, "jump")
    sent = client.post("/api/uploads", content=video.file.read_bytes()).json()
    assert sent["seconds"] == pytest.approx(3.0)
    like = [{"upload": sent["upload"], "start": 1.0, "end": 2.0}]
    best = client.post("/api/search", json={"like": like}).json()["moments"][0]
    assert best["path"] == "jump.avi"
    assert best["start"] == pytest.approx(1.0)
    assert best["score"] == pytest.approx(1.0, abs=1e-3)
    assert client.get(f"/media/uploads/{sent['upload']}/film.mp4").content[4:8] == b"ftyp"
    empty = client.post("/api/search", json={"like": [{**like[0], "start": 2.9, "end": 2.9}]})
    assert empty.status_code == 422

    for content in (b"this is no video" * 100, b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 4000):
        refused = client.post("/api/uploads", content=content)
        assert refused.status_code == 422
        assert refused.json()["error"].startswith("This file is not a video we can read")
        assert str(studio.index.path.parent) not in refused.text
        assert "/tmp" not in refused.text
    assert client.post("/api/uploads", content=b"").json()["error"] == "The file is empty."
    assert len(list(Path(studio.uploads._folder.name).iterdir())) == 1  # nothing refused stays


def test_a_clip_without_a_told_length_is_cut_off(client: TestClient, studio: Studio) -> None:
    studio.uploads.most_bytes = 1 << 20
    answer = client.post("/api/uploads", content=(b"x" * 65536 for _ in range(64)))
    assert answer.status_code == 413
    assert "more than 1 MB" in answer.json()["error"]
    assert not list(Path(studio.uploads._folder.name).iterdir())


def test_the_oldest_clips_make_room(tmp_path: Path, studio: Studio) -> None:
    video = video_of(studio, "walk").as_video()
    kept = uploads.Uploads(most_kept=2)
    for key in "abc":
        kept.keep(uploads.Upload(key, replace(video, path=tmp_path / key)))
    with pytest.raises(SearchError, match="drop it again"):
        kept.get("a")
    assert kept.get("b").key == "b"
    kept.close()


def test_three_gigabytes_are_refused_before_they_come(studio: Studio) -> None:
    access = Access()
    config = uvicorn.Config(create_app(studio, access), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        host, port = listening.getsockname()
        while not server.started:
            time.sleep(0.01)
        with socket.create_connection((host, port), timeout=20) as asking:
            lines = (
                "POST /api/uploads HTTP/1.1",
                f"Host: {host}:{port}",
                f"{PAGE_TOKEN_HEADER}: {access.page_token}",
                f"Content-Length: {3 << 30}",
            )
            asking.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            answer = b"".join(iter(lambda: asking.recv(65536), b"")).decode()  # to its end
        server.should_exit = True
        thread.join()
    assert answer.startswith("HTTP/1.1 413")
    assert "more than 500 MB is not taken" in answer
