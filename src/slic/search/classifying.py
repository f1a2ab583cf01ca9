"""What videos show, by a classifier of labels: per moment, merged into segments, and as a whole."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from slic.search.classifier import MomentClassifier, Prediction
from slic.search.index import Index
from slic.search.indexing import batches, embed_moments
from slic.search.streaming import Job
from slic.videos.video import Refused, Video


@dataclass(frozen=True)
class PredictedSegment:
    """Neighbouring moments of the same label; ``confidence`` is their mean, None is unknown."""

    start_seconds: float
    end_seconds: float
    label: str | None
    confidence: float


@dataclass(frozen=True)
class VideoPrediction:
    """What a video shows: the label of most of its moments (None: unknown), and all segments."""

    path: str
    label: str | None
    confidence: float
    segments: tuple[PredictedSegment, ...]


def classify_videos(
    index: Index,
    classifier: MomentClassifier,
    videos: Sequence[Video],
    *,
    workers: int = 2,
    progress: bool = True,
) -> Iterator[VideoPrediction | Refused]:
    """Give the verdict on each video, in their order; they are not added to the index."""
    jobs = []
    for video in videos:
        cut = index.windows(video.frames, video.fps)
        jobs.append(Job(-1, video, cut, np.arange(len(cut.start))))
    found: defaultdict[int, dict[int, Prediction]] = defaultdict(dict)
    problems: dict[int, str] = {}
    for batch in batches(jobs, index.clip_shape, workers=workers, progress=progress):
        good = [moment for moment in batch if not moment.problem]
        vectors = embed_moments(index.encoder, [moment.clips for moment in good])
        for moment, prediction in zip(good, classifier.predict(vectors), strict=True):
            found[moment.job][moment.number] = prediction
        problems |= {moment.job: moment.problem for moment in batch if moment.problem}
    for number, job in enumerate(jobs):
        if number in problems:
            reason = problems[number].removeprefix(f"{job.video.path}: ")
            yield Refused(job.video.id, reason)
        else:
            yield _verdict(job, [found[number][n] for n in job.numbers.tolist()])


def _verdict(job: Job, predictions: Sequence[Prediction]) -> VideoPrediction:
    votes = Counter(prediction.label for prediction in predictions)
    label = max(votes, key=lambda label: (votes[label], label or ""))
    confidences = [p.confidence for p in predictions if p.label == label]
    return VideoPrediction(
        path=job.video.id,
        label=label,
        confidence=sum(confidences) / len(confidences),
        segments=tuple(_segments(job, predictions)),
    )


def _segments(job: Job, predictions: Sequence[Prediction]) -> Iterator[PredictedSegment]:
    seconds = job.windows.seconds(job.video.fps)
    labels = [prediction.label for prediction in predictions]
    starts = [i for i in range(len(labels)) if i == 0 or labels[i] != labels[i - 1]]
    for first, after in zip(starts, [*starts[1:], len(labels)], strict=True):
        yield PredictedSegment(
            start_seconds=float(seconds[first, 0]),
            end_seconds=float(seconds[after - 1, 1]),
            label=labels[first],
            confidence=sum(p.confidence for p in predictions[first:after]) / (after - first),
        )
