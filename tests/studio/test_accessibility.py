"""axe-core finds nothing serious in any view or dialog, light or dark.

axe-core is a package of npm. The test runs where `npm install axe-core` has put it beside the
repository's files, or where the variable AXE_CORE has the path of its axe.min.js.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docs.studio_scenes import find_violations, open_scene, scenes

from slic.search import set_label
from slic.studio.projection import make_map
from tests.studio.browsing import BROWSER, Served

pytestmark = pytest.mark.slow
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if BROWSER is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)

ROOT = Path(__file__).parents[2]
AXE = Path(os.environ.get("AXE_CORE", ROOT / "node_modules/axe-core/axe.min.js"))
NAMES = tuple(scenes(Path()))


@pytest.fixture(scope="module")
def labelled(shared_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve an index with a few labels."""
    folder = tmp_path_factory.mktemp("axe") / "index"
    shutil.copytree(shared_index, folder)
    make_map(folder)
    served = Served(folder, runs=folder.parent)
    ids = served.studio.index.ids().tolist()
    set_label(served.studio.index, ids[:4], "wave")
    set_label(served.studio.index, ids[9:12], "a label of many words")
    yield served
    served.stop()


@pytest.mark.skipif(not AXE.is_file(), reason=f"axe-core is not installed: {AXE} does not exist")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing_serious(browser: Any, labelled: Served, name: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1000, "height": 700}, color_scheme=scheme)
    try:
        page = context.new_page()
        open_scene(page, labelled.address, scenes(labelled.studio.index.videos()[0].file)[name])
        assert find_violations(page, AXE.read_text()) == []
    finally:
        context.close()
