"""Pieces of videos, and how an engine decodes, embeds and writes one."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch

from slic.engines import Work, folders_for_others, path_for_others
from slic.models.backbones import ClipSpec
from slic.models.encoder import VideoEncoder
from slic.search.fragments import Fragment, FragmentFolder
from slic.search.moment_embedder import MomentEmbedder
from slic.search.streaming import EmbeddingJob, MomentClips, moments_or_problem

PIECE_BYTES: Final = 64 << 20
"""Pixels of the clips of a piece: they are in memory together, and a lost process repeats them."""


@dataclass(frozen=True)
class Piece:
    """Consecutive moments of one video, which are embedded together.

    Attributes:
        content_id: Digest of the video's content.
        job: The moments.
    """

    content_id: str
    job: EmbeddingJob


@dataclass(frozen=True)
class ReadPiece:
    """What was decoded for a piece.

    Attributes:
        piece: The piece.
        moments: Its moments, of which the last may be a problem.
    """

    piece: Piece
    moments: list[MomentClips]


PieceWork: TypeAlias = Work[Piece, ReadPiece, Fragment, Path]


def piece_work(encoder: VideoEncoder, folder: FragmentFolder, videos: Path) -> PieceWork:
    """Return what an engine does for each piece; the result is the file of a fragment.

    Args:
        encoder: The encoder, on any device.
        folder: Where fragments go.
        videos: Folder of the collection.
    """
    return Work(
        read=partial(_read_piece, clip=encoder.clip),
        load=partial(PieceEmbedder, deepcopy(encoder).cpu()),
        write=folder.write,
        clips=_moments_of,
        folders=(folder.path, *folders_for_others(videos)),
    )


def cut_into_pieces(
    jobs: Sequence[EmbeddingJob], content_ids: Sequence[str], clip: ClipSpec
) -> list[Piece]:
    """Cut jobs into pieces whose clips have at most `PIECE_BYTES`, or one moment.

    The longest come first. Clips that two pieces share are embedded twice.
    """
    pieces = [
        Piece(content_id, part)
        for job, content_id in zip(jobs, content_ids, strict=True)
        for part in _parts(job, clip)
    ]
    return sorted(pieces, key=lambda piece: -len(piece.job.numbers))


def _parts(job: EmbeddingJob, clip: ClipSpec) -> Iterator[EmbeddingJob]:
    windows = job.windows()
    clips_per_moment = len(windows.spans) / len(windows.seconds)
    clip_bytes = 3 * clip.frames * clip.size**2
    most = max(1, int(PIECE_BYTES / (clip_bytes * clips_per_moment)))
    video = replace(job.video, path=path_for_others(job.video.path))
    for numbers in np.array_split(job.numbers, -(-len(job.numbers) // most)):
        yield replace(job, video=video, numbers=numbers)


def _moments_of(piece: Piece) -> int:
    return len(piece.job.numbers)


def _read_piece(piece: Piece, *, clip: ClipSpec) -> ReadPiece:
    return ReadPiece(piece, list(moments_or_problem(piece.job, clip)))


class PieceEmbedder:
    """Embeds pieces with an encoder, on one device.

    Args:
        encoder: The encoder.
        device: The device.
    """

    def __init__(self, encoder: VideoEncoder, device: torch.device) -> None:
        self.encoder = encoder.to(device).eval()

    def __call__(self, reads: Sequence[ReadPiece]) -> list[Fragment]:
        """Return the fragments of pieces, by one pass for all their clips."""
        moments = [
            moment._replace(job=number)
            for number, read in enumerate(reads)
            for moment in read.moments
            if not moment.problem
        ]
        vectors = MomentEmbedder(self.encoder)(moments)
        owners = np.array([moment.job for moment in moments], np.int64)
        return [_fragment(read, vectors[owners == number]) for number, read in enumerate(reads)]


def _fragment(read: ReadPiece, vectors: np.ndarray) -> Fragment:
    embedded = [moment for moment in read.moments if not moment.problem]
    numbers = read.piece.job.numbers
    return Fragment(
        content_id=read.piece.content_id,
        numbers=np.array([moment.number for moment in embedded], np.int64),
        seconds=np.array([moment.seconds for moment in embedded], np.float64).reshape(-1, 2),
        vectors=vectors,
        problem=next((moment.problem for moment in read.moments if moment.problem), ""),
        first=int(numbers[0]),
        last=int(numbers[-1]),
    )
