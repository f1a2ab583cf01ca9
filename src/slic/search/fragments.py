"""Fragments: files of embedded moments on their way from processes and machines to an index.

A process writes one fragment for each piece of a video. The process that owns the index takes them
in and deletes them. So nothing is lost when either is killed, and nothing is in the index twice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Float32, Int

from slic.errors import EngineError
from slic.files import reason_of
from slic.sealed import DamagedFileError, Seal, read_sealed, sealing
from slic.search.repository import IndexSettings
from slic.videos.parquet import read_rows

FRAGMENT_FORMAT: Final = 1
FRAGMENTS_FOLDER: Final = "fragments"
_SEAL: Final = Seal("fragment", FRAGMENT_FORMAT)
_NAME: Final = re.compile(r"[0-9a-f]{32}-\d+-\d+\.fragment")


@dataclass(frozen=True)
class Fragment:
    """Moments of one content, with their vectors.

    Attributes:
        content_id: Digest of the content.
        numbers: Numbers of the moments in the video, ascending.
        seconds: Presentation times of the start and end of each.
        vectors: Their embeddings, of unit parts.
        problem: Why the rest of the piece cannot be read; empty if it can.
        first: Number of the first moment of the piece.
        last: Number of its last one.
    """

    content_id: str
    numbers: Int[np.ndarray, " m"]
    seconds: Float[np.ndarray, "m 2"]
    vectors: Float32[np.ndarray, "m d"]
    problem: str
    first: int
    last: int


@dataclass(frozen=True)
class FragmentFolder:
    """The fragments of one index.

    Attributes:
        path: The folder. Its name has what the index is made with, so others are never taken in.
        dimension: Length of a vector.
    """

    path: Path
    dimension: int

    @classmethod
    def of_index(cls, index: Path, settings: IndexSettings, base: Path | None) -> "FragmentFolder":
        """Return the folder for an index.

        Args:
            index: Folder of the index.
            settings: What it is made with.
            base: A folder that all machines see. None is the folder of the index.
        """
        made_with = (
            settings.encoder,
            f"{settings.window_seconds:g}",
            f"{settings.stride_seconds:g}",
            settings.identity[:12],
        )
        folder = base or index / FRAGMENTS_FOLDER
        return cls((folder / "-".join(made_with)).absolute(), settings.dimension)

    def paths(self) -> Iterator[Path]:
        """Give the files that are complete."""
        if self.path.is_dir():
            yield from (path for path in sorted(self.path.iterdir()) if _NAME.fullmatch(path.name))

    def name(self, content_id: str, numbers: Int[np.ndarray, " m"]) -> str:
        """Return the name of the file of a piece, given the numbers of its moments."""
        return _name(content_id, int(numbers[0]), int(numbers[-1]))

    def write(self, fragment: Fragment) -> Path:
        """Write a fragment, and return its file.

        Raises:
            WriteError: It cannot be written.
        """
        name = _name(fragment.content_id, fragment.first, fragment.last)
        flat = pa.array(fragment.vectors.reshape(-1), pa.float32())
        table = pa.table(
            {
                "number": pa.array(fragment.numbers, pa.int64()),
                "start_seconds": pa.array(fragment.seconds[:, 0], pa.float64()),
                "end_seconds": pa.array(fragment.seconds[:, 1], pa.float64()),
                "vector": pa.FixedSizeListArray.from_arrays(flat, fragment.vectors.shape[1]),
            }
        ).replace_schema_metadata({"content": fragment.content_id, "problem": fragment.problem})
        with sealing(self.path / name, _SEAL) as file:
            pq.write_table(table, file)
        return self.path / name

    def read(self, path: Path) -> Fragment:
        """Read a fragment that `write` wrote.

        Raises:
            DamagedFileError: It is damaged.
            OtherVersionError: It has another version.
            OSError: It cannot be read.
        """
        content = read_sealed(path, _SEAL)
        columns = ["number", "start_seconds", "end_seconds", "vector"]
        try:
            table = read_rows(pa.BufferReader(content), len(content), columns)
            about = {key.decode(): text.decode() for key, text in table.schema.metadata.items()}
            content_id, first, last = path.name.removesuffix(".fragment").split("-")
            fragment = Fragment(
                content_id=about["content"],
                numbers=table["number"].to_numpy(),
                seconds=np.stack([table[name].to_numpy() for name in columns[1:3]], axis=1),
                vectors=_vectors(table, self.dimension),
                problem=about["problem"],
                first=int(first),
                last=int(last),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedFileError(f"it holds something else: {error}") from error
        _check(fragment, content_id)
        return fragment

    def make(self) -> None:
        """Create the folder.

        Raises:
            EngineError: It cannot be created.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(
                f"{self.path}: the folder of fragments cannot be created ({reason_of(error)})."
            ) from error

    def remove_if_empty(self) -> None:
        """Remove the folder if all its fragments are taken in."""
        for folder in (self.path, self.path.parent):
            if folder.name != FRAGMENTS_FOLDER and folder != self.path:
                return
            try:
                folder.rmdir()
            except OSError:
                return


def _name(content_id: str, first: int, last: int) -> str:
    return f"{content_id}-{first}-{last}.fragment"


def _vectors(table: pa.Table, dimension: int) -> Float32[np.ndarray, "m d"]:
    column = table["vector"].combine_chunks()
    if column.type != pa.list_(pa.float32(), dimension):
        raise ValueError(f"vectors of type {column.type}")
    flat: Float32[np.ndarray, " n"] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(table), dimension)


def _check(fragment: Fragment, content_id: str) -> None:
    """Raise a DamagedFileError unless the values of a fragment are possible."""
    numbers, seconds = fragment.numbers, fragment.seconds
    inside = (numbers >= fragment.first) & (numbers <= fragment.last)
    possible = (
        fragment.content_id == content_id
        and bool(inside.all())
        and bool((np.diff(numbers) > 0).all())
        and bool(np.isfinite(seconds).all() and (seconds[:, 0] <= seconds[:, 1]).all())
        and bool(np.isfinite(fragment.vectors).all())
    )
    if not possible:
        raise DamagedFileError("it has impossible values")
