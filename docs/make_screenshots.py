"""Take the screenshots of the studio and of a contact sheet with the sample index.

python docs/make_screenshots.py            # needs chromium and the development packages
"""

import argparse
import io
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from csv import DictReader
from pathlib import Path
from typing import Literal

import uvicorn
from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from slic.sample.index import make_sample_index
from slic.search import Index, set_label
from slic.studio.access import AccessPolicy
from slic.studio.app import create_app
from slic.studio.projection import make_map
from slic.studio.state import Studio

IMAGES = Path(__file__).parent / "images"
SIZE: ViewportSize = {"width": 1280, "height": 800}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
MAX_IMAGE_BYTES = 300_000
ColorScheme = Literal["light", "dark"]
VIDEOS_LOADED = """() => [...document.querySelectorAll("video")].every((video) => {
    const { top, bottom } = video.getBoundingClientRect();
    return bottom < 0 || top > innerHeight || !video.checkVisibility() || video.readyState > 2;
})"""
PLAYING_MILLISECONDS = 800  # into the moments, whose first frames often show little motion


def main() -> None:
    """Write the screenshots to ``docs/images``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=Path, help="folder of the sample, which is kept")
    given = parser.parse_args().sample
    with tempfile.TemporaryDirectory() as temporary:
        sample = make_sample_index((given or Path(temporary) / "sample").resolve())
        index = Index.open(sample.index_folder)
        label_half(index, sample.index_folder.parent / "videos" / "labels.csv")
        make_map(index.path)
        sheet = Path(temporary) / "sheet.html"
        query = index.videos()[0].file.relative_to(sample.index_folder.parent.resolve())
        command = [sys.executable, "-m", "slic", "search", sample.index_folder.name, str(query)]
        options = ["--k", "11", "--html", str(sheet)]
        subprocess.run([*command, *options], check=True, cwd=sample.index_folder.parent)
        take_all(Studio(index, runs=sample.runs), sheet)


def label_half(index: Index, labels: Path) -> None:
    """Set the ground-truth labels of the moments of half the videos."""
    with labels.open() as file:
        label_of = {row["path"]: row["label"] for row in DictReader(file)}
    moments = index.moments(index.ids().tolist())
    known = [moment for moment in moments if moment.video_id % 2 and moment.path in label_of]
    for label in sorted(set(label_of.values())):
        set_label(index, [m.id for m in known if label_of[m.path] == label], label)


def take_all(studio: Studio, sheet: Path) -> None:
    """Serve the studio, and take screenshots of its views and of the contact sheet."""
    config = uvicorn.Config(create_app(studio, AccessPolicy()), log_level="warning")
    server = uvicorn.Server(config)
    with socket.socket() as listener, sync_playwright() as driver:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.05)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            for name, (url, scheme, prepare) in views(address, sheet).items():
                context = browser.new_context(viewport=SIZE, color_scheme=scheme)
                page = context.new_page()
                page.goto(url)
                prepare(page)
                page.wait_for_function(VIDEOS_LOADED, timeout=120_000)
                page.wait_for_timeout(PLAYING_MILLISECONDS)
                save(page.screenshot(), IMAGES / f"{name}.png")
                context.close()
        finally:
            browser.close()
            server.should_exit = True
            thread.join()


def views(address: str, sheet: Path) -> dict[str, tuple[str, ColorScheme, Callable[[Page], None]]]:
    """Return the screenshots to take: URL, colour scheme, and what to do on the page first."""
    return {
        "studio-grid": (f"{address}#find", "dark", like_two),
        "studio-map": (f"{address}#map", "dark", hover_the_map),
        "studio-clusters": (f"{address}#clusters", "light", wait_until_ready),
        "studio-runs": (f"{address}#runs", "light", wait_until_ready),
        "contact-sheet": (sheet.as_uri(), "light", lambda _page: None),
    }


def wait_until_ready(page: Page) -> None:
    """Wait until the page has loaded its first data."""
    page.wait_for_selector("body[data-ready]")


def like_two(page: Page) -> None:
    """Search by two moments."""
    wait_until_ready(page)
    for _ in range(2):
        page.locator("#grid .tile").first.hover()
        page.locator("#grid .tile").first.locator(".like").click()
        page.wait_for_timeout(800)
    page.mouse.move(640, 790)


def hover_the_map(page: Page) -> None:
    """Move the pointer along a spiral until it hovers over a point."""
    page.wait_for_selector("#legend button")
    box = page.locator("#plane").bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for step in range(400):
        turn, far = step * 2.4, step**0.5 * 12
        x = middle[0] + far * (1 if step % 2 else -1) * abs(turn % 2 - 1)
        page.mouse.move(x, middle[1] + far * (turn % 1.7 - 0.85))
        page.wait_for_timeout(140)
        if page.locator("#hover-card").is_visible():
            return


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
    main()
