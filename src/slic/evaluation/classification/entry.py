"""From an encoder and labelled videos to scores: train a classifier, test it, keep both."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from slic.evaluation.classification.folder import ClassificationFolder
from slic.evaluation.classification.model import Classifier
from slic.evaluation.classification.problem import Problem
from slic.evaluation.classification.scores import ClassificationScores, score
from slic.evaluation.classification.settings import ClassifierSettings, Protocol
from slic.evaluation.classification.testing import predict
from slic.evaluation.classification.training import train
from slic.models.encoder import VideoEncoder

TEST = (
    "test: ten crops (four corners and centre, each also mirrored) of half-overlapping windows of "
    "{frames} frames at stride {stride} over the whole video, mean softmax"
)


def classify(
    encoder: VideoEncoder,
    problem: Problem,
    *,
    protocol: Protocol,
    settings: ClassifierSettings,
    out: Path,
    resume: bool = False,
    workers: int = 2,
    progress: bool = True,
) -> ClassificationScores:
    """Train a classifier on the training videos and name the test videos.

    Args:
        encoder: Whose backbone is taken, fresh or trained; it is not changed itself.
        problem: The videos and their classes.
        protocol: ``"finetune"`` trains backbone and linear layer, ``"linear"`` the layer alone on
            a backbone that stays as it is, running statistics of its batch normalisation included.
        settings: Of the training.
        out: Folder of the run: settings, log, checkpoint, predictions.
        resume: Go on with the run in ``out``. On a CPU it ends with the same weights and scores,
            bit for bit, as if it had never been stopped.
        workers: Processes that decode; the result does not depend on them.
        progress: Show bars on stderr.

    Raises:
        CheckpointError: The folder holds another run, or cannot be written.
        TrainingError: A loss that is not finite.
        StopRequested: Ctrl-C; all that is done was saved.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    frozen = protocol == "linear"
    model = Classifier(
        encoder,
        len(problem.classes),
        frozen=frozen,
        dropout=settings.dropout,
        seed=settings.seed,
    )
    with ClassificationFolder(out) as folder:
        folder.claim(_about(encoder, problem, protocol, settings), resume=resume)
        train(model, problem, settings, folder, device=device, workers=workers, progress=progress)
        if not frozen:
            model.encoder.save_pretrained(folder.encoder)
        found = predict(
            model,
            problem.test,
            folder,
            device=device,
            precision=settings.precision,
            workers=workers,
            progress=progress,
        )
    words = f"{protocol}: {_training_words(protocol, settings)}; {_test_words(encoder)}"
    return score(found, problem, protocol=words)


def _about(
    encoder: VideoEncoder, problem: Problem, protocol: Protocol, settings: ClassifierSettings
) -> Mapping[str, Any]:
    """Return what makes this run this run; the names are those that an error shows."""
    pairs = [
        (video.id, video.frames, target)
        for video, target in zip(problem.train, problem.train_targets.tolist(), strict=True)
    ]
    return {
        "protocol": protocol,
        "encoder": encoder.fingerprint(),
        **asdict(settings),
        "classes": problem.classes,
        "set of training videos": sha256(json.dumps(pairs).encode()).hexdigest()[:16],
    }


def _training_words(protocol: Protocol, settings: ClassifierSettings) -> str:
    first, second = settings.drops
    what, rates = "linear layer on a frozen backbone", f"{settings.learning_rate:g}"
    if protocol == "finetune":
        what = "backbone and linear layer"
        rates += f" (backbone {settings.backbone_learning_rate:g})"
    return (
        f"{what}, {settings.epochs} epochs in batches of {settings.batch_size}, Adam {rates}, "
        f"/ 10 at epochs {first} and {second}, weight decay {settings.weight_decay:g}, "
        f"dropout {settings.dropout:g}, {settings.precision}, seed {settings.seed}"
    )


def _test_words(encoder: VideoEncoder) -> str:
    return TEST.format(frames=encoder.config.frames, stride=encoder.config.stride)
