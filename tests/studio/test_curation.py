"""Groups of near duplicates are the connected pairs; copies have the same content."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from slic.search import Duplicate, Index, isolated_moments, outliers
from slic.studio.curation import cluster_outliers, groups_of_pairs, survey

pair = st.builds(
    lambda ends, similarity: Duplicate(min(ends), max(ends), similarity),
    st.sets(st.integers(0, 12), min_size=2, max_size=2),
    st.floats(0.9, 1.0),
)


@given(st.lists(pair, max_size=15), st.floats(0.9, 1.0))
def test_groups_are_those_that_joining_pair_by_pair_gives(
    pairs: list[Duplicate], threshold: float
) -> None:
    expected: list[set[int]] = []
    for one in pairs:
        if one.similarity >= threshold:
            joined = [group for group in expected if group & {one.first, one.second}]
            expected = [group for group in expected if group not in joined]
            expected.append(set().union({one.first, one.second}, *joined))
    groups = groups_of_pairs(pairs, threshold=threshold)
    assert sorted(map(sorted, expected)) == sorted(list(group.moments) for group in groups)
    for group in groups:
        inside = [p.similarity for p in pairs if p.first in group.moments]
        assert group.similarity == max(s for s in inside if s >= threshold)
    assert [g.similarity for g in groups] == sorted((g.similarity for g in groups), reverse=True)


def test_a_process_finds_the_same_as_a_call(index_folder: Path) -> None:
    index = Index.open(index_folder)
    assert survey(index_folder, None).isolated == isolated_moments(index, most=500)
    assert cluster_outliers(index_folder, 0) == outliers(index, level=0, limit=500)
    index.close()
