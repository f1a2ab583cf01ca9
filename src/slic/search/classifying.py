"""Classifying videos: a label for every moment, for segments, and for the whole video."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from slic.search.classifier import MomentClassifier, Prediction
from slic.search.index import Index
from slic.search.indexing import embed_jobs
from slic.search.repository.videos import unique_paths
from slic.search.streaming import EmbeddingJob
from slic.search.zero_shot import TextClassifier
from slic.videos.video import Refused, Video


@dataclass(frozen=True)
class PredictedSegment:
    """Consecutive moments with the same predicted label.

    Attributes:
        start_seconds: Start of the first moment.
        end_seconds: End of the last moment.
        label: Their class; None for unknown.
        confidence: Mean confidence of the moments, in [0, 1].
    """

    start_seconds: float
    end_seconds: float
    label: str | None
    confidence: float


@dataclass(frozen=True)
class VideoPrediction:
    """The prediction for a video.

    Attributes:
        path: Id of the video; of a video of the index, its path.
        label: The class of most of its moments; None for unknown.
        confidence: Mean confidence of the moments of that class, in [0, 1].
        segments: All its segments in order.
    """

    path: str
    label: str | None
    confidence: float
    segments: tuple[PredictedSegment, ...]


def classify_videos(
    index: Index,
    classifier: MomentClassifier | TextClassifier,
    videos: Sequence[Video],
    *,
    workers: int = 2,
    progress: bool = True,
) -> Iterator[VideoPrediction | Refused]:
    """Classify videos, without adding them to the index.

    Args:
        index: What gives the encoder, and the length of moments.
        classifier: The classifier of its labels, or of texts.
        videos: The videos.
        workers: Processes that decode; 0 decodes in this process.
        progress: Show a progress bar.

    Yields:
        A prediction for each video in order, or the reason why it cannot be read.
    """
    jobs = []
    for video in videos:
        numbers = np.arange(len(index.windows(video).seconds))
        jobs.append(EmbeddingJob(-1, video, index.cut(video), numbers))
    predictions: defaultdict[int, dict[int, Prediction]] = defaultdict(dict)
    problems: dict[int, str] = {}
    for batch in embed_jobs(index.encoder, jobs, workers=workers, progress=progress):
        predicted = classifier.predict(batch.vectors)
        for moment, prediction in zip(batch.moments, predicted, strict=True):
            predictions[moment.job][moment.number] = prediction
        problems |= {moment.job: moment.problem for moment in batch.failed}
    for number, job in enumerate(jobs):
        if number in problems:
            yield Refused(job.video.id, problems[number])
        else:
            predicted = [predictions[number][n] for n in job.numbers.tolist()]
            yield _summarise(job.video.id, job.windows().seconds.tolist(), predicted)


def classify_index(
    index: Index, classifier: MomentClassifier | TextClassifier
) -> Iterator[VideoPrediction]:
    """Classify the videos of an index by their stored vectors.

    Args:
        index: The index.
        classifier: The classifier.

    Yields:
        A prediction for each video that has moments, in the order of paths.
    """
    paths = index.database.read(unique_paths)
    for video in index.videos():
        numbered = index.moment_numbers([video.id])[video.id]
        if ids := [numbered[number] for number in sorted(numbered)]:
            seconds = [(m.start_seconds, m.end_seconds) for m in index.moments(ids)]
            predicted = classifier.predict(index.vectors(ids))
            yield _summarise(paths[video.id], seconds, predicted)


def _summarise(
    path: str, seconds: Sequence[Sequence[float]], predictions: Sequence[Prediction]
) -> VideoPrediction:
    votes = Counter(prediction.label for prediction in predictions)
    label = max(votes, key=lambda label: (votes[label], label or ""))
    confidences = [p.confidence for p in predictions if p.label == label]
    return VideoPrediction(
        path=path,
        label=label,
        confidence=sum(confidences) / len(confidences),
        segments=tuple(_merge_segments(seconds, predictions)),
    )


def _merge_segments(
    seconds: Sequence[Sequence[float]], predictions: Sequence[Prediction]
) -> Iterator[PredictedSegment]:
    timed = zip(predictions, seconds, strict=True)
    for label, group in groupby(timed, key=lambda item: item[0].label):
        members, times = zip(*group, strict=True)
        yield PredictedSegment(
            start_seconds=times[0][0],
            end_seconds=times[-1][1],
            label=label,
            confidence=sum(p.confidence for p in members) / len(members),
        )
