"""Accuracy of search with a trained encoder. It is not part of `make bench`.

    python benchmarks/moments.py SAMPLE --long-from VIDEOS --encoder E --scratch FOLDER

First, ten-second cuts of a half-hour file are re-encoded and searched in an index of that file,
which is a concatenation of many videos. Second, precision@5 of the sample's test videos among its
training videos.
"""

import argparse
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from slic.models.encoder import VideoEncoder
from slic.search import Index, create_index, query_from_clip, search, update_index
from slic.search.stores import StoreLocation
from slic.search.stores.embedded import EmbeddedStore
from slic.videos.catalog import Catalog
from slic.videos.frames import read_frames, stream_frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sample", type=Path)
    parser.add_argument("--long-from", type=Path, required=True, metavar="VIDEOS")
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--queries", type=int, default=50)
    arguments = parser.parse_args()
    encoder = VideoEncoder.from_pretrained(arguments.encoder)
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    find_cuts(arguments, encoder)
    find_actions(arguments, encoder)


def find_cuts(arguments: argparse.Namespace, encoder: VideoEncoder) -> None:
    folder = arguments.scratch / "long"
    long_file = folder / "long.mp4"
    if not long_file.exists():
        concatenate(Catalog.from_folder(arguments.long_from), long_file, arguments.minutes)
    started = time.perf_counter()
    index = updated(arguments.scratch / "long-index", encoder, folder)
    seconds = time.perf_counter() - started
    stride = index.settings.stride_seconds
    (video,) = index.videos()
    starts = np.random.default_rng(0).uniform(0, video.duration_seconds - 11, arguments.queries)
    offs, took = [], []
    for number, start in enumerate(starts.tolist()):
        cut = arguments.scratch / f"cut-{number}.mp4"
        frames = read_frames(video.video, cut_places(start), size=(320, 240))
        write_video(cut, frames, quality=30)
        began = time.perf_counter()
        (hit,) = search(index, query_from_clip(index, cut), k=1)
        took.append(time.perf_counter() - began)
        offs.append(abs(hit.best_start_seconds - start))
    right = sum(off <= stride for off in offs)
    print(
        f"cuts of 10 s in {video.duration_seconds / 60:.1f} minutes ({video.moments} moments, "
        f"indexed in {seconds:.0f} s): {right} of {len(offs)} found within one stride of "
        f"{stride:g} s; median off by {np.median(offs):.2f} s; a search takes "
        f"{np.median(took):.2f} s with decoding and embedding the cut",
        flush=True,
    )


def cut_places(start: float, *, fps: float = 25.0) -> range:
    first = round(start * fps)
    return range(first, first + round(10 * fps))


def find_actions(arguments: argparse.Namespace, encoder: VideoEncoder) -> None:
    table = (arguments.sample / "labels.csv").read_text().splitlines()
    rows = [line.split(",") for line in table[1:]]
    label = {row[0].partition("/")[2]: row[1] for row in rows}
    index = updated(arguments.scratch / "train-index", encoder, arguments.sample / "train")
    location = StoreLocation(folder=index.path, dimension=index.settings.dimension)
    inverted = EmbeddedStore(location, exact_up_to=0)
    tests = [row[0].partition("/")[2] for row in rows if row[2] == "test"]
    scores = {}
    for kind in ("exact", "inverted file"):
        if kind != "exact":
            index._store = inverted
        right = []
        for test in tests:
            query = query_from_clip(index, arguments.sample / "test" / test)
            hits = search(index, query, k=5)
            right += [label[hit.path] == label[test] for hit in hits]
        scores[kind] = np.mean(right)
    own = [label[row[0].partition("/")[2]] for row in rows if row[2] == "train"]
    chance = np.mean([own.count(label[test]) / len(own) for test in tests])
    text = ", ".join(f"{kind} {score:.3f}" for kind, score in scores.items())
    print(f"precision@5 of {len(tests)} held-out videos: {text}, chance {chance:.3f}", flush=True)


def write_video(path: Path, frames: Iterable[np.ndarray], *, quality: int) -> None:
    """Write H.264 at 25 frames per second; ``quality`` is the crf."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(quality)})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def updated(path: Path, encoder: VideoEncoder, videos: Path) -> Index:
    index = create_index(path, encoder)
    update_index(index, Catalog.from_folder(videos))
    return index


def concatenate(catalog: Catalog, path: Path, minutes: float) -> None:
    """Concatenate the videos of a catalog at 320 x 240 into one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = (
        frame
        for video in catalog
        for frame in stream_frames(video, range(video.frames), size=(320, 240))
    )
    part = path.with_suffix(".part.mp4")
    max_frames = round(minutes * 60 * 25)
    write_video(
        part, (frame for frame, _ in zip(frames, range(max_frames), strict=False)), quality=23
    )
    shutil.move(part, path)


if __name__ == "__main__":
    main()
