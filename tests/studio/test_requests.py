"""Request bodies outside their bounds are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from slic.studio.requests import BrowseRequest, LabelRequest, SearchRequest


@pytest.mark.parametrize(
    "body",
    [
        {"like": []},
        {"like": [{"moment": "1; drop"}]},
        {"like": [{"moment": 1}], "k": 10**9},
        {"like": [{"upload": "key", "end": end} for end in range(1, 26)]},
        {"like": [{"moment": 1, "path": "/etc/passwd"}]},
        {"like": [{"moment": 10**20}]},
        {"like": [{"moment": 1, "start": float("nan")}]},
        {"like": [{"moment": 1}], "scope": {"cluster": {"level": 0, "id": 10**20}}},
        {"like": [{"moment": 1}], "scope": {"lasso": [[0, float("inf")]]}},
        {"like": [{"moment": 1}], "scope": {"where": "x" * 2001}},
    ],
)
def test_an_invalid_search_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SearchRequest.model_validate(body)


def test_defaults_cover_the_whole_index() -> None:
    search = SearchRequest.model_validate({"like": [{"upload": "key"}]})
    assert (search.like[0].start, search.like[0].end) == (0.0, float("inf"))
    assert search.scope == BrowseRequest().scope
    assert LabelRequest().label is None
