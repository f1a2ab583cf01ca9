"""Take the pictures of the studio for the documents, or look at every view and dialog.

python docs/make_screenshots.py                       # pictures of the documents
python docs/make_screenshots.py --all FOLDER          # every view and dialog, six times each
python docs/make_screenshots.py --axe axe.min.js      # check each for accessibility

It needs chromium and the development packages; --axe also the file of the npm package axe-core.
The first call trains for some minutes; --sample FOLDER keeps what it made.
"""

import argparse
import io
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, it finds its neighbours

from docs.studio_film import record_film
from docs.studio_sample import make_pictured_index
from docs.studio_scenes import FLAGS, Scene, find_violations, open_scene, scenes

from slic.search import Index
from slic.studio.access import AccessPolicy
from slic.studio.app import create_app
from slic.studio.projection import make_map
from slic.studio.state import Studio

IMAGES = Path(__file__).parent / "images"
SIZES = ((1280, 800), (1000, 700), (390, 844))
MAX_IMAGE_BYTES = 300_000
ColorScheme = Literal["light", "dark"]
SCHEMES: tuple[ColorScheme, ...] = ("light", "dark")
DOCUMENTED: dict[str, tuple[str, ColorScheme]] = {  # picture: scene, colour scheme
    "studio-grid": ("find-search", "dark"),
    "studio-map": ("map-hover", "dark"),
    "studio-clusters": ("clusters", "light"),
    "studio-curate": ("curate", "light"),
    "studio-timeline": ("timeline-range", "dark"),
    "studio-label": ("label", "light"),
    "studio-runs": ("runs", "light"),
}
VIDEOS_LOADED = """() => [...document.querySelectorAll("video")].every((video) => {
    const { top, bottom } = video.getBoundingClientRect();
    return bottom < 0 || top > innerHeight || !video.checkVisibility() || video.readyState > 2;
})"""
PLAYING_MILLISECONDS = 800  # into the moments, whose first frames often show little motion


def main() -> int:
    """Write the pictures; return 1 if axe-core found something serious."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=Path, help="folder of the sample, which is kept")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every view, size and scheme")
    parser.add_argument("--axe", type=Path, metavar="FILE", help="axe.min.js; check every view")
    parser.add_argument("--only", default="", help="only scenes or pictures with this in the name")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sample = make_pictured_index((given.sample or Path(temporary) / "sample").resolve())
        make_map(sample.index_folder)
        studio = Studio(Index.open(sample.index_folder), runs=sample.runs)
        with serve(studio) as address, open_browser() as browser:
            every = scenes(studio.index.videos()[0].file)
            chosen = {name: scene for name, scene in every.items() if given.only in name}
            if given.all:
                take_all(browser, address, chosen, given.all)
            if given.axe:
                return check_all(browser, address, chosen, given.axe.read_text())
            if not given.all:
                take_documented(browser, address, every, only=given.only)
    return 0


@contextmanager
def serve(studio: Studio) -> Iterator[str]:
    """Serve a studio, and give its address."""
    policy = AccessPolicy()
    config = uvicorn.Config(create_app(studio, policy), log_level="warning")
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.05)
        try:
            yield policy.address(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start chromium."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser: Browser, size: tuple[int, int], scheme: ColorScheme) -> Iterator[Page]:
    """Open a page of a size and colour scheme."""
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(120_000)
    try:
        yield page
    finally:
        context.close()


def take_all(browser: Browser, address: str, chosen: dict[str, Scene], folder: Path) -> None:
    """Write a picture of every scene in every size and colour scheme."""
    folder.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        for scheme in SCHEMES:
            with new_page(browser, size, scheme) as page:
                for name, scene in chosen.items():
                    open_scene(page, address, scene)
                    page.wait_for_timeout(PLAYING_MILLISECONDS)
                    path = folder / f"{name}-{size[0]}-{scheme}.png"
                    page.screenshot(path=path)
                    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
                    print(path, "IS WIDER THAN THE SCREEN" if wide else "")


def check_all(browser: Browser, address: str, chosen: dict[str, Scene], axe: str) -> int:
    """Print what axe-core finds serious or critical; return 1 if there is anything."""
    found = 0
    for scheme in SCHEMES:
        with new_page(browser, SIZES[0], scheme) as page:
            for name, scene in chosen.items():
                open_scene(page, address, scene)
                lines = find_violations(page, axe)
                found += len(lines)
                print(f"{name}, {scheme}: {len(lines)} serious", *lines, sep="\n  ")
    return int(found > 0)


def take_documented(browser: Browser, address: str, every: dict[str, Scene], *, only: str) -> None:
    """Write the pictures and the film of the documents."""
    for name, (scene, scheme) in DOCUMENTED.items():
        if only in name:
            with new_page(browser, SIZES[0], scheme) as page:
                open_scene(page, address, every[scene])
                shoot(page, IMAGES / f"{name}.png")
    if only in "studio.webp":
        with new_page(browser, (1120, 700), "light") as page:
            record_film(page, address, IMAGES / "studio.webp")


def shoot(page: Page, path: Path) -> None:
    """Write a picture of the page while its videos play."""
    page.wait_for_function(VIDEOS_LOADED)
    page.wait_for_timeout(PLAYING_MILLISECONDS)
    save(page.screenshot(), path)


def save(png: bytes, path: Path) -> None:
    """Write a picture with as many colours as fit into `MAX_IMAGE_BYTES`."""
    path.parent.mkdir(exist_ok=True)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 192, 128, 96, 64, 48, 32):
        packed = io.BytesIO()
        palette = picture.quantize(colours, kmeans=3)
        dithered = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        dithered.save(packed, "PNG", optimize=True)
        if packed.tell() < MAX_IMAGE_BYTES:
            break
    path.write_bytes(packed.getvalue())
    print(f"{path}: {packed.tell() // 1000} kB, {colours} colours")


if __name__ == "__main__":
    sys.exit(main())
