"""The moving picture of the studio: a heart is pressed, and what is alike plays beside it."""

import io
from pathlib import Path

from docs.studio_scenes import like, wait_until_ready
from PIL import Image, ImageDraw
from playwright.sync_api import Page

FRAMES_PER_SECOND = 8
MAX_FILM_BYTES = 1_500_000
WIDTH = 800
# Every video shows the time that it would show in a film at its own pace, however slow the machine.
SET_TIME = """async (seconds) => {
    const videos = [...document.querySelectorAll("video")].filter((video) => {
        const { top, bottom } = video.getBoundingClientRect();
        return bottom > 0 && top < innerHeight && video.checkVisibility() && video.readyState > 1;
    });
    await Promise.all(videos.map((video) => new Promise((done) => {
        video.dataset.playing = "0";
        video.pause();
        video.dataset.first ??= video.currentTime;
        const [, start, end] = /#t=([0-9.]+),([0-9.]+)/.exec(video.src) ?? [0, 0, video.duration];
        const length = Math.max(0.1, end - start - 0.05);
        const wanted = Number(start) + (seconds % length);
        if (Math.abs(video.currentTime - wanted) < 0.001) return done();
        video.addEventListener("seeked", done, { once: true });
        setTimeout(done, 1500);
        video.currentTime = wanted;
    })));
}"""
LOADED = """() => [...document.querySelectorAll("video")].every((video) => {
    const { top, bottom } = video.getBoundingClientRect();
    return bottom < 0 || top > innerHeight || !video.checkVisibility() || video.readyState > 2;
})"""
POINTER = [(0, 0), (0, 16), (4, 12.5), (6.6, 18.4), (9, 17.3), (6.4, 11.6), (11.4, 11.4)]


class Film:
    """Frames of a page, with a drawn pointer."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[Image.Image] = []
        self.pointer = (600.0, 640.0)

    def play(self, seconds: float) -> None:
        """Add frames of so many seconds."""
        for _ in range(round(seconds * FRAMES_PER_SECOND)):
            self.page.evaluate(SET_TIME, len(self.frames) / FRAMES_PER_SECOND)
            picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
            outline = [(self.pointer[0] + x, self.pointer[1] + y) for x, y in POINTER]
            ImageDraw.Draw(picture).polygon(outline, fill="black", outline="white")
            height = round(picture.height * WIDTH / picture.width)
            self.frames.append(picture.resize((WIDTH, height), Image.Resampling.LANCZOS))

    def move(self, selector: str, *, seconds: float = 0.6) -> None:
        """Move the pointer to the middle of an element while the film goes on."""
        box = self.page.locator(selector).first.bounding_box()
        assert box is not None
        end = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        start, steps = self.pointer, max(2, round(seconds * FRAMES_PER_SECOND))
        for step in range(1, steps + 1):
            share = step / steps
            eased = share * share * (3 - 2 * share)
            self.pointer = (
                start[0] + (end[0] - start[0]) * eased,
                start[1] + (end[1] - start[1]) * eased,
            )
            self.page.mouse.move(*self.pointer)
            self.play(1 / FRAMES_PER_SECOND)

    def save(self, path: Path) -> None:
        """Write an animated WebP with the best quality that fits into `MAX_FILM_BYTES`."""
        first, *others = self.frames
        for quality in (70, 60, 50, 40, 30, 20):
            packed = io.BytesIO()
            first.save(
                packed,
                "WEBP",
                save_all=True,
                append_images=others,
                duration=round(1000 / FRAMES_PER_SECOND),
                loop=0,
                quality=quality,
                method=6,
                minimize_size=False,
            )
            if packed.tell() < MAX_FILM_BYTES:
                break
        path.write_bytes(packed.getvalue())
        seconds = len(self.frames) / FRAMES_PER_SECOND
        print(f"{path}: {packed.tell() // 1000} kB, {seconds:.0f} s, quality {quality}")


def record_film(page: Page, address: str, path: Path) -> None:
    """Find by a heart: the page, a like, what is alike, a second like."""
    page.goto(f"{address}#find")
    wait_until_ready(page)
    page.wait_for_function(LOADED)
    film = Film(page)
    film.play(1.0)
    for seconds in (2.2, 3.0):
        film.move("#grid .tile .frame")
        film.move("#grid .tile .like", seconds=0.4)
        like(page, 0)
        page.wait_for_function(LOADED)
        film.play(seconds)
    film.save(path)
