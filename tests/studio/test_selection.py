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
    cluster_index,
    cluster_members,
    create_index,
    list_clusters,
    query_from_moments,
    search,
    update_index,
)
from slic.search.parts import unit_parts
from slic.studio import selection
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


def test_an_exact_search_of_too_many_moments_is_refused(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MAX_EXACT_SEARCH_MOMENTS", 1)
    cluster = list_clusters(studio.index)[0]
    scope = MomentScope(cluster=ClusterId(level=cluster.level, id=cluster.id))
    like = [QueryExample(moment=int(studio.index.ids()[0]))]
    with pytest.raises(SearchError, match="at most 1 can be searched"):
        search_moments(studio, SearchRequest(like=like, scope=scope))


def test_an_example_of_nothing_is_refused(studio: Studio) -> None:
    with pytest.raises(SearchError, match="a moment or an upload"):
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
        assert found.weights == weights
        given = SearchRequest(like=like, unlike=unlike, scope=where, weights=weights)
        assert search_moments(studio, given) == (found.hits, None)
        equal = SearchRequest(like=like, unlike=unlike, scope=where, weights={})
        assert search_moments(studio, equal).hits != found.hits
    assert search_moments(studio, SearchRequest(like=like[:2], unlike=unlike)).weights is None
    studio.close()


def test_likes_beside_a_text_or_in_one_part_set_no_weights(
    studio: Studio, tmp_path: Path, colour_encoder: VideoEncoder, colour_videos: Path
) -> None:
    like = [QueryExample(moment=int(i)) for i in studio.index.ids()[:3]]
    assert search_moments(studio, SearchRequest(like=like)).weights is None
    made = create_index(tmp_path / "colours", colour_encoder, window_seconds=1.0)
    catalog = Catalog.from_folder(colour_videos, workers=1, cache=False, progress=False)
    update_index(made, catalog, workers=0, progress=False)
    colours = Studio(made)
    like = [QueryExample(moment=int(i)) for i in made.ids()[:3]]
    assert search_moments(colours, SearchRequest(like=like)).weights is not None
    assert search_moments(colours, SearchRequest(text="blue", like=like)).weights is None
    colours.close()


def test_an_index_without_text_refuses_one(studio: Studio) -> None:
    with pytest.raises(SearchError, match="no text search"):
        search_moments(studio, SearchRequest(text="blue"))
    with pytest.raises(SearchError, match="no such part"):
        Studio(studio.index, weights={"motion": 1.0})
