"""The command in this process."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from slic.cli import main
from slic.search import Index
from slic.search.repository import IndexSettings
from slic.search.repository.moments import NewMoment, insert_moments
from slic.search.repository.videos import FileState, insert_video
from slic.videos.video import Video

Lines = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return a function that runs the command here: exit code, lines on stdout and on stderr."""

    def run(*words: object) -> tuple[int, list[str], list[str]]:
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return run


@pytest.fixture
def make_index(tmp_path: Path) -> Callable[..., Index]:
    """Return a function that writes an index: its videos have random moments of 2 s, one per s."""

    def make(moments_of: Mapping[str, int], *, name: str = "index") -> Index:
        settings = IndexSettings(encoder="0", dimension=8, window_seconds=2.0, stride_seconds=1.0)
        index = Index.create(tmp_path / name, settings)
        rng = np.random.default_rng(0)
        for path, count in moments_of.items():
            video = Video(
                id=path, path=Path("/v", path), frames=25 * (count + 1), fps=25.0, width=64,
                height=48, seekable=True,
            )  # fmt: skip
            state = FileState(size=1, mtime_ns=1, content_id=f"content of {path}")
            x = rng.normal(size=(count, 8))
            unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
            with index.database.transaction() as connection:
                video_id = insert_video(connection, video, root="/v", state=state)
                moments = [NewMoment(video_id, i, i + 0.0, i + 2.0, z) for i, z in enumerate(unit)]
                insert_moments(connection, moments)
        return index

    return make
