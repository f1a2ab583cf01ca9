"""Which moments a scope selects, and how they are searched."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slic.errors import SearchError
from slic.models.encoder import VideoEncoder
from slic.search import (
    Index,
    choose_weights,
    choose_weights_by_labels,
    cluster_index,
    cluster_members,
    create_index,
    list_clusters,
    query_from_moments,
    search,
    set_label,
    update_index,
)
from slic.search.calibration import sample_moments, similarity_scale
from slic.search.parts import unit_parts
from slic.studio import selection, weighing
from slic.studio.projection import make_map
from slic.studio.requests import ClusterId, MomentScope, QueryExample, SearchRequest
from slic.studio.selection import search_moments, select_moments
from slic.studio.state import Studio
from slic.videos.catalog import Catalog

Corners = list[tuple[float, float]]


def rectangle(right: float) -> Corners:
    return [(-0.1, -0.1), (right, -0.1), (right, 1.1), (-0.1, 1.1)]


def test_a_search_of_all_moments_is_that_of_the_index(studio: Studio) -> None:
    moment = int(studio.index.ids()[4])
    request = SearchRequest(like=[QueryExample(moment=moment)], k=5)
    assert search_moments(studio, request).hits == search(
        studio.index, query_from_moments(studio.index, [moment]), k=5
    )


def test_a_search_in_a_cluster_compares_all_its_moments(studio: Studio) -> None:
    cluster = list_clusters(studio.index)[0]
    members = cluster_members(studio.index, cluster.id).tolist()
    query, others = members[0], members[1:]
    scope = MomentScope(cluster=ClusterId(level=cluster.level, id=cluster.id))
    hits = search_moments(
        studio, SearchRequest(like=[QueryExample(moment=query)], scope=scope)
    ).hits
    vectors = studio.index.vectors([query, *others])
    similarity = vectors[1:] @ vectors[0]
    order = np.argsort(-similarity, kind="stable")
    assert [hit.moment_id for hit in hits] == [others[i] for i in order]
    assert [hit.score for hit in hits] == pytest.approx(similarity[order].tolist())


def test_a_search_in_a_lasso_compares_block_by_block(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_map(studio.index.path)
    ids, x = studio.index.all_vectors()
    request = SearchRequest(
        like=[QueryExample(moment=int(ids[3]))], scope=MomentScope(lasso=rectangle(1.1)), k=9
    )
    monkeypatch.setattr(selection, "COMPARED_AT_A_TIME", 4)
    hits = search_moments(studio, request).hits
    others = np.delete(np.arange(len(ids)), 3)
    similarity = x[others] @ x[3]
    order = np.argsort(-similarity, kind="stable")[:9]
    assert [hit.moment_id for hit in hits] == ids[others[order]].tolist()
    assert [hit.score for hit in hits] == pytest.approx(similarity[order].tolist())


def test_an_example_of_nothing_is_refused(studio: Studio) -> None:
    with pytest.raises(SearchError, match="a moment, a video or an upload"):
        search_moments(studio, SearchRequest(like=[QueryExample()]))


def test_a_lasso_selects_the_moments_inside(studio: Studio) -> None:
    with pytest.raises(SearchError, match="map is not ready"):
        select_moments(studio, MomentScope(lasso=rectangle(0.5)))
    made = make_map(studio.index.path)
    everything = select_moments(studio, MomentScope(lasso=rectangle(1.1)))
    assert set(everything.tolist()) == set(studio.index.ids().tolist())
    left = select_moments(studio, MomentScope(lasso=rectangle(0.5)))
    assert set(left.tolist()) == set(made.ids[made.positions[:, 0] < 0.5 * 65535].tolist())


def test_conditions_are_combined(studio: Studio) -> None:
    make_map(studio.index.path)
    cluster = list_clusters(studio.index)[0]
    where = "start_seconds > 0.4"
    selected = select_moments(
        studio,
        MomentScope(
            where=f"  {where} ",
            lasso=rectangle(0.5),
            cluster=ClusterId(level=cluster.level, id=cluster.id),
        ),
    )
    members = cluster_members(studio.index, cluster.id)
    left = select_moments(studio, MomentScope(lasso=rectangle(0.5)))
    expected = set(members.tolist()) & set(left.tolist())
    assert set(selected.tolist()) == expected & set(studio.index.matching(where).tolist())
    assert selected.tolist() == [i for i in members.tolist() if i in set(selected.tolist())]


def test_a_text_and_weights_choose_the_moments(
    tmp_path: Path, colour_encoder: VideoEncoder, colour_videos: Path
) -> None:
    made = create_index(tmp_path / "index", colour_encoder, window_seconds=1.0)
    catalog = Catalog.from_folder(colour_videos, workers=1, cache=False, progress=False)
    update_index(made, catalog, workers=0, progress=False)
    cluster_index(made)
    studio = Studio(made, weights={"motion": 1.0})
    whole = MomentScope()
    one = MomentScope(cluster=ClusterId(level=made.level, id=list_clusters(made)[0].id))
    for scope in (whole, one):
        ids = select_moments(studio, scope)
        request = SearchRequest(text="blue", scope=scope, weights={"motion": 5.0, "text": 1.0})
        hits = search_moments(studio, request).hits
        texts = made.encoder.encode_text(["blue"]).numpy()[0] / 3**0.5
        cosines = (made.vectors(ids)[:, 3:] @ texts).tolist()
        assert hits[0].score == pytest.approx(max(cosines), abs=1e-5)
    with pytest.raises(SearchError, match="the query has only text"):
        search_moments(studio, SearchRequest(text="blue", weights={"motion": 1.0}))
    studio.close()


def test_three_likes_set_the_weights_that_were_not_given(fill: Callable[..., Index]) -> None:
    rng, parts = np.random.default_rng(0), {"appearance": 8, "motion": 4}
    drawn = {f"{i}.mp4": rng.normal(size=(3, 12)) + 3 * (np.arange(12) > 7) for i in range(8)}
    made = fill({path: unit_parts(x, parts) for path, x in drawn.items()}, parts=parts)
    cluster_index(made)
    studio, ids = Studio(made), made.ids()[::3].tolist()
    scope = MomentScope(cluster=ClusterId(level=made.level, id=list_clusters(made)[0].id))
    like = [QueryExample(moment=moment) for moment in ids[:3]]
    unlike = [QueryExample(moment=ids[4])]
    queries = [query_from_moments(made, [moment]) for moment in ids[:5]]
    weights = choose_weights(made, queries[:3], queries[4:])
    for where in (MomentScope(), scope):
        found = search_moments(studio, SearchRequest(like=like, unlike=unlike, scope=where))
        assert found.weighing == (weights, "likes")
        given = SearchRequest(like=like, unlike=unlike, scope=where, weights=weights)
        assert search_moments(studio, given) == (found.hits, (weights, "you"), found.percentiles)
        equal = SearchRequest(like=like, unlike=unlike, scope=where, weights={})
        assert search_moments(studio, equal).hits != found.hits
    two = search_moments(studio, SearchRequest(like=like[:2], unlike=unlike))
    assert two.weighing == (None, "equal")
    studio.close()


def test_labels_set_the_weights_until_three_likes_do(
    fill: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weighing, "AUTOMATIC_LABELS", 9)
    rng, parts = np.random.default_rng(0), {"appearance": 8, "motion": 4}
    drawn = {f"{i}.mp4": rng.normal(size=(3, 12)) for i in range(8)}
    for number, x in enumerate(drawn.values()):
        x[:, 8:] += 5 * np.eye(4)[number % 2]  # only the motion tells the two kinds apart
    made = fill({path: unit_parts(x, parts) for path, x in drawn.items()}, parts=parts)
    studio, ids = Studio(made), made.ids().tolist()
    one = SearchRequest(like=[QueryExample(moment=ids[0])])
    for video in range(2):
        set_label(made, ids[6 * video : 6 * video + 3], "wave")
        set_label(made, ids[6 * video + 3 : 6 * video + 5], "kick")
        assert search_moments(studio, one).weighing.source == ("equal", "labels")[video]
    found = search_moments(studio, one)
    assert found.weighing.weights == choose_weights_by_labels(made)
    assert (found.weighing.weights or {})["motion"] > 0.9
    given = search(made, query_from_moments(made, ids[:1]), k=48, weights=found.weighing.weights)
    assert found.hits == given
    three = SearchRequest(like=[QueryExample(moment=i) for i in ids[:9:3]])
    assert search_moments(studio, three).weighing.source == "likes"
    studio.close()


def test_labels_do_not_weigh_a_part_that_the_query_lacks(
    fill: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill({"a.mp4": np.eye(4)[:2]}, parts={"appearance": 2, "motion": 2})
    studio = Studio(made)
    monkeypatch.setattr(
        weighing, "choose_weights_by_labels", lambda *_, **__: {"appearance": 0.0, "motion": 1.0}
    )
    still = SearchRequest(like=[QueryExample(moment=1)])
    assert search_moments(studio, still).weighing == (None, "equal")
    studio.close()


def test_percentiles_are_those_of_random_queries_of_the_same_form(
    fill: Callable[..., Index],
) -> None:
    rng, parts = np.random.default_rng(0), {"appearance": 8, "motion": 4}
    drawn = {f"{i}.mp4": unit_parts(rng.normal(size=(3, 12)), parts) for i in range(20)}
    made = fill(drawn, parts=parts)
    studio, weights = Studio(made), {"appearance": 0.9, "motion": 0.1}
    sample = sample_moments(made, ids=studio.shuffled_ids())
    for likes in (1, 3):
        like = [QueryExample(moment=i) for i in made.ids()[:likes].tolist()]
        found = search_moments(studio, SearchRequest(like=like, weights=weights))
        scale = similarity_scale(sample, likes=likes, weights=weights)
        assert scale is not None
        scores = [hit.score for hit in found.hits]
        assert found.percentiles == scale.percentile_ranks(scores).tolist()
    studio.close()


def test_likes_beside_a_text_or_in_one_part_set_no_weights(
    studio: Studio, tmp_path: Path, colour_encoder: VideoEncoder, colour_videos: Path
) -> None:
    like = [QueryExample(moment=int(i)) for i in studio.index.ids()[:3]]
    assert search_moments(studio, SearchRequest(like=like)).weighing.source == "equal"
    made = create_index(tmp_path / "colours", colour_encoder, window_seconds=1.0)
    catalog = Catalog.from_folder(colour_videos, workers=1, cache=False, progress=False)
    update_index(made, catalog, workers=0, progress=False)
    colours = Studio(made)
    like = [QueryExample(moment=int(i)) for i in made.ids()[:3]]
    assert search_moments(colours, SearchRequest(like=like)).weighing.source == "likes"
    beside = search_moments(colours, SearchRequest(text="blue", like=like))
    assert beside.weighing.source == "equal"
    colours.close()


def test_an_index_without_text_refuses_one(studio: Studio) -> None:
    with pytest.raises(SearchError, match="no text search"):
        search_moments(studio, SearchRequest(text="blue"))
    with pytest.raises(SearchError, match="no such part"):
        Studio(studio.index, weights={"motion": 1.0})
