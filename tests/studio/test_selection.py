"""Which moments a scope selects, and how they are searched."""

import numpy as np
import pytest

from slic.errors import SearchError
from slic.search import cluster_members, list_clusters, query_from_moments, search
from slic.studio import selection
from slic.studio.projection import make_map
from slic.studio.requests import ClusterId, MomentScope, QueryExample, SearchRequest
from slic.studio.selection import search_moments, select_moments
from slic.studio.state import Studio

Corners = list[tuple[float, float]]


def rectangle(right: float) -> Corners:
    return [(-0.1, -0.1), (right, -0.1), (right, 1.1), (-0.1, 1.1)]


def test_a_search_of_all_moments_is_that_of_the_index(studio: Studio) -> None:
    moment = int(studio.index.ids()[4])
    request = SearchRequest(like=[QueryExample(moment=moment)], k=5)
    assert search_moments(studio, request) == search(
        studio.index, query_from_moments(studio.index, [moment]), k=5
    )


def test_a_search_in_a_cluster_compares_all_its_moments(studio: Studio) -> None:
    cluster = list_clusters(studio.index)[0]
    members = cluster_members(studio.index, cluster.id).tolist()
    query, others = members[0], members[1:]
    scope = MomentScope(cluster=ClusterId(level=cluster.level, id=cluster.id))
    hits = search_moments(studio, SearchRequest(like=[QueryExample(moment=query)], scope=scope))
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
