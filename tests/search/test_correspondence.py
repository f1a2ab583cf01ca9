"""The same places of two indexes, against plain loops."""

from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given

from slic.models.encoder import VideoEncoder
from slic.search import Index, IndexReport, create_index
from slic.search.correspondence import moment_of_place, same_places, video_of_content
from slic.search.labels import segments_of
from slic.search.repository.labels import Segment

places = st.builds(
    lambda content, start, length: Segment(content, start, start + length),
    st.sampled_from("ab"),
    st.integers(0, 6).map(float),
    st.integers(1, 5).map(float),
)


def shared_seconds(one: Segment, other: Segment) -> float:
    ticks = range(200)  # of a tenth of a second
    return (
        sum(
            all(p.start_seconds <= tick / 10 < p.end_seconds for p in (one, other))
            for tick in ticks
        )
        / 10
    )


@given(st.lists(places, max_size=6), st.lists(places, max_size=6))
def test_places_are_the_same_if_they_share_half_of_the_shorter(
    ours: list[Segment], theirs: list[Segment]
) -> None:
    expected = []
    for i, one in enumerate(ours):
        for j, other in enumerate(theirs):
            shorter = min(p.end_seconds - p.start_seconds for p in (one, other))
            if one.content_id == other.content_id and shared_seconds(one, other) >= shorter / 2:
                expected.append((i, j))
    assert same_places(ours, theirs) == expected


def test_the_moment_of_a_place_shares_most_time_with_it(
    tmp_path: Path,
    encoder: VideoEncoder,
    make_video: Callable[..., Path],
    updated: Callable[[Index, Path], IndexReport],
) -> None:
    videos = tmp_path / "videos"
    for name in ("a.mp4", "b.mp4"):
        make_video(videos / name, frames=150, size=(64, 48), fps=25 if name == "a.mp4" else 30)
    fine = create_index(tmp_path / "fine", encoder, window_seconds=0.5)
    coarse = create_index(tmp_path / "coarse", encoder, window_seconds=2.0)
    for index in (fine, coarse):
        updated(index, videos)
    for place in segments_of(coarse, coarse.ids().tolist()):
        found = moment_of_place(fine, place)
        assert found is not None
        others = segments_of(fine, fine.ids().tolist())
        best = max(
            shared_seconds(place, one) for one in others if one.content_id == place.content_id
        )
        (chosen,) = segments_of(fine, [found])
        assert chosen.content_id == place.content_id
        assert abs(shared_seconds(place, chosen) - best) < 0.11
        video = video_of_content(fine, place.content_id)
        assert fine.moments([found])[0].video_id == video
    assert video_of_content(fine, "none") is None
    assert moment_of_place(fine, Segment("none", 0.0, 1.0)) is None
    assert moment_of_place(fine, place._replace(start_seconds=90.0, end_seconds=91.0)) is None
