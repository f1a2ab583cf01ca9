"""The view Find in a real browser: filters, two indexes side by side, and names of any length."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slic.models.encoder import VideoEncoder
from slic.search import Index, cluster_index, create_index, set_label, update_index
from slic.videos.catalog import Catalog
from tests.studio.browsing import BROWSER, TIMEOUT, Served, moments

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if BROWSER is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)
expect = playwright.expect
expect.set_options(timeout=TIMEOUT)

LONG_NAMES = (
    f"{'long' * 50}.mp4",
    f"{'شخص يمشي في الشارع' * 4}.mp4",
    f"{'f' * 120}/{'g' * 120}/{'h' * 200}.mp4",
    f"{'動画' * 40}.mp4",
)
LONG_LABELS = ("Pneumono" * 24, "مشي " * 40, "a label of many words " * 8, "🎬" * 50)
SIZES = ((1280, 800), (1000, 700), (390, 844))
# What can be pressed, and text, that lies outside the screen. Text may be cut with an ellipsis, but
# not what can be pressed. A list that scrolls sideways may hold more than it shows.
OUT_OF_REACH = """() => {
    const scrolls = (e) => e && (/auto|scroll/.test(getComputedStyle(e).overflowX)
        && e.scrollWidth > e.clientWidth + 1 || scrolls(e.parentElement));
    const cut = (e, box) => { for (let p = e.parentElement; p; p = p.parentElement) {
        const edge = p.getBoundingClientRect();
        if (/hidden|clip/.test(getComputedStyle(p).overflowX)
            && (box.right > edge.right + 1 || box.left < edge.left - 1)) return true; }
        return false; };
    const shown = [...document.querySelectorAll("main *, header *, dialog[open] *, .actions *")]
        .filter((e) => e.checkVisibility() && !e.closest(".unseen, video, svg, canvas"));
    return shown.filter((e) => {
        const box = e.getBoundingClientRect();
        if (box.width < 2 || scrolls(e.parentElement)) return false;
        const outside = box.left < -1 || box.right > innerWidth + 1;
        const pressed = e.matches("button, input, select, a");
        return pressed ? outside || cut(e, box) : outside && !cut(e, box);
    }).map((e) => `${e.tagName} ${e.id} ${e.className} ${e.textContent.slice(0, 20)}`);
}"""


@pytest.fixture(scope="module")
def long_names(
    shared_index: Path, colour_encoder: VideoEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """Serve an index of two parts, of long and foreign names, beside another one."""
    folder = tmp_path_factory.mktemp("long")
    source = shared_index.parent / "videos" / "walk.mp4"
    for number, name in enumerate(LONG_NAMES):
        file = folder / "videos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source.read_bytes() + bytes([number]))  # other content
    (folder / "videos" / f"{'broken' * 30}.mp4").write_bytes(b"no video")
    index = create_index(folder / "index", colour_encoder, window_seconds=1.0)
    catalog = Catalog.from_folder(folder / "videos", workers=1, cache=False, progress=False)
    update_index(index, catalog, workers=0, progress=False)
    cluster_index(index)
    for number, label in enumerate(LONG_LABELS):
        set_label(index, index.ids()[3 * number : 3 * number + 2].tolist(), label[:200].strip())
    served = Served(folder / "index", runs=folder, compared=Index.open(shared_index))
    yield served
    served.stop()


def test_long_names_and_labels_leave_everything_in_reach(
    open_page: Callable[..., Any], long_names: Served
) -> None:
    page = open_page(long_names.address)

    def check(where: str) -> None:
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate(OUT_OF_REACH) == [], (where, width)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where

    check("moments")
    video = next(v.file for v in long_names.studio.index.videos() if v.path.startswith("long"))
    page.set_input_files("#file", str(video))
    expect(page.locator("#find-title")).to_have_text("Most similar")
    expect(page.locator("#compared-grid .tile").first).to_be_visible()
    check("a clip with a long name")
    expect(page.locator("#drop")).to_contain_text("Drop another video")
    page.get_by_role("button", name="Remove the video").click(trial=True)
    page.click("#filter-more")
    page.select_option("#filter-label", index=3)
    page.locator("#folders button").first.click()
    page.fill("#filter-where", f"path not like '{'x' * 300}'")
    page.keyboard.press("Tab")
    expect(page.locator("#filters button")).to_have_count(3)
    check("filters")
    page.click("#filter-more")
    check("chips")
    page.click("#about-open")
    expect(page.locator("#about")).to_be_visible()
    check("about")
    page.keyboard.press("Escape")
    for view in ("label", "map", "clusters", "runs"):
        page.evaluate("view => { location.hash = view }", view)
        expect(page.locator(f"#view-{view}")).to_be_visible()
        check(view)


def test_controls_make_the_filter_and_chips_remove_it(
    open_page: Callable[..., Any], served: Served
) -> None:
    index = served.studio.index
    set_label(index, index.ids()[:3].tolist(), "it's")
    page = open_page(served.address)
    page.click("#filter-more")
    expect(page.locator("#folders button")).to_have_text([re.compile("deep")])
    page.locator("#folders button").click()
    expect(page.locator("#folders button")).to_have_text([re.compile("down")])
    page.fill("#filter-to", "2")
    page.keyboard.press("Tab")
    where = "instr(path, 'deep/') = 1 and end_seconds <= 2"
    expect(page.locator("#filter-made")).to_have_text(where)
    expect(page.locator("#grid .tile")).to_have_count(len(index.matching(where)))
    expect(page.locator("#filters button")).to_have_text(
        ["folder: deep/", "time in the video to 2 s"]
    )
    page.click("#filter-edit")  # the controls become text
    expect(page.locator("#filter-where")).to_have_value(where)
    expect(page.locator("#filter-to")).to_have_value("")
    expect(page.locator("#grid .tile")).to_have_count(len(index.matching(where)))

    page.click("#filter-clear")
    expect(page.locator("#find-status")).to_contain_text(f"{index.count} in")
    page.select_option("#filter-label", "=it's")
    page.select_option("#filter-source", "given")
    page.fill("#filter-confidence", "-1")  # not a confidence: filters nothing
    page.keyboard.press("Tab")
    expect(page.locator("#grid .tile")).to_have_count(3)
    page.click("#filter-more")  # it covers the chips
    page.locator("#filters button", has_text="label: it's").click()
    page.wait_for_timeout(1600)  # what follows is an action of its own
    page.locator("#filters button", has_text="labelled by a person").click()
    expect(page.locator("#filters button")).to_have_count(0)
    expect(page.locator("#find-status")).to_contain_text(f"{index.count} in")
    page.click("#find-title")
    page.keyboard.press("z")
    expect(page.locator("#filters button")).to_have_text(["labelled by a person"])
    expect(page.locator("#filter-source")).to_have_value("given")


def test_two_indexes_answer_side_by_side(
    open_page: Callable[..., Any], shared_index: Path, tmp_path: Path
) -> None:
    shutil.copytree(shared_index, tmp_path / "copy")
    served = Served(shared_index, compared=Index.open(tmp_path / "copy"))
    page = open_page(served.address)
    expect(page.locator("#compared")).to_be_hidden()
    page.locator("#grid .tile").first.focus()
    page.keyboard.press("l")
    expect(page.locator("#column-there")).to_have_text("copy: slic/r3d10")
    expect(page.locator("#compared-status")).to_have_text(re.compile(r"^overlap@\d+ 100 %$"))
    twins = page.eval_on_selector_all("#compared-grid .tile", "all => all.map(e => e.dataset.twin)")
    assert twins == moments(page)
    expect(page.locator("#grid .also").first).to_have_text("both · 1")
    second = page.locator("#compared-grid .tile").nth(1)
    second.hover()
    second.get_by_role("button", name="More like this").click()
    expect(page.locator("#examples .chip")).to_have_count(2)
    page.click("#about-open")
    expect(page.locator("#about section")).to_have_count(2)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("#compared")).to_be_hidden()
    served.stop()


def test_scores_say_how_many_random_pairs_are_less_alike(
    open_page: Callable[..., Any], served: Served
) -> None:
    page = open_page(served.address)
    page.locator("#grid .tile").first.focus()
    with page.expect_response("**/api/search") as answered:
        page.keyboard.press("l")
    found = answered.value.json()["moments"]
    badges = page.locator("#grid .score")
    expect(badges).to_have_count(len(found))
    for number, tile in enumerate(found[:5]):
        percent = round(tile["percentile"], 1 if tile["percentile"] >= 99 else 0)
        rank = str(number + 1)
        text = "> 99.9 %" if tile["percentile"] > 99.9 else f"{percent:g} %"
        expect(badges.nth(number)).to_have_text(f"{rank}{text}")
        title = badges.nth(number).get_attribute("title")
        assert title.endswith(f"of random pairs of moments, cosine similarity {tile['score']:.3f}")
