"""Pictures and films are made within limits, and a file that breaks one holds up no other."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slic.errors import VideoError
from slic.search import IndexedVideo
from slic.studio import media
from slic.studio.media import Media
from slic.studio.worker import LimitError, WorkerPool
from tests.studio.misbehaving import never_ends, takes_all_memory

FindVideo = Callable[[str], IndexedVideo]


@pytest.fixture
def made(tmp_path: Path) -> Media:
    """Return media that the processes of all tests make."""
    return Media(tmp_path)


def test_pictures_too_large_are_refused_at_once(made: Media, video_of: FindVideo) -> None:
    walk = video_of("walk")
    large = replace(walk, video=replace(walk.video, width=16_000, height=16_000))
    with pytest.raises(VideoError, match=r"^walk.mp4: its pictures have 16000 x 16000 pixels"):
        made.thumbnail(large, seconds=1.0)
    with pytest.raises(VideoError, match="at most 67 million are decoded"):
        made.preview(large, start_seconds=0.0, end_seconds=1.0)


def test_a_file_that_needs_too_much_memory_is_tried_once(
    made: Media, video_of: FindVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "encode_thumbnail", takes_all_memory)
    for seconds in (1.0, 2.0):
        with pytest.raises(LimitError, match="needs too much memory"):
            made.thumbnail(video_of("walk"), seconds=seconds)
        monkeypatch.undo()  # the second try fails although it would succeed
    assert made.thumbnail(video_of("jump"), seconds=1.0)[8:12] == b"WEBP"


def test_slow_films_leave_a_process_for_pictures(
    tmp_path: Path, video_of: FindVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "WorkerPool", WorkerPool)  # not the one of all tests
    made, walk = Media(tmp_path), video_of("walk")
    monkeypatch.setattr(media, "encode_preview", never_ends)
    reasons: list[str] = []

    def ask(start: float) -> None:
        try:
            made.preview(walk, start_seconds=start, end_seconds=start + 1.0)
        except VideoError as error:
            reasons.append(str(error))

    films = [threading.Thread(target=ask, args=(float(start),)) for start in range(4)]
    for film in films:
        film.start()
    pictures = [made.thumbnail(video_of("jump"), seconds=at / 25) for at in range(5)]
    assert {picture[8:12] for picture in pictures} == {b"WEBP"}
    assert reasons == []  # the films are still being made
    made.close()
    for film in films:
        film.join(30)
    assert len(reasons) == 4


def test_media_types_come_from_a_process_and_are_remembered(
    made: Media, video_of: FindVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [video_of(name) for name in ("walk", "run", "jump")]
    expected = ["video/mp4", "video/webm", None]
    assert made.media_types(videos) == expected
    monkeypatch.setattr(media, "playable_media_types", never_ends)
    assert made.media_types(videos) == expected
