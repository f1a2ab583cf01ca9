"""A folder of flow is opened as what it is, and missing flow is reported where it matters."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from slic.clips.extracted_flow import ExtractedFlow
from slic.clips.flow import FlowMethod, FlowOptions
from slic.clips.flow_cache import FlowCache
from slic.clips.flow_store import FLOW_FOLDER, missing_flow_advice, open_flow_store
from slic.errors import RecipeError
from slic.videos.catalog import Catalog

SIZE = (40, 30)  # clips are read at
HORIZONTAL = FlowOptions(method="tv-l1", components="horizontal")
TOO_LARGE = FlowOptions(bound=0.1)  # more motion than caches store


def in_folder(flow: FlowOptions, folder: Path) -> FlowOptions:
    return replace(flow, folder=str(folder))


@pytest.fixture
def one(catalog: Catalog) -> Catalog:
    """Return a catalog of one video."""
    return catalog.subset(["3.mp4"])


def test_no_folder_means_the_caches_beside_the_videos(one: Catalog) -> None:
    store = open_flow_store(HORIZONTAL, one, size=SIZE, stride=2)
    assert isinstance(store, FlowCache)
    assert str(store).startswith(str(one.root / FLOW_FOLDER))
    assert open_flow_store(TOO_LARGE, one, size=SIZE, stride=2) is None


def test_a_folder_with_u_is_extracted_flow(tmp_path: Path, one: Catalog) -> None:
    (tmp_path / "u" / "3").mkdir(parents=True)
    for k in range(1, 9):
        cv2.imwrite(str(tmp_path / "u" / "3" / f"frame{k:06d}.jpg"), np.zeros((9, 9), np.uint8))
    store = open_flow_store(in_folder(HORIZONTAL, tmp_path), one, size=SIZE, stride=1)
    assert isinstance(store, ExtractedFlow)
    with pytest.raises(RecipeError, match=r"the clip stride is 2\. Use a stride of 1"):
        open_flow_store(in_folder(HORIZONTAL, tmp_path), one, size=SIZE, stride=2)


def test_a_folder_that_does_not_serve_is_named(tmp_path: Path, one: Catalog) -> None:
    with pytest.raises(RecipeError, match=r"a flow bound of up to 0\.094, but the bound is 0\.1"):
        open_flow_store(in_folder(TOO_LARGE, tmp_path), one, size=SIZE, stride=1)
    with pytest.raises(RecipeError, match=r"flow folder .*nowhere: is not a folder"):
        open_flow_store(in_folder(HORIZONTAL, tmp_path / "nowhere"), one, size=SIZE, stride=1)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("method", ["dis", "tv-l1"])
def test_missing_flow_is_reported_where_it_is_slow_or_was_expected(
    tmp_path: Path, one: Catalog, method: FlowMethod, named: bool
) -> None:
    flow = in_folder(FlowOptions(method=method), tmp_path)
    store = open_flow_store(flow, one, size=SIZE, stride=1)
    assert isinstance(store, FlowCache)
    advice = missing_flow_advice(store, one, named=named) or ""
    assert bool(advice) == (named or method == "tv-l1")
    if advice:
        where = f" in {tmp_path}/{method}-40x30-stride1" if named else ""
        assert f"flow by {method} is not prepared{where} for 1 of 1 videos" in advice
        assert ("at about 0.2 s per frame" in advice) == (method == "tv-l1")
        assert "Run `slic prepare --flow` once" in advice
    store.write(one[0])
    assert missing_flow_advice(store, one, named=named) is None
