"""Bodies of the page's requests, validated by pydantic."""

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_LABELLED_MOMENTS = 100_000  # given by id in one request; a scope has no limit
MAX_CLIPS = 24  # of uploads in one search; each is decoded and embedded
RowId = Annotated[int, Field(ge=0, lt=2**63)]  # what SQLite can store
MapCoordinate = Annotated[float, Field(ge=-1, le=2)]  # the map is the unit square


class RequestModel(BaseModel):
    """Base of the request bodies: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ClusterId(RequestModel):
    """A cluster of one level."""

    level: RowId
    id: RowId


class MomentScope(RequestModel):
    """The moments that a request refers to: those that pass every given condition.

    Attributes:
        where: Filter expression; see `slic.search.repository.filters`.
        lasso: Corners of a polygon on the map, as (x, y) with y upwards.
        cluster: A cluster of which the moments are members.
    """

    where: str = Field(default="", max_length=2000)
    lasso: list[tuple[MapCoordinate, MapCoordinate]] = Field(default=[], max_length=2000)
    cluster: ClusterId | None = None


class QueryExample(RequestModel):
    """A moment of the index, or a span of a video of the index or of an uploaded one."""

    moment: RowId | None = None
    video: RowId | None = None
    upload: str | None = Field(default=None, max_length=64)
    start: float = Field(default=0.0, ge=0)
    end: float = Field(default=math.inf, gt=0, allow_inf_nan=True)


class SearchRequest(RequestModel):
    """A search by a text, and by positive and negative examples; one of them is needed.

    Attributes:
        text: What to find, in words; empty for none.
        weights: Weights of the parts of a vector; empty weights them equally. None lets three likes
            or more set them, or else the labels; see `slic.studio.weighing.weigh`.
    """

    text: str = Field(default="", max_length=500)
    like: list[QueryExample] = Field(default=[], max_length=500)
    unlike: list[QueryExample] = Field(default=[], max_length=500)
    weights: dict[str, Annotated[float, Field(ge=0, le=1000)]] | None = Field(
        default=None, max_length=50
    )
    scope: MomentScope = MomentScope()
    k: int = Field(default=48, ge=1, le=1000)

    @model_validator(mode="after")
    def _check_example(self) -> "SearchRequest":
        if not self.text.strip() and not self.like:
            raise ValueError("a search needs a text, or a clip or moment that is liked")
        clips = sum(example.upload is not None for example in (*self.like, *self.unlike))
        if clips > MAX_CLIPS:
            raise ValueError(f"a search may have {MAX_CLIPS} clips of uploads, not {clips}")
        return self


class CompareRequest(SearchRequest):
    """A search in the index that is compared, and what the same search found in the first one.

    Attributes:
        shown: Moments of the first index, best first.
        spans: Start and end in seconds of each of them.
    """

    shown: list[RowId] = Field(default=[], max_length=1000)
    spans: list[tuple[float, float]] = Field(default=[], max_length=1000)

    @model_validator(mode="after")
    def _check_spans(self) -> "CompareRequest":
        if len(self.spans) != len(self.shown):
            raise ValueError("spans: one for each of the moments shown is needed")
        return self


class BrowseRequest(RequestModel):
    """One page of the moments in a scope."""

    scope: MomentScope = MomentScope()
    offset: RowId = 0
    limit: int = Field(default=48, ge=1, le=500)


class LabelRequest(RequestModel):
    """A label for some moments, or for all moments in a scope; None removes the label."""

    moments: list[RowId] = Field(default=[], max_length=MAX_LABELLED_MOMENTS)
    scope: MomentScope | None = None
    label: str | None = Field(default=None, max_length=400)


class UndoRequest(RequestModel):
    """The label change to undo, if it is still the last one; None is the last one."""

    change: RowId | None = None
