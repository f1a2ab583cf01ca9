"""Indexes of millions of moments: opening, building, memory, recall and latency.

python benchmarks/large_index.py write FOLDER --size 10000000
python benchmarks/large_index.py write FOLDER --size 10000000 --parts 64 64
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from search import HOUR, base_vectors, jittered
from slic.search import Index
from slic.search.repository import IndexSettings
from slic.search.repository.moments import NewMoment, insert_moments
from slic.search.repository.videos import FileState, insert_video
from slic.videos.video import Video

BLOCK = 360_000  # moments that are drawn at a time: 100 videos of an hour


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["write"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=2_000_000)
    parser.add_argument("--parts", type=int, nargs="+", default=[128])
    arguments = parser.parse_args()
    started = time.perf_counter()
    write(arguments.folder, arguments.size, arguments.parts)
    print(f"written in {time.perf_counter() - started:.0f} s")


def drawn(count: int, parts: Sequence[int], *, seed: int) -> np.ndarray:
    """Return vectors whose parts are near drawn ones, each part near another one."""
    base = base_vectors(None)
    columns = []
    for number, length in enumerate(parts):
        rows = base[:, :length] / np.linalg.norm(base[:, :length], axis=1, keepdims=True)
        columns.append(jittered(rows, count, seed=1000 * number + seed))
    return np.concatenate(columns, axis=1)


def blocks(size: int, parts: Sequence[int]) -> Iterator[np.ndarray]:
    """Give all vectors in order. Each block has a seed of its own."""
    for number, start in enumerate(range(0, size, BLOCK)):
        yield drawn(min(BLOCK, size - start), parts, seed=10 + number)


def write(folder: Path, size: int, parts: Sequence[int]) -> None:
    """Write an index of made-up videos of an hour, without a store."""
    settings = IndexSettings(
        encoder="-",
        vectors={f"part{number}": length for number, length in enumerate(parts)},
        window_seconds=2.0,
        stride_seconds=1.0,
    )
    index = Index.create(folder, settings)
    first = 0
    for x in blocks(size, parts):
        with index.database.transaction() as connection:
            for start in range(0, len(x), HOUR):
                video = Video(
                    id=f"{first + start}.mp4", path=Path(f"/{first + start}.mp4"),
                    frames=25 * (HOUR + 1), fps=25.0, width=320, height=240,
                )  # fmt: skip
                state = FileState(size=1, mtime_ns=1, content_id=str(first + start))
                video_id = insert_video(connection, video, root="/", state=state)
                rows = enumerate(x[start : start + HOUR])
                moments = (NewMoment(video_id, i, float(i), i + 2.0, v) for i, v in rows)
                insert_moments(connection, moments)
        first += len(x)
    index.close()


if __name__ == "__main__":
    main()
