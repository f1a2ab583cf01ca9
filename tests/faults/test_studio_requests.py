"""The studio answers whatever is asked with a documented status, and keeps what it was given.

In the long campaign 20,000 random requests are sent, those of its own OpenAPI description, and
50,000 of a working day, during which memory and open files must not grow.
"""

import gc
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from slic.search import Index, labels_of_moments
from slic.studio.bodies import MAX_JSON_BYTES
from slic.studio.state import Studio
from tests.faults.campaign import Campaign
from tests.studio.conftest import (
    client_of_studio,
    shared_index,
    shared_processes,
    write_moving_square,
)

__all__ = ["shared_index", "shared_processes"]

DOCUMENTED = {200, 202, 206, 303, 307, 400, 401, 403, 404, 405, 409, 413, 415, 416, 421, 422}
MB = 1 << 20
ROUTES = (
    "/",
    "/api/about",
    "/api/browse",
    "/api/clusters",
    "/api/clusters/merge",
    "/api/clusters/move",
    "/api/clusters/split",
    "/api/clusters/undo",
    "/api/compare",
    "/api/curation/copies",
    "/api/curation/duplicates",
    "/api/curation/outliers",
    "/api/facets",
    "/api/indexing",
    "/api/labels",
    "/api/labels/export",
    "/api/labels/formats",
    "/api/labels/import",
    "/api/map",
    "/api/map/colours",
    "/api/moments/{id}",
    "/api/queue",
    "/api/runs",
    "/api/search",
    "/api/summary",
    "/api/undo",
    "/api/uploads",
    "/api/verdicts",
    "/api/verdicts/{id}",
    "/api/videos/{id}/labels",
    "/api/videos/{id}/timeline",
    "/media/compared/{id}",
    "/media/uploads/{id}/preview.mp4",
    "/media/videos/{id}",
    "/media/videos/{id}/preview.mp4",
    "/media/videos/{id}/thumbnail.webp",
    "/static/{id}",
    "/{id}",
)
FIELDS = (
    *("ahead", "at", "below", "by", "change", "cluster", "clusters", "content", "end", "final"),
    *("format", "id", "interface", "k", "label", "lasso", "level", "like", "limit", "moment"),
    *("moments", "name", "offset", "parts", "preliminary", "scope", "search", "shown", "skipped"),
    *("spans", "start", "text", "threshold", "token", "unlike", "upload", "video", "weights"),
    "where",
)
SCOPE = {"where": "start_seconds >= 0", "lasso": [[0, 0], [1, 0], [1, 1]], "cluster": None}
BODIES: dict[str, dict[str, Any]] = {  # valid ones, of which a part is then replaced
    "/api/browse": {"scope": SCOPE, "offset": 0, "limit": 5},
    "/api/clusters/merge": {"level": 0, "clusters": [0, 1]},
    "/api/clusters/move": {"level": 0, "moments": [1], "cluster": None},
    "/api/clusters/split": {"cluster": {"level": 0, "id": 0}, "parts": 2},
    "/api/clusters/undo": {"change": None},
    "/api/compare": {"like": [{"moment": 1}], "shown": [1], "spans": [[0, 1]]},
    "/api/labels": {"moments": [1, 2], "label": "walk", "scope": SCOPE},
    "/api/labels/import": {"path": "walk.mp4", "label": "walk", "start": 0, "end": 1},
    "/api/queue": {"ahead": [1], "skipped": [2], "scope": SCOPE, "limit": 3},
    "/api/search": {
        "text": "",
        "like": [{"moment": 1}, {"video": 1, "start": 0.5, "end": 1.5}],
        "unlike": [{"moment": 2}],
        "weights": {"all": 1},
        "scope": SCOPE,
        "k": 5,
    },
    "/api/undo": {"change": None},
    "/api/uploads": {},
    "/api/videos/{id}/labels": {"start": 0, "end": 1.5, "label": "run"},
    "/api/videos/{id}/timeline": {"search": {"like": [{"moment": 1}]}},
}
WORDS: tuple[Any, ...] = (
    *(0, 1, 2, 3, 7, -1, 2**31, 2**63 - 1, 2**63, 10**40, 0.5, 1e-300, 1e308, True, False, None),
    *(
        "",
        "a",
        "label",
        "cluster",
        "right",
        "csv",
        "walk",
        "%",
        "\\",
        "'",
        '"',
        "; drop table moments",
    ),
    *(
        "../../etc/passwd",
        "\x00",
        "\u202e",
        "ünïcødé 🎬",
        "nan",
        "inf",
        "1e400",
        "9" * 400,
        "x" * 3000,
    ),
    *("path like '%'", "start_seconds > ", "label is null or 1", "(" * 500, "1;2", "--"),
)
HEADERS: tuple[tuple[str, str], ...] = (
    ("Range", "bytes=0-"),
    ("Range", "bytes=5-4"),
    ("Range", "bytes=-0"),
    ("Range", "bytes=0-1,3-4,99999999999999999999-"),
    ("Range", "lines=1-2"),
    ("Range", f"bytes={'9' * 400}-"),
    ("Range", "bytes=" + ",".join(f"{i}-{i}" for i in range(500))),
    ("If-Range", '"x"'),
    ("Host", "evil.example"),
    ("Origin", "null"),
    ("Sec-Fetch-Site", "cross-site"),
    ("X-Slic-Token", "wrong"),
    ("Cookie", "slic_studio_7542=wrong"),
    ("Content-Type", "text/plain"),
    ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Encoding", "gzip"),
    ("Accept", "text/html"),
)


class Requests:
    """Random requests, drawn from a seed."""

    def __init__(self, seed: int, ids: list[int], videos: list[int]) -> None:
        self.rng = random.Random(seed)
        self.ids, self.videos = ids, videos

    def value(self, depth: int = 0) -> Any:
        kind = self.rng.random()
        if kind < 0.15 and depth < 4:
            return [self.value(depth + 1) for _ in range(self.rng.choice((0, 1, 2, 30)))]
        if kind < 0.3 and depth < 4:
            return {self.rng.choice(FIELDS): self.value(depth + 1) for _ in range(3)}
        if kind < 0.6:
            return self.rng.choice((*self.ids[:5], *self.videos[:3]))
        return self.rng.choice(WORDS)

    def path(self, route: str) -> str:
        plain = self.rng.random() < 0.6
        wild = str(self.rng.choice((*self.ids[:9], *self.videos) if plain else WORDS))
        path = route.replace("{id}", quote(wild, safe=self.rng.choice(("", "/%"))))
        fields = self.rng.sample(FIELDS, self.rng.choice((0, 0, 1, 2, 3)))
        query = [f"{name}={quote(str(self.value())[:5000])}" for name in fields]
        if "preview" in route or "thumbnail" in route:
            query += [f"start={self.rng.random():.2f}", "end=2", f"at={self.rng.random():.2f}"]
        return path + ("?" + "&".join(query) if query else "")

    def mutated(self, value: Any) -> Any:
        """Return a value of which one part is another."""
        if value and isinstance(value, dict) and self.rng.random() < 0.8:
            name = self.rng.choice(list(value))
            return value | {name: self.mutated(value[name])}
        if value and isinstance(value, list) and self.rng.random() < 0.7:
            return [self.mutated(value[0]), *value[1:]]
        return self.value()

    def body(self, route: str) -> bytes | Iterator[bytes]:
        kind = self.rng.random()
        if kind < 0.7:
            body = BODIES.get(route, {})
            return json.dumps(self.mutated(body) if kind < 0.55 else body).encode()
        if kind < 0.8:
            chosen = self.rng.sample(FIELDS, self.rng.choice((0, 1, 2, 4)))
            return json.dumps({name: self.value() for name in chosen}).encode()
        if kind < 0.9:
            return self.rng.randbytes(self.rng.choice((0, 1, 100, 5000)))
        if kind < 0.93:
            return (b"[" * 10_000 for _ in range(3))  # chunked
        return self.rng.choice((b"[" * 50_000, b'{"a":' * 20_000, b"1" * 6000, b"\xff{}", b"null"))

    def headers(self) -> dict[str, str]:
        return dict(self.rng.sample(HEADERS, self.rng.choice((0, 0, 0, 0, 0, 1, 2))))

    def draw(self) -> dict[str, Any]:
        route = self.rng.choice(ROUTES)
        method = "POST" if route in BODIES else "GET"
        if self.rng.random() < 0.15:
            method = self.rng.choice(("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "X"))
        body = {} if method in ("GET", "HEAD") else {"content": self.body(route)}
        return {"method": method, "url": self.path(route), "headers": self.headers(), **body}


@pytest.fixture
def studio(
    shared_index: Path,
    tmp_path: Path,
) -> Iterator[Studio]:
    """Return a studio of an index and of videos that nothing else uses."""
    shutil.copytree(shared_index, tmp_path / "index")
    made = Studio(Index.open(tmp_path / "index"))
    yield made
    made.close()


def state_of(studio: Studio) -> tuple[Any, ...]:
    """Return what only a request for it may change."""
    index = studio.index
    videos = [(video.path, video.content_id) for video in index.videos()]
    return videos, index.ids().tolist(), labels_of_moments(index)


def is_change(request: dict[str, Any]) -> bool:
    path: str = request["url"].partition("?")[0]
    return str(request["method"]) == "POST" and path.startswith(
        ("/api/labels", "/api/clusters/", "/api/undo", "/api/videos/")
    )


def test_random_requests_get_a_documented_status(studio: Studio, campaign: Campaign) -> None:
    client = client_of_studio(studio)
    ids, videos = studio.index.ids().tolist(), [video.id for video in studio.index.videos()]
    requests = Requests(20261130, ids, videos)
    tried, seen = campaign.trials(quick=300, soak=20_000), Counter[int]()
    state = state_of(studio)
    for number in range(tried):
        request = requests.draw()
        answer = client.request(**request, follow_redirects=False)
        seen[answer.status_code] += 1
        assert answer.status_code in DOCUMENTED, (number, request, answer.text[:400])
        if answer.status_code >= 400 and answer.text and "json" in answer.headers["content-type"]:
            (line,) = answer.json().values()
            assert "\n" not in line, (number, request, line)
            assert "Traceback" not in line, (number, request, line)
            assert str(studio.index.path) not in line, (number, request, line)
        if number % 100 == 99 or is_change(request):
            now = state_of(studio)
            assert is_change(request) or now == state, (number, request)
            state = now
    campaign.record(
        "random requests to the studio", tried=tried, survived=tried, note=str(dict(seen))
    )


def test_the_description_of_the_studio_keeps_its_word(studio: Studio, campaign: Campaign) -> None:
    """Requests that schemathesis derives from the OpenAPI description."""
    campaign.leave_to_soak()
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    client = client_of_studio(studio)
    app: Any = client.app
    while not hasattr(app, "openapi"):
        app = app.app
    schema = schemathesis.openapi.from_dict(app.openapi())
    tried = check_description(schema, client)
    campaign.record("requests of the OpenAPI description", tried=tried, survived=tried)


def check_description(schema: Any, client: TestClient) -> int:
    """Send up to 100 requests for each operation, and return how many were sent."""
    from hypothesis import HealthCheck, given, settings

    sent = 0
    limits = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    for result in schema.get_all_operations():
        operation = result.ok()

        @limits
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            nonlocal sent
            wanted = case.as_transport_kwargs(base_url="http://127.0.0.1:7542")
            body = wanted.get("json")
            if body.__class__.__name__ == "NotSet":
                wanted.pop("json")
            kwargs = {key: wanted[key] for key in ("params", "json") if key in wanted}
            answer = client.request(
                wanted["method"], wanted["url"], headers=dict(wanted.get("headers") or {}), **kwargs
            )
            sent += 1
            assert answer.status_code in DOCUMENTED, (wanted, answer.text[:300])

        check()
    return sent


def test_memory_and_open_files_stay_flat_over_a_working_day(
    studio: Studio, campaign: Campaign, tmp_path: Path
) -> None:
    client = client_of_studio(studio)
    write_moving_square(tmp_path / "query.mp4", 99)
    query = (tmp_path / "query.mp4").read_bytes()
    ids, videos = studio.index.ids().tolist(), [video.id for video in studio.index.videos()]
    playable = next(video.id for video in studio.index.videos() if video.path == "walk.mp4")
    tried = campaign.trials(quick=150, soak=50_000)
    rng, used = random.Random(7), list[tuple[int, int]]()
    for number in range(tried):
        answer = day(rng, client, ids, videos, playable, query)
        assert answer.status_code < 400, (number, answer.status_code, answer.text[:300])
        if number + 1 in (tried // 5, tried):
            gc.collect()
            used.append((resident_bytes(), len(list(Path("/proc/self/fd").iterdir()))))
    (memory, files), (memory_at_end, files_at_end) = used
    note = (
        f"{memory / MB:.0f} to {memory_at_end / MB:.0f} MB, {files} to {files_at_end} open files "
        f"between 20 % and 100 %"
    )
    campaign.record(
        "requests of a working day in the studio", tried=tried, survived=tried, note=note
    )
    assert files_at_end <= files + 40, note  # each thread has its own connection to the index
    assert memory_at_end <= memory + 64 * MB + studio.media.cache.max_bytes, note
    assert studio.media.cache.size <= studio.media.cache.max_bytes
    assert len(list(studio.uploads.folder.iterdir())) <= studio.uploads.max_uploads + 1


def day(
    rng: random.Random,
    client: TestClient,
    ids: list[int],
    videos: list[int],
    playable: int,
    query: bytes,
) -> Any:
    """Send one of the requests of a working day."""
    kind, moment, video = rng.random(), rng.choice(ids), rng.choice(videos)
    at = round(rng.uniform(0, 3), 2)
    if kind < 0.35:
        return client.get(f"/media/videos/{video}/thumbnail.webp?at={at}")
    if kind < 0.45:
        return client.get(f"/media/videos/{video}/preview.mp4?start={at}&end={at + 0.4:.2f}")
    if kind < 0.55:
        end = rng.randrange(1, 5000)
        return client.get(f"/media/videos/{playable}", headers={"Range": f"bytes=0-{end}"})
    if kind < 0.56:
        return client.post("/api/uploads", content=query)
    if kind < 0.75:
        return client.post("/api/browse", json={"limit": 24, "offset": rng.randrange(10)})
    if kind < 0.9:
        return client.post("/api/search", json={"like": [{"moment": moment}], "k": 12})
    if kind < 0.95:
        return client.post("/api/labels", json={"moments": [moment], "label": rng.choice("abc")})
    return client.get(
        rng.choice(("/api/summary", "/api/facets", "/api/clusters", "/", "/api/about"))
    )


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_body_of_any_kind_is_bounded(studio: Studio, campaign: Campaign) -> None:
    client = client_of_studio(studio)
    survived = 0
    posts = [route.replace("{id}", "1") for route in ROUTES if route.startswith("/api/")]
    own_limits = ("/api/uploads", "/api/labels/import")
    for path in (path for path in posts if path not in own_limits):
        for content in (b"[" * (MAX_JSON_BYTES + 1), (b"1" * 65536 for _ in range(65))):
            answer = client.post(path, content=content)
            assert answer.status_code in (405, 413, 422), (path, answer.status_code)
            survived += 1
    campaign.record("bodies over 4 MB to the studio", tried=survived, survived=survived)
